//! UK: dealings of persons discharging managerial responsibilities (PDMR), told from regulatory news and kept as JSON.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    io::{self, BufRead},
};

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{
    field::{digest, refusal},
    role::{Role, close_to, role},
    uk_row::{Held, Told, held},
};
use crate::{
    ingest::{encoding::Utf8, rows::Elements, source::Rejected},
    model::{
        filing::{Filing, FilingId, Issuer, Owner, Status},
        local::Zone,
    },
};

/// Rows of one file, at most: those of an announcement stand anywhere in it, so all of them are held.
pub const MAX_ROWS: usize = 100_000;
/// Bytes of those rows, at most.
pub const MAX_BYTES: usize = 128 << 20;

/// The filings of a file: refused rows as they are met, then the filings in the order of their first rows.
///
/// Ends at the end of the stream or at the first read error; ask [`UkPdmr::error`] which of the two it was.
pub struct UkPdmr<R> {
    elements: Elements<Utf8<R>>,
    zone: Zone,
    held: Vec<Held>,
    prints: BTreeSet<String>,
    /// How many more rows and bytes may be held.
    room: (usize, usize),
    filings: Option<VecDeque<(u64, Result<Filing, String>)>>,
    line: u64,
    error: Option<io::Error>,
}

impl<R: BufRead> UkPdmr<R> {
    /// From the beginning of a stream. `zone` is the market's.
    pub fn new(reader: R, zone: Zone) -> Self {
        UkPdmr {
            elements: Elements::new(Utf8::new(reader), true),
            zone,
            held: Vec::new(),
            prints: BTreeSet::new(),
            room: (MAX_ROWS, MAX_BYTES),
            filings: None,
            line: 0,
            error: None,
        }
    }

    /// The ordinal of the row handed out last; of a filing, that of its first row.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Why the stream ended before its end, if it did.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    fn hold(&mut self, line: u64, row: &[u8]) -> Result<(), String> {
        let room = (
            self.room.0.checked_sub(1),
            self.room.1.checked_sub(row.len()),
        );
        let (Some(rows), Some(bytes)) = room else {
            return Err(format!(
                "a file may hold {MAX_ROWS} rows and {MAX_BYTES} bytes: cut it between announcements"
            ));
        };
        let held = held(line, row)?;
        if !self.prints.insert(held.fingerprint.clone()) {
            let why = "in the file already";
            return Err(refusal("fingerprint", &held.fingerprint, why));
        }
        self.room = (rows, bytes);
        self.held.push(held);
        Ok(())
    }

    /// The next refused row; `None` when all rows are held.
    fn refused(&mut self) -> Option<Rejected> {
        let mut row = Vec::new();
        loop {
            let line = match self.elements.next(&mut row) {
                Ok(None) => return None,
                Err(error) => {
                    self.error = Some(error);
                    return None;
                }
                Ok(Some(Err(rejected))) => return Some(rejected),
                Ok(Some(Ok(line))) => line,
            };
            if let Err(reason) = self.hold(line, &row) {
                let reason = format!("element {line}: {reason}");
                return Some(Rejected { line, reason });
            }
        }
    }
}

impl<R: BufRead> Iterator for UkPdmr<R> {
    type Item = Result<Filing, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.filings.is_none() {
            if let Some(rejected) = self.refused() {
                self.line = rejected.line;
                return Some(Err(rejected));
            }
            // an announcement cut short would be taken for a whole one: of a broken stream nothing is made
            let held = match self.error {
                Some(_) => Vec::new(),
                None => std::mem::take(&mut self.held),
            };
            self.filings = Some(gather(held, &self.zone));
        }
        let (line, filing) = self.filings.as_mut()?.pop_front()?;
        self.line = line;
        Some(filing.map_err(|reason| Rejected {
            line,
            reason: format!("element {line}: {reason}"),
        }))
    }
}

/// A name's letters alone: blanks in the wrong places ("A Nn Example"), dots and case do not make another person.
fn letters(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Counts spellings, and says which is the usual one.
#[derive(Default)]
struct Spellings(HashMap<String, BTreeMap<String, u32>>);

impl Spellings {
    fn count(&mut self, key: String, spelling: &str) {
        *self
            .0
            .entry(key)
            .or_default()
            .entry(spelling.to_owned())
            .or_default() += 1;
    }

    fn best(&self, key: &str, rank: impl Fn(&str, u32) -> (i64, i64)) -> Option<&str> {
        let all = self.0.get(key)?.iter();
        // of equals the first in the alphabet: the order of the file must not show
        let best = all
            .rev()
            .max_by_key(|(spelling, count)| rank(spelling, **count));
        best.map(|(spelling, _)| &**spelling)
    }
}

/// Fewer pieces first: a name falls apart by accident, it does not grow together. Then mixed case, then the more frequent.
fn best_name(spelling: &str, count: u32) -> (i64, i64) {
    let pieces = spelling.split(' ').count() as i64;
    let shouted = !spelling.chars().any(char::is_lowercase);
    (-2 * pieces - i64::from(shouted), i64::from(count))
}

/// A company's name rather than what else the form had in its place; then the more frequent.
fn best_company(spelling: &str, count: u32) -> (i64, i64) {
    const FORMS: [&str; 7] = ["plc", "limited", "ltd", "trust", "fund", "nv", "sa"];
    let plain = spelling.to_lowercase().replace('.', "");
    let formal = FORMS.iter().any(|form| plain.ends_with(form));
    (i64::from(formal), i64::from(count))
}

/// What was dealt, but for whether it was bought or sold: of that, rows without an announcement's number are not sure.
type Dealing = (String, String, Date, Decimal, Decimal);

fn dealing(row: &Held) -> Option<Dealing> {
    let told = &row.row;
    let (date, shares, price) = (told.date?, told.shares?, told.price?);
    Some((
        row.ticker.clone(),
        letters(&row.name),
        date,
        shares.normalize(),
        price.normalize(),
    ))
}

fn gather(held: Vec<Held>, zone: &Zone) -> VecDeque<(u64, Result<Filing, String>)> {
    let announced = held.iter().filter(|row| row.announcement.is_some());
    let announced: HashSet<Dealing> = announced.filter_map(dealing).collect();
    let told_twice = |row: &Held| {
        let dealing = dealing(row).filter(|_| row.announcement.is_none());
        dealing.is_some_and(|dealing| announced.contains(&dealing))
    };
    let (twice, held): (Vec<Held>, Vec<Held>) = held.into_iter().partition(told_twice);
    let why = "rns_id: missing, and an announcement of the file tells of the same dealing";
    let twice = twice.into_iter().map(|row| (row.line, Err(why.to_owned())));
    let mut gathered: VecDeque<_> = twice.collect();
    let filings = filings(held, zone).into_iter();
    gathered.extend(filings.map(|(line, filing)| (line, Ok(filing))));
    gathered
}

fn filings(held: Vec<Held>, zone: &Zone) -> VecDeque<(u64, Filing)> {
    let (mut companies, mut names) = (Spellings::default(), Spellings::default());
    let mut announcements: HashMap<String, Told> = HashMap::new();
    // one announcement holds the notifications of several persons; each person's is a filing
    let mut order: Vec<(String, String)> = Vec::new();
    let mut groups: HashMap<(String, String), Vec<Held>> = HashMap::new();
    for row in held {
        let person = letters(&row.name);
        names.count(format!("{} {person}", row.ticker), &row.name);
        if let Some(company) = &row.company {
            companies.count(row.ticker.clone(), company);
        }
        let number = row
            .announcement
            .as_ref()
            .unwrap_or(&row.fingerprint)
            .clone();
        let told = announcements.entry(number.clone()).or_insert(row.told);
        *told = earliest(*told, row.told);
        let group = groups.entry((number.clone(), person.clone())).or_default();
        if group.is_empty() {
            order.push((number, person));
        }
        group.push(row);
    }
    let filing = |key: (String, String)| {
        let rows = groups.remove(&key)?;
        let (number, person) = key;
        let told = *announcements.get(&number)?;
        let (line, ticker, as_filed) = match rows.first() {
            Some(first) => (first.line, first.ticker.clone(), first.name.clone()),
            None => return None,
        };
        let numbered = rows.iter().any(|row| row.announcement.is_some());
        let name = names.best(&format!("{ticker} {person}"), best_name);
        let company = companies.best(&ticker, best_company).unwrap_or(&ticker);
        let (published_at, published_estimated) = match told {
            Told::Moment(moment) => (moment, false),
            // a day that was read as one is in reach of time; were it not, there is no saying when the filing was
            Told::Day(day) | Told::Dealt(day) => (zone.end_of_day(day).ok()?, true),
        };
        let filing = Filing {
            id: id(&number, numbered, &person),
            market: "uk".into(),
            form: "PDMR".into(),
            published_at,
            published_estimated,
            status: Status::Current,
            amends: None,
            issuer: Issuer {
                id: None,
                name: company.to_owned(),
                symbol: Some(ticker.clone()),
                isin: None,
            },
            owners: vec![owner(name.unwrap_or(&as_filed), &rows)],
            period: rows.iter().filter_map(|row| row.row.date).max(),
            plan: None,
            url: url(&rows),
            rows: rows.into_iter().map(|row| row.row).collect(),
            footnotes: Vec::new(),
            remarks: None,
        };
        Some((line, filing))
    };
    order.into_iter().filter_map(filing).collect()
}

/// An announcement's number with something of the person's name behind it, because it may hold the notifications of several, and a
/// part of the file may show only one; else what its row is known by.
fn id(number: &str, numbered: bool, person: &str) -> FilingId {
    FilingId(match numbered {
        true => format!("RNS:{number}-{}", digest(&[person], 4)),
        false => format!("RNS:{number}"),
    })
}

/// An hour is better than a day, and a day than the day of the dealing; of two of a kind the moment counts that is first, the day that
/// is last: by its end all of it was public.
fn earliest(one: Told, other: Told) -> Told {
    match (one, other) {
        (Told::Moment(a), Told::Moment(b)) => Told::Moment(a.min(b)),
        (Told::Moment(_), _) => one,
        (_, Told::Moment(_)) => other,
        (Told::Day(a), Told::Day(b)) => Told::Day(a.max(b)),
        (Told::Day(_), _) => one,
        (_, Told::Day(_)) => other,
        (Told::Dealt(a), Told::Dealt(b)) => Told::Dealt(a.max(b)),
    }
}

/// The longest address: a shorter one is without the company's name.
fn url(rows: &[Held]) -> Option<String> {
    let urls = rows.iter().filter_map(|row| row.url.as_ref());
    urls.max_by_key(|url| (url.len(), url.as_str())).cloned()
}

/// What the rows of a person say of the function, all together; the most telling title is kept.
fn owner(name: &str, rows: &[Held]) -> Owner {
    let fragment = |row: &Held| row.kind.as_deref() == Some("Parser fragment");
    let mut told = Role::default();
    let mut titles: Vec<(Role, &str)> = Vec::new();
    for row in rows {
        let title = row.title.as_deref().unwrap_or("");
        let says = role(title);
        told = told.with(says);
        let noise = says.is_empty() && fragment(row);
        if !title.is_empty() && !noise {
            titles.push((says, title));
        }
    }
    if told.is_empty() {
        let kinds = rows.iter().filter(|row| !fragment(row));
        let kinds = kinds.filter_map(|row| row.kind.as_deref());
        told = kinds.fold(told, |told, kind| told.with(role(kind)));
    }
    titles.sort_by_key(|(says, title)| (!says.officer, !says.director, *title));
    let mut owner = Owner {
        name: name.to_owned(),
        title: titles.first().map(|(_, title)| (*title).to_owned()),
        close_to: titles.iter().find_map(|(_, title)| close_to(title)),
        ..Owner::default()
    };
    told.apply(&mut owner);
    owner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_has_a_bound() {
        let row = |print: u32| {
            format!(
                r#"{{"fingerprint":"f{print}","date":"2026-07-01","ticker":"A","director":"Ann Example","type":"BUY","shares":1,"price":1}}"#
            )
        };
        let rows = [row(1), row(2), row(3)];
        let text = format!("[{}]", rows.join(","));
        for room in [(2, MAX_BYTES), (MAX_ROWS, 2 * rows[0].len() + 1)] {
            let zone = Zone::named("Europe/London").unwrap();
            let mut source = UkPdmr::new(text.as_bytes(), zone);
            source.room = room;
            let read: Vec<_> = source.collect();
            let refused = read.iter().filter_map(|item| item.as_ref().err());
            let refused: Vec<_> = refused.collect();
            assert_eq!(refused.len(), 1);
            assert!(refused[0].reason.ends_with("cut it between announcements"));
            assert_eq!(read.len(), 3, "the others become filings");
        }
    }
}
