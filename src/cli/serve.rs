//! `sigcast serve`: the server, until it is told to end.

use anyhow::Result;
use clap::Args;

use super::{
    data::DataArgs,
    outcome::{Outcome, complain, say},
};
use crate::{
    app::{life::Life, node::Node},
    telemetry::logs,
};

/// What `serve` takes.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Where clients connect [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Where you administer; keep it off the public network [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<String>,
    /// Log as JSON, one object a line
    #[arg(long)]
    log_json: bool,
}

/// Serves until SIGTERM.
pub async fn run(args: ServeArgs) -> Result<Outcome> {
    logs::start(args.log_json, "info");
    let settings = args.data.settings(&[("server.listen", args.listen), ("server.admin_listen", args.admin_listen)])?;
    let life = Life::default();
    life.listen_to_signals()?;
    let token = std::env::var("SIGCAST_ADMIN_TOKEN").ok();
    let node = Node::start(settings, token, life).await?;
    if let Some(path) = &node.token.made {
        complain(format!("admin token, shown this once and kept in {}: {}", path.display(), node.token.text));
    }
    say(format!("listening on http://{}", node.address));
    say(format!("admin on http://{}", node.admin_address));
    node.run().await?;
    Ok(Outcome::Good)
}
