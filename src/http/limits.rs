//! What a response says of its key's limits: the plan's own counter, and the fields of the IETF's draft.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::caller::{Allowance, Caller};
use crate::{
    gate::{
        quota::{Limits, Standing, Window},
        rate::Rate,
        sandbox,
    },
    model::{account::Plan, time::Time},
};

/// Requests that the counter allows.
pub const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
/// Of these, how many may still be made.
pub const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
/// When counting begins anew, ISO 8601.
pub const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// What remains of each policy (draft-ietf-httpapi-ratelimit-headers-10).
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The policies (draft-ietf-httpapi-ratelimit-headers-10).
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a plan allows each of its keys; nothing is limited without one.
#[must_use]
pub fn allowance(plan: Option<&Plan>) -> Allowance {
    Allowance {
        rate: plan.and_then(|plan| Rate::new(plan.requests_per_second, plan.burst)),
        limits: plan.map(Limits::of).unwrap_or_default(),
    }
}

/// As it is called in fields and errors.
#[must_use]
pub fn window_name(window: Window) -> &'static str {
    match window {
        Window::Day => "day",
        Window::Month => "month",
    }
}

/// Writes where a key stands now. A plan that counts neither days nor months is described by its bucket.
pub fn write(headers: &mut HeaderMap, caller: &Caller, allowed: Allowance, now: Time) {
    let standing = caller.standing(allowed.limits, now);
    let bucket = allowed.rate.map(|rate| {
        let (left, missing) = caller.bucket(rate, now);
        (rate, left, missing)
    });
    let (mut policies, mut remains) = (Vec::new(), Vec::new());
    if let Some((rate, left, missing)) = bucket {
        let window = seconds(rate.window()).max(1);
        policies.push(format!("\"burst\";q={};w={window}", rate.bucket()));
        remains.push(format!("\"burst\";r={left};t={}", seconds(missing)));
    }
    if let Some(standing) = standing {
        let name = window_name(standing.window);
        policies.push(format!(
            "\"{name}\";q={};w={}",
            standing.limit, standing.seconds
        ));
        let until = seconds(standing.reset.0.saturating_sub(now.0));
        remains.push(format!("\"{name}\";r={};t={until}", standing.remaining));
    }
    let counter = match (standing, bucket) {
        (Some(s), _) => Some((s.limit, s.remaining, s.reset)),
        (None, Some((rate, left, missing))) => {
            Some((u64::from(rate.bucket()), u64::from(left), now.plus(missing)))
        }
        (None, None) => None,
    };
    if let Some((limit, remaining, reset)) = counter {
        headers.insert(LIMIT, HeaderValue::from(limit));
        headers.insert(REMAINING, HeaderValue::from(remaining));
        put(headers, RESET, &reset.to_string());
        put(headers, RATE_LIMIT_POLICY, &policies.join(", "));
        put(headers, RATE_LIMIT, &remains.join(", "));
    }
}

/// Writes where somebody stands who has no key.
pub fn write_standing(headers: &mut HeaderMap, standing: &sandbox::Standing, now: Time) {
    let window = seconds(sandbox::WINDOW);
    let until = seconds(standing.reset.0.saturating_sub(now.0));
    headers.insert(LIMIT, HeaderValue::from(standing.allowed));
    headers.insert(REMAINING, HeaderValue::from(standing.remaining));
    put(headers, RESET, &standing.reset.to_string());
    let policy = format!("\"sandbox\";q={};w={window}", standing.allowed);
    put(headers, RATE_LIMIT_POLICY, &policy);
    let remains = format!("\"sandbox\";r={};t={until}", standing.remaining);
    put(headers, RATE_LIMIT, &remains);
}

/// Whole seconds after which a used-up counter begins anew; one at least.
#[must_use]
pub fn wait(standing: &Standing, now: Time) -> u32 {
    u32::try_from(seconds(standing.reset.0.saturating_sub(now.0)).max(1)).unwrap_or(u32::MAX)
}

/// Microseconds as whole seconds, rounded up: who waits that long has waited long enough.
pub fn seconds(micros: i64) -> u64 {
    u64::try_from(micros)
        .unwrap_or(0)
        .div_ceil(Time::SECOND as u64)
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // proof: digits, words in quotes and ISO times are all visible ASCII
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
