//! The API's types in TypeScript: `clients/node/src/payloads/api.ts`.

use serde_json::json;

use super::{
    shapes::{Api, Body, Field, Kind, Shape},
    text::{is_name, wrapped},
};

/// The file.
pub fn written(api: &Api) -> String {
    let mut text = String::from(
        "/** What the API answers. Written from the server's own description of itself, `/openapi.json`; not by hand. */\n\n",
    );
    for (file, names) in api.by_hand() {
        let names = names.join(", ");
        text += &format!("import type {{ {names} }} from \"./{file}.js\";\n");
    }
    text += "\n/** An object, and `meta` as its last member. */\nexport type Answer<T> = T & { meta: Meta };\n";
    text += "\n/** A page of a list. */\nexport interface Listed<T> {\n";
    text += &members(&api.page);
    text += "  items: T[];\n}\n";
    for shape in &api.shapes {
        text += "\n";
        text += &component(shape);
    }
    text += "\n/** What each read answers, by its path. */\nexport interface Reads {\n";
    for read in api.answers.iter().filter(|one| one.method == "GET") {
        text += &format!("  {}: {};\n", json!(read.path), kind(&read.kind));
    }
    text += "}\n\n/** Paths of reads without a parameter. */\n";
    text + "export type WholePath = Exclude<keyof Reads, `${string}{${string}`>;\n"
}

fn component(shape: &Shape) -> String {
    let name = &shape.name;
    let about = comment(&shape.about, "");
    match &shape.body {
        Body::Other(one) => format!("{about}export type {name} = {};\n", kind(one)),
        Body::Object { extends, fields } => {
            let behind = match &extends[..] {
                [] => String::new(),
                names => format!(" extends {}", names.join(", ")),
            };
            let members = members(fields);
            format!("{about}export interface {name}{behind} {{\n{members}}}\n")
        }
    }
}

fn members(fields: &[Field]) -> String {
    let member = |field: &Field| {
        let name = if is_name(&field.name) {
            field.name.clone()
        } else {
            json!(field.name).to_string()
        };
        let mark = if field.required { "" } else { "?" };
        let about = comment(&field.about, "  ");
        format!("{about}  {name}{mark}: {};\n", kind(&field.kind))
    };
    fields.iter().map(member).collect()
}

fn comment(about: &str, indent: &str) -> String {
    assert!(!about.contains("*/"), "{about}");
    match &wrapped(about, indent.len() + 3)[..] {
        [] => String::new(),
        [line] if indent.len() + line.len() <= 133 => format!("{indent}/** {line} */\n"),
        lines => {
            let line = |line: &String| format!("{indent} * {line}\n");
            let lines: String = lines.iter().map(line).collect();
            format!("{indent}/**\n{lines}{indent} */\n")
        }
    }
}

/// A type as it is written.
pub fn kind(of: &Kind) -> String {
    let all = |options: Vec<String>| options.join(" | ");
    match of {
        Kind::Text => "string".into(),
        Kind::Whole | Kind::Number => "number".into(),
        Kind::Flag => "boolean".into(),
        Kind::Null => "null".into(),
        Kind::Any => "unknown".into(),
        Kind::Open => "Record<string, unknown>".into(),
        Kind::Words(words) => all(words.iter().map(|word| json!(word).to_string()).collect()),
        Kind::List(one) => match &**one {
            Kind::Either(_) | Kind::Words(_) => format!("({})[]", kind(one)),
            one => format!("{}[]", kind(one)),
        },
        Kind::Map(one) => format!("Record<string, {}>", kind(one)),
        Kind::Either(options) => all(options.iter().map(kind).collect()),
        Kind::Named(name) => name.clone(),
        Kind::Answer(of) => format!("Answer<{of}>"),
        Kind::Listed(of) => format!("Listed<{of}>"),
    }
}
