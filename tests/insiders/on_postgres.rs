//! The promises on PostgreSQL.

const ON_POSTGRES: bool = true;

#[path = "promises.rs"]
mod promises;
