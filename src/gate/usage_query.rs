//! What the operator may ask of usage: by what consumers are sorted, and which part.

use super::{
    insider_query::{FORMAT, InsiderQuery, LIMIT, OFFSET, Page, page},
    pairs::QueryError,
    parameter::{Kind, Parameter, Values},
};

/// `/v1/usage`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageQuery {
    /// By all requests ever, not by today's.
    pub by_total: bool,
    /// Which part.
    pub page: Page,
}

impl InsiderQuery for UsageQuery {
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::new(
            "sort",
            Kind::Word {
                words: &["today", "total"],
                default: Some("today"),
            },
            "The most requests today, or ever",
        ),
        LIMIT,
        OFFSET,
        FORMAT,
    ];

    fn take(values: &mut Values<'_>) -> Result<Self, QueryError> {
        Ok(UsageQuery {
            by_total: values.word("sort")? == Some(1),
            page: page(values)?,
        })
    }
}
