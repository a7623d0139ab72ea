//! The receiver that tests and benches send webhooks to: it misbehaves as it is told, and what it writes down is what came.

use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::{
    receiver::{Answer, Manner, Receiver},
    wire::{PATIENCE, Wire, head, request},
};

fn post(receiver: &Receiver, path: &str, body: &[u8]) -> super::wire::Reply {
    let fields = [("webhook-id", "one"), ("x-sigcast-seq", "7")];
    request(receiver.address, "POST", path, &fields, body)
}

/// A request whose answer is not read here.
fn sent(receiver: &Receiver, path: &str) -> Wire {
    let mut wire = Wire::connect(receiver.address);
    let fields = [("content-length", "2")];
    wire.send(format!("{}{{}}", head("POST", path, &fields)).as_bytes());
    wire
}

#[test]
fn what_comes_is_written_down_by_path() {
    let receiver = Receiver::start();
    assert_eq!(post(&receiver, "/a?b=c", b"{\"seq\":7}").head.status, 204);
    let came = receiver
        .wait_for(1, PATIENCE)
        .expect("a delivery")
        .remove(0);
    assert_eq!((&*came.path, &*came.id, came.seq), ("/a", "one", Some(7)));
    assert_eq!(came.body, b"{\"seq\":7}");
    assert_eq!(
        came.digest,
        <[u8; 32]>::from(Sha256::digest(b"{\"seq\":7}"))
    );
    assert_eq!((came.connection, came.answered), (1, Some(204)));
    assert!(receiver.at("/b").is_empty());
    let counting = Receiver::counting();
    post(&counting, "/a", b"{}");
    let came = counting
        .wait_for(1, PATIENCE)
        .expect("a delivery")
        .remove(0);
    assert!(came.headers.is_empty() && came.body.is_empty());
    assert_eq!(
        (&*came.id, came.digest),
        ("one", Sha256::digest(b"{}").into())
    );
    assert_eq!(counting.drain().len(), 1);
    assert!(counting.deliveries().is_empty());
}

#[test]
fn it_answers_as_it_is_told() {
    let receiver = Receiver::start();
    receiver.behave_everywhere(Manner::status(404));
    receiver.behave("/hook", Manner::redirect("/else").saying("over there"));
    receiver.first("/hook", [Manner::busy("2"), Manner::status(500)]);
    let statuses: Vec<u16> = (0..4)
        .map(|_| post(&receiver, "/hook", b"{}").head.status)
        .collect();
    assert_eq!(statuses, [503, 500, 302, 302]);
    let moved = post(&receiver, "/hook", b"{}");
    assert_eq!(moved.head.header("location"), Some("/else"));
    assert_eq!(moved.text(), "over there");
    assert_eq!(post(&receiver, "/other", b"{}").head.status, 404);

    let late = Duration::from_millis(100);
    receiver.behave("/late", Manner::fine().after(late));
    let began = Instant::now();
    post(&receiver, "/late", b"{}");
    assert!(began.elapsed() >= late);
    receiver.behave("/slow", Manner::answering(Answer::Slow(10, late / 10)));
    let began = Instant::now();
    assert_eq!(post(&receiver, "/slow", b"{}").body, b"..........");
    assert!(began.elapsed() >= late);
    receiver.behave("/huge", Manner::answering(Answer::Huge(300_000)));
    assert_eq!(post(&receiver, "/huge", b"{}").body.len(), 300_000);
}

#[test]
fn it_breaks_off_where_it_is_told() {
    let receiver = Receiver::start();
    receiver.behave("/before", Manner::answering(Answer::ResetBeforeHead));
    receiver.behave("/after", Manner::answering(Answer::ResetAfterHead));
    receiver.behave("/never", Manner::answering(Answer::Never));
    assert!(sent(&receiver, "/before").try_head().is_none());
    let mut after = sent(&receiver, "/after");
    let head = after.try_head().expect("a head");
    assert_eq!(head.status, 200);
    assert!(after.try_reply_after(head).is_none(), "and no more");
    let never = sent(&receiver, "/never");
    receiver
        .wait_until(PATIENCE, |all| all.iter().any(|one| &*one.path == "/never"))
        .expect("it came");
    assert_eq!(receiver.open(), 1, "the one that waits");
    drop(never);
    let gone = super::server::until(PATIENCE, || (receiver.open() == 0).then_some(()));
    assert!(gone.is_some(), "who has had enough is let go");
    assert!(
        receiver
            .deliveries()
            .iter()
            .all(|one| one.answered.is_none())
    );
}

#[test]
fn it_goes_down_and_comes_up_where_it_was() {
    let mut receiver = Receiver::start();
    let mut kept = Wire::connect(receiver.address);
    kept.send(head("POST", "/", &[("content-length", "0")]).as_bytes());
    assert_eq!(kept.head().status, 204);
    receiver.down();
    kept.expect_end(PATIENCE);
    assert!(std::net::TcpStream::connect(receiver.address).is_err());
    let address = receiver.address;
    receiver.up();
    assert_eq!(receiver.address, address);
    post(&receiver, "/", b"{}");
    assert_eq!(receiver.wait_for(2, PATIENCE).expect("both").len(), 2);
    assert_eq!(receiver.connections(), 2);
}
