//! The promises on SQLite.

const ON_POSTGRES: bool = false;

#[path = "house.rs"]
mod house;

#[path = "scores.rs"]
mod scores;
#[path = "turns.rs"]
mod turns;
