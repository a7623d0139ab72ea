//! Third floor: how facts arrive. Files, webhooks and the simulator all end in the same facts.

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
