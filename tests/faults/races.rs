//! Many at once for one seat, and one that closes and comes back at once: one owner each time, and nobody refused for nothing.

use std::time::{Duration, Instant};

use crate::harness::{
    server::Server,
    wire::{PATIENCE, Stream, Wire},
};
use crate::{alone, bench::spread, size, tell};

const RACERS: usize = 16;

#[test]
fn a_race_for_a_seat_has_one_winner() {
    let _alone = alone();
    let races = size(100, 10_000);
    let server = Server::start();
    let key = server.alpha_key();
    let bearer = format!("Bearer {}", key.text);
    let fields = [("authorization", bearer.as_str())];
    let mut racers: Vec<Wire> = (0..RACERS).map(|_| Wire::connect(server.main)).collect();
    let mut decided = Vec::with_capacity(races);
    for race in 0..races {
        let begun = Instant::now();
        for racer in &mut racers {
            racer.get("/api/signals/stream", &fields);
        }
        let (mut winners, mut losers) = (Vec::new(), Vec::with_capacity(RACERS));
        for mut racer in racers {
            let head = racer.head();
            if head.status == 200 {
                winners.push(Stream::after(racer, head));
            } else {
                racer
                    .reply_after(head)
                    .expect_error(429, "connection_limit");
                losers.push(racer);
            }
        }
        decided.push(begun.elapsed());
        assert_eq!(
            (winners.len(), losers.len()),
            (1, RACERS - 1),
            "race {race}"
        );
        winners[0].expect_hello();
        if race % 10 == 0 {
            let id = server.publish_sample(u32::try_from(race).unwrap());
            winners[0].expect_signal(&id);
            let open = server.admin("GET", "/v1/connections", "").ok_json();
            assert_eq!(open["total"], 1, "race {race}");
        }
        // the next race begins while its winner's ghost may still be there
        drop(winners);
        racers = losers;
        racers.push(Wire::connect(server.main));
    }
    let (middle, p99, most) = spread(&mut decided);
    tell(format_args!(
        "{races} races of {RACERS}: one owner each; decided after p50 {middle:?}, p99 {p99:?}, most {most:?}"
    ));
}

#[test]
fn who_closes_and_comes_back_at_once_is_let_in() {
    let _alone = alone();
    let rounds = size(100, 1_000);
    let server = Server::start();
    let key = server.alpha_key();
    let mut took = Vec::with_capacity(rounds);
    for round in 0..rounds {
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
        "{rounds} times closed and back: no refusal; p50 {middle:?}, p99 {p99:?}, most {most:?}"
    ));
    assert!(most < PATIENCE.min(Duration::from_secs(5)), "{most:?}");
}
