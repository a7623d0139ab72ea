//! What we sign, verified by others: the official packages of Standard Webhooks, and plain HMAC for the other service's headers.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sigcast::{
    gate::endpoint::Compat,
    model::time::Time,
    webhook::{
        headers::{Label, Secrets, headers},
        secret::Secret,
        sign,
    },
};

use super::{
    clients::{once_for, python_with, scratch, skip, succeed},
    listening::{Listening, SECRET},
    receiver::{Delivery, Receiver},
    server::{Server, now, sample, until},
    webhooks::{HERE, api},
    wire::PATIENCE,
};

/// What one of them is given to verify.
#[derive(Clone, Debug)]
pub struct Case {
    pub secret: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Case {
    /// A delivery as it came, whoever sent it.
    pub fn of(delivery: &Delivery, secret: &str) -> Self {
        Case {
            secret: secret.to_owned(),
            headers: delivery.headers.iter().cloned().collect(),
            body: delivery.body.clone(),
        }
    }

    fn signed(now: &Secret, before: Option<&Secret>, at: Time) -> Self {
        let secrets = Secrets {
            now: now.clone(),
            before: before.map(|before| (before.clone(), at.plus(1))),
        };
        let label = Label {
            id: "6c95779e-fd21-573e-8621-ae4df3e7d515",
            seq: Some(7),
            event: sign::SIGNAL_FIRED,
            at,
        };
        let body = "{\"seq\":7,\"name\":\"Büro €\",\"n\":1.50}".as_bytes();
        let headers = headers(&secrets, Some(Compat::Sigmate), label, body);
        let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
        Case {
            secret: now.reveal().to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body: body.to_vec(),
        }
    }

    /// The same, verified by another secret.
    fn by(&self, secret: &Secret) -> Self {
        let secret = secret.reveal().to_owned();
        let case = self.clone();
        Case { secret, ..case }
    }
}

/// Who verifies.
#[derive(Clone, Copy, Debug)]
pub enum Verifier {
    /// The package of npm.
    Npm,
    /// The package of PyPI.
    PyPi,
    /// The other service's headers, in Node.
    SigmateNode,
    /// The same, in Python.
    SigmatePython,
}

impl Verifier {
    /// The official packages.
    pub const STANDARD: [Self; 2] = [Verifier::Npm, Verifier::PyPi];
    /// Those of the other service's headers.
    pub const SIGMATE: [Self; 2] = [Verifier::SigmateNode, Verifier::SigmatePython];

    fn command(self) -> Result<Command, String> {
        let (program, script) = match self {
            Verifier::Npm => ("node".into(), npm()?.join("standard.mjs")),
            Verifier::PyPi => (pypi()?, sources("python/standard.py")),
            Verifier::SigmateNode => ("node".into(), sources("node/sigmate.mjs")),
            Verifier::SigmatePython => ("python3".into(), sources("python/sigmate.py")),
        };
        let mut command = Command::new(program);
        command.arg(script);
        Ok(command)
    }

    /// What it says of each case: `ok`, or why not. An error: it cannot be had here.
    pub fn verdicts(self, cases: &[Case]) -> Result<Vec<String>, String> {
        let mut child = self
            .command()?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{self:?}: {e}"))?;
        let lines: String = cases
            .iter()
            .map(|case| {
                let body = STANDARD.encode(&case.body);
                let line = json!({"secret": case.secret, "headers": case.headers, "body": body});
                format!("{line}\n")
            })
            .collect();
        // dropped when it is written: the end of what there is
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(lines.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{self:?}: {output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let verdicts: Vec<String> = said.lines().map(str::to_owned).collect();
        assert_eq!(verdicts.len(), cases.len(), "{self:?}: {said}");
        Ok(verdicts)
    }
}

fn sources(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/webhook_packages")
        .join(of)
}

fn npm() -> Result<PathBuf, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let place = scratch("webhook-packages-node");
        fs::create_dir_all(&place).map_err(|e| e.to_string())?;
        for file in ["package.json", "standard.mjs"] {
            fs::copy(sources("node").join(file), place.join(file)).map_err(|e| e.to_string())?;
        }
        once_for(&place, &sources("node/package.json"), || {
            let args = ["install", "--no-audit", "--no-fund"];
            succeed(Command::new("npm").args(args).current_dir(&place)).map(drop)
        })?;
        Ok(place)
    });
    ready.clone()
}

fn pypi() -> Result<PathBuf, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let wanted = sources("python/requirements.txt");
        python_with("webhook-packages-python", &wanted)
    });
    ready.clone()
}

/// Holds each delivery to what verifiers say of it; those that cannot be had are skipped.
pub fn expect_verified(verifiers: [Verifier; 2], deliveries: &[Delivery], secret: &str) {
    let cases: Vec<Case> = deliveries.iter().map(|one| Case::of(one, secret)).collect();
    assert!(!cases.is_empty());
    for verifier in verifiers {
        match verifier.verdicts(&cases) {
            Ok(said) => assert!(said.iter().all(|one| one == "ok"), "{verifier:?}: {said:?}"),
            Err(why) => skip(&format!("{verifier:?}"), &why),
        }
    }
}

/// Holds verifiers to: these are good, and each of those is refused.
fn expect(verifiers: [Verifier; 2], good: &[Case], bad: &[(&str, Case)]) {
    let all: Vec<Case> = good
        .iter()
        .chain(bad.iter().map(|(_, case)| case))
        .cloned()
        .collect();
    for verifier in verifiers {
        let said = match verifier.verdicts(&all) {
            Ok(said) => said,
            Err(why) => {
                skip(&format!("{verifier:?}"), &why);
                continue;
            }
        };
        let (fine, refused) = said.split_at(good.len());
        assert!(fine.iter().all(|one| one == "ok"), "{verifier:?}: {fine:?}");
        for (said, (what, _)) in refused.iter().zip(bad) {
            assert_ne!(said, "ok", "{verifier:?} takes {what}");
        }
    }
}

fn secret(first: u8) -> Secret {
    Secret::generate(|bytes| bytes.fill(first))
}

const MINUTE: i64 = 60 * Time::SECOND;

#[test]
fn what_listen_sends_is_verified_by_the_official_packages() {
    let server = Server::start();
    let key = server.alpha_key();
    let receiver = Receiver::start();
    let args = ["--compat", "sigmate"];
    let _listening = Listening::start(&server, &key, &receiver.url("/hook"), &args);
    for n in 1..=3 {
        let mut signal = sample(n);
        signal["token"]["symbol"] = json!("Ünï\u{1f438}\"\\");
        server.publish(&signal);
    }
    let came = receiver.wait_for(3, PATIENCE).expect("three deliveries");
    expect_verified(Verifier::STANDARD, &came, SECRET);
    expect_verified(Verifier::SIGMATE, &came, SECRET);
}

#[test]
fn what_the_server_sends_is_verified_by_the_official_packages() {
    let server = Server::with(&HERE);
    let key = server.alpha_key();
    let receiver = Receiver::start();
    let body = json!({"url": receiver.url("/hook"), "compat": "sigmate"});
    let made = api(&server, &key, "POST", "", &body).json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (id, old) = (text(&made["id"]), text(&made["secret"]));
    server.publish_sample(1);
    let came = receiver.wait_for(1, PATIENCE).expect("a delivery");
    expect_verified(Verifier::STANDARD, &came, &old);
    expect_verified(Verifier::SIGMATE, &came, &old);
    let path = format!("/{id}/rotate");
    let rotated = api(&server, &key, "POST", &path, &Value::Null).ok_json();
    let new = text(&rotated["secret"]);
    // from the next message on, or soon after
    let mut n = 1;
    let both = until(2 * PATIENCE, || {
        n += 1;
        server.publish_sample(n);
        let came = receiver.wait_for(n as usize, PATIENCE)?;
        came.into_iter()
            .find(|one| one.header("webhook-signature").contains(' '))
    });
    let both = [both.expect("a delivery with two signatures")];
    for secret in [&new, &old] {
        expect_verified(Verifier::STANDARD, &both, secret);
        expect_verified(Verifier::SIGMATE, &both, secret);
    }
}

#[test]
fn while_a_secret_is_rotated_both_verify() {
    let (new, old) = (secret(1), secret(2));
    let both = Case::signed(&new, Some(&old), now());
    let good = [both.clone(), both.by(&old)];
    let alone = Case::signed(&new, None, now());
    let bad = [
        ("another's secret", both.by(&secret(3))),
        ("the old secret when it is over", alone.by(&old)),
    ];
    expect(Verifier::STANDARD, &good, &bad);
    expect(Verifier::SIGMATE, &good, &bad);
}

#[test]
fn what_was_tampered_with_or_kept_is_refused() {
    let secret = secret(1);
    let good = Case::signed(&secret, None, now());
    let with = |change: &dyn Fn(&mut Case)| {
        let mut case = good.clone();
        change(&mut case);
        case
    };
    let set = |name: &'static str, value: &str| {
        let value = value.to_owned();
        move |case: &mut Case| {
            case.headers.insert(name.to_owned(), value.clone());
        }
    };
    let at = |minutes: i64| Case::signed(&secret, None, now().plus(minutes * MINUTE));
    let seconds = now().0 / Time::SECOND;
    let body = with(&|case| case.body[7] ^= 1);
    let bad = [
        ("another body", body.clone()),
        (
            "a body with a space more",
            with(&|case| case.body.push(b' ')),
        ),
        ("another id", with(&set("webhook-id", "another"))),
        (
            "another time",
            with(&set("webhook-timestamp", &(seconds + 1).to_string())),
        ),
        ("no signature", with(&set("webhook-signature", ""))),
        ("an old delivery", at(-6)),
        ("one from the future", at(6)),
    ];
    let fresh = [good.clone(), at(-4)];
    expect(Verifier::STANDARD, &fresh, &bad);
    let signature = format!("sha256={}", "0".repeat(64));
    let bad = [
        ("another body", body),
        ("no signature", with(&set("x-sigmate-signature", ""))),
        (
            "another signature",
            with(&set("x-sigmate-signature", &signature)),
        ),
    ];
    expect(Verifier::SIGMATE, std::slice::from_ref(&good), &bad);
}
