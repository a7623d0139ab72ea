//! The command line: every command, its help, and the process around it.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use super::{
    accounts::{self, AccountsArgs},
    bench::{self, BenchArgs},
    demo::{self, DemoArgs},
    doctor::{self, DoctorArgs},
    ingest::{self, IngestArgs},
    keys::{self, KeysArgs},
    listen::{self, ListenArgs},
    migrate::{self, MigrateArgs},
    moving::{
        export::{self, ExportArgs},
        import::{self, ImportArgs},
    },
    outcome::{Outcome, complain},
    publish::{self, PublishArgs},
    rescore::{self, RescoreArgs},
    sandbox::{self, SandboxArgs},
    serve::{self, ServeArgs},
    tail::{self, TailArgs},
    webhooks::{self, WebhooksArgs},
};
use crate::app::{memory, system};

/// A self-hosted real-time trading-signal server: facts in, ranked signals out, over SSE.
#[derive(Debug, Parser)]
#[command(
    name = "sigcast",
    version,
    about,
    after_help = "Begin with `sigcast demo`: a whole market in your terminal, and a stream to connect to."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a simulated market through the whole server, and watch the signals
    Demo(DemoArgs),
    /// Run the server
    Serve(ServeArgs),
    /// Make, list and change accounts
    Accounts(AccountsArgs),
    /// Make, list, revoke and rotate keys
    Keys(KeysArgs),
    /// Make, list, change and test webhooks, and send signals again
    ///
    /// Works on the database itself, also beside a running server, which follows within half a second.
    Webhooks(WebhooksArgs),
    /// Trace answers that were given without a key
    Sandbox(SandboxArgs),
    /// Read facts from files
    Ingest(IngestArgs),
    /// Judge all insider filings once more, by the rules of this program
    ///
    /// Reads every stored filing again and scores it by what was known when it was published. Where that says something new, it
    /// is stored beside what was said before, and served from then on; no signal is sent. After an update of the program this
    /// brings all scores up to date; at any other time it finds nothing to change, and says so. Works beside a running server.
    Rescore(RescoreArgs),
    /// Make the database's tables, or bring them up to date; every start does so by itself
    Migrate(MigrateArgs),
    /// Write the whole store into a file: for another database, or as a backup
    ///
    /// NDJSON, a line a row: the log with its epoch and seq, accounts, digests of keys, usage, webhooks, facts, books, filings and all that was made of
    /// them. It is the store at one moment, also while a server runs on it, which does not wait. The last line holds counts and digests: a file
    /// without it is not whole. Whoever has the file has names of accounts, URLs of webhooks and all data; keys are in it as digests alone, and
    /// secrets of webhooks sealed, as in the database: keep webhook.key apart from it. The secret of the sandbox's watermarks is in the clear. The file is readable by its owner alone. It is not
    /// compressed: `sigcast export | zstd > store.zst`. Settings are not in it.
    Export(ExportArgs),
    /// Read such a file into an empty database, SQLite or PostgreSQL; the server goes on there where the other one stood
    ///
    /// All or nothing: a file that is cut off or was changed, a database that is not empty, or one on which a server runs are refused, and
    /// nothing is changed. What was stored is read back, and held against the digests of the file. Clients resume with the ids that they have, and their
    /// keys go on. The key that seals secrets of webhooks (webhook.key in the data directory, or SIGCAST_WEBHOOK_KEY) is not in the file: bring it
    /// along; where it is lost, see `sigcast webhooks rekey --help`. Stop the old server before the export, and never start it again: two with one
    /// epoch tell different things under the same ids. Where it did go on, or a backup is restored, give `--new-epoch`. Ends with 0 where all is
    /// in, with 1 where nothing is, and with 128 and a signal's number where one stopped it: nothing is in then.
    Import(ImportArgs),
    /// Append ready-made signals to the log
    Publish(PublishArgs),
    /// Look for what stands in the way: database, clock, limits, settings, and proxies that hold the stream back
    ///
    /// Every check says what it found, what that means, and what to do. Ends with 0 where all is well, with 2 where something may
    /// surprise you one day, with 1 where something must be mended. Works beside a running server, and publishes nothing.
    Doctor(DoctorArgs),
    /// Put load on a server, to see how large a machine it wants
    Bench(BenchArgs),
    /// Watch a stream, here or anywhere; the key comes from SIGCAST_KEY
    Tail(TailArgs),
    /// Forward a stream's signals to a URL of your own, signed as webhooks are: for whoever writes a receiver
    ///
    /// Reads the stream of SIGCAST_KEY, as `tail` does, and POSTs each signal to a URL, which may be on this machine: same body, same
    /// headers and signatures as the server's own webhooks, one at a time and in order. A line tells of each attempt. Ends with 0 where
    /// all were acknowledged, with 2 where some were passed over, with 1 where nothing could be done.
    Listen(ListenArgs),
}

/// Runs the command line of the process.
pub fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => {
            // help and version are no errors, and where nobody reads them, nothing is lost
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    system::keep_to_oneself();
    match command {
        Command::Ingest(_) => system::share_freed_memory(),
        Command::Serve(_) | Command::Demo(_) => memory::serve(),
        _ => {}
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format!("error: the runtime cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(run(command));
    // standard input may still be waited for on a thread of its own
    runtime.shutdown_background();
    match done {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            complain(format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<Outcome> {
    match command {
        Command::Demo(args) => Box::pin(demo::run(args)).await,
        Command::Serve(args) => Box::pin(serve::run(args)).await,
        Command::Accounts(args) => Box::pin(accounts::run(args)).await,
        Command::Keys(args) => Box::pin(keys::run(args)).await,
        Command::Webhooks(args) => Box::pin(webhooks::run(args)).await,
        Command::Sandbox(args) => Box::pin(sandbox::run(args)).await,
        Command::Ingest(args) => Box::pin(ingest::run(args)).await,
        Command::Rescore(args) => Box::pin(rescore::run(args)).await,
        Command::Migrate(args) => Box::pin(migrate::run(args)).await,
        Command::Export(args) => Box::pin(export::run(args)).await,
        Command::Import(args) => Box::pin(import::run(args)).await,
        Command::Publish(args) => Box::pin(publish::run(args)).await,
        Command::Doctor(args) => Box::pin(doctor::run(args)).await,
        Command::Bench(args) => Box::pin(bench::run(args)).await,
        Command::Listen(args) => Box::pin(listen::run(args)).await,
        Command::Tail(args) => Box::pin(tail::run(args)).await.map(|()| Outcome::Good),
    }
}
