//! Roof: the commands.

pub mod sse;

pub mod dial;

pub mod signal_line;

mod refusal;

mod patience;

pub mod tail;
