//! The promises on PostgreSQL.

const ON_POSTGRES: bool = true;

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
