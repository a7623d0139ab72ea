//! Signing in by a key, and out: the key comes in a form, and what the browser keeps is a cookie that says nothing.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State as Shared,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use maud::{Markup, html};

use super::{
    frame::{self, Page, Place},
    problem::{Problem, or_problem},
    visit::{self, COOKIE, Site, Visit},
};
use crate::{
    http::{
        error::{ApiError, ApiResult},
        lines::whole,
    },
    model::{
        key::{KeyHash, KeyText},
        time::Time,
    },
    store::sessions::Session,
};

/// Why a browser does not stay signed in.
pub const NOT_KEPT: &str = "You were not signed in: this browser does not keep the session. Browsers do so over https, and most of them on the \
    server's own machine. Give the server a certificate or a proxy that has one, or come through an SSH tunnel (ssh -L 8080:localhost:8080 …, then \
    http://localhost:8080, with the port that you asked for in place of 8080). If you came by https, let this site have cookies.";
/// Bytes of a form that signs in.
const MOST_BYTES: usize = 4096;

/// A form, read: the last of each name counts.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Of a request's body, of so many bytes at most.
    pub async fn of(body: Body, most_bytes: usize) -> ApiResult<Self> {
        let body = whole(body, most_bytes).await?;
        let pairs = url::form_urlencoded::parse(&body);
        Ok(Form(pairs.into_owned().collect()))
    }

    /// What it says of a name; empty where it says nothing.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let last = self.0.iter().rev().find(|(key, _)| key == name);
        last.map_or("", |(_, value)| value.trim())
    }
}

/// A path of this very site, to go on to after signing in; `/account` for anything else.
fn next_path(next: &str) -> &str {
    // browsers leave out tabs and line ends of an address wherever they stand, and take a backslash for a slash
    let plain = |c: char| c != '\\' && !c.is_control();
    let inside = next.starts_with('/') && !next.starts_with("//") && next.chars().all(plain);
    match inside {
        true => next,
        false => "/account",
    }
}

/// The form that asks for a key.
#[must_use]
pub fn form(action: &str, label: &str, next: &str, problem: Option<&str>) -> Markup {
    html! {
        form.card.signin method="post" action=(action) {
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            label for="key" { (label) }
            input #key name="key" type="password" autocomplete="current-password" spellcheck="false" required;
            @if !next.is_empty() { input type="hidden" name="next" value=(next); }
            button type="submit" { "Sign in" }
            p.hint {
                "It is sent to this server alone, which gives this browser a session in exchange. No script sees either. "
                "Browsers keep the session over https, and on this very machine."
            }
        }
    }
}

/// Where one signs in by a key.
#[must_use]
pub fn page(visit: &Visit, next: &str, problem: Option<&str>) -> Response {
    let body = form("/account/sign-in", "Your API key", next, problem);
    let page = Page {
        title: "Sign in",
        place: Place::Account,
        scripts: &[],
        body,
    };
    let status = match problem {
        Some(_) => StatusCode::UNAUTHORIZED,
        None => StatusCode::OK,
    };
    page.show_as(status, visit)
}

/// `POST /account/sign-in`
pub async fn sign_in(Shared(site): Shared<Arc<Site>>, visit: Visit, body: Body) -> Response {
    let done = async {
        visit::check_host(&visit.headers)?;
        let form = Form::of(body, MOST_BYTES).await?;
        if !visit::keeps_sessions(&visit.headers) {
            return Ok(page(&visit, form.get("next"), Some(NOT_KEPT)));
        }
        let state = &site.state;
        let now = state.clock.now();
        let key = KeyText::parse(form.get("key"));
        let known = match &key {
            Some(key) => state.callers.find(key).await?,
            None => None,
        };
        let counts = known.is_some_and(|known| known.holder.check_key(now).is_ok());
        let (Some(key), true) = (key, counts) else {
            // a right one is let in however many wrong ones others tried from the same address: keys are not to be guessed
            begin_try(&visit)?;
            let unknown = "No key of this server, or one that counts no more.";
            return Ok(page(&visit, form.get("next"), Some(unknown)));
        };
        let cookie = open(&site, key.hash(), COOKIE).await?;
        let start = "/account/signed-in?".to_owned();
        let behind = start.len();
        let mut path = url::form_urlencoded::Serializer::for_suffix(start, behind);
        let path = path.append_pair("next", next_path(form.get("next")));
        let mut response = frame::lead_to(&path.finish());
        response.headers_mut().insert(header::SET_COOKIE, cookie);
        Ok::<_, Problem>(response)
    };
    let done = done.await;
    or_problem(&visit, done).await
}

/// `GET /account/signed-in`: on to where one wanted to go; who comes without the cookie that was just given is told why it led nowhere.
pub async fn signed_in(visit: Visit) -> Response {
    let query = visit.uri.query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let next = pairs.find(|(name, _)| name == "next");
    let next = next.map_or(String::new(), |(_, next)| next.into_owned());
    let session = visit.known_session().map(|session| session.is_some());
    let shown = session.map_err(|error| error.clone().into());
    let shown = shown.map(|is_kept| match is_kept {
        true => frame::lead_to(next_path(&next)),
        false => page(&visit, &next, Some(NOT_KEPT)),
    });
    or_problem(&visit, shown).await
}

/// 429 where there were too many wrong tries from there.
pub fn begin_try(visit: &Visit) -> ApiResult<()> {
    let Some(client) = visit.client else {
        return Ok(());
    };
    let tries = &visit.site.tries;
    tries.begin(client, visit.arrival.at).map_err(|wait| {
        let seconds = u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX);
        let message = format!("Too many wrong tries: wait for {seconds} seconds.");
        ApiError::rate_limited("sign_in", message, seconds)
    })
}

/// The try was a right one.
pub fn was_right(visit: &Visit) {
    if let Some(client) = visit.client {
        visit.site.tries.was_right(client);
    }
}

/// Opens a session for who has shown this: the cookie that stands for it.
pub async fn open(site: &Site, holder: KeyHash, name: &str) -> ApiResult<HeaderValue> {
    let state = &site.state;
    let value = format!(
        "{}{}",
        state.random.uuid().simple(),
        state.random.uuid().simple()
    );
    let seconds = i64::from(state.config.session_hours) * 3600;
    let now = state.clock.now();
    let session = Session {
        holder,
        expires_at: now.plus(seconds * Time::SECOND),
    };
    state
        .db
        .add_session(&visit::digest(&value), &session, now)
        .await?;
    Ok(visit::set_cookie(name, &value, seconds))
}

/// `POST /account/sign-out`
pub async fn sign_out(Shared(site): Shared<Arc<Site>>, visit: Visit) -> Response {
    let done = async {
        visit::check_origin(&visit.headers)?;
        if let Some(hash) = visit::cookie(&visit.headers, COOKIE) {
            site.state.db.end_session(&hash).await?;
        }
        let mut response = frame::lead_to("/");
        let none = visit::set_cookie(COOKIE, "", 0);
        response.headers_mut().insert(header::SET_COOKIE, none);
        Ok::<_, Problem>(response)
    };
    let done = done.await;
    or_problem(&visit, done).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_nowhere_else() {
        for inside in ["/", "/live?min_rank=A", "/companies/bouygues-1454"] {
            assert_eq!(next_path(inside), inside);
        }
        for outside in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\r\nb",
            "/\t/evil.example",
            "/\u{b}/evil.example",
            "x",
        ] {
            assert_eq!(next_path(outside), "/account", "{outside}");
        }
    }

    #[tokio::test]
    async fn a_form_is_read() {
        let body = Body::from("key=+a%20b+&next=%2Flive&key=c&x");
        let form = Form::of(body, 100).await.unwrap();
        assert_eq!(
            (
                form.get("key"),
                form.get("next"),
                form.get("x"),
                form.get("y")
            ),
            ("c", "/live", "", "")
        );
        assert!(Form::of(Body::from("x".repeat(101)), 100).await.is_err());
    }
}
