//! EDGAR over HTTP: one connection pool, the contact that the SEC asks for, and bodies that end somewhere.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    Request, Uri,
    header::{self, HeaderValue},
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::time::timeout;

use super::web::{self, Connector};
use crate::ingest::{
    edgar::{follow::Fetch, pace, protocol::Reply},
    sec::submission::MAX_BYTES,
};

/// Why there is no client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("edgar.base_url: `{0}` is not an address such as https://www.sec.gov")]
    Address(String),
    /// The SEC shuts out clients that do not say who they are.
    #[error(
        "edgar.contact must be a name and a mail address, such as `Example Ltd feeds@example.com`: the SEC shuts out programs that do not say \
         whose they are; set it in the settings or with --contact"
    )]
    Contact,
}

/// EDGAR's client.
pub struct Edgar {
    base: String,
    contact: HeaderValue,
    client: Client<Connector, Empty<Bytes>>,
    within: Duration,
}

impl Edgar {
    /// `base`: `https://www.sec.gov`, or another host that speaks as it does. `contact` goes out as User-Agent. A request, body included, takes
    /// no longer than `within`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new(base: &str, contact: &str, within: Duration) -> Result<Self, ClientError> {
        let base = base.trim_end_matches('/');
        let address: Uri = base
            .parse()
            .map_err(|_| ClientError::Address(base.into()))?;
        let web = matches!(address.scheme_str(), Some("http" | "https"));
        if !web || address.authority().is_none() || !matches!(address.path(), "" | "/") {
            return Err(ClientError::Address(base.into()));
        }
        let mail = contact.split_whitespace().any(|word| {
            let at = word.split_once('@');
            at.is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
        });
        if !mail {
            return Err(ClientError::Contact);
        }
        Ok(Edgar {
            base: base.into(),
            contact: HeaderValue::from_str(contact).map_err(|_| ClientError::Contact)?,
            client: Client::builder(TokioExecutor::new()).build(web::connector()),
            within,
        })
    }

    async fn try_get(&self, path: &str) -> Option<Reply> {
        let request = Request::get(format!("{}{path}", self.base))
            .header(header::USER_AGENT, self.contact.clone())
            .header(header::ACCEPT_ENCODING, "identity")
            .body(Empty::new())
            .ok()?;
        let response = self.client.request(request).await.ok()?;
        let status = response.status().as_u16();
        let wait = response.headers().get(header::RETRY_AFTER);
        let retry_after = wait.and_then(|value| pace::retry_after(value.to_str().ok()?));
        let body = Limited::new(response.into_body(), MAX_BYTES)
            .collect()
            .await;
        // a refusal counts by its head, however its body ends
        let body = match body {
            Ok(body) => body.to_bytes().to_vec(),
            Err(_) if status != 200 => Vec::new(),
            Err(_) => return None,
        };
        Some(Reply {
            status,
            retry_after,
            body,
        })
    }
}

impl Fetch for Edgar {
    async fn get(&self, path: &str) -> Reply {
        let reply = timeout(self.within, self.try_get(path)).await;
        reply.ok().flatten().unwrap_or(Reply {
            status: 0,
            retry_after: None,
            body: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_a_contact_are_needed() {
        let new = |base, contact| Edgar::new(base, contact, Duration::from_secs(1)).map(|_| ());
        assert_eq!(
            new("https://www.sec.gov/", "Example feeds@example.com"),
            Ok(())
        );
        for contact in ["", "Example", "@", "a@b", "a@example.com\n"] {
            let refused = new("https://www.sec.gov", contact);
            assert_eq!(refused, Err(ClientError::Contact), "{contact}");
        }
        for base in [
            "",
            "www.sec.gov",
            "ftp://x",
            "https://www.sec.gov/cgi-bin",
            "http://a b",
        ] {
            let refused = new(base, "a feeds@example.com");
            assert!(matches!(refused, Err(ClientError::Address(_))), "{base}");
        }
    }
}
