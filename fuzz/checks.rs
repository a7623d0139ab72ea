//! What must hold for any bytes: run by the fuzzer on what it invents, and by `tests/corpus.rs` on what is kept.
//!
//! Each check panics where a promise is broken, and tells whether the input was accepted.

use sigcast::{
    gate::{list_query::ListQuery, query::StreamQuery},
    ingest::sec::parse::parse,
    model::{fact_line, filing::Filing, key::KeyText},
};

/// A line is a fact or has a reason; a fact survives being written and read again.
pub fn swap_line(data: &[u8]) -> bool {
    let fact = match fact_line::parse(data) {
        Ok(fact) => fact,
        Err(reason) => {
            assert!(!reason.0.is_empty(), "a refusal without a reason");
            assert!(reason.0.len() < 1_000, "a reason as long as its line");
            return false;
        }
    };
    let text = fact_line::write(&fact);
    assert!(!text.contains('\n'), "a line of two lines: {text}");
    match fact_line::parse(text.as_bytes()) {
        Ok(again) => assert_eq!(again, fact, "read back as another fact: {text}"),
        Err(reason) => panic!("not read back: {reason}: {text}"),
    }
    assert_eq!(fact_line::write(&fact), text, "written in two ways");
    true
}

/// A query is read or refused by name, and a refusal is short and holds no secret.
pub fn stream_query(data: &[u8]) -> bool {
    let Ok(query) = std::str::from_utf8(data) else {
        return false;
    };
    let errors = [
        StreamQuery::parse(query).err(),
        ListQuery::parse(query).err(),
    ];
    let accepted = errors[0].is_none();
    for error in errors.into_iter().flatten() {
        assert!(error.value.chars().count() <= 60, "{error}");
        assert!(error.parameter.chars().count() <= 60, "{error}");
        assert!(!error.value.contains("sig_live_"), "a key in an error");
        assert!(!error.allowed.is_empty(), "{error}");
    }
    accepted
}

/// A key that is accepted is the text that was given, and no debug print of it holds more than its prefix.
pub fn key(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let Some(key) = KeyText::parse(text) else {
        return false;
    };
    assert_eq!(key.reveal(), text);
    assert!(text.starts_with(key.prefix()));
    assert!(!format!("{key:?}").contains(&text[key.prefix().len()..]));
    assert_eq!(KeyText::parse(text).map(|key| key.hash()), Some(key.hash()));
    true
}

/// A file is a filing or has a short reason; a filing keeps what the model promises, and survives being written and read again.
pub fn filing(data: &[u8]) -> bool {
    let filing = match parse(data, None) {
        Ok(filing) => filing,
        Err(reason) => {
            let reason = reason.to_string();
            assert!(!reason.is_empty() && reason.len() < 1_000, "{reason}");
            return false;
        }
    };
    assert!(!filing.owners.is_empty(), "nobody dealt");
    assert!(filing.id.0.starts_with("SEC:"), "{}", filing.id);
    for row in &filing.rows {
        let (shares, price) = (
            row.shares.unwrap_or_default(),
            row.price.unwrap_or_default(),
        );
        assert!(
            shares.checked_mul(price).is_some(),
            "{shares} times {price}"
        );
        assert!(!shares.is_sign_negative() || shares.is_zero());
        let mut marks = row.marks.iter();
        assert!(marks.all(|mark| row.footnotes.contains(&mark.footnote)));
    }
    let text = match serde_json::to_string(&filing) {
        Ok(text) => text,
        Err(why) => panic!("not written: {why}"),
    };
    let nul = text.replace("\\\\", "").contains("\\u0000");
    assert!(!nul, "a NUL, which not every database takes: {text}");
    match serde_json::from_str::<Filing>(&text) {
        Ok(again) => assert_eq!(again, filing, "read back as another: {text}"),
        Err(why) => panic!("not read back: {why}: {text}"),
    }
    true
}
