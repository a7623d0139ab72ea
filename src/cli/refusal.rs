//! A server's refusal: what it says, and what to do about it.

use super::signal_line::printable_sentence;

/// What to do about an end that waiting will not mend.
pub(super) fn advice(code: &str) -> Option<&'static str> {
    match code {
        "key_revoked" | "invalid_api_key" | "missing_api_key" => Some(
            "SIGCAST_KEY is unknown, revoked or expired: make another with `sigcast keys create --account ID`, or on the dashboard that gave it",
        ),
        "subscription_expired" | "subscription_required" => Some(
            "the key is good, but its account's plan has no stream now: renew it with `sigcast accounts set-expiry` or `set-plan`, or on the dashboard",
        ),
        "superseded" => Some(
            "another client has taken this key's place; each client wants a key of its own, or run this one again with --takeover",
        ),
        _ => None,
    }
}

/// The uniform error body, read loosely.
#[derive(Default)]
pub(super) struct Refusal {
    pub(super) code: String,
    message: String,
    holder_since: Option<String>,
    pub(super) holder_address: Option<String>,
}

impl Refusal {
    pub(super) fn read(body: &str) -> Self {
        let value: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let error = &value["error"];
        let text = |value: &serde_json::Value| value.as_str().map(printable_sentence);
        let details = &error["details"];
        Refusal {
            code: text(&error["code"]).unwrap_or_default(),
            message: text(&error["message"])
                .or_else(|| text(error))
                .unwrap_or_else(|| printable_sentence(body.lines().next().unwrap_or_default())),
            holder_since: text(&details["connected_at"]),
            holder_address: text(&details["address"]),
        }
    }

    pub(super) fn text(&self) -> String {
        [self.code.as_str(), self.message.as_str()]
            .iter()
            .filter(|part| !part.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join(": ")
    }

    pub(super) fn holder(&self) -> String {
        let from = self.holder_address.as_ref().map(|a| format!(" from {a}"));
        let since = self.holder_since.as_ref().map(|at| format!(" since {at}"));
        format!("{}{}", from.unwrap_or_default(), since.unwrap_or_default())
    }
}
