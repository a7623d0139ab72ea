//! A ready-made signal as an operator hands it in: checked, compacted, its id found or made, its bytes kept.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

/// No frame larger than this: every client measured takes 140 kB, some break on more.
pub const MAX_SIGNAL_BYTES: usize = 128 * 1024;
/// As it is handed in, with its white space.
pub const MAX_TEXT_BYTES: usize = 1_000_000;
/// Objects and lists within each other, the signal itself among them: common readers give up at 100 and more.
pub const MAX_DEPTH: usize = 64;

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
    /// Common readers refuse it, or crash.
    #[error("the signal is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Half a character: valid by the grammar of JSON, and refused by most readers.
    #[error("a text holds half of a surrogate pair, `{0}`")]
    LoneSurrogate(String),
    /// Infinite where numbers are doubles, as in most readers.
    #[error("the number {0}… is beyond the range of a double (about 1.8e308)")]
    NumberTooLarge(String),
    /// Too large for the clients.
    #[error("the signal is larger than {MAX_SIGNAL_BYTES} bytes")]
    TooLarge,
}

/// Checks and compacts a body. White space between tokens goes; order of keys, spelling of numbers and strings stay to the byte.
/// `make_id` gives the id where there is none; it is then put first.
pub fn prepare(text: &str, make_id: impl FnOnce() -> Uuid) -> Result<NewSignal, PublishError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(PublishError::TooLarge);
    }
    let reason = |e: serde_json::Error| PublishError::NotAnObject(e.to_string());
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = reader.deserialize_map(TopLevel).map_err(reason)?;
    reader.end().map_err(reason)?;
    check_readable(text)?;
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

/// Refuses what the grammar of JSON allows and readers do not take: a signal that a client cannot read stops it for good, as it
/// comes again with every reconnect. The text was parsed before.
fn check_readable(text: &str) -> Result<(), PublishError> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at);
                check_escapes(&bytes[at..end])?;
                at = end;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'-' | b'0'..=b'9' => {
                let rest = &text[at..];
                let is_part = |b: &u8| b.is_ascii_digit() || b"+-.eE".contains(b);
                let length = rest.bytes().take_while(is_part).count();
                let number = &rest[..length];
                if !number.parse::<f64>().is_ok_and(f64::is_finite) {
                    let shown = number.chars().take(20).collect();
                    return Err(PublishError::NumberTooLarge(shown));
                }
                at += length;
                continue;
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(PublishError::TooDeep);
        }
        at += 1;
    }
    Ok(())
}

/// Every `\\u` escape of a surrogate must be the half of a pair.
fn check_escapes(string: &[u8]) -> Result<(), PublishError> {
    let unit = |at: usize| {
        let digits = string.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = 0;
    while at < string.len() {
        if string[at] != b'\\' {
            at += 1;
            continue;
        }
        at += match (unit(at), unit(at + 6)) {
            (None, _) => 2,
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(half @ 0xD800..=0xDFFF), _) => {
                return Err(PublishError::LoneSurrogate(format!("\\u{half:04x}")));
            }
            (Some(_), _) => 6,
        };
    }
    Ok(())
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

    #[test]
    fn refuses_what_readers_do_not_take() {
        let nested = |n| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert_eq!(prepared(&nested(MAX_DEPTH)), Err(PublishError::TooDeep));
        assert_eq!(prepared(&nested(20_000)), Err(PublishError::TooDeep));
        assert!(prepared(&nested(MAX_DEPTH - 1)).is_ok());
        let wide = format!("{{\"a\":[{}0]}}", "[],{},".repeat(1_000));
        assert!(prepared(&wide).is_ok(), "wide is not deep");
        for text in [
            r"\ud800x",
            r"\udc00",
            r"\uD83D",
            r"\ud83d\ud83d\ude00",
            r"\ude00\ud83d",
            r"\ud83d\n\ude00",
        ] {
            for body in [
                format!("{{\"a\":\"{text}\"}}"),
                format!("{{\"a\":{{\"{text}\":1}}}}"),
            ] {
                let refused = prepared(&body);
                assert!(
                    matches!(refused, Err(PublishError::LoneSurrogate(_))),
                    "{body}: {refused:?}"
                );
            }
        }
        for text in [r"\ud83d\ude00", r"\\ud800", r"\u00e9", r"\\\ud83d\ude00"] {
            assert!(prepared(&format!("{{\"a\":\"{text}\"}}")).is_ok(), "{text}");
        }
        for number in ["1e400", "-1E+309", &"9".repeat(400)] {
            let refused = prepared(&format!("{{\"a\":[{number}]}}"));
            assert!(
                matches!(refused, Err(PublishError::NumberTooLarge(_))),
                "{number}: {refused:?}"
            );
        }
        for number in ["1e308", "-0", "1e-400", "123456789012345678901234567890.5"] {
            assert!(prepared(&format!("{{\"a\":{number}}}")).is_ok(), "{number}");
        }
        assert!(prepared("{\"a\":\"1e400\"}").is_ok(), "a text is no number");
    }

    proptest! {
        #[test]
        fn what_passes_can_be_read(text in "[\\[{:,}\\]]{0,9}(\"[a\\\\uUdD8cC0]{0,14}\"|-?[0-9]{1,3}(e[0-9]{1,3})?)[\\]}]{0,4}") {
            let text = format!("{{\"a\":{text}}}");
            if let Ok(signal) = prepared(&text) {
                let read: Result<serde_json::Value, _> = serde_json::from_str(&signal.body);
                prop_assert!(read.is_ok(), "{}: {:?}", signal.body, read);
            }
        }

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
