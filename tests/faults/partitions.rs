//! A node cut off from the database, again and again: a key never has two live streams, and what is still the node's own goes on.

use std::{
    sync::{Mutex, atomic::AtomicBool},
    thread,
    time::{Duration, Instant},
};

use super::{
    alone,
    bench::{Dice, Stop, keys, spread},
    nodes::Nodes,
    revoked::publish,
    size, tell,
};
use crate::harness::{
    server::{Key, Server, until},
    wire::{Next, PATIENCE, Stream},
};

/// Keys whose clients go to the other node in each partition, and as many whose clients stay.
const KEYS: usize = 4;

/// Places of signals, and when their publishing began.
type Noted = Mutex<Vec<(Instant, u64)>>;

/// A stream that is read to its end, or until this is over: signals need not pause for that. Gives their places.
fn read_on(mut stream: Stream, over: &AtomicBool) -> (Vec<u64>, Option<String>) {
    let is_over = || over.load(std::sync::atomic::Ordering::Relaxed);
    let mut seqs = Vec::new();
    loop {
        match stream.event(Duration::from_millis(50)) {
            Next::Frame(frame) if frame.event == "signal" => {
                seqs.push(frame.json()["seq"].as_u64().unwrap());
                if is_over() {
                    return (seqs, None);
                }
            }
            Next::Frame(frame) if frame.event == "error" => {
                let code = frame.json()["code"].as_str().unwrap().to_owned();
                stream.expect_end();
                return (seqs, Some(code));
            }
            Next::Silence if is_over() => {
                return (seqs, None);
            }
            Next::Silence => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Comes back at a node, as often as it takes; when the stream was there, and after how long.
fn come_back(to: &Server, key: &Key, last_id: &str) -> (Stream, Instant, Duration) {
    let begun = Instant::now();
    let there = until(PATIENCE, || {
        let mut stream = to.stream(key, "", &[("last-event-id", last_id)]);
        if stream.head.status == 503 {
            return None;
        }
        // asked only now: nothing that is published from here on may go to the one before
        stream.expect_hello();
        Some((stream, Instant::now()))
    });
    let (stream, at) = there.expect("it is let in");
    (stream, at, begun.elapsed())
}

fn expect_without_holes(seqs: &[u64], who: &str) {
    let holes = seqs.windows(2).filter(|two| two[1] != two[0] + 1).count();
    assert_eq!(holes, 0, "{who}: {seqs:?}");
    assert!(!seqs.is_empty(), "{who} has something");
}

/// One partition: how long those that left were away.
fn part(nodes: &Nodes, noted: &Noted, lasts: Duration) -> Vec<Duration> {
    let [here, there] = &nodes.servers;
    let keys = keys(here, 2 * KEYS);
    let epoch = here.epoch(&keys[0]);
    let over = AtomicBool::new(false);
    let last = noted.lock().unwrap().last().map_or(0, |(_, seq)| *seq);
    let from = format!("{epoch}-{last}");
    thread::scope(|scope| {
        let _stopping = Stop(&over);
        let reading: Vec<_> = keys
            .iter()
            .map(|key| {
                let stream = there.listen(key, "", &[("last-event-id", &from)]);
                scope.spawn(|| read_on(stream, &over))
            })
            .collect();
        nodes.ways[1].cut(true);
        let cut = Instant::now();
        let back: Vec<_> = keys[..KEYS]
            .iter()
            .map(|key| scope.spawn(|| come_back(here, key, &from)))
            .collect();
        thread::sleep(lasts.saturating_sub(cut.elapsed()));
        nodes.ways[1].cut(false);
        let back: Vec<_> = back.into_iter().map(|one| one.join().unwrap()).collect();
        let mut took = Vec::new();
        let mut new = Vec::new();
        for (stream, at, away) in back {
            took.push(away);
            new.push((at, scope.spawn(|| read_on(stream, &over))));
        }
        // those that stayed go on by themselves
        nodes.expect_ready();
        thread::sleep(Duration::from_millis(500));
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        let mut old: Vec<_> = reading.into_iter().map(|one| one.join().unwrap()).collect();
        let stayed = old.split_off(KEYS);
        let noted = noted.lock().unwrap();
        for (n, ((seqs, ending), (at, reader))) in old.iter().zip(new).enumerate() {
            assert_eq!(ending.as_deref(), Some("superseded"), "key {n}");
            let next = noted.iter().find(|(begun, _)| *begun > at);
            let next = next.expect("something was published after").1;
            assert!(
                seqs.iter().all(|seq| *seq < next),
                "key {n} has two streams: {seqs:?}, and another since before {next}"
            );
            let (seqs, ending) = reader.join().unwrap();
            assert_eq!(ending, None, "key {n}");
            assert_eq!(seqs.first(), Some(&(last + 1)), "key {n}");
            expect_without_holes(&seqs, "who left");
        }
        for (seqs, ending) in &stayed {
            assert_eq!(*ending, None, "who stayed");
            expect_without_holes(seqs, "who stayed");
            let head = noted.last().unwrap().1;
            assert!(seqs.last().unwrap() + 100 > head, "it goes on");
        }
        took
    })
}

#[test]
fn a_key_has_one_live_stream_in_every_partition() {
    let _alone = alone();
    let partitions = size(2, 20);
    let mut dice = Dice::new();
    let nodes = Nodes::start();
    let (noted, stop) = (Noted::default(), AtomicBool::new(false));
    let mut took = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| publish(&nodes.servers[0], &noted, &stop));
        let _stopping = Stop(&stop);
        until(PATIENCE, || {
            (!noted.lock().unwrap().is_empty()).then_some(())
        })
        .expect("it flows");
        for n in 0..partitions {
            // shorter than a lease's life, and longer, in turns
            let from = if n % 2 == 0 { 4_500 } else { 500 };
            let lasts = Duration::from_millis(from + dice.below(3_000));
            took.extend(part(&nodes, &noted, lasts));
        }
    });
    let (middle, p99, most) = spread(&mut took);
    tell(format_args!(
        "{partitions} partitions: one live stream per key; {} clients at the other node after p50 {middle:?}, p99 {p99:?}, most {most:?}",
        took.len()
    ));
    assert!(took.len() == partitions * KEYS);
}
