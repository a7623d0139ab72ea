//! The nine factors: from inputs to points, and to an audit that anyone can recompute.
//!
//! In each factor numbers are multiplied first and divided once; the quotient is rounded half-up to a tenth, and only then are the points
//! added, so that the audit adds up exactly. A missing input gives 0 points and takes the factor's cap off the coverage; nothing is
//! scaled up for it, which would reward empty records.

use rust_decimal::Decimal;

use crate::model::rank::Tenths;

use super::{
    audit::{Audit, Band, Factor, Inputs, Modifier, Opportunism, SCORE_VERSION, Value},
    exact::{self, percent, told},
    record::{Direction, Role},
};

/// Own trades that a comparison with their median takes.
pub const MIN_OWN_TRADES: u32 = 3;
/// Returns that a track record takes.
pub const MIN_PAST: u32 = 3;
/// So many returns of everybody are added to one's own: a short record says little.
const PRIOR: u32 = 10;

/// The factors' names and caps, in their order.
pub const CAPS: [(&str, u8); 9] = [
    ("opportunism", 16),
    ("cluster", 18),
    ("role", 10),
    ("size_mcap", 12),
    ("size_holdings", 12),
    ("contrarian", 10),
    ("track_record", 10),
    ("net_flow", 6),
    ("timeliness", 6),
];

const NO_OTHERS: &str = "No other trade in this company within 90 days is known.";
const BEYOND: &str = "A number is beyond what can be computed exactly.";

/// What a factor finds: its value, points and reason.
struct Found {
    value: Value,
    points: Tenths,
    why: String,
}

impl Found {
    fn unknown(why: impl Into<String>) -> Self {
        Found {
            value: Value::Unknown,
            points: Tenths(0),
            why: why.into(),
        }
    }

    fn whole(value: Value, points: i64, why: String) -> Self {
        Found {
            value,
            points: Tenths(points * 10),
            why,
        }
    }

    /// A computed one; unknown where a number is beyond what a decimal holds.
    fn number(value: Option<Decimal>, points: Option<Tenths>, why: String) -> Self {
        match value.zip(points) {
            Some((value, points)) => Found {
                value: Value::Number(value),
                points,
                why,
            },
            None => Found::unknown(BEYOND),
        }
    }
}

/// The score of a declaration and all that it is made of.
#[must_use]
pub fn audit(amf_id: &str, inputs: Inputs) -> Audit {
    let factors = factors(&inputs);
    let raw = Tenths(factors.iter().map(|factor| factor.points.0).sum());
    let known = factors
        .iter()
        .filter(|factor| factor.value != Value::Unknown);
    let (score, modifiers) = match inputs.direction {
        Direction::Buy => (raw, Vec::new()),
        Direction::Sell => (Tenths((raw.0 * 6 + 5).div_euclid(10)), vec![SELL_DISCOUNT]),
    };
    Audit {
        amf_id: amf_id.to_owned(),
        score_version: SCORE_VERSION,
        direction: inputs.direction,
        score,
        raw,
        band: Band::of(score),
        coverage: known.map(|factor| factor.cap).sum(),
        modifiers,
        late: inputs.delay_bd.map(|delay| delay > 2),
        factors,
        inputs,
    }
}

/// A sale has many reasons, a purchase one.
const SELL_DISCOUNT: Modifier = Modifier {
    name: "sell_discount",
    factor: Decimal::from_parts(6, 0, 0, false, 1),
};

fn factors(inputs: &Inputs) -> Vec<Factor> {
    let found = [
        opportunism(inputs),
        cluster(inputs),
        role(inputs),
        size_mcap(inputs),
        size_holdings(inputs),
        contrarian(inputs),
        track_record(inputs),
        net_flow(inputs),
        timeliness(inputs),
    ];
    let caps = CAPS.into_iter().zip(found);
    caps.map(|((key, cap), found)| Factor {
        key,
        value: found.value,
        points: found.points,
        cap,
        rationale: found.why,
    })
    .collect()
}

fn opportunism(inputs: &Inputs) -> Found {
    let (points, why) = match inputs.opportunism {
        Opportunism::Opportunistic => (
            16,
            "Traded this company in each of the 3 years before, and never in this month of all three.",
        ),
        Opportunism::Unclassified => (
            6,
            "Did not trade this company in each of the 3 years before: neither routine nor not.",
        ),
        Opportunism::Routine => (
            0,
            "Routine: traded this company in this month of each of the 3 years before.",
        ),
        Opportunism::Plan => (0, "Dealt under a plan of rule 10b5-1, decided before."),
    };
    let value = Value::Word(inputs.opportunism.word());
    Found::whole(value, points, why.into())
}

fn cluster(inputs: &Inputs) -> Found {
    let n = inputs.cluster_n;
    let points = match n {
        0 | 1 => 0,
        2 => 10,
        3 => 14,
        _ => 18,
    };
    let did = match inputs.direction {
        Direction::Buy => "bought",
        Direction::Sell => "sold",
    };
    let why = match n {
        0 => "Dealt under a plan: no part of a cluster.".into(),
        1 => format!("No other insider was known to have {did} within 30 days."),
        n => format!("{n} insiders {did} within 30 days, this one included."),
    };
    Found::whole(Value::Number(n.into()), points, why)
}

fn role(inputs: &Inputs) -> Found {
    let (points, word, who) = match inputs.role {
        Role::Cfo => (10, "CFO", "the chief financial officer"),
        Role::Ceo => (9, "CEO", "the chief executive"),
        Role::OtherExec => (7, "OTHER_EXEC", "another executive"),
        Role::Board => (5, "BOARD", "a member of the board"),
        Role::Other => (2, "OTHER", "a large holder or another insider"),
    };
    let why = format!("The highest role among the owners is {who}.");
    Found::whole(Value::Word(word), points, why)
}

/// 12 · clamp((log10(p) + 3) / 3), p in percent.
fn size_mcap(inputs: &Inputs) -> Found {
    let Some(amount) = inputs.amount else {
        return Found::unknown("What was paid is not known.");
    };
    let Some(cap) = inputs.market_cap else {
        return Found::unknown("No market capitalisation of the 400 days before is known.");
    };
    let hundredfold = amount.checked_mul(Decimal::ONE_HUNDRED);
    let Some(part) = hundredfold.and_then(|amount| exact::divide(amount, cap)) else {
        return Found::unknown(BEYOND);
    };
    if part <= Decimal::ZERO || part > Decimal::ONE_HUNDRED {
        return Found::unknown(format!(
            "{} % of the market capitalisation cannot be.",
            told(part, 2)
        ));
    }
    let points = exact::log10(part)
        .and_then(|log| exact::tenths(Decimal::from(4) * (log + Decimal::from(3)), 12));
    let why = format!(
        "{} {} is {} % of a market capitalisation of {}.",
        inputs.currency,
        told(amount, 2),
        told(part, 6),
        told(cap, 0)
    );
    Found::number(Some(exact::round(part, exact::SHOWN_DECIMALS)), points, why)
}

/// 12 · clamp(h / 0.25), h = traded / held before; else 12 · clamp(log2(amount / own median) / 3).
fn size_holdings(inputs: &Inputs) -> Found {
    if let (Some(traded), Some(before)) = (inputs.shares_traded, inputs.shares_before) {
        if before > Decimal::ZERO {
            let points = traded
                .checked_mul(Decimal::from(48))
                .and_then(|over| exact::points(over, before, 12));
            let share = exact::shown(traded, before);
            let why = format!(
                "{} shares traded, {} held before on this line: a share of {}.",
                told(traded, 4),
                told(before, 4),
                told(share.unwrap_or_default(), 4)
            );
            return Found::number(share, points, why);
        }
        if before.is_zero() && inputs.direction == Direction::Buy {
            let why = format!("A new position of {} shares.", told(traded, 4));
            return Found::whole(Value::Word("new_position"), 6, why);
        }
    }
    against_own_median(inputs)
}

fn against_own_median(inputs: &Inputs) -> Found {
    let Some(amount) = inputs.amount else {
        return Found::unknown("Neither what was held before nor what was paid is known.");
    };
    let (Some(median), true) = (inputs.own_median, inputs.own_trades >= MIN_OWN_TRADES) else {
        return Found::unknown(format!(
            "What was held before is not known, and {} other own trades are too few to compare with.",
            inputs.own_trades
        ));
    };
    let ratio = exact::divide(amount, median);
    let points = ratio.and_then(|ratio| match exact::log2(ratio) {
        Some(log) => exact::points(log * Decimal::from(12), Decimal::from(3), 12),
        None => Some(Tenths(0)), // a ratio ≤ 0 has no logarithm
    });
    let shown = ratio.map(|ratio| exact::round(ratio, exact::SHOWN_DECIMALS));
    let why = format!(
        "What was held before is not known; {} {} is {} times the median of {} own trades.",
        inputs.currency,
        told(amount, 2),
        told(ratio.unwrap_or_default(), 2),
        inputs.own_trades
    );
    Found::number(shown, points, why)
}

/// BUY: 10 · clamp((1 − P/high − 0.10) / 0.40), halved for a lone insider who is no executive. SELL: 10 · clamp((place − 0.8) / 0.2),
/// place = (P − low) / (high − low).
fn contrarian(inputs: &Inputs) -> Found {
    let (Some(px), Some(high), Some(low)) = (inputs.px, inputs.hi52, inputs.lo52) else {
        return Found::unknown("Less than 200 closes of the 365 days before are known.");
    };
    if high <= low || high <= Decimal::ZERO {
        return Found::unknown("The closes of the 365 days before never moved.");
    }
    match inputs.direction {
        Direction::Buy => after_a_fall(inputs, px, high),
        Direction::Sell => near_the_high(px, high, low),
    }
}

fn after_a_fall(inputs: &Inputs, px: Decimal, high: Decimal) -> Found {
    let halved = inputs.cluster_n < 2 && !inputs.role.is_executive();
    let cap: u8 = if halved { 5 } else { 10 };
    // cap · (0.9 · high − P) / (0.4 · high), tenfold above and below
    let fallen = |high: Decimal| {
        let nine = high.checked_mul(Decimal::from(9))?;
        let over = nine.checked_sub(px.checked_mul(Decimal::TEN)?)?;
        let under = high.checked_mul(Decimal::from(4))?;
        exact::points(over.checked_mul(cap.into())?, under, cap)
    };
    let drop = high
        .checked_sub(px)
        .and_then(|drop| exact::shown(drop, high));
    let why = format!(
        "The last close, {}, is {} % below the high of 365 days, {}{}.",
        told(px, 4),
        percent(drop.unwrap_or_default(), 1),
        told(high, 4),
        match halved {
            true => "; halved for a lone insider who is no executive",
            false => "",
        }
    );
    Found::number(drop, fallen(high), why)
}

fn near_the_high(px: Decimal, high: Decimal, low: Decimal) -> Found {
    // 10 · ((P − low) − 0.8 · (high − low)) / (0.2 · (high − low)), tenfold above and below
    let parts = || {
        let (above, range) = (px.checked_sub(low)?, high.checked_sub(low)?);
        let over = above
            .checked_mul(Decimal::TEN)?
            .checked_sub(range.checked_mul(Decimal::from(8))?)?;
        let points = exact::points(
            over.checked_mul(Decimal::TEN)?,
            range.checked_mul(Decimal::TWO)?,
            10,
        );
        Some((exact::shown(above, range)?, points?))
    };
    let (place, points) = parts().unzip();
    let why = format!(
        "The last close, {}, stands at {} % of its range of 365 days, {} to {}.",
        told(px, 4),
        percent(place.unwrap_or_default(), 1),
        told(low, 4),
        told(high, 4)
    );
    Found::number(place, points, why)
}

/// α = (Σr + 10·g) / (n + 10); 10 · clamp(±α / 0.05).
fn track_record(inputs: &Inputs) -> Found {
    let n = inputs.past_n;
    let (Some(mean), true) = (inputs.global_mean, n >= MIN_PAST) else {
        return Found::unknown(format!(
            "{n} matured returns of this insider are known; {MIN_PAST} are needed."
        ));
    };
    let sum = mean
        .checked_mul(PRIOR.into())
        .and_then(|prior| inputs.past_sum.checked_add(prior));
    let Some(sum) = sum else {
        return Found::unknown(BEYOND);
    };
    let signed = match inputs.direction {
        Direction::Buy => sum,
        Direction::Sell => -sum,
    };
    let count = Decimal::from(u64::from(n) + u64::from(PRIOR));
    // 10 / 0.05 = 200
    let points = signed
        .checked_mul(Decimal::from(200))
        .and_then(|over| exact::points(over, count, 10));
    let alpha = exact::shown(sum, count);
    let why = format!(
        "{n} earlier {} returned {} % over the benchmark after 90 days, held to ±50 % each and drawn towards everybody's {} %.",
        match inputs.direction {
            Direction::Buy => "purchases",
            Direction::Sell => "sales",
        },
        percent(alpha.unwrap_or_default(), 2),
        percent(mean, 2)
    );
    Found::number(alpha, points, why)
}

/// NPR = (buys − sells) / (buys + sells); 6 · clamp(±NPR).
fn net_flow(inputs: &Inputs) -> Found {
    let (Some(buys), Some(sells)) = (inputs.buy90, inputs.sell90) else {
        return Found::unknown(NO_OTHERS);
    };
    let parts = || {
        let (net, all) = (buys.checked_sub(sells)?, buys.checked_add(sells)?);
        let signed = match inputs.direction {
            Direction::Buy => net,
            Direction::Sell => -net,
        };
        let points = exact::points(signed.checked_mul(Decimal::from(6))?, all, 6)?;
        Some((exact::shown(net, all)?, points))
    };
    if buys.is_zero() && sells.is_zero() {
        return Found::unknown(NO_OTHERS);
    }
    let (ratio, points) = parts().unzip();
    let why = format!(
        "Beside this, insiders bought for {} {} and sold for {} within 90 days: a net ratio of {}.",
        inputs.currency,
        told(buys, 0),
        told(sells, 0),
        told(ratio.unwrap_or_default(), 2)
    );
    Found::number(ratio, points, why)
}

fn timeliness(inputs: &Inputs) -> Found {
    let Some(delay) = inputs.delay_bd else {
        return Found::unknown("Published before the day of the trade, which cannot be.");
    };
    let points = match delay {
        0..=2 => 6,
        3 => 5,
        4 | 5 => 3,
        6..=10 => 1,
        _ => 0,
    };
    let days = if delay == 1 { "day" } else { "days" };
    let why = format!("Published {delay} business {days} after the first trade day.");
    Found::whole(Value::Number(delay.into()), points, why)
}
