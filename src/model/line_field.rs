//! Fields of an NDJSON line, unread until asked for, each read with a reason that names the field.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde_json::value::RawValue;

use super::{money::parse_amount, time::Time};

/// U+FEFF, which editors put before the first line of what they store as UTF-8.
pub const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A line may hold at most this many bytes.
pub const MAX_LINE_BYTES: usize = 1_000_000;
const MAX_TEXT: usize = 2_048;

/// Why a line is none of ours. The text is for the operator who wrote the line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineError(pub String);

/// A field as it stands in the line; `None` where it is absent.
pub type Raw<'a> = Option<&'a RawValue>;

/// A field is not there, and has to be.
#[must_use]
pub fn missing(field: &str) -> LineError {
    LineError(format!("{field}: missing"))
}

/// The value of a field that is neither absent nor null.
#[must_use]
pub fn given<'a>(raw: Raw<'a>) -> Raw<'a> {
    raw.filter(|raw| raw.get() != "null")
}

/// The first letters of a value, for a reason.
#[must_use]
pub fn short(raw: &RawValue) -> String {
    raw.get().chars().take(40).collect()
}

/// A text of at most 2,048 bytes.
pub fn text_of<'a>(field: &str, raw: Raw<'a>) -> Result<Option<Cow<'a, str>>, LineError> {
    let Some(raw) = given(raw) else {
        return Ok(None);
    };
    let wrong = || LineError(format!("{field}: {} is not a text", short(raw)));
    let inner = raw.get();
    // the usual text has nothing to unescape: borrow it
    let text = match inner
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
        _ => Cow::Owned(serde_json::from_str::<String>(inner).map_err(|_| wrong())?),
    };
    if text.len() > MAX_TEXT {
        return Err(LineError(format!("{field}: longer than {MAX_TEXT} bytes")));
    }
    Ok(Some(text))
}

/// The digits of a number, whether it was written as a JSON number or as a text.
pub fn digits<'a>(field: &str, raw: &'a RawValue) -> Result<&'a str, LineError> {
    let inner = raw.get();
    match inner.as_bytes().first() {
        Some(b'"') => Ok(inner.trim_matches('"')),
        Some(b'-' | b'0'..=b'9') => Ok(inner),
        _ => Err(LineError(format!(
            "{field}: {} is not a number",
            short(raw)
        ))),
    }
}

/// A decimal of zero or more, written as a JSON number or as a text.
pub fn number(field: &str, raw: Raw<'_>) -> Result<Option<Decimal>, LineError> {
    let Some(raw) = given(raw) else {
        return Ok(None);
    };
    let number =
        parse_amount(digits(field, raw)?).map_err(|e| LineError(format!("{field}: {e}")))?;
    Ok(Some(number))
}

/// A whole number, written as a JSON number or as a text.
pub fn integer<T: std::str::FromStr>(field: &str, raw: Raw<'_>) -> Result<Option<T>, LineError> {
    let Some(raw) = given(raw) else {
        return Ok(None);
    };
    let value = digits(field, raw)?.parse();
    value.map(Some).map_err(|_| {
        LineError(format!(
            "{field}: {} is not an integer in range",
            short(raw)
        ))
    })
}

/// `true` or `false`.
pub fn boolean(field: &str, raw: Raw<'_>) -> Result<Option<bool>, LineError> {
    match given(raw).map(RawValue::get) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(LineError(format!(
            "{field}: {} is neither true nor false",
            other.chars().take(40).collect::<String>()
        ))),
    }
}

/// A moment: ISO 8601 with a zone, or Unix milliseconds.
pub fn time(field: &str, raw: Raw<'_>) -> Result<Option<Time>, LineError> {
    let Some(raw) = given(raw) else {
        return Ok(None);
    };
    let read = if raw.get().starts_with('"') {
        let text = text_of(field, Some(raw))?.unwrap_or_default();
        Time::parse_iso(&text)
    } else {
        let ms = raw.get().parse();
        let ms = ms.map_err(|_| {
            LineError(format!(
                "{field}: {} is neither ISO 8601 nor whole milliseconds",
                short(raw)
            ))
        })?;
        Time::from_unix_ms(ms)
    };
    read.map(Some)
        .map_err(|e| LineError(format!("{field}: {e}")))
}

/// serde_json's message without "at line 1", which would be taken for the file's line.
#[must_use]
pub fn json_reason(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let what = whole.split(" at line ").next().unwrap_or(&whole);
    format!("bad JSON at column {}: {what}", error.column())
}
