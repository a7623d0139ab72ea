//! `/`: what this server is, and how to connect to it.

use std::sync::Arc;

use axum::{extract::State as Shared, response::Response};
use maud::html;

use super::{
    frame::{Page, Place},
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
