//! The whole program from outside: real processes, real sockets, the contract's bytes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "all of this crate is tests, its helping files as well"
)]

// shared with the faults
#[path = "../harness/mod.rs"]
mod harness;

use harness::{ON_POSTGRES, certificate, cluster, pipes, place, receiver, secure, server, wire};

mod insider_data;
mod insider_lists;

mod access;
mod bad_input;
mod bench;
mod browser;
mod browser_live;
mod channels;
mod client_libraries;
mod client_readmes;
mod client_reads;
mod client_schema;
mod client_types;
mod clients;
mod crash;
mod cut;
mod data_visitor;
mod deliveries;
mod deploy;
mod digests;
mod disk_full;
mod doctor;
mod drain;
mod edgar;
mod edgar_site;
mod edge;
mod engines;
mod filings;
mod heads;
mod hostile;
mod http2;
mod http2_client;
mod ingest;
mod insider_api;
mod insider_closes;
mod insider_pages;
mod insider_samples;
mod insider_view;
mod intake;
mod limits;
mod listen;
mod listening;
mod logs;
mod manager;
mod mcp;
mod mcp_clients;
mod mcp_guard;
mod mcp_wire;
mod metrics;
mod moving;
mod moving_told;
mod on_http2;
mod on_postgres;
mod on_tls;
mod one_by_one;
mod openapi;
mod pages_account;
mod pages_admin;
mod pages_data;
mod pages_data_browser;
mod pages_data_reader;
mod pages_hooks;
mod pages_live;
mod pages_prices;
mod pages_views;
mod quota;
mod real_clients;
mod receiver_manners;
mod register;
mod rest;
mod resume;
mod sandbox;
mod sandbox_captcha;
mod sandbox_examples;
mod seat;
mod slow;
mod splits;
mod start;
mod stdout;
mod stream;
mod tail;
mod threads;
mod tls;
mod tls_server;
#[expect(
    dead_code,
    reason = "not all that visitors can do is asked of them here"
)]
mod visitor;
mod webhook_examples;
mod webhook_owner;
mod webhook_packages;
mod webhooks;
mod webhooks_again;
mod webhooks_command;
mod webhooks_places;
mod webhooks_refused;
mod webhooks_rest;
