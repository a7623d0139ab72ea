//! Second floor, listeners: what was just published, who listens, and the writing to them.

pub mod config;

pub mod chunk;

pub mod frame;

pub mod latency;

pub mod metrics;

pub mod mark;

pub mod bell;

pub mod ring;

pub mod transport;

pub mod greeting;

pub mod socket;

pub mod tenure;

pub mod seat;

pub mod releases;

pub mod seats;

pub mod writes;

pub mod applications;

pub mod leases;

pub mod node;

pub mod reader;

pub mod pulse;

pub mod catch_up;

pub mod lag;

pub mod opening;

pub mod piece;

pub mod stream;

pub mod wire;

#[cfg(test)]
mod test_node;

pub mod outlet;

pub mod lane;

pub mod ping;

mod slot;

mod volley;

pub mod shard;

mod shard_rounds;

mod shard_events;

mod bare;

pub mod shards;

#[cfg(test)]
mod shard_world;

#[cfg(test)]
mod shard_test;
