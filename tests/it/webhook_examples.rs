//! The example receivers, run as their README says: two channels, each signal once, and what neither brought fetched from the log.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use serde_json::json;
use sigcast::{
    model::time::Time,
    webhook::{secret::Secret, sign},
};

use super::{
    clients::skip,
    listening::{Listening, SECRET},
    place::sigcast,
    server::{Key, Server, collect, now, sample, until},
    wire::{PATIENCE, Wire, request},
};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/webhooks")
        .join(name)
}

/// An example at work, killed when dropped.
struct Example {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    address: SocketAddr,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Example {
    fn start(mut program: Command, server: &Server, key: &Key, settings: &[(&str, &str)]) -> Self {
        // nothing of this process's own environment
        for (name, _) in sigcast().get_envs() {
            program.env_remove(name);
        }
        let mut child = program
            .env("SIGCAST_URL", server.url())
            .env("SIGCAST_KEY", &key.text)
            .env("SIGCAST_WEBHOOK_SECRET", SECRET)
            .env("PORT", "0")
            .env("CHECK_MS", "100")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = <(Arc<Mutex<String>>, Arc<Mutex<String>>)>::default();
        collect(child.stdout.take().unwrap(), stdout.clone());
        collect(child.stderr.take().unwrap(), stderr.clone());
        let mut example = Example {
            child,
            stdout,
            stderr,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let at = example.wait_for(|said| {
            let (_, rest) = said.split_once("receives on http://")?;
            rest.split_once("/hook")?.0.parse().ok()
        });
        example.address = at;
        example
    }

    fn said(&self) -> String {
        let (out, err) = (self.stdout.lock().unwrap(), self.stderr.lock().unwrap());
        format!("{out}\n--- stderr\n{err}")
    }

    fn wait_for<T>(&self, look: impl Fn(&str) -> Option<T>) -> T {
        let found = until(3 * PATIENCE, || look(&self.said()));
        found.unwrap_or_else(|| panic!("never said: {}", self.said()))
    }

    fn says(&self, what: &str) {
        self.wait_for(|said| said.contains(what).then_some(()));
    }

    /// The signals that were handled: by which channel, and their seqs.
    fn handled(&self) -> Vec<(String, i64)> {
        let out = self.stdout.lock().unwrap();
        // the last line may not be there whole
        let whole = out.rfind('\n').map_or("", |end| &out[..end]);
        let words = whole.lines().map(|line| line.split(' '));
        words
            .map(|mut words| {
                let channel = words.next().unwrap().to_owned();
                (channel, words.next().unwrap().parse().unwrap())
            })
            .collect()
    }

    /// Waits until so many were handled; they must be the first so many, each once, whatever their order.
    fn expect_each_once(&self, count: i64) -> Vec<(String, i64)> {
        self.wait_for(|_| (self.handled().len() as i64 >= count).then_some(()));
        let handled = self.handled();
        let mut seqs: Vec<i64> = handled.iter().map(|(_, seq)| *seq).collect();
        seqs.sort_unstable();
        let all: Vec<i64> = (1..=count).collect();
        assert_eq!(seqs, all, "each once: {}", self.said());
        handled
    }

    /// Ends it; where it says that it stands.
    fn interrupt(&self) -> String {
        // SAFETY: the child has not been waited for, so the id is still its own.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
        self.wait_for(|said| {
            let (_, rest) = said.split_once("SIGCAST_LAST_EVENT_ID=")?;
            Some(rest.split_once('\n')?.0.to_owned())
        })
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Sends it a webhook of one's own; the status.
    fn post(&self, id: &str, at: i64, signature: &str, body: &str) -> u16 {
        let at = at.to_string();
        let fields = [
            ("webhook-id", id),
            ("webhook-timestamp", at.as_str()),
            ("webhook-signature", signature),
        ];
        request(self.address, "POST", "/hook", &fields, body.as_bytes())
            .head
            .status
    }
}

/// Both examples; each is a program.
fn each(test: impl Fn(&str, &dyn Fn() -> Command)) {
    for (program, name) in [("node", "receiver.mjs"), ("python3", "receiver.py")] {
        let there = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        match there {
            Ok(status) if status.success() => test(name, &|| {
                let mut command = Command::new(program);
                command.arg(file(name));
                command
            }),
            other => skip(name, &format!("{program}: {other:?}")),
        }
    }
}

#[test]
fn each_signal_is_handled_once_over_both_channels() {
    each(|name, program| {
        let mut server = Server::with(&[("SIGCAST_HTTP__DRAIN_SECONDS", "1")]);
        let account = server.account("alpha");
        let (first, second) = (server.key(&account), server.key(&account));
        let example = Example::start(program(), &server, &second, &[]);
        example.says("the stream stands at ");
        let listening = Listening::start(&server, &first, &example.url(), &[]);
        for n in 1..=5 {
            server.publish_sample(n);
        }
        example.expect_each_once(5);
        // the same ones by webhook, once more
        let from = format!("{}-0", server.epoch(&first));
        listening.interrupt();
        let args = ["--after", from.as_str()];
        let again = Listening::start(&server, &first, &example.url(), &args);
        for n in 1..=5 {
            again.wait_for(sample(n)["id"].as_str().unwrap());
        }
        // either channel, where the other one is away
        again.interrupt();
        server.publish_sample(6);
        let handled = example.expect_each_once(6);
        assert_eq!(handled[5], ("stream".to_owned(), 6), "{name}");
        // and over a restart of the server
        server.terminate();
        server.exit_within(2 * PATIENCE);
        server.restart();
        server.publish_sample(7);
        example.expect_each_once(7);
    });
}

#[test]
fn what_neither_channel_brought_is_fetched_from_the_log() {
    each(|name, program| {
        let server = Server::start();
        let alpha = server.alpha_key();
        // a plan without the stream: webhooks and the log
        let poor = server.key(&server.account("pro"));
        let example = Example::start(program(), &server, &poor, &[]);
        example.says("no stream: 403");
        let args = ["--types", "consensus_buy"];
        let _listening = Listening::start(&server, &alpha, &example.url(), &args);
        for n in 1..=5 {
            let mut signal = sample(n);
            if n == 2 || n == 3 {
                signal["signal_type"] = json!("insider_buy");
            }
            server.publish(&signal);
        }
        let handled = example.expect_each_once(5);
        let by = |seq| {
            let found = handled.iter().find(|(_, one)| *one == seq);
            found.unwrap().0.clone()
        };
        let ways: Vec<String> = (1..=5).map(by).collect();
        let expected = ["webhook", "log", "log", "webhook", "webhook"];
        assert_eq!(ways, expected, "{name}: {}", example.said());
        example.says(" came on neither channel");
    });
}

#[test]
fn what_a_filter_hides_is_no_gap() {
    each(|name, program| {
        let server = Server::start();
        let alpha = server.alpha_key();
        let poor = server.key(&server.account("pro"));
        let filter = [("FILTER", "types=consensus_buy")];
        let example = Example::start(program(), &server, &poor, &filter);
        example.says("no stream: 403");
        let args = ["--types", "consensus_buy", "--min-rank", "A"];
        let _listening = Listening::start(&server, &alpha, &example.url(), &args);
        for n in 1..=4 {
            let mut signal = sample(n);
            match n {
                2 => signal["signal_type"] = json!("insider_buy"),
                3 => signal["rank"] = json!("D"),
                _ => {}
            }
            server.publish(&signal);
        }
        // the third proves that the log was asked, and what it said of the second
        example.wait_for(|_| (example.handled().len() >= 3).then_some(()));
        let mut handled = example.handled();
        handled.sort_by_key(|(_, seq)| *seq);
        let expected = [("webhook", 1), ("log", 3), ("webhook", 4)];
        let expected = expected.map(|(channel, seq)| (channel.to_owned(), seq));
        assert_eq!(handled, expected, "{name}: {}", example.said());
    });
}

#[test]
fn it_goes_on_where_it_stopped() {
    each(|name, program| {
        let server = Server::start();
        let key = server.alpha_key();
        let example = Example::start(program(), &server, &key, &[]);
        example.says("the stream stands at ");
        for n in 1..=3 {
            server.publish_sample(n);
        }
        example.expect_each_once(3);
        let place = example.interrupt();
        assert_eq!(place, format!("{}-3", server.epoch(&key)), "{name}");
        for n in 4..=5 {
            server.publish_sample(n);
        }
        let settings = [("SIGCAST_LAST_EVENT_ID", place.as_str())];
        let example = Example::start(program(), &server, &key, &settings);
        example.wait_for(|_| (example.handled().len() >= 2).then_some(()));
        let seqs: Vec<i64> = example.handled().iter().map(|(_, seq)| *seq).collect();
        assert_eq!(seqs, [4, 5], "{name}: {}", example.said());
        // without a stream, and with no webhook to tell of them: from the log
        let poor = server.key(&server.account("pro"));
        let example = Example::start(program(), &server, &poor, &settings);
        example.wait_for(|_| (example.handled().len() >= 2).then_some(()));
        let expected = [("log".to_owned(), 4), ("log".to_owned(), 5)];
        assert_eq!(example.handled(), expected, "{name}");
    });
}

#[test]
fn only_what_is_signed_and_fresh_is_taken() {
    each(|name, program| {
        let server = Server::start();
        let poor = server.key(&server.account("pro"));
        let example = Example::start(program(), &server, &poor, &[]);
        let (ours, old) = (
            Secret::parse(SECRET).unwrap(),
            Secret::generate(|bytes| bytes.fill(2)),
        );
        let body = "{\"seq\":1,\"id\":\"one\",\"signal_type\":\"consensus_buy\"}";
        let seconds = now().0 / Time::SECOND;
        let by = |secrets: &[&Secret], at| sign::standard(secrets, "one", at, body.as_bytes());
        let good = by(&[&ours], seconds);
        let stale = seconds - 301;
        let refused = [
            example.post("one", seconds, "", body),
            example.post("one", seconds, "v1,", body),
            example.post("one", seconds, &good[3..], body),
            example.post("one", seconds, &by(&[&old], seconds), body),
            example.post("two", seconds, &good, body),
            example.post("one", seconds + 1, &good, body),
            example.post("one", seconds, &good, &format!("{body} ")),
            example.post("one", stale, &by(&[&ours], stale), body),
        ];
        assert_eq!(refused, [401; 8], "{name}");
        let mut bare = Wire::connect(example.address);
        bare.send(b"POST /hook HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}");
        assert_eq!(bare.head().status, 401, "{name}");
        assert_eq!(example.handled(), [], "{name}");
        // while a secret is rotated, ours may come second
        let both = by(&[&old, &ours], seconds);
        assert_eq!(example.post("one", seconds, &both, body), 204);
        assert_eq!(example.post("one", seconds, &good, body), 204, "again");
        let handled = example.expect_each_once(1);
        assert_eq!(handled, [("webhook".to_owned(), 1)], "{name}");
        assert!(!example.said().contains(SECRET), "{name}");
    });
}

#[test]
fn the_readme_names_what_the_examples_take() {
    let read = |name: &str| std::fs::read_to_string(file(name)).unwrap();
    let readme = read("README.md");
    for name in [
        "SIGCAST_URL",
        "SIGCAST_KEY",
        "SIGCAST_WEBHOOK_SECRET",
        "SIGCAST_LAST_EVENT_ID",
        "FILTER",
        "PORT",
        "CHECK_MS",
    ] {
        assert!(readme.contains(name), "{name}");
        for example in ["receiver.mjs", "receiver.py"] {
            assert!(read(example).contains(name), "{name} in {example}");
        }
    }
}
