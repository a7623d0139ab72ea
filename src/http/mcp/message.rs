//! A message as it came: read, told apart by what it costs, and refused in JSON-RPC's own words.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use rmcp::model::ErrorCode;
use serde_json::{Map, Value, json};

use crate::http::error::ApiError;

/// Of our own among JSON-RPC's codes for servers (-32000 to -32019): the key asks too fast, or has asked for all that its plan allows.
pub const RATE_LIMITED: ErrorCode = ErrorCode(-32_010);

/// A request or a notification.
#[derive(Debug)]
pub struct Message {
    /// A request's; notifications have none.
    pub id: Option<Value>,
    /// What is asked.
    pub method: String,
    /// All of it, each member once: the library must not read another method than was counted.
    pub bytes: Bytes,
}

/// Why a text is no message, as it is answered.
#[derive(Debug)]
pub struct Malformed {
    id: Value,
    code: ErrorCode,
    message: String,
}

impl Message {
    /// Reads one; anything that JSON can hold may come.
    pub fn read(text: &[u8]) -> Result<Self, Malformed> {
        let value: Value = serde_json::from_slice(text).map_err(|error| Malformed {
            id: Value::Null,
            code: ErrorCode::PARSE_ERROR,
            message: format!("The body is no JSON: {error}"),
        })?;
        let Value::Object(members) = value else {
            let message = match value {
                Value::Array(_) => {
                    "One message a request: the protocol has no batches since 2025-06-18."
                }
                _ => "A message is an object.",
            };
            return Err(Malformed::invalid(Value::Null, message));
        };
        let id = members.get("id").cloned();
        let named = id.clone().filter(|id| id.is_string() || id.is_i64());
        let told = named.clone().unwrap_or_default();
        let refused = |message: &str| Err(Malformed::invalid(told.clone(), message));
        if members.get("jsonrpc") != Some(&json!("2.0")) {
            return refused("`jsonrpc` is \"2.0\".");
        }
        if id.is_some() && named.is_none() {
            return refused("`id` is a text or a whole number.");
        }
        let Some(Value::String(method)) = members.get("method") else {
            return refused(
                "`method` is a text. Nothing is asked of clients here, so nothing is to be answered.",
            );
        };
        if !matches!(members.get("params"), None | Some(Value::Object(_))) {
            return refused("`params` is an object.");
        }
        Ok(Message {
            id: named,
            method: method.clone(),
            bytes: bytes(members),
        })
    }

    /// Whether it takes a request of the key's plan: what reads data does. Greetings and lists of what there is do not, or a client that starts
    /// some times a day would use a small plan up before it has asked anything.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.id.is_some() && matches!(self.method.as_str(), "tools/call" | "resources/read")
    }
}

fn bytes(members: Map<String, Value>) -> Bytes {
    // proof: what was read from JSON is written as JSON
    serde_json::to_vec(&Value::Object(members))
        .unwrap_or_default()
        .into()
}

impl Malformed {
    /// A message of this id that is no message of the protocol.
    #[must_use]
    pub fn invalid(id: Value, message: &str) -> Self {
        Malformed {
            id,
            code: ErrorCode::INVALID_REQUEST,
            message: message.to_owned(),
        }
    }

    /// 400.
    #[must_use]
    pub fn answer(self) -> Response {
        refusal(
            StatusCode::BAD_REQUEST,
            &self.id,
            self.code,
            &self.message,
            None,
        )
    }
}

/// An error as JSON-RPC has it.
#[must_use]
pub fn refusal(
    status: StatusCode,
    id: &Value,
    code: ErrorCode,
    message: &str,
    data: Option<Value>,
) -> Response {
    let mut error = json!({"code": code.0, "message": message});
    if let Some(data) = data {
        error["data"] = data;
    }
    let body = json!({"jsonrpc": "2.0", "id": id, "error": error});
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A refusal of a message that was read: with its status and fields, and the uniform error as `data`, where clients of the protocol look for it.
/// They show what JSON-RPC says, and of anything else no more than that it failed.
#[must_use]
pub fn limited(id: Option<&Value>, error: ApiError) -> Response {
    let Some(id) = id else {
        return error.into_response();
    };
    let mut said = error.body();
    let said = said["error"].take();
    let (code, message) = (text(&said["code"]), text(&said["message"]));
    let status = error.status();
    let message = format!("{code}: {message}");
    let whole = error.into_response();
    let mut response = refusal(status, id, RATE_LIMITED, &message, Some(said));
    *response.extensions_mut() = whole.extensions().clone();
    response.headers_mut().extend(whole.headers().clone());
    response
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(value: &Value) -> Result<Message, Malformed> {
        Message::read(value.to_string().as_bytes())
    }

    #[test]
    fn what_reads_data_counts_and_nothing_else() {
        let counts = |value: Value| read(&value).unwrap().counts();
        let message =
            |method: &str| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}});
        for method in ["tools/call", "resources/read"] {
            assert!(counts(message(method)), "{method}");
            assert!(
                !counts(json!({"jsonrpc": "2.0", "method": method})),
                "nothing is answered"
            );
        }
        for method in [
            "initialize",
            "ping",
            "tools/list",
            "prompts/get",
            "server/discover",
            "x",
        ] {
            assert!(!counts(message(method)), "{method}");
        }
    }

    #[test]
    fn a_member_that_comes_twice_is_the_last_of_both() {
        let twice = br#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#;
        let message = Message::read(twice).unwrap();
        assert!(message.counts());
        let seen: Value = serde_json::from_slice(&message.bytes).unwrap();
        assert_eq!(seen["method"], "tools/call");
        assert_eq!(
            message
                .bytes
                .windows(8)
                .filter(|part| part == b"\"method\"")
                .count(),
            1
        );
    }

    #[test]
    fn what_is_no_message_is_refused_by_its_id() {
        for (value, code, id) in [
            (json!([]), ErrorCode::INVALID_REQUEST, json!(null)),
            (json!("x"), ErrorCode::INVALID_REQUEST, json!(null)),
            (
                json!({"id": 1, "method": "ping"}),
                ErrorCode::INVALID_REQUEST,
                json!(1),
            ),
            (
                json!({"jsonrpc": "2.0", "id": "a", "result": {}}),
                ErrorCode::INVALID_REQUEST,
                json!("a"),
            ),
            (
                json!({"jsonrpc": "2.0", "id": null, "method": "ping"}),
                ErrorCode::INVALID_REQUEST,
                json!(null),
            ),
            (
                json!({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}),
                ErrorCode::INVALID_REQUEST,
                json!(null),
            ),
            (
                json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}),
                ErrorCode::INVALID_REQUEST,
                json!(1),
            ),
        ] {
            let refused = read(&value).unwrap_err();
            assert_eq!((refused.code, refused.id), (code, id), "{value}");
        }
        let deep = "[".repeat(60_000);
        for text in ["", "{", deep.as_str(), "\u{feff}{}", "{\"a\":1}}"] {
            let refused = Message::read(text.as_bytes()).unwrap_err();
            assert_eq!(refused.code, ErrorCode::PARSE_ERROR);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::read(&text);
        }
    }
}
