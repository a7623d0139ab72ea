//! First floor: facts → worth. Pure rules: no I/O, no async, no clock.

pub mod record;

pub mod book;

pub mod prices;

pub mod wallet;

pub mod history;

pub mod rug;

pub mod rank;

pub mod token;

pub mod sums;

pub mod table;

pub mod window;

pub mod trader;

pub mod episode;

pub mod payload;

pub mod mint;

pub mod pool;

pub mod config;

pub mod changed;

pub mod consensus;

pub mod insider;

#[cfg(test)]
mod test_store;

#[cfg(test)]
mod consensus_test;

#[cfg(test)]
mod episode_test;

#[cfg(test)]
mod replay_test;
