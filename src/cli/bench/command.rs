//! The command line of `sigcast bench`.

use anyhow::Result;
use clap::{Args, Subcommand};

use super::streams::{self, StreamsArgs};
use crate::cli::outcome::Outcome;

/// What `bench` takes.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Open many streams on a server, publish signals, and see what it takes and how soon each arrives
    ///
    /// Connects N clients with a key each, and publishes R signals a second through the admin listener, in requests of B; without --rate the
    /// streams are opened and idle. Then says how fast streams were opened, how many signals a second arrived, how long each
    /// took from its request to its arrival and to the last stream, what was missing and what came twice; with --pid also what the
    /// server took: processor time for each connect and each delivery, and memory for each stream.
    ///
    /// The signals go into the log, for good, and to whoever listens: measure on a server of its own, with a data directory of its own,
    /// set as the one that you size. Where others listen, nothing is published unless --among-others says so.
    ///
    /// Keys are made through the admin listener, on accounts of their own, ten on each, and revoked at the end, also after Ctrl-C; those
    /// of a run that was killed end by themselves after a day. The accounts stay, without a key that works. --keys takes keys
    /// that you have.
    ///
    /// All clients and the publisher are this one process, so that one clock times them; on the server's machine they take from it
    /// what they use. Pin both to processors of their own (`taskset -c`), give --spin there, and compare runs of one rate only.
    ///
    /// Ends with 0 where every stream stood and nothing was missing or came twice, with 2 otherwise.
    Streams(Box<StreamsArgs>),
}

/// Runs it.
pub async fn run(args: BenchArgs) -> Result<Outcome> {
    match args.command {
        Command::Streams(args) => Box::pin(streams::run(*args)).await,
    }
}
