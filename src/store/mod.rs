//! Second floor, memory: every query of the house. Rows stay private; each statement is one text for every database.

pub mod error;

pub mod db;

pub mod log;

pub mod accounts;

pub mod tickets;

pub mod fact_keys;

pub mod facts;

mod record_row;

pub mod books;
