//! A signal as people read it: what of its JSON is told in a row, whoever published it and whatever it lacks.

use maud::{Markup, html};
use serde_json::Value;

use super::{cells::path_part, figures};

/// Of a signal.
pub struct Told<'a>(pub &'a Value);

impl<'a> Told<'a> {
    /// A text at a JSON pointer, where there is one that is not empty.
    #[must_use]
    pub fn text(&self, pointer: &str) -> Option<&'a str> {
        let text = self.0.pointer(pointer).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    }

    /// A number at a JSON pointer.
    #[must_use]
    pub fn number(&self, pointer: &str) -> Option<f64> {
        self.0.pointer(pointer).and_then(Value::as_f64)
    }

    /// Its place in the log.
    #[must_use]
    pub fn seq(&self) -> i64 {
        let seq = self.0.get("seq").and_then(Value::as_i64);
        seq.unwrap_or_default()
    }

    /// Its letter, where it has one of ours.
    #[must_use]
    pub fn rank(&self) -> Option<&'a str> {
        let letter = self.text("/rank");
        letter.filter(|letter| ["S", "A", "B", "C", "D"].contains(letter))
    }

    /// What kind of thing it says, in a word or two.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.text("/signal_type") {
            Some("insider_buy") => "Insider buys",
            Some("insider_sell") => "Insider sells",
            Some("insider_cluster_buy") => "Insiders buy",
            Some("insider_cluster_sell") => "Insiders sell",
            Some(kind) if kind.ends_with("_exit") => "Exit",
            _ if self.number("/update").is_some_and(|update| update > 0.0) => "Update",
            _ => "Signal",
        }
    }

    /// What it is about: a token or a company, by the shortest name.
    #[must_use]
    pub fn subject(&self) -> &'a str {
        let names = [
            "/company/name",
            "/token/symbol",
            "/token/name",
            "/token/address",
            "/company",
            "/signal_type",
            "/id",
        ];
        names
            .into_iter()
            .find_map(|name| self.text(name))
            .unwrap_or("A signal")
    }

    /// What more tells it from others: the token's long name, the insider's.
    #[must_use]
    pub fn beside(&self) -> Option<&'a str> {
        let names = ["/insider/name", "/token/name"];
        let found = names.into_iter().find_map(|name| self.text(name));
        found.filter(|name| *name != self.subject())
    }

    /// Where it is told in full.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        self.text("/id")
            .map(|id| format!("/signals/{}", path_part(id)))
    }

    /// Where its company is told of.
    #[must_use]
    pub fn company_path(&self) -> Option<String> {
        let slug = self.text("/company/slug");
        slug.map(|slug| format!("/companies/{}", path_part(slug)))
    }

    /// What is said of the token's makers.
    #[must_use]
    pub fn risk(&self) -> Option<&'a str> {
        self.text("/rug_check/risk")
    }

    /// How many wallets bought.
    #[must_use]
    pub fn wallets(&self) -> Option<f64> {
        let counts = ["/wallet_count", "/triggering_wallet_count"];
        counts.into_iter().find_map(|count| self.number(count))
    }
}

/// A rank as a badge: a letter in its colour.
#[must_use]
pub fn badge(rank: Option<&str>) -> Markup {
    html! {
        @match rank {
            Some(letter) => { span class={ "rank rank-" (letter) } { span.unseen { "Rank " } (letter) } }
            None => { span.rank.rank-D { span.unseen { "No rank" } span aria-hidden="true" { "–" } } }
        }
    }
}

/// A row of the feed. The page's script makes the rows that come later from [`blank`], which this one is held to.
#[must_use]
pub fn row(signal: &Value) -> Markup {
    let told = Told(signal);
    let score = told.number("/rank_score");
    html! {
        li.signal data-seq=(told.seq()) {
            (badge(told.rank()))
            span.kind { (told.kind()) }
            span.what {
                @match told.path() {
                    Some(path) => { a.subject href=(path) { bdi { (told.subject()) } } }
                    None => { span.subject { bdi { (told.subject()) } } }
                }
                @match told.company_path() {
                    Some(path) => { a.beside href=(path) { bdi { (told.beside().unwrap_or("Company")) } } }
                    None => { span.beside { bdi { (told.beside().unwrap_or_default()) } } }
                }
            }
            span.score {
                b { @if let Some(score) = score { (figures::tenths(score)) } }
                (figures::bar(score.unwrap_or_default(), 100.0))
            }
            span.risk data-risk=[told.risk()] { @if let Some(risk) = told.risk() { "Risk " (risk) } }
            span.wallets { @if let Some(wallets) = told.wallets() { (figures::rough(wallets)) @if wallets == 1.0 { " wallet" } @else { " wallets" } } }
            (figures::moment_text(told.text("/published_at").unwrap_or_default()))
        }
    }
}

/// A row of nothing, for the script to fill.
#[must_use]
pub fn blank() -> Markup {
    html! {
        li.signal {
            span.rank { span.unseen { "Rank " } span.letter {} }
            span.kind {}
            span.what { a.subject { bdi {} } a.beside { bdi {} } }
            span.score { b {} (figures::bar(0.0, 100.0)) }
            span.risk {}
            span.wallets {}
            time data-ago {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_a_signal_is_its_row_says_something_and_nothing_of_it_is_markup() {
        let insider = json!({
            "seq": 7, "id": "febccbbb-1f2d-52e4-ba41-32bf23a4d68f", "published_at": "2026-04-20T18:32:11.123Z",
            "signal_type": "insider_cluster_buy", "rank": "A", "rank_score": 71.5,
            "company": {"name": "<script>alert(1)</script>", "slug": "a\"b/c"}, "insider": {"name": "Doe"},
        });
        let text = row(&insider).into_string();
        assert!(
            text.contains("Insiders buy") && text.contains("71.5"),
            "{text}"
        );
        assert!(
            text.contains("&lt;script&gt;") && !text.contains("<script"),
            "{text}"
        );
        assert!(text.contains("/companies/a%22b%2Fc"), "{text}");
        let exit = json!({"signal_type": "consensus_exit", "token": {"address": "M"}, "triggering_wallet_count": 3});
        let text = row(&exit).into_string();
        assert!(
            text.contains("Exit") && text.contains("3 wallets"),
            "{text}"
        );
        for odd in [
            json!({}),
            json!({"rank": "<b>", "rank_score": "x", "token": 3, "company": "ACME"}),
        ] {
            let text = row(&odd).into_string();
            assert!(
                text.contains("No rank") && !text.contains("<b>&lt;"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_blank_row_has_what_a_full_one_has() {
        let classes = |markup: Markup| {
            let text = markup.into_string();
            let all: Vec<String> = [
                "signal", "kind", "what", "subject", "beside", "score", "risk", "wallets",
            ]
            .iter()
            .filter(|name| text.contains(&format!("class=\"{name}\"")))
            .map(|name| (*name).to_owned())
            .collect();
            all
        };
        let full = row(&json!({"id": "x", "company": {"name": "a", "slug": "b"}}));
        assert_eq!(classes(blank()), classes(full));
        assert_eq!(classes(blank()).len(), 8);
    }
}
