//! sigcast: a self-hosted real-time trading-signal server. ARCHITECTURE.md is the map.
//!
//! The library is the whole program; the binary only calls `cli`. Rooms stand on floors and import strictly downwards.

pub mod model;

pub mod score;

pub mod gate;

pub mod store;

pub mod hub;

pub mod ingest;

pub mod webhook;

pub mod http;

pub mod config;

pub mod telemetry;

pub mod app;

pub mod cli;
