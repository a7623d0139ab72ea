//! A visit to the pages of the admin listener: the operator, signed in by the admin token, or nobody.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequestParts, State as Shared},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use maud::{Markup, html};

use super::{
    act::{self, MOST_BYTES},
    frame, nowhere,
    problem::{PageResult, Problem, or_problem_in},
    session::{self, Form},
    visit::{self, ADMIN_COOKIE, Site, Visit},
};
use crate::{
    http::{
        error::{ApiError, ApiResult},
        state::State,
    },
    model::key::KeyHash,
};

/// A request for one of these pages.
pub struct AdminVisit {
    /// The request.
    pub visit: Visit,
    session: ApiResult<Option<KeyHash>>,
}

impl FromRequestParts<Arc<Site>> for AdminVisit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Infallible> {
        let session = match visit::cookie(&parts.headers, ADMIN_COOKIE) {
            Some(hash) => session(&site.state, hash).await,
            None => Ok(None),
        };
        let visit = Visit::from_request_parts(parts, site).await?;
        Ok(AdminVisit { visit, session })
    }
}

/// The session of a cookie: the token that opened it is the one that counts now.
async fn session(state: &State, hash: KeyHash) -> ApiResult<Option<KeyHash>> {
    let found = state.db.session(&hash, state.clock.now()).await?;
    let ours = found.filter(|session| session.holder == state.admin_token.holder());
    Ok(ours.map(|_| hash))
}

/// The pages here, and what else there is to see.
const PLACES: [(&str, &str); 4] = [
    ("/admin", "Overview"),
    ("/admin/accounts", "Accounts"),
    ("/admin/connections", "Connections"),
    ("/admin/consumers", "Consumers"),
];

impl AdminVisit {
    /// Nothing, where the operator is signed in.
    pub fn sees(&self) -> Result<(), Problem> {
        let session = self.session.as_ref().map_err(Clone::clone)?;
        session.map(|_| ()).ok_or(Problem::SignIn)
    }

    /// Nothing, where the operator changes something from a page of ours.
    pub fn acts(&self) -> Result<(), Problem> {
        visit::check_origin(&self.visit.headers)?;
        self.sees()
    }

    /// What all handlers share.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.visit.site.state
    }

    /// A page; `place` is the path of the one that it belongs to.
    #[must_use]
    pub fn page(&self, title: &str, place: &str, body: &Markup) -> Response {
        let signed_in = matches!(self.session, Ok(Some(_)));
        let links = html! {
            @if signed_in {
                @for (path, name) in PLACES {
                    a href=(path) aria-current=[(path == place).then_some("page")] { (name) }
                }
                a href="/metrics" { "Metrics" }
            }
        };
        let who = html! {
            @if signed_in {
                form method="post" action="/admin/sign-out" { button.plain type="submit" { "Sign out" } }
            }
        };
        frame::document(title, &[], &links, &who, body)
    }

    /// A page or a part, or why there is none.
    pub async fn or_problem(&self, shown: PageResult) -> Response {
        let sign_in = || match self.visit.wants_part() {
            true => frame::redirect("/admin"),
            false if self.visit.here() == "/admin" => self.sign_in_page(None),
            false => frame::lead_to("/admin"),
        };
        let page = |title: &str, body: Markup| self.page(title, "", &body);
        or_problem_in(&self.visit, shown, sign_in, page).await
    }

    /// The answer to what was to be done: a refusal stands beside what is there.
    pub async fn answer(&self, done: PageResult) -> Response {
        let refused = done.is_err();
        let response = self.or_problem(done).await;
        match refused && self.visit.wants_part() && !response.headers().contains_key("hx-redirect")
        {
            true => act::beside(response),
            false => response,
        }
    }

    fn sign_in_page(&self, problem: Option<&str>) -> Response {
        let form = session::form("/admin/sign-in", "The admin token", "", problem);
        let mut response = self.page("Sign in", "", &form);
        if problem.is_some() {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        response
    }
}

/// `/` of the admin listener.
pub async fn home() -> Response {
    frame::lead_to("/admin")
}

/// 404, for any address of this listener.
pub async fn not_found(admin: AdminVisit) -> Response {
    let visit = &admin.visit;
    match nowhere::is_person(&visit.uri, &visit.headers) {
        true => admin.or_problem(Err(ApiError::not_found().into())).await,
        false => ApiError::not_found().into_response(),
    }
}

/// `POST /admin/sign-in`
pub async fn sign_in(Shared(site): Shared<Arc<Site>>, admin: AdminVisit, body: Body) -> Response {
    let done = async {
        visit::check_host(&admin.visit.headers)?;
        let form = Form::of(body, MOST_BYTES).await?;
        if !visit::keeps_sessions(&admin.visit.headers) {
            return Ok(admin.sign_in_page(Some(session::NOT_KEPT)));
        }
        session::begin_try(&admin.visit)?;
        let state = &site.state;
        if !state.admin_token.is(form.get("key")) {
            tracing::warn!("a wrong admin token was tried");
            return Ok(admin.sign_in_page(Some("This is not the admin token.")));
        }
        session::was_right(&admin.visit);
        let cookie = session::open(&site, state.admin_token.holder(), ADMIN_COOKIE).await?;
        tracing::info!("an operator has signed in");
        let mut response = frame::lead_to("/admin");
        response.headers_mut().insert(header::SET_COOKIE, cookie);
        Ok(response)
    };
    let done = done.await;
    admin.or_problem(done).await
}

/// `POST /admin/sign-out`
pub async fn sign_out(Shared(site): Shared<Arc<Site>>, admin: AdminVisit) -> Response {
    let done = async {
        visit::check_origin(&admin.visit.headers)?;
        if let Ok(Some(hash)) = &admin.session {
            site.state.db.end_session(hash).await?;
        }
        let mut response = frame::lead_to("/admin");
        let none = visit::set_cookie(ADMIN_COOKIE, "", 0);
        response.headers_mut().insert(header::SET_COOKIE, none);
        Ok(response)
    };
    let done = done.await;
    admin.or_problem(done).await
}
