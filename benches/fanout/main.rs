//! Fan-out compared in one go: sigcast, a bare server that is the physical limit, and other servers; the same frames, the same clients,
//! round by round in turns: `cargo bench --bench fanout -- --help`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints its figures"
)]

mod better_sse;
mod epoll;
mod figures;
mod frames;
mod log;
mod nchan;
mod peers;
mod process;
mod publisher;
mod receivers;
mod results;
mod serve_axum;
mod serve_limit;
mod session;
mod sigcast_server;

use std::{io, path::Path, time::Duration};

use clap::{Parser, ValueEnum};
use serde_json::json;

use figures::{Figure, Placement};
use peers::{Found, Peer};
use results::Results;
use session::{Part, Plan};
use sigcast_server::Keys;

/// sigcast beside the physical limit and other servers: processor time, latency and memory of streams.
#[derive(Parser)]
struct Args {
    /// How often all of it is measured; each round takes the servers in another order
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Streams
    #[arg(long, default_value_t = 10_000)]
    streams: usize,
    /// How long each figure takes, in seconds
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// These figures alone, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "FIGURES")]
    only: Vec<Figure>,
    /// These servers alone, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "SERVERS")]
    peers: Vec<Peer>,
    /// How long the soak takes; it has 1.9 times the streams, in one process that may open 1,000 files beside them
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// Every value as JSON, instead of tables
    #[arg(long)]
    json: bool,
    /// Be one of the servers that are compared
    #[arg(long, hide = true)]
    serve: Option<Serve>,
    #[arg(long, hide = true, default_value_t = 1)]
    threads: usize,
    #[arg(long, hide = true, default_value_t = 1)]
    events_a_write: usize,
    /// What `cargo bench` passes
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Serve {
    Limit,
    Axum,
}

/// What figures must be is said of so many streams.
const MEANT_FOR: usize = 10_000;
/// What the soak's server may open beside its streams.
const MORE_FILES: u64 = 1_000;
/// Files of this program beside its streams.
const OWN_FILES: u64 = 200;

fn main() -> io::Result<()> {
    let args = Args::parse();
    match args.serve {
        Some(Serve::Limit) => {
            raise_descriptors()?;
            serve_limit::serve(args.threads, args.events_a_write)
        }
        Some(Serve::Axum) => {
            raise_descriptors()?;
            serve_axum::serve(args.threads)
        }
        None => compare(&args),
    }
}

fn compare(args: &Args) -> io::Result<()> {
    let figures = match args.only.as_slice() {
        [] => Figure::USUAL.to_vec(),
        some => some.to_vec(),
    };
    let wanted = match args.peers.as_slice() {
        [] => Peer::value_variants().to_vec(),
        some => some.to_vec(),
    };
    let cores = process::cores()?;
    let [first, second, ..] = cores[..] else {
        return Err(io::Error::other(
            "two cores are needed: one for the server, one for the clients",
        ));
    };
    let parts = parts(args, &figures);
    let most = parts.iter().map(|part| part.streams).max().unwrap_or(0);
    enough_descriptors(most)?;

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let found = Found::look(&wanted, folder);
    let (peers, absent): (Vec<Peer>, Vec<Peer>) =
        (wanted.into_iter()).partition(|peer| found.missing(*peer).is_none());
    let skipped: Vec<String> = (absent.into_iter())
        .map(|peer| format!("{peer}: {}", found.missing(peer).unwrap_or_default()))
        .collect();
    for skip in &skipped {
        eprintln!("skipped: {skip}");
    }
    let room = tempfile::tempdir_in(folder)?;
    let keys = match peers.contains(&Peer::Sigcast) {
        true => {
            eprintln!("{most} keys are made");
            Some(Keys::make(room.path(), most)?)
        }
        false => None,
    };
    let (results, failed) = measure(args, &parts, &peers, |takes| Plan {
        found: &found,
        keys: keys.as_ref(),
        folder: room.path(),
        cores: [first, second],
        takes,
    });
    report(args, &results, &[skipped, failed.clone()].concat());
    // the others are only compared with
    let ours = Peer::Sigcast.to_string();
    match failed.iter().any(|failed| failed.starts_with(&ours)) {
        true => Err(io::Error::other("sigcast failed")),
        false => Ok(()),
    }
}

/// Some figures of one placement, with so many streams.
struct Sitting {
    figures: Vec<Figure>,
    streams: usize,
    takes: Duration,
    descriptors: Option<u64>,
}

/// What every server is started for in every round.
fn parts(args: &Args, figures: &[Figure]) -> Vec<Sitting> {
    let takes = Duration::from_secs(args.seconds);
    let mut parts = Vec::new();
    for placement in [Placement::Apart, Placement::Together] {
        let here: Vec<Figure> = (Figure::USUAL.into_iter())
            .filter(|figure| figure.placement() == placement && figures.contains(figure))
            .collect();
        if !here.is_empty() {
            parts.push(Sitting {
                figures: here,
                streams: args.streams,
                takes,
                descriptors: None,
            });
        }
    }
    let most = args.streams * 19 / 10;
    if figures.contains(&Figure::Growth) {
        let sizes = [args.streams / 10, args.streams, most];
        parts.extend(sizes.map(|streams| Sitting {
            figures: vec![Figure::Growth],
            streams: streams.max(1),
            takes,
            descriptors: None,
        }));
    }
    if figures.contains(&Figure::Soak) {
        parts.push(Sitting {
            figures: vec![Figure::Soak],
            streams: most,
            takes: Duration::from_secs(args.minutes * 60),
            descriptors: Some(most as u64 + MORE_FILES),
        });
    }
    parts
}

/// As many as this system allows.
fn raise_descriptors() -> io::Result<u64> {
    sigcast::app::system::raise_descriptors().ok_or(io::ErrorKind::Unsupported.into())
}

fn enough_descriptors(streams: usize) -> io::Result<()> {
    let may = raise_descriptors()?;
    let needed = streams as u64 + OWN_FILES;
    if may < needed {
        return Err(io::Error::other(format!(
            "{streams} streams need {needed} open files, and a process may have {may}: ulimit -Hn {needed}"
        )));
    }
    Ok(())
}

fn measure<'a>(
    args: &Args,
    parts: &[Sitting],
    peers: &[Peer],
    plan: impl Fn(Duration) -> Plan<'a>,
) -> (Results, Vec<String>) {
    let (mut results, mut failed) = (Results::default(), Vec::new());
    for round in 1..=args.rounds {
        for sitting in parts {
            // nobody is always the first, nor always behind the same one
            let mut order = peers.to_vec();
            let turn = (round - 1) % order.len().max(1);
            order.rotate_left(turn);
            if round % 2 == 0 {
                order.reverse();
            }
            for peer in order {
                let figures: Vec<Figure> = (sitting.figures.iter().copied())
                    .filter(|figure| figure.takes(peer))
                    .collect();
                if figures.is_empty() {
                    continue;
                }
                eprintln!("round {round}: {peer}, {} streams", sitting.streams);
                let part = Part {
                    round,
                    peer,
                    figures: &figures,
                    streams: sitting.streams,
                    descriptors: sitting.descriptors,
                };
                match session::run(&plan(sitting.takes), part) {
                    Ok(samples) => results.0.extend(samples),
                    Err(error) => {
                        eprintln!("{peer} failed: {error}");
                        failed.push(format!("{peer} in round {round}: {error}"));
                    }
                }
            }
        }
    }
    (results, failed)
}

fn report(args: &Args, results: &Results, skipped: &[String]) {
    if args.json {
        let all = json!({
            "rounds": args.rounds, "streams": args.streams, "seconds": args.seconds, "frame_bytes": frames::FRAME_BYTES,
            "skipped": skipped, "results": results.json(),
        });
        println!("{all}");
    } else {
        println!("{}", results.tables());
        if args.streams != MEANT_FOR {
            println!(
                "What figures must be is said of {MEANT_FOR} streams; here there are {}.",
                args.streams
            );
        }
        for skip in skipped {
            println!("\nWithout {skip}.");
        }
    }
}
