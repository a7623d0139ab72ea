//! Rows that cannot be what they say: decided from what was known at publication, and never from what came later.
//!
//! Files of closes are adjusted for splits that came after a filing. They are undone as far as the splits are known
//! ([`Company::splits`]). Where they are not, three earlier rows of the security at the same multiple of the close vouch for a price: then
//! it is the close that stands on another scale (a split nobody told us, another class of share). Of the rows before those three nothing
//! can be known, and they stay suspect.

use std::collections::{HashMap, VecDeque};

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::model::filing::FilingId;

use super::{
    company::Company,
    exact,
    record::{DeclarationRecord, Direction, PersonKey, Suspicion, Trade},
};

/// A price may be so many times the last close, or one of so many parts of it.
const OF_CLOSE: Decimal = Decimal::from_parts(5, 0, 0, false, 0);
/// Likewise of earlier rows' prices.
const OF_EARLIER: Decimal = Decimal::TEN;
/// Earlier rows that a comparison takes, and that vouch for a price.
const MIN_EARLIER: usize = 3;
/// So many are remembered of a security.
const MOST_EARLIER: usize = 9;
/// Two numbers that are the same but for the market's moves.
const ALIKE: Decimal = Decimal::from_parts(15, 0, 0, false, 1);
/// Two ratios are the same within a hundredth.
const SAME_RATIO: Decimal = Decimal::from_parts(101, 0, 0, false, 2);
/// Two share counts differ by more than a market moves in the days of one filing: rows of nearly the same count, sold at nearly the same
/// price, have the same ratio and are nothing strange.
const DIFFERENT_COUNTS: Decimal = Decimal::from_parts(105, 0, 0, false, 2);
/// Holdings and prices of one split undo each other within this.
const SPLIT_ALIKE: Decimal = Decimal::TWO;

/// A price that was filed earlier.
#[derive(Clone, Debug)]
struct Seen {
    filing: FilingId,
    date: Date,
    price: Decimal,
    /// Of the close, where there was one.
    multiple: Option<Decimal>,
}

#[derive(Clone, Debug, Default)]
struct Earlier {
    /// Of rows that count, the latest last.
    trusted: VecDeque<Seen>,
    /// Of rows whose price was doubted.
    doubted: VecDeque<Seen>,
}

/// A line of ownership of one owner: whose, security, line.
type Line = (Option<PersonKey>, String, String);

/// What is remembered of the prices of one company's securities, and of what was held on each line.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    earlier: HashMap<String, Earlier>,
    held: HashMap<Line, Decimal>,
}

impl Prices {
    /// What is wrong with each row of a declaration of purchases or sales; `published` is its local day.
    #[must_use]
    pub fn judge(
        &self,
        company: &Company,
        record: &DeclarationRecord,
        published: Date,
    ) -> Vec<Option<Suspicion>> {
        let totals = totals_as_prices(&record.rows);
        let judged = record.rows.iter().zip(totals).map(|(row, total)| {
            if is_wrong_way(record.direction, row.acquired) {
                return Some(Suspicion::WrongDirection);
            }
            let price = price(row)?;
            if let Some(multiple) = multiple(company, record, row, published) {
                let plausible = within(multiple, OF_CLOSE) || self.vouched(row, multiple);
                return (!plausible).then_some(Suspicion::PriceAgainstClose);
            }
            if let Some(usual) = self.usual(company, row) {
                let ratio = exact::divide(price, usual)?;
                let plausible = within(ratio, OF_EARLIER)
                    || row.tells_split
                    || self.holdings_tell_split(record, row, ratio)
                    || self.repeated(company, row, usual);
                return (!plausible).then_some(Suspicion::PriceAgainstEarlier);
            }
            total.then_some(Suspicion::TotalAsPrice)
        });
        judged.collect()
    }

    /// Remembers what a declaration said of a row: its price, trusted or doubted, and what was held afterwards.
    pub fn remember(
        &mut self,
        company: &Company,
        record: &DeclarationRecord,
        row: &Trade,
        published: Date,
        suspicion: Option<Suspicion>,
    ) {
        if let Some(after) = row.after {
            self.held.insert(line(record, row), after);
        }
        let earlier = self.earlier.entry(row.security.clone()).or_default();
        let seen = match suspicion {
            None => &mut earlier.trusted,
            Some(Suspicion::PriceAgainstClose | Suspicion::PriceAgainstEarlier) => {
                &mut earlier.doubted
            }
            Some(Suspicion::TotalAsPrice | Suspicion::WrongDirection) => return,
        };
        let Some(price) = price(row) else {
            return;
        };
        seen.push_back(Seen {
            filing: record.filing.clone(),
            date: row.date,
            price,
            multiple: multiple(company, record, row, published),
        });
        if seen.len() > MOST_EARLIER {
            seen.pop_front();
        }
    }

    /// Forgets the prices of a filing that stands no more.
    pub fn forget(&mut self, filing: &FilingId) {
        for earlier in self.earlier.values_mut() {
            earlier.trusted.retain(|seen| seen.filing != *filing);
            earlier.doubted.retain(|seen| seen.filing != *filing);
        }
    }

    /// The median of the trusted prices, on the scale of the row's day.
    fn usual(&self, company: &Company, row: &Trade) -> Option<Decimal> {
        let trusted = &self.earlier.get(&row.security)?.trusted;
        if trusted.len() < MIN_EARLIER {
            return None;
        }
        let scaled = trusted.iter().map(|seen| seen.scaled(company, row.date));
        let mut prices: Vec<Decimal> = scaled.collect::<Option<_>>()?;
        prices.sort_unstable();
        exact::median(&prices)
    }

    /// Whether three earlier rows, of two filings, stood at the same multiple of the close; unless the price of one share is plausible once
    /// it is divided by the share count, because then it holds the total.
    fn vouched(&self, row: &Trade, of_close: Decimal) -> bool {
        if holds_total(row, of_close, OF_CLOSE) {
            return false;
        }
        let alike = |seen: &&Seen| {
            let ratio = seen.multiple.and_then(|m| exact::divide(of_close, m));
            ratio.is_some_and(|ratio| within(ratio, ALIKE))
        };
        self.are_many(row, alike)
    }

    /// Whether three earlier rows, of two filings, were doubted for the same price: then the scale of prices has changed.
    fn repeated(&self, company: &Company, row: &Trade, usual: Decimal) -> bool {
        let Some(price) = price(row) else {
            return false;
        };
        let of_usual = exact::divide(price, usual);
        if of_usual.is_none_or(|of_usual| holds_total(row, of_usual, OF_EARLIER)) {
            return false;
        }
        let alike = |seen: &&Seen| {
            let scaled = seen.scaled(company, row.date);
            let ratio = scaled.and_then(|scaled| exact::divide(price, scaled));
            ratio.is_some_and(|ratio| within(ratio, ALIKE))
        };
        self.are_many(row, alike)
    }

    fn are_many(&self, row: &Trade, alike: impl Fn(&&Seen) -> bool) -> bool {
        let Some(earlier) = self.earlier.get(&row.security) else {
            return false;
        };
        let both = earlier.trusted.iter().chain(&earlier.doubted);
        let alike: Vec<&Seen> = both.filter(alike).collect();
        let one = alike.first().map(|seen| &seen.filing);
        alike.len() >= MIN_EARLIER && alike.iter().any(|seen| Some(&seen.filing) != one)
    }

    /// Whether the holdings shrank (or grew) between this insider's filings as the price grew (or shrank): new shares for old.
    fn holdings_tell_split(&self, record: &DeclarationRecord, row: &Trade, ratio: Decimal) -> bool {
        let undone = || {
            let before = before(record.direction?, row)?;
            let change = exact::divide(before, *self.held.get(&line(record, row))?)?;
            change.checked_mul(ratio)
        };
        undone().is_some_and(|undone| undone > Decimal::ZERO && within(undone, SPLIT_ALIKE))
    }
}

impl Seen {
    /// The price as it would have been on another day, were it not for the market.
    fn scaled(&self, company: &Company, day: Date) -> Option<Decimal> {
        match self.date <= day {
            true => exact::divide(self.price, company.split_ratio(self.date, day)?),
            false => self.price.checked_mul(company.split_ratio(day, self.date)?),
        }
    }
}

fn line(record: &DeclarationRecord, row: &Trade) -> Line {
    let owner = record.people.first().cloned();
    (owner, row.security.clone(), row.line.clone())
}

/// A purchase that disposed, or a sale that acquired.
fn is_wrong_way(direction: Option<Direction>, acquired: Option<bool>) -> bool {
    matches!(
        (direction, acquired),
        (Some(Direction::Buy), Some(false)) | (Some(Direction::Sell), Some(true))
    )
}

/// What one share cost, as filed or as follows from the sum.
fn price(row: &Trade) -> Option<Decimal> {
    let average = || exact::divide(row.amount?, row.shares?);
    row.price.or_else(average)
}

/// The price in units of the last close. `None` without a close of ten days, for what is no ordinary share, and in another currency.
fn multiple(
    company: &Company,
    record: &DeclarationRecord,
    row: &Trade,
    published: Date,
) -> Option<Decimal> {
    if row.not_common || record.currency != company.currency {
        return None;
    }
    exact::divide(price(row)?, company.quoted(row.date, published)?)
}

/// Held before, as follows from what was held after.
fn before(direction: Direction, row: &Trade) -> Option<Decimal> {
    let (after, shares) = (row.after?, row.shares?);
    match direction {
        Direction::Buy => after.checked_sub(shares),
        Direction::Sell => after.checked_add(shares),
    }
}

/// Whether a ratio is from 1/most to most.
fn within(ratio: Decimal, most: Decimal) -> bool {
    let reached = ratio.checked_mul(most);
    ratio <= most && reached.is_none_or(|reached| reached >= Decimal::ONE)
}

/// Whether the price, divided by the share count, is a plausible price.
fn holds_total(row: &Trade, of_usual: Decimal, most: Decimal) -> bool {
    let each = row
        .shares
        .and_then(|shares| exact::divide(of_usual, shares));
    each.is_some_and(|each| within(each, most))
}

/// Which rows share one ratio of price to shares, at different share counts, with another row of the same security.
fn totals_as_prices(rows: &[Trade]) -> Vec<bool> {
    let mut ratios: Vec<(Decimal, Decimal, usize)> = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let ratio = row
            .shares
            .zip(row.price)
            .and_then(|(shares, price)| Some((exact::divide(price, shares)?, shares, place)));
        ratios.extend(ratio.filter(|(ratio, ..)| *ratio > Decimal::ZERO));
    }
    ratios.sort_unstable();
    let mut totals = vec![false; rows.len()];
    for (at, &(ratio, shares, place)) in ratios.iter().enumerate() {
        let Some(most) = ratio.checked_mul(SAME_RATIO) else {
            continue;
        };
        let near = ratios[at + 1..].iter();
        for &(_, other_shares, other) in near.take_while(|(other, ..)| *other <= most) {
            let (few, many) = (shares.min(other_shares), shares.max(other_shares));
            let different = few
                .checked_mul(DIFFERENT_COUNTS)
                .is_some_and(|few| few < many);
            if different && rows[place].security == rows[other].security {
                totals[place] = true;
                totals[other] = true;
            }
        }
    }
    totals
}
