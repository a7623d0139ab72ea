//! `GET /api/v1/declarations/{amfId}/score`: the nine factors of a score, with all that they were computed from.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    call::{Asked, Call, DeclarationPath},
    error::{ApiError, ApiResult},
    schema::{Answer, Band, Direction, ErrorBody},
};
use crate::{
    gate::insider_view::ScoreQuery, model::time::Time, score::insider::audit::SCORE_VERSION,
    store::served::Served,
};

/// A score, and why; or why there is none.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    amf_id: String,
    score_version: String,
    #[schema(value_type = Option<Direction>, required)]
    direction: Option<String>,
    /// 0 to 100, after the modifiers.
    #[schema(required)]
    score: Option<f64>,
    /// Sum of the factors' points.
    #[schema(required)]
    raw: Option<f64>,
    #[schema(value_type = Option<Band>, required)]
    band: Option<String>,
    /// Sum of the caps of the factors whose value is known.
    #[schema(required)]
    coverage: Option<u8>,
    modifiers: Vec<Modifier>,
    /// Nine; none without a score.
    factors: Vec<Factor>,
    /// Published more than two business days after the first trade day.
    #[schema(required)]
    late: Option<bool>,
    /// All that the factors were computed from.
    #[schema(value_type = Option<Object>, required)]
    inputs: Option<Value>,
    /// Why there is no score; null where there is one.
    #[schema(required)]
    reason: Option<String>,
    /// How often it was assessed: a fact that came late makes a new revision.
    revision: i64,
    /// When this revision took the place of the one before; null before the first.
    #[schema(format = DateTime, required)]
    assessed_at: Option<String>,
}

/// What the sum of the points is multiplied with.
#[derive(Serialize, ToSchema)]
struct Modifier {
    name: String,
    factor: f64,
}

/// One of the nine.
#[derive(Serialize, ToSchema)]
struct Factor {
    key: String,
    /// What was measured: a number or a word; null where an input is missing.
    #[schema(required)]
    value: Value,
    points: f64,
    cap: u8,
    /// Why, in one line.
    rationale: String,
}

#[derive(Deserialize)]
struct Reason {
    reason: Option<String>,
}

/// Audit a score
///
/// Each of the nine factors with its value, points, cap and a one-line rationale, and all inputs: anyone can compute it again.
#[utoipa::path(
    get, path = "/api/v1/declarations/{amfId}/score", tag = "declarations",
    params(("amfId" = String, Path, description = "Such as `2026DD1108988` or `SEC:0001127602-25-009876`"), Asked<ScoreQuery>),
    responses(
        (status = 200, description = "The audit", body = Answer<Audit>),
        (status = 404, description = "`declaration_not_found`: also where nothing was served then", body = ErrorBody),
    ),
)]
pub async fn score(
    call: Call,
    DeclarationPath(id): DeclarationPath,
    Asked(query): Asked<ScoreQuery>,
) -> ApiResult {
    let db = &call.state.db;
    let found = db.declaration(&id.0, false).await?;
    let found = found.ok_or_else(ApiError::declaration_not_found)?;
    let version = query.version.as_deref().unwrap_or(SCORE_VERSION);
    let then = query.as_of.unwrap_or_else(|| call.now());
    let text = match db.served(found.number, version, query.as_of).await? {
        Some(served) => assessed(&found.amf_id, version, &served)?,
        None if version == SCORE_VERSION => {
            let arrived = db.arrived(found.number, then).await?;
            arrived.ok_or_else(ApiError::declaration_not_found)?;
            unscored(&found.amf_id, version, "pending", 0, None)
        }
        None => {
            let mut known = db.score_versions(found.number).await?;
            if known.iter().any(|one| one == version) {
                // it was scored by it, and later than that
                return Err(ApiError::declaration_not_found());
            }
            known.retain(|one| one != SCORE_VERSION);
            known.push(SCORE_VERSION.to_owned());
            let allowed = format!("a version that scored it: {}", known.join(", "));
            return Err(ApiError::parameter("version", version, &allowed));
        }
    };
    Ok(call.object(text.into_bytes()))
}

fn assessed(amf_id: &str, version: &str, served: &Served) -> ApiResult<String> {
    let at = Time(served.assessed_at);
    let Reason { reason } =
        serde_json::from_str(&served.signal).map_err(|error| ApiError::internal(&error))?;
    Ok(match (&reason, &served.audit) {
        (None, Some(audit)) => {
            let open = audit.strip_suffix('}').unwrap_or(audit);
            let revision = served.revision;
            format!("{open},\"reason\":null,\"revision\":{revision},\"assessedAt\":\"{at}\"}}")
        }
        (reason, _) => {
            let reason = reason.as_deref().unwrap_or("pending");
            unscored(amf_id, version, reason, served.revision, Some(at))
        }
    })
}

fn unscored(amf_id: &str, version: &str, reason: &str, revision: i64, at: Option<Time>) -> String {
    json!({
        "amfId": amf_id, "scoreVersion": version, "direction": null, "score": null, "raw": null, "band": null,
        "coverage": null, "modifiers": [], "factors": [], "late": null, "inputs": null, "reason": reason,
        "revision": revision, "assessedAt": at,
    })
    .to_string()
}
