//! Which filing an amendment replaces, from its own publication on.

use std::collections::HashMap;

use jiff::{civil::Date, tz::TimeZone};

use crate::model::{
    filing::{Amends, Code, FilingId},
    time::Time,
};

use super::{
    days,
    record::{DeclarationRecord, PersonKey, Supersession},
};

#[derive(Clone, Debug)]
struct Known {
    id: FilingId,
    published_at: Time,
    /// Local day of publication.
    day: Date,
    period: Option<Date>,
    people: Vec<PersonKey>,
    codes: Vec<Code>,
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
            for place in self.replaced(amendment) {
                self.filings[place].by = Some(amendment);
                superseded.push(Supersession {
                    filing: self.filings[place].id.clone(),
                    by: self.filings[amendment].id.clone(),
                    at: self.filings[amendment].published_at,
                });
            }
        }
        superseded
    }

    fn note(&mut self, record: &DeclarationRecord, zone: &TimeZone) {
        if let Some(&place) = self.places.get(&record.filing) {
            self.filings[place].codes.extend(record.code.clone());
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
            period: record.period,
            people,
            codes: record.code.iter().cloned().collect(),
            amends: record.amends.clone(),
            by: None,
        });
    }

    /// The filing that an amendment names, and the amendments of it before: the latest one takes the place of all.
    fn replaced(&self, amendment: usize) -> Vec<usize> {
        let mut replaced = Vec::new();
        let mut next = self.target(amendment);
        while let Some(place) = next
            && place != amendment
        {
            let filing = &self.filings[place];
            if filing.by.is_none() {
                replaced.push(place);
            }
            next = filing.by;
        }
        replaced
    }

    fn target(&self, amendment: usize) -> Option<usize> {
        let own = &self.filings[amendment];
        match own.amends.as_ref()? {
            Amends::Filing(id) => {
                let place = *self.places.get(id)?;
                self.is_earlier(place, amendment).then_some(place)
            }
            // a wrong day is a common slip: then the period may tell. An owner may have been added
            Amends::FiledOn(day) => self
                .best(amendment, |known| known.day == *day)
                .or_else(|| self.of_period(amendment)),
            Amends::Unnamed => self.of_period(amendment),
        }
    }

    fn of_period(&self, amendment: usize) -> Option<usize> {
        let own = &self.filings[amendment];
        let period = own.period?;
        self.best(amendment, |known| {
            known.period == Some(period) && known.people == own.people
        })
    }

    /// Of the owners' earlier filings that fit: the one most like the amendment, and the latest of those.
    fn best(&self, amendment: usize, fits: impl Fn(&Known) -> bool) -> Option<usize> {
        let own = &self.filings[amendment];
        let filings = own
            .people
            .iter()
            .filter_map(|person| self.of_person.get(person));
        let earlier = filings
            .flatten()
            .copied()
            .filter(|place| self.is_earlier(*place, amendment));
        let fitting = earlier.filter(|place| fits(&self.filings[*place]));
        fitting.max_by_key(|place| {
            let known = &self.filings[*place];
            let shared = known.codes.iter().filter(|code| own.codes.contains(code));
            let same_people = known.people == own.people;
            (
                same_people,
                known.period == own.period,
                shared.count(),
                *place,
            )
        })
    }

    /// Published before, or in the same instant with a lower id.
    fn is_earlier(&self, place: usize, than: usize) -> bool {
        let order = |place: usize| (self.filings[place].published_at, &self.filings[place].id);
        order(place) < order(than)
    }
}
