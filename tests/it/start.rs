//! How commands begin and end: what they refuse at once, who may read what they make, and what they leave behind.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use super::{
    place::sigcast,
    server::{Server, lines_of, until},
    visitor::form,
    wire::{PATIENCE, request},
};

fn run(args: &[&str]) -> Output {
    sigcast().args(args).stdin(Stdio::null()).output().unwrap()
}

/// The command must end with 1 and say this in one line.
fn expect_refusal(output: &Output, word: &str) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(word), "{word}: {said}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for speed in ["0", "NaN", "-5", "inf", "fast", "1e9"] {
        let output = run(&[
            "demo",
            &format!("--speed={speed}"),
            "--listen",
            "127.0.0.1:0",
        ]);
        expect_refusal(&output, "0.01 to 1000");
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ];
    let output = sigcast()
        .args(serve)
        .args(["--data-dir", data])
        .env("SIGCAST_ADMIN_TOKEN", "short")
        .output()
        .unwrap();
    expect_refusal(&output, "16 characters at least");
    let output = run(&["serve", "--listen", "localhost", "--data-dir", data]);
    expect_refusal(&output, "`localhost` is no address");
    if cfg!(target_os = "linux") {
        let output = run(&["serve", "--data-dir", "/sys/sigcast"]);
        expect_refusal(
            &output,
            "/sys/sigcast cannot be made: this user may not write there",
        );
    }
}

#[test]
fn a_folder_without_a_database_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for args in [
        &["accounts", "list"][..],
        &["accounts", "suspend", "x"],
        &["keys", "list"],
        &["keys", "create", "--account", "x"],
    ] {
        let output = sigcast().args(args).arg("--data-dir").arg(&data).output();
        expect_refusal(&output.unwrap(), data.to_str().unwrap());
        assert!(!data.exists(), "{args:?}");
    }
}

#[test]
fn what_is_made_is_its_users_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::at(data.clone(), &[], None);
    server.publish_sample(1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let mut seen = 0;
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 3, "database and locks");
}

#[test]
fn an_error_of_the_database_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("sigcast.db"),
        "no database at all, but long enough",
    )
    .unwrap();
    let output = sigcast()
        .args(["accounts", "list", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    expect_refusal(&output, "not a database");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.matches("not a database").count(), 1, "{said}");
}

/// A demo whose temporary folder is in `at`, once it has spoken.
fn demo(at: &Path) -> (Child, std::sync::mpsc::Receiver<String>) {
    let mut command: Command = sigcast();
    let as_in_a_terminal = || {
        // these tests may be run by one that ignores it, as under nohup, and what is ignored stays so
        // SAFETY: one system call, which may be made between fork and exec
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
        Ok(())
    };
    // SAFETY: as above; nothing is allocated
    let command = unsafe { command.pre_exec(as_in_a_terminal) };
    let mut child = command
        .args(["demo", "--listen", "127.0.0.1:0", "--speed", "20"])
        .env("TMPDIR", at)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = lines_of(child.stdout.take().unwrap());
    lines.recv_timeout(Duration::from_secs(60)).unwrap();
    (child, lines)
}

#[test]
fn a_demo_whose_terminal_goes_takes_its_folder_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, _lines) = demo(folder.path());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // proof: the child has not been waited for, so the id is still its own
    let sent = unsafe { libc::kill(child.id() as i32, libc::SIGHUP) };
    assert_eq!(sent, 0);
    let end = until(PATIENCE, || child.try_wait().unwrap());
    if end.is_none() {
        let _ = child.kill();
    }
    assert!(end.is_some_and(|end| end.success()), "{end:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_demo_says_where_its_operator_signs_in() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, lines) = demo(folder.path());
    let told = until(PATIENCE, || {
        let line = lines.recv_timeout(PATIENCE).ok()?;
        let (_, at) = line.split_once("http://")?;
        let (address, rest) = at.split_once("/admin is")?;
        let (_, file) = rest.split_once("what is in ")?;
        Some((address.to_owned(), file.to_owned()))
    });
    let signs_in = told.map(|(address, file)| {
        let token = fs::read_to_string(file).unwrap();
        let form = form(&[("key", token.trim())]);
        let origin = [("origin", "https://localhost")];
        let reply = request(
            address.parse().unwrap(),
            "POST",
            "/admin/sign-in",
            &origin,
            form.as_bytes(),
        );
        reply.head.status
    });
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(signs_in, Some(303));
}

#[test]
fn a_new_admin_token_is_in_its_file_and_in_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = sigcast()
        .args(["serve", "--log-json", "--listen", "127.0.0.1:0"])
        .args(["--admin-listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines_of(child.stdout.take().unwrap());
    let listens = lines.recv_timeout(PATIENCE).unwrap();
    let token = fs::read_to_string(folder.path().join("admin-token")).unwrap();
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!listens.contains(token.trim()) && !said.contains(token.trim()));
    for line in said.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("{line}"));
    }
    assert!(said.contains("admin-token"), "where it is: {said}");
}
