//! First floor: facts → worth. Pure rules: no I/O, no async, no clock.

pub mod record;
