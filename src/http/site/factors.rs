//! Why a score is what it is: its nine factors as bars, each with its points, its cap, what was measured and the reason.

use maud::{Markup, html};
use serde_json::Value;

use super::{cells, figures};

/// The audit of a score, as `/api/v1/declarations/{amfId}/score` answers it. Its heading is the page's.
#[must_use]
pub fn audit(audit: &Value) -> Markup {
    let Some(score) = cells::number(audit, "/score") else {
        let reason = cells::text(audit, "/reason").unwrap_or("pending");
        return html! { p { "No score: " (cells::why_unscored(reason)) "." } };
    };
    let band = cells::text(audit, "/band").unwrap_or("below notable");
    let letter = cells::rank(score);
    html! {
        p.sum {
            span class=(format!("rank rank-{letter}")) { (cells::written(score, 1)) }
            " of 100, " (band) ". "
            (reckoned(audit, score))
        }
        ol.factors { @for factor in cells::list(audit, "/factors") { (one(factor)) } }
        p.hint {
            "Facts for " (cells::decimal(cells::number(audit, "/coverage"), 0)) " of 100 points are known; what is missing counts 0. "
            @match audit.get("late") {
                Some(Value::Bool(true)) => { "Published late: more than two business days after the first dealing. " }
                Some(Value::Bool(false)) => { "Published in time. " }
                _ => {}
            }
            "Version " (cells::or_unknown(cells::text(audit, "/scoreVersion")))
            @if let Some(at) = cells::text(audit, "/assessedAt") {
                ", revision " (cells::count(audit, "/revision")) ", assessed " (figures::moment_text(at))
            }
            "."
        }
    }
}

/// How the sum becomes the score, where something stands between them.
fn reckoned(audit: &Value, score: f64) -> Markup {
    let modifiers = cells::list(audit, "/modifiers");
    html! {
        @if !modifiers.is_empty() {
            "The factors come to " (cells::decimal(cells::number(audit, "/raw"), 1))
            @for modifier in modifiers {
                ", times " (cells::decimal(cells::number(modifier, "/factor"), 1)) " ("
                (match cells::text(modifier, "/name") {
                    Some("sell_discount") => "a sale has many reasons",
                    other => other.unwrap_or("a modifier"),
                })
                ")"
            }
            ": " (cells::written(score, 1)) "."
        }
    }
}

fn one(factor: &Value) -> Markup {
    let key = cells::text(factor, "/key").unwrap_or_default();
    let points = cells::number(factor, "/points").unwrap_or(0.0);
    let cap = cells::number(factor, "/cap").unwrap_or(0.0);
    html! {
        li {
            div.head {
                b { (name(key)) }
                span.number { (cells::written(points, 1)) " of " (cells::written(cap, 0)) }
            }
            (figures::bar(points, cap))
            p { (cells::or_unknown(cells::text(factor, "/rationale"))) }
            p.hint { "Measured: " (measured(factor)) }
        }
    }
}

fn measured(factor: &Value) -> Markup {
    match factor.get("value") {
        Some(Value::String(word)) => html! { (word.replace('_', " ")) },
        Some(Value::Number(number)) => html! { (number) },
        _ => cells::unknown(),
    }
}

/// The factor's name in words.
fn name(key: &str) -> &str {
    match key {
        "opportunism" => "Opportunism",
        "cluster" => "Cluster",
        "role" => "Role",
        "size_mcap" => "Size, of the company",
        "size_holdings" => "Size, of what was held",
        "contrarian" => "Against the price",
        "track_record" => "Track record",
        "net_flow" => "What other insiders did",
        "timeliness" => "Timeliness",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_factor_has_its_points_its_cap_and_its_reason() {
        let audit = audit(&json!({
            "score": 34.2, "raw": 57.0, "band": null, "coverage": 84, "late": true, "scoreVersion": "s9.1", "revision": 2,
            "assessedAt": "2026-04-20T18:32:11.123Z", "modifiers": [{"name": "sell_discount", "factor": 0.6}],
            "factors": [
                {"key": "role", "value": "OTHER_EXEC", "points": 7.0, "cap": 10, "rationale": "The highest <role>."},
                {"key": "net_flow", "value": null, "points": 0.0, "cap": 6, "rationale": "No trades."},
            ],
        }))
        .into_string();
        for said in [
            "34.2",
            "The factors come to 57.0, times 0.6",
            "7.0 of 10",
            "The highest &lt;role&gt;.",
            "OTHER EXEC",
            "width=\"70.0%\"",
            "not known",
            "84",
            "Published late",
            "revision 2",
        ] {
            assert!(audit.contains(said), "{said}: {audit}");
        }
    }

    #[test]
    fn what_has_no_score_says_why() {
        let none = audit(&json!({"score": null, "reason": "superseded", "factors": []}));
        let none = none.into_string();
        assert!(none.contains("replaced by a later filing"), "{none}");
    }
}
