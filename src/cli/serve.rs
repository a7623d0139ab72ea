//! `sigcast serve`: the server, until it is told to end.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result};
use clap::Args;

use super::{
    data::DataArgs,
    outcome::{Outcome, complain, say},
};
use crate::{
    app::{
        life::{Hangup, Life},
        manager::{Manager, Told},
        node::Node,
        webhooks::KEY_VARIABLE,
    },
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
    /// Speak TLS to clients, with HTTP/1.1 and HTTP/2 in it: the certificate, and those in between, in PEM; with --tls-key. SIGHUP
    /// reads both again
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// The certificate's key in PEM: PKCS#8, PKCS#1 or SEC1, without a passphrase
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Log as JSON, one object a line
    #[arg(long)]
    log_json: bool,
}

/// Serves until SIGTERM.
pub async fn run(args: ServeArgs) -> Result<Outcome> {
    logs::start(args.log_json, "info");
    let settings = args.data.settings(&[
        ("server.listen", args.listen),
        ("server.admin_listen", args.admin_listen),
        ("http.tls_cert", args.tls_cert),
        ("http.tls_key", args.tls_key),
    ])?;
    let life = Life::default();
    let is_tls = !settings.http.tls_cert.as_os_str().is_empty();
    life.listen_to_signals(match is_tls {
        true => Hangup::Renews,
        false => Hangup::Ends,
    })?;
    let manager = manager()?;
    let token = std::env::var("SIGCAST_ADMIN_TOKEN").ok();
    let webhook_key = std::env::var(KEY_VARIABLE).ok();
    let node = Node::start(settings, token, webhook_key, life.clone()).await?;
    if let Some(path) = &node.token.made {
        // to somebody who looks on, and to nobody else: what is not a terminal is a log, as like as not
        match std::io::stderr().is_terminal() {
            true => complain(format!(
                "admin token, shown this once and kept in {}: {}",
                path.display(),
                node.token.text
            )),
            false => {
                tracing::info!(path = %path.display(), "an admin token was made, and is kept in that file")
            }
        }
    }
    let scheme = if node.tls.is_some() { "https" } else { "http" };
    say(format!("listening on {scheme}://{}", node.address));
    say(format!("admin on http://{}", node.admin_address));
    if let Some(manager) = manager {
        manager.ready();
        tokio::spawn(manager.watch(life));
    }
    node.run().await;
    Ok(Outcome::Good)
}

/// The service manager, if one has started this process and waits for word.
fn manager() -> Result<Option<Manager>> {
    let text = |name| std::env::var(name).ok();
    let told = Told {
        socket: std::env::var_os("NOTIFY_SOCKET"),
        watchdog_us: text("WATCHDOG_USEC"),
        watchdog_pid: text("WATCHDOG_PID"),
    };
    Manager::of(&told).context("the service manager's NOTIFY_SOCKET cannot be reached")
}
