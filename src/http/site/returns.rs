//! Filings with their backtests: found by whom they are of, and what became of the price after each.

use maud::{Markup, html};
use serde_json::Value;

use super::{
    asked::Asked,
    cells::{self, list, number, text},
    filings,
    problem::Problem,
    reader::Reader,
};

/// Days from entry to exit, as the API names them.
pub const HORIZONS: [(i32, &str); 7] = [
    (30, "30d"),
    (60, "60d"),
    (90, "90d"),
    (160, "160d"),
    (180, "180d"),
    (365, "365d"),
    (730, "730d"),
];

/// What became of the price after each filing, as far as it is matured: the return, and by how much it beat the benchmark.
#[must_use]
pub fn returns(filings: &[Value]) -> Markup {
    let matured: Vec<&Value> = filings
        .iter()
        .filter(|filing| {
            let returns = filing
                .pointer("/backtest/return")
                .and_then(Value::as_object);
            returns.is_some_and(|returns| returns.values().any(Value::is_number))
        })
        .collect();
    html! {
        @if matured.is_empty() { p { "No return of these filings is matured, or no closes are known." } }
        @else {
            div.scrolls tabindex="0" role="region" aria-label="Returns" {
                table {
                    thead { tr {
                        th scope="col" { "Published, UTC" } th scope="col" { "Company" } th scope="col" { "Dealing" }
                        th.number scope="col" { "Entry" }
                        @for (days, _) in HORIZONS { th.number scope="col" { (days) " days" } }
                    } }
                    tbody { @for filing in matured { tr {
                        th scope="row" {
                            a href=(cells::declaration_path(text(filing, "/amfId").unwrap_or_default())) { (cells::published(filing)) }
                        }
                        td { (filings::company(filing)) }
                        td { (cells::dealing(filing)) }
                        td.number { (cells::decimal(number(filing, "/backtest/priceAtTrade"), 2)) }
                        @for (_, name) in HORIZONS { td.number { (matured_at(&filing["backtest"], name)) } }
                    } } }
                }
            }
            p.hint { "Each return since the first close after publication; below it the return less the benchmark's. One filing proves nothing." }
        }
    }
}

fn matured_at(backtest: &Value, name: &str) -> Markup {
    let of = |kind: &str| number(backtest, &format!("/{kind}/{name}"));
    html! {
        (cells::change(of("return")))
        @if of("return").is_some() { br; span.hint { (cells::change(of("excess"))) } }
    }
}

/// Filings of whom a slug names, with what became of their prices; and how many of that name were looked at, where there are more. The list
/// that has both is found by names, and others may be called the same, also `among` those: whom each is of says `pointer`.
pub async fn dealt(
    reader: &Reader<'_>,
    among: &Asked,
    (parameter, name): (&str, &str),
    pointer: &str,
    slug: &str,
) -> Result<(Vec<Value>, Option<i64>), Problem> {
    let name = to_look_for(name);
    if name.is_empty() {
        return Ok((Vec::new(), None));
    }
    let asked = among.with(&[
        (parameter, &name),
        ("include", "backtest"),
        ("limit", "200"),
    ]);
    let found = reader.read(&asked.at("/api/v1/declarations")).await?;
    let own = list(&found, "/items").iter();
    let own = own.filter(|filing| text(filing, pointer) == Some(slug));
    let limit = cells::count(&found, "/limit");
    let is_part = cells::count(&found, "/total") > limit;
    Ok((own.cloned().collect(), is_part.then_some(limit)))
}

/// That there are more.
#[must_use]
pub fn looked_at(part: Option<i64>) -> Markup {
    html! { @if let Some(limit) = part { p.hint { "Of the latest " (limit) " filings of this name." } } }
}

/// A name as the API looks for it: its beginning, without what no text may hold.
fn to_look_for(name: &str) -> String {
    const MOST_CHARS: usize = 100;
    let plain = name.chars().filter(|c| !c.is_control());
    let cut: String = plain.take(MOST_CHARS).collect();
    cut.trim().to_owned()
}

/// A filing with what became of its price, for tests.
#[cfg(test)]
pub fn sample(at: &str, direction: &str, entry: f64, after: f64) -> Value {
    serde_json::json!({
        "amfId": "a", "pubDate": at, "direction": direction,
        "company": {"name": "A & B", "slug": "a-1", "yahooSymbol": null},
        "backtest": {"priceAtTrade": entry, "price": {"30d": after, "60d": null}, "return": {"30d": after / entry - 1.0, "60d": null},
            "excess": {"30d": -0.01}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_matured_is_no_return() {
        let page = returns(&[sample("2021-06-01T02:00:00Z", "BUY", 10.0, 12.0)]).into_string();
        assert!(
            page.contains("+20.0\u{202f}%") && page.contains("\u{2212}1.0\u{202f}%"),
            "{page}"
        );
        assert_eq!(page.matches("not known").count(), 6, "{page}");
        assert!(
            returns(&[json!({"backtest": null})])
                .into_string()
                .contains("No return")
        );
    }

    #[test]
    fn names_are_looked_for_as_the_api_takes_them() {
        assert_eq!(to_look_for(" a\u{0}b\n"), "ab");
        assert_eq!(to_look_for(&"é".repeat(300)).chars().count(), 100);
    }
}
