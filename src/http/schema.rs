//! Shapes that the OpenAPI document names: answers with `meta`, lists, the error's body; and parameters, from their tables.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        KnownFormat, Object, ObjectBuilder, Required, SchemaFormat, Type,
        path::{Parameter as Documented, ParameterBuilder, ParameterIn},
    },
};

use super::call::{Asked, Meta};
use crate::gate::{
    insider_query::InsiderQuery,
    parameter::{Kind, Parameter},
};

/// An object, and `meta` as its last member.
#[derive(Serialize, ToSchema)]
pub struct Answer<T: ToSchema> {
    #[serde(flatten)]
    body: T,
    meta: Meta,
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub struct Listed<T: ToSchema> {
    /// Items that there are, on whatever page.
    total: u64,
    /// Items on a page at most.
    limit: u32,
    /// Items passed over.
    offset: u64,
    items: Vec<T>,
    meta: Meta,
}

/// What every error looks like.
#[derive(Serialize, ToSchema)]
#[schema(as = Error, example = json!({"error": {"code": "invalid_api_key", "message": "Invalid, unknown or revoked API key. Generate a new key from your account.", "status": 401}}))]
pub struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub struct ErrorDetail {
    /// For programs: it does not change.
    code: String,
    /// For people.
    message: String,
    /// The status, once more.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What else there is to know: of `invalid_parameter` the parameter, its value and what is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    details: Option<Value>,
}

/// A purchase or a sale.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub enum Direction {
    /// Shares come.
    Buy,
    /// Shares go.
    Sell,
}

/// `strong` from 70, `high` from 50, `notable` from 40.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Band {
    /// From 70.
    Strong,
    /// From 50.
    High,
    /// From 40.
    Notable,
}

/// What signals are to pass, on the stream and in all that is asked of the log.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `gate::pairs` reads")]
pub struct FilterParams {
    /// Any of these signal types, separated by commas
    types: Option<String>,
    /// At least this rank
    #[param(pattern = "^[SABCD]$")]
    min_rank: Option<String>,
    /// At least this score
    #[param(minimum = 0, maximum = 1_000_000)]
    min_score: Option<f64>,
    /// Of this token's address
    #[param(max_length = 128)]
    token: Option<String>,
    /// Of this market
    #[param(max_length = 64)]
    market: Option<String>,
}

/// Which part of the log.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `gate::list_query` reads")]
pub struct LogPartParams {
    /// The rows next after this signal: its UUID, or `<epoch>-<seq>`
    after: Option<String>,
    /// The nearest rows before this signal
    before: Option<String>,
    /// Not published before this ISO 8601 time
    since: Option<String>,
    /// Not published after this ISO 8601 time
    until: Option<String>,
    /// Items at most; 50 where nothing is said
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

impl<Q: InsiderQuery> IntoParams for Asked<Q> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Documented> {
        Q::PARAMETERS.iter().map(documented).collect()
    }
}

fn documented(parameter: &Parameter) -> Documented {
    ParameterBuilder::new()
        .name(parameter.name)
        .parameter_in(ParameterIn::Query)
        .required(if parameter.required {
            Required::True
        } else {
            Required::False
        })
        .description(Some(parameter.about))
        .schema(Some(schema(parameter.kind)))
        .build()
}

fn schema(kind: Kind) -> Object {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    match kind {
        Kind::Text { least, most } => text().min_length(Some(least)).max_length(Some(most)),
        Kind::Isin => text().pattern(Some("^[A-Z]{2}[A-Z0-9]{9}[0-9]$")),
        Kind::Market => text()
            .pattern(Some("^[a-z0-9_-]{1,16}$"))
            .description(Some(
                "The code of a market, as `/api/v1/markets` lists them",
            ))
            .examples([json!("us")]),
        Kind::Flag => ObjectBuilder::new().schema_type(Type::Boolean),
        Kind::Whole {
            least,
            most,
            default,
        } => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(least as f64))
            .maximum((most < i64::MAX as u64).then_some(most as f64))
            .default(Some(json!(default))),
        Kind::Number { most, default } => ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0.0))
            .maximum(most.map(|most| most as f64))
            .default(default.map(|default| json!(default))),
        Kind::Word { words, default } => text()
            .enum_values(Some(words.iter().copied()))
            .default(default.map(|default| json!(default))),
        Kind::Words(words) => text().pattern(Some(format!("^({0})(,({0}))*$", words.join("|")))),
        Kind::Moment => text()
            .description(Some("A day of UTC, or an ISO 8601 time"))
            .examples([json!("2026-04-24"), json!("2026-04-24T09:32:14.117Z")]),
        Kind::Version => text().pattern(Some("^[A-Za-z0-9._-]{1,32}$")),
    }
    .build()
}
