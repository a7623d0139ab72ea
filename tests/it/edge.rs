//! The edge: who a client is behind proxies, how many connections it may have, and what happens when there are too many.

use std::time::{Duration, Instant};

use super::{
    server::{Key, Server, until},
    wire::{PATIENCE, Stream, Wire, request},
};

/// A request as a proxy passes it on.
fn through(server: &Server, key: &Key, forwarded: &str) -> Stream {
    let headers = [("x-forwarded-for", forwarded)];
    server.stream(key, "", &headers)
}

fn address_of(server: &Server, key: &Key) -> String {
    let open = server.admin("GET", "/v1/connections", "").ok_json();
    let items = open["items"].as_array().expect("items");
    let item = items.iter().find(|item| item["key_id"] == key.id.as_str());
    let address = &item.expect("a connection of the key")["address"];
    address.as_str().expect("an address").to_owned()
}

#[test]
fn nobody_is_believed_who_is_not_named() {
    let server = Server::start();
    let key = server.alpha_key();
    let _stream = through(&server, &key, "203.0.113.7");
    let address = address_of(&server, &key);
    assert!(address.starts_with("127.0.0.1:"), "{address}");
}

#[test]
fn a_trusted_proxy_says_who_the_client_is() {
    let server = Server::with(&[(
        "SIGCAST_HTTP__TRUSTED_PROXIES",
        "[\"127.0.0.0/8\", \"fd00::/8\"]",
    )]);
    let key = server.alpha_key();
    let _stream = through(&server, &key, "6.6.6.6, 2001:db8::7, fd00::1");
    assert_eq!(address_of(&server, &key), "2001:db8::7");
    let refusal = through(&server, &key, "198.51.100.4").refusal();
    let details = refusal.expect_error(429, "connection_limit");
    assert_eq!(details["address"], "2001:db8::7", "the holder's");
    let logged = until(PATIENCE, || {
        server.stderr().contains("peer=2001:db8::7").then_some(())
    });
    assert!(logged.is_some(), "{}", server.stderr());
}

#[test]
fn a_network_that_is_none_is_refused_by_name() {
    for (given, said) in [("[\"10.0.0.1/8\"]", "10.0.0.0/8"), ("[\"all\"]", "`all`")] {
        let output = super::place::sigcast()
            .args(["serve", "--data-dir", "/nowhere"])
            .env("SIGCAST_HTTP__TRUSTED_PROXIES", given)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(said), "{stderr}");
    }
}

#[test]
fn one_address_has_no_more_connections_than_it_may() {
    let server = Server::with(&[("SIGCAST_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "2")]);
    let keys = [server.alpha_key(), server.alpha_key(), server.alpha_key()];
    let first = server.listen(&keys[0], "", &[]);
    let _second = server.listen(&keys[1], "", &[]);
    server
        .stream(&keys[2], "", &[])
        .refusal()
        .expect_error(503, "overloaded");
    assert_eq!(
        server.metric("sigcast_connections_refused_total{reason=\"address\"}"),
        1
    );
    // an operator on the same machine is no client
    server.admin("GET", "/v1/connections", "").ok_json();
    drop(first);
    let admitted = until(PATIENCE, || {
        let stream = server.stream(&keys[2], "", &[]);
        (stream.head.status == 200).then_some(stream)
    });
    assert!(admitted.is_some(), "there is room again");
}

#[test]
fn behind_a_proxy_each_client_has_its_own_connections() {
    let server = Server::with(&[
        ("SIGCAST_HTTP__TRUSTED_PROXIES", "[\"127.0.0.1\"]"),
        ("SIGCAST_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "1"),
    ]);
    let keys = [server.alpha_key(), server.alpha_key(), server.alpha_key()];
    let first = through(&server, &keys[0], "2001:db8::1");
    assert_eq!(first.head.status, 200);
    let neighbour = through(&server, &keys[1], "2001:db8::2");
    neighbour.refusal().expect_error(503, "overloaded");
    assert_eq!(
        through(&server, &keys[1], "2001:db8:0:1::1").head.status,
        200
    );
    // on one connection of the proxy's: what has been answered does not count any more
    let mut kept = Wire::connect(server.main);
    let bearer = format!("Bearer {}", keys[2].text);
    for _ in 0..3 {
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-forwarded-for", "192.0.2.9"),
        ];
        kept.get("/api/signals", &headers);
        assert_eq!(kept.reply().head.status, 200);
    }
    drop(first);
    let admitted = until(PATIENCE, || {
        let stream = through(&server, &keys[1], "2001:db8::3");
        (stream.head.status == 200).then_some(())
    });
    assert!(admitted.is_some(), "there is room again");
}

#[test]
fn a_key_that_reconnects_in_a_loop_is_told_to_wait() {
    let server = Server::with(&[("SIGCAST_HTTP__CONNECTS_PER_MINUTE", "3")]);
    let (key, other) = (server.alpha_key(), server.alpha_key());
    for _ in 0..3 {
        server.listen(&key, "?takeover=true", &[]);
    }
    let refusal = server.stream(&key, "?takeover=true", &[]).refusal();
    let details = refusal.expect_error(429, "rate_limited");
    assert_eq!(details["limit"], "connects");
    let after: u64 = refusal.head.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    assert_eq!(
        server.metric("sigcast_limited_total{limit=\"connects\"}"),
        1
    );
    // lists are no connects, and other keys not this one's
    server.get("/api/signals", &key).ok_json();
    server.listen(&other, "", &[]);
}

#[cfg(target_os = "linux")]
fn limit_descriptors(pid: i32, soft: u64) -> u64 {
    let mut old = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both structs are ours and outlive the calls.
    unsafe {
        let none = std::ptr::null();
        assert_eq!(
            libc::prlimit(pid, libc::RLIMIT_NOFILE, none, &raw mut old),
            0
        );
        let new = libc::rlimit {
            rlim_cur: soft,
            rlim_max: old.rlim_max,
        };
        let unread = std::ptr::null_mut();
        assert_eq!(
            libc::prlimit(pid, libc::RLIMIT_NOFILE, &raw const new, unread),
            0
        );
    }
    old.rlim_cur
}

#[cfg(target_os = "linux")]
#[test]
fn out_of_descriptors_the_server_neither_ends_nor_spins() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);
    // a kept connection of the operator's: a new one could not be accepted
    let mut admin = Wire::connect(server.admin);
    let bearer = format!("Bearer {}", Server::TOKEN);
    admin.get("/livez", &[]);
    admin.reply();
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .unwrap()
        .count();
    let before = limit_descriptors(server.pid(), open as u64);
    let begun = Instant::now();
    let mut waiting: Vec<_> = (0..20).map(|_| Wire::connect(server.main)).collect();
    let fired = until(PATIENCE, || {
        server.stderr().contains("cannot be accepted").then_some(())
    });
    assert!(fired.is_some(), "{}", server.stderr());
    let failures = |admin: &mut Wire| -> u64 {
        admin.get("/metrics", &[("authorization", &bearer)]);
        let text = admin.reply().text();
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix("sigcast_accept_failures_total "));
        line.expect("the counter").parse().unwrap()
    };
    until(PATIENCE, || (failures(&mut admin) >= 3).then_some(())).expect("it goes on trying");
    // two listeners, and one pause of 50 ms after each failure
    let most = 2 * (begun.elapsed().as_millis() as u64 / 50 + 2);
    assert!(failures(&mut admin) <= most, "it spins: over {most}");
    assert_eq!(
        server.stderr().matches("cannot be accepted").count(),
        1,
        "said once"
    );

    // who is in goes on
    let signal = super::server::sample(1);
    let body = signal.to_string();
    admin.send(
        format!(
            "POST /v1/signals HTTP/1.1\r\nhost: a\r\nauthorization: {bearer}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    admin.reply().ok_json();
    stream.expect_signal(signal["id"].as_str().unwrap());

    limit_descriptors(server.pid(), before);
    for wire in &mut waiting {
        wire.get("/livez", &[]);
        assert_eq!(wire.reply().head.status, 200, "they were only waiting");
    }
}

#[test]
fn a_body_that_never_comes_holds_no_connection() {
    let server = Server::with(&[("SIGCAST_HTTP__HEADER_SECONDS", "1")]);
    let key = server.alpha_key();
    let bearer = format!("Bearer {}", key.text);
    for path in ["/api/signals/stream/tickets", "/api/signals", "/nothing"] {
        let mut wire = Wire::connect(server.main);
        let fields = [
            ("authorization", bearer.as_str()),
            ("content-length", "1000"),
        ];
        wire.send(super::wire::head("POST", path, &fields).as_bytes());
        wire.head();
        wire.expect_end(Duration::from_secs(5));
    }
    // nor does one that was answered, and asks nothing more
    let mut idle = Wire::connect(server.main);
    idle.get("/livez", &[]);
    assert_eq!(idle.reply().head.status, 200);
    idle.expect_end(Duration::from_secs(5));
    assert_eq!(
        request(server.main, "GET", "/livez", &[], b"").head.status,
        200
    );
}
