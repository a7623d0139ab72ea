//! Pages for people, over what the API answers and what owners may do: names its files.

pub mod files;

mod kept;

pub mod visit;

pub mod frame;

pub mod figures;

pub mod cells;

pub mod factors;

pub mod problem;

pub mod reader;

mod address;

pub mod session;

pub mod nowhere;

mod told;

mod log_part;

pub mod asked;

pub mod curl;

pub mod filters;

pub mod live;

pub mod intervals;

pub mod filings;

pub mod ways;

pub mod search;

pub mod screener;

pub mod flow;

pub mod returns;

pub mod course;

pub mod closes;

pub mod company;

pub mod insider;

pub mod declaration;

mod why;

pub mod signal;

pub mod home;

pub mod act;

pub mod account_keys;

pub mod account_usage;

pub mod account;

pub mod key_acts;

pub mod hooks;

pub mod hook;

pub mod hook_acts;

pub mod admin_visit;

pub mod admin;

pub mod admin_accounts;

pub mod admin_streams;
