//! `sigcast tail` against a real server.

use std::{
    io::{BufRead as _, BufReader},
    process::{Output, Stdio},
};

use super::wire::PATIENCE;
use super::{
    place::sigcast,
    server::{Key, Server, lines_of, until},
};

fn tail(server: &Server, key: &Key, args: &[&str]) -> std::process::Child {
    sigcast()
        .args(["tail", "--url", &server.url()])
        .args(args)
        .env("SIGCAST_KEY", &key.text)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn refused(server: &Server, key: &Key) -> Output {
    let output = tail(server, key, &[]).wait_with_output().unwrap();
    assert!(!output.status.success());
    let all = format!("{output:?}");
    assert!(!all.contains(&key.text), "the key is never printed");
    output
}

#[test]
fn tail_shows_what_is_logged_and_ends_well_on_interrupt() {
    let server = Server::start();
    let key = server.alpha_key();
    server.publish_sample(1);
    let from = format!("{}-0", server.epoch(&key));
    let mut child = tail(&server, &key, &["--json", "--last-event-id", &from]);
    let lines = lines_of(child.stdout.take().unwrap());
    server.publish_sample(2);
    for seq in 1..=2 {
        let line = lines.recv_timeout(PATIENCE).expect("a line");
        let stored = server.get(&format!("/api/signals/{}-{seq}", &from[..8]), &key);
        assert_eq!(line, stored.text(), "the log's own bytes");
    }
    // proof: the child has not been waited for, so the id is still its own
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let ended = child.wait().unwrap();
    assert_eq!(ended.code(), Some(0), "{ended}");
}

#[test]
fn tail_prints_a_readable_line_and_outlives_the_server() {
    let mut server = Server::start();
    let key = server.alpha_key();
    let mut child = tail(&server, &key, &["--since", "2020-01-01"]);
    let lines = lines_of(child.stdout.take().unwrap());
    server.publish_sample(1);
    let expected = "2026-04-24T09:32:14.117Z  S  94.2  consensus_buy  WIF  7 wallets  412 ms";
    assert_eq!(lines.recv_timeout(PATIENCE).expect("a line"), expected);
    server.restart();
    server.publish_sample(2);
    let line = lines.recv_timeout(3 * PATIENCE);
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(line.is_ok(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(lines.try_recv().is_err(), "once each");
}

#[test]
fn tail_says_what_to_do_about_a_refusal() {
    let server = Server::start();
    let key = server.key(&server.account("free"));
    let output = refused(&server, &key);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("set-plan"), "{text}");
    server.admin("DELETE", &format!("/v1/keys/{}", key.id), "");
    let output = refused(&server, &key);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("keys create"), "{text}");

    let output = sigcast()
        .args(["tail", "--url", &server.url()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("SIGCAST_KEY"),
        "{text}"
    );
}

#[test]
fn tail_ends_well_when_nobody_reads_any_more() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut child = tail(&server, &key, &["--json", "--since", "2020-01-01"]);
    server.publish_sample(1);
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"seq\":1,"), "{line}");
    drop(stdout);
    // one signal is not enough: a process that is started elsewhere at this very moment has the pipe's end, too, until it is itself
    let mut next = 2..;
    let ended = until(PATIENCE, || {
        server.publish_sample(next.next()?);
        child.try_wait().unwrap()
    });
    let _ = child.kill();
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
}
