//! The types of the API's answers in the client libraries, written from the server's OpenAPI document.

mod python;
mod shapes;
mod text;
mod typescript;

use std::{env, fs, path::Path};

use serde_json::{Value, json};
use shapes::Api;
use sigcast::http::openapi;

/// Whoever changes an answer sets this, and has the files written.
const WRITE: &str = "WRITE_CLIENT_TYPES";

fn both(document: &Value) -> [(&'static str, String); 2] {
    let api = Api::of(document);
    [
        (
            "clients/node/src/payloads/api.ts",
            typescript::written(&api),
        ),
        (
            "clients/python/src/sigcast/payloads/api.py",
            python::written(&api),
        ),
    ]
}

fn document() -> Value {
    serde_json::from_str(openapi::document()).unwrap()
}

/// The paths of all that is read.
pub fn reads() -> Vec<String> {
    let answers = Api::of(&document()).answers.into_iter();
    answers
        .filter(|one| one.method == "GET")
        .map(|one| one.path)
        .collect()
}

#[test]
fn they_are_what_the_document_says() {
    for (path, text) in both(&document()) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if env::var_os(WRITE).is_some() {
            fs::write(&file, &text).unwrap();
        }
        assert!(
            fs::read_to_string(&file).is_ok_and(|there| there == text),
            "{path} is not what /openapi.json says. To have it written: {WRITE}=1 cargo test --locked --test it client_schema"
        );
    }
}

/// With all that a document may hold.
fn small() -> Value {
    let answer = |schema: Value| json!({"responses": {"200": {"content": {"application/json": {"schema": schema}}}}});
    let component = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let text = json!({"type": "string"});
    let den = json!({
        "type": "object", "required": ["from", "depth"],
        "properties": {
            "depth": {"type": "number", "description": "In metres:\nit is measured."},
            "from": {"type": ["string", "null"], "format": "date"},
        },
    });
    let otter = json!({
        "type": "object", "description": "An otter.", "required": ["name", "mood"],
        "properties": {
            "friends": {"type": "array", "items": {"type": ["string", "null"]}},
            "mood": {"oneOf": [{"$ref": "#/components/schemas/Mood", "description": "Today."}, {"type": "null"}]},
            "name": text,
            "toys": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    });
    let meta =
        json!({"type": "object", "required": ["meta"], "properties": {"meta": component("Meta")}});
    json!({
        "paths": {
            "/otters": {"get": answer(component("Listed_Otter"))},
            "/otters/{name}": {"get": answer(component("Answer_Otter")), "delete": {"responses": {"204": {}}}},
            "/otters/{name}/den": {"post": answer(component("Den"))},
        },
        "components": {"schemas": {
            "Answer_Otter": {"allOf": [otter, meta]},
            "Den": den,
            "Listed_Otter": {
                "type": "object", "required": ["total", "items", "meta"],
                "properties": {
                    "items": {"type": "array", "items": otter}, "meta": component("Meta"), "total": {"type": "integer"},
                },
            },
            "Meta": {"type": "object"},
            "Mood": {"type": "string", "enum": ["merry", "asleep"]},
            "Otter": otter,
        }},
    })
}

#[test]
fn each_part_of_a_document_is_told_in_both_languages() {
    let [(_, node), (_, python)] = both(&small());
    for part in [
        "import type { Meta } from \"./rest.js\";\n",
        "export type Mood = \"merry\" | \"asleep\";\n",
        "/** An otter. */\nexport interface Otter {\n  name: string;\n  /** Today. */\n  mood: Mood | null;\n  \
         friends?: (string | null)[];\n  toys?: Record<string, number>;\n}\n",
        "export interface Den {\n  from: string | null;\n  /** In metres: it is measured. */\n  depth: number;\n}\n",
        "export interface Listed<T> {\n  total: number;\n  meta: Meta;\n  items: T[];\n}\n",
        "export interface Reads {\n  \"/otters\": Listed<Otter>;\n  \"/otters/{name}\": Answer<Otter>;\n}\n",
    ] {
        assert!(node.contains(part), "{part}\nis not in\n{node}");
    }
    for part in [
        "from typing import Literal, TypedDict\n\nfrom .rest import (\n    Meta as Meta,\n)\n",
        "Mood = Literal[\"merry\", \"asleep\"]\n",
        "class _Otter(TypedDict):\n    name: str\n    mood: Mood | None\n    \"\"\"Today.\"\"\"\n",
        "class Otter(_Otter, total=False):\n    \"\"\"An otter.\"\"\"\n\n    friends: list[str | None]\n    toys: dict[str, int]\n",
        "Den = TypedDict(\n    \"Den\",\n    {\n        \"from\": str | None,\n        # In metres: it is measured.\n        \"depth\": float,\n    },\n)\n",
        "class OtterList(_Page):\n    items: list[Otter]\n",
        "class OtterAnswer(Otter):\n    meta: Meta\n",
        "        \"/otters\": OtterList,\n        \"/otters/{name}\": OtterAnswer,\n    },\n",
    ] {
        assert!(python.contains(part), "{part}\nis not in\n{python}");
    }
}

#[test]
#[should_panic(expected = "do two components share that name?")]
fn components_of_one_name_are_found_out() {
    let mut document = small();
    document["components"]["schemas"]["Otter"]["properties"]["name"] = json!({"type": "integer"});
    both(&document);
}
