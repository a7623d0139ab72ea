//! The rules of the house, as a pure function over its files.

pub mod code;

pub mod imports;

pub mod tree;

pub mod rules;
