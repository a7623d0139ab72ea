//! Resuming: from an id, from a time, over a crash, and what is said where it cannot be.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    server::{Key, Server, from_now, now, sample},
    wire::{Next, PATIENCE},
};

const QUIET: Duration = Duration::from_millis(300);

/// A server with `n` signals, a key and the epoch.
fn with_signals(n: u32) -> (Server, Key, String) {
    let server = Server::start();
    for n in 1..=n {
        server.publish_sample(n);
    }
    let key = server.alpha_key();
    let epoch = server.epoch(&key);
    (server, key, epoch)
}

fn expect_seqs(stream: &mut super::wire::Stream, seqs: std::ops::RangeInclusive<i64>) {
    for seq in seqs {
        assert_eq!(stream.expect("signal").json()["seq"], seq);
    }
    stream.expect_quiet(QUIET);
}

#[test]
fn a_fresh_stream_starts_fresh() {
    let (server, key, epoch) = with_signals(3);
    let mut stream = server.stream(&key, "", &[]);
    let hello = stream.expect_hello();
    assert_eq!(hello.id, format!("{epoch}-3"));
    assert_eq!(hello.json()["seq"], 3);
    stream.expect_quiet(QUIET);
    server.publish_sample(4);
    expect_seqs(&mut stream, 4..=4);
}

#[test]
fn an_id_brings_all_after_it() {
    let (server, key, epoch) = with_signals(5);
    for (given, first) in [(0, 1), (2, 3), (5, 6)] {
        let id = format!("{epoch}-{given}");
        let mut stream = server.stream(&key, "", &[("last-event-id", &id)]);
        let hello = stream.expect_hello();
        assert_eq!(hello.json()["resumed_from"], given);
        assert_eq!(hello.json()["seq"], 5, "the head of the log");
        assert_eq!(hello.id, id, "where this stream stands");
        expect_seqs(&mut stream, first..=5);
    }
    let query = format!("?last_event_id={epoch}-3&takeover=true");
    expect_seqs(&mut server.listen(&key, &query, &[]), 4..=5);
}

#[test]
fn the_header_wins_over_the_query() {
    let (server, key, epoch) = with_signals(5);
    let id = format!("{epoch}-4");
    let query = format!("?last_event_id={epoch}-1");
    let mut stream = server.listen(&key, &query, &[("last-event-id", &id)]);
    expect_seqs(&mut stream, 5..=5);

    let mut stream = server.listen(
        &key,
        "?since=2020-01-01T00:00:00Z",
        &[("last-event-id", &id)],
    );
    expect_seqs(&mut stream, 5..=5);
}

#[test]
fn ids_that_cannot_be_resumed_from_give_a_gap() {
    let (server, key, epoch) = with_signals(3);
    let foreign = if epoch == "00000000" {
        "11111111"
    } else {
        "00000000"
    };
    for (id, reason) in [
        ("nonsense".to_owned(), "unknown_id"),
        ("42".to_owned(), "unknown_id"),
        (format!("{epoch}-x"), "unknown_id"),
        (format!("{epoch}-99999999999999999999"), "unknown_id"),
        (format!("{foreign}-2"), "epoch_changed"),
        (format!("{epoch}-4"), "ahead_of_log"),
    ] {
        let mut stream = server.stream(&key, "", &[("last-event-id", &id)]);
        let hello = stream.expect_hello();
        assert_eq!(
            hello.id, "",
            "cut off before the gap, it must be told again"
        );
        let gap = stream.expect("gap");
        assert_eq!(stream.chunks[1], gap.raw, "one frame, one chunk");
        let data = gap.json();
        assert_eq!(data["reason"], reason, "{id}: {data}");
        for end in ["from", "to"] {
            assert!(data[end].is_null() || data[end].is_i64(), "{id}: {data}");
        }
        let backfill = data["backfill"].as_str().expect("a backfill");
        assert!(backfill.starts_with("/api/signals?after="), "{data}");
        assert_eq!(server.get(backfill, &key).head.status, 200, "{backfill}");
        assert_eq!(gap.id, format!("{epoch}-3"), "live from the head");
        stream.expect_quiet(QUIET / 3);
    }
    let bad = server
        .stream(&key, "?last_event_id=nonsense", &[])
        .refusal();
    bad.expect_error(400, "invalid_parameter");
}

#[test]
fn after_a_gap_the_stream_is_live() {
    let (server, key, _) = with_signals(3);
    let mut stream = server.listen(&key, "", &[("last-event-id", "nonsense")]);
    stream.expect("gap");
    server.publish_sample(4);
    expect_seqs(&mut stream, 4..=4);
}

#[test]
fn a_time_brings_what_was_published_from_it_on() {
    let (server, key, _) = with_signals(2);
    std::thread::sleep(Duration::from_millis(20));
    let middle = now().to_string();
    std::thread::sleep(Duration::from_millis(20));
    server.publish_sample(3);
    server.publish_sample(4);
    expect_seqs(
        &mut server.listen(&key, &format!("?since={middle}"), &[]),
        3..=4,
    );
    expect_seqs(
        &mut server.listen(&key, "?since=2020-01-01T00:00:00Z&takeover=true", &[]),
        1..=4,
    );
}

#[test]
fn no_hole_and_no_duplicate_at_the_seam() {
    let (server, key, epoch) = with_signals(1);
    let total: i64 = 400;
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            for n in 2..=total as u32 {
                server.publish_sample(n);
            }
        });
        // reconnects all the while, each time from where it stood
        let mut at = 0;
        while at < total {
            let id = format!("{epoch}-{at}");
            let mut stream = server.listen(&key, "", &[("last-event-id", &id)]);
            for _ in 0..23 {
                match stream.event(PATIENCE) {
                    Next::Frame(frame) => {
                        let seq = frame.json()["seq"].as_i64().unwrap();
                        assert_eq!(seq, at + 1, "{frame:?}");
                        at = seq;
                    }
                    other => panic!("{other:?} after {at}"),
                }
                if at == total {
                    break;
                }
            }
        }
        publisher.join().unwrap();
    });
}

#[test]
fn a_crash_loses_nothing_and_keeps_the_bytes() {
    let (mut server, key, epoch) = with_signals(2);
    let id = format!("{epoch}-0");
    let mut stream = server.listen(&key, "", &[("last-event-id", &id)]);
    let first = stream.expect("signal");
    stream.expect("signal");
    server.publish_sample(3);
    server.kill();
    server.restart();
    assert_eq!(server.epoch(&key), epoch, "the log keeps its name");

    let mut stream = server.listen(&key, "", &[("last-event-id", &id)]);
    assert_eq!(stream.expect("signal"), first);
    stream.expect_signal(sample(2)["id"].as_str().unwrap());
    stream.expect_signal(sample(3)["id"].as_str().unwrap());
    let again = server.publish(&sample(3));
    assert_eq!(again["duplicate"], json!(true), "known over a restart");
    server.publish_sample(4);
    assert_eq!(stream.expect("signal").json()["seq"], 4);
}

#[test]
fn a_replay_paces_old_signals_says_bye_and_stops_for_good() {
    // the pace counts from the first signal: years without any are not waited for
    let since = "2020-01-01T00:00:00Z";
    let (server, key, epoch) = with_signals(3);
    let until = now().to_string();
    let query = format!("?since={since}&replay_until={until}&speed=60");
    let mut stream = server.listen(&key, &query, &[]);
    for seq in 1..=3 {
        assert_eq!(stream.expect("signal").json()["seq"], seq);
    }
    let bye = stream.expect("bye");
    assert_eq!(bye.id, "");
    assert!(
        bye.retry.is_some() && bye.json()["reason"] != Value::Null,
        "{bye:?}"
    );
    stream.expect_end();
    let id = format!("{epoch}-3");
    let over = server.stream(&key, &query, &[("last-event-id", &id)]);
    assert_eq!(over.head.status, 204, "{}", over.head.raw);
}

#[test]
fn a_replay_whose_end_is_hidden_ends_for_good_as_well() {
    let (server, key, epoch) = with_signals(2);
    let mut hidden = sample(9);
    hidden["rank"] = "D".into();
    server.publish(&hidden);
    let query = format!(
        "?since=2020-01-01T00:00:00Z&replay_until={}&speed=60&min_rank=A",
        now()
    );
    let mut stream = server.listen(&key, &query, &[]);
    for seq in 1..=2 {
        assert_eq!(stream.expect("signal").json()["seq"], seq);
    }
    let moved = stream.expect("heartbeat");
    assert_eq!(
        (moved.id.as_str(), &moved.json()["matched"]),
        (format!("{epoch}-3").as_str(), &2.into())
    );
    stream.expect("bye");
    let over = server.stream(&key, &query, &[("last-event-id", &moved.id)]);
    assert_eq!(over.head.status, 204, "{}", over.head.raw);
}

#[test]
fn a_replay_begins_where_its_url_says_if_the_id_means_nothing() {
    let (server, key, epoch) = with_signals(3);
    let foreign = if epoch == "00000000" {
        "11111111-2"
    } else {
        "00000000-2"
    };
    let query = format!(
        "?since=2020-01-01T00:00:00Z&replay_until={}&speed=60",
        now().plus(-1)
    );
    std::thread::sleep(Duration::from_millis(1_100));
    for (id, reason) in [("zz", "unknown_id"), (foreign, "epoch_changed")] {
        let mut stream = server.listen(&key, &query, &[("last-event-id", id)]);
        let gap = stream.expect("gap");
        assert_eq!(gap.json()["reason"], reason);
        assert_eq!(gap.id, format!("{epoch}-0"), "where it goes on");
        for seq in 1..=3 {
            assert_eq!(stream.expect("signal").json()["seq"], seq);
        }
        stream.expect("bye");
        stream.expect_end();
    }
    for past in [3, 4] {
        let id = format!("{epoch}-{past}");
        let over = server.stream(&key, &query, &[("last-event-id", &id)]);
        assert_eq!(over.head.status, 204, "{}", over.head.raw);
    }
}

#[test]
fn a_replay_whose_end_is_to_come_waits_for_it() {
    let (server, key, epoch) = with_signals(2);
    let query = format!(
        "?since=2020-01-01T00:00:00Z&replay_until={}&speed=10000",
        from_now(1.5)
    );
    let mut stream = server.listen(&key, &query, &[]);
    for seq in 1..=2 {
        assert_eq!(stream.expect("signal").json()["seq"], seq);
    }
    server.publish_sample(3);
    assert_eq!(stream.expect("signal").json()["seq"], 3);
    std::thread::sleep(Duration::from_millis(1_600));
    server.publish_sample(4);
    stream.expect("bye");
    stream.expect_end();
    let id = format!("{epoch}-3");
    let over = server.stream(&key, &query, &[("last-event-id", &id)]);
    assert_eq!(over.head.status, 204, "{}", over.head.raw);
}

#[test]
fn a_time_before_pruned_rows_says_that_they_are_gone() {
    let (server, key, epoch) = with_signals(4);
    server.sql("delete from signals where seq <= 2; update log_tail set oldest = 3");
    for query in [
        "?since=2020-01-01T00:00:00Z".to_owned(),
        format!("?since=2020-01-01T00:00:00Z&replay_until={}", from_now(0.5)),
    ] {
        let mut stream = server.stream(&key, &query, &[]);
        assert_eq!(stream.expect_hello().id, "");
        let gap = stream.expect("gap");
        let data = gap.json();
        assert_eq!((&data["from"], &data["to"]), (&Value::Null, &json!(2)));
        assert_eq!(data["reason"], "pruned");
        assert_eq!(gap.id, format!("{epoch}-2"));
        for seq in 3..=4 {
            assert_eq!(stream.expect("signal").json()["seq"], seq);
        }
    }
    let mut later = server.listen(&key, &format!("?since={}", now()), &[]);
    later.expect_quiet(QUIET);
}
