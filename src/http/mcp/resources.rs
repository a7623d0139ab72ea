//! Resources: how scores come about, in words, and data by the names that it has.

use rmcp::model::{ErrorData, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::json;

use super::{arguments::Arguments, asking::Asking};

const FILINGS: &str = "sigcast://methodology/filings";
const SWAPS: &str = "sigcast://methodology/consensus";
const MARKETS: &str = "sigcast://markets";
const MARKDOWN: &str = "text/markdown";
const JSON: &str = "application/json";

/// A page of ours.
struct Page {
    uri: &'static str,
    name: &'static str,
    title: &'static str,
    about: &'static str,
    text: &'static str,
}

const PAGES: [Page; 2] = [
    Page {
        uri: FILINGS,
        name: "methodology-filings",
        title: "How filings are scored",
        about: "The nine factors of an insider declaration's score, with their points, what counts, what is suspect, and a real filing worked by hand.",
        text: include_str!("../../../docs/scoring.md"),
    },
    Page {
        uri: SWAPS,
        name: "methodology-consensus",
        title: "How swaps become a signal",
        about: "What a consensus_buy is: positions, wallet scores, the window of 90 seconds, the six parts of rank_score, the rug check, updates and exits.",
        text: include_str!("../../../docs/consensus.md"),
    },
];

/// Data by name.
struct Template {
    /// Before the name.
    before: &'static str,
    place: &'static str,
    path: &'static str,
    name: &'static str,
    title: &'static str,
    about: &'static str,
}

const TEMPLATES: [Template; 3] = [
    Template {
        before: "sigcast://declarations/",
        place: "amfId",
        path: "/api/v1/declarations/{amfId}",
        name: "declaration",
        title: "A declaration",
        about: "An insider declaration by its amfId, as get_declaration gives it. Percent-encode what is not a letter, a digit, `-`, `.`, `_` or `:`.",
    },
    Template {
        before: "sigcast://companies/",
        place: "slug",
        path: "/api/v1/companies/{slug}",
        name: "company",
        title: "A company",
        about: "A company by its slug.",
    },
    Template {
        before: "sigcast://signals/",
        place: "id",
        path: "/api/signals/{id}",
        name: "signal",
        title: "A signal of the log",
        about: "A signal by its UUID or `<epoch>-<seq>`, in the very bytes that were sent.",
    },
];

/// What there is by a name of its own.
#[must_use]
pub fn list() -> Vec<Resource> {
    let pages = PAGES.iter().map(|page| {
        Resource::new(page.uri, page.name)
            .with_title(page.title)
            .with_description(page.about)
            .with_mime_type(MARKDOWN)
            .with_size(page.text.len() as u64)
    });
    let markets = Resource::new(MARKETS, "markets")
        .with_title("Markets and their coverage")
        .with_description("The markets that there is data of, as they are now: codes, regulators, counters, from which day to which.")
        .with_mime_type(JSON);
    pages.chain([markets]).collect()
}

/// What there is by the names of data.
#[must_use]
pub fn templates() -> Vec<ResourceTemplate> {
    let all = TEMPLATES.iter().map(|one| {
        ResourceTemplate::new(format!("{}{{{}}}", one.before, one.place), one.name)
            .with_title(one.title)
            .with_description(one.about)
            .with_mime_type(JSON)
    });
    all.collect()
}

/// Reads one.
pub async fn read(asking: &Asking, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    if let Some(page) = PAGES.iter().find(|page| page.uri == uri) {
        return Ok(contents(uri, MARKDOWN, page.text.to_owned()));
    }
    let path = match uri {
        MARKETS => Some("/api/v1/markets?limit=200".to_owned()),
        uri => by_template(uri),
    };
    let Some(path) = path else {
        return Err(missing(uri, "There is no such resource."));
    };
    match asking.ask(&path).await {
        Ok(json) => Ok(contents(uri, JSON, json)),
        Err(refused) => {
            let body: serde_json::Value = serde_json::from_str(&refused).unwrap_or_default();
            let said = body["error"]["message"].as_str().unwrap_or_default();
            if body["error"]["status"] == 404 {
                return Err(missing(uri, said));
            }
            let error = body["error"].clone();
            Err(ErrorData::internal_error(said.to_owned(), Some(error)))
        }
    }
}

fn by_template(uri: &str) -> Option<String> {
    TEMPLATES.iter().find_map(|one| {
        let name = uri.strip_prefix(one.before)?;
        let name = decoded(name)?;
        Some(Arguments::default().with(one.place, &name).fill(one.path))
    })
}

/// One segment, decoded; `None` where it is none.
fn decoded(segment: &str) -> Option<String> {
    if segment.is_empty() || segment.contains(['/', '?', '#']) {
        return None;
    }
    // a plus is a plus here, where in a query it would be a blank
    let escaped = segment
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    let mut pairs = url::form_urlencoded::parse(escaped.as_bytes());
    let (name, _) = pairs.next()?;
    Some(name.into_owned())
}

fn contents(uri: &str, kind: &str, text: String) -> ReadResourceResult {
    ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(kind)])
}

fn missing(uri: &str, message: &str) -> ErrorData {
    ErrorData::resource_not_found(message.to_owned(), Some(json!({"uri": uri})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_templates_may_be_raw_or_encoded() {
        for (uri, path) in [
            (
                "sigcast://declarations/SEC:0001127602-25-009876",
                Some("/api/v1/declarations/SEC%3A0001127602-25-009876"),
            ),
            (
                "sigcast://declarations/SEC%3A0001127602-25-009876",
                Some("/api/v1/declarations/SEC%3A0001127602-25-009876"),
            ),
            (
                "sigcast://declarations/a+b%20c",
                Some("/api/v1/declarations/a%2Bb%20c"),
            ),
            (
                "sigcast://signals/1f3c9a2e-7",
                Some("/api/signals/1f3c9a2e-7"),
            ),
            ("sigcast://companies/", None),
            ("sigcast://companies/a/b", None),
            ("sigcast://companies/a?limit=1", None),
            ("file:///etc/passwd", None),
        ] {
            assert_eq!(by_template(uri).as_deref(), path, "{uri}");
        }
    }

    #[test]
    fn pages_say_what_they_are() {
        for page in PAGES {
            assert!(
                page.text.starts_with("# ") && page.text.len() > 1_000,
                "{}",
                page.uri
            );
        }
        assert_eq!(list().len(), 3);
        assert_eq!(
            templates()[0].uri_template,
            "sigcast://declarations/{amfId}"
        );
    }
}
