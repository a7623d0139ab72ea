//! Following EDGAR: what it has just published, fetched once each and within the limits that the SEC sets.

pub mod feed;

pub mod index;

pub mod pace;

pub mod state;

pub mod protocol;

pub mod config;

pub mod metrics;

pub mod follower;

pub mod follow;

pub mod keep;

#[cfg(test)]
mod follower_test;

#[cfg(test)]
mod trouble_test;
