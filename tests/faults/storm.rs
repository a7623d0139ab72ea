//! Two nodes on one PostgreSQL in bad weather: connections killed, reset and swallowed, nodes and the database killed, while signals are
//! published by every way to clients that come back. Not one lost, doubled or out of order, and all are back in time.

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use super::{
    alone,
    bench::{Dice, Stop, keys, spread},
    bound,
    nodes::Nodes,
    publishers::{self, Book},
    size, tell,
};
use crate::harness::{clients::Client, server::until, wire::PATIENCE};

const CLIENTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(12);
/// Whoever is not back after this is never back.
const LOST: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// The connection that listens for one of the nodes is ended by the database.
    KilledListener,
    /// All of a node's connections to the database are reset.
    Reset,
    /// All of a node's connections to the database lead nowhere, and nobody is told.
    BlackHole,
    /// `kill -9` of a node, which is started again a little later.
    KilledNode,
    /// `kill -9` of all of the database, which is started again a little later.
    KilledDatabase,
}

impl Fault {
    fn all() -> [(Fault, usize); 5] {
        [
            (Fault::KilledListener, size(10, 100)),
            (Fault::Reset, size(5, 50)),
            (Fault::BlackHole, size(1, 10)),
            (Fault::KilledNode, size(2, 20)),
            (Fault::KilledDatabase, size(1, 5)),
        ]
    }

    /// What of the times of recovery is judged, and against what.
    fn bound(self, p99: Duration, most: Duration) -> Option<(Duration, Duration)> {
        match self {
            Fault::KilledListener | Fault::Reset => Some((p99, Duration::from_secs(2))),
            Fault::BlackHole | Fault::KilledNode => Some((most, Duration::from_secs(8))),
            Fault::KilledDatabase => None,
        }
    }

    /// Does it, and proves that it was done; says when the blow has fallen.
    fn strike(self, nodes: &mut Nodes, dice: &mut Dice, fallen: &mut dyn FnMut()) {
        let mut ms = |from: u64, to: u64| Duration::from_millis(from + dice.below(to - from));
        let node = usize::from(ms(0, 2).as_millis() == 1);
        match self {
            Fault::KilledListener => {
                kill_listener(nodes);
                fallen();
            }
            Fault::Reset => {
                // just after another fault there may be none for a moment
                let reset = || (nodes.ways[node].reset_all() > 0).then_some(());
                until(PATIENCE, reset).expect("a connection was open");
                fallen();
            }
            Fault::BlackHole => {
                let before = nodes.ways[node].swallowed();
                nodes.ways[node].black_hole(true);
                fallen();
                thread::sleep(ms(200, 4_000));
                nodes.ways[node].black_hole(false);
                let swallowed = || (nodes.ways[node].swallowed() > before).then_some(());
                until(PATIENCE, swallowed).expect("something was swallowed");
            }
            Fault::KilledNode => {
                let before = nodes.servers[node].pid();
                nodes.servers[node].kill();
                fallen();
                thread::sleep(ms(100, 3_000));
                nodes.servers[node].restart();
                assert_ne!(nodes.servers[node].pid(), before);
            }
            Fault::KilledDatabase => {
                assert!(nodes.cluster.kill() > 1, "a server, and who worked for it");
                fallen();
                thread::sleep(ms(100, 2_000));
                nodes.cluster.start_again();
            }
        }
    }
}

fn kill_listener(nodes: &Nodes) {
    // what it said last is that it listens, or a question whether it is still heard
    let sql = "select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity where datname = current_database()
               and application_name = 'sigcast' and (query like 'LISTEN %' or query = 'select 1') order by random() limit 1) as one";
    // between two of them there may be none
    let killed = || (nodes.number(sql) == 1).then_some(());
    until(PATIENCE, killed).expect("a connection listens");
}

/// How long each client took to have what was published after a fault.
fn recoveries(clients: &[Client], from: Fault, begun: Instant, after: u64) -> Vec<Duration> {
    let mut back = vec![None; clients.len()];
    let all = until(LOST, || {
        for (client, back) in clients.iter().zip(&mut back) {
            if back.is_none() && client.at() > after {
                *back = Some(begun.elapsed());
            }
        }
        back.iter().all(Option::is_some).then_some(())
    });
    let waiting = back.iter().filter(|back| back.is_none()).count();
    assert!(
        all.is_some(),
        "{waiting} clients are not back after {from:?}"
    );
    back.into_iter().flatten().collect()
}

#[test]
fn two_nodes_in_bad_weather_lose_no_signal() {
    let _alone = alone();
    let least = size(5_000, 50_000) as u32;
    let mut dice = Dice::new();
    let mut nodes = Nodes::start();
    let keys = keys(&nodes.servers[0], CLIENTS);
    let epoch = nodes.servers[0].epoch(&keys[0]);
    let clients: Vec<Client> = (keys.iter().enumerate())
        .map(|(n, key)| Client::start(&nodes.main(n % 2), &key.text, &epoch))
        .collect();
    let mut faults: Vec<Fault> = Fault::all()
        .iter()
        .flat_map(|(fault, count)| vec![*fault; *count])
        .collect();
    for n in (1..faults.len()).rev() {
        faults.swap(n, dice.below(n as u64 + 1) as usize);
    }
    let book = Book::default();
    let ways = publishers::ways(&nodes.servers, &nodes.url, 1);
    let mut times: BTreeMap<Fault, Vec<Duration>> = BTreeMap::new();
    let begun = Instant::now();
    thread::scope(|scope| {
        let _stopping = Stop(&book.enough);
        for way in &ways {
            scope.spawn(|| book.publish(way, least, PAUSE));
        }
        until(PATIENCE, || (book.last() > 0).then_some(())).expect("signals flow");
        for fault in &faults {
            thread::sleep(Duration::from_millis(50 + dice.below(200)));
            let took = thread::scope(|scope| {
                let mut watch = None;
                fault.strike(&mut nodes, &mut dice, &mut || {
                    // whatever was under way has a place up to here
                    let (at, after) = (Instant::now(), book.last() + ways.len() as u64);
                    let (clients, fault) = (&clients, *fault);
                    watch = Some(scope.spawn(move || recoveries(clients, fault, at, after)));
                });
                watch.expect("it has fallen").join().unwrap()
            });
            times.entry(*fault).or_default().extend(took);
        }
    });
    let published = book.expect_gapless();
    let mut refused = 0;
    for (n, client) in clients.into_iter().enumerate() {
        assert!(
            client.has(published, Duration::from_secs(30)),
            "client {n} has {} of {published}",
            client.seen().seqs.len()
        );
        let seen = client.end();
        seen.expect_all(published, &format!("client {n}"));
        refused += seen.refusals.iter().filter(|s| **s == 429).count();
    }
    nodes.expect_gapless(published);
    nodes.expect_ready();
    tell(format_args!(
        "{published} signals to {CLIENTS} clients of two nodes in {:?}: none lost, doubled or out of order; {} attempts to publish were made again, {refused} clients refused with 429",
        begun.elapsed(),
        book.failed.load(Ordering::Relaxed),
    ));
    let mut late = Vec::new();
    for (fault, times) in &mut times {
        let (middle, p99, most) = spread(times);
        let count = times.len() / CLIENTS;
        tell(format_args!(
            "{count} × {fault:?}: clients have the next signal after p50 {middle:?}, p99 {p99:?}, most {most:?}"
        ));
        if let Some((seen, quiet)) = fault
            .bound(p99, most)
            .filter(|(seen, quiet)| *seen > bound(*quiet))
        {
            late.push(format!("{fault:?}: {seen:?}, not within {quiet:?}"));
        }
    }
    assert_eq!(refused, 0, "refusals");
    assert!(late.is_empty(), "{late:?}");
}
