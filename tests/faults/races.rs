//! Many at once for one seat, and one that closes and comes back at once: one owner each time, and nobody refused for nothing.

use std::time::{Duration, Instant};

use crate::harness::{
    server::Server,
    wire::{PATIENCE, Stream, Wire},
};
use crate::{alone, bench::spread, nodes::Nodes, size, tell};

const RACERS: usize = 16;

#[test]
fn a_race_for_a_seat_has_one_winner() {
    let _alone = alone();
    race(&[&Server::start()], size(100, 10_000), "");
}

#[test]
fn a_race_for_a_seat_over_two_nodes_has_one_winner() {
    let _alone = alone();
    let nodes = Nodes::start();
    race(
        &nodes.servers.each_ref(),
        size(50, 10_000),
        " over two nodes",
    );
}

fn race(servers: &[&Server], races: usize, over: &str) {
    let key = servers[0].alpha_key();
    let bearer = format!("Bearer {}", key.text);
    let fields = [("authorization", bearer.as_str())];
    // with each its server
    let mut racers: Vec<(Wire, &Server)> = (servers.iter().cycle().take(RACERS))
        .map(|server| (Wire::connect(server.main), *server))
        .collect();
    let mut decided = Vec::with_capacity(races);
    for race in 0..races {
        let begun = Instant::now();
        for (racer, _) in &mut racers {
            racer.get("/api/signals/stream", &fields);
        }
        let (mut winners, mut losers) = (Vec::new(), Vec::with_capacity(RACERS));
        for (mut racer, server) in racers {
            let head = racer.head();
            if head.status == 200 {
                winners.push((Stream::after(racer, head), server));
            } else {
                racer
                    .reply_after(head)
                    .expect_error(429, "connection_limit");
                losers.push((racer, server));
            }
        }
        decided.push(begun.elapsed());
        assert_eq!(
            (winners.len(), losers.len()),
            (1, RACERS - 1),
            "race {race}"
        );
        let (mut stream, server) = winners.remove(0);
        stream.expect_hello();
        if race % 10 == 0 {
            let from = servers[race / 10 % servers.len()];
            let id = from.publish_sample(u32::try_from(race).unwrap());
            stream.expect_signal(&id);
            let open = server.admin("GET", "/v1/connections", "").ok_json();
            assert_eq!(open["total"], 1, "race {race}");
        }
        // the next race begins while its winner's ghost may still be there
        drop(stream);
        racers = losers;
        racers.push((Wire::connect(server.main), server));
    }
    let (middle, p99, most) = spread(&mut decided);
    tell(format_args!(
        "{races} races of {RACERS}{over}: one owner each; decided after p50 {middle:?}, p99 {p99:?}, most {most:?}"
    ));
}

#[test]
fn who_closes_and_comes_back_at_once_is_let_in() {
    let _alone = alone();
    close_and_come_back(&[&Server::start()], "");
}

#[test]
fn who_closes_and_comes_back_at_the_other_node_is_let_in() {
    let _alone = alone();
    let nodes = Nodes::start();
    close_and_come_back(&nodes.servers.each_ref(), " at the other node");
}

fn close_and_come_back(servers: &[&Server], over: &str) {
    let rounds = size(100, 1_000);
    let key = servers[0].alpha_key();
    let mut took = Vec::with_capacity(rounds);
    for (round, server) in servers.iter().cycle().take(rounds).enumerate() {
        let begun = Instant::now();
        let mut stream = server.stream(&key, "", &[]);
        assert_eq!(
            stream.head.status, 200,
            "round {round}: {}",
            stream.head.raw
        );
        stream.expect_hello();
        took.push(begun.elapsed());
        // closed in an orderly way or with a reset, at once or after a moment in which a frame is under way
        if round % 3 == 1 {
            stream.reset();
        } else if round % 3 == 2 {
            server.publish_sample(u32::try_from(round).unwrap());
        }
        drop(stream);
    }
    let (middle, p99, most) = spread(&mut took);
    tell(format_args!(
        "{rounds} times closed and back{over}: no refusal; p50 {middle:?}, p99 {p99:?}, most {most:?}"
    ));
    assert!(most < PATIENCE.min(Duration::from_secs(5)), "{most:?}");
}
