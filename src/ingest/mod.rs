//! Third floor, movement: how facts arrive. Files, webhooks and the simulator all end in the same facts, and facts in one pipeline.

pub mod source;

pub mod rows;

pub mod encoding;

pub mod records;

pub mod pumpfun;

pub mod jupiter;

pub mod rugcheck;

pub mod ledger;

pub mod helius;

pub mod facts;

pub mod filings;

pub mod companies;

pub mod prices;

pub mod reorder;

pub mod simulate;

pub mod metrics;

pub mod resolve;

pub mod apply;

pub mod pipeline;

#[cfg(test)]
mod pipeline_test;

pub mod insider;

pub mod sec;
