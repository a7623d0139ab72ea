//! `sigcast listen` between a real server and a receiver: what it forwards, what it tells, and what becomes of trouble on either side.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};
use sigcast::{
    model::time::Time,
    webhook::{secret::Secret, sign},
};

use super::{
    certificate::Certificate,
    listening::{Listening, SECRET, SECRET_NAME, acknowledged, expect_signed},
    place::sigcast,
    receiver::{Answer, Manner, Receiver},
    server::{Server, sample},
    wire::PATIENCE,
};

#[test]
fn what_is_forwarded_is_the_stream_signed() {
    let server = Server::start();
    let (key, beside) = (server.alpha_key(), server.alpha_key());
    let receiver = Receiver::start();
    let listening = Listening::start(&server, &key, &receiver.url("/hook?a=b"), &[]);
    let mut stream = server.listen(&beside, "", &[]);
    for n in 1..=5 {
        server.publish_sample(n);
    }
    let came = receiver.wait_for(5, PATIENCE).expect("five deliveries");
    for (n, delivery) in (1..).zip(&came) {
        let frame = stream.expect("signal");
        assert_eq!(delivery.body, frame.data.as_bytes(), "the very bytes");
        assert_eq!(delivery.id, sample(n)["id"].as_str().unwrap());
        assert_eq!(delivery.seq, Some(i64::from(n)));
        assert_eq!(delivery.header("content-type"), "application/json");
        assert_eq!(delivery.header("x-sigmate-signature"), "", "not asked for");
        expect_signed(delivery, SECRET);
    }
    assert_eq!(came.len(), 5);
    assert_eq!(receiver.connections(), 1, "kept from one to the next");
    listening.wait_for(sample(5)["id"].as_str().unwrap());
    let (code, out, err) = listening.interrupt();
    assert_eq!(code, Some(0), "{err}");
    for (line, n) in out.lines().zip(1..) {
        let words: Vec<&str> = line.split(' ').collect();
        let id = sample(n)["id"].as_str().unwrap().to_owned();
        assert_eq!((words[0], words[2]), ("204", "ms"), "{line}");
        assert_eq!(words[3..], [id.as_str(), "consensus_buy"], "{line}");
    }
    assert_eq!(out.lines().count(), 5, "{out}");
    let tally = "5 acknowledged, 0 passed over, 5 attempts";
    assert!(err.contains(tally), "{err}");
    let after = format!("go on with --after {}-5", server.epoch(&beside));
    assert!(err.contains(&after), "{err}");
}

#[test]
fn the_other_service_s_headers_come_where_they_are_asked_for() {
    let server = Server::start();
    let key = server.alpha_key();
    let receiver = Receiver::start();
    let args = ["--compat", "sigmate"];
    let _listening = Listening::start(&server, &key, &receiver.url("/"), &args);
    server.publish_sample(1);
    let came = receiver.wait_for(1, PATIENCE).expect("a delivery");
    let expected = sign::sigmate(&Secret::parse(SECRET).unwrap(), &came[0].body);
    assert_eq!(came[0].header("x-sigmate-signature"), expected);
    assert_eq!(came[0].header("x-sigmate-event"), "signal.fired");
    expect_signed(&came[0], SECRET);
}

#[test]
fn filters_and_places_are_the_stream_s() {
    let server = Server::start();
    let key = server.alpha_key();
    let receiver = Receiver::start();
    for n in 1..=3 {
        server.publish_sample(n);
    }
    let mut weak = sample(4);
    weak["rank"] = json!("D");
    server.publish(&weak);
    server.publish_sample(5);
    let after = format!("{}-1", server.epoch(&key));
    let args = ["--after", &after, "--min-rank", "A"];
    let listening = Listening::start(&server, &key, &receiver.url("/"), &args);
    let came = receiver.wait_for(3, PATIENCE).expect("three deliveries");
    assert_eq!(acknowledged(&came), [2, 3, 5]);
    listening.interrupt();
}

#[test]
fn a_receiver_that_is_down_gets_all_when_it_is_up() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut receiver = Receiver::start();
    receiver.down();
    let many = ["0.1"; 20].join(",");
    let args = ["--retry", many.as_str()];
    let listening = Listening::start(&server, &key, &receiver.url("/hook"), &args);
    for n in 1..=3 {
        server.publish_sample(n);
    }
    let id = sample(1)["id"].as_str().unwrap().to_owned();
    listening.wait_for(&format!("{id} consensus_buy  connect, again in 0.1 s: "));
    receiver.up();
    let came = receiver.wait_for(3, PATIENCE).expect("three deliveries");
    assert_eq!(acknowledged(&came), [1, 2, 3], "in order, once each");
    let (code, out, err) = listening.interrupt();
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("--- "), "{out}");
}

#[test]
fn a_signal_is_tried_three_times_and_then_passed_over() {
    let server = Server::start();
    let key = server.alpha_key();
    let receiver = Receiver::start();
    let sorry = || Manner::status(500).saying("out of paper\nsecond line");
    // twice, and then it takes the first; the second it never takes
    receiver.first("/hook", [sorry(), sorry(), Manner::fine()]);
    receiver.first("/hook", [sorry(), sorry(), sorry()]);
    let args = ["--retry", "0.01,0.02"];
    let listening = Listening::start(&server, &key, &receiver.url("/hook"), &args);
    for n in 1..=3 {
        server.publish_sample(n);
    }
    let came = receiver.wait_for(2, PATIENCE).expect("two acknowledged");
    let seqs: Vec<Option<i64>> = came.iter().map(|one| one.seq).collect();
    assert_eq!(seqs, [1, 1, 1, 2, 2, 2, 3].map(Some));
    assert_eq!(acknowledged(&came), [1, 3]);
    for delivery in &came {
        expect_signed(delivery, SECRET);
    }
    listening.wait_for(sample(3)["id"].as_str().unwrap());
    let (code, out, err) = listening.interrupt();
    assert_eq!(code, Some(2), "one was passed over: {err}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].ends_with("  status, again in 0.01 s: out of paper"));
    assert!(lines[1].ends_with("  status, again in 0.02 s: out of paper"));
    assert!(lines[2].starts_with("204 "), "{out}");
    assert!(lines[5].ends_with("  status, passed over after try 3: out of paper"));
    let id = sample(2)["id"].as_str().unwrap().to_owned();
    assert!(err.contains("2 acknowledged, 1 passed over, 7 attempts"));
    assert!(err.contains(&format!("passed over: {id}")), "{err}");
}

#[test]
fn every_kind_of_trouble_has_its_word() {
    let server = Server::start();
    let key = server.alpha_key();
    let receiver = Receiver::start();
    let elsewhere = receiver.url("/elsewhere");
    receiver.first(
        "/hook",
        [
            // first: on a connection that was kept, a reset says nothing of the receiver, and another is made for the same attempt
            Manner::answering(Answer::ResetBeforeHead),
            Manner::redirect(&elsewhere),
            Manner::status(410),
            Manner::busy("0"),
            // the status is the answer, whatever comes after it
            Manner::answering(Answer::ResetAfterHead),
            Manner::answering(Answer::Huge(1024 * 1024)),
        ],
    );
    let args = ["--retry", "none", "--json"];
    let listening = Listening::start(&server, &key, &receiver.url("/hook"), &args);
    for n in 1..=6 {
        server.publish_sample(n);
    }
    listening.wait_for("\"seq\":6");
    let (code, out, _) = listening.interrupt();
    assert_eq!(code, Some(2));
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let said: Vec<(&Value, &Value, &Value)> = lines[..6]
        .iter()
        .map(|line| (&line["status"], &line["error"], &line["then"]))
        .collect();
    let over = &json!("passed_over");
    let fine = &json!("acknowledged");
    assert_eq!(said[0], (&Value::Null, &json!("broken"), over));
    assert_eq!(said[1], (&json!(302), &json!("redirect"), over));
    assert_eq!(said[2], (&json!(410), &json!("gone"), over));
    assert_eq!(said[3], (&json!(503), &json!("status"), over));
    assert_eq!(said[4], (&json!(200), &Value::Null, fine));
    assert_eq!(said[5], (&json!(200), &Value::Null, fine));
    for (line, seq) in lines.iter().zip(1..=6) {
        assert_eq!(line["seq"], seq);
        assert_eq!(line["type"], "consensus_buy");
        assert_eq!(line["attempt"], 1);
        assert!(line["took_ms"].is_u64(), "{line}");
    }
    let tally = &lines[6]["tally"];
    assert_eq!(
        (&tally["acknowledged"], &tally["passed_over"]),
        (&json!(2), &json!(4))
    );
    assert!(
        receiver.at("/elsewhere").is_empty(),
        "no redirect is followed"
    );
}

#[test]
fn who_asks_for_time_gets_it() {
    let server = Server::start();
    let key = server.alpha_key();
    let receiver = Receiver::start();
    receiver.first("/", [Manner::busy("1")]);
    let args = ["--retry", "0"];
    let listening = Listening::start(&server, &key, &receiver.url("/"), &args);
    server.publish_sample(1);
    let came = receiver.wait_for(1, PATIENCE).expect("a delivery");
    assert!(
        came[1].at.0 - came[0].at.0 >= Time::SECOND,
        "a second later"
    );
    listening.wait_for("status, again in 1 s");
}

#[test]
fn a_restart_of_the_server_costs_nothing() {
    let mut server = Server::with(&[("SIGCAST_HTTP__DRAIN_SECONDS", "1")]);
    let key = server.alpha_key();
    let receiver = Receiver::start();
    let listening = Listening::start(&server, &key, &receiver.url("/hook"), &[]);
    for n in 1..=3 {
        server.publish_sample(n);
    }
    receiver.wait_for(3, PATIENCE).expect("three before");
    server.terminate();
    server.exit_within(2 * PATIENCE);
    server.restart();
    for n in 4..=6 {
        server.publish_sample(n);
    }
    receiver.wait_for(6, 3 * PATIENCE).expect("three more");
    // and once more, without a word
    server.restart();
    for n in 7..=9 {
        server.publish_sample(n);
    }
    let came = receiver.wait_for(9, 3 * PATIENCE).expect("all of them");
    let all: Vec<i64> = (1..=9).collect();
    assert_eq!(acknowledged(&came), all, "none missed, none twice");
    assert_eq!(came.len(), 9);
    let (code, _, err) = listening.interrupt();
    assert_eq!(code, Some(0), "{err}");
}

#[test]
fn a_secret_is_shown_once_where_it_was_made_and_never_where_it_was_given() {
    let server = Server::with(&[("RUST_LOG", "trace")]);
    let key = server.alpha_key();
    let receiver = Receiver::start();
    let run = |environment: &[(&str, &str)], n: u32| {
        let listening =
            Listening::begin(&server, &key, &receiver.url("/"), &["--json"], environment);
        listening.wait_for("connected to ");
        server.publish_sample(n);
        receiver.wait_for(n as usize, PATIENCE).expect("a delivery");
        #[cfg(target_os = "linux")]
        {
            let line = fs::read_to_string(format!("/proc/{}/cmdline", listening.child.id()));
            assert!(!line.unwrap().contains("whsec_"), "never an argument");
        }
        let (code, out, err) = listening.interrupt();
        assert_eq!(code, Some(0), "{err}");
        assert!(!out.contains("whsec_"), "{out}");
        assert!(!format!("{out}{err}").contains(&key.text), "nor the key");
        err
    };
    // RUST_LOG: whatever may be logged at all
    let made = run(&[("RUST_LOG", "trace")], 1);
    assert_eq!(made.matches("whsec_").count(), 1, "{made}");
    let secret = made
        .split_whitespace()
        .find(|word| word.starts_with("whsec_"));
    let first = receiver.deliveries().remove(0);
    expect_signed(&first, secret.unwrap());
    let given = run(&[(SECRET_NAME, SECRET), ("RUST_LOG", "trace")], 2);
    assert!(
        !given.contains("whsec_") && given.contains(SECRET_NAME),
        "{given}"
    );
    assert!(!given.contains(&SECRET[10..30]), "nor a part of it");
    expect_signed(&receiver.deliveries()[1], SECRET);
    let again = run(&[], 3);
    assert!(!again.contains(secret.unwrap()), "another at each start");
    assert!(!server.stderr().contains("whsec_"), "the server knows none");
}

#[test]
fn what_cannot_be_right_is_refused_at_once() {
    let server = Server::start();
    let key = server.alpha_key();
    let refused = |forward: &str, args: &[&str], environment: &[(&str, &str)]| {
        let mut listening = Listening::begin(&server, &key, forward, args, environment);
        let (code, out, err) = listening.ended();
        assert_eq!((code, &*out), (Some(1), ""), "{err}");
        err
    };
    for forward in [
        "",
        "ftp://x",
        "http://",
        "http://me:word@x/",
        "http://x/#part",
    ] {
        let said = refused(forward, &[], &[]);
        assert!(said.contains("nowhere to forward to"), "{said}");
        assert!(!said.contains("whsec_"), "no secret for nothing: {said}");
    }
    let bad = "whsec_mistyped-secret";
    let said = refused("http://127.0.0.1:1/", &[], &[(SECRET_NAME, bad)]);
    assert!(
        said.contains(SECRET_NAME) && !said.contains("mistyped"),
        "{said}"
    );
    for args in [
        ["--retry", "soon"],
        ["--compat", "other"],
        ["--forward-ca-file", "/nowhere"],
    ] {
        let said = refused("http://127.0.0.1:1/", &args, &[]);
        assert!(said.contains(args[0]) || said.contains(args[1]), "{said}");
    }
    // what is refused by the server
    let free = server.key(&server.account("free"));
    let mut listening = Listening::begin(&server, &free, "http://127.0.0.1:1/", &[], &[]);
    let (code, _, err) = listening.ended();
    assert_eq!(code, Some(1));
    assert!(err.contains("set-plan"), "{err}");
    let none = sigcast()
        .args(["listen", "--forward", "http://127.0.0.1:1/"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(none.status.code() == Some(1) && said.contains("SIGCAST_KEY"));
}

#[test]
fn both_sides_speak_tls_and_are_trusted_by_their_own_authorities() {
    let server = Server::with_tls(&[]);
    let key = server.alpha_key();
    let ours = Certificate::new();
    let pem = |path| fs::read(path).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![ours.der.clone()],
            PrivateKeyDer::from_pem_slice(&pem(ours.key())).unwrap(),
        );
    let receiver = Receiver::secure(config.unwrap());
    let of_server = server.certificate.as_ref().unwrap().cert();
    let (of_server, of_receiver) = (of_server.to_str().unwrap(), ours.cert());
    let of_receiver = of_receiver.to_str().unwrap();
    let args = ["--ca-file", of_server, "--forward-ca-file", of_receiver];
    let listening = Listening::start(&server, &key, &receiver.url("/hook"), &args);
    server.publish_sample(1);
    let came = receiver.wait_for(1, PATIENCE).expect("a delivery");
    expect_signed(&came[0], SECRET);
    listening.interrupt();
    // without it, nobody vouches for the receiver
    let args = ["--ca-file", of_server, "--retry", "none"];
    let listening = Listening::start(&server, &key, &receiver.url("/hook"), &args);
    server.publish_sample(2);
    listening.wait_for("  tls, passed over after try 1");
    let (code, ..) = listening.interrupt();
    assert_eq!(code, Some(2));
}

#[test]
fn a_gap_of_the_stream_is_no_success() {
    let server = Server::start();
    let key = server.alpha_key();
    let receiver = Receiver::start();
    let args = ["--after", "ffffffff-9"];
    let listening = Listening::start(&server, &key, &receiver.url("/"), &args);
    listening.wait_for("GAP");
    server.publish_sample(1);
    receiver.wait_for(1, PATIENCE).expect("what comes after it");
    let (code, _, err) = listening.interrupt();
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("gaps in the stream: 1"), "{err}");
}

#[test]
fn what_is_under_way_at_the_end_is_told() {
    let server = Server::start();
    let key = server.alpha_key();
    let receiver = Receiver::start();
    receiver.behave("/slow", Manner::answering(Answer::Never));
    let listening = Listening::start(&server, &key, &receiver.url("/slow"), &[]);
    let from = format!("{}-0", server.epoch(&key));
    let id = server.publish_sample(1);
    receiver
        .wait_until(PATIENCE, |all| !all.is_empty())
        .expect("a request");
    let (code, _, err) = listening.interrupt();
    assert_eq!(code, Some(0), "nothing was passed over");
    assert!(err.contains(&format!("under way: {id}, not acknowledged")));
    assert!(err.contains(&format!("go on with --after {from}")), "{err}");
}

#[test]
fn forwarding_goes_on_whoever_reads_of_it() {
    let server = Server::start();
    let key = server.alpha_key();
    let receiver = Receiver::start();
    let mut child = sigcast()
        .args(["listen", "--url", &server.url()])
        .args(["--forward", &receiver.url("/")])
        .env("SIGCAST_KEY", &key.text)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let connected = lines.any(|line| line.unwrap().starts_with("connected to "));
    assert!(connected);
    for n in 1..=20 {
        server.publish_sample(n);
    }
    let came = receiver.wait_for(20, Duration::from_secs(20));
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(came.expect("all of them").len(), 20);
}

#[test]
fn the_help_shows_an_example_that_stands() {
    let help = sigcast().args(["listen", "--help"]).output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for word in [
        "sigcast listen --forward http://127.0.0.1:3000/hook",
        "SIGCAST_KEY",
        "SIGCAST_WEBHOOK_SECRET",
        "webhook-signature",
        "--after",
        "--retry",
        "--min-rank",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
}
