//! Names in paths: what a company, an insider or a declaration is called. What does not look like one names nothing.

use crate::model::{dealing::MAX_CODE_BYTES, filing::MAX_ID_BYTES};

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
        assert!(Slug::parse("bouygues-1454").is_some());
        for slug in ["", "Bouygues", "a/b", "l'oreal", "..", &"1".repeat(201)] {
            assert_eq!(Slug::parse(slug), None, "{slug:?}");
        }
    }
}
