//! The admin listener of a server, asked over connections that are kept.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, StatusCode,
    header::{self, HeaderValue},
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

use crate::{
    app::web::{self, Connector},
    cli::{dial::Target, outcome::complain, refusal::Refusal},
};

/// A body of one object.
pub const JSON: &str = "application/json";
/// A body of one object a line.
pub const LINES: &str = "application/x-ndjson";
/// No answer takes longer.
const WITHIN: Duration = Duration::from_secs(30);
/// The list of all connections is the largest answer.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The listener, and the right to ask it.
#[derive(Clone)]
pub struct Admin {
    client: Client<Connector, Full<Bytes>>,
    base: String,
    authorization: HeaderValue,
}

/// An answer.
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

impl Admin {
    /// `token` is sent to nobody but the server at `url`.
    pub fn new(url: &str, token: &str) -> Result<Self> {
        let target = Target::new(url, token).context("--admin-url")?;
        let address = target.address();
        let scheme = address.scheme_str().unwrap_or("http");
        let authority = address.authority().context("--admin-url names no host")?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .ok()
            .context("the admin token holds characters that no token has")?;
        authorization.set_sensitive(true);
        if target.is_exposed() {
            complain("warning: http is not encrypted, so the admin token can be read on the way");
        }
        Ok(Admin {
            client: Client::builder(TokioExecutor::new()).build(web::connector()),
            base: format!("{scheme}://{authority}"),
            authorization,
        })
    }

    /// Asks, and waits for the whole answer.
    pub async fn ask(&self, method: Method, path: &str, kind: &str, body: Bytes) -> Result<Reply> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::CONTENT_TYPE, kind)
            .body(Full::new(body))?;
        let asked = async {
            let response = self.client.request(request).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MOST_BYTES).collect().await;
            let body = body.map_err(|e| anyhow::anyhow!(e))?.to_bytes();
            Ok::<_, anyhow::Error>(Reply {
                status: head.status,
                body,
            })
        };
        match tokio::time::timeout(WITHIN, asked).await {
            Ok(answer) => answer,
            Err(_) => bail!("no answer in time"),
        }
    }

    /// The same, for an answer that must be 200 and JSON.
    pub async fn json(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let body = match body {
            Value::Null => Bytes::new(),
            body => body.to_string().into(),
        };
        let reply = self.ask(method, path, JSON, body).await;
        let reply = reply.with_context(|| format!("the admin listener at {}", self.base))?;
        reply.into_json()
    }
}

impl Reply {
    /// Its JSON; a refusal is an error that says why.
    pub fn into_json(self) -> Result<Value> {
        if self.status != StatusCode::OK {
            bail!("{}", self.refusal());
        }
        serde_json::from_slice(&self.body).context("the admin listener answers no JSON")
    }

    /// Why it is none.
    pub fn refusal(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        format!("{} {}", self.status.as_u16(), Refusal::read(&text).text())
    }
}
