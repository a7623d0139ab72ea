//! The stream's promises by servers that write to streams one by one, as where the system allows no io_uring: files of tests read once more.

#![expect(
    clippy::duplicate_mod,
    reason = "each file is meant to be there twice: how streams are written to is decided here"
)]

use crate::{certificate, pipes, place, secure, wire};

/// See the constants of these names in the harness.
const IN_TLS: Option<secure::Protocol> = None;
const OF_ALL: [(&str, &str); 1] = [("SIGCAST_STREAM__IO_URING", "false")];

#[path = "../harness/server.rs"]
#[expect(
    dead_code,
    reason = "not all that servers can do is asked of them here"
)]
mod server;

#[path = "resume.rs"]
mod resume;
#[path = "slow.rs"]
mod slow;
#[path = "stream.rs"]
mod stream;

use server::{Server, until};
use wire::PATIENCE;

/// Descriptors of the server's that are rings.
fn rings(server: &Server) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let leads =
        |file: std::io::Result<std::fs::DirEntry>| std::fs::read_link(file.ok()?.path()).ok();
    let files = files.filter_map(leads);
    files
        .filter(|to| to.to_string_lossy().contains("io_uring"))
        .count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_ring_is_there_where_it_is_wanted_and_allowed() {
    let server = Server::start();
    assert_eq!(rings(&server), 0);
    assert!(
        server
            .stderr()
            .contains("streams are written to one by one")
    );
    let server = Server::with(&[
        ("SIGCAST_STREAM__IO_URING", "true"),
        ("SIGCAST_STREAM__SHARDS", "2"),
    ]);
    let said = server.stderr();
    if said.contains("no io_uring here") {
        println!("not tested, as this system allows no io_uring");
    } else {
        // the threads have just been started
        let both = until(PATIENCE, || {
            Some(rings(&server)).filter(|rings| *rings == 2)
        });
        assert!(both.is_some(), "{} rings", rings(&server));
    }
}

/// The priorities (nice) of the threads that write to streams.
fn priorities(server: &Server) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let stats =
        threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap());
    let nice = |stat: String| {
        let (name, rest) = stat.rsplit_once(')')?;
        name.contains("(streams-")
            .then(|| rest.split_whitespace().nth(16).map(str::to_owned))?
    };
    stats.filter_map(nice).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn threads_of_streams_give_way_where_that_is_wanted() {
    for (nice, expected) in [("0", "0"), ("7", "7")] {
        let server = Server::with(&[
            ("SIGCAST_STREAM__NICE", nice),
            ("SIGCAST_STREAM__SHARDS", "2"),
        ]);
        let both = || Some(priorities(&server)).filter(|all| *all == [expected, expected]);
        assert!(until(PATIENCE, both).is_some(), "{:?}", priorities(&server));
    }
}
