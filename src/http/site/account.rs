//! `/account`: what one's keys are and may, what was asked with them, what is connected, and who is signed in.

use std::sync::Arc;

use axum::{
    extract::{Path, State as Shared, rejection::PathRejection},
    http::header,
    response::Response,
};
use maud::{Markup, html};

use super::{
    account_keys, account_usage,
    act::{self, Button, Live},
    figures::{counted, moment},
    frame::{self, Page, Place},
    problem::{PageResult, Problem, or_problem},
    session,
    visit::{self, COOKIE, Session, Site, Visit},
};
use crate::{
    http::{error::ApiError, seats, state::State},
    hub::seat::Seat,
    model::account::Plan,
    store::{issue::Issued, nodes::LeaseOf},
};

const STREAMS: Live = Live {
    id: "streams",
    path: "/account/streams",
    seconds: 5,
};

/// `/account`
pub async fn page(visit: Visit) -> Response {
    let shown = async {
        match visit.known_session().map_err(Clone::clone)? {
            Some(session) => show(&visit, session, None).await,
            None => {
                let query = visit.uri.query().unwrap_or_default();
                let mut pairs = url::form_urlencoded::parse(query.as_bytes());
                let next = pairs.find(|(key, _)| key == "next");
                let next = next.map(|(_, next)| next.into_owned());
                Ok(session::page(&visit, &next.unwrap_or_default(), None))
            }
        }
    };
    let shown = shown.await;
    or_problem(&visit, shown).await
}

/// The page, with the key that was just made.
pub async fn show(visit: &Visit, session: &Session, made: Option<&Issued>) -> PageResult {
    let state = &visit.site.state;
    let holder = &session.known.holder;
    let account = &holder.account;
    let plan = state.plans.get(&account.plan);
    let includes = plan.map(words).unwrap_or_default();
    let sessions = state.db.count_sessions(&account.id, visit.now()).await?;
    let body = html! {
        (act::refused())
        dl.facts {
            dt { "Account" } dd { (account.name) " " span.soft.mono { (account.id) } }
            dt { "Plan" } dd { (account.plan) @if !includes.is_empty() { ": " (includes) } }
            @if let Some(end) = account.expires_at {
                dt { "Subscription" } dd { @if end > visit.now() { "ends " } @else { "ended " } (moment(end)) }
            }
            dt { "Signed in by" } dd { code.key { (holder.key.prefix) "…" } "; the session ends " (moment(session.expires_at)) }
        }
        @if plan.is_some_and(|plan| plan.webhooks) { p { a href="/account/webhooks" { "Your webhooks" } } }
        (account_keys::section(visit, session, made).await?)
        (account_usage::section(visit, session).await?)
        (STREAMS.show(streams(visit, session).await)?)
        section aria-labelledby="sessions-name" {
            h2 #sessions-name { "Sessions" }
            p { (sessions) @if sessions == 1 { " browser is" } @else { " browsers are" } " signed in by keys of this account." }
            div.actions {
                form method="post" action="/account/sign-out-everywhere" {
                    button.plain.warned type="submit" data-confirm="Sign out every browser that any key of this account signed in?" { "Sign out everywhere" }
                }
            }
        }
    };
    let page = Page {
        title: "Account",
        place: Place::Account,
        scripts: &["charts.js"],
        body,
    };
    Ok(page.show(visit))
}

fn words(plan: &Plan) -> String {
    let webhooks = counted(i64::from(plan.webhook_endpoints), "webhook");
    let all = [
        (plan.stream, "the stream"),
        (plan.rest, "the API"),
        (plan.webhooks, webhooks.as_str()),
        (plan.mcp, "MCP"),
    ];
    let included: Vec<&str> = all
        .iter()
        .filter_map(|(is, name)| is.then_some(*name))
        .collect();
    included.join(", ")
}

/// What is connected by the account's keys: on this node as it is now, on others as the leases say.
async fn streams(visit: &Visit, session: &Session) -> Result<Markup, Problem> {
    let state = &visit.site.state;
    let account = &session.known.holder.account.id;
    let keys = state.db.keys(Some(account)).await?;
    let elsewhere = state.db.leases_of_account(account).await?;
    let prefix = |id: &str| {
        let key = keys.iter().find(|key| key.id == id);
        key.map_or("", |key| key.prefix.as_str())
    };
    let seats = &state.hub.seats;
    let of_key = |id: &str| {
        let views = seats.views(id, state.config.views_per_key);
        seats.of_key(id).into_iter().chain(views)
    };
    let here: Vec<Arc<Seat>> = keys.iter().flat_map(|key| of_key(&key.id)).collect();
    let node = state.db.node();
    let others = |lease: &&LeaseOf| node != Some(lease.node.as_str());
    let elsewhere: Vec<&LeaseOf> = elsewhere.iter().filter(others).collect();
    Ok(html! {
        section aria-labelledby="streams-name" {
            h2 #streams-name { "Live connection" }
            @if here.is_empty() && elsewhere.is_empty() {
                p { "Nothing is connected. Each key may hold one stream at a time." }
            } @else {
                div.scrolls tabindex="0" role="region" aria-label="Live connections" {
                    table {
                        thead { tr {
                            th scope="col" { "Key" } th scope="col" { "From" } th scope="col" { "Since" } th scope="col" { "Stands" }
                            th scope="col" { "Change" }
                        } }
                        tbody {
                            @for seat in &here { (live(prefix(seat.key()), seat)) }
                            @for lease in elsewhere {
                                tr {
                                    th scope="row" { code.key { (prefix(&lease.key_id)) "…" } }
                                    td { (lease.peer) }
                                    td { (moment(lease.connected_at)) }
                                    td { "on another node, " code { (lease.node) } }
                                    td { "revoke or rotate the key to end it" }
                                }
                            }
                        }
                    }
                }
            }
        }
    })
}

fn live(prefix: &str, seat: &Seat) -> Markup {
    let close = format!("/account/streams/{}/close", seat.connection);
    let confirm = close_question(&format!("{prefix}…"), seat);
    let button = Button {
        action: &close,
        target: "#streams",
        label: "Close",
        of: prefix,
        confirm: &confirm,
        done: "The connection is closed.",
    };
    html! {
        tr {
            th scope="row" { code.key { (prefix) "…" } @if seat.is_view() { " " span.tag { "in a page" } } }
            td { (seat.peer) }
            td { (moment(seat.connected_at)) }
            td { (stands(seat)) }
            td { (button.show()) }
        }
    }
}

/// What is asked before a stream is closed: rows move while one looks for the right one.
#[must_use]
pub fn close_question(whose: &str, seat: &Seat) -> String {
    let peer = seat.peer;
    format!("Close the connection of {whose} from {peer}? Its client may come back.")
}

/// How far a stream's client is, as the system knows it.
#[must_use]
pub fn stands(seat: &Seat) -> String {
    if seat.is_opening() {
        return "opening".to_owned();
    }
    match seat.socket().and_then(|socket| socket.condition()) {
        Some(condition) if condition.waiting == 0 => "has all that was sent".to_owned(),
        Some(condition) => format!("{} bytes on their way", condition.waiting),
        None => "connected".to_owned(),
    }
}

/// `/account/streams`: the section alone, and the page for who has no script.
pub async fn connected(visit: Visit) -> Response {
    let shown = async {
        if !visit.wants_part() {
            return Ok(frame::lead_to("/account#streams"));
        }
        let streams = match act::sees(&visit) {
            Ok(session) => streams(&visit, session).await,
            Err(problem) => Err(problem),
        };
        Ok(frame::part(&STREAMS.show(streams)?))
    };
    let shown = shown.await;
    or_problem(&visit, shown).await
}

/// `POST /account/streams/{connection}/close`
pub async fn close(
    Shared(site): Shared<Arc<Site>>,
    visit: Visit,
    connection: Result<Path<u64>, PathRejection>,
) -> Response {
    let done = async {
        let session = act::acts(&visit)?;
        let Path(connection) = connection.map_err(ApiError::from)?;
        let account = &session.known.holder.account.id;
        seats::close(&site.state, Some(account), connection)?;
        gone(&site.state, connection).await;
        match visit.wants_part() {
            true => Ok(frame::part(&STREAMS.show(streams(&visit, session).await)?)),
            false => Ok(frame::lead_to("/account#streams")),
        }
    };
    act::answer(&visit, done.await).await
}

/// Waits a moment for a stream that was closed to leave its seat: whoever closed it wants to see that.
pub async fn gone(state: &State, connection: u64) {
    for _ in 0..50 {
        let all = state.hub.seats.all();
        if all.iter().all(|seat| seat.connection != connection) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// `POST /account/sign-out-everywhere`
pub async fn sign_out_everywhere(Shared(site): Shared<Arc<Site>>, visit: Visit) -> Response {
    let done = async {
        let session = act::acts(&visit)?;
        let account = &session.known.holder.account.id;
        let ended = site.state.db.end_sessions_of_account(account).await?;
        tracing::info!(account, ended, "an account's sessions were ended");
        let mut response = act::go(&visit, "/account");
        let none = visit::set_cookie(COOKIE, "", 0);
        response.headers_mut().insert(header::SET_COOKIE, none);
        Ok(response)
    };
    act::answer(&visit, done.await).await
}
