//! The same promises on PostgreSQL: files of tests read once more, with servers that keep their data there.

#![expect(
    clippy::duplicate_mod,
    reason = "each file is meant to be there twice: which database its servers are on is decided here"
)]

use crate::{certificate, cluster, pipes, receiver, secure, wire};

/// See the constants of these names in the harness.
const ON_POSTGRES: bool = true;
const IN_TLS: Option<secure::Protocol> = None;
const OF_ALL: [(&str, &str); 0] = [];

#[path = "../harness/place.rs"]
mod place;
#[path = "../harness/server.rs"]
#[expect(
    dead_code,
    reason = "not all that servers can do is asked of them here"
)]
mod server;

#[path = "insider_data.rs"]
mod insider_data;

#[path = "register.rs"]
mod register;

#[path = "webhook_owner.rs"]
mod webhook_owner;

#[path = "visitor.rs"]
mod visitor;

#[path = "access.rs"]
mod access;
#[path = "crash.rs"]
mod crash;
#[path = "deliveries.rs"]
mod deliveries;
#[path = "digests.rs"]
mod digests;
#[path = "filings.rs"]
mod filings;
#[path = "insider_api.rs"]
mod insider_api;
#[path = "insider_closes.rs"]
mod insider_closes;
#[path = "insider_view.rs"]
mod insider_view;
#[path = "intake.rs"]
mod intake;
#[path = "leases.rs"]
mod leases;
#[path = "mcp.rs"]
mod mcp;
#[path = "mcp_guard.rs"]
mod mcp_guard;
#[path = "nodes.rs"]
mod nodes;
#[path = "pages_account.rs"]
mod pages_account;
#[path = "pages_across.rs"]
mod pages_across;
#[path = "pages_admin.rs"]
mod pages_admin;
#[path = "pages_hooks.rs"]
mod pages_hooks;
#[path = "pages_nodes.rs"]
mod pages_nodes;
#[path = "pages_views.rs"]
mod pages_views;
#[path = "quota.rs"]
mod quota;
#[path = "rest.rs"]
mod rest;
#[path = "resume.rs"]
mod resume;
#[path = "retention.rs"]
mod retention;
#[path = "sandbox.rs"]
mod sandbox;
#[path = "sandbox_nodes.rs"]
mod sandbox_nodes;
#[path = "seat.rs"]
mod seat;
#[path = "stream.rs"]
mod stream;
#[path = "webhook_nodes.rs"]
mod webhook_nodes;
#[path = "webhooks.rs"]
mod webhooks;
#[path = "webhooks_again.rs"]
mod webhooks_again;
#[path = "webhooks_command.rs"]
mod webhooks_command;
#[path = "webhooks_places.rs"]
mod webhooks_places;
#[path = "webhooks_refused.rs"]
mod webhooks_refused;
#[path = "webhooks_rest.rs"]
mod webhooks_rest;
