//! What was asked with an account's keys: each against its plan's quota, and all of them day by day.

use std::collections::{BTreeMap, HashMap};

use maud::{Markup, html};

use super::{
    account_keys::day_name,
    figures::{bar, moment, whole},
    problem::Problem,
    visit::{Session, Visit},
};
use crate::{
    gate::quota::{Limits, Usage},
    model::time::{Time, utc_month},
    store::usage::KeyUsage,
};

/// Days of the chart.
const DAYS: i64 = 30;

/// What this node holds of a key and has not used is reserved, and no request yet.
fn used(key: &KeyUsage, (day, held): (i64, u64), today: i64) -> Usage {
    let of_month = utc_month(day) == utc_month(today);
    let less = |count: u64, concerns: bool| match concerns {
        true => count.saturating_sub(held),
        false => count,
    };
    let counters = key.counters;
    Usage {
        today: less(counters.today, day == today),
        this_month: less(counters.this_month, of_month),
        total: less(counters.total, true),
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count of what a plan allows, with a bar where it has a limit.
fn meter(count: u64, limit: Option<u64>) -> Markup {
    html! {
        @match limit {
            Some(limit) => {
                (whole(signed(count))) span.soft { " of " (whole(signed(limit))) }
                (bar(count as f64, limit as f64))
            }
            None => { (whole(signed(count))) }
        }
    }
}

/// The section of the page.
pub async fn section(visit: &Visit, session: &Session) -> Result<Markup, Problem> {
    let state = &visit.site.state;
    let account = &session.known.holder.account;
    let now = visit.now();
    let today = now.utc_day();
    let limits = state.plans.get(&account.plan).map(Limits::of);
    let limits = limits.unwrap_or_default();
    let keys = state.db.keys(Some(&account.id)).await?;
    let prefixes: HashMap<&str, &str> = keys
        .iter()
        .map(|key| (key.id.as_str(), key.prefix.as_str()))
        .collect();
    let counted = state.db.usage_of_account(&account.id, now).await?;
    let first = today - DAYS + 1;
    let by_day = state.db.usage_by_day(&account.id, first).await?;
    let mut days: BTreeMap<i64, i64> = (first..=today).map(|day| (day, 0)).collect();
    for one in by_day {
        *days.entry(one.day).or_default() += one.requests;
    }
    let mut rows: Vec<(&str, Usage)> = Vec::new();
    for key in &counted {
        let (day, held) = state.callers.held(&key.hash);
        if let Some(requests) = days.get_mut(&day) {
            *requests -= signed(held);
        }
        let prefix = prefixes.get(key.key_id.as_str()).copied();
        rows.push((prefix.unwrap_or_default(), used(key, (day, held), today)));
    }
    rows.sort_by_key(|(prefix, used)| (std::cmp::Reverse(used.today), *prefix));
    let (_, next_month) = utc_month(today);
    Ok(html! {
        section #usage aria-labelledby="usage-name" {
            h2 #usage-name { "Usage" }
            @if rows.is_empty() {
                p { "No request was made yet. Pages of data count as requests of the API do; the stream does not." }
            } @else {
                div.scrolls tabindex="0" role="region" aria-label="Requests of each key" {
                    table {
                        thead { tr {
                            th scope="col" { "Key" } th scope="col" { "Today" } th scope="col" { "This month" } th.number scope="col" { "Ever" }
                        } }
                        tbody {
                            @for (prefix, used) in &rows {
                                tr {
                                    th scope="row" { code.key { (prefix) "…" } }
                                    td { (meter(used.today, limits.per_day)) }
                                    td { (meter(used.this_month, limits.per_month)) }
                                    td.number { (whole(signed(used.total))) }
                                }
                            }
                        }
                    }
                }
                p.hint {
                    "The quota is each key's own. A day begins anew " (moment(Time::of_utc_day(today + 1)))
                    ", a month " (moment(Time::of_utc_day(next_month))) ", both in UTC."
                }
            }
            @if !rows.is_empty() { figure data-chart="bars" {
                figcaption { "Requests of all keys, the last " (DAYS) " days" }
                div.plot {}
                details {
                    summary { "As a table" }
                    div.scrolls tabindex="0" role="region" aria-label="Requests by the day" {
                        table {
                            thead { tr { th scope="col" { "Day (UTC)" } th.number scope="col" { "Requests" } } }
                            tbody {
                                @for (day, requests) in &days {
                                    tr {
                                        td data-v=(day) title=(day_name(*day)) { (short_name(*day)) }
                                        td.number data-v=((*requests).max(0)) { (whole((*requests).max(0))) }
                                    }
                                }
                            }
                        }
                    }
                }
            } }
        }
    })
}

/// `20 Apr`: of days since 1970-01-01.
fn short_name(day: i64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let name = day_name(day);
    let part = |range| name.get(range).and_then(|text: &str| text.parse().ok());
    let (month, of_month): (Option<usize>, Option<usize>) = (part(5..7), part(8..10));
    match (month.and_then(|n| MONTHS.get(n.wrapping_sub(1))), of_month) {
        (Some(month), Some(day)) => format!("{day} {month}"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gate::quota::Counters, model::key::KeyHash};

    #[test]
    fn days_are_named_briefly() {
        assert_eq!(
            (short_name(0), short_name(20_563)),
            ("1 Jan".to_owned(), "20 Apr".to_owned())
        );
    }

    #[test]
    fn what_is_reserved_and_not_used_is_no_request() {
        let key = KeyUsage {
            key_id: "k".to_owned(),
            hash: KeyHash([0; 32]),
            counters: Counters {
                day: 20_000,
                today: 10,
                this_month: 50,
                total: 100,
            },
            last_day: Some(20_000),
        };
        let told = |day, held| {
            let used = used(&key, (day, held), 20_000);
            (used.today, used.this_month, used.total)
        };
        assert_eq!(told(20_000, 4), (6, 46, 96));
        assert_eq!(told(19_999, 4), (10, 46, 96), "held since yesterday");
        assert_eq!(told(19_960, 4), (10, 50, 96), "since another month");
        assert_eq!(told(0, 0), (10, 50, 100));
    }
}
