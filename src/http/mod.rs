//! Fourth floor, the door: bytes in, typed calls down, bytes out.

pub mod config;

pub mod metrics;

pub mod proxies;

pub mod connections;

pub mod tls;

pub mod h2_stream;

pub mod h2_body;

pub mod h2;

pub mod connects;

pub mod tries;

pub mod error;

pub mod reply;

pub mod assets;

pub mod batch;

pub mod caller;

pub mod callers;

#[cfg(test)]
mod callers_test;

pub mod limits;

pub mod sandbox_seen;

pub mod sandbox_denied;

pub mod sandbox_captcha;

pub mod sandbox_entrance;

#[cfg(test)]
mod sandbox_entrance_test;

pub mod pages;

pub mod excesses;

pub mod data;

pub mod views;

pub mod stretches;

pub mod state;

pub mod access;

pub mod call;

pub mod reads;

pub mod schema;

pub mod csv;

pub mod guard;

pub mod stream_body;

pub mod leaving;

mod stream_start;

pub mod tickets;

pub mod stream;

pub mod signals;

pub mod digest;

pub mod deliveries;

pub mod lines;

pub mod answer_lines;

pub mod intake;

pub mod accounts;

pub mod keys;

pub mod seats;

pub mod admin;

pub mod usage;

pub mod account;

pub mod ops;

pub mod numbers;

pub mod declaration_text;

pub mod declaration_row;

pub mod declarations;

pub mod companies;

pub mod insiders;

pub mod overview;

pub mod search;

pub mod audits;

pub mod backtests;

pub mod winning;

pub mod sandbox;

pub mod net_flow;

pub mod closes;

pub mod webhooks;

pub mod openapi;

pub mod docs;

pub mod site;

pub mod mcp;

pub mod router;

pub mod door;

#[cfg(test)]
mod openapi_test;

pub mod listener;

pub mod server;
