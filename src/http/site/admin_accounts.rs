//! `/admin/accounts`: all accounts, and one of them with its plan, its end, its keys and webhooks; made and changed.

use axum::{
    body::Body,
    extract::{Path, rejection::PathRejection},
    response::Response,
};
use maud::{Markup, html};

use super::{
    account_keys::{self, Desk, read_end, read_overlap},
    act::{self, Button, MOST_BYTES},
    admin_visit::AdminVisit,
    figures::{counted, moment, whole},
    frame, hooks,
    problem::{PageResult, Problem},
    session::Form,
};
use crate::{
    http::{accounts, error::ApiError, keys, state::State},
    model::{account::Account, time::Time},
    store::{accounts::AccountChange, issue::Issued},
};

/// Accounts on a page.
const ON_A_PAGE: usize = 100;

type Named = Result<Path<String>, PathRejection>;
type NamedKey = Result<Path<(String, String)>, PathRejection>;

fn standing(account: &Account, now: Time) -> Markup {
    html! {
        @match (account.suspended_at, account.expires_at) {
            (Some(at), _) => { span.bad { "suspended" } " " (moment(at)) }
            (None, Some(end)) if end <= now => { span.bad { "lapsed" } " " (moment(end)) }
            (None, Some(end)) => { span.good { "active" } ", ends " (moment(end)) }
            (None, None) => span.good { "active" },
        }
    }
}

fn plans(state: &State, chosen: &str) -> Markup {
    html! {
        select #plan name="plan" required {
            @for name in state.plans.keys() { option value=(name) selected[name == chosen] { (name) } }
        }
    }
}

/// `/admin/accounts`
pub async fn list(admin: AdminVisit) -> Response {
    let shown = async {
        admin.sees()?;
        let (state, now) = (admin.state(), admin.visit.now());
        let query = admin.visit.uri.query().unwrap_or_default();
        let said = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            let found = pairs.find(|(key, _)| key == name);
            found.map_or(String::new(), |(_, value)| value.into_owned())
        };
        let (search, from) = (said("q"), said("from").parse().unwrap_or(0));
        let sought = search.to_lowercase();
        let all = state.db.accounts().await?;
        // those that were made last are looked for most
        let matches = |account: &&Account| {
            account.name.to_lowercase().contains(&sought) || account.id == search
        };
        let found: Vec<&Account> = all.iter().rev().filter(matches).collect();
        let some: Vec<&&Account> = found.iter().skip(from).take(ON_A_PAGE).collect();
        let next = from.saturating_add(ON_A_PAGE);
        let mut older = url::form_urlencoded::Serializer::new(String::new());
        let older = older
            .append_pair("q", &search)
            .append_pair("from", &next.to_string())
            .finish();
        let body = html! {
            form.fields method="get" action="/admin/accounts" role="search" {
                div { label for="q" { "Name or id" } input #q name="q" type="text" value=(search); }
                div { button.plain type="submit" { "Search" } }
            }
            h2 { (counted(i64::try_from(found.len()).unwrap_or(i64::MAX), "account")) }
            div.scrolls tabindex="0" role="region" aria-label="Accounts" {
                table {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Plan" } th scope="col" { "State" } th scope="col" { "Made" } } }
                    tbody {
                        @for account in some {
                            tr {
                                th scope="row" { a href={ "/admin/accounts/" (account.id) } { (account.name) } }
                                td { (account.plan) }
                                td { (standing(account, now)) }
                                td { (moment(account.created_at)) }
                            }
                        }
                    }
                }
            }
            @if next < found.len() { p { a href={ "/admin/accounts?" (older) } { "Older ones" } } }
            h2 { "Make an account" }
            (act::refused())
            form.fields method="post" action="/admin/accounts" hx-post="/admin/accounts" hx-target="#content" {
                div { label for="name" { "Name" } input #name name="name" type="text" required maxlength="200"; }
                div { label for="plan" { "Plan" } (plans(state, "")) }
                div { label for="account-expires" { "Lapses on, if ever" } input #account-expires name="expires" type="date"; }
                div { button type="submit" { "Make the account" } }
            }
        };
        Ok(admin.page("Accounts", "/admin/accounts", &body))
    };
    let shown = shown.await;
    admin.or_problem(shown).await
}

/// `POST /admin/accounts`
pub async fn create(admin: AdminVisit, body: Body) -> Response {
    let done = async {
        admin.acts()?;
        let form = Form::of(body, MOST_BYTES).await?;
        let end = read_end(form.get("expires"), admin.visit.now())?;
        let (name, plan) = (form.get("name"), form.get("plan"));
        let made = accounts::create(admin.state(), name, plan, end).await?;
        Ok(act::go(
            &admin.visit,
            &format!("/admin/accounts/{}", made.id),
        ))
    };
    let done = done.await;
    admin.answer(done).await
}

/// An account with all that hangs on it, and the key that was just made.
async fn shown(
    admin: &AdminVisit,
    account: &Account,
    made: Option<&Issued>,
) -> Result<Markup, Problem> {
    let (state, now) = (admin.state(), admin.visit.now());
    let base = format!("/admin/accounts/{}", account.id);
    let change = |what: &str, label, confirm: &str| {
        let action = format!("{base}/{what}");
        Button {
            action: &action,
            target: "#account",
            label,
            of: "",
            confirm,
            done: "",
        }
        .show()
    };
    let path = format!("{base}/keys");
    let desk = Desk {
        path: &path,
        target: "#account",
        own: None,
        now,
    };
    let of_account = state.db.keys(Some(&account.id)).await?;
    let usage = state.db.usage_of_account(&account.id, now).await?;
    let streaming = |key: &str| state.hub.seats.of_key(key).is_some();
    let endpoints = state.desk.list(Some(&account.id)).await?;
    let end = account.expires_at.map(|end| end.to_string());
    let end = end.as_deref().and_then(|end| end.get(..10));
    Ok(html! {
        div #account {
            dl.facts {
                dt { "Id" } dd { code { (account.id) } }
                dt { "State" } dd { (standing(account, now)) }
                dt { "Plan" } dd { (account.plan) }
                dt { "Made" } dd { (moment(account.created_at)) }
            }
            h2 { "Change" }
            form.fields method="post" action={ (base) "/change" } hx-post={ (base) "/change" } hx-target="#account" hx-swap="outerHTML" {
                div { label for="plan" { "Plan" } (plans(state, &account.plan)) }
                div {
                    label for="account-expires" { "Lapses on; nothing: never" }
                    input #account-expires name="expires" type="date" value=[end];
                }
                div {
                    button #change type="submit" data-confirm={ "Change plan and end of " (account.name) "? Streams that the plan does not include end at once." } { "Change" }
                }
            }
            div.actions {
                @match account.suspended_at {
                    Some(_) => (change("resume", "Resume", "")),
                    None => (change("suspend", "Suspend", &format!("Suspend {}? Its keys answer as if unknown, and its streams end.", account.name))),
                }
            }
            (account_keys::list(desk, &of_account, &usage, streaming, made))
            @if !endpoints.is_empty() {
                h2 { "Webhooks" }
                div.scrolls tabindex="0" role="region" aria-label="Webhooks" {
                    table {
                        thead { tr {
                            th scope="col" { "Address" } th scope="col" { "State" } th.number scope="col" { "Waiting" } th.number scope="col" { "Failed" }
                        } }
                        tbody {
                            @for hook in &endpoints {
                                tr {
                                    th scope="row" { code { (hook.url) } }
                                    td { (hooks::state(hook)) }
                                    td.number { (whole(hook.state.waiting)) }
                                    td.number { (whole(hook.state.failed)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    })
}

async fn show(admin: &AdminVisit, account: &Account, made: Option<&Issued>) -> PageResult {
    let part = shown(admin, account, made).await?;
    if admin.visit.wants_part() {
        return Ok(frame::part(&part));
    }
    let body = html! {
        p { a href="/admin/accounts" { "All accounts" } }
        (act::refused())
        (part)
    };
    Ok(admin.page(&account.name, "/admin/accounts", &body))
}

/// `/admin/accounts/{id}`
pub async fn one(admin: AdminVisit, id: Named) -> Response {
    let shown = async {
        admin.sees()?;
        let Path(id) = id.map_err(ApiError::from)?;
        let account = accounts::find(admin.state(), &id).await?;
        show(&admin, &account, None).await
    };
    let shown = shown.await;
    admin.or_problem(shown).await
}

/// `POST …/change`: plan and end.
pub async fn change(admin: AdminVisit, id: Named, body: Body) -> Response {
    let done = async {
        admin.acts()?;
        let Path(id) = id.map_err(ApiError::from)?;
        let form = Form::of(body, MOST_BYTES).await?;
        let (state, now) = (admin.state(), admin.visit.now());
        let mut account = accounts::find(state, &id).await?;
        let plan = form.get("plan");
        // a day that has passed may stay as it is
        let before = account.expires_at.map(|end| end.to_string());
        let same = before.unwrap_or_default().get(..10).unwrap_or_default() == form.get("expires");
        let end = match same {
            true => account.expires_at,
            false => read_end(form.get("expires"), now)?,
        };
        if plan != account.plan {
            let plan = AccountChange::Plan(plan.to_owned());
            account = accounts::change(state, &id, plan).await?;
        }
        if end != account.expires_at {
            account = accounts::change(state, &id, AccountChange::Expiry(end)).await?;
        }
        show(&admin, &account, None).await
    };
    let done = done.await;
    admin.answer(done).await
}

async fn move_to(admin: &AdminVisit, id: Named, change: AccountChange) -> PageResult {
    admin.acts()?;
    let Path(id) = id.map_err(ApiError::from)?;
    let account = accounts::change(admin.state(), &id, change).await?;
    show(admin, &account, None).await
}

/// `POST …/suspend`
pub async fn suspend(admin: AdminVisit, id: Named) -> Response {
    let now = admin.visit.now();
    let done = move_to(&admin, id, AccountChange::Suspend(now)).await;
    admin.answer(done).await
}

/// `POST …/resume`
pub async fn resume(admin: AdminVisit, id: Named) -> Response {
    let done = move_to(&admin, id, AccountChange::Resume).await;
    admin.answer(done).await
}

/// `POST …/keys`
pub async fn create_key(admin: AdminVisit, id: Named, body: Body) -> Response {
    let done = async {
        admin.acts()?;
        let Path(id) = id.map_err(ApiError::from)?;
        let form = Form::of(body, MOST_BYTES).await?;
        let state = admin.state();
        let account = accounts::find(state, &id).await?;
        let end = read_end(form.get("expires"), admin.visit.now())?;
        let kind = Some(form.get("kind")).filter(|kind| !kind.is_empty());
        let made = keys::issue(state, &account, kind, end).await?;
        show(&admin, &account, Some(&made)).await
    };
    let done = done.await;
    admin.answer(done).await
}

/// `POST …/keys/{key}/rotate`
pub async fn rotate_key(admin: AdminVisit, ids: NamedKey, body: Body) -> Response {
    let done = async {
        admin.acts()?;
        let Path((id, key)) = ids.map_err(ApiError::from)?;
        let form = Form::of(body, MOST_BYTES).await?;
        let state = admin.state();
        let account = accounts::find(state, &id).await?;
        let overlap = read_overlap(form.get("overlap"))?;
        let old = keys::find(state, Some(&id), &key).await?;
        let made = keys::rotate(state, &old, overlap, old.expires_at).await?;
        show(&admin, &account, Some(&made)).await
    };
    let done = done.await;
    admin.answer(done).await
}

/// `POST …/keys/{key}/revoke`
pub async fn revoke_key(admin: AdminVisit, ids: NamedKey) -> Response {
    let done = async {
        admin.acts()?;
        let Path((id, key)) = ids.map_err(ApiError::from)?;
        let state = admin.state();
        let account = accounts::find(state, &id).await?;
        let key = keys::find(state, Some(&id), &key).await?;
        keys::revoke(state, &key).await?;
        show(&admin, &account, None).await
    };
    let done = done.await;
    admin.answer(done).await
}
