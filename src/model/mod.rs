//! Ground floor: what things are, their wire forms, and nothing that acts.

pub mod time;

pub mod local;

pub mod random;

pub mod money;

pub mod rank;

pub mod swap;

pub mod line_field;

pub mod fact_text;

pub mod fact_line;

pub mod log;

pub mod delivery;

pub mod address;

pub mod lease;

pub mod signal;

pub mod digest;

pub mod publish;

pub mod key;

pub mod account;

pub mod market;

pub mod filing;

pub mod dealing;

pub mod filing_text;

pub mod filing_line;

pub mod company;

pub mod name;

#[cfg(test)]
mod filing_line_test;
