//! The OpenAPI document, made from the handlers' attributes. What all endpoints have in common (keys, limits, errors) is
//! added here, so that a handler's attribute says only what is its own.

use std::sync::OnceLock;

use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, ResponseBuilder,
        SecurityRequirement, Type,
        path::Operation,
        response::Response,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{
    account, audits, backtests, closes, companies, declarations, deliveries, digest, insiders,
    net_flow, ops, overview, sandbox, schema, search, signals, stream, tickets, webhooks, winning,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "sigcast",
        description = "Ranked trading signals over Server-Sent Events, the log they come from, and insider data beside them.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "stream", description = "Signals the moment they are committed"),
        (name = "signals", description = "The signal log, in the very bytes of the stream"),
        (name = "declarations", description = "What insiders declared, what the score says of it, and what became of it"),
        (name = "companies", description = "Whose shares are dealt in"),
        (name = "insiders", description = "Who deals"),
        (name = "data", description = "What there is"),
        (name = "sandbox", description = "A few reads a day without a key"),
        (name = "webhooks", description = "The second channel: signals by signed HTTP callback"),
        (name = "account", description = "The key itself"),
        (name = "operation", description = "Whether the service works"),
    ),
    paths(
        stream::open,
        tickets::make_ticket,
        signals::list,
        signals::one,
        digest::digest,
        deliveries::list,
        account::me,
        ops::health,
        overview::stats,
        overview::markets,
        search::search,
        companies::list,
        companies::one,
        declarations::of_company,
        net_flow::flow,
        closes::list,
        insiders::list,
        insiders::one,
        declarations::of_insider,
        declarations::all,
        declarations::one,
        audits::score,
        declarations::signals,
        backtests::backtest,
        winning::winning,
        sandbox::read,
        sandbox::challenge,
        webhooks::list,
        webhooks::create,
        webhooks::one,
        webhooks::change,
        webhooks::remove,
        webhooks::rotate,
        webhooks::test,
        webhooks::resend,
        webhooks::attempts,
        webhooks::attempt,
        webhooks::failed,
    ),
    components(schemas(schema::ErrorBody)),
    modifiers(&Common),
)]
struct Api;

/// The document, as JSON.
pub fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    // proof: the document is built of maps with text keys alone, which always serialise
    DOCUMENT.get_or_init(|| Api::openapi().to_json().unwrap_or_default())
}

struct Common;

const LIMITS: [(&str, &str); 5] = [
    (
        "X-RateLimit-Limit",
        "Requests that the plan's counter allows",
    ),
    (
        "X-RateLimit-Remaining",
        "Of these, how many may still be made",
    ),
    ("X-RateLimit-Reset", "When counting begins anew, ISO 8601"),
    (
        "RateLimit-Policy",
        "The policies of this key (draft-ietf-httpapi-ratelimit-headers-10)",
    ),
    (
        "RateLimit",
        "What remains of each (draft-ietf-httpapi-ratelimit-headers-10)",
    ),
];
const REQUEST_ID: (&str, &str) = (
    "X-Request-Id",
    "The request's name: the client's own, where it sent one of 1 to 128 letters, digits, `-`, `_`, `.`",
);
const TAGGED: (&str, &str) = ("ETag", "Weak; blind to `meta`");
const RETRY: (&str, &str) = ("Retry-After", "Seconds after which to try again");

impl Modify for Common {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`Authorization: Bearer <key>`"));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        let plain = ApiKeyValue::with_description("X-Api-Key", "The key alone");
        components.add_security_scheme("apiKey", SecurityScheme::ApiKey(ApiKey::Header(plain)));
        for (path, item) in &mut api.paths.paths {
            for (method, operation) in [
                ("get", &mut item.get),
                ("post", &mut item.post),
                ("patch", &mut item.patch),
                ("delete", &mut item.delete),
            ] {
                let Some(operation) = operation else { continue };
                // handlers of several rooms share their names; paths are each one's own
                operation.operation_id = Some(operation_id(method, path));
                complete(path, method, operation);
            }
            // HEAD is GET without the body; it need not be said again
        }
    }
}

/// `get`, `/api/v1/companies/{slug}` → `get_v1_companies_slug`.
fn operation_id(method: &str, path: &str) -> String {
    let parts = path.split(['/', '{', '}']).filter(|part| !part.is_empty());
    let named = parts.skip_while(|part| *part == "api");
    std::iter::once(method)
        .chain(named)
        .collect::<Vec<_>>()
        .join("_")
}

/// What needs no key.
const SANDBOX: &str = "/api/v1/sandbox/";

/// Adds what every operation has.
fn complete(path: &str, method: &str, operation: &mut Operation) {
    let streams = path.starts_with("/api/signals/stream");
    let ticket = operation
        .parameters
        .iter()
        .flatten()
        .any(|one| matches!(one, RefOr::T(one) if one.name == "ticket"));
    let mut security = vec![requirement("bearer"), requirement("apiKey")];
    security.extend(ticket.then(SecurityRequirement::default));
    let needs_key = !path.starts_with(SANDBOX);
    operation.security = Some(if needs_key { security } else { Vec::new() });
    // each answer without a key has a watermark of its own, and is nobody's to keep
    let tagged = method == "get" && !streams && needs_key;
    let lists = operation
        .parameters
        .iter()
        .flatten()
        .any(|one| matches!(one, RefOr::T(one) if one.name == "format"));
    let responses = &mut operation.responses.responses;
    let common = [
        (
            "400",
            "The head or a parameter will not do: `bad_request`, `invalid_parameter`",
            false,
        ),
        (
            "401",
            "No key that counts: `missing_api_key`, `invalid_api_key`",
            false,
        ),
        (
            "403",
            "The plan does not include this, or has lapsed: `subscription_required`, `subscription_expired`",
            false,
        ),
        (
            "413",
            "A larger body than any path takes: `payload_too_large`",
            false,
        ),
        (
            "429",
            "Too fast, or the plan's requests are used up: `rate_limited`",
            true,
        ),
        ("500", "Something failed here: `internal_error`", false),
        (
            "503",
            "Not now: `unavailable`, `overloaded`, `draining`",
            true,
        ),
    ];
    // of what says nothing of keys and plans, none of their refusals
    let common = common
        .into_iter()
        .filter(|(status, ..)| needs_key || !matches!(*status, "401" | "403" | "429"));
    for (status, about, later) in common {
        let known = responses.entry(status.to_owned());
        known.or_insert_with(|| RefOr::T(error(about, later)));
    }
    if matches!(method, "post" | "patch") {
        let about = "A body that is not JSON: `unsupported_media_type`";
        responses.insert("415".into(), RefOr::T(error(about, false)));
    }
    if tagged {
        let unchanged = ResponseBuilder::new().description("What the client has still holds");
        responses.insert("304".into(), RefOr::T(unchanged.build()));
    }
    for (status, response) in responses.iter_mut() {
        let RefOr::T(response) = response else {
            continue;
        };
        header(response, REQUEST_ID);
        if status != "401" {
            LIMITS.into_iter().for_each(|limit| header(response, limit));
        }
        if tagged && matches!(status.as_str(), "200" | "304") {
            header(response, TAGGED);
        }
        if status == "200" && lists {
            let text = ObjectBuilder::new().schema_type(Type::String);
            let file = ContentBuilder::new().schema(Some(text)).build();
            response.content.insert("text/csv".into(), RefOr::T(file));
        }
    }
}

fn requirement(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, Vec::<String>::new())
}

fn error(about: &str, later: bool) -> Response {
    let body = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Error")))
        .build();
    let mut response = ResponseBuilder::new()
        .description(about)
        .content("application/json", body)
        .build();
    if later {
        header(&mut response, RETRY);
    }
    response
}

fn header(response: &mut Response, (name, about): (&str, &str)) {
    let whole = name.ends_with("-Limit") || name.ends_with("-Remaining") || name == "Retry-After";
    let kind = if whole { Type::Integer } else { Type::String };
    let schema = ObjectBuilder::new().schema_type(kind);
    let described = HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(about))
        .build();
    response
        .headers
        .entry(name.to_owned())
        .or_insert(RefOr::T(described));
}
