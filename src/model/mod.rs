//! Ground floor: what things are, their wire forms, and nothing that acts.

pub mod time;

pub mod random;

pub mod money;

pub mod rank;

pub mod swap;

pub mod fact_text;

pub mod fact_line;

pub mod log;

pub mod signal;

pub mod publish;

pub mod key;

pub mod account;

pub mod filing;

pub mod company;

pub mod market;

pub mod name;
