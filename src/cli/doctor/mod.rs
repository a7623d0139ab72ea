//! `sigcast doctor`: what stands in the way of a server that never misses a signal, and what to do about it.

mod finding;

mod machine;

mod settings;

mod database;

mod certificate;

mod public;

mod run;

pub use run::{DoctorArgs, run};
