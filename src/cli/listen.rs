//! `sigcast listen`: an account's signals to a URL on the developer's own machine, as webhooks would bring them.

use std::{env, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    dial,
    follow::{Follower, Sink as _, StreamArgs},
    forward::{Forwarder, Tally, Waits},
    outcome::{Outcome, complain},
    patience::Patience,
};
use crate::{
    gate::endpoint::Compat,
    model::{address::Network, time::Clock},
    webhook::{
        attempt::Line,
        dial::{Dialer, system},
        headers::Secrets,
        secret::Secret,
        target::{Allowed, Target},
    },
};

/// Where a secret may be given. Never as an argument: those are visible to every user of a machine.
const SECRET: &str = "SIGCAST_WEBHOOK_SECRET";

const EXAMPLE: &str = "\
Example, with a receiver on port 3000 and a key that no other client uses:

  $ export SIGCAST_KEY=sig_live_…
  $ sigcast listen --forward http://127.0.0.1:3000/hook --min-rank A
  signs with whsec_… (give this secret to the receiver)
  200 12 ms 6c95779e-fd21-573e-8621-ae4df3e7d515 consensus_buy
  500 3 ms b51e5b27-0c4f-5d7e-9f52-1f0a9f6b7c11 consensus_buy  status, again in 1 s: out of paper

Headers of each POST: webhook-id (the signal's id: drop what you have seen), webhook-timestamp, webhook-signature
(https://www.standardwebhooks.com), x-sigcast-seq. The body is the signal, in the very bytes of the stream.

SIGCAST_WEBHOOK_SECRET=whsec_… keeps one secret over many starts; without it, one is made at each and shown once.
On Ctrl-C it tells what became of all, and where to go on: --after ID.";

/// What `listen` takes.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLE)]
pub struct ListenArgs {
    /// Where each signal is sent by POST, http or https, on this machine or elsewhere
    #[arg(long, value_name = "URL")]
    forward: String,
    #[command(flatten)]
    stream: StreamArgs,
    /// Begin after this event; `<epoch>-0` is the beginning
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Send the headers of this service as well: sigmate
    #[arg(long, value_name = "SERVICE", value_parser = read_compat)]
    compat: Option<Compat>,
    /// Seconds between the tries of a signal that is not acknowledged; after the last try it is passed over. `none`: one try
    #[arg(long, value_name = "SECONDS,…", default_value = "1,5")]
    retry: Waits,
    /// Trust the certificate authorities of this PEM file where signals go, and no others
    #[arg(long, value_name = "FILE")]
    forward_ca_file: Option<PathBuf>,
    /// Tell of each attempt as JSON, one object a line, and at the end of all in another
    #[arg(long)]
    json: bool,
}

fn read_compat(word: &str) -> Result<Compat, String> {
    Compat::parse(word).ok_or_else(|| "only `sigmate` is known".to_owned())
}

/// Forwards until Ctrl-C, or a refusal of the stream that will not pass by itself.
pub async fn run(args: ListenArgs) -> Result<Outcome> {
    // from here on, as in `tail`
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    let mut terminations = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let line = line(&args)?;
    let (target, warning) = args.stream.target()?;
    let mut forwarder = Forwarder {
        line,
        secrets: Secrets {
            now: secret()?,
            before: None,
        },
        compat: args.compat,
        waits: args.retry,
        clock: Clock::system(),
        json: args.json,
        tally: Tally::default(),
    };
    if let Some(warning) = warning {
        forwarder.note(warning)?;
    }
    let after = args.after.as_deref();
    let mut follower = Follower::new(target, &args.stream, after, Patience::default());
    let ended = tokio::select! {
        ended = follower.follow(&mut forwarder) => ended,
        _ = interrupts.recv() => Ok(()),
        _ = terminations.recv() => Ok(()),
    };
    forwarder.conclude(follower.cursor());
    ended.map(|()| forwarder.tally.outcome())
}

/// The connections to where signals go. Every address is allowed: what the server must never be talked into, reaching into its own network,
/// is what the developer does here, by a URL of their own choice.
fn line(args: &ListenArgs) -> Result<Line> {
    let everything = ["0.0.0.0/0", "::/0"].iter().map(|all| all.parse());
    let allowed = Allowed {
        http: true,
        networks: everything.collect::<Result<Vec<Network>, _>>()?,
    };
    let url = &args.forward;
    let url = if url.contains("://") {
        url.clone()
    } else {
        format!("http://{url}")
    };
    let target = Target::parse(&url, &allowed)
        .with_context(|| format!("`{}` is nowhere to forward to", args.forward))?;
    let tls = dial::trusting(args.forward_ca_file.as_deref())?.with_no_client_auth();
    let dialer = Dialer::new(Arc::new(allowed), system(), Arc::new(tls));
    Ok(Line::new(dialer, target))
}

/// The one that is given, or a new one, which is shown this once.
fn secret() -> Result<Secret> {
    let given = env::var_os(SECRET).filter(|given| !given.is_empty());
    if let Some(given) = given {
        let secret = given.to_str().and_then(|text| Secret::parse(text.trim()));
        let Some(secret) = secret else {
            bail!("{SECRET} holds no secret: `whsec_` and 24 to 64 bytes in base64 are needed");
        };
        complain(format!("signs with the secret of {SECRET}"));
        return Ok(secret);
    }
    let mut drawn = Ok(());
    let secret = Secret::generate(|bytes| drawn = getrandom::fill(bytes));
    drawn.map_err(|error| anyhow!("the operating system gives no randomness: {error}"))?;
    complain(format!(
        "signs with {} (give this secret to the receiver)",
        secret.reveal()
    ));
    Ok(secret)
}
