//! The inputs of one score, gathered from what was known at its publication.

use std::collections::HashMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{
    audit::{Inputs, Opportunism},
    company::Company,
    days,
    elsewhere::Elsewhere,
    exact,
    factors::MIN_PAST,
    ledger::{Counted, Ledger},
    people::Groups,
    record::{DeclarationRecord, Direction, Trade},
};

/// Trade days of a cluster, before the day of publication.
const CLUSTER_DAYS: i32 = 30;
/// Trade days of the net flow, likewise.
pub const FLOW_DAYS: i32 = 90;
/// Years that tell a routine.
const ROUTINE_YEARS: i16 = 3;

/// What is known of one company at one moment.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Beside its filings.
    pub company: &'a Company,
    /// From its filings.
    pub ledger: &'a Ledger,
    /// Who is who.
    pub groups: &'a Groups,
    /// Outside of it.
    pub elsewhere: &'a dyn Elsewhere,
}

/// The inputs of the score of a declaration that counts with these of its rows. `plan`: it was dealt under a plan.
#[must_use]
pub fn gather(
    known: &Known<'_>,
    record: &DeclarationRecord,
    counted: &Counted,
    rows: &[&Trade],
    plan: bool,
) -> Inputs {
    let Known {
        company,
        ledger,
        groups,
        ..
    } = known;
    let direction = counted.direction;
    let insider = groups.find(counted.insider);
    let published = days::local_day(counted.published_at, &company.zone);
    let first = rows.iter().map(|row| row.date).min();
    let cap = company
        .market_cap(published)
        .filter(|_| counted.currency == company.currency);
    let range = company.closes.range(published);
    let holdings = holdings(direction, rows);
    let (own_trades, own_median) = ledger.others(insider, counted);
    let (past_n, past_sum, global_mean) = past(known, insider, counted);
    let flow = ledger.flow(counted, days::plus(published, -FLOW_DAYS), published);
    let any = !(flow.buy.is_zero() && flow.sell.is_zero());
    Inputs {
        direction,
        opportunism: match first {
            _ if plan => Opportunism::Plan,
            Some(day) => opportunism(ledger, insider, day),
            None => Opportunism::Unclassified,
        },
        cluster_n: match plan {
            true => 0,
            false => cluster(known, insider, direction, published),
        },
        role: record.role,
        amount: counted.amount,
        currency: counted.currency.clone(),
        market_cap: cap.map(|(_, cap)| cap),
        market_cap_at: cap.map(|(date, _)| date),
        shares_traded: holdings.map(|(traded, _)| traded),
        shares_before: holdings.and_then(|(_, before)| before),
        own_trades,
        own_median,
        px: range.map(|range| range.last),
        px_at: range.map(|range| range.last_at),
        hi52: range.map(|range| range.high),
        lo52: range.map(|range| range.low),
        past_n,
        past_sum,
        global_mean,
        buy90: any.then_some(flow.buy),
        sell90: any.then_some(flow.sell),
        delay_bd: first.and_then(|first| days::business_days(first, published)),
    }
}

/// Cohen, Malloy and Pomorski: somebody who trades in the same month every year tells nothing by it.
fn opportunism(ledger: &Ledger, insider: usize, day: Date) -> Opportunism {
    let years = (1..=ROUTINE_YEARS).map(|back| day.year() - back);
    let mut routine = true;
    for year in years {
        let mut months = ledger.months(insider, year).peekable();
        if months.peek().is_none() {
            return Opportunism::Unclassified;
        }
        routine &= months.any(|month| month == day.month());
    }
    match routine {
        true => Opportunism::Routine,
        false => Opportunism::Opportunistic,
    }
}

/// Distinct insiders; this one counts even where its own trade days are outside of the window.
fn cluster(known: &Known<'_>, insider: usize, direction: Direction, published: Date) -> u32 {
    let from = days::plus(published, -CLUSTER_DAYS);
    let ledger = known.ledger;
    let insiders = ledger.insiders(direction, from, published, known.groups);
    let others = insiders.iter().filter(|other| **other != insider).count();
    u32::try_from(others).map_or(u32::MAX, |others| others.saturating_add(1))
}

/// Own matured returns, here and elsewhere, and the mean of everybody's.
fn past(known: &Known<'_>, insider: usize, counted: &Counted) -> (u32, Decimal, Option<Decimal>) {
    let (direction, at) = (counted.direction, counted.published_at);
    let (own, all) = known.ledger.past(insider, direction);
    let people = known.groups.members(insider);
    let own = own.and(known.elsewhere.of(people, direction, at));
    let all = all.and(known.elsewhere.all(direction, at));
    // only where it is used: what everybody made must not touch scores that do not depend on it
    let mean = match own.n >= MIN_PAST {
        true => exact::divide(all.sum, all.n.into()),
        false => None,
    };
    let mean = mean.map(|mean| exact::round(mean, exact::RETURN_DECIMALS));
    (own.n, own.sum.normalize(), mean)
}

/// One line of ownership in a declaration.
#[derive(Default)]
struct Line {
    amount: Decimal,
    shares: Option<Decimal>,
    after: Option<Decimal>,
}

/// Shares traded on the principal line of ownership, the one with the largest amount, and shares held on it before, where that can be.
///
/// Before = after − bought, or after + sold, of all the line's rows together: after a purchase the most that was held is the end, after a
/// sale the least, whether the form lists the rows forwards or backwards or writes the end beside each.
fn holdings(direction: Direction, rows: &[&Trade]) -> Option<(Decimal, Option<Decimal>)> {
    let mut lines: HashMap<(&str, &str), Line> = HashMap::new();
    let mut order = Vec::new();
    for row in rows {
        let key = (row.security.as_str(), row.line.as_str());
        let line = lines.entry(key).or_insert_with(|| {
            order.push(key);
            Line {
                shares: Some(Decimal::ZERO),
                ..Line::default()
            }
        });
        line.amount = line.amount.saturating_add(row.amount.unwrap_or_default());
        line.shares = line
            .shares
            .zip(row.shares)
            .map(|(a, b)| a.saturating_add(b));
        line.after = match direction {
            Direction::Buy => line.after.max(row.after),
            Direction::Sell => [line.after, row.after].into_iter().flatten().min(),
        };
    }
    let size = |key: &&(&str, &str)| (lines[*key].amount, lines[*key].shares);
    // the first of the largest, in the order of the form
    let principal = order.iter().rev().max_by_key(size)?;
    let line = &lines[principal];
    let traded = line.shares?;
    let before = line.after.and_then(|after| match direction {
        Direction::Buy => after.checked_sub(traded),
        Direction::Sell => after.checked_add(traded),
    });
    let possible = before.filter(|before| *before >= Decimal::ZERO);
    Some((traded, possible.map(|before| before.normalize())))
}
