//! Filters as a form, made of the very tables that the API reads its queries by; what it refuses is shown where it was entered.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode},
    response::Response,
};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    asked::{Asked, Refused},
    cells,
    visit::Visit,
};
use crate::gate::parameter::{Kind, Parameter};

/// A form of filters.
pub struct Filters<'a> {
    /// The page that it asks for.
    pub path: &'a str,
    /// The API's table.
    pub table: &'static [Parameter],
    /// Which of it have a field, in this order.
    pub fields: &'static [&'static str],
    /// What was asked.
    pub asked: &'a Asked,
    /// As `/api/v1/markets` lists them.
    pub markets: &'a Value,
    /// What of it was refused.
    pub refused: Option<&'a Refused>,
    /// The part of the page that an answer takes the place of.
    pub target: &'static str,
}

/// Where in a list one is: another list begins at its first page.
const OFFSET: &str = "offset";

impl Filters<'_> {
    /// The form: it works as a plain one, and by htmx without loading the page anew.
    #[must_use]
    pub fn form(&self) -> Markup {
        let fields = self
            .fields
            .iter()
            .filter_map(|name| self.table.iter().find(|parameter| parameter.name == *name));
        let is_field = |name: &str| self.fields.contains(&name);
        let elsewhere = self.refused.filter(|refused| !is_field(&refused.parameter));
        html! {
            @if let Some(refused) = elsewhere { p.problem role="alert" { (refused.message) } }
            form.filters method="get" action=(self.path) hx-get=(self.path) hx-target=(self.target) hx-swap="outerHTML"
                hx-push-url="true" hx-indicator="#busy" {
                div.fields { @for parameter in fields { (self.field(parameter)) } }
                // what has no field stays as it was asked
                @for (name, value) in self.asked.pairs() {
                    @if !is_field(name) && name != OFFSET { input type="hidden" name=(name) value=(value); }
                }
                div.actions {
                    button #show type="submit" { "Show" }
                    a.button.plain href=(self.path) { "Clear" }
                    span #busy .htmx-indicator.soft { "Asking…" }
                }
            }
        }
    }

    fn field(&self, parameter: &Parameter) -> Markup {
        let id = format!("f-{}", parameter.name);
        let error = format!("{id}-error");
        let refused = self
            .refused
            .filter(|refused| refused.parameter == parameter.name);
        let asked = self.asked.get(parameter.name);
        let invalid = refused.map(|_| "true");
        let says = refused.map(|_| error.as_str());
        let options = self.options(parameter);
        html! {
            div {
                label for=(id) title=(parameter.about) { (label(parameter.name)) }
                @if options.is_empty() {
                    input id=(id) name=(parameter.name) value=(asked) type=(entry(parameter.kind, asked)) autocomplete="off"
                        inputmode=[keys(parameter.kind)] placeholder=[default(parameter.kind)] aria-invalid=[invalid] aria-describedby=[says];
                } @else {
                    select id=(id) name=(parameter.name) aria-invalid=[invalid] aria-describedby=[says] {
                        // what was asked and there is not is shown too
                        @if !asked.is_empty() && options.iter().all(|(value, other, _)| value != asked && *other != Some(asked)) {
                            option value=(asked) selected { (asked) }
                        }
                        @for (value, other, words) in &options {
                            option value=(value) selected[value == asked || *other == Some(asked)] { (words) }
                        }
                    }
                }
                @if let Some(refused) = refused { p.bad id=(error) { "Allowed: " (refused.allowed) "." } }
            }
        }
    }

    /// Of a choice: the value, what else it may be called, and its words. The first is what holds where nothing is said.
    fn options(&self, parameter: &Parameter) -> Vec<(String, Option<&'static str>, String)> {
        let any = || (String::new(), None, "Any".to_owned());
        match parameter.kind {
            Kind::Market => {
                let market = |market: &Value| {
                    let code = cells::text(market, "/code").unwrap_or_default();
                    let name = cells::text(market, "/name").unwrap_or(code);
                    (code.to_owned(), None, format!("{code} · {name}"))
                };
                let all = cells::list(self.markets, "/items").iter().map(market);
                std::iter::once(any()).chain(all).collect()
            }
            Kind::Flag => vec![
                any(),
                ("true".into(), None, "Clusters only".into()),
                ("false".into(), None, "No clusters".into()),
            ],
            Kind::Word { words, default } => {
                let said = |word: &&'static str| match default == Some(word) {
                    true => (String::new(), Some(*word), label(word).to_owned()),
                    false => ((*word).to_owned(), None, label(word).to_owned()),
                };
                let all = words.iter().map(said);
                match default {
                    Some(_) => all.collect(),
                    None => std::iter::once(any()).chain(all).collect(),
                }
            }
            _ => Vec::new(),
        }
    }
}

/// Where the address of what an answer shows is told to htmx.
const HX_PUSH_URL: HeaderName = HeaderName::from_static("hx-push-url");

/// A page or a part with such a form: its short address, and 400 where a value was refused.
#[must_use]
pub fn answer(mut response: Response, address: &str, refused: Option<&Refused>) -> Response {
    if let Ok(address) = HeaderValue::from_str(address) {
        response.headers_mut().insert(HX_PUSH_URL, address);
    }
    if let Some(refused) = refused {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.extensions_mut().extend(refused.counted());
    }
    response
}

/// A refusal of the whole takes the place of what was found alone: the form stays, and what was entered.
#[must_use]
pub fn beside_form(visit: &Visit, mut response: Response) -> Response {
    let fields = response.headers();
    if visit.wants_part()
        && response.status() != StatusCode::OK
        && !fields.contains_key(HX_PUSH_URL)
    {
        let fields = response.headers_mut();
        fields.insert("hx-retarget", HeaderValue::from_static("#found"));
        fields.insert("hx-reswap", HeaderValue::from_static("innerHTML"));
    }
    response
}

/// A calendar, unless what is there is no day.
fn entry(kind: Kind, asked: &str) -> &'static str {
    let is_day = asked.len() == 10
        && (asked.bytes().enumerate()).all(|(n, b)| match n {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    match kind {
        Kind::Moment if asked.is_empty() || is_day => "date",
        _ => "text",
    }
}

/// Which keys a phone shows.
fn keys(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Whole { .. } => Some("numeric"),
        Kind::Number { .. } => Some("decimal"),
        _ => None,
    }
}

/// What holds where nothing is entered.
fn default(kind: Kind) -> Option<String> {
    match kind {
        Kind::Whole { default, .. } => Some(default.to_string()),
        Kind::Number {
            default: Some(default),
            ..
        } => Some(default.to_string()),
        _ => None,
    }
}

/// A parameter, or a word that one takes, as people say it.
fn label(name: &str) -> &str {
    match name {
        "market" => "Market",
        "direction" => "Direction",
        "minScore" => "Least score",
        "maxScore" => "Greatest score",
        "cluster" => "Clusters",
        "minAmount" => "Least amount, in its own currency",
        "company" => "Company, ticker or ISIN",
        "insider" => "Insider",
        "isin" => "Exact ISIN",
        "from" => "Published from",
        "to" => "Published until",
        "sort" => "Sorted by",
        "order" => "Order",
        "limit" => "Rows",
        "lookbackDays" => "Days back",
        "BUY" => "Purchases",
        "SELL" => "Sales",
        "pubDate" => "Publication",
        "signalScore" => "Score",
        "amount" => "Amount",
        "asc" => "Smallest or earliest first",
        "desc" => "Largest or latest first",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::insider_query::{DeclarationsQuery, InsiderQuery as _};
    use serde_json::json;

    fn form(uri: &str, refused: Option<&Refused>) -> String {
        let filters = Filters {
            path: "/screener",
            table: DeclarationsQuery::PARAMETERS,
            fields: &["market", "direction", "cluster", "minScore", "from", "sort"],
            asked: &Asked::of(&uri.parse().unwrap()),
            markets: &json!({"items": [{"code": "us", "name": "United <States>"}]}),
            refused,
            target: "#screen",
        };
        filters.form().into_string()
    }

    #[test]
    fn what_was_asked_stands_in_the_fields() {
        let form = form(
            "/screener?market=us&minScore=4%22&from=2026-01-02T00:00:00Z&since=x&offset=50&sort=pubDate",
            None,
        );
        for said in [
            "<option value=\"us\" selected>us · United &lt;States&gt;</option>",
            "name=\"minScore\" value=\"4&quot;\" type=\"text\"",
            "name=\"from\" value=\"2026-01-02T00:00:00Z\" type=\"text\"",
            "<input type=\"hidden\" name=\"since\" value=\"x\">",
            "<option value=\"\" selected>Publication</option>",
        ] {
            assert!(form.contains(said), "{said}: {form}");
        }
        assert!(!form.contains("offset"), "{form}");
    }

    #[test]
    fn what_is_refused_is_told_at_its_field() {
        let mut refused = Refused::saying(
            "direction",
            "one of BUY, SELL",
            "Parameter `direction` will not do.",
        );
        let at_field = form("/screener?direction=HOLD", Some(&refused));
        for said in [
            "aria-invalid=\"true\" aria-describedby=\"f-direction-error\"",
            "<option value=\"HOLD\" selected>HOLD</option>",
            "<p class=\"bad\" id=\"f-direction-error\">Allowed: one of BUY, SELL.</p>",
        ] {
            assert!(at_field.contains(said), "{said}: {at_field}");
        }
        assert!(!at_field.contains("role=\"alert\""));
        refused.parameter = "colour".into();
        let above = form("/screener?colour=red", Some(&refused));
        assert!(
            above.contains("role=\"alert\">Parameter `direction`"),
            "{above}"
        );
    }

    #[test]
    fn days_are_picked_and_times_are_typed() {
        let moment = Kind::Moment;
        assert_eq!(entry(moment, ""), "date");
        assert_eq!(entry(moment, "2026-04-20"), "date");
        assert_eq!(entry(moment, "2026-04-2x"), "text");
        assert_eq!(entry(Kind::Flag, ""), "text");
    }
}
