//! Sweden: the register of insiders' dealings as Finansinspektionen exports it, CSV in UTF-16 or UTF-8.

use std::collections::{HashMap, VecDeque};

use jiff::civil::DateTime;

use super::{
    field::{currency, digest, isin, iso_day, needed, plain_comma_number, prose, refusal, words},
    role::role,
};
use crate::{
    ingest::records::{Dialect, Header, Record, Rows},
    model::{
        dealing,
        filing::{Code, Filing, FilingId, Footnote, Issuer, Owner, Row, Status},
        local::Zone,
    },
};

/// Semicolons between the cells, one more behind the last.
pub const DIALECT: Dialect = Dialect {
    separator: ';',
    quotes: true,
};

/// How many rows back a row that says the very same may stand and still be told apart. Rows of one report are neighbours.
const REMEMBERED_ROWS: usize = 65_536;

/// The note that holds what a row of no shares says, in the register's words.
const NOTE: &str = "FI1";

/// Reads a row of the register as a filing of its own: the register numbers neither reports nor rows.
#[derive(Debug)]
pub struct SeFi {
    zone: Zone,
    columns: Option<Columns>,
    seen: HashMap<String, u32>,
    order: VecDeque<String>,
}

macro_rules! columns {
    ($($field:ident: $name:literal),+ $(,)?) => {
        #[derive(Clone, Copy, Debug)]
        struct Columns { $($field: usize,)+ }

        impl Columns {
            fn of(header: &Header) -> Result<Self, String> {
                Ok(Columns { $($field: header.need($name)?,)+ })
            }
        }
    };
}

columns! {
    published: "Publicerings datum",
    issuer: "Utgivare",
    lei: "LEI-kod",
    notifier: "Anmälningsskyldig",
    manager: "Person i ledande ställning",
    position: "Befattning",
    close: "Närstående",
    corrects: "Korrigering",
    correction: "Beskrivning av korrigering",
    nature: "Karaktär",
    instrument: "Instrument",
    isin: "ISIN",
    traded: "Transaktions datum",
    volume: "Volym",
    unit: "Volymsenhet",
    price: "Pris",
    currency: "Valuta",
    venue: "Handelsplats",
    status: "Status",
}

impl SeFi {
    /// `zone` is the market's.
    #[must_use]
    pub fn new(zone: Zone) -> Self {
        SeFi {
            zone,
            columns: None,
            seen: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    fn filing(&mut self, columns: Columns, record: &Record<'_>) -> Result<Filing, String> {
        let cell = |at| record.cell(at);
        let published: DateTime = cell(columns.published)
            .parse()
            .map_err(|_| refusal("Publicerings datum", cell(columns.published), "no time"))?;
        let published_at = self
            .zone
            .moment(published)
            .map_err(|e| format!("Publicerings datum: {e}"))?;
        let status = match cell(columns.status) {
            "Aktuell" => Status::Current,
            "Reviderad" => Status::Revised,
            "Makulerad" => Status::Cancelled,
            other => {
                let why = "not one of Aktuell, Reviderad, Makulerad";
                return Err(refusal("Status", other, why));
            }
        };
        let (row, note) = row(columns, record)?;
        let corrects = yes("Korrigering", cell(columns.corrects))?;
        let isin = row.isin.clone();
        Ok(Filing {
            market: "se".into(),
            form: if corrects { "Korrigering" } else { "Anmälan" }.into(),
            published_at,
            published_estimated: false,
            status,
            // what a correction replaces the register itself marks as Reviderad, and names nowhere
            amends: None,
            issuer: Issuer {
                id: words("LEI-kod", cell(columns.lei))?.filter(|lei| is_lei(lei)),
                name: needed("Utgivare", cell(columns.issuer))?,
                symbol: None,
                isin: isin.filter(|_| !row.derivative),
            },
            owners: vec![owner(columns, record)?],
            period: row.date,
            plan: None,
            footnotes: note.into_iter().collect(),
            rows: vec![row],
            remarks: prose("Beskrivning av korrigering", cell(columns.correction))?,
            url: None,
            // last: a row that is refused is not counted
            id: self.id(columns, record),
        })
    }

    /// What a row says, but for its status, which changes later. The how-manieth of rows that say the same is part of it, so that two
    /// equal trades of one report stay two, and importing the file again finds both.
    fn id(&mut self, columns: Columns, record: &Record<'_>) -> FilingId {
        let parts: Vec<String> = [
            columns.published,
            columns.issuer,
            columns.notifier,
            columns.manager,
            columns.nature,
            columns.instrument,
            columns.isin,
            columns.traded,
            columns.volume,
            columns.unit,
            columns.price,
            columns.currency,
            columns.venue,
        ]
        .map(|at| {
            let folded = record.cell(at).to_lowercase();
            folded.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .into();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let key = digest(&parts, 8);
        let count = self.occurrence(&key);
        let id = match count {
            0 => format!("FI:sha256-{key}"),
            again => format!("FI:sha256-{key}-{}", again + 1),
        };
        FilingId(id)
    }

    fn occurrence(&mut self, key: &str) -> u32 {
        if let Some(count) = self.seen.get_mut(key) {
            *count = count.saturating_add(1);
            return *count;
        }
        if self.order.len() == REMEMBERED_ROWS
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.seen.insert(key.to_owned(), 0);
        self.order.push_back(key.to_owned());
        0
    }
}

impl Rows for SeFi {
    type Item = Filing;

    fn header(&mut self, header: &Header) -> Result<(), String> {
        self.columns = Some(Columns::of(header)?);
        Ok(())
    }

    fn read(&mut self, record: &Record<'_>, out: &mut VecDeque<Result<Filing, String>>) {
        if let Some(columns) = self.columns {
            let filing = self.filing(columns, record);
            out.push_back(filing);
        }
    }
}

fn yes(field: &str, text: &str) -> Result<bool, String> {
    match text {
        "" | "Nej" => Ok(false),
        "Ja" => Ok(true),
        other => Err(refusal(field, other, "neither Ja nor empty")),
    }
}

fn is_lei(text: &str) -> bool {
    text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn owner(columns: Columns, record: &Record<'_>) -> Result<Owner, String> {
    let name = needed("Anmälningsskyldig", record.cell(columns.notifier))?;
    let manager = words("Person i ledande ställning", record.cell(columns.manager))?;
    yes("Närstående", record.cell(columns.close))?;
    // the register names the manager of every report; only where it is another than who reports, somebody close to him does
    let other = |manager: &String| manager.to_lowercase() != name.to_lowercase();
    let mut owner = Owner {
        close_to: manager.filter(other),
        title: words("Befattning", record.cell(columns.position))?,
        name,
        ..Owner::default()
    };
    let told = role(owner.title.as_deref().unwrap_or(""));
    told.apply(&mut owner);
    Ok(owner)
}

fn row(columns: Columns, record: &Record<'_>) -> Result<(Row, Option<Footnote>), String> {
    let cell = |at| record.cell(at);
    let nature = needed("Karaktär", cell(columns.nature))?;
    let (code, acquired) = kind(&nature);
    let traded = cell(columns.traded);
    let day = traded.split(' ').next().unwrap_or("");
    let volume = plain_comma_number("Volym", cell(columns.volume))?;
    let price = plain_comma_number("Pris", cell(columns.price))?;
    let unit = cell(columns.unit);
    let security = words("Instrument", cell(columns.instrument))?.unwrap_or_default();
    let mut row = Row {
        code: Some(code),
        acquired,
        derivative: is_derivative(&security),
        security,
        isin: isin(cell(columns.isin)),
        nature: Some(nature),
        date: Some(iso_day("Transaktions datum", day)?),
        currency: currency("Valuta", cell(columns.currency))?,
        venue: words("Handelsplats", cell(columns.venue))?,
        ..Row::default()
    };
    let note = match unit {
        "Antal" => {
            (row.shares, row.price) = (Some(volume), Some(price));
            None
        }
        // "Belopp": an amount. Volume and price are then money, a nominal or the whole sum, and which of them is not told
        "Belopp" => {
            row.footnotes.push(NOTE.into());
            Some(Footnote {
                id: NOTE.into(),
                text: format!("Volymsenhet Belopp: Volym {volume}, Pris {price}"),
            })
        }
        other => return Err(refusal("Volymsenhet", other, "neither Antal nor Belopp")),
    };
    Ok((row, note))
}

/// A nature is a word, and behind it whether the holding grows ("ökning", "mottagen") or shrinks ("minskning", "lämnad").
fn kind(nature: &str) -> (Code, Option<bool>) {
    let lower = nature.to_lowercase();
    let word = lower.split([' ', ',']).next().unwrap_or("");
    let code = dealing::of_nature(word).unwrap_or_else(|| Code("other".into()));
    let says = |endings: [&str; 3]| endings.iter().any(|ending| lower.ends_with(ending));
    let direction = if says(["ökning", "mottagen", "mottaget"]) {
        Some(true)
    } else if says(["minskning", "lämnad", "lämnat"]) {
        Some(false)
    } else {
        dealing::acquires(&code)
    };
    (code, direction)
}

/// Options, warrants, rights and convertibles, whatever they are called; `TO1` is a series of warrants.
fn is_derivative(security: &str) -> bool {
    let lower = security.to_lowercase();
    let named = [
        "option",
        "opition",
        "warrant",
        "teckningsr",
        "uniträtt",
        "subscription right",
        "konvertib",
        "convertible",
        "termin",
        "future",
    ];
    let series = |word: &str| {
        let number = word.strip_prefix("to").unwrap_or("");
        !number.is_empty() && number.len() <= 3 && number.starts_with(|c: char| c.is_ascii_digit())
    };
    named.iter().any(|name| lower.contains(name)) || lower.split([' ', '-', ',']).any(series)
}
