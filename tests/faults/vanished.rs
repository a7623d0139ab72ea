//! Clients that vanish from the network without a word: nobody is locked out by their ghosts.

use std::time::{Duration, Instant};

use super::{
    alone,
    bench::{keys, spread},
    is_long,
    nodes::Nodes,
    size, tell,
};
use crate::harness::{
    server::{Key, Server},
    wire::{Stream, Wire},
};

fn open(server: &Server, key: &Key) -> Wire {
    let mut wire = Wire::connect(server.main);
    let bearer = format!("Bearer {}", key.text);
    wire.get("/api/signals/stream", &[("authorization", &bearer)]);
    assert_eq!(wire.head().status, 200);
    // its hello has come: nothing is on its way when it vanishes
    wire.chunk(Duration::from_secs(10))
        .unwrap()
        .expect("a hello");
    wire
}

#[test]
fn who_comes_back_from_elsewhere_gets_the_seat() {
    let _alone = alone();
    let server = Server::start();
    vanish_and_come_back(&server, &server, 2_500, "");
}

#[test]
fn who_comes_back_from_elsewhere_to_the_other_node_gets_the_seat() {
    let _alone = alone();
    let nodes = Nodes::start();
    let [one, other] = &nodes.servers;
    vanish_and_come_back(one, other, 5_000, " to the other node");
}

/// Clients vanish from one node and come back to one, which may be the same, in so many milliseconds.
fn vanish_and_come_back(from: &Server, server: &Server, within_ms: u64, over: &str) {
    let count = size(8, 50);
    let keys = keys(from, count);
    let ghosts: Vec<Wire> = keys.iter().map(|key| open(from, key)).collect();
    for ghost in &ghosts {
        ghost.vanish();
    }
    let came = |key: &Key, headers: &[(&str, &str)]| -> (Stream, Duration) {
        let begun = Instant::now();
        let stream = server.listen(key, "", headers);
        (stream, begun.elapsed())
    };
    // a new client, which knows no id: the holder is asked, and cannot answer
    let (streams, mut took): (Vec<Stream>, Vec<Duration>) = std::thread::scope(|scope| {
        let coming: Vec<_> = keys
            .iter()
            .map(|key| scope.spawn(|| came(key, &[])))
            .collect();
        coming.into_iter().map(|one| one.join().unwrap()).unzip()
    });
    let gone = from.metric("sigcast_stream_closes_total{reason=\"holder_gone\"}");
    assert_eq!(gone as usize, count, "each had vanished");
    let (middle, p99, most) = spread(&mut took);
    tell(format_args!(
        "{count} vanished: back{over} after p50 {middle:?}, p99 {p99:?}, most {most:?}"
    ));
    assert!(
        took[0] >= Duration::from_millis(1_900),
        "a holder has its time: {:?}",
        took[0]
    );
    let bound = if is_long() {
        within_ms
    } else {
        2 * within_ms + 1_000
    };
    assert!(most <= Duration::from_millis(bound), "{most:?}");

    // one that knows an id is the same consumer: it need not wait
    let epoch = from.epoch(&keys[0]);
    drop(streams);
    let ghosts_too: Vec<Wire> = keys.iter().map(|key| open(from, key)).collect();
    for ghost in &ghosts_too {
        ghost.vanish();
    }
    let id = format!("{epoch}-0");
    let mut back: Vec<_> = keys
        .iter()
        .map(|key| came(key, &[("last-event-id", &id)]))
        .collect();
    let mut took: Vec<Duration> = back.iter().map(|(_, took)| *took).collect();
    let (middle, _, most) = spread(&mut took);
    tell(format_args!(
        "{count} vanished, back with an id{over}: after p50 {middle:?}, most {most:?}"
    ));
    assert!(most < Duration::from_millis(1_900), "{most:?}");
    let id = server.publish_sample(1);
    for (stream, _) in &mut back {
        stream.expect_signal(&id);
    }
    drop((ghosts, ghosts_too));
}
