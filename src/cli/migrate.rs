//! `sigcast migrate`: the database's tables made, or brought up to date, without a server.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{
    data::DataArgs,
    outcome::{Outcome, say},
};
use crate::telemetry::logs;

/// What `migrate` takes.
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

/// Runs it.
pub async fn run(args: MigrateArgs) -> Result<Outcome> {
    logs::start(false, "warn");
    let opened = args.data.open().await?;
    let steps = opened.db.migrated();
    let place = opened.place();
    if args.json {
        let steps: Vec<_> = steps
            .iter()
            .map(|step| json!({"version": step.version, "description": step.description}))
            .collect();
        say(json!({"database": place, "steps": steps}));
    } else {
        for step in steps {
            say(format!("step {}: {}", step.version, step.description));
        }
        say(match steps.len() {
            0 => format!("{place}: the tables are up to date"),
            1 => format!("{place}: 1 step taken; the tables are up to date"),
            many => format!("{place}: {many} steps taken; the tables are up to date"),
        });
    }
    opened.db.close().await;
    Ok(Outcome::Good)
}
