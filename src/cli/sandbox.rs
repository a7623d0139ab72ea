//! `sigcast sandbox`: whose call without a key a copied answer came from.

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    data::DataArgs,
    outcome::{Outcome, answer, quiet_if_nobody_reads},
};
use crate::gate::{
    prover::Prover,
    watermark::{self, Mark, Traced},
};

/// What `sandbox` takes.
#[derive(Debug, Clone, Args)]
pub struct SandboxArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Say which call an answer's watermark names: whose, the how many-th, when, and what was asked
    ///
    /// An answer without a key carries it as `meta.sandbox.watermark`. Whose a fingerprint was nobody can tell once its day's salt is forgotten, two
    /// days later; that two watermarks have the same one says that both calls were one client's. Ends with 0 where the watermark is genuine, with
    /// 1 where this database's servers did not make it.
    Trace {
        /// The watermark
        #[arg(allow_hyphen_values = true)]
        watermark: String,
    },
}

/// Runs it.
pub async fn run(args: SandboxArgs) -> Result<Outcome> {
    let Command::Trace { watermark } = args.command;
    let opened = args.data.open_existing().await?;
    let secret = opened.db.kept_sandbox_secret().await;
    opened.db.close().await;
    let secret = secret?.context(
        "no server on this database has answered calls without a key yet: it has no watermarks",
    )?;
    let prover = Prover::new(&secret, watermark::PURPOSE);
    let (genuine, mark) = match watermark::trace(&prover, &watermark) {
        Traced::Genuine(mark) => (true, mark),
        Traced::Forged(mark) => (false, mark),
        Traced::Unreadable => bail!("this is no watermark, or not all of one"),
    };
    let told = match args.json {
        true => answer(as_json(genuine, &mark)),
        false => answer(as_lines(genuine, &mark)),
    };
    quiet_if_nobody_reads(told.map_err(Into::into))?;
    Ok(match genuine {
        true => Outcome::Good,
        false => Outcome::Bad,
    })
}

fn as_json(genuine: bool, mark: &Mark) -> serde_json::Value {
    json!({
        "genuine": genuine,
        "fingerprint": mark.fingerprint.to_string(),
        "call": mark.number,
        "at": mark.at,
        "path": mark.path,
        "path_is_cut": mark.is_cut,
    })
}

fn as_lines(genuine: bool, mark: &Mark) -> String {
    let verdict = match genuine {
        true => "genuine",
        false => "NOT GENUINE: no server on this database made it. It claims",
    };
    // a forged one may hold anything: nothing of it moves the terminal's cursor
    let path: String = mark.path.chars().flat_map(char::escape_default).collect();
    let path = match mark.is_cut {
        true => format!("{path}…"),
        false => path,
    };
    format!(
        "{verdict}\nfingerprint  {}\ncall         number {} of its client's within 24 hours\nat           {}\npath         {path}",
        mark.fingerprint, mark.number, mark.at,
    )
}
