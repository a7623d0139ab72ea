//! First floor: who may pass and how often, what passes, and what a request may say. Pure rules that know no HTTP.

pub mod filter;

pub mod kept_filter;

pub mod pairs;

pub mod query;

pub mod endpoint;

pub mod list_query;

pub mod digest_query;

pub mod resend;

pub mod rate;

pub mod quota;

pub mod prover;

pub mod networks;

pub mod sandbox;

pub mod pow;

pub mod watermark;

#[cfg(test)]
mod quota_test;

pub mod parameter;

pub mod insider_query;

pub mod insider_view;

pub mod closes_query;

pub mod usage_query;

pub mod webhook_query;

pub mod path_id;

pub mod sandbox_read;

#[cfg(test)]
mod insider_query_test;
