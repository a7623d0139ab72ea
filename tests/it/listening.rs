//! `sigcast listen` at work, for the tests that stand behind it.

use std::{
    process::{Child, Stdio},
    sync::{Arc, Mutex},
};

use sigcast::{
    model::time::Time,
    webhook::{secret::Secret, sign},
};

use super::{
    place::sigcast,
    receiver::Delivery,
    server::{Key, Server, collect, now, until},
    wire::PATIENCE,
};

/// What signs in these tests, where nothing else is said.
pub const SECRET: &str = "whsec_c2lnY2FzdC1saXN0ZW4tdGVzdHMtc2VjcmV0LTAwMDE=";

/// Where it is given.
pub const SECRET_NAME: &str = "SIGCAST_WEBHOOK_SECRET";

/// A `listen` at work, killed when dropped.
pub struct Listening {
    pub child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Listening {
    /// Forwards a server's stream, and waits until it stands.
    pub fn start(server: &Server, key: &Key, forward: &str, args: &[&str]) -> Self {
        let listening = Self::begin(server, key, forward, args, &[(SECRET_NAME, SECRET)]);
        listening.wait_for("connected to ");
        listening
    }

    /// Starts it, however that goes.
    pub fn begin(
        server: &Server,
        key: &Key,
        forward: &str,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut child = sigcast()
            .args(["listen", "--url", &server.url(), "--forward", forward])
            .args(args)
            .env("SIGCAST_KEY", &key.text)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = <(Arc<Mutex<String>>, Arc<Mutex<String>>)>::default();
        collect(child.stdout.take().unwrap(), stdout.clone());
        collect(child.stderr.take().unwrap(), stderr.clone());
        Listening {
            child,
            stdout,
            stderr,
        }
    }

    fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until it has said something, on either of its outputs.
    pub fn wait_for(&self, what: &str) {
        let said = || format!("{}{}", self.stdout(), self.stderr());
        let found = until(3 * PATIENCE, || said().contains(what).then_some(()));
        assert!(found.is_some(), "no `{what}` in {}", said());
    }

    /// Interrupts it, as Ctrl-C does; its exit status, and all that it said: stdout and stderr.
    pub fn interrupt(mut self) -> (Option<i32>, String, String) {
        // SAFETY: the child has not been waited for, so the id is still its own.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGINT) };
        self.ended()
    }

    /// Waits for its end, which comes by itself.
    pub fn ended(&mut self) -> (Option<i32>, String, String) {
        let end = until(3 * PATIENCE, || self.child.try_wait().unwrap());
        let end = end.unwrap_or_else(|| panic!("still running: {}", self.stderr()));
        // its last words may be on their way
        let whole = |text: &Arc<Mutex<String>>| {
            until(PATIENCE, || (Arc::strong_count(text) == 1).then_some(()));
            text.lock().unwrap().clone()
        };
        (end.code(), whole(&self.stdout), whole(&self.stderr))
    }
}

/// Holds a delivery to what a signature by this secret must be, and to its freshness.
pub fn expect_signed(delivery: &Delivery, secret: &str) {
    let secret = Secret::parse(secret).unwrap();
    let at: i64 = delivery.header("webhook-timestamp").parse().unwrap();
    let expected = sign::standard(&[&secret], &delivery.id, at, &delivery.body);
    assert_eq!(delivery.header("webhook-signature"), expected);
    let age = now().0 / Time::SECOND - at;
    assert!((0..60).contains(&age), "signed {age} s ago");
}

/// The seqs of those that were acknowledged.
pub fn acknowledged(deliveries: &[Delivery]) -> Vec<i64> {
    let fine = deliveries.iter().filter(|one| one.is_acknowledged());
    fine.filter_map(|one| one.seq).collect()
}
