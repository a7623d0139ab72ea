//! Names in paths: what a company, an insider, a declaration or a webhook is called. What does not look like one names nothing.

use crate::model::{dealing::MAX_CODE_BYTES, filing::MAX_ID_BYTES, publish::lower_uuid};

/// A declaration is called as its filing is, with `:` and its code behind that where the filing has several.
const MAX_ID: usize = MAX_ID_BYTES + 1 + MAX_CODE_BYTES;
const MAX_SLUG: usize = 200;

/// A declaration's amfId, such as `2026DD1108988` or `SEC:0001127602-25-009876`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmfId(pub String);

impl AmfId {
    /// From a path's part, already decoded; `None` for what no declaration is called.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=MAX_ID).contains(&text.len());
        (fits && text.bytes().all(|b| b.is_ascii_graphic())).then(|| AmfId(text.to_owned()))
    }
}

/// A company's or an insider's slug, such as `bouygues-1454`: it ends with a stable number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slug(pub String);

impl Slug {
    /// From a path's part, already decoded; `None` for what neither is called.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=MAX_SLUG).contains(&text.len());
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (fits && text.bytes().all(plain)).then(|| Slug(text.to_owned()))
    }
}

/// A webhook's id: a UUID, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookId(pub String);

impl WebhookId {
    /// From a path's part, already decoded; `None` for what no webhook is called.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        lower_uuid(text).map(WebhookId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_they_are_given_and_nothing_else() {
        for id in ["2026DD1108988", "SEC:0001127602-25-009876"] {
            assert_eq!(AmfId::parse(id), Some(AmfId(id.to_owned())));
        }
        let longest = format!("{}:reclassification", "9".repeat(128));
        assert!(AmfId::parse(&longest).is_some());
        for id in ["", "a b", "é", "a\0", &"1".repeat(146)] {
            assert_eq!(AmfId::parse(id), None, "{id:?}");
        }
        let loud = WebhookId::parse("F3C7A1D2-8B4E-4D5F-9F2A-6E1C0D7A8B9F");
        let id = "f3c7a1d2-8b4e-4d5f-9f2a-6e1c0d7a8b9f".to_owned();
        assert_eq!(loud, Some(WebhookId(id)));
        for id in ["", "7", "f3c7a1d28b4e4d5f9f2a6e1c0d7a8b9f"] {
            assert_eq!(WebhookId::parse(id), None, "{id:?}");
        }
        assert!(Slug::parse("bouygues-1454").is_some());
        for slug in ["", "Bouygues", "a/b", "l'oreal", "..", &"1".repeat(201)] {
            assert_eq!(Slug::parse(slug), None, "{slug:?}");
        }
    }
}
