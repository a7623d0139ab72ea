//! Filings out of files: one importer a source, each with a reason for every row that is none.

pub mod field;

pub mod role;

pub mod uk_row;

pub mod uk_pdmr;

pub mod se_fi;

pub mod be_fsma;

pub mod sec_tsv;

pub mod open;

#[cfg(test)]
mod test_files;

#[cfg(test)]
mod filings_test;

#[cfg(test)]
mod bytes_test;
