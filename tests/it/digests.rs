//! A client proves what it holds: the digest of a stretch of the log is the one that it computes itself, whichever way the signals came.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    receiver::Receiver,
    server::{Key, Server, sample},
    webhooks::{HERE, hook},
    wire::{PATIENCE, Reply},
};

/// As the page on REST says it, in a client's own words.
fn rolled<T: AsRef<[u8]>>(start: &str, signals: impl IntoIterator<Item = T>) -> String {
    let bytes = |at: usize| u8::from_str_radix(&start[at..at + 2], 16).unwrap();
    let mut digest: Vec<u8> = (0..64).step_by(2).map(bytes).collect();
    for data in signals {
        digest.extend_from_slice(data.as_ref());
        digest = Sha256::digest(&digest).to_vec();
    }
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn nothing() -> String {
    "0".repeat(64)
}

fn ask(server: &Server, key: &Key, query: &str) -> Reply {
    server.get(&format!("/api/signals/digest?{query}"), key)
}

fn asked(server: &Server, key: &Key, query: &str) -> Value {
    ask(server, key, query).ok_json()
}

/// Signals of two types and several ranks, with what a re-serialised map would spell otherwise.
fn kinds(n: u32) -> String {
    let id = format!("00000000-0000-4000-8000-{n:012}");
    let (kind, rank) = match n % 3 {
        0 => ("insider_buy", "B"),
        1 => ("consensus_buy", "S"),
        _ => ("consensus_buy", "C"),
    };
    format!(
        r#"{{"signal_type":"{kind}","id":"{id}", "rank":"{rank}","rank_score":{n}.50,"z":"é\u0041 \"\\","a":1e2}}"#
    )
}

#[test]
fn what_every_channel_sends_comes_to_the_same() {
    let server = Server::with(&HERE);
    let key = server.alpha_key();
    let receiver = Receiver::start();
    hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    let empty = asked(&server, &key, "");
    let epoch = server.epoch(&key);
    assert_eq!(
        empty,
        json!({"from": format!("{epoch}-1"), "to": format!("{epoch}-0"), "count": 0, "digest": nothing(), "epoch": epoch, "head": 0})
    );
    let mut stream = server.listen(&key, "", &[]);
    for n in 1..=12 {
        server.admin("POST", "/v1/signals", &kinds(n)).ok_json();
    }
    let frames: Vec<String> = (1..=12).map(|_| stream.expect("signal").data).collect();
    let whole = rolled(&nothing(), &frames);
    assert_eq!(
        asked(&server, &key, ""),
        json!({"from": format!("{epoch}-1"), "to": format!("{epoch}-12"), "count": 12, "digest": whole, "epoch": epoch, "head": 12})
    );
    // the list's items, cut out of its text as they stand
    let list = server.get("/api/signals?limit=200", &key).text();
    let items = list.split_once("[").unwrap().1.rsplit_once("],\"next\"");
    let items = items.unwrap().0.replace("},{", "}\n{");
    assert_eq!(rolled(&nothing(), items.lines()), whole);
    // webhooks may come in another order: seq says which one it is
    let mut came = receiver.wait_for(12, PATIENCE).expect("all of them");
    came.sort_by_key(|one| one.seq);
    assert_eq!(rolled(&nothing(), came.iter().map(|one| &one.body)), whole);

    // a part; and on from a part whose digest is held
    let part = |from: usize, to: usize| {
        let query = format!("from={epoch}-{from}&to={epoch}-{to}");
        asked(&server, &key, &query)["digest"].clone()
    };
    assert_eq!(part(3, 7), rolled(&nothing(), &frames[2..7]));
    assert_eq!(part(12, 12), rolled(&nothing(), &frames[11..]));
    let held = part(1, 5);
    assert_eq!(rolled(held.as_str().unwrap(), &frames[5..]), whole);

    // a filtered client holds what passes
    for (query, passes) in [
        ("types=insider_buy", &[3, 6, 9, 12][..]),
        ("min_rank=B&min_score=6", &[6, 7, 9, 10, 12]),
        ("types=consensus_buy&min_rank=A", &[1, 4, 7, 10]),
        ("market=crypto", &[]),
    ] {
        let answer = asked(&server, &key, query);
        let held = passes.iter().map(|n| &frames[n - 1]);
        assert_eq!(answer["digest"], rolled(&nothing(), held), "{query}");
        assert_eq!(answer["count"], passes.len(), "{query}");
        assert_eq!(answer["to"], format!("{epoch}-12"));
        let replayed = format!("?{query}&last_event_id={epoch}-0");
        let mut stream = server.listen(&server.alpha_key(), &replayed, &[]);
        for n in passes {
            let frame = stream.event(PATIENCE);
            assert!(format!("{frame:?}").contains(&format!("{n}.50")), "{query}");
        }
    }
}

#[test]
fn a_stretch_that_cannot_be_had_is_refused_by_name() {
    let server = Server::with(&HERE);
    let key = server.alpha_key();
    for n in 1..=9 {
        server.publish(&sample(n));
    }
    let epoch = server.epoch(&key);
    asked(&server, &key, ""); // as whoever holds all of it asks: what is known must not outlive the rows
    server.sql("delete from signals where seq <= 3; update log_tail set oldest = 4;");
    let at = |seq: u32| format!("{epoch}-{seq}");
    for (query, parameter, why) in [
        (
            format!("from={}", at(3)),
            "from",
            format!("from {epoch}-4 on"),
        ),
        (
            format!("from={}", at(0)),
            "from",
            format!("from {epoch}-4 on"),
        ),
        (format!("to={}", at(2)), "to", format!("from {epoch}-4 on")),
        (
            format!("from={}", at(10)),
            "from",
            format!("ends at {epoch}-9"),
        ),
        (format!("to={}", at(10)), "to", format!("ends at {epoch}-9")),
        (
            format!("from={}&to={}", at(7), at(6)),
            "to",
            format!("behind `from`, which is {epoch}-7"),
        ),
        (
            "from=0000aaaa-5".to_owned(),
            "from",
            format!("whose epoch is {epoch}; begin again at {epoch}-4"),
        ),
        (
            "to=0000aaaa-5".to_owned(),
            "to",
            format!("whose epoch is {epoch}"),
        ),
        ("from=5".to_owned(), "from", "the id of a frame".to_owned()),
        (
            "since=2026-01-01".to_owned(),
            "since",
            "the parameters types".to_owned(),
        ),
    ] {
        let details = ask(&server, &key, &query).expect_error(400, "invalid_parameter");
        assert_eq!(details["parameter"], parameter, "{query}");
        let allowed = details["allowed"].as_str().unwrap();
        assert!(allowed.contains(&why), "{query}: {allowed}");
    }
    let left = asked(&server, &key, "");
    assert_eq!((&left["from"], &left["count"]), (&json!(at(4)), &json!(6)));
    // as the list: no key, no answer; and a plan that has neither the stream nor REST has no log
    super::wire::request(server.main, "GET", "/api/signals/digest", &[], b"")
        .expect_error(401, "missing_api_key");
    let tagged = ask(&server, &key, "");
    assert!(tagged.head.header("etag").is_some(), "{}", tagged.head.raw);
}

/// Longer than what is computed in one turn: what is known of it is gone on from.
#[test]
fn a_long_stretch_is_computed_in_turns() {
    const MANY: u32 = 17_000;
    let server = Server::with(&HERE);
    let key = server.alpha_key();
    server.publish_all((1..=MANY).map(sample));
    let mut stream = server.listen(
        &key,
        &format!("?last_event_id={}-0", server.epoch(&key)),
        &[],
    );
    let frames: Vec<String> = (0..MANY).map(|_| stream.expect("signal").data).collect();
    let whole = rolled(&nothing(), &frames);
    for _ in 0..2 {
        let answer = asked(&server, &key, "");
        assert_eq!(
            (&answer["digest"], &answer["count"]),
            (&json!(whole), &json!(MANY))
        );
    }
    server.publish(&sample(MANY + 1));
    let last = stream.expect("signal").data;
    let answer = asked(&server, &key, "");
    assert_eq!(answer["digest"], rolled(&whole, [&last]), "a row more");
    let epoch = server.epoch(&key);
    let short = asked(&server, &key, &format!("to={epoch}-16390"));
    assert_eq!(short["digest"], rolled(&nothing(), &frames[..16_390]));
}
