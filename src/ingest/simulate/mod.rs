//! A market that never was: deterministic facts for demos, tests and benchmarks. The same seed gives the same facts everywhere.
//!
//! Only integers decide what happens (but for the pace, which divides gaps), so that no platform's mathematics library matters.

pub mod dice;

pub mod cast;

pub mod minting;

pub mod past;

pub mod launch;

pub mod live;

pub mod bulk;

pub mod filings;

#[cfg(test)]
mod proof;
