//! A page's data as the very request of the API that gives it: to copy, and to run.

use maud::{Markup, html};

use super::{address, visit::Visit};

/// The command for a path and query of the API, percent-encoded. The key stays where the reader keeps it.
#[must_use]
pub fn command(visit: &Visit, path: &str) -> String {
    let origin = address::of(visit);
    // the query is encoded; a path may hold a quote
    let path = path.replace('\'', "%27");
    format!("curl '{origin}{path}' \\\n  -H \"Authorization: Bearer $SIGCAST_KEY\"")
}

/// The same to read and to copy; `id` is its own on the page.
#[must_use]
pub fn shown(visit: &Visit, id: &str, path: &str) -> Markup {
    html! {
        details.curl {
            summary { "The same from the API" }
            pre #(id) { (command(visit, path)) }
            button.plain type="button" data-copy=(id) { "Copy as curl" }
        }
    }
}
