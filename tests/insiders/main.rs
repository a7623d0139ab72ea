//! Filings through the store, on each database: judged by what was known when they were published, in whatever order they arrive, and
//! fired while fresh.

#![expect(
    clippy::unwrap_used,
    reason = "all of this crate is tests, its helping functions as well"
)]
#![expect(
    clippy::duplicate_mod,
    reason = "the promises are meant to be there once for each database"
)]

#[path = "../cluster/mod.rs"]
mod cluster;

mod on_postgres;
mod on_sqlite;
