//! `/signals/{id}`: one signal, and why it fired.

use axum::{
    extract::{Path, rejection::PathRejection},
    response::Response,
};
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    cells, closes,
    course::Course,
    curl, figures,
    frame::{Page, Place},
    log_part::{self, includes_log},
    problem::{PageResult, Problem, or_problem},
    reader::Reader,
    returns,
    told::{self, Told},
    visit::Visit,
    why,
};
use crate::{http::error::ApiError, model::time::Time, score::insider::days};

/// What else is known of it, to who is signed in.
#[derive(Default)]
struct Around {
    /// Of its episode, in seq order, itself included.
    episode: Vec<Value>,
    /// What became of it on the account's channels.
    delivery: Option<Value>,
    /// What could not be read.
    unread: Vec<&'static str>,
    /// Its declaration as it stands now, with what became of the price.
    declaration: Option<Value>,
    /// The closes around it.
    course: Course,
    /// The audit of its score as it stands now.
    audit: Option<Value>,
}

/// `/signals/{id}`
pub async fn signal(visit: Visit, id: Result<Path<String>, PathRejection>) -> Response {
    let shown = async {
        let Path(id) = id.map_err(ApiError::from)?;
        shown(&visit, &id).await
    };
    let shown = shown.await;
    or_problem(&visit, shown).await
}

async fn shown(visit: &Visit, id: &str) -> PageResult {
    let path = format!("/api/signals/{}", cells::path_part(id));
    let session = visit.known_session().map_err(Clone::clone)?;
    let (signal, around) = match session {
        Some(_) => {
            let reader = Reader::of(visit, includes_log).await?;
            let signal = reader.read(&path).await?;
            let around = around(visit, &reader, &signal).await;
            (signal, around)
        }
        None => (public(visit, &path).await?, Around::default()),
    };
    let told = Told(&signal);
    let place = format!("{}-{}", visit.site.state.hub.epoch(), told.seq());
    let title = format!("{}: {}", told.kind(), told.subject());
    let body = html! {
        (head(&told))
        h2 { "Why it fired" }
        (why::why(&signal))
        @if let Some(audit) = &around.audit { (revised(&told, audit)) }
        (why::wallets(&signal))
        (why::token(&signal))
        (why::filing(&signal))
        @if let Some(prices) = prices(&around) { h2 { "Price" } (prices) }
        h2 { "Timing" }
        (timing(&told))
        @if session.is_some() {
            h2 { "Deliveries" }
            @if !around.unread.is_empty() { p.hint { "Could not be looked up: " (around.unread.join(", ")) "." } }
            @if !around.unread.contains(&"deliveries") { (deliveries(around.delivery.as_ref())) }
            @if around.episode.len() > 1 {
                h2 { "Of the same episode" }
                ol.feed aria-label="Signals of the same episode" { @for other in &around.episode { (told::row(other)) } }
            }
        } @else {
            p.hint { a href="/account" { "Sign in" } " to see what came of it: updates, exits, prices, and what was delivered to you." }
        }
        h2 { "As it was sent" }
        (raw(visit, &signal, &place))
    };
    let page = Page {
        title: &title,
        place: Place::Live,
        scripts: &["charts.js"],
        body,
    };
    Ok(page.show(visit))
}

/// For who is not signed in: what is old enough to be public.
async fn public(visit: &Visit, path: &str) -> Result<Value, Problem> {
    let until = log_part::public_until(visit).ok_or(Problem::SignIn)?;
    let signal = log_part::read(visit, None, path).await?;
    let published = Told(&signal).text("/published_at");
    let published = published.and_then(|at| Time::parse_iso(at).ok());
    match published {
        Some(published) if published <= until => Ok(signal),
        _ => Err(Problem::SignIn),
    }
}

/// What is around it, as far as it can be read: the signal itself is shown without, too. Another publisher's may name what no list takes.
async fn around(visit: &Visit, reader: &Reader<'_>, signal: &Value) -> Around {
    let told = Told(signal);
    let mut around = Around::default();
    if let (Some(episode), Some(token)) = (told.text("/episode_id"), told.text("/token/address")) {
        match of_episode(reader, &told, episode, token).await {
            Some(episode) => around.episode = episode,
            None => around.unread.push("other signals of the same episode"),
        }
    }
    let epoch = visit.site.state.hub.epoch();
    let path = format!(
        "/api/v1/deliveries?limit=1&after={epoch}-{}",
        told.seq() - 1
    );
    match reader.read(&path).await {
        Ok(list) => around.delivery = list.pointer("/items/0").cloned(),
        Err(_) => around.unread.push("deliveries"),
    }
    let known = reader.known();
    let plan = visit.site.state.plans.get(&known.holder.account.plan);
    if let Some(amf_id) = told
        .text("/amfId")
        .filter(|_| plan.is_some_and(|plan| plan.rest))
    {
        let path = format!("/api/v1/declarations/{}", cells::path_part(amf_id));
        around.declaration = reader.read(&path).await.ok();
        around.audit = reader.read(&format!("{path}/score")).await.ok();
        around.course = course(visit, reader, around.declaration.as_ref()).await;
    }
    around
}

/// The closes around a filing; none where it is not here.
async fn course(visit: &Visit, reader: &Reader<'_>, filing: Option<&Value>) -> Course {
    let today = days::local_day(visit.site.state.clock.now(), &TimeZone::UTC);
    let known = filing.and_then(|filing| {
        let slug = cells::text(filing, "/company/slug")?;
        Some((slug, closes::span_of_filing(filing, today)?))
    });
    match known {
        Some((slug, span)) => Course::read(reader, slug, span).await,
        None => Course::default(),
    }
}

/// How long before a row the first of its episode may be: half an hour, and what clocks differ by.
const EPISODE: i64 = 45 * 60 * Time::SECOND;

async fn of_episode(
    reader: &Reader<'_>,
    told: &Told<'_>,
    episode: &str,
    token: &str,
) -> Option<Vec<Value>> {
    let published = told.text("/published_at").unwrap_or_default();
    let Ok(published) = Time::parse_iso(published) else {
        return Some(Vec::new());
    };
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("token", token)
        .append_pair("since", &published.plus(-2 * EPISODE).to_string())
        .append_pair("limit", "200")
        .finish();
    let mut listed = reader.read(&format!("/api/signals?{query}")).await.ok()?;
    let items = match listed["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    let is_of_it = |item: &Value| Told(item).text("/episode_id") == Some(episode);
    Some(items.into_iter().filter(is_of_it).collect())
}

fn head(told: &Told<'_>) -> Markup {
    let at = told.text("/published_at").unwrap_or_default();
    html! {
        ul.cards {
            li.card { "Rank" span.figure { (told::badge(told.rank())) } }
            li.card {
                "Score"
                span.figure { @match told.number("/rank_score") { Some(score) => { (figures::tenths(score)) } None => { "–" } } }
                (figures::bar(told.number("/rank_score").unwrap_or_default(), 100.0))
            }
            @if let Some(wallets) = told.wallets() {
                li.card {
                    "Wallets" span.figure { (figures::rough(wallets)) }
                    @if let Some(pool) = told.number("/pool_wallet_count") { span.hint { (pool) " of them ranked" } }
                }
            }
            @if let Some(amount) = told.number("/transaction/amount") {
                li.card { "Amount" span.figure { (figures::rough(amount)) } span.hint { bdi { (told.text("/transaction/currency").unwrap_or_default()) } } }
            }
            @if let Some(risk) = told.risk() { li.card { "Rug risk" span.figure data-risk=(risk) { (risk) } } }
            li.card { "Published" span.figure { (figures::moment_text(at)) } }
        }
    }
}

/// A score is given at its filing's moment; a fact that came late may have given another one since.
fn revised(told: &Told<'_>, audit: &Value) -> Markup {
    let audit = Told(audit);
    let (then, now) = (told.number("/score/score"), audit.number("/score"));
    html! {
        @if then != now {
            p.problem {
                @match now {
                    Some(now) => { "Facts that came later give it " (format!("{now:.1}")) " points now." }
                    None => { "It stands no more: " (audit.text("/reason").unwrap_or("it has no score now")) "." }
                }
            }
        }
    }
}

fn timing(told: &Told<'_>) -> Markup {
    let ms = |pointer: &str| {
        told.number(pointer)
            .map(|ms| html! { (figures::few(ms)) "\u{202f}ms" })
    };
    let moment = |pointer: &str| told.text(pointer).map(figures::moment_text);
    let facts = [
        (
            "Filed for the day",
            told.text("/transactionDate").map(|day| html! { (day) }),
        ),
        ("Published by its regulator", moment("/pubDate")),
        ("Detected", moment("/detected_at")),
        ("Published here", moment("/published_at")),
        (
            "From the fact's arrival to its publication",
            ms("/latency_ms"),
        ),
        ("Of that, until it could be judged", ms("/timing/ingest_ms")),
        ("Of that, judging", ms("/timing/score_ms")),
    ];
    html! {
        dl.facts { @for (name, fact) in facts { @if let Some(fact) = fact { dt { (name) } dd { (fact) } } } }
    }
}

fn deliveries(delivery: Option<&Value>) -> Markup {
    let list = |name: &str| -> Vec<Value> {
        let list = delivery.and_then(|delivery| delivery.get(name)?.as_array());
        list.cloned().unwrap_or_default()
    };
    let (streams, webhooks) = (list("streams"), list("webhooks"));
    html! {
        @if streams.is_empty() && webhooks.is_empty() {
            p { "Nothing is noted of it: streams are noted from an account's first webhook on, and for some days." }
        }
        @for stream in &streams {
            @let stream = Told(stream);
            p { "Written to the stream of key " code { (stream.text("/key_prefix").unwrap_or("?")) } "…, as saved " (figures::moment_text(stream.text("/saved_at").unwrap_or_default())) "." }
        }
        @for webhook in &webhooks {
            @let webhook = Told(webhook);
            p {
                "Webhook " code { (webhook.text("/webhook_id").unwrap_or("?")) } ": " b { (webhook.text("/state").unwrap_or("unknown").replace('_', " ")) }
                @if let Some(attempts) = webhook.number("/attempts") { ", attempts: " (attempts) }
                @if let Some(at) = webhook.text("/acknowledged_at") { ", " (figures::moment_text(at)) }
                "."
            }
        }
    }
}

/// A point of the chart.
struct Price {
    at: Time,
    label: String,
    price: f64,
    /// 1: an entry, 2: an exit.
    mark: usize,
}

fn prices(around: &Around) -> Option<Markup> {
    if let Some(declaration) = &around.declaration {
        let one = std::slice::from_ref(declaration);
        let shown = closes::Shown {
            filings: one,
            zone: None,
            latest: None,
            course: &around.course,
            currency: "",
        };
        return Some(html! { (shown.chart()) (returns::returns(one)) });
    }
    let points = trades(&around.episode);
    // one moment is no course
    let spans = points.first().map(|point| point.at) != points.last().map(|point| point.at);
    spans.then(|| chart(&points))
}

/// What each row of the episode says of the token's price.
fn trades(episode: &[Value]) -> Vec<Price> {
    let point = |signal: &Value| {
        let told = Told(signal);
        let mark = match told.kind() {
            "Exit" => 2,
            "Update" => 0,
            _ => 1,
        };
        Some(Price {
            at: Time::parse_iso(told.text("/detected_at")?).ok()?,
            label: told.kind().to_owned(),
            price: told.number("/token/price_usd")?,
            mark,
        })
    };
    let mut points: Vec<Price> = episode.iter().filter_map(point).collect();
    points.sort_by_key(|point| point.at);
    points
}

fn chart(points: &[Price]) -> Markup {
    html! {
        figure data-chart="line" data-points="2:up,3:ring" {
            figcaption { "What was paid, as signals and closes tell it" }
            div.plot {}
            details {
                summary { "The numbers" }
                div.scrolls role="region" tabindex="0" aria-label="Prices" {
                    table {
                        thead { tr { th scope="col" { "When" } th.number scope="col" { "Price" } th.number scope="col" { "Entry" } th.number scope="col" { "Exit" } } }
                        tbody {
                            @for point in points {
                                tr {
                                    td data-v=(point.at.0 as f64 / Time::SECOND as f64) { (point.at) " " (point.label) }
                                    td.number data-v=(point.price) { (figures::few(point.price)) }
                                    @for mark in [1, 2] {
                                        @match point.mark == mark { true => { td.number data-v=(point.price) { "✓" } } false => { td.number {} } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn raw(visit: &Visit, signal: &Value, place: &str) -> Markup {
    let pretty = serde_json::to_string_pretty(signal).unwrap_or_default();
    let id = Told(signal)
        .text("/id")
        .map_or(place.to_owned(), cells::path_part);
    let curl = curl::command(visit, &format!("/api/signals/{id}"));
    html! {
        p { "Place in the log: " code { (place) } }
        pre #curl { (curl) }
        p.actions { button.plain type="button" data-copy="curl" { "Copy as curl" } }
        details {
            summary { "JSON" }
            pre #json tabindex="0" { (pretty) }
            p.actions { button.plain type="button" data-copy="json" { "Copy the JSON" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prices_are_those_of_the_episode() {
        let row = |at: &str, price: Value, kind: &str, update: i64| json!({"detected_at": at, "token": {"price_usd": price}, "signal_type": kind, "update": update});
        let around = Around {
            episode: vec![
                row("2026-04-24T09:40:00Z", json!(0.02), "consensus_exit", 0),
                row("2026-04-24T09:32:00Z", json!(0.01), "consensus_buy", 0),
                row("2026-04-24T09:33:00Z", json!(null), "consensus_buy", 1),
                row("2026-04-24T09:34:00Z", json!(0.015), "consensus_buy", 1),
            ],
            ..Around::default()
        };
        let text = prices(&around).unwrap().into_string();
        assert_eq!(text.matches("<tr>").count(), 4, "{text}");
        let places: Vec<_> = ["09:32", "09:34", "09:40"]
            .iter()
            .map(|at| text.find(at))
            .collect();
        assert!(places.is_sorted() && places[0].is_some(), "{text}");
        assert!(prices(&Around::default()).is_none());
    }

    #[test]
    fn a_score_that_changed_since_is_said() {
        let signal = json!({"score": {"score": 52.0}});
        let told = Told(&signal);
        assert!(
            revised(&told, &json!({"score": 52.0}))
                .into_string()
                .is_empty()
        );
        assert!(
            revised(&told, &json!({"score": 41.5}))
                .into_string()
                .contains("41.5")
        );
        let gone = revised(&told, &json!({"score": null, "reason": "superseded"}));
        assert!(gone.into_string().contains("superseded"));
    }
}
