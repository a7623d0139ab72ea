//! Why a signal fired, in bars and words: the parts of its points, who is behind it, and what is known of what they bought.

use maud::{Markup, html};
use serde_json::Value;

use super::{
    cells, declaration, factors,
    figures::{self, bar, dollars, rough},
    told::{self, Told},
};
use crate::score::{
    rank::{Inputs, rank},
    rug::Risk,
};

/// Points for buyers who came close together, at most.
const MOST_PACE: f64 = 5.0;
/// A score is written with one decimal.
const ROUNDED: f64 = 0.051;

/// A part of a score.
struct Part {
    name: String,
    value: String,
    points: f64,
    most: f64,
    words: String,
}

/// Why it fired: the parts of its points, as far as its payload has them.
#[must_use]
pub fn why(signal: &Value) -> Markup {
    let told = Told(signal);
    if told.number("/score/score").is_some() {
        return factors::audit(&signal["score"]);
    }
    if let Some(exit) = exit(&told) {
        return exit;
    }
    let parts = match told.text("/signal_type") {
        Some("consensus_buy") => consensus(&told),
        _ => Vec::new(),
    };
    html! {
        @if parts.is_empty() { p { "Its publisher does not say what its points are made of." } }
        @else { (table(&parts)) }
        (beyond(&told))
    }
}

/// Of an exit: how many of those that began it are out, and the way to the purchase.
fn exit(told: &Told<'_>) -> Option<Markup> {
    told.text("/signal_type")
        .filter(|kind| *kind == "consensus_exit")?;
    let out = told.0.get("exited_wallets")?.as_array()?.len();
    let all = told.0.get("triggering_wallet_count")?.as_i64()?;
    if all < i64::try_from(out).unwrap_or(i64::MAX) {
        return None;
    }
    // an episode is called by the id of its purchase here; another publisher may call it anything
    let buy = told.text("/episode_id");
    let buy = buy.filter(|id| uuid::Uuid::parse_str(id).is_ok() && told.text("/id") != Some(*id));
    Some(html! {
        p {
            (out) " of " (figures::counted(all, "wallet")) " that it began with "
            @if out == 1 { "has" } @else { "have" } " sold."
            @if let Some(id) = buy { " Rank and score are the best that it had since " a href={ "/signals/" (id) } { "the purchase" } "." }
        }
    })
}

fn table(parts: &[Part]) -> Markup {
    let sum: f64 = parts.iter().map(|part| part.points).sum();
    html! {
        div.scrolls role="region" tabindex="0" aria-label="What the points are made of" {
            table.parts.broad {
                thead { tr {
                    th scope="col" { "Part" } th scope="col" { "Measured" } th.number scope="col" { "Points" }
                    th scope="col" { span.unseen { "As a bar" } } th scope="col" { "Why" }
                } }
                tbody {
                    @for part in parts {
                        tr {
                            th scope="row" { (part.name) }
                            td { bdi { (part.value) } }
                            td.number { (format!("{:.1}", part.points)) " of " (part.most) }
                            td.bars { (bar(part.points, part.most)) }
                            td { bdi { (part.words) } }
                        }
                    }
                }
                tfoot { tr { th scope="row" { "Together" } td {} td.number { (format!("{sum:.1}")) } td {} td {} } }
            }
        }
    }
}

/// The six parts, by the very function that ranked it. How quickly the buyers came is not in the payload: it is what is left of the points.
fn consensus(told: &Told<'_>) -> Vec<Part> {
    let count = |pointer: &str| {
        told.number(pointer)
            .filter(|count| (0.0..1e6).contains(count))
    };
    let (Some(pool), Some(points), Some(sum)) = (
        count("/pool_wallet_count"),
        told.number("/rank_score"),
        told.number("/wallet_score_sum"),
    ) else {
        return Vec::new();
    };
    let other = count("/other_buyer_count").unwrap_or_default();
    let liquidity = told.number("/token/liquidity_usd");
    let ranked = rank(&Inputs {
        pool: pool as usize,
        other: other as usize,
        score_sum: sum,
        risk: risk(told),
        liquidity_usd: liquidity,
        span_seconds: 1.0,
        window_seconds: 1.0,
    });
    let [wallets, quality, others, safety, depth, _] = ranked.parts;
    let pace = points - ranked.parts.iter().sum::<f64>();
    // another publisher's points, which are not made of these parts
    if !(-ROUNDED..=MOST_PACE + ROUNDED).contains(&pace) {
        return Vec::new();
    }
    let pace = pace.clamp(0.0, MOST_PACE);
    let mean = if pool > 0.0 { sum / pool } else { 0.0 };
    let part = |name: &str, value: String, points, most, words: &str| Part {
        name: name.to_owned(),
        value,
        points,
        most,
        words: words.to_owned(),
    };
    vec![
        part(
            "Ranked wallets",
            format!("{pool}"),
            wallets,
            30.0,
            "Wallets with a record of good trades that bought within the window; five give all.",
        ),
        part(
            "Their quality",
            format!("{} on average", figures::tenths(mean)),
            quality,
            30.0,
            "The mean of their own scores, of 150 at most; 120 gives all.",
        ),
        part(
            "Other buyers",
            format!("{other}"),
            others,
            10.0,
            "Whoever else bought in the same window; three give all.",
        ),
        part(
            "Safety",
            told.risk().unwrap_or("unknown").to_owned(),
            safety,
            20.0,
            "Rug risk: low gives 20, medium 10, unknown 5, high nothing.",
        ),
        part(
            "Liquidity",
            liquidity.map_or("not known".to_owned(), dollars),
            depth,
            5.0,
            "From $5 000, which gives nothing, to $100 000, which gives all.",
        ),
        part(
            "Pace",
            "the rest of the points".to_owned(),
            pace,
            MOST_PACE,
            "The closer together the buyers came, the more.",
        ),
    ]
}

fn risk(told: &Told<'_>) -> Risk {
    match told.risk() {
        Some("low") => Risk::Low,
        Some("medium") => Risk::Medium,
        Some("high") => Risk::High,
        _ => Risk::Unknown,
    }
}

/// What holds the letter down.
fn beyond(told: &Told<'_>) -> Markup {
    let capped = match (told.text("/signal_type"), told.risk()) {
        (Some("consensus_buy"), Some("high")) => Some("D"),
        (Some("consensus_buy"), Some("medium" | "unknown")) => Some("B"),
        _ => None,
    };
    html! {
        @if let Some(letter) = capped { p { "Its rug risk holds the rank down: no better than " (told::badge(Some(letter))) "." } }
    }
}

/// The wallets that triggered it, best first; of an exit, those that are out.
#[must_use]
pub fn wallets(signal: &Value) -> Markup {
    let list = |name: &str| signal.get(name).and_then(Value::as_array);
    html! {
        @if let Some(wallets) = list("triggering_wallets").filter(|wallets| !wallets.is_empty()) {
            h2 { "Wallets behind it" }
            div.scrolls role="region" tabindex="0" aria-label="Wallets behind it" {
                table.broad {
                    thead { tr {
                        th scope="col" { "Wallet" } th scope="col" { "Rank" } th.number scope="col" { "Score of 150" } th scope="col" { span.unseen { "As a bar" } }
                        th.number scope="col" { "Trades won" } th.number scope="col" { "Made in 30 days" }
                    } }
                    tbody {
                        @for wallet in wallets {
                            @let wallet = Told(wallet);
                            tr {
                                th scope="row" { code { (wallet.text("/address").unwrap_or("?")) } }
                                td { (told::badge(wallet.rank())) }
                                td.number { @if let Some(score) = wallet.number("/score") { (figures::tenths(score)) } }
                                td.bars { (bar(wallet.number("/score").unwrap_or_default(), 150.0)) }
                                td.number { @if let Some(share) = wallet.number("/win_rate") { (figures::percent(share)) } }
                                td.number { @if let Some(made) = wallet.number("/realized_pnl_usd") { (dollars(made)) } }
                            }
                        }
                    }
                }
            }
            p.hint { "What they were worth when the signal fired, by their closed positions of the 30 days before. When and for how much each bought is in the facts, and in no signal." }
        }
        @if let Some(wallets) = list("exited_wallets") {
            h2 { "Wallets that are out" }
            ul { @for wallet in wallets { li { code { (wallet.as_str().unwrap_or("?")) } } } }
        }
    }
}

/// What was known of the token, and of its makers' ways to take the money.
#[must_use]
pub fn token(signal: &Value) -> Markup {
    let told = Told(signal);
    let Some(address) = told.text("/token/address") else {
        return html! {};
    };
    let usd = |pointer: &str| told.number(pointer).map(dollars);
    let price = told
        .0
        .pointer("/token/price_usd")
        .filter(|price| price.is_number());
    let facts = [
        ("Name", told.text("/token/name").map(str::to_owned)),
        ("Traded on", told.text("/token/dex").map(str::to_owned)),
        ("Age", told.number("/token/age_minutes").map(minutes)),
        ("Price", price.map(|price| format!("${price}"))),
        ("Market capitalisation", usd("/token/market_cap_usd")),
        ("Liquidity", usd("/token/liquidity_usd")),
    ];
    html! {
        h2 { "The token" }
        dl.facts {
            dt { "Address" } dd { code #token-address { (address) } " " button.plain.small type="button" data-copy="token-address" { "Copy" } }
            @for (name, fact) in facts { @if let Some(fact) = fact { dt { (name) } dd { bdi { (fact) } } } }
        }
        @if told.0.get("rug_check").is_some_and(Value::is_object) { (rug_check(&told)) }
    }
}

fn minutes(minutes: f64) -> String {
    match minutes {
        m if m < 120.0 => format!("{m} minutes"),
        m if m < 48.0 * 60.0 => format!("{:.0} hours", m / 60.0),
        m => format!("{} days", rough(m / 1440.0)),
    }
}

fn rug_check(told: &Told<'_>) -> Markup {
    let flag = |name: &str| {
        told.0
            .pointer(&format!("/rug_check/{name}"))
            .and_then(Value::as_bool)
    };
    let either = |flag: Option<bool>, yes, no, unknown| match flag {
        Some(true) => ("good", yes),
        Some(false) => ("bad", no),
        None => ("soft", unknown),
    };
    let says = [
        either(
            flag("mint_renounced"),
            "Nobody can make more of it.",
            "Its makers can make more of it.",
            "Whether more of it can be made is not known.",
        ),
        either(
            flag("freeze_renounced"),
            "Nobody can freeze what others hold.",
            "Its makers can freeze what others hold.",
            "Whether it can be frozen is not known.",
        ),
        either(
            flag("lp_locked"),
            "The liquidity is locked.",
            "The liquidity can be taken out.",
            "Whether the liquidity is locked is not known; on a bonding curve there is none to lock.",
        ),
    ];
    let holders = told.number("/rug_check/top10_holders_pct");
    html! {
        h3 { "Rug check: risk " b data-risk=[told.risk()] { (told.risk().unwrap_or("unknown")) } }
        ul.says {
            @for (class, words) in says { li class=(class) { (words) } }
            @match holders {
                Some(share) => { li class=(if share >= 30.0 { "bad" } else { "good" }) { "The ten largest holders have " (figures::tenths(share)) "\u{202f}%." } }
                None => { li.soft { "What the ten largest holders have is not known." } }
            }
        }
    }
}

/// The filing of an insider's dealing: what was filed, row by row.
#[must_use]
pub fn filing(signal: &Value) -> Markup {
    let told = Told(signal);
    let Some(amf_id) = told.text("/amfId") else {
        return html! {};
    };
    let currency = told.text("/transaction/currency").unwrap_or_default();
    let amount = told.number("/transaction/amount");
    // a publisher may say anything: a link that is a script is none
    let link = told
        .text("/pdfUrl")
        .filter(|url| url.starts_with("https://"));
    let insider = told
        .text("/insider/slug")
        .map(|slug| format!("/insiders/{}", cells::path_part(slug)));
    html! {
        h2 { "The filing" }
        dl.facts {
            dt { "Declaration" } dd { a href=(cells::declaration_path(amf_id)) { (amf_id) } @if let Some(url) = link { " " a href=(url) rel="noreferrer" { "at its regulator" } } }
            @if let Some(name) = told.text("/company/name") {
                dt { "Company" } dd { @match told.company_path() { Some(path) => { a href=(path) { bdi { (name) } } } None => { bdi { (name) } } } }
            }
            @if let Some(name) = told.text("/insider/name") {
                dt { "Insider" } dd {
                    @match &insider { Some(path) => { a href=(path) { bdi { (name) } } } None => { bdi { (name) } } }
                    @if let Some(function) = told.text("/insider/function") { ", " bdi { (function) } }
                }
            }
            @if let Some(amount) = amount { dt { "Amount" } dd { (rough(amount)) " " bdi { (currency) } } }
        }
        (declaration::rows(signal))
        @if !cells::list(signal, "/owners").is_empty() { (declaration::owners(signal)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn consensus_buy() -> Value {
        json!({
            "signal_type": "consensus_buy", "rank": "S", "rank_score": 94.1, "pool_wallet_count": 5, "other_buyer_count": 2,
            "wallet_score_sum": 612.4, "token": {"address": "M", "liquidity_usd": 88300}, "rug_check": {"risk": "low", "mint_renounced": true},
        })
    }

    #[test]
    fn the_six_parts_come_to_the_points() {
        let signal = consensus_buy();
        let parts = consensus(&Told(&signal));
        let sum: f64 = parts.iter().map(|part| part.points).sum();
        assert!((sum - 94.1).abs() < 1e-9, "{sum}");
        assert_eq!(parts.len(), 6);
        assert!(
            parts
                .iter()
                .all(|part| (0.0..=part.most).contains(&part.points))
        );
        // the pace of 42 seconds of 90, as the reference's example has it
        assert!((parts[5].points - 2.67).abs() < 0.1, "{}", parts[5].points);
    }

    #[test]
    fn what_is_missing_or_odd_is_said_and_breaks_nothing() {
        for odd in [
            json!({}),
            json!({"signal_type": "consensus_buy", "pool_wallet_count": -1, "rank_score": 5, "wallet_score_sum": 1e300}),
            json!({"signal_type": "consensus_buy", "pool_wallet_count": 0, "rank_score": 1e9, "wallet_score_sum": 0}),
            json!({"signal_type": "insider_buy", "score": {"factors": [{"key": "<b>"}, 7]}, "amfId": "x", "pdfUrl": "javascript:alert(1)", "transactions": [{}]}),
            json!({"token": {"address": "<i>"}, "rug_check": {}, "triggering_wallets": [{}, 3], "exited_wallets": [1]}),
        ] {
            let all = [why(&odd), wallets(&odd), token(&odd), filing(&odd)];
            let text: String = all.map(Markup::into_string).concat();
            assert!(
                !text.contains("javascript:") && !text.contains("<i>") && !text.contains("<b>&lt;"),
                "{text}"
            );
        }
    }

    #[test]
    fn an_exit_says_who_is_out_and_leads_to_its_purchase() {
        let mut signal = json!({"id": "x", "signal_type": "consensus_exit", "episode_id": "febccbbb-1f2d-52e4-ba41-32bf23a4d68f",
            "triggering_wallet_count": 3, "exited_wallets": ["a", "b"]});
        let text = why(&signal).into_string();
        assert!(
            text.contains("2 of 3 wallets that it began with have sold."),
            "{text}"
        );
        assert!(
            text.contains("href=\"/signals/febccbbb-1f2d-52e4-ba41-32bf23a4d68f\""),
            "{text}"
        );
        signal["episode_id"] = json!("<b>ep-1");
        let text = why(&signal).into_string();
        assert!(
            text.contains("have sold") && !text.contains("href"),
            "{text}"
        );
        signal["triggering_wallet_count"] = json!(1);
        assert!(why(&signal).into_string().contains("does not say"));
    }

    #[test]
    fn nine_factors_are_told_as_they_were_when_it_fired() {
        let signal = json!({"signal_type": "insider_sell", "score": {"score": 8.4, "coverage": 80, "modifiers": [],
            "factors": [{"key": "cluster", "value": 3, "points": 14.0, "cap": 18, "rationale": "3 insiders"}]}});
        let text = why(&signal).into_string();
        for wanted in ["Cluster", "14.0 of 18", "3 insiders"] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
    }
}
