//! Calls without a key put together: the secret of the database, the list of networks that is watched, and who verifies captchas.

use std::{fs, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Uri,
    header::{self, HeaderValue},
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde::Deserialize;
use tokio::time::timeout;
use url::form_urlencoded;

use super::{
    data_dir::failed,
    error::{StartError, StartResult},
    life::Life,
    web::{self, Connector},
};
use crate::{
    config::settings::Settings,
    http::{
        config::Sandbox,
        sandbox_captcha::{Verifier, Verify},
        sandbox_entrance::{self, Entrance},
    },
    model::{random::Random, time::Clock},
    store::db::Db,
};

/// The list of networks is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// An answer about a captcha takes no longer than this, ...
const VERIFY_WITHIN: Duration = Duration::from_secs(5);
/// ... and is no larger.
const MOST_ANSWER: usize = 64 * 1024;

/// The entrance; `None` where the settings want none.
pub async fn open(
    settings: &Settings,
    db: &Db,
    clock: &Clock,
    random: &Random,
) -> StartResult<Option<Arc<Entrance>>> {
    let rules = &settings.sandbox;
    if !rules.enabled {
        return Ok(None);
    }
    let verifier = verifier(rules, clock)?;
    let secret = db.sandbox_secret(&sandbox_entrance::secret(random)).await?;
    let (db, clock, random) = (db.clone(), clock.clone(), random.clone());
    let entrance = Entrance::new(rules.clone(), &secret, verifier, db, clock, random);
    entrance.denied.look();
    entrance.count_all().await?;
    Ok(Some(Arc::new(entrance)))
}

/// Reads the list of networks again when it changes, for as long as the process lives.
pub async fn watch(entrance: Arc<Entrance>, life: Life) {
    if !entrance.denied.has_file() {
        return;
    }
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = life.hard.cancelled() => return,
            _ = tick.tick() => {}
        }
        let entrance = entrance.clone();
        // one that failed in a way that nobody foresaw is said by its thread, and made again
        let _ = tokio::task::spawn_blocking(move || entrance.denied.look()).await;
    }
}

fn verifier(rules: &Sandbox, clock: &Clock) -> StartResult<Option<Verifier>> {
    let url = rules.captcha_verify_url.trim();
    if url.is_empty() {
        return Ok(None);
    }
    let refused = |why: &'static str| StartError::Captcha { why };
    let address: Uri = url
        .parse()
        .map_err(|_| refused("captcha_verify_url is no address"))?;
    let web = matches!(address.scheme_str(), Some("http" | "https"));
    if !web || address.authority().is_none() {
        return Err(refused("captcha_verify_url is no address of http or https"));
    }
    let file = &rules.captcha_secret_file;
    let secret = match file.as_os_str().is_empty() {
        true => rules.captcha_secret.reveal().to_owned(),
        false => fs::read_to_string(file).map_err(|e| failed(file, "read", e))?,
    };
    let secret = secret.trim().to_owned();
    if secret.is_empty() {
        return Err(refused("captcha_verify_url needs a captcha_secret"));
    }
    let siteverify = Arc::new(Siteverify {
        address,
        secret,
        client: Client::builder(TokioExecutor::new()).build(web::connector()),
    });
    let verify: Verify = Arc::new(move |token| {
        let siteverify = siteverify.clone();
        Box::pin(async move {
            let asked = timeout(VERIFY_WITHIN, siteverify.ask(&token)).await;
            asked.unwrap_or_else(|_| Err("no answer in time".to_owned()))
        })
    });
    Ok(Some(Verifier::new(verify, clock.clone())))
}

/// A service that verifies captchas by the siteverify protocol. It is told the token, and nothing of whose it is.
struct Siteverify {
    address: Uri,
    secret: String,
    client: Client<Connector, Full<Bytes>>,
}

#[derive(Deserialize)]
struct Verified {
    success: bool,
}

impl Siteverify {
    async fn ask(&self, token: &str) -> Result<bool, String> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("secret", &self.secret)
            .append_pair("response", token)
            .finish();
        let mut request = Request::new(Full::new(Bytes::from(form)));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = self.address.clone();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(header::CONTENT_TYPE, form);
        let response = self.client.request(request).await;
        let response = response.map_err(|error| error.to_string())?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("it answers {status}"));
        }
        let body = Limited::new(response.into_body(), MOST_ANSWER)
            .collect()
            .await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        let verified: Result<Verified, _> = serde_json::from_slice(&body);
        let verified = verified.map_err(|error| format!("its answer is none: {error}"))?;
        Ok(verified.success)
    }
}
