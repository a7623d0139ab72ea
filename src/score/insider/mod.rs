//! The insider score, version `s9.1`: filings → declarations → nine factors, from what was known at publication.

pub mod record;

pub mod exact;

pub mod days;

pub mod audit;

mod plan;

mod role;

pub mod people;

pub mod declaration;

pub mod company;

pub mod backtest;

pub mod winning;

pub mod factors;

pub mod signal;

pub mod elsewhere;

mod suspect;

mod block;

mod exercise;

mod amend;

pub mod ledger;

mod inputs;

pub mod flow;

pub mod assess;

pub mod entity;

pub mod fire;

#[cfg(test)]
mod test_book;

#[cfg(test)]
mod factors_test;

#[cfg(test)]
mod declaration_test;

#[cfg(test)]
mod assess_test;

#[cfg(test)]
mod suspect_test;

#[cfg(test)]
mod jump_test;

#[cfg(test)]
mod standing_test;

#[cfg(test)]
mod order_test;
