//! What an owner does with the keys of an account: any of them that counts may make, rotate and revoke all of them.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State as Shared, rejection::PathRejection},
    http::header,
    response::Response,
};

use super::{
    account,
    account_keys::{read_end, read_overlap, section},
    act::{self, MOST_BYTES},
    frame,
    problem::PageResult,
    session::{self, Form},
    visit::{self, COOKIE, Session, Site, Visit},
};
use crate::{
    http::{error::ApiError, keys},
    store::issue::Issued,
};

/// The key that was made: in its section for htmx, and else in the whole page.
async fn show(visit: &Visit, session: &Session, made: &Issued) -> PageResult {
    match visit.wants_part() {
        true => Ok(frame::part(&section(visit, session, Some(made)).await?)),
        false => account::show(visit, session, Some(made)).await,
    }
}

/// `POST /account/keys`
pub async fn create(visit: Visit, body: Body) -> Response {
    let done = async {
        let session = act::acts(&visit)?;
        let form = Form::of(body, MOST_BYTES).await?;
        let (state, account) = (&visit.site.state, &session.known.holder.account);
        let expires = read_end(form.get("expires"), visit.now())?;
        let kind = Some(form.get("kind")).filter(|kind| !kind.is_empty());
        keys::check_pace(state, &account.id).await?;
        let made = keys::issue(state, account, kind, expires).await?;
        show(&visit, session, &made).await
    };
    act::answer(&visit, done.await).await
}

/// `POST /account/keys/{id}/rotate`: a session of that key goes on by its successor.
pub async fn rotate(
    Shared(site): Shared<Arc<Site>>,
    visit: Visit,
    id: Result<Path<String>, PathRejection>,
    body: Body,
) -> Response {
    let done = async {
        let session = act::acts(&visit)?;
        let Path(id) = id.map_err(ApiError::from)?;
        let form = Form::of(body, MOST_BYTES).await?;
        let (state, holder) = (&site.state, &session.known.holder);
        let overlap = read_overlap(form.get("overlap"))?;
        keys::check_pace(state, &holder.account.id).await?;
        let account = Some(holder.account.id.as_str());
        let old = keys::find(state, account, &id).await?;
        let made = keys::rotate(state, &old, overlap, old.expires_at).await?;
        if id != holder.key.id {
            return show(&visit, session, &made).await;
        }
        let cookie = session::open(&site, made.key.hash(), COOKIE).await?;
        state.db.end_session(&session.hash).await?;
        let own = Session::by(state, made.key.hash(), session).await?;
        let mut response = show(&visit, &own, &made).await?;
        response.headers_mut().insert(header::SET_COOKIE, cookie);
        Ok(response)
    };
    act::answer(&visit, done.await).await
}

/// `POST /account/keys/{id}/revoke`: the session's own key signs out.
pub async fn revoke(
    Shared(site): Shared<Arc<Site>>,
    visit: Visit,
    id: Result<Path<String>, PathRejection>,
) -> Response {
    let done = async {
        let session = act::acts(&visit)?;
        let Path(id) = id.map_err(ApiError::from)?;
        let (state, holder) = (&site.state, &session.known.holder);
        let old = keys::find(state, Some(&holder.account.id), &id).await?;
        keys::revoke(state, &old).await?;
        if id == holder.key.id {
            state.db.end_session(&session.hash).await?;
            let mut response = act::go(&visit, "/account");
            let none = visit::set_cookie(COOKIE, "", 0);
            response.headers_mut().insert(header::SET_COOKIE, none);
            return Ok(response);
        }
        match visit.wants_part() {
            true => Ok(frame::part(&section(&visit, session, None).await?)),
            false => Ok(frame::lead_to("/account#keys")),
        }
    };
    act::answer(&visit, done.await).await
}
