//! Input that is partly or wholly bad, by HTTP and by command: what is good goes in, what is bad is named.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use sigcast::{
    ingest::simulate::{live::Live, past::history},
    model::{fact_line, swap::Fact, time::Time},
};

use super::{
    place::sigcast,
    server::{Server, now, sample},
    wire::{PATIENCE, Reply, Wire, request},
};

#[test]
fn heads_that_two_readers_could_read_differently_are_refused() {
    let server = Server::start();
    for to in [server.main, server.admin] {
        let ask = |fields: &str| {
            let mut wire = Wire::connect(to);
            wire.send(format!("GET /livez HTTP/1.1\r\n{fields}\r\n").as_bytes());
            wire.reply()
        };
        let field = "x: y\r\n";
        assert_eq!(ask("host: a\r\n").head.status, 200);
        let most = format!("host: a\r\n{}", field.repeat(63));
        assert_eq!(ask(&most).head.status, 200, "64 fields");
        let over = format!("host: a\r\n{}", field.repeat(64));
        assert_eq!(ask(&over).head.status, 431, "65 fields");
        for fields in [
            "",
            "host: a\r\nhost: b\r\n",
            "host: a\r\nauthorization: Bearer x\r\nauthorization: Bearer y\r\n",
            "host: a\r\nx-api-key: x\r\nx-api-key: y\r\n",
        ] {
            ask(fields).expect_error(400, "bad_request");
        }
        let mut wire = Wire::connect(to);
        let long = format!(
            "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
            "y".repeat(1 << 20)
        );
        // it may be refused before all of it is sent
        let _ = wire.try_send(long.as_bytes());
        if let Some(head) = wire.try_head() {
            assert_eq!(head.status, 431);
        }
        wire.expect_end(Duration::from_secs(5));
    }
}

#[test]
fn signals_that_readers_do_not_take_are_refused_at_every_door() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let bad = [
        ("{\"a\":1e400}", "double"),
        ("{\"a\":\"\\ud800x\"}", "surrogate"),
        (&deep, "64 levels"),
    ];
    for (body, reason) in bad {
        let refused = server.admin("POST", "/v1/signals", body);
        refused.expect_error(400, "invalid_signal");
        assert!(refused.text().contains(reason), "{}", refused.text());
    }
    let lines: String = bad.map(|(body, _)| format!("{body}\n")).concat();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signals");
    fs::write(&file, format!("{lines}{}\n", sample(1))).unwrap();
    let output = server
        .on_data(&["publish", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for (n, (_, reason)) in bad.iter().enumerate() {
        let line = said.lines().nth(n).unwrap();
        assert!(
            line.contains(&format!(":{}: ", n + 1)) && line.contains(reason),
            "{said}"
        );
    }
    assert_eq!(
        stream.expect("signal").json()["seq"],
        1,
        "the good one alone"
    );
}

#[test]
fn the_command_and_the_listener_take_the_same_lines() {
    let server = Server::start();
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1_500_000));
    let pad = " ".repeat(500_000);
    let text =
        format!("{{\"n\":1\n{{\"n\":2}}\n{long}\n{{\"n\":\n\n{{\"n\":{pad}3}}\n}}\n{{\"n\":4}}");
    let bearer = format!("Bearer {}", Server::TOKEN);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/x-ndjson"),
    ];
    let reply = request(
        server.admin,
        "POST",
        "/v1/signals",
        &headers,
        text.as_bytes(),
    );
    let answers: Vec<Value> = reply
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let refused: Vec<_> = answers
        .iter()
        .filter_map(|answer| answer["error"]["line"].as_u64())
        .collect();
    assert_eq!(refused, [1, 3, 4, 7], "{answers:?}");
    assert_eq!(answers.len(), 7);

    let folder = tempfile::tempdir().unwrap();
    let output = feed(on(folder.path(), &["publish", "-"]), text.as_bytes());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let numbers: Vec<u64> = said
        .lines()
        .map(|line| line.split(':').nth(1).unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers, refused, "{said}");
    let answered = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(answered.lines().count(), 3, "{answered}");
}

#[test]
fn bodies_that_cannot_be_read_are_refused() {
    let server = Server::start();
    let key = server.alpha_key();
    let bearer = format!("Bearer {}", key.text);
    let headers = [("authorization", bearer.as_str())];
    let path = "/api/signals/stream/tickets";
    let large = vec![b'x'; 65_537];
    request(server.main, "POST", path, &headers, &large).expect_error(413, "payload_too_large");
    for garbage in ["zz\r\nxx\r\n", "5\r\nab", "ffffffffffffffffffff\r\n"] {
        let mut wire = Wire::connect(server.admin);
        let head = format!(
            "POST /v1/swaps HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
            Server::TOKEN
        );
        wire.send((head + garbage).as_bytes());
        if garbage.starts_with('5') {
            // a body that waits for its rest is waited for: the peer goes instead
            continue;
        }
        if let Some(head) = wire.try_head() {
            assert_eq!(head.status, 400, "{garbage:?}");
        }
        wire.expect_end(PATIENCE);
    }
    let deep = "[".repeat(100_000);
    let reply = server.admin("POST", "/v1/signals", &format!("{{\"x\":{deep}"));
    reply.expect_error(400, "invalid_signal");
    server.publish_sample(1);
}

#[test]
fn paths_and_methods_that_are_not_there_are_said_uniformly() {
    let server = Server::start();
    for (path, allowed) in [
        ("/v1/swaps", "POST"),
        ("/v1/signals", "POST"),
        ("/metrics", "GET"),
    ] {
        let reply = server.admin("PUT", path, "");
        reply.expect_error(405, "method_not_allowed");
        let named = reply.head.header("allow").expect("an Allow");
        assert!(named.contains(allowed), "{path}: {named}");
    }
    server
        .admin("GET", "/v1/nothing", "")
        .expect_error(404, "not_found");
    let key = server.alpha_key();
    server
        .get("/api/signals/x/y/z", &key)
        .expect_error(404, "not_found");
}

fn swap(signature: &str, fields: &Value) -> String {
    let mut fact = json!({
        "v": 1, "type": "swap", "signature": signature, "time": now().unix_ms() - 10_000, "wallet": "w", "mint": "m",
        "side": "buy", "token_amount": "1000", "amount_usd": "1.5",
    });
    for (name, value) in fields.as_object().unwrap() {
        fact[name] = value.clone();
    }
    fact.to_string()
}

/// 2 good lines, 1 twice, and bad ones; the numbers of those.
fn mixed() -> (Vec<u8>, Vec<u64>) {
    let good = swap("a", &json!({}));
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let lines: Vec<Vec<u8>> = vec![
        good.clone().into(),
        good[..good.len() / 2].into(),
        "".into(),
        swap("b", &json!({"token_amount": -5})).into(),
        swap("c", &json!({"amount_usd": "X"}))
            .replace("\"X\"", "1e400")
            .into(),
        swap("d", &json!({"amount_usd": "NaN"})).into(),
        b"{\"v\":1,\"type\":\"swap\",\"signature\":\"\xff\xfe\"}".to_vec(),
        swap("e", &json!({"wallet": "X"}))
            .replace("\"X\"", &deep)
            .into(),
        swap("f", &json!({"dex": "x".repeat(1_000_001)})).into(),
        swap("g", &json!({"time": now().unix_ms() + 3_600_000})).into(),
        good.into(),
        swap("h", &json!({})).into(),
        b"{\"v\":1,\"ty".to_vec(),
    ];
    (lines.join(&b'\n'), vec![2, 4, 5, 6, 7, 8, 9, 10, 13])
}

fn expect_mixed(receipt: &Value, bad: &[u64]) {
    let rejected = receipt["rejected"].as_array().unwrap();
    let mut lines: Vec<u64> = rejected
        .iter()
        .map(|one| one["line"].as_u64().unwrap())
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, bad, "{receipt:.3000}");
    assert!(
        rejected
            .iter()
            .all(|one| !one["reason"].as_str().unwrap().is_empty())
    );
    assert_eq!(
        (&receipt["accepted"], &receipt["duplicate"]),
        (&json!(2), &json!(1))
    );
}

fn post(server: &Server, body: &[u8]) -> Reply {
    let bearer = format!("Bearer {}", Server::TOKEN);
    let headers = [("authorization", bearer.as_str())];
    request(server.admin, "POST", "/v1/swaps", &headers, body)
}

#[test]
fn bad_lines_are_named_and_the_rest_goes_in() {
    let server = Server::start();
    let (body, bad) = mixed();
    expect_mixed(&post(&server, &body).ok_json(), &bad);
    let again = post(&server, &body).ok_json();
    assert_eq!(
        (&again["accepted"], &again["duplicate"]),
        (&json!(0), &json!(3))
    );
}

/// Runs a command with this on its standard input.
fn feed(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn on(data: &Path, args: &[&str]) -> Command {
    let mut command = sigcast();
    command.args(args).arg("--data-dir").arg(data);
    command
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

#[test]
fn commands_name_bad_lines_and_say_so_when_they_end() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("facts"));
    let (body, bad) = mixed();
    fs::write(&file, &body).unwrap();
    let name = file.to_str().unwrap();
    let output = on(&data, &["ingest", "swaps", "--json", name])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    expect_mixed(&answer(&output), &bad);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for line in &bad {
        assert!(
            said.contains(&format!("{name}:{line}: ")),
            "{line} in {said}"
        );
    }
    let output = feed(on(&data, &["ingest", "swaps", "--json", "-"]), &body);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(answer(&output)["duplicate"], 3);

    let missing = on(&data, &["ingest", "swaps", "/nowhere/at/all"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nowhere/at/all"));

    let signals = format!("{}\nnonsense\n{{\"seq\":1}}\n{}\n", sample(1), sample(2));
    let output = feed(on(&data, &["publish", "-"]), signals.as_bytes());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("-:2: ") && said.contains("-:3: "), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
}

fn lines<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> String {
    facts
        .into_iter()
        .map(|fact| fact_line::write(fact) + "\n")
        .collect()
}

/// The past and the present of a market that fires.
fn market() -> (Vec<Fact>, Vec<Fact>) {
    let start = Time::parse_iso("2026-03-01T00:00:00Z").unwrap();
    let live = Live::new(7, start, 1.0).map(|(_, fact)| fact).take(3_000);
    (history(7, start), live.collect())
}

#[test]
fn facts_from_the_future_shut_no_window_beside_a_running_server() {
    let server = Server::start();
    let (past, live) = market();
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    fs::write(&before, lines(&past)).unwrap();
    server.command(&["ingest", "swaps", "--backfill", before.to_str().unwrap()]);
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);
    // each mint has a swap an hour from now, first of all
    let future: Vec<String> = live
        .iter()
        .filter_map(Fact::mint)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .map(|mint| {
            let time = now().unix_ms() + 3_600_000;
            swap(
                &format!("future {mint}").replace(' ', ""),
                &json!({"mint": &**mint, "time": time}),
            )
        })
        .collect();
    fs::write(&after, future.join("\n") + "\n" + &lines(&live)).unwrap();
    let args = ["ingest", "swaps", "--json", after.to_str().unwrap()];
    let output = server.on_data(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let receipt = answer(&output);
    assert_eq!(receipt["rejected_total"], future.len(), "{receipt:.500}");
    assert_eq!(receipt["signals"], Value::Null, "the server applies them");
    assert_eq!(stream.expect("signal").json()["seq"], 1);
}

#[test]
fn two_commands_at_once_store_each_fact_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (past, live) = market();
    let file = folder.path().join("facts");
    fs::write(&file, lines(past.iter().chain(&live))).unwrap();
    let start = || {
        on(
            &data,
            &["ingest", "swaps", "--json", file.to_str().unwrap()],
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
    };
    let both = [start(), start()].map(|child| child.wait_with_output().unwrap());
    let mut accepted = 0;
    for output in &both {
        assert!(output.status.success(), "{output:?}");
        accepted += answer(output)["accepted"].as_u64().unwrap();
    }
    let mut again = on(
        &data,
        &["ingest", "swaps", "--json", file.to_str().unwrap()],
    );
    let known = answer(&again.output().unwrap());
    assert_eq!(known["accepted"], 0);
    let all = known["duplicate"].as_u64().unwrap();
    assert!(accepted > 3_000 && accepted <= all, "{accepted} of {all}");
}
