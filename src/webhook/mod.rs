//! Third floor, movement: the second channel. Signals by signed HTTP callback, from the log, at least once.

pub mod secret;

pub mod sign;

pub mod proof;

pub mod schedule;

pub mod target;

pub mod config;

pub mod dial;

pub mod attempt;

pub mod headers;

pub mod shown;

pub mod refusal;

pub mod places;

pub mod desk;

pub mod window;

pub mod ledger;

pub mod metrics;

pub mod sender;

pub mod range;

pub mod endpoint;

pub mod worker;

#[cfg(test)]
mod attempt_test;

#[cfg(test)]
mod window_test;
