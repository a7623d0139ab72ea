//! Roof: the commands.

pub mod sse;

pub mod dial;

pub mod signal_line;

mod outcome;

mod stops;

mod refusal;

mod patience;

mod follow;

pub mod tail;

mod forward;

mod listen;

mod data;

mod serve;

mod accounts;

mod keys;

mod webhook_args;

mod webhook_lines;

mod webhooks;

mod sandbox;

mod progress;

mod reading;

mod tally;

mod settle;

mod filings;

mod edgar;

mod tables;

mod check_list;

mod rescore;

mod ingest;

mod publish;

mod moving;

mod migrate;

mod demo;

mod doctor;

pub mod bench;

mod commands;

/// What the binary takes its memory from.
pub use crate::app::memory::Memory;
pub use commands::main;
