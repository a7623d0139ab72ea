//! What became of many filings, with how sure one can be of it: a win rate is never shown without its n and its interval.

use maud::{Markup, html};
use serde_json::Value;

use super::{
    cells::{self, number},
    figures,
};

/// A win rate on a line from 0 to 100 %: its interval as a band, itself as a mark; and in words. Fields as the API names them.
#[must_use]
pub fn win_rate(of: &Value) -> Markup {
    let n = cells::count(of, "/n");
    let parts = (
        number(of, "/winRate"),
        number(of, "/winRateLow"),
        number(of, "/winRateHigh"),
    );
    let (Some(rate), Some(low), Some(high)) = parts else {
        return cells::unknown();
    };
    let at = |share: f64| format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0);
    html! {
        span.rate {
            (figures::percent(rate)) " won, n = " (figures::whole(n)) ", 95 %: " (figures::percent(low)) " to " (figures::percent(high))
        }
        svg.interval aria-hidden="true" width="100%" height="12" {
            rect.track y="4" width="100%" height="4" rx="2" {}
            rect.band x=(at(low)) y="2" width=(at(high - low)) height="8" rx="3" {}
            line.half x1="50%" x2="50%" y1="0" y2="12" {}
            circle.rate cx=(at(rate)) cy="6" r="4" {}
        }
    }
}

/// The summaries of `/api/v1/backtest`, where anything is matured.
#[must_use]
pub fn summaries(backtest: &Value) -> Markup {
    let rows: Vec<(&str, &Value)> = cells::list(backtest, "/directions")
        .iter()
        .flat_map(|direction| {
            let word = match cells::text(direction, "/direction") {
                Some("SELL") => "Sales",
                _ => "Purchases",
            };
            let horizons = cells::list(direction, "/horizons").iter();
            horizons.map(move |horizon| (word, horizon))
        })
        .filter(|(_, horizon)| cells::count(horizon, "/n") > 0)
        .collect();
    html! {
        @if rows.is_empty() { p { "Nothing is matured yet, or no closes are known." } }
        @else {
            div.scrolls tabindex="0" role="region" aria-label="Backtest" {
                table {
                    thead { tr {
                        th scope="col" { "Filings" } th.number scope="col" { "Days" } th.number scope="col" { "n" }
                        th.number scope="col" { "Median excess" } th.number scope="col" { "Mean, held to ±50 %" } th scope="col" { "Won" }
                    } }
                    tbody { @for (word, horizon) in rows { tr {
                        th scope="row" { (word) }
                        td.number { (cells::count(horizon, "/days")) }
                        td.number { (figures::whole(cells::count(horizon, "/n"))) }
                        td.number { (cells::change(number(horizon, "/median"))) }
                        td.number { (cells::change(number(horizon, "/winsorisedMean"))) }
                        td.wide { (win_rate(horizon)) }
                    } } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rate_is_never_told_alone() {
        let told = json!({"days": 90, "n": 12, "winRate": 0.5, "winRateLow": 0.254, "winRateHigh": 0.746, "median": -0.01, "winsorisedMean": 0.02});
        let page = win_rate(&told).into_string();
        for said in [
            "n = 12",
            "25.4",
            "74.6",
            "x=\"25.4%\" y=\"2\" width=\"49.2%\"",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
        let part = json!({"n": 12, "winRate": 0.5, "winRateLow": null});
        assert!(win_rate(&part).into_string().contains("not known"));
        let none = json!({"days": 30, "n": 0, "winRate": null});
        let all = json!({"directions": [{"direction": "SELL", "horizons": [none, told]}]});
        let table = summaries(&all).into_string();
        assert_eq!(
            table.matches("<tr>").count(),
            2,
            "what is not matured has no row: {table}"
        );
        assert!(
            summaries(&json!({"directions": []}))
                .into_string()
                .contains("Nothing is matured")
        );
    }
}
