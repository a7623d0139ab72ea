//! Rows that cannot be what they say: decided from what was known at publication, and never from what came later.
//!
//! Files of closes are adjusted for splits that came after a filing. They are undone as far as the splits are known
//! ([`Company::splits`]). Where they are not, three earlier rows of two insiders at the same multiple of the close vouch for a price: then
//! it is the close that stands on another scale (a split nobody told us, another class of share). Of the rows before those three nothing
//! can be known, and they stay suspect. Nobody vouches for a multiple that no split makes, such as cents for dollars, nor for any once a
//! price agreed with the closes: splits that came later would have moved that one, too.
//!
//! Without a close, earlier rows are the measure: the middle one of the last days of dealing, each with one voice, so that neither many
//! rows of one wrong announcement nor the first rows of a source rule over what all other days say. Between filings nobody tells of splits
//! either; see [`Prices::is_split`] for what is taken as a sign of one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

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
/// So many days of dealing are remembered of a security,
const MOST_DAYS: usize = 9;
/// and of each of them so many rows of each standing: a list of thousands says no more.
const MOST_OF_A_DAY: usize = 32;
/// What was doubted needs so many days of dealing to be the usual price: one announcement makes one mistake in all its rows.
const MIN_DAYS: usize = 2;
/// So many insiders at least vouch: one makes the same mistake again.
const MIN_WITNESSES: usize = 2;
/// So many different prices are a market's, and no mistake that is made again.
const MIN_PRICES: usize = 3;
/// Two numbers that are the same but for the market's moves.
const ALIKE: Decimal = Decimal::from_parts(15, 0, 0, false, 1);
/// Two ratios are the same within a hundredth.
const SAME_RATIO: Decimal = Decimal::from_parts(101, 0, 0, false, 2);
/// Two share counts differ by more than a market moves in the days of one filing: rows of nearly the same count, sold at nearly the same
/// price, have the same ratio and are nothing strange.
const DIFFERENT_COUNTS: Decimal = Decimal::from_parts(105, 0, 0, false, 2);
/// But where all rows of a filing have the very same ratio, so small a difference is enough: chance does not do that.
const VERY_SAME_RATIO: Decimal = Decimal::from_parts(1001, 0, 0, false, 3);
const HARDLY_DIFFERENT_COUNTS: Decimal = Decimal::from_parts(101, 0, 0, false, 2);
/// No share is worth less: rows whose price would then be the total have the same ratio by chance.
const LEAST_PRICE: Decimal = Decimal::from_parts(1, 0, 0, false, 3);
/// A price may jump so far by a split. Farther off, cents were taken for dollars, or worse.
const OF_SPLIT: Decimal = Decimal::from_parts(50, 0, 0, false, 0);
/// Holdings and prices of one split undo each other within this.
const SPLIT_ALIKE: Decimal = Decimal::TWO;

/// What was said of an earlier price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It counts.
    Trusted,
    /// Doubted for what was filed before it, which may have been wrong itself.
    AgainstEarlier,
    /// Doubted for the close, which nothing filed later outweighs.
    AgainstClose,
}

/// A price that was filed earlier.
#[derive(Clone, Debug)]
struct Seen {
    filing: FilingId,
    /// The first of its owners.
    person: PersonKey,
    price: Decimal,
    /// Of the close, where there was one.
    multiple: Option<Decimal>,
    standing: Standing,
}

/// Of the last days of dealing.
type Earlier = BTreeMap<Date, Vec<Seen>>;

/// What was filed of one day of dealing, on the scale of the row that is judged.
struct Day<'a> {
    /// The median of what is trusted; where nothing is, of what was doubted for the prices before it.
    price: Decimal,
    trusted: bool,
    rows: Vec<(&'a PersonKey, Decimal)>,
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
        // what was dealt before is the same for all rows of a day
        let mut known = HashMap::new();
        let judged = record.rows.iter().zip(totals).map(|(row, total)| {
            if is_wrong_way(record.direction, row.acquired) {
                return Some(Suspicion::WrongDirection);
            }
            let price = price(row)?;
            if let Some(multiple) = multiple(company, record, row, price, published) {
                let plausible = within(multiple, OF_CLOSE) || self.vouched(row, multiple);
                return (!plausible).then_some(Suspicion::PriceAgainstClose);
            }
            let told = known
                .entry((row.security.as_str(), row.date))
                .or_insert_with(|| self.days(company, row).map(|days| (usual(&days), days)));
            if let (Some(usual), days) = told.as_ref()? {
                let ratios = usual.iter().map(|usual| exact::divide(price, *usual));
                let ratios: Vec<Decimal> = ratios.collect::<Option<_>>()?;
                let plausible = (ratios.iter()).any(|ratio| {
                    within(*ratio, OF_EARLIER) || self.is_split(record, row, *ratio, days)
                });
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
        let (standing, price) = match suspicion {
            None => (Standing::Trusted, price(row)),
            Some(Suspicion::PriceAgainstClose) => (Standing::AgainstClose, price(row)),
            Some(Suspicion::PriceAgainstEarlier) => (Standing::AgainstEarlier, price(row)),
            // where the price field holds the total, the price follows
            Some(Suspicion::TotalAsPrice) => (Standing::Trusted, each(row)),
            Some(Suspicion::WrongDirection) => return,
        };
        let (Some(price), Some(person)) = (price, record.people.first()) else {
            return;
        };
        let days = self.earlier.entry(row.security.clone()).or_default();
        // a day to come is a slip of the pen, and must not stand as the latest one for ever
        let day = days.entry(row.date.min(published)).or_default();
        let alike = day.iter().filter(|seen| seen.standing == standing);
        if alike.count() < MOST_OF_A_DAY {
            day.push(Seen {
                filing: record.filing.clone(),
                person: person.clone(),
                price,
                multiple: multiple(company, record, row, price, published),
                standing,
            });
        }
        if days.len() > MOST_DAYS {
            days.pop_first();
        }
    }

    /// Forgets the prices of a filing that stands no more.
    pub fn forget(&mut self, filing: &FilingId) {
        for days in self.earlier.values_mut() {
            days.retain(|_, day| {
                day.retain(|seen| seen.filing != *filing);
                !day.is_empty()
            });
        }
    }

    /// The last days of dealing that were filed earlier, in order; none where less than three rows tell of any. `None` where the splits
    /// between come to no number.
    fn days(&self, company: &Company, row: &Trade) -> Option<Vec<Day<'_>>> {
        let mut days = Vec::new();
        for (date, seen) in self.earlier.get(&row.security).into_iter().flatten() {
            let trusted = seen.iter().any(|seen| seen.standing == Standing::Trusted);
            let standing = match trusted {
                true => Standing::Trusted,
                false => Standing::AgainstEarlier,
            };
            let rows = seen.iter().filter(|seen| seen.standing == standing);
            let rows: Vec<(&PersonKey, Decimal)> = rows
                .map(|seen| Some((&seen.person, seen.scaled(company, *date, row.date)?)))
                .collect::<Option<_>>()?;
            let mut prices: Vec<Decimal> = rows.iter().map(|(_, price)| *price).collect();
            prices.sort_unstable();
            if let Some(price) = exact::median(&prices) {
                days.push(Day {
                    price,
                    trusted,
                    rows,
                });
            }
        }
        let told: usize = days.iter().map(|day| day.rows.len()).sum();
        if told < MIN_EARLIER {
            days.clear();
        }
        Some(days)
    }

    /// Whether three earlier rows, of two insiders, stood at the same multiple of the close, and none agreed with the close; unless the
    /// price of one share is the close once it is divided by the share count, because then it holds the total.
    fn vouched(&self, row: &Trade, of_close: Decimal) -> bool {
        if !within(of_close, OF_SPLIT) || holds_total(row, of_close, ALIKE) {
            return false;
        }
        let seen = || {
            let days = self.earlier.get(&row.security).into_iter().flatten();
            days.flat_map(|(_, day)| day)
        };
        let alike = |seen: &&Seen| {
            let ratio = seen.multiple.and_then(|m| exact::divide(of_close, m));
            ratio.is_some_and(|ratio| within(ratio, ALIKE))
        };
        let agrees = |seen: &&Seen| {
            let is_near = seen.multiple.is_some_and(|m| within(m, OF_CLOSE));
            is_near && seen.standing == Standing::Trusted
        };
        if seen().any(|seen| agrees(&seen) && !alike(&seen)) {
            return false;
        }
        are_many(seen().filter(alike).map(|seen| &seen.person))
    }

    /// Whether a price so many times the usual one is that of new shares for old. One of these says so:
    /// - the row's footnotes or the remarks speak of a split;
    /// - what the insider holds shrank as the price grew, or grew as it shrank;
    /// - the jump is one that splits make, the price does not hold the total, and the last days of dealing are at the new price: with a row
    ///   that was trusted (for one of the reasons above, say), or at three different prices of two insiders, this filing's own included. A
    ///   market moves; the same number over and over is a nominal price or one mistake. A day on which shares were still dealt in, or
    ///   again, at the old price refutes whatever was told before it: no split is taken back.
    fn is_split(
        &self,
        record: &DeclarationRecord,
        row: &Trade,
        ratio: Decimal,
        days: &[Day<'_>],
    ) -> bool {
        if row.tells_split || self.holdings_tell_split(record, row, ratio) {
            return true;
        }
        let jump = within(ratio, OF_SPLIT) && !holds_total(row, ratio, SPLIT_ALIKE);
        let Some(price) = price(row).filter(|_| jump) else {
            return false;
        };
        let alike = |other: &Decimal| are_within(price, *other, ALIKE);
        let last = || days.iter().rev().take_while(|day| alike(&day.price));
        let told = || last().flat_map(|day| &day.rows);
        let by_others = told().any(|(who, price)| alike(price) && !record.people.contains(who));
        let own = record
            .rows
            .iter()
            .filter(|own| own.security == row.security);
        let own = own.filter_map(self::price);
        let prices = told().map(|(_, price)| *price).chain(own).filter(alike);
        let prices: BTreeSet<Decimal> = prices.collect();
        last().any(|day| day.trusted) || (by_others && prices.len() >= MIN_PRICES)
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
    /// The price of one day as it would have been on another, were it not for the market.
    fn scaled(&self, company: &Company, date: Date, day: Date) -> Option<Decimal> {
        match date <= day {
            true => exact::divide(self.price, company.split_ratio(date, day)?),
            false => self.price.checked_mul(company.split_ratio(day, date)?),
        }
    }
}

/// What is usual after some days: the middle one of their prices, or the middle two, either of which will do. What was doubted will do as
/// far as it is like what is trusted, or two insiders told of it, on two days; without any that will, the middle of what is trusted.
fn usual(days: &[Day<'_>]) -> Option<Vec<Decimal>> {
    let will_do = |middle: &&Day<'_>| {
        let alike = || {
            let all = days.iter();
            all.filter(|day| are_within(day.price, middle.price, OF_EARLIER))
        };
        let rows = alike().flat_map(|day| &day.rows);
        let who: HashSet<&PersonKey> = rows.map(|(who, _)| *who).collect();
        alike().any(|day| day.trusted)
            || (alike().count() >= MIN_DAYS && who.len() >= MIN_WITNESSES)
    };
    let mut middle: Vec<&Day<'_>> = middle_of(days.iter());
    middle.retain(will_do);
    if middle.is_empty() {
        middle = middle_of(days.iter().filter(|day| day.trusted));
    }
    (!middle.is_empty()).then(|| middle.iter().map(|day| day.price).collect())
}

/// The middle one of some days by price; of an even number the middle two.
fn middle_of<'a, 'b>(days: impl Iterator<Item = &'a Day<'b>>) -> Vec<&'a Day<'b>> {
    let mut days: Vec<&Day<'b>> = days.collect();
    days.sort_by_key(|day| day.price);
    let (from, to) = (days.len().saturating_sub(1) / 2, days.len() / 2 + 1);
    days.get(from..to).unwrap_or_default().to_vec()
}

/// Whether these are three rows of two insiders.
fn are_many<'a>(rows: impl Iterator<Item = &'a PersonKey>) -> bool {
    let rows: Vec<&PersonKey> = rows.collect();
    let witnesses: HashSet<&&PersonKey> = rows.iter().collect();
    rows.len() >= MIN_EARLIER && witnesses.len() >= MIN_WITNESSES
}

fn are_within(one: Decimal, other: Decimal, most: Decimal) -> bool {
    exact::divide(one, other).is_some_and(|ratio| within(ratio, most))
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

/// What one share cost, were the filed price the total.
fn each(row: &Trade) -> Option<Decimal> {
    exact::divide(row.price?, row.shares?)
}

/// The price in units of the last close. `None` without a close of ten days, for what is no ordinary share, and in another currency.
fn multiple(
    company: &Company,
    record: &DeclarationRecord,
    row: &Trade,
    price: Decimal,
    published: Date,
) -> Option<Decimal> {
    if row.not_common || record.currency != company.currency {
        return None;
    }
    exact::divide(price, company.quoted(row.date, published)?)
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

fn are_different(one: Decimal, other: Decimal) -> bool {
    let (few, many) = (one.min(other), one.max(other));
    let reached = few.checked_mul(DIFFERENT_COUNTS);
    reached.is_some_and(|reached| reached < many)
}

/// Which rows hold the total as their price: two and more of the same security that have one ratio of price to shares at different share
/// counts; and, beside such, those of about that ratio. Hardly different counts are enough where that is the ratio of all rows.
fn totals_as_prices(rows: &[Trade]) -> Vec<bool> {
    let mut of_security: BTreeMap<&str, Vec<Ratio>> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        let each = each(row).filter(|each| *each >= LEAST_PRICE);
        if let Some((each, shares)) = each.zip(row.shares) {
            let ratios = of_security.entry(&row.security).or_default();
            ratios.push(Ratio {
                each,
                shares,
                place,
            });
        }
    }
    let mut totals = vec![false; rows.len()];
    for ratios in of_security.values_mut() {
        ratios.sort_unstable_by_key(|ratio| (ratio.each, ratio.place));
        let sure = match are_very_same(ratios) {
            true => ratios.iter().map(|ratio| ratio.each).collect(),
            false => sure_totals(ratios),
        };
        for ratio in &*ratios {
            // of the sure ones the nearest on either side tell for all
            let after = sure.partition_point(|sure| *sure < ratio.each);
            let near = sure[after.saturating_sub(1)..].iter().take(2);
            totals[ratio.place] = near
                .filter_map(|sure| exact::divide(ratio.each, *sure))
                .any(|quotient| within(quotient, ALIKE));
        }
    }
    totals
}

/// What one share of a row cost, were its price the total.
struct Ratio {
    each: Decimal,
    shares: Decimal,
    place: usize,
}

/// Whether sorted ratios are one, and the share counts are not.
fn are_very_same(ratios: &[Ratio]) -> bool {
    let (Some(first), Some(last)) = (ratios.first(), ratios.last()) else {
        return false;
    };
    let counts = || ratios.iter().map(|ratio| ratio.shares);
    let reaches = |low: Decimal, most: Decimal, high: Decimal| {
        low.checked_mul(most).is_some_and(|most| high <= most)
    };
    let counts = counts().min().zip(counts().max());
    reaches(first.each, VERY_SAME_RATIO, last.each)
        && counts.is_some_and(|(few, many)| !reaches(few, HARDLY_DIFFERENT_COUNTS, many))
}

/// Of sorted ratios those, sorted, with another one so near at a different share count.
fn sure_totals(ratios: &[Ratio]) -> Vec<Decimal> {
    let reach =
        |low: Decimal, high: Decimal| low.checked_mul(SAME_RATIO).is_some_and(|most| high <= most);
    // least and greatest share counts of a window whose ends only move forward; each by place, the next best behind it
    let (mut least, mut most): (VecDeque<usize>, VecDeque<usize>) = Default::default();
    let (mut from, mut to) = (0, 0);
    let mut sure = Vec::new();
    for ratio in ratios {
        while to < ratios.len() && reach(ratio.each, ratios[to].each) {
            let shares = ratios[to].shares;
            while least
                .pop_back_if(|at| ratios[*at].shares >= shares)
                .is_some()
            {}
            while most
                .pop_back_if(|at| ratios[*at].shares <= shares)
                .is_some()
            {}
            least.push_back(to);
            most.push_back(to);
            to += 1;
        }
        while from < to && !reach(ratios[from].each, ratio.each) {
            from += 1;
        }
        for ends in [&mut least, &mut most] {
            while ends.pop_front_if(|at| *at < from).is_some() {}
        }
        let ends = [least.front(), most.front()];
        let mut others = ends.into_iter().flatten().map(|at| ratios[*at].shares);
        if others.any(|other| are_different(ratio.shares, other)) {
            sure.push(ratio.each);
        }
    }
    sure
}
