//! What surrounds every page: its head, the way to the others, and the policy that browsers hold it to.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use maud::{DOCTYPE, Markup, html};

use super::{files, visit::Visit};

/// Files of this host alone, no script or style within a page, nothing that frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// `htmx` as the policy has it: it makes no code of texts, takes none from an answer, and carries no `style` over. It keeps no pages: a step back
/// loads what is there now.
const HTMX: &str = r#"{"allowEval":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"allowScriptTags":false,"historyCacheSize":0,"refreshOnHistoryMiss":true,"attributesToSettle":["class"]}"#;

/// Which of the pages that all others lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `/`
    Home,
    /// `/live`
    Live,
    /// `/screener`, and what it leads to.
    Screener,
    /// `/account`
    Account,
    /// None of them.
    Elsewhere,
}

const PLACES: [(Place, &str, &str); 4] = [
    (Place::Home, "/", "Overview"),
    (Place::Live, "/live", "Live"),
    (Place::Screener, "/screener", "Screener"),
    (Place::Account, "/account", "Account"),
];

/// A page.
pub struct Page<'a> {
    /// Its name, in the window's title and as its first heading.
    pub title: &'a str,
    /// Where it belongs.
    pub place: Place,
    /// Scripts beside those of all pages, by the names of their files.
    pub scripts: &'a [&'static str],
    /// What is on it, below its heading.
    pub body: Markup,
}

impl Page<'_> {
    /// The page as it is sent.
    #[must_use]
    pub fn show(&self, visit: &Visit) -> Response {
        self.show_as(StatusCode::OK, visit)
    }

    /// The same with another status.
    #[must_use]
    pub fn show_as(&self, status: StatusCode, visit: &Visit) -> Response {
        let signed_in = visit
            .session()
            .map(|session| &session.known.holder.account.name);
        let links = html! {
            @for (place, path, name) in PLACES {
                a href=(path) aria-current=[(place == self.place).then_some("page")] { (name) }
            }
            a href="/docs" { "API" }
        };
        let who = html! {
            @match signed_in {
                Some(name) => {
                    a.who href="/account" { span { "Signed in as " } b { (name) } }
                    form method="post" action="/account/sign-out" { button.plain.small type="submit" { "Sign out" } }
                }
                None => { a href="/account" { "Sign in" } }
            }
        };
        let mut response = document(self.title, self.scripts, &links, &who, &self.body);
        *response.status_mut() = status;
        response
    }
}

/// A whole document; `links` lead to the other pages, `who` says who is signed in.
#[must_use]
pub fn document(
    title: &str,
    scripts: &[&str],
    links: &Markup,
    who: &Markup,
    body: &Markup,
) -> Response {
    let charts = scripts.contains(&"charts.js");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(HTMX);
                title { (title) " · sigcast" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(files::path("site.css"));
                @if charts { link rel="stylesheet" href=(files::path("uplot.css")); }
                script src=(files::path("htmx.js")) defer {}
                script src=(files::path("site.js")) defer {}
                @if charts { script src=(files::path("uplot.js")) defer {} }
                @for name in scripts { script src=(files::path(name)) defer {} }
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header.top {
                    a.brand href="/" { "sigcast" }
                    nav aria-label="Pages" { (links) }
                    (who)
                }
                main #content tabindex="-1" {
                    h1 { (title) }
                    (body)
                }
                div #says role="status" aria-live="polite" {}
            }
        }
    };
    part(&page)
}

/// A part of a page, for htmx to put where it belongs.
#[must_use]
pub fn part(markup: &Markup) -> Response {
    let mut response = Response::new(Body::from(markup.0.clone()));
    let fields = response.headers_mut();
    let mut set = |name, value| fields.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "same-origin");
    // what one sees who is signed in is for nobody else, and nothing that the browser keeps after they have gone
    set(header::CACHE_CONTROL, "no-store");
    set(header::VARY, "cookie, hx-request");
    response
}

/// 303: to another page.
#[must_use]
pub fn lead_to(path: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let path = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, path);
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

/// The same for who asked for a part: htmx has the browser go there.
#[must_use]
pub fn redirect(path: &str) -> Response {
    let mut response = part(&html! {});
    let path = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    let name = HeaderName::from_static("hx-redirect");
    response.headers_mut().insert(name, path);
    response
}
