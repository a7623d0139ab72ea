//! The keys of an account, as its own page and an operator's show them: what each is, and forms that make, rotate and revoke.

use std::collections::HashMap;

use maud::{Markup, html};

use super::{
    act::Button,
    figures::moment,
    problem::Problem,
    visit::{Session, Visit},
};
use crate::{
    http::error::{ApiError, ApiResult},
    model::{account::KeyRecord, time::Time},
    store::{accounts::MAX_ACTIVE_KEYS, issue::Issued, usage::KeyUsage},
};

/// Keys that count no more, listed at most.
const MOST_OLD: usize = 20;
const HOUR: i64 = 3_600 * Time::SECOND;
/// For how long a rotated key works on.
const OVERLAPS: [(&str, i64, &str); 4] = [
    ("24h", Time::DAY, "24 hours"),
    ("7d", 7 * Time::DAY, "7 days"),
    ("1h", HOUR, "an hour"),
    ("0", 0, "no overlap"),
];

/// Which pages list keys: an account's own, or an operator's.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// Where its forms go to, without a slash at the end.
    pub path: &'a str,
    /// What the answers take the place of.
    pub target: &'a str,
    /// The key that opened the session, if one did.
    pub own: Option<&'a str>,
    /// The current moment.
    pub now: Time,
}

/// The keys, and the one that was just made.
pub fn list(
    desk: Desk,
    keys: &[KeyRecord],
    usage: &[KeyUsage],
    streaming: impl Fn(&str) -> bool,
    made: Option<&Issued>,
) -> Markup {
    let usage: HashMap<&str, &KeyUsage> =
        usage.iter().map(|one| (one.key_id.as_str(), one)).collect();
    let (active, old): (Vec<_>, Vec<_>) = keys.iter().partition(|key| key.is_active(desk.now));
    let old = old.iter().rev().take(MOST_OLD);
    let row = |key: &KeyRecord| {
        let used = usage.get(key.id.as_str()).and_then(|used| used.last_day);
        let is_active = key.is_active(desk.now);
        html! {
            tr {
                th scope="row" {
                    code.key { (key.prefix) "…" }
                    @if desk.own == Some(&key.id) { " " span.tag { "this session" } }
                    @if is_active && streaming(&key.id) { " " span.tag { "streaming" } }
                }
                td { (key.kind.word()) }
                td {
                    @match key.revoked_at {
                        Some(at) => { "revoked " (moment(at)) }
                        None => {
                            @match key.expires_at {
                                Some(end) if is_active => { span.good { "active" } ", ends " (moment(end)) }
                                Some(end) => { "ended " (moment(end)) }
                                None => span.good { "active" },
                            }
                        }
                    }
                }
                td { (moment(key.created_at)) }
                td { @match used { Some(day) => (day_name(day)), None => { "never" } } }
                td { @if is_active { (actions(desk, key)) } }
            }
        }
    };
    html! {
        section #keys aria-labelledby="keys-name" {
            h2 #keys-name { "Keys" }
            @if let Some(made) = made { (shown_once(made)) }
            div.scrolls tabindex="0" role="region" aria-label="All keys" {
                table {
                    thead { tr {
                        th scope="col" { "Key" } th scope="col" { "Kind" } th scope="col" { "State" } th scope="col" { "Made" }
                        th scope="col" { "Last request" } th scope="col" { "Change" }
                    } }
                    tbody {
                        @for key in &active { (row(key)) }
                        @for key in old { (row(key)) }
                    }
                }
            }
            p.hint {
                (active.len()) " of " (MAX_ACTIVE_KEYS) " keys are active. Any active key may sign in to the account's page and manage all of them. "
                "Changes count within a second, and end the streams of keys that are revoked."
            }
            (create_form(desk))
        }
    }
}

/// `2026-04-20`: of days since 1970-01-01.
#[must_use]
pub fn day_name(day: i64) -> String {
    let text = Time::of_utc_day(day).to_string();
    text.get(..10).unwrap_or(&text).to_owned()
}

fn shown_once(made: &Issued) -> Markup {
    html! {
        div.card.fresh.made role="group" aria-labelledby="made-name" tabindex="-1" data-once {
            p #made-name data-says { strong { "The new key, shown this once. " } "Copy it now: only its digest is kept." }
            p { code #new-key { (made.key.reveal()) } }
            p { button type="button" data-copy="new-key" { "Copy the key" } }
        }
    }
}

fn actions(desk: Desk, key: &KeyRecord) -> Markup {
    let rotate = format!("{}/{}/rotate", desk.path, key.id);
    let revoke = format!("{}/{}/revoke", desk.path, key.id);
    let field = format!("overlap-{}", key.id);
    let of = format!("{}…", key.prefix);
    let question = match desk.own == Some(&key.id) {
        true => format!(
            "Revoke {of}, the key of this session, for good? Its stream ends, and you are signed out."
        ),
        false => format!("Revoke the key {of}, for good? Its stream ends at once."),
    };
    let done = format!("The key {of} is revoked.");
    html! {
        div.actions {
            form.actions method="post" action=(rotate) hx-post=(rotate) hx-target=(desk.target) hx-swap="outerHTML" {
                label.unseen for=(field) { "For how long " (of) " works on beside its successor" }
                select id=(field) name="overlap" {
                    @for (value, _, name) in OVERLAPS { option value=(value) { (name) } }
                }
                button.plain id={ "rotate-" (key.id) } type="submit" { "Rotate" span.unseen { " " (of) } }
            }
            (Button { action: &revoke, target: desk.target, label: "Revoke", of: &of, confirm: &question, done: &done }.show())
        }
    }
}

fn create_form(desk: Desk) -> Markup {
    html! {
        h3 { "Make a key" }
        form.fields method="post" action=(desk.path) hx-post=(desk.path) hx-target=(desk.target) hx-swap="outerHTML" {
            div {
                label for="kind" { "Kind" }
                select #kind name="kind" {
                    option value="" { "what the plan is for" }
                    option value="stream" { "stream (sig_live_…)" }
                    option value="data" { "data (sit_live_…)" }
                }
            }
            div {
                label for="expires" { "Ends on, if ever" }
                input #expires name="expires" type="date";
            }
            div { button #make-key type="submit" { "Make a key" } }
        }
    }
}

/// When something ends: a day, a moment, or never where nothing is said.
pub fn read_end(text: &str, now: Time) -> ApiResult<Option<Time>> {
    let allowed = "a day or an ISO 8601 time that is yet to come, 9999-12-30 at the latest";
    let time = match text.len() {
        0 => return Ok(None),
        10 => Time::parse_iso(&format!("{text}T00:00:00Z")),
        _ => Time::parse_iso(text),
    };
    match time {
        Ok(time) if time > now => Ok(Some(time)),
        _ => Err(ApiError::parameter("expires", text, allowed)),
    }
}

/// The one of `OVERLAPS` that a form says, in microseconds.
pub fn read_overlap(text: &str) -> ApiResult<i64> {
    let found = OVERLAPS.iter().find(|(value, ..)| *value == text);
    let known = OVERLAPS.map(|(value, ..)| value).join(", ");
    found
        .map(|(_, overlap, _)| *overlap)
        .ok_or_else(|| ApiError::parameter("overlap", text, &known))
}

/// The section of an account's own page.
pub async fn section(
    visit: &Visit,
    session: &Session,
    made: Option<&Issued>,
) -> Result<Markup, Problem> {
    let state = &visit.site.state;
    let account = &session.known.holder.account.id;
    let now = visit.now();
    let desk = Desk {
        path: "/account/keys",
        target: "#keys",
        own: Some(&session.known.holder.key.id),
        now,
    };
    let keys = state.db.keys(Some(account)).await?;
    let usage = state.db.usage_of_account(account, now).await?;
    let streaming = |key: &str| state.hub.seats.of_key(key).is_some();
    Ok(list(desk, &keys, &usage, streaming, made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_yet_to_come() {
        let now = Time::parse_iso("2026-04-20T12:00:00Z").unwrap();
        let read = |text| read_end(text, now).ok().flatten().map(|t| t.to_string());
        assert_eq!(read(""), None);
        assert!(
            read("2026-04-21")
                .unwrap()
                .starts_with("2026-04-21T00:00:00")
        );
        assert!(read("2026-04-20T12:00:01Z").is_some());
        for bad in [
            "2026-04-20",
            "2025-01-01T00:00:00Z",
            "tomorrow",
            "éééééééééé",
        ] {
            assert!(read_end(bad, now).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_overlap_is_one_of_those_offered() {
        assert_eq!(read_overlap("0").unwrap(), 0);
        assert_eq!(read_overlap("7d").unwrap(), 7 * Time::DAY);
        assert!(read_overlap("8d").is_err() && read_overlap("").is_err());
    }
}
