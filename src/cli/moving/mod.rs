//! `sigcast export` and `sigcast import`: the whole store as a file, from one database to another.

pub mod file;

pub mod reader;

pub mod export;

pub mod import;

#[cfg(test)]
mod file_test;
