//! What counts so far in one company: trades by day, and for each insider months, amounts, flows and matured returns.
//!
//! Kept up declaration by declaration, so that an assessment looks at a window and not at everything. What an amendment replaces is taken
//! out again, exactly: sums of decimals have no order.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
};

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::model::{filing::FilingId, time::Time};

use super::{
    elsewhere::Sum,
    exact,
    people::{Groups, Joined},
    record::{DeclarationRecord, Direction, Matured, PersonKey, Trade},
};

/// Decimals of what goes into sums over many declarations: so these have no order, and what is taken out again leaves no trace.
const SUM_DECIMALS: u32 = 8;

/// Bought and sold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Bought.
    pub buy: Decimal,
    /// Sold.
    pub sell: Decimal,
}

impl Flow {
    /// With so much more of one direction; a negative amount takes it back.
    pub fn add(&mut self, direction: Direction, amount: Decimal) {
        let side = match direction {
            Direction::Buy => &mut self.buy,
            Direction::Sell => &mut self.sell,
        };
        *side = side.saturating_add(amount);
    }

    fn and(self, other: Flow) -> Flow {
        Flow {
            buy: self.buy.saturating_add(other.buy),
            sell: self.sell.saturating_add(other.sell),
        }
    }

    /// Bought less sold.
    #[must_use]
    pub fn net(self) -> Decimal {
        self.buy.saturating_sub(self.sell)
    }
}

/// A row that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedRow {
    /// Day of the dealing.
    pub date: Date,
    /// What it came to, to eight decimals, where that is known.
    pub amount: Option<Decimal>,
    /// Under a plan.
    pub plan: bool,
}

/// A declaration that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Which.
    pub amf_id: String,
    /// Its filing.
    pub filing: FilingId,
    /// When it was published.
    pub published_at: Time,
    /// A place of its owners in [`Groups`].
    pub insider: usize,
    /// Its owners.
    pub people: Vec<PersonKey>,
    /// Bought or sold.
    pub direction: Direction,
    /// ISO 4217.
    pub currency: String,
    /// Its rows that count, one at least.
    pub rows: Vec<CountedRow>,
    /// The sum of what is known.
    pub amount: Option<Decimal>,
    /// Its 90-day excess and when that is known.
    pub returned: Option<(Time, Decimal)>,
    /// From then on it counts no more.
    pub until: Option<Time>,
}

impl Counted {
    /// Of a record's rows that count.
    #[must_use]
    pub fn new(
        record: &DeclarationRecord,
        direction: Direction,
        rows: &[&Trade],
        insider: usize,
    ) -> Self {
        let row = |row: &&Trade| CountedRow {
            date: row.date,
            amount: (row.amount).map(|amount| exact::round(amount, SUM_DECIMALS)),
            plan: row.plan,
        };
        Counted {
            amf_id: record.amf_id.clone(),
            filing: record.filing.clone(),
            published_at: record.published_at,
            insider,
            people: record.people.clone(),
            direction,
            currency: record.currency.clone(),
            rows: rows.iter().map(row).collect(),
            amount: exact::sum(rows.iter().filter_map(|row| row.amount)),
            returned: None,
            until: None,
        }
    }
}

/// What is known of one insider in this company.
#[derive(Clone, Debug, Default)]
struct Own {
    /// Rows by year and month.
    months: BTreeMap<(i16, i8), u32>,
    /// Amounts of declarations by currency, sorted.
    amounts: HashMap<String, Vec<Decimal>>,
    flow: HashMap<String, Flow>,
    /// Matured returns by direction.
    past: [Sum; 2],
}

/// What counts so far.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    counted: Vec<Counted>,
    of_filing: HashMap<FilingId, Vec<usize>>,
    /// Declarations with a trade of that day under no plan, by direction.
    traders: [BTreeMap<Date, Vec<usize>>; 2],
    /// Flow by trade day, by currency.
    flows: HashMap<String, BTreeMap<Date, Flow>>,
    /// By place in [`Groups`].
    own: Vec<Own>,
    /// Returns that mature later.
    pending: BinaryHeap<Reverse<(Time, usize)>>,
    /// Matured returns of the company by direction.
    past: [Sum; 2],
}

impl Ledger {
    /// All declarations that counted, in the order in which they came; those with `until` count no more.
    #[must_use]
    pub fn counted(&self) -> &[Counted] {
        &self.counted
    }

    /// Takes in a declaration. Gives its place.
    pub fn add(&mut self, counted: Counted, groups: &Groups) -> usize {
        let place = self.counted.len();
        self.own.resize_with(groups.places(), Own::default);
        for row in counted.rows.iter().filter(|row| !row.plan) {
            let day = self.traders[side(counted.direction)].entry(row.date);
            day.or_default().push(place);
        }
        if let Some((known_at, _)) = counted.returned {
            self.pending.push(Reverse((known_at, place)));
        }
        let of_filing = self.of_filing.entry(counted.filing.clone()).or_default();
        of_filing.push(place);
        self.book(&counted, groups, true);
        self.counted.push(counted);
        place
    }

    /// Takes out what a filing told: from `at` on another one stands in its place.
    pub fn remove(&mut self, filing: &FilingId, at: Time, groups: &Groups) {
        for place in self.of_filing.remove(filing).unwrap_or_default() {
            let counted = self.counted[place].clone();
            self.counted[place].until = Some(at);
            for row in &counted.rows {
                if let Some(day) = self.traders[side(counted.direction)].get_mut(&row.date) {
                    day.retain(|other| *other != place);
                }
            }
            self.book(&counted, groups, false);
            if let Some((known_at, excess)) = counted.returned
                && known_at <= at
            {
                self.mature(place, |sum| sum.without(excess), groups);
            }
        }
    }

    /// Brings months, amounts and flows up to date with a declaration that comes or goes.
    fn book(&mut self, counted: &Counted, groups: &Groups, comes: bool) {
        let own = &mut self.own[groups.find(counted.insider)];
        let flows = self.flows.entry(counted.currency.clone()).or_default();
        let own_flow = own.flow.entry(counted.currency.clone()).or_default();
        for row in &counted.rows {
            let month = (row.date.year(), row.date.month());
            let rows = own.months.entry(month).or_default();
            *rows = match comes {
                true => rows.saturating_add(1),
                false => rows.saturating_sub(1),
            };
            if let Some(amount) = row.amount {
                let amount = if comes { amount } else { -amount };
                flows
                    .entry(row.date)
                    .or_default()
                    .add(counted.direction, amount);
                own_flow.add(counted.direction, amount);
            }
        }
        if let Some(amount) = counted.amount {
            let amounts = own.amounts.entry(counted.currency.clone()).or_default();
            match (amounts.binary_search(&amount), comes) {
                (Ok(place) | Err(place), true) => amounts.insert(place, amount),
                (Ok(place), false) => drop(amounts.remove(place)),
                (Err(_), false) => {}
            }
        }
    }

    /// Adds the returns that are known by now. `at` never goes back.
    pub fn mature_until(&mut self, at: Time, groups: &Groups) {
        while let Some(&Reverse((known_at, place))) = self.pending.peek()
            && known_at <= at
        {
            self.pending.pop();
            let counted = &self.counted[place];
            if let (Some((_, excess)), None) = (counted.returned, counted.until) {
                self.mature(place, |sum| sum.with(excess), groups);
            }
        }
    }

    fn mature(&mut self, place: usize, change: impl Fn(Sum) -> Sum, groups: &Groups) {
        let counted = &self.counted[place];
        let own = &mut self.own[groups.find(counted.insider)];
        for past in [&mut own.past, &mut self.past] {
            let past = &mut past[side(counted.direction)];
            *past = change(*past);
        }
    }

    /// Two insiders turned out to be one.
    pub fn join(&mut self, joined: Joined) {
        let places = self.own.len().max(joined.kept + 1).max(joined.gone + 1);
        self.own.resize_with(places, Own::default);
        let gone = std::mem::take(&mut self.own[joined.gone]);
        let kept = &mut self.own[joined.kept];
        for (month, rows) in gone.months {
            *kept.months.entry(month).or_default() += rows;
        }
        for (currency, amounts) in gone.amounts {
            let all = kept.amounts.entry(currency).or_default();
            all.extend(amounts);
            all.sort_unstable();
        }
        for (currency, flow) in gone.flow {
            let all = kept.flow.entry(currency).or_default();
            *all = all.and(flow);
        }
        for (past, gone) in kept.past.iter_mut().zip(gone.past) {
            *past = past.and(gone);
        }
    }

    /// The distinct insiders who dealt in that direction, under no plan, on days after `from` up to `to`.
    #[must_use]
    pub fn insiders(
        &self,
        direction: Direction,
        from: Date,
        to: Date,
        groups: &Groups,
    ) -> Vec<usize> {
        let days = self.traders[side(direction)].range(after(from, to));
        let declarations = days.flat_map(|(_, day)| day);
        let mut insiders: Vec<usize> = declarations
            .map(|place| groups.find(self.counted[*place].insider))
            .collect();
        insiders.sort_unstable();
        insiders.dedup();
        insiders
    }

    /// What was bought and sold in a currency on days after `from` up to `to`, and how much of it is this declaration's.
    #[must_use]
    pub fn flow(&self, own: &Counted, from: Date, to: Date) -> Flow {
        let mut flow = Flow::default();
        if let Some(days) = self.flows.get(&own.currency) {
            for (_, day) in days.range(after(from, to)) {
                flow = flow.and(*day);
            }
        }
        for row in own
            .rows
            .iter()
            .filter(|row| from < row.date && row.date <= to)
        {
            flow.add(own.direction, -row.amount.unwrap_or_default());
        }
        flow
    }

    /// In which months of a year an insider traded.
    pub fn months(&self, insider: usize, year: i16) -> impl Iterator<Item = i8> {
        let own = self.own.get(insider).into_iter();
        own.flat_map(move |own| own.months.range((year, 0)..=(year, 12)))
            .filter(|(_, rows)| **rows > 0)
            .map(|((_, month), _)| *month)
    }

    /// How many other declarations of known amount in the same currency an insider has, and the median of those amounts.
    #[must_use]
    pub fn others(&self, insider: usize, own: &Counted) -> (u32, Option<Decimal>) {
        let amounts = (self.own.get(insider)).and_then(|known| known.amounts.get(&own.currency));
        let amounts = amounts.map_or(&[][..], Vec::as_slice);
        let place = own.amount.and_then(|own| amounts.binary_search(&own).ok());
        let (n, median) = match place {
            Some(place) => (amounts.len() - 1, exact::median_without(amounts, place)),
            None => (amounts.len(), exact::median(amounts)),
        };
        (u32::try_from(n).unwrap_or(u32::MAX), median)
    }

    /// All that an insider has bought and sold in this company in a currency.
    #[must_use]
    pub fn own_flow(&self, insider: usize, currency: &str) -> Flow {
        let own = self.own.get(insider);
        let flow = own.and_then(|own| own.flow.get(currency));
        flow.copied().unwrap_or_default()
    }

    /// The matured returns of an insider in this company, and those of all its insiders.
    #[must_use]
    pub fn past(&self, insider: usize, direction: Direction) -> (Sum, Sum) {
        let own = self.own.get(insider).map(|own| own.past[side(direction)]);
        (own.unwrap_or_default(), self.past[side(direction)])
    }

    /// The returns of the company's declarations, for the track records of other companies' assessments.
    pub fn matured(&self) -> impl Iterator<Item = Matured> {
        self.counted.iter().filter_map(|counted| {
            let (known_at, excess) = counted.returned?;
            Some(Matured {
                amf_id: counted.amf_id.clone(),
                direction: counted.direction,
                people: counted.people.clone(),
                known_at,
                until: counted.until,
                excess,
            })
        })
    }
}

fn side(direction: Direction) -> usize {
    match direction {
        Direction::Buy => 0,
        Direction::Sell => 1,
    }
}

/// Days after `from` up to `to`; empty where that is none.
fn after(from: Date, to: Date) -> (std::ops::Bound<Date>, std::ops::Bound<Date>) {
    use std::ops::Bound::{Excluded, Included};
    (Excluded(from), Included(to.max(from)))
}
