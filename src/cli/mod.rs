//! Roof: the commands.

pub mod sse;

pub mod dial;

pub mod edgar;

pub mod signal_line;

mod refusal;

mod patience;

pub mod tail;

mod outcome;

mod data;

mod serve;

mod accounts;

mod keys;

mod progress;

mod ingest;

mod publish;

mod demo;

mod commands;

pub use commands::main;
