//! `/admin`: whether the server is ready, who runs what, how the database stands, what was taken in last, and how webhooks fare.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    act::Live,
    admin_visit::AdminVisit,
    figures::{moment, rough, whole},
    frame,
    problem::Problem,
};
use crate::{
    http::{ops, state::State},
    model::time::Time,
    store::{
        nodes::NodeSeen,
        standing::{HookHealth, LastFact, Source},
    },
};

const OVERVIEW: Live = Live {
    id: "overview",
    path: "/admin/overview",
    seconds: 3,
};

/// `/admin`
pub async fn overview(admin: AdminVisit) -> Response {
    let shown = async {
        admin.sees()?;
        let parts = parts(admin.state(), admin.visit.now()).await;
        Ok(admin.page("Overview", "/admin", &OVERVIEW.show(parts)?))
    };
    let shown = shown.await;
    admin.or_problem(shown).await
}

/// `/admin/overview`: what of it changes by itself.
pub async fn refresh(admin: AdminVisit) -> Response {
    let shown = async {
        if !admin.visit.wants_part() {
            return Ok(frame::lead_to("/admin"));
        }
        let parts = match admin.sees() {
            Ok(()) => parts(admin.state(), admin.visit.now()).await,
            Err(problem) => Err(problem),
        };
        Ok(frame::part(&OVERVIEW.show(parts)?))
    };
    let shown = shown.await;
    admin.or_problem(shown).await
}

async fn parts(state: &State, now: Time) -> Result<Markup, Problem> {
    let (ready, reasons) = ops::readiness(state).await;
    // a database that does not answer is what the page is looked at for: what is known without it is shown
    let stored = match stored(state).await {
        Ok(stored) => Ok(stored),
        Err(Problem::Refused(error)) => Err(error),
        Err(other) => return Err(other),
    };
    Ok(html! {
        ul.cards {
            li.card { span.figure.good[ready].bad[!ready] { @if ready { "Ready" } @else { "Not ready" } } "this server, sigcast " (env!("CARGO_PKG_VERSION")) }
            li.card { span.figure { (count(state.hub.seats.len())) } "streams here" }
            li.card { span.figure { (count(state.callers.len())) } "keys in use here" }
            @if let Ok(stored) = &stored {
                li.card { span.figure { (whole(stored.head)) } "signals in the log" }
            }
        }
        (readiness(&reasons))
        @match &stored {
            Ok(stored) => (stored.show(state, now)),
            Err(_) => p.problem { "The database does not answer: what is stored is not shown." },
        }
    })
}

fn count(of: usize) -> String {
    whole(i64::try_from(of).unwrap_or(i64::MAX))
}

fn readiness(reasons: &Value) -> Markup {
    let known = reasons.as_object();
    let all = known
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "status");
    html! {
        h2 { "Readiness" }
        dl.facts {
            @for (name, value) in all {
                @let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                dt { (name) }
                dd.good[text == "ok"] { (match text.as_str() { "true" => "yes", "false" => "no", other => other }) }
            }
        }
    }
}

struct Stored {
    kind: &'static str,
    bytes: i64,
    epoch: String,
    head: i64,
    oldest: i64,
    nodes: Vec<NodeSeen>,
    fact: Option<LastFact>,
    sources: Vec<Source>,
    hooks: HookHealth,
}

async fn stored(state: &State) -> Result<Stored, Problem> {
    let db = &state.db;
    let size = db.size().await?;
    let (head, _) = db.head_and_access().await?;
    state.data.refresh(db).await?;
    Ok(Stored {
        kind: size.kind,
        bytes: size.bytes,
        epoch: head.epoch.to_string(),
        head: head.seq,
        oldest: head.oldest,
        nodes: db.nodes().await?,
        fact: db.last_fact().await?,
        sources: db.sources().await?,
        hooks: db.hook_health().await?,
    })
}

impl Stored {
    fn show(&self, state: &State, now: Time) -> Markup {
        html! {
            h2 { "Nodes" }
            (self.nodes(state))
            h2 { "Database" }
            dl.facts {
                dt { "Kind" } dd { (self.kind) ", " (rough(self.bytes as f64)) "B" }
                dt { "Log" } dd { "epoch " code { (self.epoch) } ", head " (whole(self.head)) ", can be read from " (whole(self.oldest)) " on" }
            }
            h2 { "Taken in" }
            (self.taken_in(state, now))
            h2 { "Webhooks" }
            dl.facts {
                dt { "Enabled" } dd { (whole(self.hooks.enabled)) @if self.hooks.failing > 0 { ", " span.bad { (whole(self.hooks.failing)) " failing" } } }
                dt { "Disabled" } dd {
                    (whole(self.hooks.asked)) " by their owners, "
                    span.bad[self.hooks.given_up > 0] { (whole(self.hooks.given_up)) " given up by the server" }
                }
                dt { "Messages" } dd {
                    (whole(self.hooks.waiting)) " wait to be sent again, "
                    span.bad[self.hooks.failed > 0] { (whole(self.hooks.failed)) " failed" }
                }
            }
        }
    }

    fn nodes(&self, state: &State) -> Markup {
        let own = state.db.node();
        html! {
            @if self.nodes.is_empty() {
                p {
                    "This server is alone on its database. "
                    @if state.engines_elsewhere() { "A command runs the engines now." } @else { "It runs the engines." }
                }
            } @else {
                div #nodes.scrolls tabindex="0" role="region" aria-label="Nodes" {
                    table {
                        thead { tr {
                            th scope="col" { "Node" } th scope="col" { "Heartbeat" } th scope="col" { "Does" } th.number scope="col" { "Streams" }
                            th scope="col" { "Started" }
                        } }
                        tbody {
                            @for node in &self.nodes {
                                tr {
                                    th scope="row" { code { (node.id) } @if own == Some(node.id.as_str()) { " " span.tag { "this one" } } }
                                    td {
                                        @if node.lives { span.good { "lives" } } @else { span.bad { "silent" } }
                                        ", " (whole(node.silent_ms)) "\u{202f}ms ago"
                                    }
                                    td { @if node.duties.is_empty() { "serves" } @else { (node.duties.join(", ")) } }
                                    td.number { (whole(node.streams)) }
                                    td { (moment(node.started_at)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn taken_in(&self, state: &State, now: Time) -> Markup {
        let fresh = state.data.freshness();
        let kinds = [
            ("Declarations", fresh.declarations),
            ("Closes", fresh.prices),
            ("Companies", fresh.companies),
            ("Scores", fresh.scores),
        ];
        html! {
            div #taken-in.scrolls tabindex="0" role="region" aria-label="What was taken in" {
                table {
                    thead { tr { th scope="col" { "What" } th scope="col" { "Last taken in" } th scope="col" { "Lag" } } }
                    tbody {
                        tr {
                            th scope="row" { "Facts of swaps" }
                            @match &self.fact {
                                Some(fact) => {
                                    td { (moment(fact.arrived_at)) ", the " (whole(fact.arrival)) "th" }
                                    td {
                                        (seconds(fact.arrived_at, fact.time)) " from chain to here; "
                                        span.bad[fact.unapplied > 1000] { (whole(fact.unapplied)) " not applied yet" }
                                    }
                                }
                                None => { td { "never" } td {} }
                            }
                        }
                        @for (name, at) in kinds {
                            tr {
                                th scope="row" { (name) }
                                @match at {
                                    Some(at) => { td { (moment(at)) } td { (seconds(now, at)) } }
                                    None => { td { "never" } td {} }
                                }
                            }
                        }
                        @for source in &self.sources {
                            tr {
                                th scope="row" { "Source " code { (source.name) } }
                                td { (moment(source.changed_at)) }
                                td { (seconds(now, source.changed_at)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `12 s`: from one moment to a later one.
fn seconds(later: Time, earlier: Time) -> String {
    let micros = later.0.saturating_sub(earlier.0).max(0);
    match micros {
        small if small < 10 * Time::SECOND => format!("{:.2}\u{202f}s", small as f64 / 1e6),
        micros => format!("{}\u{202f}s", whole(micros / Time::SECOND)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_said_in_seconds() {
        let lag = |micros| seconds(Time(micros), Time(0));
        assert_eq!(lag(1_230_000), "1.23\u{202f}s");
        assert_eq!(lag(3_600 * Time::SECOND), "3\u{202f}600\u{202f}s");
        assert_eq!(seconds(Time(0), Time(5)), "0.00\u{202f}s", "clocks differ");
    }
}
