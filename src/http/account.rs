//! `GET /api/v1/me`: whose key this is, what its plan allows, and what was used of it.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    call::{Asked, Call},
    error::ApiResult,
    schema::Answer,
};
use crate::{
    gate::insider_query::NoQuery,
    model::{
        account::{Holder, Plan},
        time::Time,
    },
};

/// Whose key this is.
#[derive(Serialize, ToSchema)]
pub struct Me {
    user: User,
    key: Key,
    plan: PlanFacts,
    usage: UsageFacts,
}

/// The account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct User {
    /// UUID.
    id: String,
    name: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When the subscription lapses; null is never.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    expires_at: Option<Time>,
}

/// The key, but for its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Key {
    /// UUID.
    id: String,
    /// Its visible beginning.
    #[schema(example = "sit_live_Ab1C")]
    prefix: String,
    #[schema(value_type = KeyKind)]
    kind: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When it ends by itself; null is never.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    expires_at: Option<Time>,
}

/// What a key is for.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes what is written as a word")]
enum KeyKind {
    Stream,
    Data,
}

/// What the plan allows.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PlanFacts {
    name: String,
    stream: bool,
    rest: bool,
    webhooks: bool,
    webhook_endpoints: u32,
    mcp: bool,
    /// Requests a UTC day of this key; null is no limit by the day.
    #[schema(required)]
    requests_per_day: Option<u64>,
    /// Requests a UTC month of this key; null is no limit by the month.
    #[schema(required)]
    requests_per_month: Option<u64>,
    /// Requests a second that this key may go on making; null is no limit by the second.
    #[schema(required)]
    requests_per_second: Option<u32>,
    /// Requests that this key may make at once after a rest; null is no limit by the second.
    #[schema(required)]
    burst: Option<u32>,
}

/// Requests made with this key, this one included.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsageFacts {
    /// Since 00:00 UTC.
    today: u64,
    /// Since the first of the UTC month.
    this_month: u64,
    /// Ever.
    total: u64,
}

/// Verify a key and retrieve its identity
///
/// Whose key this is, what its plan allows, and what was used of it. Use it as a ping to validate that a key is still active.
#[utoipa::path(
    get, path = "/api/v1/me", tag = "account", params(Asked<NoQuery>),
    responses((status = 200, description = "The key's owner", body = Answer<Me>)),
)]
pub async fn me(call: Call, Asked(NoQuery): Asked<NoQuery>) -> ApiResult {
    let known = call.known()?;
    let holder: &Holder = &known.holder;
    let plan = call.state.plans.get(&holder.account.plan);
    let usage = known.caller.usage(call.now());
    call.json(&Me {
        user: User {
            id: holder.account.id.clone(),
            name: holder.account.name.clone(),
            created_at: holder.account.created_at,
            expires_at: holder.account.expires_at,
        },
        key: Key {
            id: holder.key.id.clone(),
            prefix: holder.key.prefix.clone(),
            kind: holder.key.kind.word(),
            created_at: holder.key.created_at,
            expires_at: holder.key.expires_at,
        },
        plan: plan_facts(&holder.account.plan, plan.cloned().unwrap_or_default()),
        usage: UsageFacts {
            today: usage.today,
            this_month: usage.this_month,
            total: usage.total,
        },
    })
}

fn plan_facts(name: &str, plan: Plan) -> PlanFacts {
    let counted = |limit: u64| Some(limit).filter(|&limit| limit > 0);
    let paced = plan.requests_per_second > 0 && plan.burst > 0;
    PlanFacts {
        name: name.to_owned(),
        stream: plan.stream,
        rest: plan.rest,
        webhooks: plan.webhooks,
        webhook_endpoints: plan.webhook_endpoints,
        mcp: plan.mcp,
        requests_per_day: counted(plan.requests_per_day),
        requests_per_month: counted(plan.requests_per_month),
        requests_per_second: paced.then_some(plan.requests_per_second),
        burst: paced.then_some(plan.burst),
    }
}
