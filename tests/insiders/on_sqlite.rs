//! The promises on SQLite.

const ON_POSTGRES: bool = false;

#[path = "promises.rs"]
mod promises;
