//! The threads of streams: how they write, and how they give way, as the system sees them.

#![cfg(target_os = "linux")]

use std::fs;

use super::{
    server::{Server, until},
    wire::PATIENCE,
};

const TWO: (&str, &str) = ("SIGCAST_STREAM__SHARDS", "2");

/// Descriptors of the server's that are rings.
fn rings(server: &Server) -> usize {
    let files = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let leads = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    leads
        .filter(|to| to.to_string_lossy().contains("io_uring"))
        .count()
}

/// The log, once it has said this much, so many times.
fn said(server: &Server, what: &str, times: usize) -> String {
    let log = || Some(server.stderr()).filter(|log| log.matches(what).count() == times);
    until(PATIENCE, log).unwrap_or_else(|| panic!("not said: {what}; but {}", server.stderr()))
}

#[test]
fn a_ring_is_there_where_it_is_wanted_and_allowed() {
    let server = Server::with(&[TWO, ("SIGCAST_STREAM__IO_URING", "false")]);
    said(&server, "streams are written to one by one", 2);
    assert_eq!(rings(&server), 0);
    let server = Server::with(&[TWO]);
    let log = said(&server, "io_uring", 2);
    if log.contains("no io_uring here") {
        println!("not tested, as this system allows no io_uring");
    } else {
        assert_eq!(rings(&server), 2, "{log}");
    }
}

/// The priorities (nice) of the threads that write to streams.
fn priorities(server: &Server) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    // others end at any time
    let stats =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    let nice = |stat: String| {
        let (name, rest) = stat.rsplit_once(')')?;
        let nice = rest.split_whitespace().nth(16)?;
        name.contains("(streams-").then(|| nice.to_owned())
    };
    stats.filter_map(nice).collect()
}

#[test]
fn threads_of_streams_give_way_as_far_as_that_is_wanted() {
    for nice in ["0", "7"] {
        let server = Server::with(&[TWO, ("SIGCAST_STREAM__NICE", nice)]);
        let both = || Some(priorities(&server)).filter(|all| *all == [nice, nice]);
        assert!(until(PATIENCE, both).is_some(), "{:?}", priorities(&server));
    }
}
