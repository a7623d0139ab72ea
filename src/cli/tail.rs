//! `sigcast tail`: a terminal's view of any stream, sigcast's or Sigmate's.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use clap::Args;
use serde::de::IgnoredAny;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    follow::{Follower, Sink, StreamArgs},
    outcome::{answer as print, quiet_if_nobody_reads},
    patience::Patience,
    signal_line::{printable, signal_line},
    sse::Event,
};

/// What `sigcast tail` takes.
#[derive(Debug, Clone, Args)]
pub struct TailArgs {
    #[command(flatten)]
    stream: StreamArgs,
    /// Write each signal's JSON on a line of its own to stdout, all else to stderr
    #[arg(long)]
    json: bool,
    /// Begin after this event; `<epoch>-0` is the beginning
    #[arg(long, value_name = "ID")]
    last_event_id: Option<String>,
    /// No colours, even on a terminal
    #[arg(long)]
    no_color: bool,
}

/// Follows the stream until Ctrl-C, a refusal that will not pass by itself, or the reader of stdout is gone.
pub async fn run(args: TailArgs) -> anyhow::Result<()> {
    // from here on, not from when it is first waited for: on a busy machine, signals may have been shown by then
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    let (target, warning) = args.stream.target()?;
    let mut terminal = Terminal {
        json: args.json,
        colour: wants_colour(args.no_color),
    };
    if let Some(warning) = warning {
        terminal.note(warning)?;
    }
    let after = args.last_event_id.as_deref();
    let mut follower = Follower::new(target, &args.stream, after, Patience::default());
    tokio::select! {
        ended = follower.follow(&mut terminal) => quiet_if_nobody_reads(ended),
        _ = interrupts.recv() => Ok(()),
    }
}

fn wants_colour(no_color: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !no_color && !set("NO_COLOR") && !dumb && io::stdout().is_terminal()
}

struct Terminal {
    json: bool,
    colour: bool,
}

impl Sink for Terminal {
    async fn signal(&mut self, event: &Event) -> io::Result<()> {
        let line = if self.json {
            // JSON holds no raw line break but between tokens, where a space serves as well.
            serde_json::from_str::<IgnoredAny>(&event.data)
                .ok()
                .map(|_| event.data.replace('\n', " "))
        } else {
            signal_line(&event.name, &event.data, self.colour)
        };
        let Some(line) = line else {
            return self.note(&format!(
                "a signal that is no JSON was left out: {}",
                printable(&event.data)
            ));
        };
        print(line)
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(io::stderr().lock(), "{text}")
    }
}
