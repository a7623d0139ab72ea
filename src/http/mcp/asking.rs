//! Reads of the API, asked for a message: what REST would have said to the same caller.

use axum::http::{Uri, request::Parts};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::exact::Exact;
use crate::http::{
    call::Arrival,
    caller::Known,
    error::{ApiError, ApiResult},
    reads::{Question, Reads},
};

/// For whom reads are asked.
#[derive(Clone)]
pub struct Asking {
    reads: Reads,
    known: Known,
    arrival: Arrival,
    /// Where the answer is left.
    pub exact: Exact,
}

/// What a read says of a list, but for its items.
#[derive(Deserialize)]
struct Page<'a> {
    total: u64,
    offset: u64,
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

/// An answer of a read, or its refusal: the uniform body.
pub type Said = Result<String, String>;

impl Asking {
    /// For the message whose head this is; `None` outside of the guard.
    #[must_use]
    pub fn of(reads: &Reads, head: &Parts) -> Option<Self> {
        Some(Asking {
            reads: reads.clone(),
            known: head.extensions.get::<Known>()?.clone(),
            arrival: head.extensions.get::<Arrival>()?.clone(),
            exact: head.extensions.get::<Exact>()?.clone(),
        })
    }

    /// Asks for a path and query.
    pub async fn ask(&self, uri: &str) -> Said {
        let asked = self.answer(uri).await;
        asked.unwrap_or_else(|error| Err(error.body().to_string()))
    }

    async fn answer(&self, uri: &str) -> ApiResult<Said> {
        let uri: Uri = uri.parse().map_err(|_| ApiError::not_found())?;
        let question = Question {
            uri,
            known: Some(self.known.clone()),
            arrival: self.arrival.clone(),
        };
        let response = self.reads.answer(question).await;
        let is_good = response.status().is_success();
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| ApiError::internal(&error))?.to_bytes();
        let text = String::from_utf8(body.into());
        let text = text.map_err(|error| ApiError::internal(&error))?;
        Ok(if is_good { Ok(text) } else { Err(text) })
    }
}

/// Where a page of a list stands, and how to go on; `None` for what is no list.
#[must_use]
pub fn place(json: &str) -> Option<String> {
    let page: Page<'_> = serde_json::from_str(json).ok()?;
    let (first, count) = (page.offset + 1, page.items.len() as u64);
    let last = page.offset + count;
    Some(match (page.total, count) {
        (0, _) => "There are none.".to_owned(),
        (total, 0) => format!(
            "There are {total}, and none from offset {} on.",
            page.offset
        ),
        (total, _) if last >= total => {
            format!("These are {first} to {last} of {total}: the last ones.")
        }
        (total, _) => {
            format!(
                "These are {first} to {last} of {total}. For the next ones, ask with offset={last}."
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_how_to_go_on() {
        let page = |total: u64, offset: u64, items: &str| {
            let json = format!(
                "{{\"total\":{total},\"limit\":2,\"offset\":{offset},\"items\":[{items}],\"meta\":{{}}}}"
            );
            place(&json).unwrap()
        };
        assert_eq!(
            page(5, 2, "{},{}"),
            "These are 3 to 4 of 5. For the next ones, ask with offset=4."
        );
        assert_eq!(page(4, 2, "{},{}"), "These are 3 to 4 of 4: the last ones.");
        assert_eq!(page(4, 9, ""), "There are 4, and none from offset 9 on.");
        assert_eq!(page(0, 0, ""), "There are none.");
        assert_eq!(place("{\"slug\":\"x\"}"), None);
    }
}
