//! sigcast: a self-hosted real-time trading-signal server. ARCHITECTURE.md is the map.
//!
//! The library is the whole program; the binary only calls [`cli`]. Rooms stand on floors and import strictly downwards.

pub mod model;

pub mod score;

pub mod cli;
