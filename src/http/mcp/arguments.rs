//! A tool's arguments as the path and query of a read.

use rmcp::model::JsonObject;
use serde_json::{Number, Value};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::schemas::Taken;
use crate::http::error::{ApiError, ApiResult};

/// How many items a tool gives where nothing is said, and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Where nothing is said.
    pub default: u64,
    /// At most. REST gives more at once; a model has to read all that it is given.
    pub most: u64,
}

/// Arguments as texts, by name, in the order in which they are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments(Vec<(String, String)>);

impl Arguments {
    /// Reads what was said: what is unknown, or no text, number or flag, is refused by its name, as REST does. What else there is to say of
    /// a value is said by the read.
    pub fn read(
        said: Option<&JsonObject>,
        taken: &[Taken],
        limit: Option<Limit>,
    ) -> ApiResult<Self> {
        let said = said.into_iter().flatten();
        let mut read = Vec::new();
        for (name, value) in said {
            if !taken.iter().any(|one| one.name == *name) {
                return Err(ApiError::parameter(name, &shown(value), &names(taken)));
            }
            if let Some(text) = text(name, value)? {
                read.push((name.clone(), text));
            }
        }
        let mut arguments = Arguments(read);
        let said = |one: &Taken| {
            let text = arguments.get(&one.name);
            text.is_some_and(|text| !text.trim().is_empty())
        };
        let missing = |one: &&Taken| one.required && !said(one);
        if let Some(missing) = taken.iter().find(missing) {
            let about = missing.schema["description"].as_str().unwrap_or_default();
            let about = about.trim_end_matches('.');
            let allowed = format!("it must be there: {about}");
            return Err(ApiError::parameter(&missing.name, "", &allowed));
        }
        if let Some(limit) = limit {
            arguments.bound(limit)?;
        }
        Ok(arguments)
    }

    /// What was said under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(one, _)| one == name);
        found.map(|(_, text)| text.as_str())
    }

    /// The same with one more, in the place of any of its name.
    #[must_use]
    pub fn with(mut self, name: &str, text: &str) -> Self {
        self.0.retain(|(one, _)| one != name);
        self.0.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Those of these names alone.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        let named = self.0.iter().filter(|(name, _)| names.contains(&&**name));
        Arguments(named.cloned().collect())
    }

    /// Says how many items there are to be.
    fn bound(&mut self, limit: Limit) -> ApiResult<()> {
        match self.get("limit").map(|text| (text.parse::<u64>(), text)) {
            None => self.0.push(("limit".into(), limit.default.to_string())),
            Some((Ok(1..), text)) if text.parse::<u64>().is_ok_and(|n| n <= limit.most) => {}
            Some((_, text)) => {
                let allowed = format!("a whole number from 1 to {}", limit.most);
                return Err(ApiError::parameter("limit", text, &allowed));
            }
        }
        Ok(())
    }

    /// Path and query of a read whose path has places in braces.
    #[must_use]
    pub fn fill(&self, path: &str) -> String {
        let mut filled = path.to_owned();
        let mut query = Serializer::new(String::new());
        for (name, text) in &self.0 {
            let place = format!("{{{name}}}");
            if filled.contains(&place) {
                filled = filled.replace(&place, &segment(text));
            } else {
                query.append_pair(name, text);
            }
        }
        let query = query.finish();
        if query.is_empty() {
            return filled;
        }
        format!("{filled}?{query}")
    }
}

/// A text as one segment of a path.
fn segment(text: &str) -> String {
    let encoded: String = byte_serialize(text.as_bytes()).collect();
    encoded.replace('+', "%20")
}

/// `null` says nothing, as many a model has it.
fn text(name: &str, value: &Value) -> ApiResult<Option<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(whole(number).unwrap_or_else(|| number.to_string())),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    let said = match value {
        Value::Null => return Ok(None),
        Value::Array(items) if items.is_empty() => return Ok(None),
        Value::Array(items) => {
            let texts: Option<Vec<String>> = items.iter().map(one).collect();
            texts.map(|texts| texts.join(","))
        }
        value => one(value),
    };
    let allowed = "a text, a number, true or false";
    said.map(Some)
        .ok_or_else(|| ApiError::parameter(name, &shown(value), allowed))
}

/// `10.0` is a whole number, as JSON Schema has it, and is written as one.
fn whole(number: &Number) -> Option<String> {
    const MOST_EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    let number = number.as_f64().filter(|_| number.is_f64())?;
    (number.fract() == 0.0 && number.abs() <= MOST_EXACT).then(|| format!("{number:.0}"))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn names(taken: &[Taken]) -> String {
    let names: Vec<&str> = taken.iter().map(|one| one.name.as_str()).collect();
    match names.is_empty() {
        true => "nothing".to_owned(),
        false => format!("one of {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::schemas::taken, *};
    use proptest::prelude::*;
    use serde_json::json;

    const LIST: &str = "/api/v1/declarations";
    const ONE: &str = "/api/v1/declarations/{amfId}";
    const LIMIT: Limit = Limit {
        default: 10,
        most: 50,
    };

    fn read(path: &str, said: &Value, limit: Option<Limit>) -> ApiResult<Arguments> {
        Arguments::read(said.as_object(), &taken(path), limit)
    }

    #[test]
    fn arguments_become_a_read() {
        let list = json!({
            "company": "L'Oréal & fils", "minScore": 50.5, "cluster": true, "offset": 20, "market": null,
            "include": ["backtest"],
        });
        // a whole number is one however it is written, and a list of nothing says nothing
        let same = json!({"offset": 20.0, "include": []});
        let plain = read(LIST, &json!({"offset": 20}), None).unwrap();
        assert_eq!(read(LIST, &same, None).unwrap(), plain);
        let filled = read(LIST, &list, Some(LIMIT)).unwrap().fill(LIST);
        assert_eq!(
            filled,
            "/api/v1/declarations?cluster=true&company=L%27Or%C3%A9al+%26+fils&include=backtest&minScore=50.5&offset=20&limit=10"
        );
        let one = json!({"amfId": "SEC:1/2 ?#%", "asOf": "2026-04-24"});
        assert_eq!(
            read(ONE, &one, None).unwrap().fill(ONE),
            "/api/v1/declarations/SEC%3A1%2F2%20%3F%23%25?asOf=2026-04-24"
        );
        let none = read("/api/v1/me", &json!({}), None).unwrap();
        assert_eq!(none.fill("/api/v1/me"), "/api/v1/me");
    }

    #[test]
    fn what_will_not_do_is_refused_by_name() {
        for (path, said, parameter) in [
            (LIST, json!({"colour": "red"}), "colour"),
            (LIST, json!({"format": "csv"}), "format"),
            (LIST, json!({"market": {"a": 1}}), "market"),
            (LIST, json!({"market": [["us"]]}), "market"),
            (LIST, json!({"limit": 51}), "limit"),
            (LIST, json!({"limit": 10.5}), "limit"),
            (LIST, json!({"limit": 0}), "limit"),
            (LIST, json!({"limit": "many"}), "limit"),
            (ONE, json!({}), "amfId"),
            (ONE, json!({"amfId": null}), "amfId"),
        ] {
            let limit = (path == LIST).then_some(LIMIT);
            let refused = read(path, &said, limit).unwrap_err();
            assert_eq!(
                refused.body()["error"]["details"]["parameter"],
                parameter,
                "{said}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_a_path(id in "\\PC{1,40}", words in "\\PC{0,40}") {
            let said = json!({"amfId": id, "asOf": words});
            let filled = read(ONE, &said, None).unwrap().fill(ONE);
            let uri: axum::http::Uri = filled.parse().unwrap();
            prop_assert_eq!(uri.path().matches('/').count(), 4);
        }
    }
}
