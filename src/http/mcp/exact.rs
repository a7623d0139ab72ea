//! Answers with all digits of their numbers. The library holds what a tool found as a value whose numbers are floats; amounts here are exact decimals.
//! So it is given marks to carry, and in their place stand, in the end, the very bytes of the read.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use serde_json::{Value, json};

use crate::model::random::Random;

/// Where a tool leaves its answer, for the message that is under way.
#[derive(Clone, Debug)]
pub struct Exact {
    mark: Arc<str>,
    answer: Arc<Mutex<Option<String>>>,
}

impl Exact {
    /// Of one message; nobody can have put this mark into it.
    #[must_use]
    pub fn new(random: &Random) -> Self {
        Exact {
            mark: random.name().simple().to_string().into(),
            answer: Arc::default(),
        }
    }

    /// Leaves an object's JSON, and gives what stands for it meanwhile: as structured content, and as text.
    #[must_use]
    pub fn leave(&self, json: String) -> (Value, String) {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        *answer = Some(json);
        (json!({&*self.mark: null}), self.as_text())
    }

    fn as_text(&self) -> String {
        format!("text-{}", self.mark)
    }

    /// The library's answer, with what was left in place of its marks.
    #[must_use]
    pub fn fill(&self, answer: Bytes) -> Bytes {
        let left = self
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(json) = left else {
            return answer;
        };
        let Ok(text) = std::str::from_utf8(&answer) else {
            return answer;
        };
        // proof: a text always serialises
        let quoted = serde_json::to_string(&json).unwrap_or_default();
        let structured = format!("{{\"{}\":null}}", self.mark);
        text.replacen(&structured, &json, 1)
            .replacen(&format!("\"{}\"", self.as_text()), &quoted, 1)
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_digits_arrive_in_both_places() {
        let exact = Exact::new(&Random::from_fn(|bytes| bytes.fill(7)));
        let amount = r#"{"amount":195000000000.123456789012345,"name":"a \"b\""}"#;
        let (value, text) = exact.leave(amount.to_owned());
        let carried = json!({"id": 1, "content": [{"text": text}], "structured": value});
        let filled = exact.fill(carried.to_string().into());
        let filled = std::str::from_utf8(&filled).unwrap();
        assert!(
            filled.contains(&format!("\"structured\":{amount}")),
            "{filled}"
        );
        let read: Value = serde_json::from_str(filled).unwrap();
        assert_eq!(read["content"][0]["text"], amount);
    }

    #[test]
    fn what_left_nothing_stays_as_it_is() {
        let exact = Exact::new(&Random::from_fn(|bytes| bytes.fill(7)));
        let answer = Bytes::from_static(b"{\"result\":{}}");
        assert_eq!(exact.fill(answer.clone()), answer);
    }
}
