//! Second floor, memory: every query of the house. Rows stay private; each statement is one text for every database.

pub mod error;

pub mod metrics;
mod patience;

mod sql;

pub mod migrations;

pub mod sqlite;

pub mod postgres;

pub mod db;

pub mod standing;

pub mod checkup;

pub mod member;

pub mod leases;

pub mod nodes;

mod echo;

pub mod listen;

pub mod log;

pub mod accounts;

pub mod issue;

pub mod sessions;

pub mod tickets;

pub mod sandbox;

pub mod hooks;

pub mod hook_takings;

pub mod hook_messages;

pub mod hook_reports;

pub mod hook_outcomes;

pub mod stream_writes;

pub mod fact_keys;

pub mod usage_days;

pub mod usage;

pub mod keys_in_use;

pub mod facts;

mod record_row;

pub mod books;

pub mod briefs;

pub mod companies;

pub mod prices;

pub mod symbols;

mod numbered;

mod name_words;

pub mod splits;

pub mod search;

pub mod declaration_filter;

pub mod declaration_list;

#[cfg(test)]
mod declaration_list_test;

pub mod filings;

pub mod declarations;

pub mod served;

pub mod stale;

pub mod sources;

pub mod company_list;

#[cfg(test)]
mod search_test;

pub mod flow_facts;

pub mod close_list;

pub mod overview;

pub mod returns;

pub mod track;

pub mod data_version;

pub mod tables;

pub mod row_line;

pub mod moving;
