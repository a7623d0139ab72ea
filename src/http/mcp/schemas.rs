//! What tools take and give, as JSON Schema: cut out of the OpenAPI document, so that both say the same of the same reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

use crate::http::openapi;

/// A parameter of a read.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// Its name.
    pub name: String,
    /// A part of the path rather than of the query.
    pub in_path: bool,
    /// It must be there.
    pub required: bool,
    /// What it takes, and what it does.
    pub schema: Value,
}

/// Files are for programs.
const LEFT_OUT: [&str; 1] = ["format"];
const OF_COMPONENTS: &str = "#/components/schemas/";
/// What every answer ends with: of little use to a model, and a kilobyte in each of the schemas.
const META: &str = "Meta";
const ABOUT_META: &str = "How fresh the data is, and the request's id.";

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    // proof: the document is JSON that this program has just written
    DOCUMENT.get_or_init(|| serde_json::from_str(openapi::document()).unwrap_or_default())
}

fn operation(path: &str) -> &'static Value {
    &document()["paths"][path]["get"]
}

/// What a read takes, in the order of its table.
#[must_use]
pub fn taken(path: &str) -> Vec<Taken> {
    let all = operation(path)["parameters"].as_array();
    let pairs = all.into_iter().flatten().map(|one| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let mut schema = one["schema"].clone();
        plain(&mut schema);
        let about = match schema["description"].as_str() {
            Some(more) => format!("{}. {more}.", text("description")),
            None => format!("{}.", text("description")),
        };
        schema["description"] = about
            .replace("`/api/v1/markets` lists", "`list_markets` lists")
            .into();
        Taken {
            name: text("name"),
            in_path: one["in"] == "path",
            required: one["required"] == true,
            schema,
        }
    });
    let of_models = |one: &Taken| !LEFT_OUT.contains(&&*one.name);
    // what `from` says as well
    let mut all: Vec<Taken> = pairs.filter(of_models).collect();
    if all.iter().any(|one| one.name == "from") {
        all.retain(|one| one.name != "since");
    }
    all
}

/// An object with these members and no others.
#[must_use]
pub fn input(taken: &[Taken]) -> JsonObject {
    let properties: Map<String, Value> = taken
        .iter()
        .map(|one| (one.name.clone(), one.schema.clone()))
        .collect();
    let required: Vec<&str> = taken
        .iter()
        .filter(|one| one.required)
        .map(|one| one.name.as_str())
        .collect();
    let mut schema = Map::new();
    schema.insert("type".into(), json!("object"));
    schema.insert("properties".into(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    schema.insert("additionalProperties".into(), json!(false));
    schema
}

/// What a read answers.
#[must_use]
pub fn output(path: &str) -> JsonObject {
    let mut defs = BTreeMap::new();
    let mut schema = answer(path);
    // a schema that only names another is that other one: at the root an object has to be seen to be one
    while let Some(name) = component(&schema["$ref"]) {
        schema = document()["components"]["schemas"][name].clone();
    }
    finish(&mut schema, &mut defs);
    root(schema, defs)
}

/// An object with some reads' answers as its members.
#[must_use]
pub fn joined(parts: &[(&str, &str)]) -> JsonObject {
    let mut defs = BTreeMap::new();
    let mut properties = Map::new();
    for (name, path) in parts {
        let mut schema = answer(path);
        finish(&mut schema, &mut defs);
        properties.insert((*name).to_owned(), schema);
    }
    let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
    root(json!({"properties": properties, "required": names}), defs)
}

fn answer(path: &str) -> Value {
    operation(path)["responses"]["200"]["content"]["application/json"]["schema"].clone()
}

fn root(schema: Value, defs: BTreeMap<String, Value>) -> JsonObject {
    let Value::Object(mut schema) = schema else {
        return Map::new();
    };
    schema.insert("type".into(), json!("object"));
    if !defs.is_empty() {
        schema.insert("$defs".into(), json!(defs));
    }
    schema
}

fn component(reference: &Value) -> Option<&str> {
    reference.as_str()?.strip_prefix(OF_COMPONENTS)
}

/// Points references at the definitions that go along, and gathers those.
fn finish(schema: &mut Value, defs: &mut BTreeMap<String, Value>) {
    plain(schema);
    match schema {
        Value::Object(members) => {
            if let Some(name) = members.get("$ref").and_then(component).map(str::to_owned) {
                if name == META {
                    members.clear();
                    members.insert("type".into(), json!("object"));
                    members.insert("description".into(), json!(ABOUT_META));
                    return;
                }
                let named = &document()["components"]["schemas"][&name];
                if !named["enum"].is_null() {
                    // a few words are shorter where they are used than by a name
                    members.remove("$ref");
                    members.insert("type".into(), json!("string"));
                    members.insert("enum".into(), named["enum"].clone());
                    return;
                }
                members.insert("$ref".into(), json!(format!("#/$defs/{name}")));
                if !defs.contains_key(&name) {
                    let mut found = named.clone();
                    // before its own references, which may lead back to it
                    defs.insert(name.clone(), Value::Null);
                    finish(&mut found, defs);
                    defs.insert(name, found);
                }
            }
            members.values_mut().for_each(|one| finish(one, defs));
        }
        Value::Array(items) => items.iter_mut().for_each(|one| finish(one, defs)),
        _ => {}
    }
}

/// What was said already: of a member by its name.
pub type Said = BTreeSet<(String, String)>;

/// Takes off what was said of a member before. Schemas are read together, by a model for which each word of them has a price.
pub fn say_once(schema: &mut JsonObject, said: &mut Said) {
    for (key, value) in schema {
        match (key.as_str(), value) {
            ("properties" | "$defs", Value::Object(named)) => {
                for (name, one) in named {
                    let Value::Object(one) = one else { continue };
                    let about = one.get("description").and_then(Value::as_str);
                    let about = about.map(|about| (name.clone(), about.to_owned()));
                    if about.is_some_and(|about| !said.insert(about)) {
                        one.remove("description");
                    }
                    say_once(one, said);
                }
            }
            (_, Value::Object(one)) => say_once(one, said),
            (_, Value::Array(all)) => {
                let schemas = all.iter_mut().filter_map(Value::as_object_mut);
                schemas.for_each(|one| say_once(one, said));
            }
            _ => {}
        }
    }
}

/// Takes off what only OpenAPI knows: an example, and the formats of numbers.
fn plain(schema: &mut Value) {
    let Value::Object(members) = schema else {
        return;
    };
    let is_schema = members.get("type").is_some_and(|kind| !kind.is_object());
    if is_schema {
        members.remove("example");
        let format = members.get("format").and_then(Value::as_str);
        if format.is_some_and(|format| format.starts_with("int") || format == "double") {
            members.remove("format");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reference of a schema leads somewhere in it.
    fn check_references(schema: &Value, root: &JsonObject) {
        match schema {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    let name = reference.strip_prefix("#/$defs/").expect(reference);
                    assert!(root["$defs"][name].is_object(), "{reference}");
                }
                members.values().for_each(|one| check_references(one, root));
            }
            Value::Array(items) => items.iter().for_each(|one| check_references(one, root)),
            _ => {}
        }
    }

    #[test]
    fn outputs_are_objects_that_hold_all_they_name() {
        for path in [
            "/api/v1/declarations",
            "/api/v1/declarations/{amfId}",
            "/api/v1/declarations/{amfId}/score",
            "/api/v1/signals",
            "/api/signals",
            "/api/signals/{id}",
            "/api/v1/companies/{slug}/net-flow",
            "/api/v1/markets",
            "/api/v1/backtest",
            "/api/v1/me",
        ] {
            let schema = output(path);
            assert_eq!(schema["type"], "object", "{path}");
            check_references(&json!(schema), &schema);
            let text = json!(schema).to_string();
            assert!(!text.contains(OF_COMPONENTS), "{path}");
            assert!(!text.contains("latencyMs"), "{path}");
        }
        let schema = joined(&[("company", "/api/v1/companies/{slug}")]);
        check_references(&json!(schema), &schema);
        assert_eq!(schema["required"], json!(["company"]));
    }

    #[test]
    fn inputs_are_the_parameters_of_reads() {
        let taken = taken("/api/v1/declarations");
        let schema = input(&taken);
        let limit = &schema["properties"]["limit"];
        assert_eq!(
            (&limit["type"], &limit["maximum"]),
            (&json!("integer"), &json!(200))
        );
        assert!(limit.get("format").is_none());
        assert_eq!(schema["additionalProperties"], false);
        assert!(schema.get("required").is_none());
        for absent in ["format", "since"] {
            assert!(schema["properties"].get(absent).is_none(), "{absent}");
        }
        let one = super::taken("/api/v1/declarations/{amfId}");
        assert!(one[0].in_path && one[0].required);
        assert_eq!(input(&one)["required"], json!(["amfId"]));
        // the log's `since` has no `from` beside it
        assert!(
            super::taken("/api/signals")
                .iter()
                .any(|one| one.name == "since")
        );
    }
}
