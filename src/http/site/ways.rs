//! The way from filings to filings: their views, and a field to look for who is meant.

use maud::{Markup, html};

/// All filings.
pub const ALL: &str = "/screener";
/// The best of late.
pub const TOP: &str = "/screener/top";
/// Those whose kind did best.
pub const WINNING: &str = "/screener/winning";
/// Who is meant.
pub const SEARCH: &str = "/screener/search";

const VIEWS: [(&str, &str); 3] = [
    (ALL, "All filings"),
    (TOP, "Top signals of late"),
    (WINNING, "Kinds that won"),
];

/// From the page at `here`; nothing is looked for yet.
#[must_use]
pub fn ways(here: &str) -> Markup {
    looking_for(here, "", &html! { div #hits {} })
}

/// The same with what was looked for, and found.
///
/// The field asks when it is sent and not at each letter: each search is one request of the key's plan.
#[must_use]
pub fn looking_for(here: &str, asked: &str, hits: &Markup) -> Markup {
    html! {
        div.ways {
            nav.tabs aria-label="Views of filings" {
                @for (path, words) in VIEWS { a href=(path) aria-current=[(path == here).then_some("page")] { (words) } }
            }
            form.search role="search" method="get" action=(SEARCH) hx-get=(SEARCH) hx-target="#hits" hx-swap="outerHTML" {
                label.unseen for="q" { "Company, ticker, ISIN or insider" }
                input #q name="q" type="search" value=(asked) placeholder="Company, ticker, ISIN or insider" minlength="2" maxlength="100"
                    required autocomplete="off" spellcheck="false";
                button.plain type="submit" { "Search" }
            }
        }
        (hits)
    }
}
