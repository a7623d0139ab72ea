//! `/live`: the stream as a person reads it; to who is not signed in, what is public of it.

use std::sync::Arc;

use axum::{
    extract::State as Shared,
    http::HeaderValue,
    response::{IntoResponse as _, Response},
};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    asked::Refused,
    filters,
    frame::{self, Page, Place},
    log_part::{self, Latest},
    problem::{PageResult, Problem, or_problem},
    told,
    visit::{self, Session, Site, Visit},
};
use crate::http::{
    error::{ApiError, ApiResult},
    guard, tickets,
};

/// Rows that a page begins with.
const FIRST: u32 = 100;
/// Rows that who is not signed in sees.
const PUBLIC: u32 = 50;

/// What may be said of signals, as the API calls it, and as the form does.
const KINDS: [(&str, &str); 6] = [
    ("", "All kinds"),
    ("consensus_buy,consensus_exit", "Wallets: buys and exits"),
    ("consensus_buy", "Wallets: buys"),
    (
        "insider_buy,insider_sell,insider_cluster_buy,insider_cluster_sell",
        "Insiders: all",
    ),
    ("insider_buy,insider_cluster_buy", "Insiders: buys"),
    (
        "insider_cluster_buy,insider_cluster_sell",
        "Insiders: clusters",
    ),
];
const RANKS: [(&str, &str); 5] = [
    ("", "Any rank"),
    ("S", "S"),
    ("A", "A and better"),
    ("B", "B and better"),
    ("C", "C and better"),
];

/// The filter of the page: the stream's own, without what is empty in the form.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked(Vec<(String, String)>);

impl Asked {
    const NAMES: [&str; 5] = ["types", "min_rank", "min_score", "token", "market"];

    fn of(query: &str) -> Self {
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        let known = pairs.filter(|(name, value)| {
            Self::NAMES.contains(&name.as_ref()) && !value.trim().is_empty()
        });
        let known = known.map(|(name, value)| (name.into_owned(), value.trim().to_owned()));
        Asked(known.collect())
    }

    fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// As a query of the API.
    fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.0);
        query.finish()
    }

    /// Where this is.
    fn path(&self) -> String {
        let query = self.query();
        match query.is_empty() {
            true => "/live".to_owned(),
            false => format!("/live?{query}"),
        }
    }
}

/// `/live`
pub async fn live(visit: Visit) -> Response {
    let shown = shown(&visit).await;
    let mut response = or_problem(&visit, shown).await;
    if visit.wants_part() && !response.status().is_success() {
        // what cannot be asked leaves the feed as it is
        let fields = response.headers_mut();
        fields.insert("hx-retarget", HeaderValue::from_static("#refused"));
        fields.insert("hx-reswap", HeaderValue::from_static("innerHTML"));
    }
    response
}

async fn shown(visit: &Visit) -> PageResult {
    match visit.known_session().map_err(Clone::clone)? {
        Some(session) => signed_in(visit, session).await,
        None => anonymous(visit).await,
    }
}

async fn signed_in(visit: &Visit, session: &Session) -> PageResult {
    let state = &visit.site.state;
    let known = &session.known;
    // a page counts as one request, however long it is looked at
    guard::let_in(state, known, log_part::includes_log).await?;
    let asked = Asked::of(visit.uri.query().unwrap_or_default());
    let query = asked.query();
    let latest = log_part::latest(visit, Some(known), &query, FIRST).await;
    let latest = match latest {
        Ok(latest) => latest,
        // what cannot be asked leaves the feed that is there as it is; who comes by such a link finds the form, to ask otherwise
        Err(problem) if visit.wants_part() => return Err(problem),
        Err(problem) => return Ok(refused(visit, &asked, &Refused::of(problem).await?)),
    };
    let now = visit.now();
    let streams = known.holder.check_stream(&state.plans, now).is_ok();
    let streams = streams && state.config.views_per_key > 0;
    let part = html! {
        div #feed data-after=(latest.place) data-query=(query) data-streams[streams] {
            div #refused role="alert" {}
            (rows(&latest))
        }
    };
    if visit.wants_part() {
        let mut response = frame::part(&part);
        if let Ok(path) = HeaderValue::from_str(&asked.path()) {
            response.headers_mut().insert("hx-push-url", path);
        }
        return Ok(response);
    }
    let body = html! {
        (form(&asked, &state.data.markets(), false))
        div.actions.feed-state {
            p #connection role="status" data-state="off" {
                @if streams { "Connecting…" }
                @else { "The account's plan has no stream: these are the latest signals." }
            }
            span #lag.soft {}
            @if streams {
                button #pause.plain type="button" aria-pressed="false" { "Pause" }
                button #sound.plain type="button" aria-pressed="false" { "Sound: off" }
                button #again.plain type="button" hidden { "Show it here" }
            }
        }
        noscript { p.hint { "Without scripts this page stands still: load it again to see what is new." } }
        (part)
        template #row { (told::blank()) }
    };
    let page = Page {
        title: "Live",
        place: Place::Live,
        scripts: if streams { &["live.js"] } else { &[] },
        body,
    };
    Ok(page.show(visit))
}

/// The page of a filter that there is not. Nothing is swapped in it: what is asked next is a page of its own.
fn refused(visit: &Visit, asked: &Asked, refused: &Refused) -> Response {
    let body = html! {
        p.problem role="alert" { (refused.message) }
        (form(asked, &visit.site.state.data.markets(), true))
        p.actions { a.button.plain href="/live" { "All signals" } }
    };
    let page = Page {
        title: "Live",
        place: Place::Live,
        scripts: &[],
        body,
    };
    filters::answer(page.show(visit), &asked.path(), Some(refused))
}

fn form(asked: &Asked, markets: &[String], is_plain: bool) -> Markup {
    let by_htmx = |value: &'static str| (!is_plain).then_some(value);
    let choice = |name: &str, known: &[(&str, &str)]| {
        let chosen = asked.get(name);
        let is_known = known.iter().any(|(value, _)| *value == chosen);
        html! {
            select id=(name) name=(name) {
                @for (value, words) in known { option value=(value) selected[*value == chosen] { (words) } }
                // whatever a shared link says
                @if !is_known { option value=(chosen) selected { (chosen) } }
            }
        }
    };
    let mut places = vec![("", "All markets"), ("crypto", "crypto")];
    places.extend(markets.iter().map(|code| (code.as_str(), code.as_str())));
    html! {
        form #filter.fields.card action="/live" method="get" hx-get=[by_htmx("/live")] hx-target=[by_htmx("#feed")]
            hx-swap=[by_htmx("outerHTML")] hx-trigger=[by_htmx("change, submit")] aria-label="Which signals" {
            div { label for="types" { "Kind" } (choice("types", &KINDS)) }
            div { label for="min_rank" { "Rank" } (choice("min_rank", &RANKS)) }
            div { label for="market" { "Market" } (choice("market", &places)) }
            div {
                label for="token" { "Token's address" }
                input #token name="token" type="text" maxlength="128" spellcheck="false" autocomplete="off" value=(asked.get("token"));
            }
            @if !asked.get("min_score").is_empty() { input type="hidden" name="min_score" value=(asked.get("min_score")); }
            div { button.plain type="submit" { "Show" } }
        }
    }
}

/// The newest first.
fn rows(latest: &Latest) -> Markup {
    list(latest.items.iter().rev())
}

fn list<'a>(signals: impl Iterator<Item = &'a Value>) -> Markup {
    html! {
        ol.feed aria-label="Signals, the newest first" { @for signal in signals { (told::row(signal)) } }
    }
}

async fn anonymous(visit: &Visit) -> PageResult {
    let config = &visit.site.state.config;
    let sign_in = html! {
        p { a.button href="/account?next=%2Flive" { "Sign in" } " with an API key to see each signal the moment that it is published." }
    };
    let part = match config.public_signals {
        true => Some(visit.site.public_feed.get(public(visit)).await?),
        false => None,
    };
    if visit.wants_part() {
        return Ok(frame::part(&part.unwrap_or_default()));
    }
    let body = html! {
        (sign_in)
        @match part {
            Some(part) => {
                @if config.public_after_minutes > 0 {
                    p.hint { "Signals that are " (config.public_after_minutes) " minutes old or older. The list is looked up every ten seconds." }
                }
                (part)
            }
            None => { p.hint { "Signals are shown to those who are signed in." } }
        }
    };
    let page = Page {
        title: "Live",
        place: Place::Live,
        scripts: &[],
        body,
    };
    Ok(page.show(visit))
}

/// What everybody may see, the same for all.
async fn public(visit: &Visit) -> Result<Markup, Problem> {
    let until = log_part::public_until(visit).ok_or_else(ApiError::not_found)?;
    let filter = format!("until={until}");
    let latest = log_part::latest(visit, None, &filter, PUBLIC).await?;
    Ok(html! {
        div #feed hx-get="/live" hx-trigger="every 10s" hx-swap="outerHTML" {
            div #refused role="alert" {}
            @if latest.items.is_empty() { p { "No signal yet." } }
            (rows(&latest))
        }
    })
}

/// `POST /live/ticket`: what opens the stream of this page, for who is signed in. It takes no key's seat.
pub async fn ticket(Shared(site): Shared<Arc<Site>>, visit: Visit) -> Response {
    let made: ApiResult = async {
        visit::check_origin(&visit.headers)?;
        let session = visit.known_session().map_err(Clone::clone)?;
        let session = session.ok_or_else(ApiError::missing_key)?;
        tickets::make_for_view(&site.state, &session.known.holder, session.hash).await
    }
    .await;
    made.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_asks_what_the_stream_takes() {
        let asked = Asked::of("types=&min_rank=A&token=+a%26b+&x=y&market=");
        assert_eq!(asked.query(), "min_rank=A&token=a%26b");
        assert_eq!(asked.path(), "/live?min_rank=A&token=a%26b");
        assert_eq!(Asked::of("types=&min_rank=").path(), "/live");
    }

    #[test]
    fn what_a_shared_link_says_stays_in_the_form_and_is_text() {
        let asked = Asked::of("types=%22%3E%3Cscript%3E&min_score=80");
        let text = form(&asked, &["us".to_owned()], false).into_string();
        assert!(!text.contains("<script"), "{text}");
        assert!(
            text.contains("&lt;script&gt;") && text.contains("value=\"80\""),
            "{text}"
        );
    }
}
