//! The stream's promises to clients that connect by TLS and speak HTTP/1.1 in it: files of tests read once more.

#![expect(
    clippy::duplicate_mod,
    reason = "each file is meant to be there twice: how clients connect is decided here"
)]

use crate::{certificate, pipes, place, secure, wire};

/// See the constants of these names in the harness.
const IN_TLS: Option<secure::Protocol> = Some(secure::Protocol::Http1);
const OF_ALL: [(&str, &str); 0] = [];

#[path = "../harness/server.rs"]
#[expect(
    dead_code,
    reason = "not all that servers can do is asked of them here"
)]
mod server;

#[path = "access.rs"]
mod access;
#[path = "deliveries.rs"]
mod deliveries;
#[path = "drain.rs"]
mod drain;
#[path = "edge.rs"]
mod edge;
#[path = "heads.rs"]
mod heads;
#[path = "resume.rs"]
mod resume;
#[path = "seat.rs"]
mod seat;
#[path = "slow.rs"]
mod slow;
#[path = "stream.rs"]
mod stream;
