//! Pages that are kept, and files of whole lists: never older than the data, counted like any other, and row for row what the list says.

use std::{io::Write as _, process::Stdio};

use serde_json::{Value, json};
use sigcast::{
    ingest::simulate::filings::{Filings, Markets, Shape},
    model::{filing_line, time::Time},
};

use super::{
    insider_data::House,
    server::{Server, now},
};

/// A filing published just now, as a line.
fn line(number: u32) -> Value {
    let at = now();
    json!({
        "v": 1, "type": "declaration", "id": format!("BAFIN:{number}"), "market": "de", "form": "MAR",
        "published_at": at.unix_ms(), "issuer": {"name": "Kiesel AG", "isin": "DE0000000009"},
        "insider": {"name": "Ute Kiesel", "officer": true}, "code": "P", "date": &at.to_string()[..10],
        "instrument": "Aktie", "shares": 100, "price": "12.50",
    })
}

fn total(house: &House, path: &str) -> u64 {
    house.get(path)["total"].as_u64().expect("a total")
}

/// What lists of everything say; each of them is kept once it was asked for.
const LISTS: [&str; 6] = [
    "/declarations",
    "/declarations?market=de&sort=amount",
    "/companies",
    "/insiders",
    "/search?q=kiesel",
    "/companies?q=kiesel",
];

#[test]
fn a_page_is_never_older_than_what_was_taken_in() {
    let house = House::start();
    for number in 1..=20 {
        let before: Vec<u64> = LISTS.iter().map(|path| total(&house, path)).collect();
        let again: Vec<u64> = LISTS.iter().map(|path| total(&house, path)).collect();
        assert_eq!(before, again);
        let answer = (house.server)
            .admin("POST", "/v1/filings", &line(number).to_string())
            .ok_json();
        assert_eq!(answer["accepted"], 1, "{answer}");
        let newest = house.get("/declarations?limit=1");
        assert_eq!(newest["items"][0]["amfId"], format!("BAFIN:{number}"));
        assert_eq!(newest["total"], before[0] + 1);
        assert_eq!(total(&house, LISTS[0]), before[0] + 1);
        assert_eq!(total(&house, LISTS[1]), before[1] + 1);
        let first = u64::from(number == 1);
        assert_eq!(total(&house, LISTS[2]), before[2] + first);
        assert_eq!(total(&house, LISTS[3]), before[3] + first);
        assert_eq!(total(&house, LISTS[4]), before[4] + 2 * first);
        let company = house.get(LISTS[5]);
        assert_eq!(company["items"][0]["declarationsCount"], number);
        let slug = company["items"][0]["slug"].as_str().unwrap();
        let flow = house.get(&format!("/companies/{slug}/net-flow"));
        let bought: f64 = flow["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["buy"].as_f64().unwrap())
            .sum();
        assert!(
            (bought - 1_250.0 * f64::from(number)).abs() < 0.001,
            "{flow}"
        );
    }
}

#[test]
fn what_another_process_took_in_is_seen() {
    let house = House::start();
    let before = total(&house, "/declarations");
    let mut child = (house.server)
        .on_data(&["ingest", "filings", "--format", "ndjson", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", line(1)).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(total(&house, "/declarations"), before + 1);
}

#[test]
fn a_page_that_is_kept_is_counted_and_has_its_own_meta_and_the_same_tag() {
    let house = House::start();
    let path = "/declarations?limit=3";
    let replies: Vec<_> = (0..5).map(|_| house.ask(path)).collect();
    let remaining: Vec<u64> = (replies.iter())
        .map(|reply| {
            reply
                .head
                .header("x-ratelimit-remaining")
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    for pair in remaining.windows(2) {
        assert_eq!(pair[1] + 1, pair[0], "{remaining:?}");
    }
    let first = replies[0].ok_json();
    for reply in &replies[1..] {
        let mut body = reply.ok_json();
        assert_ne!(body["meta"]["requestId"], first["meta"]["requestId"]);
        assert_eq!(
            body["meta"]["requestId"].as_str(),
            reply.head.header("x-request-id")
        );
        body["meta"] = first["meta"].clone();
        assert_eq!(body, first);
        assert_eq!(reply.head.header("etag"), replies[0].head.header("etag"));
    }
    let tag = replies[0].head.header("etag").unwrap();
    let known = house.ask_with(path, &[("if-none-match", tag)]);
    assert_eq!(known.head.status, 304);
    let left = known.head.header("x-ratelimit-remaining").unwrap().parse();
    assert_eq!(
        left,
        Ok(remaining[4] - 1),
        "what is not sent is counted too"
    );
    let squeezed = house.ask_with(path, &[("accept-encoding", "gzip")]);
    assert_eq!(squeezed.head.header("content-encoding"), Some("gzip"));
    assert_eq!(squeezed.head.header("etag"), Some(tag));
}

#[test]
fn a_key_without_quota_gets_no_page_that_is_kept() {
    let house = House::on_plan(
        "free",
        &[
            ("SIGCAST_PLANS__FREE__REQUESTS_PER_DAY", "3"),
            ("SIGCAST_PLANS__FREE__REQUESTS_PER_SECOND", "0"),
        ],
    );
    let statuses: Vec<u16> = (0..5)
        .map(|_| house.ask("/declarations?limit=1").head.status)
        .collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}

/// 1,300 filings: enough that a file is read in several pieces, and a list in many pages.
fn many() -> House {
    let house = House::start();
    let start = Time::parse_iso("2022-01-03T15:00:00Z").unwrap();
    let shape = Shape {
        companies: 40,
        markets: Markets::All,
        ..Shape::years(start)
    };
    let lines: String = Filings::new(11, 1_300, shape)
        .map(|filing| filing_line::write(&filing) + "\n")
        .collect();
    let mut child = (house.server)
        .on_data(&["ingest", "filings", "--format", "ndjson", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    (child.stdin.take().unwrap())
        .write_all(lines.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
    house
}

#[test]
fn files_are_row_for_row_what_the_list_says_page_by_page() {
    let house = many();
    until_judged(&house.server);
    for (path, id) in [
        ("/declarations?", "amfId"),
        ("/declarations?order=asc", "amfId"),
        ("/declarations?sort=signalScore", "amfId"),
        ("/declarations?sort=signalScore&order=asc", "amfId"),
        ("/declarations?sort=amount&market=us", "amfId"),
        ("/declarations?minScore=20&direction=BUY", "amfId"),
        ("/declarations?company=otter", "amfId"),
        ("/insiders?", "slug"),
        ("/companies?sort=marketCap&order=desc", "slug"),
    ] {
        let mut listed = Vec::new();
        loop {
            let page = house.get(&format!("{path}&limit=200&offset={}", listed.len()));
            let items = page["items"].as_array().unwrap();
            listed.extend(
                items
                    .iter()
                    .map(|item| item[id].as_str().unwrap().to_owned()),
            );
            if items.is_empty() {
                assert_eq!(page["total"], listed.len(), "{path}");
                break;
            }
        }
        assert!(listed.len() > 20, "{path}: {}", listed.len());
        let file = house.ask_with(path, &[("accept", "text/csv")]);
        let mut reader = csv::Reader::from_reader(&file.body[..]);
        let rows: Vec<String> = (reader.records())
            .map(|record| record.unwrap()[0].to_owned())
            .collect();
        assert_eq!(rows, listed, "{path}");
        let rest = house.ask_with(&format!("{path}&offset=15"), &[("accept", "text/csv")]);
        let rest = csv::Reader::from_reader(&rest.body[..]).records().count();
        assert_eq!(rest, listed.len() - 15, "{path}");
    }
}

fn until_judged(server: &Server) {
    let within = std::time::Duration::from_secs(60);
    let done = super::server::until(within, || {
        (server.metric("sigcast_insider_companies_waiting") == 0).then_some(())
    });
    assert!(done.is_some(), "the filings are still being judged");
}
