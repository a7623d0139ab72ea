//! `sigcast bench streams` against a real server: what it counts, what it leaves behind, and what it says where the server fails.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{
    place::sigcast,
    server::{Server, lines_of, until},
    wire::PATIENCE,
};

fn bench(server: &Server, args: &[&str]) -> Command {
    bench_at(&server.url(), server, args)
}

fn bench_at(url: &str, server: &Server, args: &[&str]) -> Command {
    let mut command = sigcast();
    command
        .args(["bench", "streams", "--json", "--url", url])
        .args(["--admin-url", &format!("http://{}", server.admin)])
        .args(args)
        .env("SIGCAST_ADMIN_TOKEN", Server::TOKEN)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Its exit status, its report, and what it said beside that.
fn ended(child: Child) -> (i32, Value, String) {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    assert!(!said.contains("sig_live_"), "no key is printed: {said}");
    (output.status.code().unwrap(), report, said)
}

/// Until signals reach streams.
fn wait_for_deliveries(server: &Server) {
    let came = until(2 * PATIENCE, || {
        (server.metric("sigcast_publish_seconds_count") >= 100).then_some(())
    });
    assert!(came.is_some(), "signals are published");
}

fn states(server: &Server) -> Vec<String> {
    let keys = server.command(&["keys", "list", "--json"]);
    let keys: Value = serde_json::from_slice(&keys.stdout).unwrap();
    let keys = keys.as_array().unwrap().iter();
    keys.map(|key| key["state"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_run_counts_every_delivery_and_leaves_no_key_behind() {
    let server = Server::start();
    let pid = server.pid().to_string();
    let args = [
        "--connections",
        "50",
        "--rate",
        "20",
        "--burst",
        "4",
        "--duration",
        "3s",
        "--pid",
        &pid,
        "--threads",
        "2",
    ];
    let (status, report, said) = ended(bench(&server, &args).spawn().unwrap());
    assert_eq!(status, 0, "{report} {said}");
    assert_eq!(report["clean"], true);
    assert_eq!(report["streams"]["opened"], 50);
    assert_eq!(report["streams"]["open_at_end"], 50);
    let (publishing, delivery) = (&report["publishing"], &report["delivery"]);
    assert_eq!(
        (&publishing["signals"], &publishing["posts"]),
        (&60.into(), &15.into())
    );
    for (name, count) in [
        ("deliveries", 3_000),
        ("expected", 3_000),
        ("missing", 0),
        ("duplicated", 0),
        ("gaps", 0),
    ] {
        assert_eq!(delivery[name], count, "{name}: {report}");
    }
    assert_eq!(delivery["post_to_arrival"]["count"], 3_000);
    assert_eq!(delivery["answer_to_arrival"]["count"], 3_000);
    assert_eq!(delivery["post_to_last_stream"]["count"], 60);
    assert_eq!(report["connecting"]["connect_to_hello"]["count"], 50);
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{report}"));
    let wire = number(&delivery["bytes_per_delivery"]);
    assert!((1_050.0..1_200.0).contains(&wire), "{wire}");
    let arrival = &delivery["post_to_arrival"];
    assert!(number(&arrival["p50_ms"]) <= number(&delivery["post_to_last_stream"]["p50_ms"]));
    assert!(number(&arrival["p50_ms"]) > 0.0);
    assert!(number(&report["connecting"]["connects_per_second"]) > 0.0);
    #[cfg(target_os = "linux")]
    {
        let taken = &report["server"];
        assert!(number(&taken["resident_bytes_idle"]) > 0.0);
        assert!(
            number(&taken["cpu_s_per_million_deliveries"]) > 0.0,
            "{report}"
        );
    }
    let states = states(&server);
    assert_eq!(states, vec!["revoked"; 50]);
    assert_eq!(
        server.admin("GET", "/v1/connections", "").ok_json()["total"],
        0
    );
}

#[test]
fn streams_that_end_before_their_time_are_told_and_the_run_ends() {
    let mut server = Server::start();
    let args = ["--connections", "20", "--rate", "50", "--duration", "3s"];
    let child = bench(&server, &args).spawn().unwrap();
    let open = until(PATIENCE, || {
        let signals = server.admin("GET", "/v1/connections", "").ok_json();
        (signals["total"] == 20).then_some(())
    });
    assert!(open.is_some());
    wait_for_deliveries(&server);
    server.kill();
    let (status, report, said) = ended(child);
    assert_eq!(status, 2, "{report} {said}");
    assert_eq!(report["clean"], false);
    assert_eq!(report["streams"]["open_at_end"], 0);
    let ended = report["streams"]["ended"].as_object().unwrap();
    let count: u64 = ended.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(count, 20, "{report}");
    let failed = report["publishing"]["failed"].as_object().unwrap();
    assert!(!failed.is_empty(), "{report}");
    assert!(said.contains("20 keys could not be revoked"), "{said}");
}

#[test]
fn streams_that_come_back_miss_nothing() {
    let mut server = Server::start();
    let args = [
        "--connections",
        "10",
        "--rate",
        "20",
        "--duration",
        "6s",
        "--reconnect",
    ];
    let child = bench(&server, &args).spawn().unwrap();
    wait_for_deliveries(&server);
    server.restart();
    let (_, report, said) = ended(child);
    assert_eq!(report["streams"]["reconnected"], 10, "{report} {said}");
    assert_eq!(report["streams"]["open_at_end"], 10, "{report} {said}");
    for count in ["missing", "duplicated", "gaps"] {
        assert_eq!(report["delivery"][count], 0, "{report}");
    }
}

#[test]
fn nothing_is_published_where_others_listen() {
    let server = Server::start();
    let key = server.alpha_key();
    let _stream = server.listen(&key, "", &[]);
    let args = ["--connections", "5", "--rate", "20", "--duration", "1s"];
    let (status, report, said) = ended(bench(&server, &args).spawn().unwrap());
    assert_eq!((status, report), (1, Value::Null));
    assert!(
        said.contains("1 streams of others") && said.contains("--among-others"),
        "{said}"
    );
    let list = server.get("/api/signals?limit=1", &key).ok_json();
    assert_eq!(list["head"], 0);
    let args = [&args[..], &["--among-others"]].concat();
    let (status, report, said) = ended(bench(&server, &args).spawn().unwrap());
    assert_eq!(status, 0, "{report} {said}");
    assert_eq!(report["delivery"]["deliveries"], 100);
}

#[test]
fn an_interrupt_revokes_the_keys_and_says_how_far_it_came() {
    let server = Server::start();
    let child = bench(&server, &["--connections", "12", "--duration", "1h"])
        .spawn()
        .unwrap();
    let open = until(PATIENCE, || {
        let list = server.admin("GET", "/v1/connections", "").ok_json();
        (list["total"] == 12).then_some(())
    });
    assert!(open.is_some());
    // proof: the child has not been waited for, so the id is still its own
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let (status, report, said) = ended(child);
    // it may have come before the last stream had its first frame
    let whole = report["streams"]["opened"] == 12;
    assert_eq!(status, if whole { 0 } else { 2 }, "{report} {said}");
    assert_eq!(report["interrupted"], true);
    assert_eq!(
        (&report["publishing"], &report["delivery"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(states(&server), vec!["revoked"; 12]);
}

#[test]
fn keys_of_a_file_are_used_and_refusals_are_told() {
    let server = Server::start();
    let (good, revoked) = (server.alpha_key(), server.alpha_key());
    server.admin("DELETE", &format!("/v1/keys/{}", revoked.id), "");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, format!("{}\n{}\n", good.text, revoked.text)).unwrap();
    let file = file.to_str().unwrap();
    let args = ["--connections", "2", "--duration", "1s", "--keys", file];
    let mut command = bench(&server, &args);
    command.env_remove("SIGCAST_ADMIN_TOKEN");
    let (status, report, said) = ended(command.spawn().unwrap());
    assert_eq!(status, 2, "{report} {said}");
    assert_eq!(report["streams"]["opened"], 1);
    assert_eq!(
        report["streams"]["refused"]["401 invalid_api_key"], 1,
        "{report}"
    );
    assert_eq!(
        states(&server)
            .iter()
            .filter(|state| *state == "active")
            .count(),
        1
    );
}

#[test]
fn what_cannot_be_measured_is_said_with_what_to_do() {
    let server = Server::start();
    let refused = |url: &str, streams: &str| {
        let mut command = bench_at(url, &server, &["--connections", streams]);
        command.env_remove("SIGCAST_ADMIN_TOKEN");
        let (status, _, said) = ended(command.spawn().unwrap());
        assert_eq!(status, 1, "{said}");
        said
    };
    assert!(refused(&server.url(), "1").contains("--admin-token-file"));
    assert!(refused(&server.url(), "1000000").contains("ulimit"));
    let mut command = bench(&server, &["--connections", "1", "--plan", "free"]);
    let child = command.spawn().unwrap();
    let (status, report, said) = ended(child);
    assert_eq!(status, 2, "{report} {said}");
    assert_eq!(report["streams"]["refused"]["403 subscription_required"], 1);
}

#[test]
fn streams_in_tls_are_counted_as_any_others() {
    let server = Server::with_tls(&[]);
    let authority = server.certificate.as_ref().unwrap().cert();
    let authority = authority.to_str().unwrap();
    let args = ["--connections", "20", "--rate", "20", "--duration", "2s"];
    let trusting = [&args[..], &["--ca-file", authority]].concat();
    let (status, report, said) = ended(bench(&server, &trusting).spawn().unwrap());
    assert_eq!(status, 0, "{report} {said}");
    assert_eq!(report["streams"]["open_at_end"], 20);
    let delivery = &report["delivery"];
    for (name, count) in [("deliveries", 800), ("missing", 0), ("duplicated", 0)] {
        assert_eq!(delivery[name], count, "{name}: {report}");
    }
    let wire = delivery["bytes_per_delivery"].as_f64().unwrap();
    assert!((1_050.0..1_200.0).contains(&wire), "{wire}");

    // whose certificate nobody vouches for is told nothing, no key above all
    let (status, report, said) = ended(bench(&server, &args).spawn().unwrap());
    assert_eq!(status, 2, "{report} {said}");
    let refused = report["streams"]["refused"].as_object().unwrap();
    let (reason, count) = refused.iter().next().unwrap();
    assert!(reason.starts_with("invalid peer certificate"), "{report}");
    assert_eq!((refused.len(), count), (1, &20.into()), "{report}");

    let nowhere = ["--connections", "1", "--ca-file", "/nowhere/ca.pem"];
    let (status, _, said) = ended(bench(&server, &nowhere).spawn().unwrap());
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("/nowhere/ca.pem"), "{said}");
}

#[test]
fn a_person_gets_a_table_and_lines_of_progress() {
    let server = Server::start();
    let mut command = bench(
        &server,
        &["--connections", "3", "--duration", "1s", "--rate", "2"],
    );
    let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = sigcast();
    let mut child = command
        .args(args.iter().filter(|arg| *arg != "--json"))
        .env("SIGCAST_ADMIN_TOKEN", Server::TOKEN)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines_of(child.stdout.take().unwrap());
    let mut table = Vec::new();
    while let Ok(line) = lines.recv_timeout(PATIENCE + Duration::from_secs(5)) {
        table.push(line);
    }
    assert_eq!(child.wait().unwrap().code(), Some(0), "{table:#?}");
    for part in [
        "3 of 3",
        "6 of 6",
        "request to last stream",
        "nothing missing",
    ] {
        assert!(
            table.iter().any(|line| line.contains(part)),
            "{part}: {table:#?}"
        );
    }
}
