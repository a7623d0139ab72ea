//! `/`: what this server is, and how to connect to it.

use std::sync::Arc;

use axum::{extract::State as Shared, response::Response};
use maud::html;

use super::{
    frame::{Page, Place},
    session,
    visit::{Site, Visit},
};

/// `/`
pub async fn home(Shared(_site): Shared<Arc<Site>>, visit: Visit) -> Response {
    let body = html! {
        p { "Trading signals from facts that anyone can look up, by engines that anyone can audit, the moment that they are committed." }
    };
    let page = Page {
        title: "sigcast",
        place: Place::Home,
        scripts: &[],
        body,
    };
    page.show(&visit)
}

/// `/account`: moves to a file of its own with what there is to see.
pub async fn account(visit: Visit) -> Response {
    let query = visit.uri.query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let next = pairs
        .find(|(key, _)| key == "next")
        .map(|(_, next)| next.into_owned());
    match visit.session() {
        None => session::page(&visit, next.as_deref().unwrap_or_default(), None),
        Some(_) => {
            let body = html! {
                form method="post" action="/account/sign-out" { button.plain type="submit" { "Sign out" } }
            };
            Page {
                title: "Account",
                place: Place::Account,
                scripts: &[],
                body,
            }
            .show(&visit)
        }
    }
}
