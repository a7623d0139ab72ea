//! What lies outside one company: the matured returns of its people in other companies, and of everybody.
//!
//! By this alone a fact of one company touches scores of another. A filing published at T can change, beside its own company's scores from
//! T on, those of the same people elsewhere, and those whose insider has at least three matured returns (`pastN` ≥ 3: only they have a
//! `globalMean`), from the moment on at which the return that it adds or takes away is known.

use std::collections::HashMap;

use rust_decimal::Decimal;

use crate::model::time::Time;

use super::{
    backtest::winsorised,
    record::{Direction, Matured, PersonKey},
};

/// Returns added up, each winsorised. Exact, so that no order of adding shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub n: u32,
    /// Their sum.
    pub sum: Decimal,
}

impl Sum {
    /// With one more.
    #[must_use]
    pub fn with(self, excess: Decimal) -> Self {
        Sum {
            n: self.n.saturating_add(1),
            sum: self.sum.saturating_add(winsorised(excess)),
        }
    }

    /// With one less.
    #[must_use]
    pub fn without(self, excess: Decimal) -> Self {
        Sum {
            n: self.n.saturating_sub(1),
            sum: self.sum.saturating_sub(winsorised(excess)),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Sum) -> Self {
        Sum {
            n: self.n.saturating_add(other.n),
            sum: self.sum.saturating_add(other.sum),
        }
    }
}

/// What the engine asks of the world outside the company whose declarations it assesses. Every answer is of what was known at `at`:
/// returns with `known_at` ≤ `at`, and `until` later than `at`.
pub trait Elsewhere {
    /// The returns of declarations in other companies by any of these people; a joint declaration once.
    fn of(&self, people: &[PersonKey], direction: Direction, at: Time) -> Sum;

    /// The returns of everybody in other companies.
    fn all(&self, direction: Direction, at: Time) -> Sum;
}

/// Nothing is known of other companies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Elsewhere for Nothing {
    fn of(&self, _: &[PersonKey], _: Direction, _: Time) -> Sum {
        Sum::default()
    }

    fn all(&self, _: Direction, _: Time) -> Sum {
        Sum::default()
    }
}

/// Sums by time: what was known at any moment is found by bisection.
#[derive(Clone, Debug, Default)]
struct Steps(Vec<(Time, Sum)>);

impl Steps {
    fn new<'a>(returns: impl Iterator<Item = &'a Matured>) -> Self {
        let mut events: Vec<(Time, bool, Decimal)> = Vec::new();
        for matured in returns.filter(|matured| lasts(matured)) {
            events.push((matured.known_at, true, matured.excess));
            events.extend(matured.until.map(|until| (until, false, matured.excess)));
        }
        events.sort_unstable_by_key(|(time, ..)| *time);
        let mut steps: Vec<(Time, Sum)> = Vec::new();
        let mut sum = Sum::default();
        for (time, comes, excess) in events {
            sum = if comes {
                sum.with(excess)
            } else {
                sum.without(excess)
            };
            match steps.last_mut() {
                Some(last) if last.0 == time => last.1 = sum,
                _ => steps.push((time, sum)),
            }
        }
        Steps(steps)
    }

    fn at(&self, at: Time) -> Sum {
        let known = self.0.partition_point(|(time, _)| *time <= at);
        let last = known.checked_sub(1).and_then(|last| self.0.get(last));
        last.map_or(Sum::default(), |(_, sum)| *sum)
    }
}

/// One that was replaced before it matured was never known.
fn lasts(matured: &Matured) -> bool {
    matured.until.is_none_or(|until| matured.known_at < until)
}

/// The matured returns of all companies, in memory.
#[derive(Clone, Debug, Default)]
pub struct Returns {
    /// With the company of each.
    returns: Vec<(String, Matured)>,
    of_person: HashMap<PersonKey, Vec<usize>>,
    of_all: [Steps; 2],
    of_company: HashMap<String, [Steps; 2]>,
}

impl Returns {
    /// From the returns of each company, in any order.
    #[must_use]
    pub fn new(returns: Vec<(String, Matured)>) -> Self {
        let mut of_person: HashMap<PersonKey, Vec<usize>> = HashMap::new();
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, (company, matured)) in returns.iter().enumerate() {
            places.entry(company).or_default().push(place);
            for person in &matured.people {
                let known = of_person.entry(person.clone()).or_default();
                if known.last() != Some(&place) {
                    known.push(place);
                }
            }
        }
        let steps = |some: &mut dyn Iterator<Item = &Matured>| {
            let some: Vec<&Matured> = some.collect();
            Direction::BOTH.map(|direction| {
                let of = some.iter().filter(|matured| matured.direction == direction);
                Steps::new(of.copied())
            })
        };
        let of_all = steps(&mut returns.iter().map(|(_, matured)| matured));
        let of_company = places
            .iter()
            .map(|(company, places)| {
                let mut some = places.iter().map(|place| &returns[*place].1);
                ((*company).to_owned(), steps(&mut some))
            })
            .collect();
        Returns {
            of_person,
            of_all,
            of_company,
            returns,
        }
    }

    /// What of it lies outside one company.
    #[must_use]
    pub fn outside<'a>(&'a self, company: &'a str) -> Outside<'a> {
        Outside {
            returns: self,
            company,
        }
    }
}

/// The returns of all other companies.
#[derive(Clone, Copy, Debug)]
pub struct Outside<'a> {
    returns: &'a Returns,
    company: &'a str,
}

impl Elsewhere for Outside<'_> {
    fn of(&self, people: &[PersonKey], direction: Direction, at: Time) -> Sum {
        let known = |person| self.returns.of_person.get(person);
        let mut places: Vec<usize> = people.iter().filter_map(known).flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        let returns = places.into_iter().map(|place| &self.returns.returns[place]);
        returns
            .filter(|(company, matured)| {
                company != self.company
                    && matured.direction == direction
                    && matured.known_at <= at
                    && matured.until.is_none_or(|until| at < until)
            })
            .fold(Sum::default(), |sum, (_, matured)| sum.with(matured.excess))
    }

    fn all(&self, direction: Direction, at: Time) -> Sum {
        let place = usize::from(direction == Direction::Sell);
        let all = self.returns.of_all[place].at(at);
        let own = self.returns.of_company.get(self.company);
        let own = own.map_or(Sum::default(), |steps| steps[place].at(at));
        Sum {
            n: all.n.saturating_sub(own.n),
            sum: all.sum.saturating_sub(own.sum),
        }
    }
}
