//! Third floor, movement: how facts arrive. Fact → score → store is the only path.

pub mod metrics;

pub mod apply;

pub mod pipeline;
