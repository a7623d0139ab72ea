//! `sigcast bench`: load for a server, and what it made of it.

pub mod histogram;

pub mod clock;

pub mod frames;

#[cfg(test)]
mod frames_test;

pub mod arrivals;

pub mod target;

mod wire;

pub mod options;

pub mod findings;

pub mod receiver;

pub mod clients;

#[cfg(test)]
mod clients_test;

pub mod process;

mod admin;

mod keys;

mod publisher;

mod report;

mod table;

mod streams;

mod command;

pub use command::{BenchArgs, run};
