//! SEC ownership documents (Forms 3, 4, 5 and their amendments): submissions as EDGAR keeps them, or the XML alone, as filings.

pub mod rejection;

pub mod values;

pub mod submission;

pub mod fields;

pub mod draft;

pub mod ownership;

pub mod parse;

pub mod walk;

pub mod files;

#[cfg(test)]
mod specimen;

#[cfg(test)]
mod proof;
