//! Filings through the store: judged by what was known when they were published, in whatever order they arrive, and fired while fresh.

#![expect(
    clippy::unwrap_used,
    reason = "all of this crate is tests, its helping functions as well"
)]

mod house;

mod scores;
mod turns;
