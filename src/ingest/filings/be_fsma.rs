//! Belgium: managers' dealings as the FSMA's site shows them, in Dutch, collected into a CSV that damaged some numbers.

use std::collections::VecDeque;

use rust_decimal::Decimal;

use super::{
    field::{
        comma_number, currency, isin, needed, point_number, prose, refusal, slashed_day, words,
    },
    role::role,
};
use crate::{
    ingest::records::{Dialect, Header, Record, Rows},
    model::{
        dealing::acquires,
        filing::{Code, Filing, FilingId, Footnote, Issuer, Owner, Row, Status, is_of_the_web},
        local::Zone,
    },
};

/// Commas between the cells, quotes around those that hold one.
pub const DIALECT: Dialect = Dialect {
    separator: ',',
    quotes: true,
};

/// What a cell says that says nothing.
const VOID: &str = "VOID";
/// The note that holds a number of shares that cannot be told.
const NOTE: &str = "FSMA1";

/// Reads a row as a filing: each has its own page, whose number it is known by.
#[derive(Debug)]
pub struct BeFsma {
    zone: Zone,
    columns: Option<Columns>,
}

#[derive(Clone, Copy, Debug)]
struct Columns {
    url: usize,
    published: usize,
    name: usize,
    capacity: usize,
    manager: usize,
    issuer: usize,
    instrument: usize,
    isin: usize,
    kind: usize,
    detail: usize,
    venue: usize,
    date: usize,
    currency: usize,
    shares: usize,
    price: usize,
    total: usize,
    remarks: usize,
}

impl Columns {
    fn of(header: &Header) -> Result<Self, String> {
        let need = |name| header.need(name);
        Ok(Columns {
            url: need("URL")?,
            published: need("Datum openbaarmaking")?,
            name: need("Naam meldplichtige")?,
            capacity: need("Hoedanigheid meldplichtige")?,
            manager: need("Leidinggevende(n) waarmee de meldplichtige nauw verbonden is")?,
            issuer: need("Emittent")?,
            instrument: need("Soort financieel instrument")?,
            isin: need("ISIN-code financieel instrument")?,
            kind: need("Soort transactie")?,
            detail: need("Specificatie van het soort transactie")?,
            venue: need("Plaats van uitvoering transactie")?,
            date: need("Date")?,
            currency: need("Munt")?,
            shares: need("Aantal financiële instrumenten")?,
            price: need("Prijs")?,
            total: need("Totaal bedrag")?,
            remarks: need("Toelichting van de meldplichtige")?,
        })
    }
}

impl BeFsma {
    /// `zone` is the market's.
    #[must_use]
    pub fn new(zone: Zone) -> Self {
        BeFsma {
            zone,
            columns: None,
        }
    }

    fn filing(&self, columns: Columns, record: &Record<'_>) -> Result<Filing, String> {
        let cell = |at| {
            Some(record.cell(at))
                .filter(|text| *text != VOID)
                .unwrap_or("")
        };
        let url = cell(columns.url);
        let published = slashed_day("Datum openbaarmaking", cell(columns.published))?;
        let published_at = self
            .zone
            .end_of_day(published)
            .map_err(|e| format!("Datum openbaarmaking: {e}"))?;
        let (row, note) = row(columns, record)?;
        Ok(Filing {
            id: id(url)?,
            market: "be".into(),
            form: "Transactie".into(),
            published_at,
            // the site tells the day only
            published_estimated: true,
            status: Status::Current,
            amends: None,
            issuer: Issuer {
                id: None,
                name: needed("Emittent", cell(columns.issuer))?,
                symbol: None,
                isin: row.isin.clone().filter(|_| !row.derivative),
            },
            owners: vec![owner(
                needed("Naam meldplichtige", cell(columns.name))?,
                words("Hoedanigheid meldplichtige", cell(columns.capacity))?,
                words("Leidinggevende(n)", cell(columns.manager))?,
            )],
            period: row.date,
            plan: None,
            rows: vec![row],
            footnotes: note.into_iter().collect(),
            remarks: prose("Toelichting", cell(columns.remarks))?,
            url: Some(url.to_owned()).filter(|url| is_of_the_web(url)),
        })
    }
}

impl Rows for BeFsma {
    type Item = Filing;

    fn header(&mut self, header: &Header) -> Result<(), String> {
        self.columns = Some(Columns::of(header)?);
        Ok(())
    }

    fn read(&mut self, record: &Record<'_>, out: &mut VecDeque<Result<Filing, String>>) {
        if let Some(columns) = self.columns {
            out.push_back(self.filing(columns, record));
        }
    }
}

/// The number at the end of `https://www.fsma.be/nl/node/100001`.
fn id(url: &str) -> Result<FilingId, String> {
    let number = url.rsplit_once("/node/").map_or("", |(_, number)| number);
    if number.is_empty() || number.len() > 12 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refusal("URL", url, "not that of a page with a number"));
    }
    Ok(FilingId(format!("FSMA:{number}")))
}

fn owner(name: String, capacity: Option<String>, manager: Option<String>) -> Owner {
    let mut owner = Owner {
        close_to: manager.filter(|manager| manager.to_lowercase() != name.to_lowercase()),
        name,
        title: capacity,
        ..Owner::default()
    };
    // of somebody close to a manager, the capacity tells the manager's
    let told = role(owner.title.as_deref().unwrap_or(""));
    told.apply(&mut owner);
    owner
}

fn row(columns: Columns, record: &Record<'_>) -> Result<(Row, Option<Footnote>), String> {
    let cell = |at| {
        Some(record.cell(at))
            .filter(|text| *text != VOID)
            .unwrap_or("")
    };
    let (mut isin_cell, mut kind_cell, mut detail) =
        (cell(columns.isin), cell(columns.kind), cell(columns.detail));
    // an instrument without ISIN has lost that cell, and the two behind it stand one to the left
    if isin(isin_cell).is_none() && detail.is_empty() && code(isin_cell, "").is_some() {
        (isin_cell, kind_cell, detail) = ("", isin_cell, kind_cell);
    }
    let nature = needed("Soort transactie", kind_cell)?;
    let unknown = || refusal("Soort transactie", &nature, "no known kind of transaction");
    let code = code(&nature, detail).ok_or_else(unknown)?;
    let price = comma_number("Prijs", cell(columns.price))?;
    let total = comma_number("Totaal bedrag", cell(columns.total))?;
    let written = cell(columns.shares);
    let shares = shares(written, price, total)?;
    let instrument = needed("Soort financieel instrument", cell(columns.instrument))?;
    let direction = match &*nature {
        "Aankoop / Verwerving" => Some(true),
        "Verkoop / Vervreemding" => Some(false),
        _ => acquires(&code),
    };
    let note = shares.is_none().then(|| Footnote {
        id: NOTE.into(),
        text: format!("Aantal financiële instrumenten: {written}"),
    });
    let row = Row {
        code: Some(code),
        derivative: instrument.starts_with("Opties") || instrument.starts_with("Afgeleid"),
        security: instrument,
        isin: isin(isin_cell),
        nature: Some(match detail {
            "" => nature,
            detail => format!("{nature}: {detail}"),
        }),
        date: Some(slashed_day("Date", cell(columns.date))?),
        acquired: direction,
        shares,
        price: Some(price),
        // the form's own sum, fees and all, where the number of shares is lost
        value: shares.is_none().then_some(total),
        currency: currency("Munt", cell(columns.currency))?,
        venue: words("Plaats van uitvoering transactie", cell(columns.venue))?,
        footnotes: note.iter().map(|note| note.id.clone()).collect(),
        ..Row::default()
    };
    Ok((row, note))
}

/// What kind of dealing. A plain purchase or sale has no detail; every detail names something else.
fn code(kind: &str, detail: &str) -> Option<Code> {
    let word = |word: &str| Some(Code(word.to_owned()));
    let begins = |text: &str| kind.starts_with(text) || detail.starts_with(text);
    match kind {
        _ if begins("transactie in het kader van verloningsbeleid") => word("remuneration"),
        _ if begins("primaire markt") => word("subscription"),
        _ if begins("lenen of uitlenen") => word("loan"),
        _ if begins("uitoefening of conversie") => word("exercise"),
        _ if begins("transacties in aandelen of deelbewijzen") => word("fund"),
        "Aankoop / Verwerving" if detail.is_empty() => Some(Code::purchase()),
        "Verkoop / Vervreemding" if detail.is_empty() => Some(Code::sale()),
        "Aankoop / Verwerving" | "Verkoop / Vervreemding" | "Andere" => word("other"),
        _ => None,
    }
}

/// The number of shares, where it is certain.
///
/// The collector took the point between thousands for a decimal one: 1.150 became 1.15, 50.000 became 50.0, and 50 became 50.0 as well.
/// A number with two points was left alone. Price and total tell the two readings apart, which differ a thousandfold: the one that comes to
/// the total within a tenth (fees, and a price rounded to cents) is it.
fn shares(written: &str, price: Decimal, total: Decimal) -> Result<Option<Decimal>, String> {
    const FIELD: &str = "Aantal financiële instrumenten";
    if written.matches('.').count() > 1 {
        return comma_number(FIELD, written).map(Some);
    }
    let number = point_number(FIELD, written)?;
    let thousand = Decimal::ONE_THOUSAND;
    let readings = [Some(number), number.checked_mul(thousand)];
    let fits = |shares: &Decimal| {
        let Some(sum) = shares.checked_mul(price).filter(|sum| !sum.is_zero()) else {
            return false;
        };
        let off = (sum - total).abs();
        shares.fract().is_zero() && off.checked_mul(Decimal::TEN).is_some_and(|off| off <= sum)
    };
    Ok(readings.into_iter().flatten().find(fits))
}
