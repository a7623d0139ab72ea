//! First floor: what passes, and what a request for signals may say. Pure rules that know no HTTP.

pub mod filter;

pub mod pairs;

pub mod query;

pub mod list_query;
