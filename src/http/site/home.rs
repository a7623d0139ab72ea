//! `/`: what this server is, and how to connect to it.

use std::time::Duration;

use axum::response::Response;
use maud::{Markup, html};

use super::{
    address, figures,
    frame::{self, Page, Place},
    log_part,
    problem::{PageResult, Problem, or_problem},
    told::Told,
    visit::Visit,
};

/// `/`
pub async fn home(visit: Visit) -> Response {
    let shown = shown(&visit).await;
    or_problem(&visit, shown).await
}

async fn shown(visit: &Visit) -> PageResult {
    let standing = visit.site.standing.get(standing(visit)).await?;
    if visit.wants_part() {
        return Ok(frame::part(&standing));
    }
    let body = html! {
        p.lead {
            "Trading signals, streamed the moment that they are committed: wallets with a record that buy the same token within moments, and company insiders who "
            "deal in their own shares. Each comes with the numbers that it was made of, so that anyone can compute it again."
        }
        p.actions { a.button href="/live" { "Watch them live" } a.button.plain href="/screener" { "Insider filings" } a.button.plain href="/docs" { "The API" } }
        (standing)
        (connect(&address::of(visit)))
    };
    let page = Page {
        title: "Signals",
        place: Place::Home,
        scripts: &[],
        body,
    };
    Ok(page.show(visit))
}

/// How the server does: the same for everybody, and nothing of what signals say.
async fn standing(visit: &Visit) -> Result<Markup, Problem> {
    let state = &visit.site.state;
    let latest = log_part::latest(visit, None, "", 1).await?;
    let last = latest
        .items
        .last()
        .and_then(|last| Told(last).text("/published_at"));
    let markets = log_part::read(visit, None, "/api/v1/markets?limit=100").await?;
    let mut markets = markets["items"].as_array().cloned().unwrap_or_default();
    markets.retain(|market| market["declarationsCount"].as_u64() > Some(0));
    let metrics = &state.hub.metrics;
    let latency = |share| metrics.publishing.quantile(share).map(took);
    let silent = state.hub.tenure.is_muted();
    Ok(html! {
        section #standing aria-label="How the server does" hx-get="/" hx-trigger="every 2s" hx-swap="outerHTML" {
            ul.cards {
                li.card {
                    "Last signal"
                    span.figure { @match last { Some(at) => { (figures::moment_text(at)) } None => { "none yet" } } }
                    span.hint { (figures::whole(latest.head)) " in the log" }
                }
                li.card { "Open streams" span.figure { (figures::whole(metrics.streams.get())) } span.hint { "on this node" } }
                li.card {
                    "From publication to socket"
                    span.figure { (latency(0.5).unwrap_or_else(|| "–".to_owned())) }
                    span.hint { "p50; p99: " (latency(0.99).unwrap_or_else(|| "–".to_owned())) }
                }
                li.card {
                    "Server"
                    span.figure class=(if silent { "bad" } else { "good" }) { @if silent { "silent" } @else { "ready" } }
                    span.hint { "sigcast " (env!("CARGO_PKG_VERSION")) ", up " (up(state.began.elapsed())) }
                }
            }
            @if !markets.is_empty() {
                h2 { "Insider filings by market" }
                div.scrolls role="region" tabindex="0" aria-label="Markets" {
                    table {
                        thead { tr {
                            th scope="col" { "Market" } th scope="col" { "Regulator" } th.number scope="col" { "Declarations" }
                            th.number scope="col" { "Companies" } th.number scope="col" { "Insiders" }
                        } }
                        tbody { @for market in &markets {
                            @let market = Told(market);
                            @let count = |name: &str| figures::whole(market.0[name].as_i64().unwrap_or_default());
                            tr {
                                th scope="row" { (market.text("/name").unwrap_or_default()) }
                                td { (market.text("/regulator").unwrap_or_default()) }
                                td.number { (count("declarationsCount")) } td.number { (count("companiesCount")) } td.number { (count("insidersCount")) }
                            }
                        } }
                    }
                }
            }
        }
    })
}

/// `0.8 ms`, `1.2 s`.
fn took(took: Duration) -> String {
    match took.as_secs_f64() * 1e3 {
        ms if ms < 10.0 => format!("{ms:.1}\u{202f}ms"),
        ms if ms < 1000.0 => format!("{ms:.0}\u{202f}ms"),
        ms => format!("{:.1}\u{202f}s", ms / 1e3),
    }
}

/// `3 days`, `5 h`, `12 min`.
fn up(since: Duration) -> String {
    match since.as_secs() {
        seconds if seconds < 60 => format!("{seconds}\u{202f}s"),
        seconds if seconds < 2 * 3600 => format!("{}\u{202f}min", seconds / 60),
        seconds if seconds < 2 * 86_400 => format!("{}\u{202f}h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Commands and programs that connect to this very server.
fn connect(address: &str) -> Markup {
    let curl =
        format!("curl -N {address}/api/signals/stream -H \"Authorization: Bearer $SIGCAST_KEY\"");
    let node = format!(
        r#"// npm install eventsource
import {{ EventSource }} from "eventsource";

const key = process.env.SIGCAST_KEY;
const stream = new EventSource("{address}/api/signals/stream", {{
  fetch: (url, init) => fetch(url, {{ ...init, headers: {{ ...init.headers, Authorization: `Bearer ${{key}}` }} }}),
}});
stream.addEventListener("signal", (event) => console.log(JSON.parse(event.data)));
stream.addEventListener("error", (event) => console.error(event.code, event.message));"#
    );
    let python = format!(
        r#"# pip install httpx httpx-sse
import json, os, httpx
from httpx_sse import connect_sse

headers = {{"Authorization": f"Bearer {{os.environ['SIGCAST_KEY']}}"}}
with httpx.Client(timeout=httpx.Timeout(15, read=60)) as client:
    with connect_sse(client, "GET", "{address}/api/signals/stream", headers=headers) as stream:
        for event in stream.iter_sse():
            if event.event == "signal":
                print(json.loads(event.data))"#
    );
    let snippets = [
        ("curl", "With curl", curl),
        ("node", "With Node", node),
        ("python", "With Python", python),
    ];
    html! {
        h2 { "Connect" }
        p { "One key, one connection. Each frame's id is the place to go on from: send the last one as " code { "Last-Event-ID" } ", and nothing is missed." }
        @for (id, name, text) in &snippets {
            h3 { (name) }
            pre tabindex="0" { code id=(id) { (text) } }
            p.actions { button.plain type="button" data-copy=(id) { "Copy" span.unseen { " the lines for " (id) } } }
        }
        p { "All that there is to ask: " a href="/docs" { "the API's documentation" } " and " a href="/openapi.json" { "its OpenAPI document" } "." }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_at_a_glance() {
        let ms = |ms: f64| took(Duration::from_secs_f64(ms / 1e3));
        assert_eq!(
            (ms(0.84).as_str(), ms(12.3).as_str()),
            ("0.8\u{202f}ms", "12\u{202f}ms")
        );
        assert_eq!(ms(1_250.0), "1.2\u{202f}s");
        let seconds = |seconds| up(Duration::from_secs(seconds));
        assert_eq!(
            (seconds(5), seconds(7_000)),
            ("5\u{202f}s".into(), "116\u{202f}min".into())
        );
        assert_eq!(
            (seconds(10_000), seconds(900_000)),
            ("2\u{202f}h".into(), "10 days".into())
        );
    }

    #[test]
    fn what_is_copied_names_this_server() {
        let text = connect("https://sig.example").into_string();
        assert_eq!(
            text.matches("https://sig.example/api/signals/stream")
                .count(),
            3,
            "{text}"
        );
    }
}
