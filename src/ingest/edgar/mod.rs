//! Following EDGAR: what it has just published, fetched once each and within the limits that the SEC sets.

pub mod feed;

pub mod index;

pub mod pace;

pub mod state;

pub mod protocol;

pub mod follower;

pub mod follow;

#[cfg(test)]
mod follower_test;
