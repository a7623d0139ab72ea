//! The API's types in Python: `clients/python/src/sigcast/payloads/api.py`. Python 3.10 knows neither single members that may be absent nor
//! dictionaries of any type: inheritance stands for both.

use serde_json::json;

use super::{
    shapes::{Api, Body, Field, Kind, Shape},
    text::{is_name, wrapped},
};

/// What members are called and the language keeps for itself.
const WORDS: [&str; 5] = ["class", "from", "in", "is", "return"];
/// What every dictionary is.
const BASE: &str = "TypedDict";

/// The file.
pub fn written(api: &Api) -> String {
    let mut types: Vec<String> = api.shapes.iter().map(component).collect();
    types.push(object(
        "_Page",
        "A page of a list.",
        &[BASE.into()],
        &api.page,
    ));
    for answer in &api.answers {
        let (base, member, of) = match &answer.kind {
            Kind::Answer(of) => (of.clone(), "meta", Kind::Named("Meta".into())),
            Kind::Listed(of) => {
                let items = Kind::List(Box::new(Kind::Named(of.clone())));
                ("_Page".to_owned(), "items", items)
            }
            _ => continue,
        };
        let made = object(&kind(&answer.kind), "", &[base], &[always(member, of)]);
        if !types.contains(&made) {
            types.push(made);
        }
    }
    let reads = api.answers.iter().filter(|one| one.method == "GET");
    let reads: Vec<Field> = reads
        .map(|one| always(&one.path, one.kind.clone()))
        .collect();
    types.push(object(
        "Reads",
        "What each read answers, by its path.",
        &[BASE.into()],
        &reads,
    ));
    let types = types.join("\n\n");

    let mut text = String::from(
        "\"\"\"What the API answers. Written from the server's own description of itself, `/openapi.json`; not by hand.\"\"\"\n\n\
         from __future__ import annotations\n\n",
    );
    let used = |(mark, _): &(&str, &str)| types.contains(mark);
    let typing = [("Any]", "Any"), ("Literal[", "Literal"), (BASE, BASE)];
    let typing: Vec<&str> = typing
        .into_iter()
        .filter(used)
        .map(|(_, name)| name)
        .collect();
    text += &format!("from typing import {}\n\n", typing.join(", "));
    for (file, names) in api.by_hand() {
        // by another name, if by the same one: only so are they this file's as well, for whoever checks types strictly
        let names: Vec<String> = names
            .iter()
            .map(|name| format!("    {name} as {name},\n"))
            .collect();
        text += &format!("from .{file} import (\n{})\n", names.concat());
    }
    format!("{text}\n\n{types}")
}

fn always(name: &str, kind: Kind) -> Field {
    Field {
        name: name.into(),
        about: String::new(),
        kind,
        required: true,
    }
}

fn component(shape: &Shape) -> String {
    let name = &shape.name;
    match &shape.body {
        Body::Other(one) => format!("{name} = {}\n{}", kind(one), comment(&shape.about, "")),
        Body::Object { extends, fields } if extends.is_empty() => {
            object(name, &shape.about, &[BASE.into()], fields)
        }
        Body::Object { extends, fields } => object(name, &shape.about, extends, fields),
    }
}

fn object(name: &str, about: &str, bases: &[String], fields: &[Field]) -> String {
    let as_they_are = |field: &Field| is_name(&field.name) && !WORDS.contains(&&*field.name);
    if !fields.iter().all(as_they_are) {
        return by_call(name, about, bases, fields);
    }
    let (always, else_absent): (Vec<_>, Vec<_>) = fields.iter().partition(|field| field.required);
    let bases = bases.join(", ");
    if else_absent.is_empty() {
        return class(name, about, &bases, &always);
    }
    let part = format!("_{name}");
    let first = class(&part, "", &bases, &always);
    let second = class(name, about, &format!("{part}, total=False"), &else_absent);
    format!("{first}\n\n{second}")
}

fn class(name: &str, about: &str, bases: &str, fields: &[&Field]) -> String {
    let mut lines = comment(about, "    ");
    if !lines.is_empty() && !fields.is_empty() {
        lines.push('\n');
    }
    for field in fields {
        lines += &format!("    {}: {}\n", field.name, kind(&field.kind));
        lines += &comment(&field.about, "    ");
    }
    if lines.is_empty() {
        lines.push_str("    pass\n");
    }
    format!("class {name}({bases}):\n{lines}")
}

/// Where the language keeps a member's name for itself, or has none like it.
fn by_call(name: &str, about: &str, bases: &[String], fields: &[Field]) -> String {
    assert!(
        bases == [BASE] && fields.iter().all(|field| field.required),
        "{name} has names that no class can have, and more than a call can say"
    );
    let member = |field: &Field| {
        let said = wrapped(&field.about, 10);
        let said: String = said
            .iter()
            .map(|line| format!("        # {line}\n"))
            .collect();
        format!(
            "{said}        {}: {},\n",
            json!(field.name),
            kind(&field.kind)
        )
    };
    let members: String = fields.iter().map(member).collect();
    let (quoted, about) = (json!(name), comment(about, ""));
    format!("{name} = {BASE}(\n    {quoted},\n    {{\n{members}    }},\n)\n{about}")
}

fn comment(about: &str, indent: &str) -> String {
    assert!(
        !about.contains("\"\"\"") && !about.contains('\\') && !about.ends_with('"'),
        "{about}"
    );
    let lines = wrapped(about, indent.len() + 6);
    if lines.is_empty() {
        return String::new();
    }
    let lines = lines.join(&format!("\n{indent}"));
    format!("{indent}\"\"\"{lines}\"\"\"\n")
}

/// A type as it is written.
pub fn kind(of: &Kind) -> String {
    match of {
        Kind::Text => "str".into(),
        Kind::Whole => "int".into(),
        Kind::Number => "float".into(),
        Kind::Flag => "bool".into(),
        Kind::Null => "None".into(),
        Kind::Any => "Any".into(),
        Kind::Open => "dict[str, Any]".into(),
        Kind::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| json!(word).to_string()).collect();
            format!("Literal[{}]", words.join(", "))
        }
        Kind::List(one) => format!("list[{}]", kind(one)),
        Kind::Map(one) => format!("dict[str, {}]", kind(one)),
        Kind::Either(options) => options.iter().map(kind).collect::<Vec<_>>().join(" | "),
        Kind::Named(name) => name.clone(),
        Kind::Answer(of) => format!("{of}Answer"),
        Kind::Listed(of) => format!("{of}List"),
    }
}
