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

#[path = "deliveries.rs"]
mod deliveries;
#[path = "resume.rs"]
mod resume;
#[path = "slow.rs"]
mod slow;
#[path = "stream.rs"]
mod stream;
