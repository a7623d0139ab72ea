//! The stream's promises to clients that connect by TLS and speak HTTP/2 in it: files of tests read once more.
//!
//! What tests write and read by hand is carried over by a bridge (`harness/bridge.rs`): a status line and `transfer-encoding` are its own words, and
//! a frame's chunk is a frame's DATA, or several of those where it is long. `heads.rs` is not among the files: what is ambiguous in the bytes
//! of an HTTP/1.1 head cannot be written in HTTP/2, whose own heads are in `http2.rs`.

#![expect(
    clippy::duplicate_mod,
    reason = "each file is meant to be there once more: how clients connect is decided here"
)]

use crate::{certificate, pipes, place, secure, wire};

/// See the constants of these names in the harness.
const IN_TLS: Option<secure::Protocol> = Some(secure::Protocol::Http2);
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
#[path = "resume.rs"]
mod resume;
#[path = "seat.rs"]
mod seat;
#[path = "slow.rs"]
mod slow;
#[path = "stream.rs"]
mod stream;
