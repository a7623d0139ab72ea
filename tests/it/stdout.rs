//! Commands whose standard output nobody reads, or cannot be written: their exit status tells of their work.

use std::{
    fs,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    os::unix::ffi::OsStrExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use super::{
    place::sigcast,
    server::{lines_of, sample, until},
    wire::{PATIENCE, request},
};

fn on(data: &Path, args: &[&str]) -> Command {
    let mut command = sigcast();
    command.args(args).arg("--data-dir").arg(data);
    command
}

/// Runs a command whose reader is gone before it says anything.
fn unread(mut command: Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    child.wait_with_output().unwrap()
}

/// Runs a command whose output goes where there is no room.
fn full(mut command: Command) -> Output {
    let nowhere = fs::OpenOptions::new().write(true).open("/dev/full");
    command.stdout(nowhere.unwrap()).output().unwrap()
}

#[test]
fn publish_sends_everything_whoever_reads_the_answers() {
    for run in [unread, full] {
        let folder = tempfile::tempdir().unwrap();
        let (data, file) = (folder.path().join("data"), folder.path().join("signals"));
        let signals: String = (1..=1_200).map(|n| format!("{}\n", sample(n))).collect();
        fs::write(&file, format!("{signals}nonsense\n")).unwrap();
        let args = ["publish", file.to_str().unwrap()];
        let output = run(on(&data, &args));
        assert_eq!(output.status.code(), Some(2), "the bad line: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(":1201: "), "{said}");
        assert_eq!(said.matches("goes on without them").count(), 1, "{said}");
        let again = on(&data, &args).output().unwrap();
        let known = String::from_utf8_lossy(&again.stdout).into_owned();
        assert_eq!(known.matches("(known already)").count(), 1_200, "all of it");
    }
}

#[test]
fn a_signal_down_a_pipe_does_not_wait_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = on(folder.path(), &["publish", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let answers = lines_of(child.stdout.take().unwrap());
    for n in 1..=2 {
        writeln!(input, "{}", sample(n)).unwrap();
        let answer = answers.recv_timeout(PATIENCE).expect("an answer");
        assert!(answer.starts_with(&format!("{n} ")), "{answer}");
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_key_that_nobody_has_seen_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let create = ["accounts", "create", "--name", "a", "--plan", "alpha"];
    let made = on(folder.path(), &[&create[..], &["--json"]].concat())
        .output()
        .unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let account = made["id"].as_str().unwrap();
    for run in [unread, full] {
        let output = run(on(folder.path(), &["keys", "create", "--account", account]));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("sigcast keys revoke"), "{said}");
        assert!(!said.contains("sig_live_"), "not there either: {said}");
    }
    // `… | head` has seen enough of a list, but a full disk has not
    for args in [["keys", "list"], ["accounts", "list"]] {
        let output = unread(on(folder.path(), &args));
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{output:?}"
        );
        assert_eq!(full(on(folder.path(), &args)).status.code(), Some(1));
    }
    let suspend = ["accounts", "suspend", account];
    assert!(unread(on(folder.path(), &suspend)).status.success(), "done");
}

#[test]
fn a_server_outlives_the_reader_of_its_first_lines() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = free.local_addr().unwrap();
    drop(free);
    let (main, admin) = (address.to_string(), "127.0.0.1:0");
    let serve = ["serve", "--listen", &main, "--admin-listen", admin];
    let mut child = on(folder.path(), &serve)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let up = until(PATIENCE, || std::net::TcpStream::connect(address).ok());
    let alive = up.map(|_| request(address, "GET", "/livez", &[], b"").head.status);
    let ended = child.try_wait().unwrap();
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!((alive, ended), (Some(200), None));
}

#[test]
fn a_command_that_cannot_be_read_is_not_taken_for_one_with_bad_lines() {
    let status = |args: &[&str]| sigcast().args(args).output().unwrap().status.code();
    for args in [&["ingest", "swapz"][..], &["serve", "--nonsense"], &[]] {
        assert_eq!(status(args), Some(1), "{args:?}: nothing could be done");
    }
    for args in [&["--version"][..], &["publish", "--help"]] {
        assert_eq!(status(args), Some(0), "{args:?}");
    }
}

#[test]
fn a_setting_that_is_no_text_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let strange = std::ffi::OsStr::from_bytes(b"/tmp/\xff");
    let mut commands = [
        on(folder.path(), &["accounts", "list"]),
        on(Path::new(strange), &["accounts", "list"]),
    ];
    commands[0].env("SIGCAST_HTTP__CORS_ORIGINS", strange);
    for (mut command, named) in commands
        .into_iter()
        .zip(["SIGCAST_HTTP__CORS", "--data-dir"])
    {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(named) && said.contains("UTF-8"), "{said}");
    }
}

#[test]
fn a_database_that_cannot_be_used_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (url, word) in [
        (
            "postgres://somebody:hunter2@db.example:port/x",
            "PostgreSQL",
        ),
        ("postgres://somebody:hunter2/@db.example/x", "PostgreSQL"),
        ("sqlite:///tmp/hunter2.db", "--data-dir"),
        ("mysql://somebody:hunter2@db.example/x", "postgres://"),
        ("hunter2", "postgres://"),
    ] {
        for command in [
            vec!["serve"],
            vec!["accounts", "list"],
            vec!["publish", "-"],
        ] {
            let output = on(&data, &command)
                .args(["--database-url", url])
                .stdin(Stdio::null())
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                said.contains("--database-url") && said.contains(word),
                "{said}"
            );
            assert!(!said.contains("hunter2"), "it may hold a password: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(!data.exists(), "nothing was begun");
        }
    }
}
