//! Net flow: what a company's insiders bought and sold, by month or week, by insider, and over the last 90 days.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::model::money::Exact;

use super::{
    days, exact,
    inputs::FLOW_DAYS,
    ledger::Flow,
    record::{Direction, PersonKey},
};

/// A row that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Of which declaration: rows with the same number are one.
    pub declaration: usize,
    /// Whose: rows with the same number are of one insider.
    pub insider: usize,
    /// Bought or sold.
    pub direction: Direction,
    /// Day of the dealing.
    pub dealt: Date,
    /// Local day of publication.
    pub published: Date,
    /// What it came to in the company's currency; a trade of unknown amount is a trade of 0.
    pub amount: Option<Decimal>,
}

/// What a company's net flows are made of, whatever is asked.
#[derive(Clone, Debug, Default)]
pub struct Dealings {
    /// The rows that count.
    pub trades: Vec<Trade>,
    /// All that each [`Trade::insider`] is known by.
    pub people: HashMap<usize, Vec<PersonKey>>,
}

/// Which of a trade's days counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Basis {
    /// The day on which it became known.
    #[default]
    Publication,
    /// The day of the dealing.
    Trade,
}

/// How long a bucket is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// A calendar month.
    #[default]
    Month,
    /// A week of ISO 8601.
    Week,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Which day.
    pub basis: Basis,
    /// How long.
    pub bucket: Bucket,
    /// First day of items and insiders.
    pub from: Option<Date>,
    /// Last day of items and insiders, and of the 90 days; `today` where it is not given.
    pub to: Option<Date>,
    /// The company's local day.
    pub today: Date,
}

/// A bucket in which something was dealt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// `2023-03` or `2023-W09`.
    pub period: String,
    /// Bought.
    pub buy: Exact,
    /// Sold.
    pub sell: Exact,
    /// Bought less sold.
    pub net: Exact,
    /// Distinct insiders who bought.
    pub n_buyers: usize,
    /// Distinct insiders who sold.
    pub n_sellers: usize,
}

/// What one insider dealt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsiderFlow {
    /// Which.
    pub insider: usize,
    /// Bought.
    pub buy: Decimal,
    /// Sold.
    pub sell: Decimal,
    /// Bought less sold.
    pub net: Decimal,
}

/// What the last 90 days say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Net ratio of 0.5 and more, with at least two net buyers.
    Accumulation,
    /// Net ratio of −0.5 and less, with at least two net sellers.
    Distribution,
    /// Neither.
    Neutral,
    /// Less than two declarations.
    Insufficient,
}

/// The last 90 days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signal90 {
    /// What they say.
    pub state: State,
    /// (bought − sold) / (bought + sold), six decimals; `null` where nothing of known amount was dealt.
    pub npr: Option<Exact>,
    /// Insiders who bought for more than they sold.
    pub net_buyers: usize,
    /// Insiders who sold for more than they bought.
    pub net_sellers: usize,
    /// First of the 90 days.
    pub from: Date,
    /// Last of them.
    pub to: Date,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetFlow {
    /// Buckets in which something was dealt, the earliest first.
    pub items: Vec<Item>,
    /// Insiders, the largest net in either direction first.
    pub insiders: Vec<InsiderFlow>,
    /// The last 90 days.
    pub signal90: Signal90,
}

/// The net flow of a company's counting trades.
#[must_use]
pub fn net_flow(trades: &[Trade], question: &Question) -> NetFlow {
    let day = |trade: &Trade| match question.basis {
        Basis::Publication => trade.published,
        Basis::Trade => trade.dealt,
    };
    let asked = trades.iter().filter(|trade| {
        let day = day(trade);
        question.from.is_none_or(|from| from <= day) && question.to.is_none_or(|to| day <= to)
    });
    let mut periods: BTreeMap<(i16, i8), Period> = BTreeMap::new();
    let mut insiders: BTreeMap<usize, Flow> = BTreeMap::new();
    for trade in asked {
        let day = day(trade);
        let period = match question.bucket {
            Bucket::Month => (day.year(), day.month()),
            Bucket::Week => {
                let week = day.iso_week_date();
                (week.year(), week.week())
            }
        };
        let period = periods.entry(period).or_insert_with(|| Period {
            name: match question.bucket {
                Bucket::Month => days::month(day),
                Bucket::Week => days::week(day),
            },
            ..Period::default()
        });
        let who = match trade.direction {
            Direction::Buy => &mut period.buyers,
            Direction::Sell => &mut period.sellers,
        };
        who.insert(trade.insider);
        let insider = insiders.entry(trade.insider).or_default();
        for flow in [&mut period.flow, insider] {
            flow.add(trade.direction, trade.amount.unwrap_or_default());
        }
    }
    let items = periods.into_values().map(|period| Item {
        period: period.name,
        buy: Exact(period.flow.buy),
        sell: Exact(period.flow.sell),
        net: Exact(period.flow.net()),
        n_buyers: period.buyers.len(),
        n_sellers: period.sellers.len(),
    });
    NetFlow {
        items: items.collect(),
        insiders: roll_up(&insiders),
        signal90: signal90(trades, day, question.to.unwrap_or(question.today)),
    }
}

/// A bucket that is being filled.
#[derive(Default)]
struct Period {
    name: String,
    flow: Flow,
    buyers: HashSet<usize>,
    sellers: HashSet<usize>,
}

fn all(flows: &BTreeMap<usize, Flow>) -> Flow {
    let mut all = Flow::default();
    for flow in flows.values() {
        all.add(Direction::Buy, flow.buy);
        all.add(Direction::Sell, flow.sell);
    }
    all
}

fn roll_up(insiders: &BTreeMap<usize, Flow>) -> Vec<InsiderFlow> {
    let rolled = insiders.iter().map(|(insider, flow)| InsiderFlow {
        insider: *insider,
        buy: flow.buy,
        sell: flow.sell,
        net: flow.net(),
    });
    let mut rolled: Vec<InsiderFlow> = rolled.collect();
    rolled.sort_by(|a, b| {
        b.net
            .abs()
            .cmp(&a.net.abs())
            .then(a.insider.cmp(&b.insider))
    });
    rolled
}

fn signal90(trades: &[Trade], day: impl Fn(&Trade) -> Date, to: Date) -> Signal90 {
    let from = days::plus(to, -FLOW_DAYS);
    let recent = trades
        .iter()
        .filter(|trade| from < day(trade) && day(trade) <= to);
    let mut insiders: BTreeMap<usize, Flow> = BTreeMap::new();
    let mut declarations = Vec::new();
    for trade in recent {
        let flow = insiders.entry(trade.insider).or_default();
        flow.add(trade.direction, trade.amount.unwrap_or_default());
        declarations.push(trade.declaration);
    }
    declarations.sort_unstable();
    declarations.dedup();
    let all = all(&insiders);
    let npr = exact::shown(all.net(), all.buy.saturating_add(all.sell));
    let count = |is: &dyn Fn(Decimal) -> bool| {
        let insiders = insiders.values();
        insiders.filter(|flow| is(flow.net())).count()
    };
    let net_buyers = count(&|net| net > Decimal::ZERO);
    let net_sellers = count(&|net| net < Decimal::ZERO);
    let half = Decimal::new(5, 1);
    let state = match npr {
        _ if declarations.len() < 2 => State::Insufficient,
        Some(npr) if npr >= half && net_buyers >= 2 => State::Accumulation,
        Some(npr) if npr <= -half && net_sellers >= 2 => State::Distribution,
        _ => State::Neutral,
    };
    Signal90 {
        state,
        npr: npr.map(Exact),
        net_buyers,
        net_sellers,
        from: days::plus(from, 1),
        to,
    }
}
