//! What one cell says of a filing: an amount in its own currency, a day, a score, a mark; and what is not known.

use maud::{Markup, html};
use serde_json::Value;

use super::figures;

/// What no source tells: a dash to the eye, words to who listens.
#[must_use]
pub fn unknown() -> Markup {
    html! { span aria-hidden="true" { "—" } span.unseen { "not known" } }
}

/// A text of an answer, by its JSON pointer.
#[must_use]
pub fn text<'a>(of: &'a Value, pointer: &str) -> Option<&'a str> {
    of.pointer(pointer).and_then(Value::as_str)
}

/// A number of an answer.
#[must_use]
pub fn number(of: &Value, pointer: &str) -> Option<f64> {
    of.pointer(pointer).and_then(Value::as_f64)
}

/// A count of an answer; 0 where it says none.
#[must_use]
pub fn count(of: &Value, pointer: &str) -> i64 {
    of.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// What an answer lists; nothing where it lists nothing.
#[must_use]
pub fn list<'a>(of: &'a Value, pointer: &str) -> &'a [Value] {
    let list = of.pointer(pointer).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// A text, or that it is not known.
#[must_use]
pub fn or_unknown(text: Option<&str>) -> Markup {
    match text {
        Some(text) if !text.is_empty() => html! { (text) },
        _ => unknown(),
    }
}

/// A number with so many decimals, as people write it; or that it is not known.
#[must_use]
pub fn decimal(number: Option<f64>, decimals: usize) -> Markup {
    match number {
        Some(number) => html! { (written(number, decimals)) },
        None => unknown(),
    }
}

/// `−1 234.50`
#[must_use]
pub fn written(number: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", number.abs());
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let is_zero = text.bytes().all(|b| matches!(b, b'0' | b'.'));
    let sign = if number < 0.0 && !is_zero {
        "\u{2212}"
    } else {
        ""
    };
    let Ok(whole) = whole.parse().map(figures::whole) else {
        return figures::few(number);
    };
    match rest {
        "" => format!("{sign}{whole}"),
        rest => format!("{sign}{whole}.{rest}"),
    }
}

/// A share as per cent with its sign, good or bad to see; or that it is not known.
#[must_use]
pub fn change(share: Option<f64>) -> Markup {
    let Some(share) = share else { return unknown() };
    let sign = if share > 0.0 { "+" } else { "" };
    html! {
        span.good[share > 0.0].bad[share < 0.0] { (sign) (figures::percent(share)) }
    }
}

/// An amount in its currency: in few figures, and exact on hovering.
#[must_use]
pub fn amount(amount: Option<f64>, currency: &str) -> Markup {
    let Some(amount) = amount else {
        return unknown();
    };
    let exact = format!("{} {currency}", written(amount, 2));
    html! { span title=(exact) { (figures::rough(amount)) " " (currency) } }
}

/// `2026-04-20 18:32`: a moment in UTC, exact on hovering; only its day where the regulator says no more.
#[must_use]
pub fn published(of: &Value) -> Markup {
    let Some(at) = text(of, "/pubDate") else {
        return unknown();
    };
    let day = at.get(..10).unwrap_or(at);
    if of.pointer("/publishedEstimated") == Some(&Value::Bool(true)) {
        let why = "The regulator says only the day: its end is meant.";
        return html! { time datetime=(at) title=(why) { (day) } };
    }
    let minute = at.get(11..16).unwrap_or_default();
    html! { time datetime=(at) title=(at) { (day) " " span.soft { (minute) } } }
}

/// The letter of a score, as the stream ranks it.
#[must_use]
pub fn rank(score: f64) -> &'static str {
    match score {
        80.0.. => "S",
        70.0.. => "A",
        50.0.. => "B",
        40.0.. => "C",
        _ => "D",
    }
}

/// A score as a badge and a bar; or why there is none.
#[must_use]
pub fn score(signal: &Value) -> Markup {
    let Some(score) = number(signal, "/score") else {
        let reason = text(signal, "/reason").unwrap_or("pending");
        return html! { span.soft { "none: " (why_unscored(reason)) } };
    };
    let letter = rank(score);
    let band = text(signal, "/band").unwrap_or("below notable");
    html! {
        span class=(format!("rank rank-{letter}")) title=(band) { (written(score, 1)) }
        span.unseen { " of 100, rank " (letter) ", " (band) }
        (figures::bar(score, 100.0))
    }
}

/// Why something has no score.
#[must_use]
pub fn why_unscored(reason: &str) -> &str {
    match reason {
        "pending" => "waits to be assessed",
        "ineligible_code" => "neither a purchase nor a sale",
        "derivative" => "derivatives alone",
        "no_transaction" => "holdings alone",
        "incomplete" => "no row says when and how much",
        "cancelled" => "withdrawn",
        "superseded" => "replaced by a later filing",
        "exercise_and_sell" => "sold what was acquired that day by exercise",
        "duplicate_block" => "told by an earlier filing",
        "suspect" => "what is filed cannot be",
        other => other,
    }
}

/// Why a row cannot be what it says.
#[must_use]
pub fn why_suspect(reason: &str) -> &str {
    match reason {
        "price_against_close" => "its price is far from the market's",
        "price_against_earlier" => "its price is far from earlier ones",
        "total_as_price" => "the total stands where the price belongs",
        "wrong_direction" => "its code says the opposite of what was acquired or disposed of",
        other => other,
    }
}

/// Purchase or sale, of what counts; else what the form calls it.
#[must_use]
pub fn dealing(declaration: &Value) -> Markup {
    match text(declaration, "/direction") {
        Some("BUY") => html! { span.tag.buy { "Buy" } },
        Some("SELL") => html! { span.tag.sell { "Sell" } },
        _ => or_unknown(text(declaration, "/transaction/nature")),
    }
}

/// Marks: a cluster; rows that cannot be, with the reasons; a filing that took this one's place.
#[must_use]
pub fn marks(declaration: &Value) -> Markup {
    let is_cluster = declaration.pointer("/signal/isCluster") == Some(&Value::Bool(true));
    let mut doubts: Vec<&str> = list(declaration, "/transactions")
        .iter()
        .filter(|row| row["suspect"] == Value::Bool(true))
        .map(|row| why_suspect(text(row, "/suspectReason").unwrap_or("no reason is told")))
        .collect();
    doubts.sort_unstable();
    doubts.dedup();
    html! {
        @if is_cluster { span.tag.cluster title="At least two insiders dealt the same way within 30 days" { "Cluster" } " " }
        @if !doubts.is_empty() { span.tag.suspect { "Suspect" } " " span.hint { (doubts.join("; ")) } " " }
        @if let Some(by) = text(declaration, "/signal/supersededBy") { span.hint { "replaced by " a href=(declaration_path(by)) { (by) } } }
        @if let Some(first) = text(declaration, "/signal/duplicateOf") { span.hint { "told first by " a href=(declaration_path(first)) { (first) } } }
    }
}

/// The page of a declaration.
#[must_use]
pub fn declaration_path(amf_id: &str) -> String {
    format!("/declarations/{}", path_part(amf_id))
}

/// A name as a part of a path.
#[must_use]
pub fn path_part(name: &str) -> String {
    let mut part = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' => {
                part.push(char::from(byte));
            }
            byte => part.push_str(&format!("%{byte:02X}")),
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_written_with_their_sign() {
        assert_eq!(written(1234.5, 2), "1\u{202f}234.50");
        assert_eq!(written(-0.004, 2), "0.00", "nothing less than nothing");
        assert_eq!(written(-12.0, 0), "\u{2212}12");
        assert_eq!(written(1e30, 0), "1.0e30", "nobody reads thirty digits");
    }

    #[test]
    fn what_is_not_known_is_said_to_who_listens() {
        for cell in [
            amount(None, "EUR"),
            decimal(None, 1),
            or_unknown(Some("")),
            change(None),
        ] {
            let cell = cell.into_string();
            assert!(cell.contains('—') && cell.contains("not known"), "{cell}");
        }
    }

    #[test]
    fn a_score_is_a_badge_with_the_streams_letter() {
        for (points, letter) in [
            (80.0, "S"),
            (79.9, "A"),
            (50.0, "B"),
            (40.0, "C"),
            (0.0, "D"),
        ] {
            assert_eq!(rank(points), letter);
        }
        let none = score(&json!({"score": null, "reason": "suspect"})).into_string();
        assert!(none.contains("what is filed cannot be"), "{none}");
    }

    #[test]
    fn marks_give_each_reason_once_and_escape_what_they_are_told() {
        let row = |reason: &str| json!({"suspect": true, "suspectReason": reason});
        let marks = marks(&json!({
            "signal": {"isCluster": true, "supersededBy": "a/b?<c>"},
            "transactions": [row("total_as_price"), row("total_as_price"), {"suspect": false}, row("<i>")],
        }));
        let marks = marks.into_string();
        assert!(marks.contains("Cluster"), "{marks}");
        assert_eq!(
            marks
                .matches("the total stands where the price belongs")
                .count(),
            1
        );
        assert!(
            !marks.contains("<i>") && marks.contains("&lt;i&gt;"),
            "{marks}"
        );
        assert!(
            marks.contains("href=\"/declarations/a%2Fb%3F%3Cc%3E\""),
            "{marks}"
        );
    }
}
