//! Several processes on one PostgreSQL database: nodes, commands, and programs that know nothing but SQL.

use std::{
    io::Write as _,
    process::{Output, Stdio},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use sigcast::ingest::simulate::{live::Live, past::history};

use super::{
    crash::{fired, lines},
    place::{Place, sigcast},
    server::{Server, from_now, now, sample, until},
    wire::{Next, PATIENCE, Stream, request},
};
use crate::cluster::Database;

fn run(place: &Place, args: &[&str], stdin: &str) -> Output {
    let mut command = place.command(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

fn engines(server: &Server) -> bool {
    let ready = server.admin("GET", "/readyz", "").json();
    ready["engines"] == "ok"
}

fn sql_publish(database: &Database, signal: &Value) {
    let text = signal.to_string().replace('\'', "''");
    database.run(&format!("select publish_signals(array['{text}'])"));
}

#[test]
fn a_signal_reaches_the_streams_of_all_nodes_whoever_publishes_it() {
    let place = Arc::new(Place::new());
    let nodes = [
        Server::on(place.clone(), &[]),
        Server::on(place.beside(), &[]),
    ];
    let keys = [nodes[0].alpha_key(), nodes[1].alpha_key()];
    // a key that one node made opens a stream on the other
    let mut streams = [
        nodes[0].listen(&keys[1], "", &[]),
        nodes[1].listen(&keys[0], "", &[]),
    ];
    for n in 1..=6 {
        let signal = sample(n);
        let id = signal["id"].as_str().unwrap();
        match n % 3 {
            0 => sql_publish(place.database(), &signal),
            node => {
                let made = nodes[node as usize - 1].publish(&signal);
                assert_eq!(made["seq"], n);
            }
        }
        let [one, other] = &mut streams;
        let (one, other) = (one.expect_signal(id), other.expect_signal(id));
        assert_eq!(one.raw, other.raw, "the same bytes");
        assert_eq!(one.json()["seq"], n);
    }
    assert_eq!(nodes[0].epoch(&keys[0]), nodes[1].epoch(&keys[0]));
}

#[test]
fn one_node_runs_the_engines_and_another_takes_them_over() {
    let start = now().plus(-3_600_000_000);
    let past = lines(&history(7, start));
    let market: Vec<_> = Live::new(7, start, 1.0)
        .map(|(_, fact)| fact)
        .take(3_000)
        .collect();
    let calm = Server::start();
    let calm_key = calm.alpha_key();
    let place = Arc::new(Place::new());
    let mut first = Server::on(place.clone(), &[]);
    let second = Server::on(place.beside(), &[]);
    let key = first.alpha_key();
    assert!(engines(&first) && !engines(&second));
    let send = |server: &Server, path: &str, text: &str| {
        // while the engines change hands, or connections break, it is refused, to be sent again: what was stored is known
        let taken = until(PATIENCE, || {
            let reply = server.admin("POST", path, text);
            match reply.head.status {
                503 => None,
                status => Some((status, reply.text().to_owned())),
            }
        });
        let (status, said) = taken.expect("it is taken in the end");
        assert_eq!(status, 200, "{said}");
    };
    for server in [&calm, &first] {
        send(server, "/v1/swaps?backfill=true", &past);
    }
    for (n, some) in market.chunks(300).enumerate() {
        let text = lines(some);
        send(&calm, "/v1/swaps", &text);
        // whoever has the engines applies what the others store
        send(
            if n % 2 == 0 { &second } else { &first },
            "/v1/swaps",
            &text,
        );
        match n {
            // the connection that holds the engines breaks, with all others
            3 => {
                place.database().end_connections();
                until(PATIENCE, || {
                    (engines(&first) != engines(&second)).then_some(())
                })
                .expect("one of them takes the engines again");
            }
            6 => {
                first.restart();
                until(PATIENCE, || {
                    (engines(&first) != engines(&second)).then_some(())
                })
                .expect("one of them has the engines");
            }
            _ => {}
        }
    }
    let expected = fired(&calm, &calm_key);
    assert!(!expected.is_empty(), "the market fires");
    let found = until(PATIENCE, || {
        let found = fired(&second, &key);
        (found.len() >= expected.len()).then_some(found)
    });
    assert_eq!(found.expect("all that is to fire"), expected);
}

#[test]
fn a_database_that_goes_away_and_comes_back_costs_nothing() {
    let place = Arc::new(Place::new());
    let server = Server::on(place.clone(), &[("SIGCAST_STREAM__PING_SECONDS", "1")]);
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);
    stream.expect_signal(&server.publish_sample(1));
    place.database().go_away();
    let refused = server.admin("POST", "/v1/signals", &sample(2).to_string());
    refused.expect_error(503, "unavailable");
    let ready = until(PATIENCE, || {
        let ready = server.admin("GET", "/readyz", "");
        (ready.head.status == 503).then(|| ready.json())
    });
    assert_ne!(ready.expect("it says so")["database"], "ok");
    let ping = stream.next(PATIENCE);
    assert!(
        matches!(&ping, Next::Frame(frame) if !frame.comment.is_empty()),
        "pings go on: {ping:?}"
    );
    place.database().come_back();
    until(PATIENCE, || {
        let again = server.admin("POST", "/v1/signals", &sample(2).to_string());
        (again.head.status == 200).then(|| assert_eq!(again.ok_json()["duplicate"], false))
    })
    .expect("it notices by itself");
    let second = stream.event(PATIENCE);
    let Next::Frame(second) = second else {
        panic!("{second:?}")
    };
    assert_eq!(second.json()["seq"], 2);
    assert!(!server.stderr().contains(place.database().password()));
}

#[test]
fn a_node_that_starts_leaves_the_tickets_of_others_open() {
    let place = Arc::new(Place::new());
    let mut first = Server::on(place.clone(), &[]);
    let mut second = Server::on(place.beside(), &[]);
    let key = first.alpha_key();
    let bearer = format!("Bearer {}", key.text);
    let path = "/api/signals/stream/tickets";
    let made = request(first.main, "POST", path, &[("authorization", &bearer)], b"").ok_json();
    let query = format!("?ticket={}", made["ticket"].as_str().unwrap());
    let opened = Stream::open(first.main, &query, &[]).expect_hello();
    let reopen = |node: &Server| Stream::open(node.main, &query, &[("last-event-id", &opened.id)]);
    // what is closed, was closed ten minutes ago
    let later = || {
        let later = "update stream_tickets set closed_at = closed_at - 600 * 1000000::bigint";
        place.database().run(later);
    };
    let mut stream = reopen(&first);
    stream.expect_hello();
    second.restart();
    later();
    // its client comes back: to the other node, even
    stream = reopen(&second);
    stream.expect_hello();
    first.restart();
    later();
    reopen(&second).expect_hello();
    stream = reopen(&second);
    stream.expect_hello();
    // what its own last process had open is closed
    second.restart();
    later();
    reopen(&first)
        .refusal()
        .expect_error(401, "invalid_api_key");
    drop(stream);

    // and so is what a node had open that has not been heard of since
    let made = request(first.main, "POST", path, &[("authorization", &bearer)], b"").ok_json();
    let query = format!("?ticket={}", made["ticket"].as_str().unwrap());
    let opened = Stream::open(second.main, &query, &[]).expect_hello();
    second.kill();
    place.database().run(
        "update nodes set beat_at = beat_at - interval '10 minutes'
         where id in (select node from stream_tickets where closed_at is null)",
    );
    first.restart();
    let gone = Stream::open(first.main, &query, &[("last-event-id", &opened.id)]);
    gone.refusal().expect_error(401, "invalid_api_key");
}

/// What `/readyz` says of notifications.
fn notifications(server: &Server) -> String {
    let ready = server.admin("GET", "/readyz", "").json();
    ready["notifications"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// What the doctor says of them.
fn diagnosis(place: &Place) -> Value {
    let found = run(place, &["doctor", "--json"], "");
    let all: Value = serde_json::from_slice(&found.stdout).unwrap();
    let checks = all["checks"].as_array().unwrap().clone();
    let of = |one: &Value| one["check"] == "notifications";
    checks.into_iter().find(of).expect("they are looked at")
}

/// New sessions find this word before the system's own of the same name.
fn in_place_of_the_systems(database: &Database, word: &str) {
    database.run(&format!("create function {word}"));
    database.run(
        "do $$ begin
             execute format('alter database %I set search_path = public, pg_catalog', current_database());
         end $$",
    );
    database.end_connections();
}

#[test]
fn how_full_the_queue_of_notifications_is_is_told() {
    let place = Arc::new(Place::new());
    let server = Server::on(place.clone(), &[]);
    let twice = || (server.metric("sigcast_notify_lag_seconds_count") >= 2).then_some(());
    until(PATIENCE, twice).expect("it hears itself, again and again");
    let well = || (notifications(&server) == "ok").then_some(());
    until(PATIENCE, well).expect("all is well");
    assert_eq!(diagnosis(&place)["level"], "ok");

    // rather than gigabytes of notifications
    in_place_of_the_systems(
        place.database(),
        "pg_notification_queue_usage() returns double precision language sql as 'select 0.42::float8'",
    );
    let filling = || notifications(&server).contains("42 % full").then_some(());
    until(2 * PATIENCE, filling).expect("it is noticed");
    let text = server.admin("GET", "/metrics", "").text();
    assert!(
        text.contains("\nsigcast_notify_queue_usage 0.42\n"),
        "{text}"
    );
    let found = diagnosis(&place);
    assert_eq!(found["level"], "warn", "{found}");
    let advice = found["advice"].as_str().unwrap();
    assert!(advice.contains("pg_terminate_backend"), "{found}");

    let drop = "drop function pg_notification_queue_usage()";
    place.database().run(drop);
    until(PATIENCE, well).expect("all is well again");
    let said = server.stderr();
    let times = said.matches("42 % full").count();
    assert_eq!(times, 1, "once, not each second: {said}");
}

#[test]
fn a_server_that_hears_nothing_says_so_and_serves_all_the_same() {
    let place = Arc::new(Place::new());
    let nodes = [
        Server::on(place.clone(), &[]),
        Server::on(place.beside(), &[]),
    ];
    let key = nodes[0].alpha_key();
    let mut stream = nodes[0].listen(&key, "", &[]);
    // as behind a pooler that keeps no session together: nothing arrives, and nothing fails
    in_place_of_the_systems(
        place.database(),
        "pg_notify(text, text) returns void language sql as ''",
    );
    let deaf = || {
        let lost = nodes[0].metric("sigcast_notify_lost_total") >= 1;
        let ready = nodes[0].admin("GET", "/readyz", "");
        (lost && ready.head.status == 200 && ready.text().contains("pooler")).then_some(())
    };
    until(2 * PATIENCE, deaf).expect("it is noticed");
    let found = diagnosis(&place);
    assert_eq!(found["level"], "warn", "{found}");
    assert!(
        found["found"].as_str().unwrap().contains("none arrives"),
        "{found}"
    );
    stream.expect_signal(&nodes[1].publish_sample(1));

    place.database().run("drop function pg_notify(text, text)");
    let well = || (notifications(&nodes[0]) == "ok").then_some(());
    until(2 * PATIENCE, well).expect("it hears again");
    let said = nodes[0].stderr();
    assert_eq!(said.matches("no notification arrives").count(), 1, "{said}");
}

#[test]
fn commands_work_on_the_database_that_a_server_runs_on() {
    let place = Arc::new(Place::new());
    let server = Server::on(place.clone(), &[]);
    let account = said(&run(
        &place,
        &[
            "accounts", "create", "--name", "a", "--plan", "alpha", "--json",
        ],
        "",
    ));
    let id = account["id"].as_str().unwrap();
    let key = said(&run(
        &place,
        &["keys", "create", "--account", id, "--json"],
        "",
    ));
    let key = super::server::Key {
        id: key["id"].as_str().unwrap().to_owned(),
        text: key["key"].as_str().unwrap().to_owned(),
    };
    let mut stream = server.listen(&key, "", &[]);
    let signal = sample(1);
    let published = said(&run(
        &place,
        &["publish", "-", "--json"],
        &signal.to_string(),
    ));
    assert_eq!(published["seq"], 1);
    stream.expect_signal(signal["id"].as_str().unwrap());
    let swap = json!({
        "v": 1, "type": "swap", "signature": "s1", "time": now().unix_ms() - 10_000, "wallet": "w",
        "mint": "m", "side": "buy", "token_amount": "1000", "amount_usd": "1.5",
    });
    let stored = said(&run(
        &place,
        &["ingest", "swaps", "-", "--json"],
        &format!("{swap}\n"),
    ));
    assert_eq!(stored["accepted"], 1);
    let soon = from_now(0.0);
    let changed = run(&place, &["accounts", "set-expiry", id, &soon], "");
    assert!(changed.status.success(), "{changed:?}");
    let error = stream.expect("error").json();
    assert_eq!(error["code"], "subscription_expired", "{error}");
}

/// So many letters that no compression makes fewer.
fn letters(count: usize, mut seed: u64) -> String {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + ((seed >> 33) % 26) as u8)
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn names_may_be_as_long_as_elsewhere_and_hold_any_character() {
    let server = Server::start();
    let key = server.alpha_key();
    let at = now().plus(-600_000_000);
    let filing = |number: u32, company: &str, person: &str| {
        json!({
            "v": 1, "type": "declaration", "id": format!("SEC:0000000000-99-{number:06}"), "market": "us", "form": "4",
            "published_at": at.unix_ms(), "issuer": {"name": company}, "insider": {"name": person, "officer": true},
            "code": "P", "date": "2026-01-05", "instrument": "Common Stock", "shares": 90_000, "price": "12.50",
            "shares_after": 100_000, "direct": true,
        })
        .to_string()
    };
    let (company, person) = (letters(2_048, 1), letters(2_048, 2));
    let many = [
        filing(1, &company, &person),
        filing(2, &company, &person),
        filing(3, "Zero\u{0}", "Nobody\u{0}"),
    ];
    let reply = server.admin("POST", "/v1/filings", &many.join("\n"));
    assert_eq!(reply.ok_json()["accepted"], 3);
    let companies = server.get("/api/v1/companies", &key).ok_json();
    assert_eq!(
        companies["items"].as_array().unwrap().len(),
        2,
        "{companies:.200}"
    );

    let odd = json!({"id": sample(1)["id"], "signal_type": "a\u{0}b", "rank": "S"});
    server.publish(&odd);
    let list = server.get("/api/signals?signal_type=a%00b", &key);
    assert!(list.head.status < 500, "{}", list.text());
    let one = server.get("/api/signals", &key).ok_json();
    assert_eq!(one["items"][0]["signal_type"], "a\u{0}b", "kept as it was");
}

#[test]
fn migrate_says_what_it_did() {
    let database = Database::bare();
    let folder = tempfile::tempdir().unwrap();
    let on = |args: &[&str]| {
        let mut command = sigcast();
        command.args(args).args(["--database-url", &database.url]);
        command.arg("--data-dir").arg(folder.path());
        command.output().unwrap()
    };
    let missing = on(&["accounts", "list"]);
    let words = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert_eq!(missing.status.code(), Some(1));
    assert!(words.contains("sigcast migrate"), "{words}");
    let made = said(&on(&["migrate", "--json"]));
    let steps = made["steps"].as_array().unwrap();
    assert_eq!(steps[0], json!({"version": 1, "description": "spine"}));
    assert!(
        made["database"]
            .as_str()
            .unwrap()
            .starts_with("PostgreSQL at 127.0.0.1")
    );
    assert_eq!(said(&on(&["migrate", "--json"]))["steps"], json!([]));
    let again = on(&["migrate"]);
    let words = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(words.ends_with("the tables are up to date\n"), "{words}");
    assert!(on(&["accounts", "list"]).status.success());
    assert!(!folder.path().join("sigcast.db").exists());
    for output in [&missing, &again] {
        let all = format!("{output:?}");
        assert!(!all.contains(database.password()), "{all}");
    }
    let begun = std::time::Instant::now();
    let wrong = database.url.replace(database.password(), "wr0ng-hunter2");
    let output = sigcast()
        .args(["accounts", "list", "--database-url", &wrong])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("authentication"), "{words}");
    assert!(!words.contains("hunter2"), "{words}");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "it does not wait for ever"
    );
}
