//! `sigcast demo`: a simulated market through the real server, a key to connect with, and its signals in the terminal.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, Result};
use clap::Args;

use super::{
    accounts,
    data::{DataArgs, Opened},
    keys,
    outcome::{Outcome, answer, complain, say},
    signal_line::signal_line,
};
use crate::{
    app::{
        life::{Hangup, Life},
        node::Node,
        system,
    },
    config::settings::Settings,
    hub::{
        catch_up::{Cursor, Step},
        frame::Frame,
    },
    ingest::{
        pipeline::{Arrivals, Pipeline, PipelineError},
        simulate::{live::Live, past::history},
    },
    model::{signal::EventName, time::Clock},
    store::postgres::DatabaseUrl,
    telemetry::logs,
};

/// What `demo` takes.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Where the stream is
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: String,
    /// Another market; the same seed makes the same one
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many times faster things happen
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = read_speed)]
    speed: f64,
    /// Keep the data here; without it they go with the demo
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Facts stored together.
const BATCH: usize = 1_000;
/// A market that stands still, or runs backwards, is none.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.01..=1_000.0;

fn read_speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| SPEEDS.contains(speed));
    speed.ok_or_else(|| "a number from 0.01 to 1000 is needed".to_owned())
}

/// Runs until Ctrl-C.
pub async fn run(args: DemoArgs) -> Result<Outcome> {
    logs::start(false, "warn");
    let began = Instant::now();
    let temporary = Temporary::new(args.data_dir.is_none())?;
    let data = DataArgs {
        config: None,
        data_dir: Some(
            args.data_dir
                .clone()
                .unwrap_or_else(|| temporary.path.clone()),
        ),
        database_url: None,
    };
    let flags = [
        ("server.listen", Some(args.listen.clone())),
        ("server.admin_listen", Some("127.0.0.1:0".to_owned())),
    ];
    let mut settings = data.settings(&flags)?;
    // an invented market never goes into the database of a real one, whatever the environment names
    settings.database.url = DatabaseUrl::default();
    // nor is it a certificate's business
    (settings.http.tls_cert, settings.http.tls_key) = Default::default();
    // an invented market is nobody's secret
    settings.http.public_after_minutes = 0;
    // a demo that is left says goodbye at once
    settings.http.drain_seconds = 0;
    let life = Life::default();
    life.listen_to_signals(Hangup::Ends)?;
    let token = settings.server.data_dir.join("admin-token");
    let node = Node::start(settings.clone(), None, None, life.clone()).await?;
    let key = make_key(&node, settings).await?;
    let start = node.state.clock.now();
    let facts = past(&node, &args, start).await?;
    introduce(&node, &key, &token, &args, facts, began);

    let (log, head) = node.state.hub.ring.standing();
    let cursor = Cursor::new(node.state.hub.clone(), log, head);
    let shown = tokio::spawn(show(cursor, life.clone()));
    let playing = tokio::spawn(play(
        node.state.pipeline(),
        node.state.clock.clone(),
        args.seed,
        args.speed,
        life.clone(),
    ));
    node.run().await;
    playing.abort();
    shown.abort();
    Ok(Outcome::Good)
}

async fn make_key(node: &Node, settings: Settings) -> Result<String> {
    let opened = Opened {
        db: node.state.db.clone(),
        settings,
        clock: node.state.clock.clone(),
        random: system::random(),
    };
    let account = accounts::create(&opened, "demo".to_owned(), "alpha".to_owned(), None).await?;
    let issued = keys::create(&opened, &account.id, None, None).await?;
    Ok(issued.key.reveal().to_owned())
}

/// A month of history: wallets need a record before they can be told apart. How many facts it was.
async fn past(node: &Node, args: &DemoArgs, until: crate::model::time::Time) -> Result<usize> {
    let facts: Vec<_> = (1..).zip(history(args.seed, until)).collect();
    let count = facts.len();
    for some in facts.chunks(BATCH) {
        let arrivals = Arrivals {
            facts: some.to_vec(),
            backfill: true,
            seen: Instant::now(),
            sol_usd: None,
        };
        node.state
            .pipeline()
            .facts(arrivals)
            .await
            .context("the market's history could not be stored")?;
    }
    Ok(count)
}

fn introduce(node: &Node, key: &str, token: &Path, args: &DemoArgs, facts: usize, began: Instant) {
    let url = format!("http://{}", node.address);
    say(format!(
        "sigcast demo: a simulated market (seed {}), scored and streamed by the real server",
        args.seed
    ));
    say(format!(
        "{facts} facts of history read, ready after {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    say("");
    say(format!("  key   {key}"));
    say("  try   in another terminal:");
    say(format!(
        "        curl -N {url}/api/signals/stream -H \"Authorization: Bearer {key}\""
    ));
    say(format!(
        "  or    SIGCAST_KEY={key} sigcast tail --url {url}"
    ));
    say(format!(
        "  see   {url}/live in a browser, signed in by the key"
    ));
    say(format!(
        "        http://{}/admin is the operator's, signed in by what is in {}",
        node.admin_address,
        token.display()
    ));
    say("  stop  Ctrl-C");
    say("");
}

/// Hands out each fact at its moment.
async fn play(pipeline: Pipeline, clock: Clock, seed: u64, speed: f64, life: Life) {
    let began = tokio::time::Instant::now();
    let mut live = Live::new(seed, clock.now(), speed).peekable();
    let mut line = 0;
    while let Some((offset_ms, fact)) = live.next() {
        tokio::select! {
            () = life.soft.cancelled() => return,
            () = tokio::time::sleep_until(began + std::time::Duration::from_millis(offset_ms)) => {}
        }
        line += 1;
        let mut facts = vec![(line, fact)];
        // what is due by now goes together
        let due = began.elapsed().as_millis() as u64;
        while facts.len() < BATCH
            && let Some((_, fact)) = live.next_if(|(at, _)| *at <= due)
        {
            line += 1;
            facts.push((line, fact));
        }
        let arrivals = Arrivals {
            facts,
            backfill: false,
            seen: Instant::now(),
            sol_usd: None,
        };
        match pipeline.facts(arrivals).await {
            Ok(receipt) => {
                for rejection in receipt.rejected {
                    complain(format!(
                        "the simulator's fact {}: {}",
                        rejection.line, rejection.reason
                    ));
                }
            }
            Err(PipelineError::Stopped) => return,
            Err(error) => complain(format!("not stored: {error}")),
        }
    }
}

/// Shows signals as they are committed. A demo that nobody watches any more ends.
async fn show(mut cursor: Cursor, life: Life) {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    loop {
        if let Step::Frames(frames) = cursor.next().await {
            for frame in frames {
                if show_one(&frame, colour).is_err() {
                    return life.soft.cancel();
                }
            }
        }
    }
}

fn show_one(frame: &Arc<Frame>, colour: bool) -> std::io::Result<()> {
    let name = if frame.facets.is_exit() {
        EventName::SignalExit
    } else if frame.facets.before.is_empty() {
        EventName::Signal
    } else {
        EventName::SignalUpdate
    };
    let bytes = frame.bytes(name);
    let text = String::from_utf8_lossy(&bytes);
    let data = text
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap_or_default();
    answer(signal_line(name.word(), data, colour).unwrap_or_else(|| data.to_owned()))
}

/// A folder that goes with the demo.
struct Temporary {
    path: PathBuf,
    used: bool,
}

impl Temporary {
    fn new(used: bool) -> Result<Self> {
        let name = format!("sigcast-demo-{}", system::random().uuid().simple());
        let path = std::env::temp_dir().join(name);
        if used {
            std::fs::create_dir_all(&path)
                .with_context(|| format!("{} cannot be made", path.display()))?;
        }
        Ok(Temporary { path, used })
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.used {
            // nothing in it is worth a complaint
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
