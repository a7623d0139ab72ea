//! Insider filings by the million for benchmarks: like the SEC's in kinds, sizes and lengths, in order of publication, without any story.

use jiff::{Span, civil::Date};
use rust_decimal::Decimal;

use super::dice::Dice;
use crate::model::{
    company::Close,
    filing::{Code, Filing, FilingId, Footnote, Issuer, Owner, Row, Status},
    market::Market,
    time::Time,
};

/// Of what the filings are made.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Distinct companies, one at least.
    pub companies: u64,
    /// Publication of the first filing.
    pub start: Time,
    /// Over how much time they spread, in microseconds.
    pub span: i64,
    /// Markets of its companies, by share.
    pub markets: Markets,
}

/// Where the companies are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markets {
    /// All in the United States.
    Us,
    /// Three in five in the United States, the others over all markets.
    All,
}

/// Markets by their share of the companies, in hundredths.
const SHARES: [(&str, u64); 10] = [
    ("us", 60),
    ("uk", 12),
    ("se", 8),
    ("fr", 6),
    ("de", 5),
    ("ca", 3),
    ("it", 2),
    ("be", 2),
    ("es", 1),
    ("ch", 1),
];

impl Shape {
    /// 5,000 companies, four years.
    #[must_use]
    pub fn years(start: Time) -> Self {
        Shape {
            companies: 5_000,
            start,
            span: 4 * 365 * Time::DAY,
            markets: Markets::Us,
        }
    }

    /// Where a company is listed.
    #[must_use]
    pub fn market(&self, company: u64) -> &'static str {
        if self.markets == Markets::Us {
            return "us";
        }
        // 37 is coprime to 100: neighbours differ, and each hundred companies hold each share exactly
        let mut draw = company * 37 % 100;
        for (market, share) in SHARES {
            if draw < share {
                return market;
            }
            draw -= share;
        }
        "us"
    }
}

/// Codes by their share, in thousandths: what 1,991 real filings hold.
const CODES: [(&str, u64); 9] = [
    ("P", 253),
    ("A", 274),
    ("F", 195),
    ("S", 124),
    ("M", 103),
    ("G", 14),
    ("J", 14),
    ("C", 13),
    ("D", 10),
];
const TITLES: [&str; 6] = [
    "Chief Executive Officer",
    "Chief Financial Officer",
    "EVP, General Counsel",
    "President",
    "Senior Vice President",
    "Chief Technology Officer",
];
const NOTE: &str = "The price reported in Column 4 is a weighted average price. These shares were dealt in multiple transactions at prices \
    within a narrow range; the reporting person undertakes to provide full information upon request.";
const GIVEN: [&str; 12] = [
    "Ada", "Ben", "Carla", "Dirk", "Ewa", "Finn", "Gita", "Hugo", "Ida", "Jonas", "Kim", "Lena",
];
const WORDS: [&str; 16] = [
    "Otter", "Heron", "Birch", "Granite", "Harbor", "Summit", "Cedar", "Falcon", "Meadow",
    "Quartz", "Raven", "Sable", "Tundra", "Umber", "Violet", "Willow",
];
/// People of one company.
const PEOPLE: u64 = 12;

/// Exactly `n` filings, ascending in time.
#[derive(Debug)]
pub struct Filings {
    dice: Dice,
    shape: Shape,
    total: u64,
    made: u64,
    known: Vec<Market>,
}

impl Filings {
    /// Of a seed.
    #[must_use]
    pub fn new(seed: u64, n: u64, shape: Shape) -> Self {
        Filings {
            dice: Dice::new(seed, 8),
            shape,
            total: n,
            made: 0,
            known: Market::built_in(),
        }
    }

    /// The square makes the first tenth of the companies file almost a third.
    fn a_company(&mut self) -> u64 {
        let draw = self.dice.below(1 << 20);
        (((draw * draw) >> 20) * self.shape.companies.max(1)) >> 20
    }

    fn a_code(&mut self) -> &'static str {
        let mut draw = self.dice.below(1_000);
        for (code, share) in CODES {
            if draw < share {
                return code;
            }
            draw -= share;
        }
        "A"
    }

    fn owner(&mut self, company: u64) -> Owner {
        let person = self.dice.below(PEOPLE);
        let number = 1_000_000 + company * PEOPLE + person;
        let given = GIVEN[(number % 12) as usize];
        let family = WORDS[(number / 12 % 16) as usize];
        let officer = person < 7;
        let title = TITLES[(person % 6) as usize];
        Owner {
            id: Some(format!("{number:010}")),
            name: format!("{family} {given} {number}"),
            director: !officer || person == 0,
            officer,
            ten_percent: person == PEOPLE - 1,
            title: officer.then(|| title.to_owned()),
            ..Owner::default()
        }
    }

    fn rows(&mut self, company: u64, day: Date, currency: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        let codes = 1 + u64::from(self.dice.chance(18));
        for _ in 0..codes {
            let code = self.a_code();
            let several = self.dice.chance(20);
            for _ in 0..(1 + u64::from(several) * self.dice.below(4)) {
                rows.push(self.row(company, code, day, currency));
            }
        }
        if self.dice.chance(40) {
            rows.push(Row {
                security: "Common Stock".into(),
                shares_after: Some(Decimal::from(self.dice.between(1_000, 500_000))),
                direct: Some(false),
                held_through: Some("By Family Trust".into()),
                ..Row::default()
            });
        }
        rows
    }

    fn row(&mut self, company: u64, code: &str, day: Date, currency: &str) -> Row {
        let cents = i64::try_from(price(company, day)).unwrap_or(1_000);
        let acquired = matches!(code, "P" | "A" | "M" | "C" | "J");
        Row {
            code: Some(Code(code.into())),
            security: "Common Stock, par value $0.01 per share".into(),
            date: Some(day),
            acquired: Some(acquired),
            shares: Some(Decimal::from(self.dice.between(10, 20_000))),
            price: (code != "A")
                .then(|| Decimal::new(cents * 100 + self.dice.below(100) as i64, 4)),
            shares_after: Some(Decimal::from(self.dice.between(20_000, 900_000))),
            direct: Some(true),
            currency: Some(currency.into()),
            footnotes: if self.dice.chance(60) {
                vec!["F1".into()]
            } else {
                Vec::new()
            },
            ..Row::default()
        }
    }
}

impl Iterator for Filings {
    type Item = Filing;

    fn next(&mut self) -> Option<Filing> {
        if self.made == self.total {
            return None;
        }
        let share = i128::from(self.shape.span) * i128::from(self.made) / i128::from(self.total);
        let at = self.shape.start.plus(i64::try_from(share).ok()?);
        self.made += 1;
        let company = self.a_company();
        let day: Date = at.to_string().get(..10)?.parse().ok()?;
        let traded = day.saturating_sub(Span::new().days(self.dice.below(3) as i64));
        let mut owners = vec![self.owner(company)];
        if self.dice.chance(12) {
            let other = self.owner(company);
            owners.extend((other.name != owners[0].name).then_some(other));
        }
        let code = self.shape.market(company);
        let market = self.known.iter().find(|market| market.code == code)?;
        let (prefix, currency) = (market.prefix.clone(), market.currency.clone());
        let sec = prefix == "SEC";
        if !sec {
            // only the SEC numbers people
            owners.iter_mut().for_each(|owner| owner.id = None);
        }
        let rows = self.rows(company, traded, &currency);
        let noted = rows.iter().any(|row| !row.footnotes.is_empty());
        let note = Footnote {
            id: "F1".into(),
            text: NOTE.into(),
        };
        let number = self.made;
        Some(Filing {
            id: FilingId(match &*prefix {
                "" => format!("2020DD{number}"),
                "SEC" => format!(
                    "SEC:{:010}-{:02}-{:06}",
                    number / 1_000_000 + 1,
                    20,
                    number % 1_000_000
                ),
                prefix => format!("{prefix}:{number}"),
            }),
            market: code.into(),
            form: if sec { "4" } else { "Notification" }.into(),
            published_at: at,
            published_estimated: false,
            status: Status::Current,
            amends: None,
            issuer: Issuer {
                id: Some(format!("{company:010}")),
                name: format!(
                    "{} {} {company} Inc.",
                    WORDS[(company % 16) as usize],
                    WORDS[(company / 16 % 16) as usize]
                ),
                symbol: Some(symbol(company)),
                isin: (!sec).then(|| isin(code, company)),
            },
            owners,
            period: Some(traded),
            plan: self.dice.chance(4).then_some(true),
            rows,
            footnotes: noted.then_some(note).into_iter().collect(),
            remarks: None,
            url: sec.then(|| {
                format!("https://www.sec.gov/Archives/edgar/data/{company}/{number:018}.txt")
            }),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.total - self.made).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

/// The ticker of a company.
#[must_use]
pub fn symbol(company: u64) -> String {
    format!("S{company}")
}

/// The ISIN of a company outside the United States: of the right shape, the check digit aside.
fn isin(market: &str, company: u64) -> String {
    let country = match market {
        "uk" => "GB".to_owned(),
        code => code.to_uppercase(),
    };
    format!("{country}{company:010}")
}

/// A close in cents: it moves by some percent from day to day around a level of the company's own.
fn price(company: u64, day: Date) -> u64 {
    let days = u64::try_from(
        i64::from(day.year()) * 372 + i64::from(day.month()) * 31 + i64::from(day.day()),
    );
    let mut dice = Dice::new(company, 9);
    let level = dice.between(500, 20_000);
    let wave = days.unwrap_or_default() * (3 + company % 5) % 200;
    // up a fifth and down again, over some weeks
    let moved = wave.min(200 - wave);
    level * (900 + 2 * moved) / 1_000
}

/// A company's closes of so many days from one on; company 0's are good as a benchmark, under any symbol.
#[must_use]
pub fn closes(company: u64, symbol: &str, from: Date, days: i64) -> Vec<Close> {
    let day = |n| from.saturating_add(Span::new().days(n));
    let close = |n| Close {
        symbol: symbol.to_owned(),
        date: day(n),
        close: Decimal::new(i64::try_from(price(company, day(n))).unwrap_or(1_000), 2),
    };
    (0..days).map(close).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::filing_line;

    #[test]
    fn the_same_seed_gives_the_same_filings_and_each_is_one() {
        let shape = Shape::years(Time::parse_iso("2020-01-02T15:00:00Z").unwrap());
        let made: Vec<Filing> = Filings::new(3, 2_000, shape).collect();
        assert_eq!(made, Filings::new(3, 2_000, shape).collect::<Vec<_>>());
        assert_ne!(made, Filings::new(4, 2_000, shape).collect::<Vec<_>>());
        let ids: std::collections::BTreeSet<_> = made.iter().map(|filing| &filing.id).collect();
        assert_eq!(ids.len(), 2_000);
        assert!(made.is_sorted_by_key(|filing| filing.published_at));
        for filing in &made {
            let line = filing_line::write(filing);
            let back = filing_line::parse(line.as_bytes(), &Market::built_in());
            assert_eq!(back.as_ref(), Ok(filing), "{line}");
        }
        let codes = made.iter().flat_map(|filing| &filing.rows);
        let bought = codes
            .filter(|row| row.code == Some(Code::purchase()))
            .count();
        assert!((400..1_200).contains(&bought), "{bought}");
    }

    #[test]
    fn all_markets_have_their_share_and_valid_filings() {
        let shape = Shape {
            markets: Markets::All,
            ..Shape::years(Time::parse_iso("2020-01-02T15:00:00Z").unwrap())
        };
        let us = (0..1_000).filter(|n| shape.market(*n) == "us").count();
        assert_eq!(us, 600);
        let mut seen = std::collections::BTreeSet::new();
        for filing in Filings::new(5, 2_000, shape) {
            let line = filing_line::write(&filing);
            let back = filing_line::parse(line.as_bytes(), &Market::built_in());
            assert_eq!(back.as_ref(), Ok(&filing), "{line}");
            seen.insert(filing.market);
        }
        assert_eq!(seen.len(), SHARES.len());
    }

    #[test]
    fn closes_move() {
        let closes = closes(7, "S7", "2020-01-02".parse().unwrap(), 300);
        let all: std::collections::BTreeSet<_> = closes.iter().map(|close| close.close).collect();
        assert!(all.len() > 20);
    }
}
