//! `sigcast ingest` as a process: what it stores when the pipe is slow, and what is left when it is killed.

use std::{
    collections::HashSet,
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use sigcast::{
    config::load, ingest::reorder::WATERMARK, model::swap::Fact, score::consensus, store::db::Db,
};

use super::{
    crash::{fired, lines, market},
    place::sigcast,
    server::{Server, until},
};

/// What was stored, as another process sees it.
struct Seen {
    facts: i64,
    /// Facts are stored from which the engine's state is not.
    state_is_behind: bool,
}

fn look(data: &Path) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = load::load(None, std::iter::empty(), &[]).unwrap().store;
        let db = Db::open_sqlite(data, &store).await.unwrap();
        let seen = Seen {
            facts: db.count_facts().await.unwrap(),
            state_is_behind: db.has_unapplied_facts(consensus::NAME, None).await.unwrap(),
        };
        db.close().await;
        seen
    })
}

fn ingest(data: &Path, state_facts: usize, args: &[&str]) -> Command {
    let mut command = sigcast();
    command
        .args(["ingest", "swaps", "--data-dir"])
        .arg(data)
        .args(args)
        .env("SIGCAST_INGEST__BULK_STATE_FACTS", state_facts.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Writes to its standard input, which stays open.
fn write(child: &mut Child, facts: &[Fact]) {
    let stdin = child.stdin.as_mut().unwrap();
    stdin.write_all(lines(facts).as_bytes()).unwrap();
    stdin.flush().unwrap();
}

/// Writes all of it, and lets it end by itself.
fn run(mut command: Command, facts: &[Fact]) {
    let mut child = command.spawn().unwrap();
    write(&mut child, facts);
    drop(child.stdin.take());
    let ended = child.wait().unwrap();
    assert!(ended.success(), "{ended}");
}

fn log_of(data: &Path) -> Vec<Value> {
    let server = Server::at(data.to_owned(), &[], None);
    let key = server.alpha_key();
    fired(&server, &key)
}

/// How many of these nothing can come before, but for what is later than the watermark.
fn ripe(facts: &[Fact]) -> i64 {
    let latest = facts.iter().map(Fact::time).max().unwrap();
    let ripe = facts
        .iter()
        .filter(|fact| fact.time() < latest.plus(-WATERMARK));
    let keys: HashSet<_> = ripe.map(Fact::key).collect();
    keys.len() as i64
}

const WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_slow_pipe_is_stored_though_no_further_line_comes() {
    let data = tempfile::tempdir().unwrap();
    let (past, _) = market();
    let mut child = ingest(data.path(), 1, &["-"]).spawn().unwrap();
    // some wait for others that may come before them, but not all
    write(&mut child, &past[..300]);
    let seen = until(WITHIN, || {
        let seen = look(data.path());
        (seen.facts > 200 && !seen.state_is_behind).then_some(seen.facts)
    });
    let seen = seen.expect("nothing was stored while the pipe was open");
    assert!(seen < 300, "the last ones are not yet ripe");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(look(data.path()).facts, 300);
}

/// The state of the engine is stored some time after the facts: the next one makes up for what is missing, from the facts.
#[test]
fn a_killed_ingest_changes_no_signal() {
    const KILLS: usize = 9;
    let (past, mut live) = market();
    live.truncate(3_000);

    let calm = tempfile::tempdir().unwrap();
    run(ingest(calm.path(), 0, &["--backfill", "-"]), &past);
    run(ingest(calm.path(), 0, &["-"]), &live);
    let undisturbed = log_of(calm.path());

    let broken = tempfile::tempdir().unwrap();
    let data = broken.path();
    run(ingest(data, 200_000, &["--backfill", "-"]), &past);
    let before = look(data);
    assert!(!before.state_is_behind, "a clean end leaves nothing to do");
    let mut behind = 0;
    for kill in 1..=KILLS {
        // at each kill some more is stored than at the one before; the state in between sometimes as well
        let upto = live.len() * kill / (KILLS + 1);
        let state_facts = [200_000, 250, 700][kill % 3];
        let mut child = ingest(data, state_facts, &["-"]).spawn().unwrap();
        write(&mut child, &live[..upto]);
        let wanted = before.facts + ripe(&live[..upto]);
        let stored = until(WITHIN, || (look(data).facts >= wanted).then_some(()));
        child.kill().unwrap();
        child.wait().unwrap();
        stored.unwrap_or_else(|| panic!("{upto} were written, {} stored", look(data).facts));
        behind += usize::from(look(data).state_is_behind);
    }
    assert!(
        behind * 2 > KILLS,
        "the kills must meet a state that is behind: {behind} of {KILLS} did"
    );
    run(ingest(data, 200_000, &["-"]), &live);
    let seen = look(data);
    assert_eq!(seen.facts, before.facts + live.len() as i64);
    assert!(!seen.state_is_behind);

    assert!(
        undisturbed.len() > 10,
        "the market must fire: {}",
        undisturbed.len()
    );
    assert_eq!(log_of(data), undisturbed);
}
