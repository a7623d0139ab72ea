//! Options exercised and sold on the same day: a way to be paid, and no opinion on the price.

use std::collections::HashMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::model::filing::FilingId;

use super::{
    people::Groups,
    record::{DeclarationRecord, Direction, Trade},
};

/// Shares of one day and security: whose, how many, told by which filing.
type Told = HashMap<(Date, String), Vec<(usize, Decimal, FilingId)>>;

/// What was exercised and what was sold, by day and security.
#[derive(Clone, Debug, Default)]
pub struct Exercises {
    exercised: Told,
    sold: Told,
    days: HashMap<FilingId, Vec<(Date, String)>>,
}

impl Exercises {
    /// Takes in a row: of a declaration of exercises, or one that may count. `insider` is a place of its owner.
    pub fn admit(&mut self, record: &DeclarationRecord, row: &Trade, insider: usize) {
        let told = match record.direction {
            None if row.acquired != Some(false) => &mut self.exercised,
            Some(Direction::Sell) => &mut self.sold,
            _ => return,
        };
        if let Some(shares) = row.shares {
            let key = (row.date, row.security.clone());
            let day = told.entry(key.clone()).or_default();
            day.push((insider, shares, record.filing.clone()));
            let days = self.days.entry(record.filing.clone()).or_default();
            days.push(key);
        }
    }

    /// Whether the insider sold, on the day of this row, no more of the security than was exercised.
    #[must_use]
    pub fn covers(&self, row: &Trade, insider: usize, groups: &Groups) -> bool {
        let key = (row.date, row.security.clone());
        let insider = groups.find(insider);
        let sum = |told: &Told| {
            let day = told.get(&key).into_iter().flatten();
            let own = day.filter(|(other, ..)| groups.find(*other) == insider);
            own.fold(Decimal::ZERO, |sum, (_, shares, _)| {
                sum.saturating_add(*shares)
            })
        };
        row.shares.is_some() && sum(&self.sold) <= sum(&self.exercised)
    }

    /// Forgets a filing that stands no more.
    pub fn forget(&mut self, filing: &FilingId) {
        for key in self.days.remove(filing).unwrap_or_default() {
            for told in [&mut self.exercised, &mut self.sold] {
                if let Some(day) = told.get_mut(&key) {
                    day.retain(|(.., other)| other != filing);
                }
            }
        }
    }
}
