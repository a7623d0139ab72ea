//! Metrics: the page that lists them and what is told agree, name by name; and they count what happens.

use std::{collections::BTreeMap, fs};

use super::{
    server::{Server, until},
    wire::{PATIENCE, request},
};

/// Kinds by the name that a sample has: of a counter with `_total`.
fn told(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let pairs = types.filter_map(|line| line.split_once(' '));
    pairs
        .map(|(name, kind)| match kind {
            "counter" => (format!("{name}_total"), kind.to_owned()),
            _ => (name.to_owned(), kind.to_owned()),
        })
        .collect()
}

fn listed() -> BTreeMap<String, String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let page = fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (name, rest) = row.split_once("` | ").expect("a name");
        let (kind, what) = rest.split_once(" | ").expect("a kind");
        assert!(what.len() > 8, "{name} says nothing");
        (name.to_owned(), kind.to_owned())
    })
    .collect()
}

#[test]
fn every_metric_is_listed_and_every_one_listed_is_told() {
    let server = Server::start();
    // what has labels of many kinds is told once there is one
    let key = server.alpha_key();
    drop(server.listen(&key, "", &[]));
    server
        .get("/api/nothing", &key)
        .expect_error(404, "not_found");
    let told_all = || {
        told(&server.admin("GET", "/metrics", "").text())
            .contains_key("sigcast_stream_closes_total")
    };
    until(PATIENCE, || told_all().then_some(())).expect("the stream's end");
    let reply = request(server.admin, "GET", "/metrics", &[], b"");
    assert_eq!(reply.head.status, 200, "without a token");
    let told = told(&reply.text());
    assert!(told.len() > 20, "{}", reply.text());
    let mut listed = listed();
    // told once EDGAR was asked, which is done only where a server follows it
    assert!(listed.remove("sigcast_edgar_requests_total").is_some());
    assert_eq!(told, listed);
}

#[test]
fn they_count_what_happens() {
    let server = Server::with(&[
        ("SIGCAST_PLANS__ALPHA__BURST", "2"),
        ("SIGCAST_PLANS__ALPHA__REQUESTS_PER_SECOND", "1"),
    ]);
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);
    let id = server.publish_sample(1);
    stream.expect_signal(&id);
    // the client has the frame before the server has counted it
    let counted =
        |name: &str| until(PATIENCE, || (server.metric(name) == 1).then_some(())).is_some();
    for gauge in ["sigcast_streams", "sigcast_seats", "sigcast_ring_frames"] {
        assert_eq!(server.metric(gauge), 1, "{gauge}");
    }
    assert!(server.metric("sigcast_connections") >= 1);
    assert!(server.metric("sigcast_connections_max") > 100);
    for histogram in [
        "sigcast_publish_seconds_count",
        "sigcast_delivery_seconds_count",
    ] {
        assert!(counted(histogram), "{histogram}");
    }
    // a stream that goes on from the beginning gets what is old news: no measure of the server
    let id = format!("{}-0", server.epoch(&key));
    let mut resumed = server.listen(&server.alpha_key(), "", &[("last-event-id", &id)]);
    resumed.expect("signal");
    server.publish_sample(2);
    resumed.expect("signal");
    stream.expect("signal");
    let three = until(PATIENCE, || {
        (server.metric("sigcast_publish_seconds_count") >= 3).then_some(())
    });
    assert!(three.is_some() && server.metric("sigcast_publish_seconds_count") == 3);
    drop(resumed);
    let limited = until(PATIENCE, || {
        let reply = server.get("/api/signals", &key);
        (reply.head.status == 429).then_some(reply)
    });
    limited.expect("a burst").expect_error(429, "rate_limited");
    server
        .get("/api/nothing", &key)
        .expect_error(404, "not_found");
    for counter in [
        "sigcast_limited_total{limit=\"burst\"}",
        "sigcast_http_errors_total{code=\"rate_limited\"}",
        "sigcast_http_errors_total{code=\"not_found\"}",
        "sigcast_http_answers_total{listener=\"main\",status=\"404\"}",
    ] {
        assert_eq!(server.metric(counter), 1, "{counter}");
    }
    // an open stream counts nothing, and keeps nothing of its key here
    assert_eq!(server.metric("sigcast_keys_in_use"), 1);
    drop(stream);
    let closed = until(PATIENCE, || {
        (server.metric("sigcast_stream_closes_total{reason=\"client_gone\"}") == 2).then_some(())
    });
    assert!(
        closed.is_some(),
        "{}",
        server.admin("GET", "/metrics", "").text()
    );
    assert_eq!(server.metric("sigcast_seats"), 0);
}
