//! A ready-made signal as an operator hands it in: checked, compacted, its id found or made, its bytes kept.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

/// No frame larger than this: every client measured takes 140 kB, some break on more.
pub const MAX_SIGNAL_BYTES: usize = 128 * 1024;

/// A signal that may be appended to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSignal {
    /// UUID, lower case.
    pub id: String,
    /// Compact JSON object that holds the id, and neither `seq` nor `published_at`.
    pub body: String,
}

/// Why a body is no signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Not JSON, or not an object.
    #[error("the signal is not a JSON object: {0}")]
    NotAnObject(String),
    /// `seq` and `published_at` are given by the log; a key may stand once.
    #[error("`{0}` must not be there: {1}")]
    Forbidden(&'static str, &'static str),
    /// The `id` is no UUID.
    #[error("`id` is not a UUID such as f3c7a1d2-8b4e-4d5f-9f2a-6e1c0d7a8b9f")]
    BadId,
    /// Too large for the clients.
    #[error("the signal is larger than {MAX_SIGNAL_BYTES} bytes")]
    TooLarge,
}

/// Checks and compacts a body. White space between tokens goes; order of keys, spelling of numbers and strings stay to the byte.
/// `make_id` gives the id where there is none; it is then put first.
pub fn prepare(text: &str, make_id: impl FnOnce() -> Uuid) -> Result<NewSignal, PublishError> {
    if text.len() > 2 * MAX_SIGNAL_BYTES {
        return Err(PublishError::TooLarge);
    }
    let reason = |e: serde_json::Error| PublishError::NotAnObject(e.to_string());
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = reader.deserialize_map(TopLevel).map_err(reason)?;
    reader.end().map_err(reason)?;
    if found.seq {
        return Err(PublishError::Forbidden("seq", "the log gives it"));
    }
    if found.published_at {
        return Err(PublishError::Forbidden("published_at", "the log gives it"));
    }
    let body = match found.ids.as_slice() {
        [] => {
            let id = make_id().hyphenated().to_string();
            let rest = compact(text.trim(), None);
            let comma = if rest == "{}" { "" } else { "," };
            NewSignal {
                body: format!("{{\"id\":\"{id}\"{comma}{}", &rest[1..]),
                id,
            }
        }
        [(id, at)] => {
            let id = id
                .as_deref()
                .and_then(lower_uuid)
                .ok_or(PublishError::BadId)?;
            NewSignal {
                body: compact(text, Some((*at, &id))),
                id,
            }
        }
        _ => return Err(PublishError::Forbidden("id", "it stands twice")),
    };
    if body.body.len() > MAX_SIGNAL_BYTES {
        return Err(PublishError::TooLarge);
    }
    Ok(body)
}

/// A hyphenated UUID in lower case, or nothing.
#[must_use]
pub fn lower_uuid(text: &str) -> Option<String> {
    if text.len() != 36 {
        return None;
    }
    Uuid::try_parse(text)
        .ok()
        .map(|id| id.hyphenated().to_string())
}

struct Found {
    /// Text (where it is one) and address of the raw value of every `id`.
    ids: Vec<(Option<String>, *const u8)>,
    seq: bool,
    published_at: bool,
}

struct TopLevel;

impl<'de> Visitor<'de> for TopLevel {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = Found {
            ids: Vec::new(),
            seq: false,
            published_at: false,
        };
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let value: &'de RawValue = map.next_value()?;
            match &*key {
                "id" => found
                    .ids
                    .push((serde_json::from_str(value.get()).ok(), value.get().as_ptr())),
                "seq" => found.seq = true,
                "published_at" => found.published_at = true,
                _ => {}
            }
        }
        Ok(found)
    }
}

/// Drops white space between tokens. `id`, where given, replaces the string that begins at that address.
fn compact(text: &str, id: Option<(*const u8, &str)>) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at);
                match id {
                    Some((begin, id)) if std::ptr::eq(begin, &bytes[at]) => {
                        out.push(b'"');
                        out.extend_from_slice(id.as_bytes());
                        out.push(b'"');
                    }
                    _ => out.extend_from_slice(&bytes[at..end]),
                }
                at = end;
            }
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    // proof: whole strings and single ASCII bytes of valid UTF-8 were copied, in order
    String::from_utf8(out).unwrap_or_default()
}

/// One past the closing quote of the string that opens at `begin`; the text was parsed before, so there is one.
fn string_end(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "f3c7a1d2-8b4e-4d5f-9f2a-6e1c0d7a8b9f";

    fn prepared(text: &str) -> Result<NewSignal, PublishError> {
        prepare(text, || Uuid::parse_str(ID).unwrap())
    }

    #[test]
    fn keeps_spelling_and_order() {
        let text = format!(
            "{{ \"z\" : 1.50,\n\t\"id\": \"{}\", \"a\\u0041\":[ 1e2 , \"  spaced  \" ] }}",
            ID.to_uppercase()
        );
        let signal = prepared(&text).unwrap();
        assert_eq!(signal.id, ID);
        assert_eq!(
            signal.body,
            format!("{{\"z\":1.50,\"id\":\"{ID}\",\"a\\u0041\":[1e2,\"  spaced  \"]}}")
        );
    }

    #[test]
    fn makes_an_id_and_puts_it_first() {
        assert_eq!(
            prepared(" {\"a\":1} ").unwrap().body,
            format!("{{\"id\":\"{ID}\",\"a\":1}}")
        );
        assert_eq!(prepared("{}").unwrap().body, format!("{{\"id\":\"{ID}\"}}"));
    }

    #[test]
    fn refuses_what_is_ours_or_nonsense() {
        for bad in [
            "[]",
            "1",
            "",
            "{",
            "{\"a\":1} x",
            "{\"seq\":1}",
            "{\"s\\u0065q\":1}",
            "{\"published_at\":\"x\"}",
            "{\"id\":null}",
            "{\"id\":7}",
            "{\"id\":\"x\"}",
        ] {
            assert!(prepared(bad).is_err(), "{bad}");
        }
        assert!(
            prepared(&format!("{{\"id\":\"{ID}\",\"id\":\"{ID}\"}}")).is_err(),
            "twice"
        );
        let nested = format!("{{\"id\":\"{ID}\",\"inner\":{{\"seq\":1,\"id\":\"kept\"}}}}");
        assert_eq!(prepared(&nested).unwrap().body, nested);
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_SIGNAL_BYTES));
        assert_eq!(prepared(&large), Err(PublishError::TooLarge));
    }

    proptest! {
        #[test]
        fn never_panics_and_what_passes_is_one_line_of_json(text in "\\PC{0,60}") {
            if let Ok(signal) = prepared(&text) {
                let value: serde_json::Value = serde_json::from_str(&signal.body).unwrap();
                prop_assert!(value.is_object());
                prop_assert!(!signal.body.contains('\n'));
            }
        }
    }
}
