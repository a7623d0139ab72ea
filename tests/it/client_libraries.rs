//! The client libraries of `clients/` against a real server: whatever happens to it, to the network or to the key, each signal is handled
//! once, and what was handled is what was sent.

use std::{path::Path, process::Command};

use serde_json::json;

use super::{
    clients::{skip, succeed},
    harness::{
        libraries::{self, Library, Listener},
        proxy::Proxy,
    },
    server::{Server, sample, until},
    webhooks::{HERE, api},
    wire::PATIENCE,
};

pub const QUICK: [(&str, &str); 3] = [
    ("SIGCAST_HTTP__DRAIN_SECONDS", "1"),
    ("SIGCAST_STREAM__PING_SECONDS", "1"),
    ("SIGCAST_STREAM__PING_SPREAD_SECONDS", "0"),
];

/// A program on each library, or that which cannot be had.
fn each(test: impl Fn(Library)) {
    for library in Library::ALL {
        match library.program() {
            Ok(_) => test(library),
            Err(why) => skip(&format!("{library:?}"), &why),
        }
    }
}

fn begin(library: Library, server: &Server, key: &str, options: &serde_json::Value) -> Listener {
    let listener = Listener::start(library, &server.url(), key, options).unwrap();
    listener.says("connected at ");
    listener
}

#[test]
fn all_of_it_arrives_over_a_drain_and_a_crash_of_the_server_and_a_crash_of_ones_own() {
    each(|library| {
        let mut server = Server::with(&QUICK);
        let key = server.alpha_key();
        let mut listener = begin(library, &server, &key.text, &json!({}));
        for n in 1..=3 {
            server.publish_sample(n);
        }
        listener.expect_next(0, 3);
        server.terminate();
        listener.says("ended drain");
        server.exit_within(2 * PATIENCE);
        server.restart();
        for n in 4..=6 {
            server.publish_sample(n);
        }
        // in the middle of sending
        server.publish_all((7..=60).map(sample));
        server.kill();
        server.restart();
        server.publish_sample(61);
        listener.expect_next(0, 61);
        listener.expect_verified(61);
        // its own process is gone, and what it was sent meanwhile is there for the next
        let saved = until(PATIENCE, || (listener.count("signal ") == 61).then_some(()));
        assert!(saved.is_some());
        listener.tell("close");
        let end = listener.ended();
        assert!(
            end.starts_with("end closed ") && end.ends_with("-61"),
            "{end}"
        );
        server.publish_all((62..=64).map(sample));
        listener.again(&server.url(), &key.text, &json!({}));
        listener.expect_next(61, 3);
        listener.expect_verified(64);
        assert_eq!(listener.count("hole ") + listener.count("gap "), 0);
    });
}

#[test]
fn a_network_that_went_silent_is_found_out() {
    each(|library| {
        let server = Server::with(&QUICK);
        let key = server.alpha_key();
        let way = Proxy::to(server.main);
        let url = format!("http://{}", way.address);
        let mut listener = Listener::start(library, &url, &key.text, &json!({})).unwrap();
        listener.says("connected at ");
        server.publish_sample(1);
        listener.expect_next(0, 1);
        // nobody is told: neither an end nor a reset, and what is sent goes nowhere
        way.black_hole(true);
        server.publish_sample(2);
        listener.says("lost SilenceError");
        assert!(way.swallowed() > 0 && listener.handled().len() == 1);
        way.black_hole(false);
        server.publish_sample(3);
        listener.expect_next(0, 3);
        listener.expect_verified(3);
    });
}

#[test]
fn who_is_superseded_or_revoked_stops_for_good() {
    each(|library| {
        let server = Server::start();
        let (taken, revoked) = (server.alpha_key(), server.alpha_key());
        let mut superseded = begin(library, &server, &taken.text, &json!({}));
        server.listen(&taken, "?takeover=true", &[]);
        assert_eq!(superseded.ended(), "end SupersededError superseded");
        let mut listener = begin(library, &server, &revoked.text, &json!({}));
        server.admin("DELETE", &format!("/v1/keys/{}", revoked.id), "");
        assert_eq!(listener.ended(), "end AuthenticationError key_revoked");
        // and who comes with it is refused at once
        listener.again(&server.url(), &revoked.text, &json!({}));
        assert_eq!(listener.ended(), "end AuthenticationError invalid_api_key");
        let poor = server.key(&server.account("pro"));
        listener.again(&server.url(), &poor.text, &json!({}));
        let end = listener.ended();
        assert_eq!(end, "end SubscriptionError subscription_required");
        for said in [superseded.said(), listener.said()] {
            assert!(!said.contains(&taken.text) && !said.contains(&revoked.text));
        }
    });
}

#[test]
fn a_seat_that_is_held_is_waited_for_unless_it_is_to_be_taken() {
    each(|library| {
        let server = Server::start();
        let key = server.alpha_key();
        let holder = server.listen(&key, "", &[]);
        let start = |options| Listener::start(library, &server.url(), &key.text, &options).unwrap();
        let listener = start(json!({}));
        listener.says("refused connection_limit");
        drop(holder);
        listener.says_within("connected at ", 4 * PATIENCE);
        let mut listener = listener;
        let second = start(json!({"takeover": true}));
        second.says("connected at ");
        assert_eq!(listener.ended(), "end SupersededError superseded");
    });
}

#[test]
fn a_place_that_is_none_is_a_gap_and_a_filter_hides_without_one() {
    each(|library| {
        let server = Server::with(&QUICK);
        let (key, other) = (server.alpha_key(), server.alpha_key());
        server.publish_sample(1);
        let lost = begin(library, &server, &key.text, &json!({"from": "deadbeef-7"}));
        // what a program without a value calls it is its own
        let gap = lost.says("epoch_changed");
        assert!(gap.starts_with("gap "), "{gap}");
        let from = format!("{}-0", server.epoch(&key));
        let options = json!({"from": from, "minRank": "A"});
        let mut filtered = begin(library, &server, &other.text, &options);
        for n in 2..=8 {
            let mut signal = sample(n);
            if n % 2 == 0 {
                signal["rank"] = json!("C");
            }
            server.publish(&signal);
        }
        filtered.has(4, 3 * PATIENCE);
        let seqs: Vec<u64> = filtered.handled().iter().map(|(_, seq)| *seq).collect();
        assert_eq!(seqs, [1, 3, 5, 7], "{}", filtered.said());
        // heartbeats move it over what is hidden, and count what has passed
        let moved = until(3 * PATIENCE, || {
            filtered.tell("position");
            let said = filtered.said();
            said.lines()
                .any(|line| line.starts_with("position ") && line.ends_with("-8"))
                .then_some(())
        });
        assert!(moved.is_some(), "{}", filtered.said());
        filtered.expect_verified(4);
        assert_eq!(filtered.count("hole ") + filtered.count("gap "), 0);
        lost.expect_next(1, 7);
    });
}

#[test]
fn two_channels_bring_each_signal_once_with_either_of_them_cut() {
    each(|library| {
        let settings = [&HERE[..], &QUICK].concat();
        let server = Server::with(&settings);
        let key = server.alpha_key();
        // the secret is known when the endpoint is made, and the endpoint's place only when the program runs
        let made = api(
            &server,
            &key,
            "POST",
            "",
            &json!({"url": "http://127.0.0.1:9/", "enabled": false}),
        );
        let made = made.json();
        let (id, secret) = (
            made["id"].as_str().unwrap(),
            made["secret"].as_str().unwrap(),
        );
        let way_in = Proxy::to(server.main);
        let url = format!("http://{}", way_in.address);
        let options = json!({"secret": secret});
        let mut listener = Listener::start(library, &url, &key.text, &options).unwrap();
        listener.says("connected at ");
        let way_back = Proxy::to(listener.receives_at());
        let body = json!({"url": format!("http://{}/hook", way_back.address), "enabled": true, "skip_missed": true});
        let changed = api(&server, &key, "PATCH", &format!("/{id}"), &body);
        assert_eq!(changed.head.status, 200, "{}", changed.text());
        let tested = api(
            &server,
            &key,
            "POST",
            &format!("/{id}/test"),
            &serde_json::Value::Null,
        );
        assert_eq!(tested.ok_json()["status"], 204);
        listener.says("tested");
        let acknowledged = |signals: u64| {
            let all = until(3 * PATIENCE, || {
                let said = server.get("/api/v1/deliveries", &key).ok_json();
                (said["summary"]["by_webhook"] == signals).then_some(())
            });
            assert!(all.is_some(), "{library:?}: {}", listener.said());
        };
        // both
        server.publish_all((1..=5).map(sample));
        listener.expect_each_once(5);
        acknowledged(5);
        // the stream is cut, and nobody is told
        way_in.black_hole(true);
        server.publish_all((6..=10).map(sample));
        listener.expect_each_once(10);
        acknowledged(10);
        assert!(way_in.swallowed() > 0);
        way_in.black_hole(false);
        listener.says("lost SilenceError");
        until(3 * PATIENCE, || {
            (listener.count("connected at ") > 1).then_some(())
        });
        // the webhooks are
        way_back.black_hole(true);
        server.publish_all((11..=15).map(sample));
        listener.expect_each_once(15);
        assert!(way_back.swallowed() > 0);
        let by_stream = |(way, seq): &(String, u64)| *seq > 10 && way == "stream";
        assert_eq!(
            listener
                .handled()
                .iter()
                .filter(|one| by_stream(one))
                .count(),
            5
        );
        // what came by webhook first belongs to the range, too
        listener.expect_verified(15);
    });
}

#[test]
fn in_tls_only_who_is_trusted_is_heard() {
    each(|library| {
        let server = Server::with_tls(&QUICK);
        let key = server.alpha_key();
        let certificate = server.certificate.as_ref().unwrap();
        let mut stranger = Listener::start(library, &server.url(), &key.text, &json!({})).unwrap();
        stranger.says("lost ConnectionLost");
        stranger.tell("close");
        stranger.ended();
        assert_eq!(stranger.count("connected at "), 0);
        let options = json!({"ca": certificate.cert()});
        let mut listener = begin(library, &server, &key.text, &options);
        server.publish_sample(1);
        listener.expect_next(0, 1);
        listener.expect_verified(1);
    });
}

#[test]
fn the_libraries_pass_their_own_tests() {
    match libraries::node() {
        Ok(_) => {
            let sources = libraries::copy("node").unwrap();
            let tested = succeed(Command::new("npm").arg("test").current_dir(sources)).unwrap();
            let said = String::from_utf8_lossy(&tested.stdout);
            assert!(
                said.contains("# fail 0") && !said.contains("# pass 0"),
                "{said}"
            );
        }
        Err(why) => skip("the library for Node", &why),
    }
    match libraries::python() {
        Ok(python) => {
            let sources = libraries::copy("python").unwrap();
            let mut tests = Command::new(python);
            tests
                .args(["-m", "unittest", "discover", "-s", "tests"])
                .current_dir(sources);
            let tested = succeed(tests.env("PYTHONDONTWRITEBYTECODE", "1")).unwrap();
            let said = String::from_utf8_lossy(&tested.stderr);
            assert!(said.contains("\nOK") && !said.contains("Ran 0"), "{said}");
        }
        Err(why) => skip("the library for Python", &why),
    }
}

#[test]
fn what_is_packed_is_what_is_needed() {
    let read = |path: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
    };
    for library in ["node", "python"] {
        assert_eq!(read(&format!("clients/{library}/LICENSE")), read("LICENSE"));
    }
    if let Ok(place) = libraries::node() {
        let package = place.join("node_modules/sigcast");
        for file in ["dist/index.js", "dist/index.d.ts", "README.md", "LICENSE"] {
            assert!(package.join(file).is_file(), "{file}");
        }
        for file in ["src", "test", "tsconfig.json", "node_modules"] {
            assert!(!package.join(file).exists(), "{file}");
        }
    }
    if let Ok(python) = libraries::python() {
        let list =
            "import importlib.metadata as m; print(*m.files('sigcast'), m.requires('sigcast'))";
        let said = succeed(Command::new(python).args(["-c", list])).unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        for file in [
            "sigcast/__init__.py",
            "sigcast/py.typed",
            "sigcast/payloads/signal.py",
            "LICENSE",
        ] {
            assert!(said.contains(file), "{file} in {said}");
        }
        assert!(
            said.trim_end().ends_with("None"),
            "it needs nothing: {said}"
        );
    }
}
