//! Pages for people, over what the API answers and what owners may do: names its files.

pub mod files;

pub mod visit;

pub mod frame;

pub mod figures;

pub mod cells;

pub mod factors;

pub mod problem;

pub mod reader;

pub mod session;

pub mod home;
