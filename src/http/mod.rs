//! Fourth floor, the door: bytes in, typed calls down, bytes out.

pub mod config;

pub mod error;

pub mod reply;

pub mod state;

pub mod access;

pub mod guard;

pub mod stream_body;

mod stream_start;

pub mod stream;

pub mod signals;

pub mod lines;

pub mod answer_lines;

pub mod intake;

pub mod admin;

pub mod ops;

pub mod router;

pub mod server;
