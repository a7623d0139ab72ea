//! Under the roof: logs and metrics of the whole program.

pub mod logs;

pub mod metrics;
