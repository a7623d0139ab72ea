//! Lines that are stored while more are sent: answered as they go in, and when it stops halfway, told how far it came.

use serde_json::{Value, json};

use super::{
    server::{Server, now, sample},
    wire::{PATIENCE, Wire},
};

/// A request whose body is sent piece by piece.
struct Sending(Wire);

impl Sending {
    fn to(server: &Server, path: &str) -> Self {
        let mut wire = Wire::connect(server.admin);
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\
             content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n",
            Server::TOKEN
        );
        wire.send(head.as_bytes());
        Sending(wire)
    }

    fn send(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.0.send(chunk.as_bytes());
    }

    fn finish(&mut self) {
        self.0.send(b"0\r\n\r\n");
    }

    /// The answers' lines so far not read, as soon as there are some; `None` at the end.
    fn answers(&mut self) -> Option<Vec<Value>> {
        let chunk = self.0.chunk(PATIENCE).expect("a chunk of answers")?;
        let text = String::from_utf8(chunk).unwrap();
        assert!(text.ends_with('\n'), "whole lines: {text:?}");
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        Some(lines.collect())
    }
}

fn swap(n: u32) -> String {
    let fact = json!({
        "v": 1, "type": "swap", "signature": format!("s{n}"), "time": now().unix_ms() - 10_000, "wallet": "w",
        "mint": "m", "side": "buy", "token_amount": "1000", "amount_usd": "1.5",
    });
    format!("{fact}\n")
}

#[test]
fn signals_are_answered_while_more_are_sent() {
    let server = Server::start();
    let mut sending = Sending::to(&server, "/v1/signals");
    sending.send(&format!("{}\nnonsense\n", sample(1)));
    let head = sending.0.head();
    assert_eq!(head.status, 200, "{}", head.raw);
    assert_eq!(head.header("content-type"), Some("application/x-ndjson"));
    let first = sending.answers().expect("answers before the end");
    assert_eq!(first[0]["seq"], 1);
    assert_eq!(first[1]["error"]["code"], "invalid_signal");
    assert_eq!(first[1]["error"]["line"], 2);
    let text = format!("\n{}\n{}\n", sample(1), sample(2));
    sending.send(&text[..40]);
    sending.send(&text[40..]);
    let second = sending.answers().expect("answers before the end");
    assert_eq!(second[0]["duplicate"], true);
    let second = match second.get(1) {
        Some(answer) => answer.clone(),
        None => sending.answers().expect("one more")[0].clone(),
    };
    assert_eq!(
        (&second["seq"], &second["duplicate"]),
        (&json!(2), &json!(false))
    );
    sending.finish();
    assert_eq!(sending.answers(), None, "the end");
}

#[test]
fn a_sender_that_reads_nothing_before_its_end_gets_every_answer() {
    let server = Server::start();
    let mut sending = Sending::to(&server, "/v1/signals");
    let refused = "nonsense\n".repeat(20_000);
    sending.send(&refused);
    sending.send(&format!("{}\n", sample(1)));
    sending.finish();
    assert_eq!(sending.0.head().status, 200);
    let mut answers = Vec::new();
    while let Some(some) = sending.answers() {
        answers.extend(some);
    }
    assert_eq!(answers.len(), 20_001);
    assert_eq!(answers[19_999]["error"]["line"], 20_000);
    assert_eq!(answers[20_000]["seq"], 1);
}

#[test]
fn a_body_that_breaks_off_is_told_what_is_in() {
    let server = Server::start();
    let mut sending = Sending::to(&server, "/v1/swaps");
    let lines = format!("{}{}nonsense\n\n{}", swap(1), swap(1), swap(2));
    sending.send(&lines);
    sending.0.send(b"no chunk size\r\n");
    let details = sending.0.reply().expect_error(400, "bad_request");
    assert_eq!(
        (
            &details["accepted"],
            &details["duplicate"],
            &details["next_line"]
        ),
        (&json!(2), &json!(1), &json!(6)),
        "{details}"
    );
    let rejected = details["rejected"].as_array().unwrap();
    assert_eq!((rejected.len(), &rejected[0]["line"]), (1, &json!(3)));
}

#[test]
fn a_sender_that_never_stops_is_told_at_the_end_of_the_server() {
    let mut server = Server::with(&[("SIGCAST_HTTP__DRAIN_SECONDS", "0")]);
    let mut swaps = Sending::to(&server, "/v1/swaps");
    swaps.send(&format!("{}nonsense\n", swap(1)));
    let mut signals = Sending::to(&server, "/v1/signals");
    signals.send(&format!("{}\n", sample(1)));
    assert_eq!(signals.0.head().status, 200);
    assert_eq!(signals.answers().unwrap()[0]["seq"], 1);
    // both are in the middle of it
    let taken = super::server::until(PATIENCE, || {
        (server.metric("sigcast_facts_accepted_total") == 1).then_some(())
    });
    assert!(taken.is_some());
    server.terminate();

    let details = swaps.0.reply().expect_error(503, "draining");
    assert_eq!(
        (&details["accepted"], &details["next_line"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(details["rejected"][0]["line"], 2);
    let last = signals.answers().expect("a last line");
    let error = &last[0]["error"];
    assert_eq!(
        (&error["code"], &error["status"]),
        (&json!("draining"), &json!(503))
    );
    assert_eq!(error["details"]["next_line"], 2);
    assert_eq!(signals.answers(), None, "and then the end");
    assert_eq!(
        server.exit_within(PATIENCE).code(),
        Some(0),
        "{}",
        server.stderr()
    );
}
