//! `/admin/connections` and `/admin/consumers`: the streams of this node, closed from here, and who asks the most.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{Path, rejection::PathRejection},
    response::Response,
};
use maud::{Markup, html};

use super::{
    account::{close_question, gone, stands},
    act::{self, Button, Live},
    admin_visit::AdminVisit,
    figures::{counted, moment, whole},
    frame,
    problem::Problem,
};
use crate::{
    gate::{insider_query::InsiderQuery as _, usage_query::UsageQuery},
    http::{error::ApiError, seats, usage},
    hub::seat::Seat,
    model::account::Holder,
};

/// Streams that are listed.
const MOST: usize = 200;
/// Consumers that are listed.
const MOST_CONSUMERS: u32 = 50;

const STREAMS: Live = Live {
    id: "streams",
    path: "/admin/connections/list",
    seconds: 3,
};

async fn streams(admin: &AdminVisit) -> Result<Markup, Problem> {
    let state = admin.state();
    let all = state.hub.seats.all();
    // the latest first
    let some: Vec<&Arc<Seat>> = all.iter().rev().take(MOST).collect();
    let ids: Vec<String> = some.iter().map(|seat| seat.key().to_owned()).collect();
    let holders = state
        .db
        .holders(&ids)
        .await
        .unwrap_or_else(|_| HashMap::new());
    Ok(html! {
        p { (counted(i64::try_from(all.len()).unwrap_or(i64::MAX), "stream")) " on this node" @if all.len() > MOST { ", the latest " (MOST) " of them" } "." }
        @if !some.is_empty() {
            div #streams-table.scrolls tabindex="0" role="region" aria-label="Streams" {
                table {
                    thead { tr {
                        th.number scope="col" { "No." } th scope="col" { "Account" } th scope="col" { "Key" } th scope="col" { "From" }
                        th scope="col" { "Since" } th scope="col" { "Stands" } th scope="col" { "Change" }
                    } }
                    tbody { @for seat in some { (row(seat, &holders)) } }
                }
            }
        }
    })
}

fn row(seat: &Seat, holders: &HashMap<String, Holder>) -> Markup {
    let holder = holders.get(seat.key());
    let number = seat.connection.to_string();
    let close = format!("/admin/connections/{number}/close");
    let whose = holder.map_or(seat.account_id.as_ref(), |holder| &*holder.account.name);
    let confirm = close_question(whose, seat);
    let button = Button {
        action: &close,
        target: "#streams",
        label: "Close",
        of: &number,
        confirm: &confirm,
        done: "The connection is closed.",
    };
    html! {
        tr {
            td.number { (number) }
            td {
                a href={ "/admin/accounts/" (seat.account_id) } {
                    @match holder { Some(holder) => (holder.account.name), None => (seat.account_id) }
                }
            }
            td {
                code.key { @match holder { Some(holder) => { (holder.key.prefix) "…" } None => (seat.key()) } }
                @if seat.is_view() { " " span.tag { "in a page" } }
            }
            td { (seat.peer) }
            td { (moment(seat.connected_at)) }
            td { (stands(seat)) }
            td { (button.show()) }
        }
    }
}

/// `/admin/connections`
pub async fn connections(admin: AdminVisit) -> Response {
    let shown = async {
        admin.sees()?;
        let body = html! { (act::refused()) (STREAMS.show(streams(&admin).await)?) };
        Ok(admin.page("Connections", "/admin/connections", &body))
    };
    let shown = shown.await;
    admin.or_problem(shown).await
}

/// `/admin/connections/list`: the table alone.
pub async fn listed(admin: AdminVisit) -> Response {
    let shown = async {
        if !admin.visit.wants_part() {
            return Ok(frame::lead_to("/admin/connections"));
        }
        let streams = match admin.sees() {
            Ok(()) => streams(&admin).await,
            Err(problem) => Err(problem),
        };
        Ok(frame::part(&STREAMS.show(streams)?))
    };
    let shown = shown.await;
    admin.or_problem(shown).await
}

/// `POST /admin/connections/{connection}/close`
pub async fn close(admin: AdminVisit, connection: Result<Path<u64>, PathRejection>) -> Response {
    let done = async {
        admin.acts()?;
        let Path(connection) = connection.map_err(ApiError::from)?;
        seats::close(admin.state(), None, connection)?;
        gone(admin.state(), connection).await;
        Ok(match admin.visit.wants_part() {
            true => frame::part(&STREAMS.show(streams(&admin).await)?),
            false => frame::lead_to("/admin/connections"),
        })
    };
    let done = done.await;
    admin.answer(done).await
}

/// `/admin/consumers`: as `/v1/usage` says it.
pub async fn consumers(admin: AdminVisit) -> Response {
    let shown = async {
        admin.sees()?;
        let state = admin.state();
        let query = admin.visit.uri.query().unwrap_or_default();
        let query = UsageQuery::parse(query, &[]).map_err(ApiError::from)?;
        usage::settle(state).await;
        let now = admin.visit.now();
        let found = usage::read(state, query, MOST_CONSUMERS, 0, now).await?;
        let all = state.db.count_consumers().await?;
        let signed = |count: u64| whole(i64::try_from(count).unwrap_or(i64::MAX));
        let sort = |by: &str, name: &str, is: bool| {
            html! { a href={ "/admin/consumers?sort=" (by) } aria-current=[is.then_some("true")] { (name) } }
        };
        let body = html! {
            p { (counted(i64::try_from(all).unwrap_or(i64::MAX), "key")) " ever made a request. Sorted by " (sort("today", "today", !query.by_total)) " or " (sort("total", "ever", query.by_total)) "." }
            @if !found.is_empty() {
                div.scrolls tabindex="0" role="region" aria-label="Consumers" {
                    table {
                        thead { tr {
                            th scope="col" { "Account" } th scope="col" { "Key" } th scope="col" { "Plan" } th.number scope="col" { "Today" }
                            th.number scope="col" { "This month" } th.number scope="col" { "Ever" }
                        } }
                        tbody {
                            @for one in &found {
                                tr {
                                    th scope="row" { a href={ "/admin/accounts/" (one.consumer.account_id) } { (one.consumer.account_name) } }
                                    td { code.key { (one.consumer.prefix) "…" } }
                                    td { (one.consumer.plan) }
                                    td.number { (signed(one.today())) }
                                    td.number { (signed(one.this_month())) }
                                    td.number { (signed(one.total())) }
                                }
                            }
                        }
                    }
                }
            }
        };
        Ok(admin.page("Consumers", "/admin/consumers", &body))
    };
    let shown = shown.await;
    admin.or_problem(shown).await
}
