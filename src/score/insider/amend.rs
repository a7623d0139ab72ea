//! Which filing an amendment replaces, from its own publication on.

use std::collections::HashMap;

use jiff::{civil::Date, tz::TimeZone};
use rust_decimal::Decimal;

use crate::model::{
    filing::{Amends, Code, FilingId},
    time::Time,
};

use super::{
    days,
    record::{DeclarationRecord, PersonKey, Supersession, Trade},
};

/// By how much a filing is like an amendment of it; the greater, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Likeness {
    same_people: bool,
    /// Dealings that say the same but for price and holdings.
    rows: usize,
    same_period: bool,
    /// Dealings that have something in common: what was corrected in them is not known.
    traits: usize,
    codes: usize,
    /// It is no amendment itself, and none has taken its place.
    untouched: bool,
}

/// What a filing tells of one dealing; of codes whose rows are not kept, of all of them together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Dealt {
    code: Option<Code>,
    security: String,
    line: String,
    date: Option<Date>,
    shares: Option<Decimal>,
    price: Option<Decimal>,
    after: Option<Decimal>,
}

#[derive(Clone, Debug)]
struct Known {
    id: FilingId,
    published_at: Time,
    /// Local day of publication.
    day: Date,
    /// The SEC's form: 3, 4 or 5.
    form: Option<char>,
    period: Option<Date>,
    people: Vec<PersonKey>,
    dealt: Vec<Dealt>,
    amends: Option<Amends>,
    /// Who took its place.
    by: Option<usize>,
}

/// The filings of one company, in the order of publication.
#[derive(Clone, Debug, Default)]
pub struct Filings {
    filings: Vec<Known>,
    places: HashMap<FilingId, usize>,
    of_person: HashMap<PersonKey, Vec<usize>>,
}

impl Filings {
    /// Takes in the declarations of one instant, and gives what they replace.
    pub fn admit(&mut self, records: &[&DeclarationRecord], zone: &TimeZone) -> Vec<Supersession> {
        let first = self.filings.len();
        for record in records {
            self.note(record, zone);
        }
        let mut superseded = Vec::new();
        for amendment in first..self.filings.len() {
            let Some(place) = self.target(amendment) else {
                continue;
            };
            self.filings[place].by = Some(amendment);
            superseded.push(Supersession {
                filing: self.filings[place].id.clone(),
                by: self.filings[amendment].id.clone(),
                at: self.filings[amendment].published_at,
            });
        }
        superseded
    }

    fn note(&mut self, record: &DeclarationRecord, zone: &TimeZone) {
        if let Some(&place) = self.places.get(&record.filing) {
            self.filings[place].dealt.extend(dealt(record));
            return;
        }
        let place = self.filings.len();
        self.places.insert(record.filing.clone(), place);
        let mut people = record.people.clone();
        people.sort_unstable();
        people.dedup();
        for person in &people {
            let of_person = self.of_person.entry(person.clone()).or_default();
            of_person.push(place);
        }
        self.filings.push(Known {
            id: record.filing.clone(),
            published_at: record.published_at,
            day: days::local_day(record.published_at, zone),
            form: record.form,
            period: record.period,
            people,
            dealt: dealt(record).collect(),
            amends: record.amends.clone(),
            by: None,
        });
    }

    /// The filing whose place an amendment takes: the one that it names or, where that was amended before, the latest amendment of it.
    fn target(&self, amendment: usize) -> Option<usize> {
        let own = &self.filings[amendment];
        match own.amends.as_ref()? {
            Amends::Filing(id) => {
                let place = *self.places.get(id)?;
                let earlier = self.is_earlier(place, amendment);
                earlier.then(|| self.standing(place))
            }
            Amends::FiledOn(day) => {
                let of_day = self.fitting(amendment, |known| known.day == *day);
                match of_day.is_empty() {
                    false => self.most_like(amendment, &of_day),
                    // a wrong day is a common slip: then the period may tell. An owner may have been added
                    true => self.of_period(amendment),
                }
            }
            Amends::Unnamed => self.of_period(amendment),
        }
    }

    fn of_period(&self, amendment: usize) -> Option<usize> {
        let own = &self.filings[amendment];
        let period = own.period?;
        let of_period = self.fitting(amendment, |known| {
            known.period == Some(period) && known.people == own.people
        });
        self.most_like(amendment, &of_period)
    }

    /// The owners' earlier filings that fit. A Form 4 may say much of what a Form 3 of the same day says, and none amends the other.
    fn fitting(&self, amendment: usize, fits: impl Fn(&Known) -> bool) -> Vec<usize> {
        let own = &self.filings[amendment];
        let filings = own
            .people
            .iter()
            .filter_map(|person| self.of_person.get(person));
        let mut fitting: Vec<usize> = filings
            .flatten()
            .copied()
            .filter(|place| self.is_earlier(*place, amendment))
            .filter(|place| {
                let known = &self.filings[*place];
                let other_form = known.form.zip(own.form).is_some_and(|(a, b)| a != b);
                !other_form && fits(known)
            })
            .collect();
        fitting.sort_unstable();
        fitting.dedup();
        fitting
    }

    /// Of these, the one that is most like the amendment, as it stands now. `None` where nothing tells several apart: to take the place
    /// of the wrong one would lose what was dealt in it.
    fn most_like(&self, amendment: usize, fitting: &[usize]) -> Option<usize> {
        let mut standing: Vec<(usize, Likeness)> = Vec::new();
        for &place in fitting {
            let end = self.standing(place);
            let likeness = self
                .versions(place)
                .map(|version| self.likeness(version, end, amendment));
            let Some(likeness) = likeness.max() else {
                continue;
            };
            match standing.iter_mut().find(|(known, _)| *known == end) {
                Some((_, known)) => *known = likeness.max(*known),
                None => standing.push((end, likeness)),
            }
        }
        let (place, most) = *standing.iter().max_by_key(|(_, likeness)| *likeness)?;
        let alike = standing.iter().filter(|(_, likeness)| *likeness == most);
        (alike.count() == 1).then_some(place)
    }

    /// How much a version of a filing is like an amendment; `end` is what stands of it.
    fn likeness(&self, place: usize, end: usize, amendment: usize) -> Likeness {
        let (known, own) = (&self.filings[place], &self.filings[amendment]);
        let common = |of: &dyn Fn(&Dealt) -> Option<Dealt>| {
            in_common(
                known.dealt.iter().filter_map(of),
                own.dealt.iter().filter_map(of),
            )
        };
        let of_code = |code: &Option<Code>| known.dealt.iter().any(|dealt| dealt.code == *code);
        Likeness {
            same_people: known.people == own.people,
            rows: common(&|dealt| dealt.shares.map(|_| dealt.but_for_price())),
            same_period: known.period == own.period,
            traits: common(&|dealt| dealt.price.map(|_| dealt.with_price()))
                + common(&|dealt| dealt.after.map(|_| dealt.with_after()))
                + common(&|dealt| dealt.shares.map(|_| dealt.but_for_day())),
            codes: own
                .dealt
                .iter()
                .filter(|dealt| of_code(&dealt.code))
                .count(),
            untouched: self.filings[end].amends.is_none(),
        }
    }

    /// A filing and the amendments of it so far.
    fn versions(&self, place: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(place), |place| self.filings[*place].by)
    }

    /// The last of them.
    fn standing(&self, place: usize) -> usize {
        self.versions(place).last().unwrap_or(place)
    }

    /// Published before, or in the same instant with a lower id.
    fn is_earlier(&self, place: usize, than: usize) -> bool {
        let order = |place: usize| (self.filings[place].published_at, &self.filings[place].id);
        order(place) < order(than)
    }
}

impl Dealt {
    fn but_for_price(&self) -> Dealt {
        Dealt {
            price: None,
            after: None,
            ..self.clone()
        }
    }

    fn with_price(&self) -> Dealt {
        Dealt {
            shares: None,
            after: None,
            ..self.clone()
        }
    }

    fn with_after(&self) -> Dealt {
        Dealt {
            shares: None,
            price: None,
            ..self.clone()
        }
    }

    fn but_for_day(&self) -> Dealt {
        Dealt {
            date: None,
            price: None,
            after: None,
            ..self.clone()
        }
    }
}

fn dealt(record: &DeclarationRecord) -> impl Iterator<Item = Dealt> {
    let of_row = |row: &Trade| Dealt {
        code: record.code.clone(),
        security: row.security.clone(),
        line: row.line.clone(),
        date: Some(row.date),
        shares: row.shares,
        price: row.price,
        after: row.after,
    };
    let whole = || Dealt {
        code: record.code.clone(),
        security: String::new(),
        line: String::new(),
        date: record.filed.transaction_date,
        shares: record.filed.volume,
        price: record.filed.unit_price,
        after: None,
    };
    let mut all: Vec<Dealt> = record.rows.iter().map(of_row).collect();
    if all.is_empty() && record.code.is_some() {
        all.push(whole());
    }
    all.into_iter()
}

/// How many of these are among those, each once.
fn in_common(these: impl Iterator<Item = Dealt>, those: impl Iterator<Item = Dealt>) -> usize {
    let (mut these, mut those): (Vec<_>, Vec<_>) = (these.collect(), those.collect());
    these.sort_unstable();
    those.sort_unstable();
    let mut those = those.into_iter().peekable();
    let found = these.into_iter().filter(|one| {
        while those.next_if(|other| other < one).is_some() {}
        those.next_if(|other| other == one).is_some()
    });
    found.count()
}
