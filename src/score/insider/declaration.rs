//! A filing split into declarations: its rows of one code each, and what of each row may ever count.

use rust_decimal::Decimal;

use crate::model::{
    filing::{Code, Filing, Row, Status},
    market::Market,
};

use super::{
    exact,
    people::{key, normalised},
    plan,
    record::{DeclarationRecord, Direction, Totals, Trade, Unscored},
    role,
};

/// Decimals of an average price.
const PRICE_DECIMALS: u32 = 8;
/// A number of shares, a price or an amount beyond this is none: no dealing reaches it in any currency, and sums of a hundred thousand of
/// them, to eight decimals, stay exact in 28 digits.
const MOST: Decimal = Decimal::from_parts(0xA4C6_8000, 0x0003_8D7E, 0, false, 0); // 10^15

/// Beginnings of words in the name of a security whose price is no share's, whatever else it says; and pieces of such words, where
/// languages put words together.
const NO_SHARE: [&str; 4] = ["prefer", "debenture", "warrant", "phantom"];
const NO_SHARE_WITHIN: [&str; 2] = ["konvertib", "teckningsoption"];
/// Likewise, but not behind "common" or "ordinary": a "Common Stock (see note 1)" and a "Class B Common Stock, convertible into Class A" are
/// shares, a "Note convertible into Common Stock" is none.
const NO_SHARE_BEFORE: [&str; 3] = ["note", "convertible", "option"];
/// Likewise, but for names that say "common" or "ordinary" anywhere: a "Series C Common Stock" is a share.
const NO_ORDINARY_SHARE: [&str; 6] = ["series", "bond", "right", "swap", "future", "obligation"];
const NO_ORDINARY_SHARE_WITHIN: [&str; 3] = ["depositary share", "teckningsr", "option"];
/// What shares are called.
const ORDINARY: [&str; 3] = ["common", "ordinary", "american deposit"];

/// The declarations of a filing, in the order in which their codes first appear; one without a code where nothing was dealt.
///
/// `company` is any stable name of the company within its market: by it, people without a regulator's number are told apart.
#[must_use]
pub fn split(filing: &Filing, market: &Market, company: &str) -> Vec<DeclarationRecord> {
    let mut codes: Vec<&Code> = Vec::new();
    for code in filing.rows.iter().filter_map(|row| row.code.as_ref()) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    let whole = whole(filing, market, company);
    if codes.is_empty() {
        return vec![DeclarationRecord {
            principal: true,
            unscored: standing(filing).or(Some(Unscored::NoTransaction)),
            ..whole
        }];
    }
    let alone = codes.len() == 1;
    let mut declarations: Vec<DeclarationRecord> = codes
        .into_iter()
        .map(|code| of_code(filing, code, alone, whole.clone()))
        .collect();
    // the first of the largest; where no amount is known, a purchase or sale goes before others
    let rank = |record: &DeclarationRecord| {
        let amount = record.filed.amount.unwrap_or(Decimal::NEGATIVE_ONE);
        (amount, record.direction.is_some())
    };
    let mut principal = 0;
    for (place, record) in declarations.iter().enumerate() {
        if rank(record) > rank(&declarations[principal]) {
            principal = place;
        }
    }
    declarations[principal].principal = true;
    declarations
}

/// Code P is a purchase, code S a sale, in every market; all other codes and words are neither.
#[must_use]
pub fn direction(code: &Code) -> Option<Direction> {
    match code.0.as_str() {
        "P" => Some(Direction::Buy),
        "S" => Some(Direction::Sell),
        _ => None,
    }
}

/// Shares acquired by exercise: code M, or the word of other regulators.
fn is_exercise(code: &Code) -> bool {
    code.0 == "M" || code.0.eq_ignore_ascii_case("exercise")
}

/// What all declarations of a filing have in common.
fn whole(filing: &Filing, market: &Market, company: &str) -> DeclarationRecord {
    let owners = || filing.owners.iter();
    let last_dealt = || filing.rows.iter().filter_map(|row| row.date).max();
    DeclarationRecord {
        amf_id: filing.id.0.clone(),
        filing: filing.id.clone(),
        code: None,
        principal: false,
        published_at: filing.published_at,
        published_estimated: filing.published_estimated,
        form: form(&filing.form),
        period: filing.period.or_else(last_dealt),
        amends: filing.amends.clone(),
        people: owners()
            .map(|owner| key(owner, &market.code, company, &filing.id))
            .collect(),
        names: owners().map(|owner| normalised(&owner.name)).collect(),
        close_to: owners()
            .filter_map(|owner| Some(normalised(owner.close_to.as_ref()?)))
            .filter(|name| !name.is_empty())
            .collect(),
        role: role::highest(&filing.owners, &market.code),
        direction: None,
        unscored: None,
        plan: false,
        currency: market.currency.clone(),
        filed: Totals::default(),
        rows: Vec::new(),
    }
}

fn form(form: &str) -> Option<char> {
    match form.trim().trim_end_matches("/A") {
        "3" => Some('3'),
        "4" => Some('4'),
        "5" => Some('5'),
        _ => None,
    }
}

/// Why nothing of a filing counts, where the regulator says so.
fn standing(filing: &Filing) -> Option<Unscored> {
    match filing.status {
        Status::Current => None,
        Status::Revised => Some(Unscored::Superseded),
        Status::Cancelled => Some(Unscored::Cancelled),
    }
}

fn of_code(
    filing: &Filing,
    code: &Code,
    alone: bool,
    whole: DeclarationRecord,
) -> DeclarationRecord {
    let of_code = || {
        let rows = filing.rows.iter().enumerate();
        rows.filter(|(_, row)| row.code.as_ref() == Some(code))
    };
    let shares_only = of_code().any(|(_, row)| !row.derivative);
    // derivatives are listed with the shares, and never added to them
    let main = || of_code().filter(|(_, row)| row.derivative != shares_only);
    let mut currencies = main().filter_map(|(_, row)| row.currency.as_ref());
    let currency = currencies.next();
    let mixed = currencies.any(|other| Some(other) != currency);
    let direction = direction(code);
    let mut trades: Vec<Trade> = main()
        .filter_map(|(place, row)| trade(filing, place, row))
        .collect();
    if mixed {
        // there are no exchange rates here: amounts in several currencies are no amount
        for trade in &mut trades {
            (trade.price, trade.amount) = (None, None);
        }
    }
    let filed = Totals {
        transaction_date: main().filter_map(|(_, row)| row.date).min(),
        ..totals(trades.iter())
    };
    let unscored = standing(filing).or(match direction {
        None => Some(Unscored::IneligibleCode),
        Some(_) if !shares_only => Some(Unscored::Derivative),
        Some(_) if trades.is_empty() && main().any(|(_, row)| is_beyond(row)) => {
            Some(Unscored::Suspect)
        }
        Some(_) if trades.is_empty() => Some(Unscored::Incomplete),
        Some(_) => None,
    });
    let counts = unscored.is_none() || (is_exercise(code) && standing(filing).is_none());
    DeclarationRecord {
        amf_id: match alone {
            true => whole.amf_id,
            false => format!("{}:{code}", whole.amf_id),
        },
        code: Some(code.clone()),
        direction,
        unscored,
        plan: direction.is_some() && mostly_planned(trades.iter()),
        currency: currency.cloned().unwrap_or(whole.currency),
        filed,
        rows: if counts { trades } else { Vec::new() },
        ..whole
    }
}

/// What is said of a row that [`is_beyond`].
pub const BEYOND: &str = "beyond_reason";

/// Whether a row says a number that no dealing reaches: it is kept as filed, and nothing of it counts.
#[must_use]
pub fn is_beyond(row: &Row) -> bool {
    let product = (row.shares.zip(row.price)).map(|(shares, price)| shares.checked_mul(price));
    let sums = [row.shares, row.price, row.value].map(|number| number.map(Some));
    let mut numbers = sums.into_iter().chain([product]).flatten();
    numbers.any(|number| number.is_none_or(|number| number > MOST))
}

/// A row with a day and a quantity.
fn trade(filing: &Filing, place: usize, row: &Row) -> Option<Trade> {
    if is_beyond(row) {
        return None;
    }
    let positive = |number: Option<Decimal>| {
        number.filter(|number| *number > Decimal::ZERO && *number <= MOST)
    };
    let underlying = row.derived.as_ref().and_then(|d| d.underlying_shares);
    let shares = positive(row.shares.or(underlying));
    let price = positive(row.price);
    let product = shares.zip(price).and_then(|(s, p)| s.checked_mul(p));
    let amount = product.or(row.value);
    let amount = positive(amount.map(|amount| amount.normalize()));
    if shares.is_none() && amount.is_none() {
        return None;
    }
    let footnotes = || {
        let notes = filing.footnotes.iter();
        notes.filter(|note| row.footnotes.contains(&note.id))
    };
    let remarks = filing.remarks.as_deref().unwrap_or_default();
    Some(Trade {
        row: u32::try_from(place).ok()?,
        date: row.date?,
        security: row.isin.clone().unwrap_or_else(|| security(&row.security)),
        not_common: is_not_common(&row.security),
        line: line(row),
        direct: row.direct,
        acquired: row.acquired,
        shares,
        price,
        amount,
        after: row.shares_after,
        plan: match filing.plan {
            Some(plan) => plan,
            None => footnotes().any(|note| plan::names_plan(&note.text)),
        },
        tells_split: plan::tells_split(remarks)
            || footnotes().any(|note| plan::tells_split(&note.text)),
    })
}

/// A security's name as it is compared: lower case, single blanks, no marks, nothing of its par value.
fn security(name: &str) -> String {
    let lower = name.to_lowercase();
    let ends = [", par", " par value", ", $", " $", ", no par", "("];
    let end = ends.iter().filter_map(|end| lower.find(end)).min();
    let title = &lower[..end.filter(|end| *end > 0).unwrap_or(lower.len())];
    let words: Vec<&str> = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    match words.as_slice() {
        ["common"] | ["common", "share" | "shares" | "stocks"] => "common stock".into(),
        words => words.join(" "),
    }
}

fn is_not_common(name: &str) -> bool {
    let lower = name.to_lowercase();
    let words = || {
        let starts = lower.char_indices().filter(|(at, letter)| {
            let before = lower[..*at].chars().next_back();
            letter.is_alphanumeric() && !before.is_some_and(char::is_alphanumeric)
        });
        starts.map(|(at, _)| (at, &lower[at..]))
    };
    // "notes" is a note; a "notebook" would be one too, and nobody deals in those
    let first = |those: &[&str]| {
        let mut found = words().filter(|(_, rest)| those.iter().any(|word| rest.starts_with(word)));
        found.next().map(|(at, _)| at)
    };
    let within = |those: &[&str]| those.iter().any(|piece| lower.contains(piece));
    let ordinary = ORDINARY.iter().filter_map(|word| lower.find(word)).min();
    let before = first(&NO_SHARE_BEFORE);
    first(&NO_SHARE).is_some()
        || within(&NO_SHARE_WITHIN)
        || before.is_some_and(|before| ordinary.is_none_or(|ordinary| before < ordinary))
        || (ordinary.is_none()
            && (first(&NO_ORDINARY_SHARE).is_some() || within(&NO_ORDINARY_SHARE_WITHIN)))
}

fn line(row: &Row) -> String {
    let through = row.held_through.as_deref().map(str::to_lowercase);
    match (row.direct, through) {
        (Some(true), _) => "D".into(),
        (Some(false), through) => format!("I {}", through.unwrap_or_default())
            .trim_end()
            .into(),
        (None, through) => through.unwrap_or_default(),
    }
}

/// Sums over rows.
pub fn totals<'a>(rows: impl Iterator<Item = &'a Trade> + Clone) -> Totals {
    let priced = rows
        .clone()
        .filter_map(|row| Some((row.shares?, row.amount?)));
    let shares = exact::sum(priced.clone().map(|(shares, _)| shares));
    let paid = exact::sum(priced.map(|(_, amount)| amount));
    let average = || {
        let average = exact::divide(paid?, shares?)?;
        Some(exact::round(average, PRICE_DECIMALS))
    };
    // of one price that is the average, with all its digits
    let mut prices = rows
        .clone()
        .filter(|row| row.amount.is_some())
        .map(|row| row.price);
    let first = prices.next().flatten();
    let one_price = first.filter(|_| prices.all(|price| price == first));
    Totals {
        amount: exact::sum(rows.clone().filter_map(|row| row.amount)),
        volume: exact::sum(rows.clone().filter_map(|row| row.shares)),
        unit_price: one_price.map(|price| price.normalize()).or_else(average),
        transaction_date: rows.map(|row| row.date).min(),
    }
}

/// Whether at least half of the shares were dealt under a plan; of the rows, where they are not all told in shares.
pub fn mostly_planned<'a>(rows: impl Iterator<Item = &'a Trade> + Clone) -> bool {
    let planned = || rows.clone().filter(|row| row.plan);
    let shares = |rows: &mut dyn Iterator<Item = &'a Trade>| {
        let shares: Option<Vec<Decimal>> = rows.map(|row| row.shares).collect();
        shares.and_then(exact::sum)
    };
    let (of_plan, of_all) = (planned().count(), rows.clone().count());
    if of_plan == 0 {
        return false;
    }
    match shares(&mut planned()).zip(shares(&mut rows.clone())) {
        Some((planned, all)) => planned >= all.saturating_sub(planned),
        None => of_plan * 2 >= of_all,
    }
}
