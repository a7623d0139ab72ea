//! The example clients against a real server: every signal once, over a restart.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
};

pub use super::harness::installs::{once_for, python_with, scratch, skip, succeed, succeed_within};
use super::server::{Key, Server, collect, sample, until};
use super::wire::PATIENCE;

/// Three before the restart, three after it.
const SIGNALS: u32 = 6;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// A copy of `examples/node` with its packages; once for all tests.
fn node() -> Result<&'static Path, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let place = scratch("node-client");
        fs::create_dir_all(&place).map_err(|e| e.to_string())?;
        succeed(Command::new("node").arg("--version"))?;
        for entry in fs::read_dir(examples().join("node")).map_err(|e| e.to_string())? {
            let from = entry.map_err(|e| e.to_string())?.path();
            if let (true, Some(name)) = (from.is_file(), from.file_name()) {
                fs::copy(&from, place.join(name)).map_err(|e| e.to_string())?;
            }
        }
        once_for(&place, &place.join("package-lock.json"), || {
            succeed(Command::new("npm").arg("ci").current_dir(&place)).map(drop)
        })?;
        Ok(place)
    });
    ready.as_deref().map_err(Clone::clone)
}

/// A Python of its own with what `examples/python` asks for.
fn python() -> Result<PathBuf, String> {
    python_with("python-client", &examples().join("python/requirements.txt"))
}

struct Client {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Client {
    fn start(mut command: Command, server: &Server, key: &Key, stop_after: u32) -> Self {
        let mut child = command
            .env("SIGCAST_URL", server.url())
            .env("SIGCAST_KEY", &key.text)
            .env("SIGMATE_KEY", &key.text)
            .env("SIGCAST_STOP_AFTER", stop_after.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = <(Arc<Mutex<String>>, Arc<Mutex<String>>)>::default();
        collect(child.stdout.take().unwrap(), stdout.clone());
        collect(child.stderr.take().unwrap(), stderr.clone());
        Client {
            child,
            stdout,
            stderr,
        }
    }

    fn output(&self) -> String {
        format!(
            "{}\n--- stderr\n{}",
            self.stdout.lock().unwrap(),
            self.stderr.lock().unwrap()
        )
    }

    fn wait_for(&mut self, what: &str, mut seen: impl FnMut(&str) -> bool) {
        let found = until(3 * PATIENCE, || {
            let ended = self.child.try_wait().unwrap();
            if seen(&self.output()) {
                return Some(true);
            }
            ended.map(|_| seen(&self.output()))
        });
        assert_eq!(found, Some(true), "{what} never came: {}", self.output());
    }

    /// Ids of the signals printed, in order.
    fn printed(&self) -> Vec<String> {
        let stdout = self.stdout.lock().unwrap();
        let words = stdout.lines().filter_map(|line| line.split(' ').next());
        words
            .filter(|word| word.starts_with("00000000-0000-4000-8000-"))
            .map(str::to_owned)
            .collect()
    }

    fn expect_exit(&mut self, code: i32) {
        let end = until(3 * PATIENCE, || self.child.try_wait().unwrap());
        let end = end.unwrap_or_else(|| panic!("still running: {}", self.output()));
        assert_eq!(end.code(), Some(code), "{}", self.output());
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three signals, a restart, three more: each printed once, in order. A drain or a crash in between.
fn sees_each_signal_once(command: Command, drained: bool) {
    let mut server = Server::with(&[("SIGCAST_HTTP__DRAIN_SECONDS", "1")]);
    let key = server.alpha_key();
    let mut client = Client::start(command, &server, &key, SIGNALS);
    client.wait_for("hello", |output| output.contains("connected at "));
    for n in 1..=SIGNALS / 2 {
        server.publish_sample(n);
    }
    let last = sample(SIGNALS / 2)["id"].as_str().unwrap().to_owned();
    client.wait_for("the third signal", |output| output.contains(&last));
    if drained {
        server.terminate();
        server.exit_within(2 * PATIENCE);
    }
    server.restart();
    for n in SIGNALS / 2 + 1..=SIGNALS {
        server.publish_sample(n);
    }
    client.expect_exit(0);
    let all: Vec<String> = (1..=SIGNALS)
        .map(|n| sample(n)["id"].as_str().unwrap().to_owned())
        .collect();
    let complete = until(PATIENCE, || {
        (client.printed().len() >= all.len()).then_some(())
    });
    assert!(
        complete.is_some() && client.printed() == all,
        "{}",
        client.output()
    );
}

fn node_command(script: &str, place: &Path) -> Command {
    let mut command = Command::new("node");
    command.arg(script).current_dir(place);
    command
}

#[test]
fn the_node_bot_sees_each_signal_once() {
    match node() {
        Ok(place) => sees_each_signal_once(node_command("bot.mjs", place), true),
        Err(why) => skip("the Node client", &why),
    }
}

#[test]
fn the_node_bot_comes_back_after_a_crash() {
    match node() {
        Ok(place) => sees_each_signal_once(node_command("bot.mjs", place), false),
        Err(why) => skip("the Node client", &why),
    }
}

#[test]
fn the_node_bot_waits_for_a_held_seat_and_stops_without_a_key() {
    let place = match node() {
        Ok(place) => place,
        Err(why) => return skip("the Node client", &why),
    };
    let server = Server::start();
    let key = server.alpha_key();
    let holder = server.listen(&key, "", &[]);
    let mut client = Client::start(node_command("bot.mjs", place), &server, &key, 1);
    client.wait_for("429", |output| output.contains("connection_limit"));
    drop(holder);
    client.wait_for("hello", |output| output.contains("connected at "));
    server.admin("DELETE", &format!("/v1/keys/{}", key.id), "");
    client.expect_exit(1);
    client.wait_for("the reason", |output| output.contains("key_revoked"));
}

#[test]
fn the_references_own_client_runs_unchanged() {
    let place = match node() {
        Ok(place) => place,
        Err(why) => return skip("the reference's client", &why),
    };
    let server = Server::start();
    let key = server.alpha_key();
    let mut client = Client::start(node_command("reference.mjs", place), &server, &key, 2);
    client.wait_for("hello", |output| output.contains("connected {"));
    server.publish_sample(1);
    server.publish_sample(2);
    client.expect_exit(0);
    let both = until(PATIENCE, || (client.printed().len() == 2).then_some(()));
    assert!(both.is_some(), "{}", client.output());
}

#[test]
fn the_python_bot_sees_each_signal_once() {
    match python() {
        Ok(python) => {
            let mut command = Command::new(python);
            command.arg(examples().join("python/bot.py"));
            sees_each_signal_once(command, false);
        }
        Err(why) => skip("the Python client", &why),
    }
}

#[test]
fn the_rust_bot_sees_each_signal_once() {
    // Cargo builds examples along with the tests, beside their folder.
    let here = std::env::current_exe().unwrap();
    let built = here
        .ancestors()
        .nth(2)
        .map(|folder| folder.join("examples/bot"));
    match built.filter(|path| path.is_file()) {
        Some(bot) => sees_each_signal_once(Command::new(bot), false),
        None => skip(
            "the Rust client",
            "built with `cargo build --examples`, or by `cargo test`",
        ),
    }
}

#[test]
fn the_examples_readme_names_every_client() {
    let readme = fs::read_to_string(examples().join("README.md")).unwrap();
    for file in ["bot.mjs", "reference.mjs", "bot.py", "--example bot"] {
        assert!(readme.contains(file), "{file}");
    }
}
