//! EDGAR's feed of current filings, an Atom document a page, the newest first.
//!
//! A filing has an entry for each party to it, `4 - Issuer Corp (0000320193) (Issuer)` and `4 - Doe Jane (0001214156) (Reporting)`, with
//! the same accession number. The feed's `updated` is the moment of acceptance. Its `type=4` means everything that begins with a 4
//! (`424B2` too), so that the feed is asked for all ownership forms instead, and forms are told here.

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use crate::{
    ingest::sec::{rejection::excerpt, submission::decoded, values},
    model::time::Time,
};

/// Entries on a page: the most that EDGAR gives.
pub const PAGE: usize = 100;
/// No entry of the feed has longer texts, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// Entries of one document that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// A party's entry for a filing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `0001193125-26-361476`.
    pub accession: String,
    /// CIK of the party, without leading zeros: under it the archive has the filing.
    pub cik: String,
    /// When EDGAR accepted it.
    pub updated: Time,
}

/// A page of the feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Entries of Forms 3, 4, 5 and their amendments.
    pub entries: Vec<Entry>,
    /// How many entries it has, of any form.
    pub total: usize,
    /// The oldest moment on it, of any form.
    pub oldest: Option<Time>,
}

/// Why a document is no page of the feed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// Not well-formed, or of another kind.
    #[error("no Atom feed: {0}")]
    NotAtom(String),
    /// It ends in the middle.
    #[error("the feed is cut off")]
    CutOff,
}

/// The page's path and query on EDGAR's host, from entry `start` on.
#[must_use]
pub fn path(start: usize) -> String {
    format!(
        "/cgi-bin/browse-edgar?action=getcurrent&type=&company=&dateb=&owner=only&start={start}&count={PAGE}&output=atom"
    )
}

/// Whether a form is one of those that are followed.
#[must_use]
pub fn is_followed(form: &str) -> bool {
    matches!(form, "3" | "4" | "5" | "3/A" | "4/A" | "5/A")
}

/// Reads a page. Entries that lack a number, a moment or a place in the archive are passed over: the daily index has them all.
///
/// # Errors
/// [`FeedError`], and nothing of the page then: half a page looks like the feed's end.
pub fn parse(bytes: &[u8]) -> Result<Page, FeedError> {
    let text = decoded(bytes);
    let mut reader = Reader::from_str(&text);
    reader.config_mut().allow_dangling_amp = true;
    let mut page = Page::default();
    let mut draft: Option<Draft> = None;
    let (mut gathered, mut depth) = (String::new(), 0_usize);
    loop {
        let event = reader.read_event();
        match event.map_err(|e| FeedError::NotAtom(excerpt(&e.to_string())))? {
            Event::Start(tag) => {
                if depth == 0 && tag.local_name().as_ref() != "feed" {
                    return Err(FeedError::NotAtom("the root is not `feed`".into()));
                }
                depth += 1;
                begin(&tag, &mut draft);
                gathered.clear();
            }
            Event::Empty(tag) => begin(&tag, &mut draft),
            Event::Text(text) if gathered.len() + text.len() <= MAX_TEXT => {
                gathered.push_str(&text)
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                end(tag.local_name().as_ref(), &gathered, &mut draft, &mut page);
                if depth == 0 {
                    return Ok(page);
                }
            }
            Event::DocType(_) => return Err(FeedError::NotAtom("a document type".into())),
            Event::Eof => return Err(FeedError::CutOff),
            _ => {}
        }
        if page.total > MAX_ENTRIES || depth > 32 {
            return Err(FeedError::NotAtom("too large".into()));
        }
    }
}

#[derive(Default)]
struct Draft {
    form: String,
    accession: Option<String>,
    cik: Option<String>,
    updated: Option<Time>,
}

fn begin(tag: &BytesStart<'_>, draft: &mut Option<Draft>) {
    let attribute = |name| {
        let found = tag.try_get_attribute(name).ok().flatten();
        found.map(|found| found.value.into_owned())
    };
    match (tag.local_name().as_ref(), draft) {
        ("entry", draft) => *draft = Some(Draft::default()),
        ("category", Some(draft)) => draft.form = attribute("term").unwrap_or_default(),
        ("link", Some(draft)) => draft.cik = draft.cik.take().or_else(|| cik(&attribute("href")?)),
        _ => {}
    }
}

fn end(name: &str, text: &str, draft: &mut Option<Draft>, page: &mut Page) {
    match (name, draft.as_mut()) {
        ("id", Some(draft)) => {
            let number = text.rsplit('=').next().unwrap_or_default();
            draft.accession = values::accession(number.trim());
        }
        ("updated", Some(draft)) => draft.updated = Time::parse_iso(text.trim()).ok(),
        ("entry", Some(_)) => {
            page.total += 1;
            if let Some(draft) = draft.take() {
                finish(draft, page);
            }
        }
        _ => {}
    }
}

fn finish(draft: Draft, page: &mut Page) {
    let Draft {
        form,
        accession,
        cik,
        updated,
    } = draft;
    if let Some(updated) = updated {
        page.oldest = Some(page.oldest.map_or(updated, |oldest| oldest.min(updated)));
    }
    if let (true, Some(accession), Some(cik), Some(updated)) =
        (is_followed(&form), accession, cik, updated)
    {
        page.entries.push(Entry {
            accession,
            cik,
            updated,
        });
    }
}

/// The CIK in an address of the archive: `…/edgar/data/1307631/000119312526361476/…`.
fn cik(address: &str) -> Option<String> {
    let (_, rest) = address.split_once("/edgar/data/")?;
    let digits = rest.split('/').next()?;
    values::cik(digits).map(|cik| cik.trim_start_matches('0').to_owned())
}

#[cfg(test)]
#[expect(missing_docs, reason = "of tests")]
pub mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// An entry as EDGAR writes it.
    pub fn entry(form: &str, party: &str, cik: &str, accession: &str, updated: &str) -> String {
        let folder = accession.replace('-', "");
        format!(
            "<entry>\n<title>{form} - {party} ({cik:0>10}) (Reporting)</title>\n\
             <link rel=\"alternate\" type=\"text/html\" href=\"https://www.sec.gov/Archives/edgar/data/{cik}/{folder}/{accession}-index.htm\"/>\n\
             <summary type=\"html\">\n &lt;b&gt;Filed:&lt;/b&gt; 2026-08-21 &lt;b&gt;AccNo:&lt;/b&gt; {accession} &lt;b&gt;Size:&lt;/b&gt; 6 KB\n</summary>\n\
             <updated>{updated}</updated>\n\
             <category scheme=\"https://www.sec.gov/\" label=\"form type\" term=\"{form}\"/>\n\
             <id>urn:tag:sec.gov,2008:accession-number={accession}</id>\n</entry>\n"
        )
    }

    /// A page of entries.
    pub fn page(entries: &[String]) -> String {
        let mut page = String::from(
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
             <title>Latest Filings - Fri, 21 Aug 2026 19:42:31 EDT</title>\n<link rel=\"self\" href=\"/cgi-bin/browse-edgar?a=b\"/>\n\
             <id>https://www.sec.gov/cgi-bin/browse-edgar?action=getcurrent</id>\n<updated>2026-08-21T19:42:31-04:00</updated>\n",
        );
        for entry in entries {
            let _ = write!(page, "{entry}");
        }
        page + "</feed>\n"
    }

    const AT: &str = "2026-08-21T19:42:29-04:00";

    #[test]
    fn both_parties_and_other_forms() {
        let number = "0001193125-26-361476";
        let text = page(&[
            entry("4", "Caf\u{e9} & Co", "1307631", number, AT),
            entry("4", "Doe Jane", "7", number, AT),
            entry(
                "424B2",
                "Bank",
                "8",
                "0001193125-26-000001",
                "2026-08-21T19:40:00-04:00",
            ),
            entry("4/A", "Doe Jane", "7", "0001193125-26-000002", AT),
            entry("144", "Doe Jane", "7", "0001193125-26-000003", AT),
        ]);
        let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
        let page = parse(&latin).unwrap();
        let seen: Vec<_> = page
            .entries
            .iter()
            .map(|e| (&*e.accession, &*e.cik))
            .collect();
        assert_eq!(
            seen,
            [
                (number, "1307631"),
                (number, "7"),
                ("0001193125-26-000002", "7")
            ]
        );
        assert_eq!(page.total, 5);
        assert_eq!(
            page.entries[0].updated.to_string(),
            "2026-08-21T23:42:29.000Z"
        );
        assert_eq!(page.oldest.unwrap().to_string(), "2026-08-21T23:40:00.000Z");
    }

    #[test]
    fn half_a_page_is_none() {
        let text = page(&[entry("4", "A", "1", "0001193125-26-000001", AT)]);
        for end in 0..text.trim_end().len() {
            assert!(parse(&text.as_bytes()[..end]).is_err(), "{end}");
        }
        assert!(parse(text.as_bytes()).is_ok());
        assert!(parse(b"<html><body>Request Rate Threshold Exceeded</body></html>").is_err());
        assert!(parse(b"<!DOCTYPE feed [<!ENTITY a \"b\">]><feed></feed>").is_err());
    }

    #[test]
    fn an_empty_feed_is_a_page() {
        assert_eq!(parse(page(&[]).as_bytes()), Ok(Page::default()));
    }

    #[test]
    fn what_an_entry_lacks_the_index_has() {
        let good = entry("4", "A", "1", "0001193125-26-000001", AT);
        for (from, to) in [
            ("=0001193125", "=x"),
            (AT, "soon"),
            ("/edgar/data/1/", "/edgar/data/x/"),
        ] {
            let page = parse(page(&[good.replace(from, to)]).as_bytes()).unwrap();
            assert_eq!((page.entries.len(), page.total), (0, 1), "{from}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
            let _ = parse(&[b"<feed><entry>", &bytes[..]].concat());
        }
    }
}
