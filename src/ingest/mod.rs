//! Third floor, movement: how facts arrive. Files, webhooks and the simulator all end in the same facts, and facts in one pipeline.

pub mod source;

pub mod rows;

pub mod pumpfun;

pub mod jupiter;

pub mod rugcheck;

pub mod ledger;

pub mod helius;

pub mod facts;

pub mod reorder;

pub mod simulate;

pub mod metrics;

pub mod apply;

pub mod pipeline;

pub mod sec;

pub mod edgar;
