//! Pages for people, over what the API answers and what owners may do: names its files.

pub mod files;

mod kept;

pub mod visit;

pub mod frame;

pub mod figures;

pub mod problem;

pub mod reader;

pub mod session;

mod told;

mod log_part;

mod address;

pub mod live;

mod why;

pub mod signal;

pub mod home;
