//! `sigcast bench streams`: many clients on a server, signals through it, and what became of them.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hyper::Method;
use serde_json::Value;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    admin::Admin,
    clients::{Clients, Findings, Options, Stamp, Target, Tls, resolve},
    keys::{self, Made},
    process::Usage,
    publisher::{self, Plan, Published},
    report::{Connecting, Delivery, Publishing, Report, Server, Streams, Usages},
};
use crate::{
    app::system,
    cli::{
        dial,
        keys::read_duration,
        outcome::{Outcome, answer, complain},
        progress::Progress,
    },
    model::time::{Clock, Time},
};

/// What `bench streams` takes.
#[derive(Debug, Clone, Args)]
pub struct StreamsArgs {
    /// The server, by http or https (HTTP/1.1 in TLS); the stream's path is added unless the URL has one
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Trust the certificate authorities of this PEM file, and no others
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Its admin listener, where keys are made and signals published; the token comes from SIGCAST_ADMIN_TOKEN
    #[arg(long, default_value = "http://127.0.0.1:8081", value_name = "URL")]
    admin_url: String,
    /// The admin token, in a file: `admin-token` in the server's data directory
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Streams
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: u32,
    /// Keys to connect with, one a line, in place of making them
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// The plan of the accounts that are made for the keys; it must have the stream
    #[arg(long, default_value = "alpha")]
    plan: String,
    /// Signals to publish a second, such as 20 or 0.5; without it the streams are opened and idle
    #[arg(long, value_name = "R", value_parser = read_rate)]
    rate: Option<f64>,
    /// Signals in one request; the rate stays that of signals
    #[arg(long, default_value_t = 1, value_name = "B", value_parser = clap::value_parser!(u16).range(1..=1000))]
    burst: u16,
    /// Bytes of a signal on the wire, about
    #[arg(long, default_value_t = 1100, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(300..=120_000))]
    size: u32,
    /// How long to publish, or to be idle: 30s, 5m, 1h
    #[arg(long, default_value = "30s", value_parser = read_period)]
    duration: Duration,
    /// Threads that receive; on a machine of its own, one for each processor
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Never sleep while nothing comes: a client that sleeps costs a server on the same machine the waking
    #[arg(long)]
    spin: bool,
    /// Streams that are being opened at a time
    #[arg(long, default_value_t = 64, value_name = "K", value_parser = clap::value_parser!(u16).range(1..))]
    in_flight: u16,
    /// Streams to open a second, at the most
    #[arg(long, value_name = "R", value_parser = read_rate)]
    connect_rate: Option<f64>,
    /// An address to connect from; several are used in turns. One address has ports for some 28,000 streams
    #[arg(long, value_name = "ADDRESS")]
    source: Vec<IpAddr>,
    /// Let streams that end come back with Last-Event-ID; each that is whole again counts as whole
    #[arg(long)]
    reconnect: bool,
    /// The server's process on this machine, to see what it takes; may be given several times
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// Publish also where others listen: they get the signals of the measurement
    #[arg(long)]
    among_others: bool,
    /// Answer in JSON, one object
    #[arg(long)]
    json: bool,
}

/// How long the streams rest before memory is looked at.
const REST: Duration = Duration::from_secs(1);
/// So long without a delivery, and what is missing is missing.
const QUIET: Duration = Duration::from_secs(5);
/// What comes beyond what is expected comes by then: what is sent twice, above all.
const AFTERMATH: Duration = Duration::from_millis(200);
const TICK: Duration = Duration::from_millis(50);
/// Keys of a run that was killed end by themselves after this, and its duration.
const KEYS_LIVE: i64 = Time::DAY;
/// Counters are kept of each signal.
const MOST_SIGNALS: u64 = 4_000_000;

fn read_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok();
    rate.filter(|rate| (0.001..=1_000_000.0).contains(rate))
        .ok_or_else(|| "a number from 0.001 to 1000000 is needed".to_owned())
}

fn read_period(text: &str) -> Result<Duration, String> {
    let us = read_duration(text).map_err(|e| e.to_string())?;
    Ok(Duration::from_micros(u64::try_from(us).unwrap_or_default()))
}

/// Runs it.
pub async fn run(args: StreamsArgs) -> Result<Outcome> {
    let run = Run::new(&args)?;
    let stop = CancellationToken::new();
    listen_to_signals(&stop)?;
    run.check_others(0).await?;
    let (made, keys) = run.keys(&stop).await;
    let measured = match keys {
        Ok(keys) => run.measure(keys, &stop).await,
        Err(error) => Err(error),
    };
    run.revoke(made).await;
    let report = measured?;
    if args.json {
        answer(serde_json::to_string(&report)?)?;
    } else {
        answer(report.table())?;
    }
    Ok(if report.clean {
        Outcome::Good
    } else {
        Outcome::SomeBad
    })
}

/// The first asks for an end in good order, the second ends at once.
fn listen_to_signals(stop: &CancellationToken) -> Result<()> {
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    let mut terminations = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminations.recv() => {}
            }
            if stop.is_cancelled() {
                complain(
                    "ended at once; keys that were made end by themselves within a day or two",
                );
                std::process::exit(130);
            }
            complain("ending: closing streams and revoking keys; once more ends at once");
            stop.cancel();
        }
    });
    Ok(())
}

/// What a run goes by.
struct Run<'a> {
    args: &'a StreamsArgs,
    target: Target,
    url: String,
    admin: Option<Admin>,
    plan: Option<Plan>,
}

impl<'a> Run<'a> {
    fn new(args: &'a StreamsArgs) -> Result<Self> {
        let wanted = args.connections as usize;
        let room = system::connection_cap(0);
        if room < wanted {
            bail!(
                "{wanted} streams want as many descriptors, and this process may have {room} beside its own: raise the limit with `ulimit -Hn` as root, or LimitNOFILE= in a systemd unit"
            );
        }
        let dialled = dial::Target::new(&args.url, "none")?;
        let address = dialled.address();
        let authority = address.authority().context("--url names no host")?;
        let host = address.host().unwrap_or_default();
        let (tls, port) = match address.scheme_str() {
            Some("https") => {
                let trust = dial::trusting(args.ca_file.as_deref())?;
                let tls = Tls::http1(trust.with_no_client_auth(), host);
                let tls = tls.with_context(|| format!("--url: no certificate names {host}"))?;
                (Some(tls), 443)
            }
            _ => (None, 80),
        };
        let port = address.port_u16().unwrap_or(port);
        let resolved = resolve(&format!("{host}:{port}"));
        let resolved = resolved.with_context(|| format!("--url: {host} is not found"))?;
        let path = address.path_and_query().map_or("/", |path| path.as_str());
        let plan = args.rate.map(|rate| Plan {
            rate,
            burst: usize::from(args.burst),
            duration: args.duration,
            size: args.size as usize,
        });
        if plan.is_some_and(|plan| plan.signals() > MOST_SIGNALS) {
            bail!("more than {MOST_SIGNALS} signals: give a lower --rate or a shorter --duration");
        }
        let admin = match args.keys.is_none() || plan.is_some() {
            true => Some(Admin::new(&args.admin_url, &admin_token(args)?)?),
            false => None,
        };
        if dialled.is_exposed() {
            complain("warning: http is not encrypted, so keys can be read on the way");
        }
        Ok(Run {
            args,
            target: Target {
                address: resolved,
                host: authority.as_str().to_owned(),
                path: path.to_owned(),
                headers: Vec::new(),
                tls,
            },
            url: address.to_string(),
            admin,
            plan,
        })
    }

    /// A measurement's signals are nobody's news: they go to no stream but its own, unless that is asked for.
    async fn check_others(&self, own: u64) -> Result<()> {
        let (Some(admin), Some(_), false) = (&self.admin, &self.plan, self.args.among_others)
        else {
            return Ok(());
        };
        let list = admin.json(Method::GET, "/v1/connections", &Value::Null);
        let total = list.await?["total"].as_u64().unwrap_or_default();
        let others = total.saturating_sub(own);
        if others > 0 {
            bail!(
                "{others} streams of others are open on this server, and would get the signals of the measurement: measure on a server of its own, or say --among-others"
            );
        }
        Ok(())
    }

    /// Those that were made, to be revoked, and the texts of all.
    async fn keys(&self, stop: &CancellationToken) -> (Vec<Made>, Result<Vec<String>>) {
        let count = self.args.connections as usize;
        let admin = match (&self.args.keys, &self.admin) {
            (Some(file), _) => return (Vec::new(), keys::read(file, count)),
            (None, Some(admin)) => admin,
            (None, None) => return (Vec::new(), Err(anyhow::anyhow!("no keys"))),
        };
        let lived = i64::try_from(self.args.duration.as_micros()).unwrap_or(i64::MAX);
        let expires = Clock::system().now().plus(KEYS_LIVE.saturating_add(lived));
        let (made, ended) = keys::make(admin, count, &self.args.plan, expires, stop).await;
        let texts = match ended {
            Ok(()) => Ok(made.iter().map(|key| key.text().to_owned()).collect()),
            Err(error) => Err(error),
        };
        (made, texts)
    }

    /// Whatever ended the run: its keys are of no use to anybody else.
    async fn revoke(&self, made: Vec<Made>) {
        let Some(admin) = self.admin.as_ref().filter(|_| !made.is_empty()) else {
            return;
        };
        let left = keys::revoke(admin, made, &CancellationToken::new()).await;
        if left > 0 {
            complain(format!(
                "{left} keys could not be revoked; they end by themselves within a day or two"
            ));
        }
    }

    fn usage(&self) -> Result<Usage> {
        Usage::of(&self.args.pid).context("--pid")
    }

    async fn measure(&self, keys: Vec<String>, stop: &CancellationToken) -> Result<Report> {
        let args = self.args;
        let mut usages = Usages {
            before: self.usage()?,
            ..Usages::default()
        };
        let options = Options {
            threads: usize::from(args.threads),
            spin: args.spin,
            stamp: Stamp::BySeq,
            in_flight: usize::from(args.in_flight),
            connect_rate: args.connect_rate,
            reconnect: args.reconnect,
            sources: args.source.clone(),
            ..Options::default()
        };
        let mut clients = Clients::start(&options).context("no threads for the clients")?;
        let targets = keys.iter().map(|key| Target {
            headers: vec![("Authorization".to_owned(), format!("Bearer {key}"))],
            ..self.target.clone()
        });
        clients.connect(targets.collect())?;
        self.connect(&clients, stop).await;
        usages.connected = self.usage()?;
        pause(REST, stop).await;
        let mut all = clients.collect(None)?;
        let connecting = Connecting::of(&all);
        let opened = all.opened;
        usages.idle = self.usage()?;

        let published = match &self.plan {
            Some(_) if stop.is_cancelled() || opened == 0 => None,
            Some(plan) => {
                self.check_others(clients.standing().open).await?;
                Some(self.publish(plan, &clients, stop, &mut usages).await?)
            }
            None => {
                self.idle(&clients, opened, stop).await;
                usages.idle = self.usage()?;
                None
            }
        };
        let found = clients.collect(published.as_ref().and_then(|done| done.seqs))?;
        drop(clients);
        let delivery = published
            .as_ref()
            .map(|done| Delivery::of(done, &found, opened));
        let deliveries = found.arrivals.deliveries;
        all.add(&found);
        // open is what is open now, not a sum
        all.open = found.open;
        let server = (!args.pid.is_empty())
            .then(|| Server::of(args.pid.clone(), &usages, opened, deliveries));
        let publishing = published.as_ref().map(Publishing::of);
        Ok(self.report(all, connecting, publishing, delivery, server, stop))
    }

    async fn connect(&self, clients: &Clients, stop: &CancellationToken) {
        let wanted = u64::from(self.args.connections);
        let mut progress = Progress::counting("streams", wanted);
        loop {
            let standing = clients.standing();
            let done = standing.opened + standing.refused;
            progress.at(done, done);
            if done >= wanted || stop.is_cancelled() {
                break;
            }
            pause(TICK, stop).await;
        }
        progress.finish();
    }

    async fn idle(&self, clients: &Clients, opened: u64, stop: &CancellationToken) {
        let end = Instant::now() + self.args.duration;
        let lost = || !self.args.reconnect && clients.standing().open == 0;
        while Instant::now() < end && opened > 0 && !lost() && !stop.is_cancelled() {
            pause(TICK.min(end - Instant::now()), stop).await;
        }
    }

    async fn publish(
        &self,
        plan: &Plan,
        clients: &Clients,
        stop: &CancellationToken,
        usages: &mut Usages,
    ) -> Result<Published> {
        // no Clients without its admin: see `new`
        let admin = self.admin.as_ref().context("no admin listener")?;
        let before = clients.standing();
        let mut progress = Progress::counting("deliveries", plan.signals() * before.open);
        let began = Instant::now();
        usages.idle = self.usage()?;
        let publishing = publisher::publish(admin, plan, clients, stop);
        let mut publishing = std::pin::pin!(publishing);
        let done = loop {
            tokio::select! {
                biased;
                done = &mut publishing => break done?,
                () = sleep(TICK) => {
                    let came = clients.standing().deliveries - before.deliveries;
                    progress.at(came, came);
                }
            }
        };
        let expected = before.deliveries + done.signals * before.open;
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            let now = clients.standing();
            if now.deliveries > seen {
                (seen, since) = (now.deliveries, Instant::now());
            }
            // others' signals count as well, so that nobody knows what to expect
            let all = seen >= expected && !self.args.among_others;
            let lost = now.open == 0 && !self.args.reconnect;
            if all || lost || since.elapsed() > QUIET {
                break;
            }
            sleep(TICK / 10).await;
        }
        usages.took = began.elapsed();
        // a server that is gone takes nothing more
        usages.loaded = self.usage().ok();
        progress.finish();
        sleep(AFTERMATH).await;
        Ok(done)
    }

    fn report(
        &self,
        all: Findings,
        connecting: Connecting,
        publishing: Option<Publishing>,
        delivery: Option<Delivery>,
        server: Option<Server>,
        stop: &CancellationToken,
    ) -> Report {
        let wanted = u64::from(self.args.connections);
        let streams = Streams {
            wanted,
            opened: all.opened,
            open_at_end: all.open,
            reconnected: all.reconnected,
            refused: all.refused,
            ended: all.ended,
        };
        // where they come back, it is for the signals to tell whether an end did harm
        let stood = streams.open_at_end == wanted
            && (self.args.reconnect || (streams.ended.is_empty() && streams.refused.is_empty()));
        let published = publishing
            .as_ref()
            .is_none_or(|done| done.failed.is_empty());
        let whole = delivery.as_ref().is_none_or(Delivery::is_whole);
        Report {
            url: self.url.clone(),
            clean: stood && published && whole && all.arrivals.gaps == 0,
            interrupted: stop.is_cancelled(),
            streams,
            connecting,
            publishing,
            delivery,
            server,
        }
    }
}

/// Sleeps, unless it is stopped first.
async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = sleep(time) => {}
    }
}

/// From the environment, or a file that only its owner reads: arguments are visible to every user of a machine.
fn admin_token(args: &StreamsArgs) -> Result<String> {
    let text = match &args.admin_token_file {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?,
        None => std::env::var("SIGCAST_ADMIN_TOKEN").unwrap_or_default(),
    };
    let text = text.trim().to_owned();
    if text.is_empty() {
        bail!(
            "no admin token: put it into SIGCAST_ADMIN_TOKEN, or name its file with --admin-token-file DATA_DIR/admin-token"
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_periods_have_bounds() {
        assert_eq!(read_rate("0.5").unwrap(), 0.5);
        for bad in ["0", "-1", "nan", "inf", "", "x"] {
            assert!(read_rate(bad).is_err(), "{bad}");
        }
        assert_eq!(read_period("3s").unwrap(), Duration::from_secs(3));
        assert!(read_period("3").is_err());
    }
}
