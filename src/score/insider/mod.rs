//! The insider score, version `s9.1`: filings → declarations → nine factors, from what was known at publication.

pub mod record;

pub mod audit;

pub mod entity;

pub mod fire;
