//! `sigcast doctor`: what is well is called well, and each thing that is not is found, said and judged.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use sigcast::model::time::Time;

use super::{
    cluster::Database,
    harness::proxy::Proxy,
    place::{DATABASE_URL, sigcast},
    server::{Server, now},
    tls::Front,
};

/// Runs it: its exit status, and its findings.
fn findings(command: &mut Command) -> (i32, Vec<Value>) {
    let output = command.arg("--json").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let all: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    let status = output.status.code().unwrap();
    let expected = match all["level"].as_str() {
        Some("ok") => 0,
        Some("warn") => 2,
        Some("fail") => 1,
        other => panic!("{other:?}"),
    };
    assert_eq!(status, expected, "{text}");
    (status, all["checks"].as_array().unwrap().clone())
}

/// The levels of all findings of one check.
fn levels<'a>(found: &'a [Value], check: &str) -> Vec<&'a str> {
    let of_check = found.iter().filter(|one| one["check"] == check);
    of_check.map(|one| one["level"].as_str().unwrap()).collect()
}

fn through(server: &Server, url: &str) -> Vec<Value> {
    findings(&mut server.on_data(&["doctor", "--url", url])).1
}

#[test]
fn a_server_that_is_well_is_called_well() {
    let server = Server::start();
    server.publish_sample(1);
    let found = through(&server, &server.url());
    for check in [
        "database",
        "hello",
        "buffering",
        "tls",
        "client address",
        "settings",
    ] {
        assert_eq!(levels(&found, check), ["ok"], "{check}: {found:#?}");
    }
    assert!(
        levels(&found, "clock").contains(&"ok"),
        "beside the server's: {found:#?}"
    );
    assert!(!levels(&found, "disk").is_empty() && !levels(&found, "descriptors").is_empty());
    let database = found.iter().find(|one| one["check"] == "database").unwrap();
    assert!(
        database["found"].as_str().unwrap().contains("1 signals"),
        "{database}"
    );
    // its key is gone with it, and a second run needs no second account
    through(&server, &server.url());
    let keys = server.command(&["keys", "list", "--json"]);
    let keys: Value = serde_json::from_slice(&keys.stdout).unwrap();
    let states: Vec<&str> = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["revoked", "revoked"]);
    let accounts = server.command(&["accounts", "list", "--json"]);
    let accounts: Value = serde_json::from_slice(&accounts.stdout).unwrap();
    assert_eq!(accounts.as_array().unwrap().len(), 1, "{accounts}");
    let seen = server.get("/api/signals", &server.alpha_key()).ok_json();
    assert_eq!(
        seen["items"].as_array().unwrap().len(),
        1,
        "it published nothing"
    );
}

#[test]
fn a_proxy_that_buffers_is_found() {
    let server = Server::start();
    let proxy = Proxy::to(server.main);
    let url = format!("http://{}", proxy.address);
    assert_eq!(levels(&through(&server, &url), "buffering"), ["ok"]);
    // all of it kept, the head included; then only what is smaller than a frame
    for keeps in [16 * 1024, 64] {
        proxy.keep(keeps);
        let found = through(&server, &url);
        assert_eq!(levels(&found, "buffering"), ["fail"], "{keeps}: {found:#?}");
        let one = found
            .iter()
            .find(|one| one["check"] == "buffering")
            .unwrap();
        assert!(
            one["advice"]
                .as_str()
                .unwrap()
                .contains("proxy_buffering off"),
            "{one}"
        );
    }
}

#[test]
fn who_is_seen_and_how_safely_is_told() {
    let server = Server::start();
    let soon = now().plus(5 * Time::DAY).to_string();
    let part = |from: usize, to: usize| soon[from..to].parse::<u8>().unwrap();
    let front = Front::until(&server, soon[..4].parse().unwrap(), part(5, 7), part(8, 10));
    let url = format!("https://localhost:{}", front.port);
    let ca_file = front.ca_file();
    let args = [
        "doctor",
        "--url",
        &url,
        "--ca-file",
        ca_file.to_str().unwrap(),
    ];
    let (_, found) = findings(&mut server.on_data(&args));
    assert_eq!(levels(&found, "tls"), ["warn"], "{found:#?}");
    assert_eq!(levels(&found, "buffering"), ["ok"], "{found:#?}");
    // an authority that nobody knows
    let (status, found) = findings(&mut server.on_data(&["doctor", "--url", &url]));
    assert_eq!(
        (status, levels(&found, "reach")),
        (1, vec!["fail"]),
        "{found:#?}"
    );
}

#[test]
fn a_key_that_is_given_is_used_where_there_is_no_database() {
    let server = Server::start();
    let key = server.alpha_key();
    let empty = tempfile::tempdir().unwrap();
    let doctor = |text: &str| {
        let mut command = sigcast();
        command
            .args(["doctor", "--url", &server.url(), "--data-dir"])
            .arg(empty.path());
        findings(command.env("SIGCAST_KEY", text)).1
    };
    let found = doctor(&key.text);
    assert_eq!(levels(&found, "database"), ["warn"]);
    assert_eq!(levels(&found, "buffering"), ["ok"], "{found:#?}");
    assert!(!empty.path().join("sigcast.db").exists(), "nothing is made");
    let _holder = server.listen(&key, "", &[]);
    for wrong in [key.text.as_str(), "sig_live_nonsense"] {
        let found = doctor(wrong);
        assert_eq!(levels(&found, "stream"), ["fail"], "{found:#?}");
        assert!(
            !found.iter().any(|one| one.to_string().contains(wrong)),
            "a key is shown"
        );
    }
}

#[test]
fn a_postgresql_database_is_looked_over_and_nothing_secret_of_its_url_is_said() {
    let database = Database::fresh();
    let url = [(DATABASE_URL, database.url.as_str())];
    let server = Server::with(&url);
    server.publish_sample(1);
    let doctor = |url: &str| findings(server.on_data(&["doctor"]).env(DATABASE_URL, url)).1;
    let found = doctor(&database.url);
    assert_eq!(levels(&found, "database"), ["ok"], "{found:#?}");
    let of_database = found.iter().find(|one| one["check"] == "database").unwrap();
    let said = of_database["found"].as_str().unwrap();
    for part in [
        "PostgreSQL of ",
        "database sigcast_test_",
        "tables up to date, takes writes; 1 signals",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("postgres://"), "{said}");

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let found = doctor(&format!("postgres://somebody:a-password@{nobody}/sigcast"));
    assert_eq!(levels(&found, "database"), ["fail"], "{found:#?}");
    let of_database = found.iter().find(|one| one["check"] == "database").unwrap();
    let all = of_database.to_string();
    assert!(
        all.contains("SIGCAST_DATABASE_URL") && !all.contains("a-password"),
        "{all}"
    );
}

fn local(data: &Path, settings: &[(&str, &str)]) -> (i32, Vec<Value>) {
    let mut command = sigcast();
    command.arg("doctor").arg("--data-dir").arg(data);
    findings(command.envs(settings.iter().copied()))
}

#[test]
fn what_must_be_mended_ends_with_1() {
    let empty = tempfile::tempdir().unwrap();
    let (status, found) = local(empty.path(), &[]);
    assert_eq!(
        (status, levels(&found, "database")),
        (1, vec!["fail"]),
        "{found:#?}"
    );
    assert!(!empty.path().join("sigcast.db").exists(), "nothing is made");

    let data = tempfile::tempdir().unwrap();
    let mut server = Server::at(data.path().to_owned(), &[], None);
    server.publish_all((1..=200).map(super::server::sample));
    server.terminate();
    server.exit_within(super::wire::PATIENCE * 2);
    let (_, found) = local(
        data.path(),
        &[("SIGCAST_HTTP__TRUSTED_PROXIES", "[\"::/0\"]")],
    );
    assert_eq!(levels(&found, "database"), ["ok"], "{found:#?}");
    assert_eq!(levels(&found, "settings"), ["fail"]);

    // pages in the middle overwritten, as a bad disk does
    let file = data.path().join("sigcast.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..].fill(0x5A);
    fs::write(&file, bytes).unwrap();
    let (status, found) = local(data.path(), &[]);
    assert_eq!(
        (status, levels(&found, "database")),
        (1, vec!["fail"]),
        "{found:#?}"
    );
}

#[test]
fn a_person_reads_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let output = sigcast()
        .arg("doctor")
        .arg("--data-dir")
        .arg(data.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("FAIL  database"), "{text}");
    assert!(text.contains("→ name its folder with --data-dir"), "{text}");
    assert!(text.lines().last().unwrap().contains("1 to mend"), "{text}");
}
