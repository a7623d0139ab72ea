//! A deterministic simulation: hubs of several nodes, their seats and leases, one log and many clients, over time that does not pass.
//!
//! `SIMULATION_SEEDS=100000` runs so many worlds; `SIMULATION_SEED=42` runs one, and prints what happened in it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "all of this crate is tests, its helping files as well"
)]

mod client;
mod database;
mod draw;
mod node;
mod planted;
mod trace;
mod way;
mod wire;
mod world;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use planted::Planted;
use trace::Outcome;
use world::{Plan, run};

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn world(seed: u64) -> Plan {
    Plan {
        seed,
        // one in eight is a quiet world, in which waits are held to their bounds
        faults: !seed.is_multiple_of(8),
        planted: Planted::Nothing,
    }
}

/// Runs worlds on all processors until all are done, or `enough` says so; what each came to.
fn run_all(
    seeds: std::ops::Range<u64>,
    plan: fn(u64) -> Plan,
    enough: fn(&Outcome) -> bool,
) -> Vec<(u64, Outcome)> {
    let next = AtomicU64::new(seeds.start);
    let outcomes = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = run(plan(seed));
                    if enough(&outcome) {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                    outcomes.lock().unwrap().push((seed, outcome));
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

fn has_fault(outcome: &Outcome) -> bool {
    !outcome.faults.is_empty()
}

fn assert_sound(seed: u64, outcome: &Outcome) {
    if has_fault(outcome) {
        let last = outcome.lines.len().saturating_sub(2_000);
        eprintln!("{}", outcome.lines[last..].join("\n"));
        panic!(
            "seed {seed}: {:#?}\nagain: SIMULATION_SEED={seed} cargo test --test simulation one_seed",
            outcome.faults
        );
    }
}

#[test]
fn every_client_gets_every_signal_once_whatever_befalls_the_nodes() {
    let seeds = setting("SIMULATION_SEEDS").unwrap_or(1_000);
    let outcomes = run_all(0..seeds, world, has_fault);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (seed, outcome) in &outcomes {
        assert_sound(*seed, outcome);
        for (what, count) in &outcome.counts {
            *counts.entry(what).or_default() += count;
        }
    }
    eprintln!("{seeds} worlds: {counts:?}");
    // what is to be withstood has happened
    for what in [
        "signals",
        "refusals",
        "superseded",
        "revoked",
        "closes",
        "vanished",
        "returns",
        "cuts",
        "outages",
        "killed",
        "ended",
        "leases taken from the gone",
        "suspended",
        "clock steps",
        "logs gone back",
        "gaps",
    ] {
        let count = counts.get(what).copied().unwrap_or(0);
        assert!(
            count >= seeds / 10,
            "{what}: {count} times in {seeds} worlds"
        );
    }
}

#[test]
fn one_seed() {
    let Some(seed) = setting("SIMULATION_SEED") else {
        return;
    };
    let outcome = run(world(seed));
    eprintln!("{}\n{:?}", outcome.lines.join("\n"), outcome.counts);
    assert_sound(seed, &outcome);
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 1..=20 {
        let (once, again) = (run(world(seed)), run(world(seed)));
        let differs = (once.lines.iter().zip(&again.lines)).find(|(a, b)| a != b);
        assert_eq!(once.digest, again.digest, "seed {seed}: {differs:?}");
    }
    assert_ne!(run(world(1)).digest, run(world(2)).digest);
}

/// How many worlds it takes to find a planted fault, at the most.
const FOUND_WITHIN: u64 = 400;

fn assert_found(plan: fn(u64) -> Plan, sign: &str) {
    let outcomes = run_all(1..FOUND_WITHIN, plan, has_fault);
    let faults = outcomes.iter().flat_map(|(_, outcome)| &outcome.faults);
    let found = faults.clone().any(|fault| fault.contains(sign));
    assert!(found, "{:?}", faults.collect::<Vec<_>>());
}

#[test]
fn a_node_that_falls_silent_too_late_is_found() {
    let late = |seed| Plan {
        planted: Planted::LateMute,
        ..world(seed)
    };
    assert_found(late, "which is not silent");
}

#[test]
fn a_lease_that_is_taken_without_its_nodes_lock_is_found() {
    let unlocked = |seed| Plan {
        planted: Planted::TakenWithoutLock,
        ..world(seed)
    };
    assert_found(unlocked, "which is not silent");
}

#[test]
fn a_node_that_sends_on_without_looking_what_was_taken_is_found() {
    let blind = |seed| Plan {
        planted: Planted::NoLookAfterSilence,
        ..world(seed)
    };
    assert_found(blind, "has the lease");
}

#[test]
fn a_node_that_knows_only_what_its_own_clock_says_is_found() {
    let unaware = |seed| Plan {
        planted: Planted::NoEras,
        ..world(seed)
    };
    assert_found(unaware, "has the lease");
}

#[test]
fn a_log_that_goes_back_unseen_is_found() {
    let unseen = |seed| Plan {
        planted: Planted::LogSeemsWhole,
        ..world(seed)
    };
    assert_found(unseen, "is not in the log");
}
