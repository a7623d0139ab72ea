//! The OpenAPI document against what it describes: the routes, and what queries take.

use std::collections::BTreeSet;

use serde_json::Value;

use super::openapi;
use crate::gate::{
    digest_query::DigestQuery, list_query::ListQuery, pairs::QueryError, query::StreamQuery,
};

fn document() -> Value {
    serde_json::from_str(openapi::document()).unwrap()
}

/// Paths of the main listener that are no API: probes, and the description itself.
const UNDESCRIBED: [&str; 7] = [
    "/api/v1/{*nothing}",
    "/openapi.json",
    "/docs",
    "/docs/",
    "/docs/{file}",
    "/livez",
    "/readyz",
];

#[test]
fn every_route_is_described_and_every_description_routed() {
    let source = include_str!("router.rs");
    let main = source.split("/// The admin listener.").next().unwrap();
    let routed: BTreeSet<&str> = main
        .split(".route(")
        .skip(1)
        .filter_map(|rest| rest.split('"').nth(1))
        .filter(|path| !UNDESCRIBED.contains(path))
        // that a part may have slashes in it cannot be described
        .map(|path| match path {
            "/api/v1/sandbox/{*path}" => "/api/v1/sandbox/{path}",
            path => path,
        })
        .collect();
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    assert_eq!(routed, described);
    assert!(routed.len() >= 6);
}

fn described(path: &str) -> BTreeSet<String> {
    let document = document();
    let parameters = document["paths"][path]["get"]["parameters"]
        .as_array()
        .unwrap();
    parameters
        .iter()
        .filter(|parameter| parameter["in"] == "query")
        .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
        .collect()
}

/// A parameter that nobody knows is refused with the names of those that are known.
fn taken(refused: &QueryError) -> BTreeSet<String> {
    let names = refused.allowed.strip_prefix("the parameters ").unwrap();
    names.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_parameters_of_stream_and_log_are_those_that_they_take() {
    let stream = StreamQuery::parse("nonsense=1").unwrap_err();
    assert_eq!(described("/api/signals/stream"), taken(&stream));
    let list = ListQuery::parse("nonsense=1").unwrap_err();
    assert_eq!(described("/api/signals"), taken(&list));
    assert_eq!(described("/api/v1/deliveries"), taken(&list));
    let digest = DigestQuery::parse("nonsense=1").unwrap_err();
    assert_eq!(described("/api/signals/digest"), taken(&digest));
}

#[test]
fn what_all_have_in_common_is_there() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let me = &document["paths"]["/api/v1/me"]["get"];
    for status in ["200", "304", "400", "401", "403", "429", "500", "503"] {
        let response = &me["responses"][status];
        assert!(response["headers"]["X-Request-Id"].is_object(), "{status}");
        let told = response["headers"]["X-RateLimit-Remaining"].is_object();
        assert_eq!(told, status != "401", "{status}");
    }
    assert_eq!(me["security"].as_array().unwrap().len(), 2);
    let schema = &me["responses"]["200"]["content"]["application/json"]["schema"];
    let name = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
    let parts = document["components"]["schemas"][name].to_string();
    assert!(parts.contains("Meta") && parts.contains("Me"), "{parts}");
    let stream = &document["paths"]["/api/signals/stream"]["get"]["responses"];
    assert!(stream["200"]["content"]["text/event-stream"].is_object());
    assert_eq!(stream["304"], Value::Null);
}
