//! What changes something: a form of one button, the answer to it, and a refusal that leaves the page as it was.

use axum::{
    http::{HeaderName, HeaderValue},
    response::Response,
};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    frame,
    problem::{PageResult, Problem, or_problem},
    visit::{self, Session, Visit},
};
use crate::{http::guard, model::account::Plan};

/// Bytes of a form.
pub const MOST_BYTES: usize = 16 * 1024;

/// Who is signed in, and may be shown this.
pub fn sees(visit: &Visit) -> Result<&Session, Problem> {
    let session = visit.known_session().map_err(Clone::clone)?;
    session.ok_or(Problem::SignIn)
}

/// Who is signed in, and changes something from a page of ours.
pub fn acts(visit: &Visit) -> Result<&Session, Problem> {
    visit::check_origin(&visit.headers)?;
    sees(visit)
}

/// Who is signed in, if their plan includes it: plan, burst and quota as over REST.
pub async fn enters(visit: &Visit, includes: fn(&Plan) -> bool) -> Result<&Session, Problem> {
    let session = sees(visit)?;
    guard::let_in(&visit.site.state, &session.known, includes).await?;
    Ok(session)
}

/// Where pages show why something was refused.
#[must_use]
pub fn refused() -> Markup {
    html! { div #refused aria-live="assertive" {} }
}

/// A button that changes something.
pub struct Button<'a> {
    /// What is posted to.
    pub action: &'a str,
    /// The part of the page that answers, as `#id`.
    pub target: &'a str,
    /// What is on it.
    pub label: &'a str,
    /// Of what it is, for who hears it among others of its kind.
    pub of: &'a str,
    /// What is asked before it is done; nothing where it is empty.
    pub confirm: &'a str,
    /// What is said when it is done, where what comes then does not say so.
    pub done: &'a str,
}

impl Button<'_> {
    /// As a form.
    #[must_use]
    pub fn show(&self) -> Markup {
        let class = match self.confirm {
            "" => "plain",
            _ => "plain warned",
        };
        let said = |text| Some(text).filter(|text: &&str| !text.is_empty());
        // the focus stays with what has the same id when the part of the page is another one
        let id = self.action.trim_start_matches('/').replace('/', "-");
        html! {
            form method="post" action=(self.action) hx-post=(self.action) hx-target=(self.target) hx-swap="outerHTML" data-done=[said(self.done)] {
                button id=(id) class=(class) type="submit" data-confirm=[said(self.confirm)] {
                    (self.label) @if !self.of.is_empty() { span.unseen { " " (self.of) } }
                }
            }
        }
    }
}

/// What was done, or why not: then nothing of the page but that is shown anew.
pub async fn answer(visit: &Visit, done: PageResult) -> Response {
    if matches!(done, Err(Problem::SignIn)) && !visit.wants_part() {
        // not back to here: a form is sent, and no link leads to it
        return frame::lead_to("/account");
    }
    let refused = done.is_err();
    let response = or_problem(visit, done).await;
    match refused && visit.wants_part() {
        true => beside(response),
        false => response,
    }
}

/// Has htmx put a refusal beside what is there, not in its place.
#[must_use]
pub fn beside(mut response: Response) -> Response {
    let fields = response.headers_mut();
    let mut set = |name, value| {
        fields.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    set("hx-retarget", "#refused");
    set("hx-reswap", "innerHTML show:#refused:top");
    response
}

/// To a page, from a form: for htmx, too.
#[must_use]
pub fn go(visit: &Visit, path: &str) -> Response {
    match visit.wants_part() {
        true => frame::redirect(path),
        false => frame::lead_to(path),
    }
}

/// A part of a page that is asked for anew each few seconds.
pub struct Live<'a> {
    /// Its id.
    pub id: &'a str,
    /// Where it is to be had.
    pub path: &'a str,
    /// How often.
    pub seconds: u8,
}

impl Live<'_> {
    /// The part; where it cannot be had just now, why, and it is asked for on.
    pub fn show(&self, body: Result<Markup, Problem>) -> Result<Markup, Problem> {
        let body = match body {
            Ok(body) => body,
            Err(Problem::Refused(error)) => {
                let told = error.body();
                let message = told.pointer("/error/message").and_then(Value::as_str);
                html! { p.problem { (message.unwrap_or_default()) } }
            }
            Err(other) => return Err(other),
        };
        let every = format!("every {}s", self.seconds);
        Ok(html! {
            div id=(self.id) hx-get=(self.path) hx-trigger=(every) hx-swap="outerHTML" { (body) }
        })
    }
}
