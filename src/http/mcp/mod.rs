//! MCP: what models ask, answered by the reads of the API; names its files.

pub mod head;

pub mod message;

pub mod exact;

pub mod schemas;

pub mod arguments;

pub mod catalogue;

pub mod asking;

pub mod tools;

pub mod resources;

pub mod prompts;

pub mod handler;

pub mod endpoint;
