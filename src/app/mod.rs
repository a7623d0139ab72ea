//! Under the roof: the program put together, from its start to its end.

pub mod web;

pub mod edgar;

pub mod error;

pub mod system;

pub mod memory;

pub mod data_dir;

pub mod ownership;

pub mod life;

pub mod manager;

mod engines;

pub mod scoring;

pub mod following;

pub mod sending;

pub mod webhooks;

pub mod sandbox;

mod housekeeping;

pub mod deliveries;

pub mod node;
