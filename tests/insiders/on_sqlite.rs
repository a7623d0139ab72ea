//! The promises on SQLite.

const ON_POSTGRES: bool = false;

#[path = "house.rs"]
mod house;

#[path = "order.rs"]
mod order;

#[path = "late.rs"]
mod late;
#[path = "scores.rs"]
mod scores;
#[path = "turns.rs"]
mod turns;
