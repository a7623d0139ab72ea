//! The path of a filing: stored, split into declarations, judged, and what it fired appended to the log.

pub mod config;

pub mod metrics;

pub mod identity;

pub mod take;

mod said;

mod backtests;

mod scale;

pub mod judge;

mod described;

pub mod intake;
