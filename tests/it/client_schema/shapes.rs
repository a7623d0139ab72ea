//! The OpenAPI document as types of no language yet: what each operation answers, and the components that answers are made of.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Text,
    Whole,
    Number,
    Flag,
    Null,
    Any,
    /// An object of which the document says no more.
    Open,
    Words(Vec<String>),
    List(Box<Kind>),
    /// By names that are data.
    Map(Box<Kind>),
    Either(Vec<Kind>),
    /// A component; or a type that the libraries have by hand.
    Named(String),
    /// The same with `meta`.
    Answer(String),
    /// A page of a list of them.
    Listed(String),
}

/// A member of an object.
pub struct Field {
    pub name: String,
    pub about: String,
    pub kind: Kind,
    /// It is always there, if only as null.
    pub required: bool,
}

/// What a component is.
pub enum Body {
    Object {
        /// Components whose members it has as well.
        extends: Vec<String>,
        fields: Vec<Field>,
    },
    Other(Kind),
}

/// A component by its name.
pub struct Shape {
    pub name: String,
    pub about: String,
    pub body: Body,
}

/// What an operation answers.
pub struct Answer {
    /// `GET`
    pub method: String,
    pub path: String,
    pub kind: Kind,
}

/// All that is to be written.
pub struct Api {
    /// In the order of their paths.
    pub answers: Vec<Answer>,
    /// Each behind those that it is made of.
    pub shapes: Vec<Shape>,
    /// What pages of lists have but `items`.
    pub page: Vec<Field>,
    by_hand: BTreeSet<(&'static str, &'static str)>,
}

/// Components, the types by hand that are the same, and the files in which these are. Signals have them, too; and they say more.
const BY_HAND: [(&str, &str, &str); 12] = [
    ("Answer_Deliveries", "Deliveries", "rest"),
    ("CompanyInDeclaration", "CompanyBrief", "insider"),
    ("Direction", "Direction", "insider"),
    ("Factor", "Factor", "insider"),
    ("InsiderInDeclaration", "InsiderBrief", "insider"),
    ("LogPage", "SignalList", "rest"),
    ("Meta", "Meta", "rest"),
    ("Modifier", "Modifier", "insider"),
    ("Owner", "Owner", "insider"),
    ("StretchDigest", "Digest", "rest"),
    ("Transaction", "Transaction", "insider"),
    ("TransactionRow", "TransactionRow", "insider"),
];

/// What the document leaves open and is known by hand: members, and answers.
const LEFT_OPEN: [(&str, &str, &str); 2] = [
    ("/api/signals/{id}", "Signal", "signal"),
    ("Audit.inputs", "ScoreInputs", "insider"),
];

/// For whoever has no key: with the one that clients have, the reads themselves answer the same.
const WITHOUT_KEY: &str = "/api/v1/sandbox/";

const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];

impl Api {
    pub fn of(document: &Value) -> Self {
        let mut reading = Reading {
            schemas: &document["components"]["schemas"],
            seen: BTreeSet::new(),
            shapes: Vec::new(),
            page: Vec::new(),
            by_hand: BTreeSet::new(),
        };
        let mut answers = Vec::new();
        let paths = document["paths"].as_object().unwrap().iter();
        for (path, operations) in paths.filter(|(path, _)| !path.starts_with(WITHOUT_KEY)) {
            for method in METHODS {
                let Some(schema) = answered(&operations[method]) else {
                    continue;
                };
                let kind = reading.kind(schema);
                answers.push(Answer {
                    kind: reading.filled(path, kind),
                    method: method.to_uppercase(),
                    path: path.clone(),
                });
            }
        }
        Api {
            answers,
            shapes: reading.shapes,
            page: reading.page,
            by_hand: reading.by_hand,
        }
    }

    /// Types by hand that are named, by the file in which they are.
    pub fn by_hand(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (file, name) in &self.by_hand {
            files.entry(file).or_default().push(name);
        }
        files
    }
}

/// The JSON that an operation answers where all is well.
fn answered(operation: &Value) -> Option<&Value> {
    let responses = operation["responses"].as_object()?;
    let well = responses.iter().find(|(status, _)| status.starts_with('2'));
    let schema = &well?.1["content"]["application/json"]["schema"];
    (!schema.is_null()).then_some(schema)
}

/// The name of the component that a schema stands for.
fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// What an object is put together of, however that is nested.
fn parts(schema: &Value) -> Vec<&Value> {
    match schema["allOf"].as_array() {
        Some(all) => all.iter().flat_map(parts).collect(),
        None => vec![schema],
    }
}

/// What is said of a member, on it or on the one thing that it may be beside null.
fn about(schema: &Value) -> String {
    let options = schema["oneOf"].as_array().into_iter().flatten();
    let said = std::iter::once(schema)
        .chain(options)
        .find_map(|one| one["description"].as_str());
    said.unwrap_or_default().to_owned()
}

/// The document while it is gone through.
struct Reading<'a> {
    schemas: &'a Value,
    seen: BTreeSet<&'a str>,
    shapes: Vec<Shape>,
    page: Vec<Field>,
    by_hand: BTreeSet<(&'static str, &'static str)>,
}

impl<'a> Reading<'a> {
    fn kind(&mut self, schema: &'a Value) -> Kind {
        if let Some(name) = reference(schema) {
            return self.named(name);
        }
        if let Some(options) = schema["oneOf"].as_array() {
            return Kind::Either(options.iter().map(|one| self.kind(one)).collect());
        }
        if let Some(words) = schema["enum"].as_array() {
            let word = |word: &Value| word.as_str().unwrap().to_owned();
            return Kind::Words(words.iter().map(word).collect());
        }
        match &schema["type"] {
            Value::Null if ["allOf", "anyOf"].iter().all(|one| schema[one].is_null()) => Kind::Any,
            Value::Array(types) => {
                let types = types.iter().map(|one| self.plain(one, schema));
                Kind::Either(types.collect())
            }
            one => self.plain(one, schema),
        }
    }

    fn plain(&mut self, of_type: &Value, schema: &'a Value) -> Kind {
        match of_type.as_str() {
            Some("string") => Kind::Text,
            Some("integer") => Kind::Whole,
            Some("number") => Kind::Number,
            Some("boolean") => Kind::Flag,
            Some("null") => Kind::Null,
            Some("array") => Kind::List(Box::new(self.kind(&schema["items"]))),
            Some("object") if schema["additionalProperties"].is_object() => {
                Kind::Map(Box::new(self.kind(&schema["additionalProperties"])))
            }
            Some("object") if schema["properties"].is_null() => Kind::Open,
            _ => panic!("this needs a name of its own: {schema}"),
        }
    }

    fn named(&mut self, name: &'a str) -> Kind {
        if let Some((_, known, file)) = BY_HAND.iter().find(|(one, ..)| *one == name) {
            self.by_hand.insert((file, known));
            return Kind::Named((*known).to_owned());
        }
        if let Some(of) = name.strip_prefix("Answer_") {
            return self.answer(name, of);
        }
        if let Some(of) = name.strip_prefix("Listed_") {
            return self.listed(name, of);
        }
        self.take(name);
        Kind::Named(name.to_owned())
    }

    /// A component's members and `meta`: the document repeats them.
    fn answer(&mut self, name: &'a str, of: &'a str) -> Kind {
        let mut repeated = parts(&self.schemas[name]);
        let meta = repeated.pop().unwrap();
        assert!(
            meta["properties"]
                .as_object()
                .is_some_and(|all| all.len() == 1 && all.contains_key("meta")),
            "{name} does not end with `meta`"
        );
        self.same(&repeated, name, of);
        self.kind(&meta["properties"]["meta"]);
        self.take(of);
        Kind::Answer(of.to_owned())
    }

    fn listed(&mut self, name: &'a str, of: &'a str) -> Kind {
        let schema = &self.schemas[name];
        let items = parts(&schema["properties"]["items"]["items"]);
        self.same(&items, name, of);
        self.page = self.fields(name, schema, Some("items"));
        self.take(of);
        Kind::Listed(of.to_owned())
    }

    /// That what is repeated of a component is that component: two that share a name hide one another.
    fn same(&self, repeated: &[&Value], name: &str, of: &str) {
        let meant = parts(&self.schemas[of]);
        assert!(
            repeated == meant || repeated.iter().all(|one| reference(one) == Some(of)),
            "{name} is not made of {of}: do two components share that name?"
        );
    }

    fn take(&mut self, name: &'a str) {
        if !self.seen.insert(name) {
            return;
        }
        let schema = &self.schemas[name];
        assert!(schema.is_object(), "there is no component {name}");
        let body = match parts(schema)[..] {
            [one] if one["properties"].is_null() => Body::Other(self.kind(one)),
            ref parts => self.object(name, parts),
        };
        self.shapes.push(Shape {
            name: name.to_owned(),
            about: about(schema),
            body,
        });
    }

    fn object(&mut self, name: &str, parts: &[&'a Value]) -> Body {
        let (mut extends, mut fields) = (Vec::new(), Vec::new());
        for part in parts {
            match reference(part) {
                Some(other) => {
                    self.take(other);
                    extends.push(other.to_owned());
                }
                None => fields.extend(self.fields(name, part, None)),
            }
        }
        Body::Object { extends, fields }
    }

    /// All members but one, in the order in which they are written; behind them those that may be absent.
    fn fields(&mut self, of: &str, schema: &'a Value, but: Option<&str>) -> Vec<Field> {
        let nothing = Map::new();
        let required: Vec<&str> = match schema["required"].as_array() {
            Some(names) => names.iter().filter_map(Value::as_str).collect(),
            None => Vec::new(),
        };
        let place = |name: &str| required.iter().position(|one| *one == name);
        let members: &'a Value = &schema["properties"];
        let members = members.as_object().unwrap_or(&nothing);
        let mut names: Vec<&String> = members
            .keys()
            .filter(|name| Some(&***name) != but)
            .collect();
        names.sort_by_key(|name| place(name).unwrap_or(usize::MAX));
        let mut fields = Vec::new();
        for name in names {
            let member = &schema["properties"][name];
            let kind = self.kind(member);
            fields.push(Field {
                kind: self.filled(&format!("{of}.{name}"), kind),
                about: about(member),
                required: place(name).is_some(),
                name: name.clone(),
            });
        }
        fields
    }

    /// With the type by hand where the document leaves one open.
    fn filled(&mut self, place: &str, kind: Kind) -> Kind {
        let Some((_, known, file)) = LEFT_OPEN.iter().find(|(one, ..)| *one == place) else {
            return kind;
        };
        self.by_hand.insert((file, known));
        let named = Kind::Named((*known).to_owned());
        match kind {
            Kind::Open => named,
            Kind::Either(options) if options == [Kind::Open, Kind::Null] => {
                Kind::Either(vec![named, Kind::Null])
            }
            other => panic!("{place} is not left open: {other:?}"),
        }
    }
}
