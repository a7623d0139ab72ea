//! One readable line for one signal: what a person at a terminal wants to see of it.

use serde_json::Value;

const LONGEST_TEXT: usize = 40;

/// `2026-04-24T09:32:14.117Z  S  94.2  consensus_buy  WIF (dogwifhat)  7 wallets, 5 of them ranked  risk low  412 ms`.
/// Absent fields are left out; text that is no JSON object gives `None`. Nothing of it can steer a terminal.
#[must_use]
pub fn signal_line(event: &str, data: &str, colour: bool) -> Option<String> {
    let signal: Value = serde_json::from_str(data).ok()?;
    let signal = signal.as_object()?;
    let text = |key: &str| signal.get(key).and_then(Value::as_str).map(printable);
    let number = |key: &str| signal.get(key).and_then(Value::as_i64);

    let mut parts = Vec::new();
    parts.extend(text("detected_at").or_else(|| text("published_at")));
    parts.push(rank_part(
        text("rank").as_deref(),
        signal.get("rank_score").and_then(Value::as_f64),
        colour,
    ));
    match (event, text("signal_type")) {
        ("signal_update", Some(kind)) => parts.push(format!("{kind} update")),
        (_, Some(kind)) => parts.push(kind),
        (_, None) => parts.push(printable(event)),
    }
    parts.extend(subject(signal));
    if let Some(wallets) = number("wallet_count") {
        let ranked = number("pool_wallet_count")
            .map(|pool| format!(", {pool} ranked"))
            .unwrap_or_default();
        parts.push(format!("{wallets} wallets{ranked}"));
    }
    let risk = signal
        .get("rug_check")
        .and_then(|check| check.get("risk"))
        .and_then(Value::as_str);
    parts.extend(risk.map(|risk| format!("risk {}", printable(risk))));
    parts.extend(number("latency_ms").map(|ms| format!("{ms} ms")));
    Some(parts.join("  "))
}

/// A server's text made safe for a terminal: without control characters or marks that turn the direction, and not too long.
#[must_use]
pub fn printable(text: &str) -> String {
    cut(text, LONGEST_TEXT)
}

/// The same for a whole sentence of the server.
#[must_use]
pub fn printable_sentence(text: &str) -> String {
    cut(text, 400)
}

fn cut(text: &str, longest: usize) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
    };
    let mut out: String = text
        .chars()
        .take(longest)
        .map(|c| if hidden(c) { '\u{FFFD}' } else { c })
        .collect();
    if text.chars().nth(longest).is_some() {
        out.push('…');
    }
    out
}

fn rank_part(rank: Option<&str>, score: Option<f64>, colour: bool) -> String {
    let rank = rank.unwrap_or("-");
    let score = score.map_or_else(|| "    -".to_owned(), |score| format!("{score:>5.1}"));
    let plain = format!("{rank} {score}");
    let style = match rank {
        "S" => "1;35",
        "A" => "1;32",
        "B" => "33",
        "C" => "36",
        _ => "2",
    };
    if colour {
        format!("\x1b[{style}m{plain}\x1b[0m")
    } else {
        plain
    }
}

/// The token of a consensus signal, or the company of an insider one.
fn subject(signal: &serde_json::Map<String, Value>) -> Option<String> {
    let part = |of: &str, key: &str| {
        signal
            .get(of)
            .and_then(|of| of.get(key))
            .and_then(Value::as_str)
            .map(printable)
    };
    if let Some(company) = part("company", "name") {
        return Some(company);
    }
    if let Some(Value::String(company)) = signal.get("company") {
        return Some(printable(company));
    }
    match (part("token", "symbol"), part("token", "name")) {
        (Some(symbol), Some(name)) if symbol != name => Some(format!("{symbol} ({name})")),
        (Some(one), _) | (None, Some(one)) => Some(one),
        (None, None) => part("token", "address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNAL: &str = r#"{"detected_at":"2026-04-24T09:32:14.117Z","signal_type":"consensus_buy","rank":"S","rank_score":94.2,
        "token":{"symbol":"WIF","name":"dogwifhat"},"wallet_count":7,"pool_wallet_count":5,"rug_check":{"risk":"low"},"latency_ms":412}"#;

    #[test]
    fn a_line_says_what_matters() {
        assert_eq!(
            signal_line("signal", SIGNAL, false).unwrap(),
            "2026-04-24T09:32:14.117Z  S  94.2  consensus_buy  WIF (dogwifhat)  7 wallets, 5 ranked  risk low  412 ms"
        );
        assert!(
            signal_line("signal", SIGNAL, true)
                .unwrap()
                .contains("\x1b[1;35mS  94.2\x1b[0m")
        );
        assert!(
            signal_line("signal_update", SIGNAL, false)
                .unwrap()
                .contains("consensus_buy update")
        );
        let insider = r#"{"rank":"A","rank_score":81,"signal_type":"insider_buy","company":{"name":"Bouygues"}}"#;
        assert_eq!(
            signal_line("signal", insider, false).unwrap(),
            "A  81.0  insider_buy  Bouygues"
        );
    }

    #[test]
    fn hostile_text_cannot_steer_the_terminal() {
        let data = serde_json::json!({"rank": "\u{1b}[2J", "signal_type": "x\ny\u{202e}", "token": {"symbol": "z".repeat(500)}});
        let line = signal_line("signal", &data.to_string(), true).unwrap();
        assert!(
            !line.contains("\x1b[2J") && !line.contains('\n') && !line.contains('\u{202e}'),
            "{line:?}"
        );
        assert!(line.chars().count() < 200);
        for strange in ["[]", "null", "{", "", "\"x\""] {
            assert_eq!(signal_line("signal", strange, false), None, "{strange}");
        }
        assert!(
            signal_line(
                "signal",
                r#"{"rank":7,"rank_score":"x","token":[],"rug_check":1,"wallet_count":1e400}"#,
                false
            )
            .is_none_or(|line| !line.is_empty())
        );
    }
}
