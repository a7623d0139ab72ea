//! Webhooks in bad weather: the server killed while endpoints misbehave, and each of the two channels cut in turn. Nothing is lost, and
//! nothing comes twice that was not under way when something was killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
    thread,
    time::Duration,
};

use serde_json::json;
use sigcast::model::time::Time;

use super::{
    alone,
    bench::{Dice, Stop},
    publishers::{Book, Way},
    size, tell,
};
use crate::harness::{
    clients::Client,
    proxy::Proxy,
    receiver::{Answer, Delivery, Manner, Receiver},
    server::{Key, Server, now, until},
    wire::{PATIENCE, request},
};

/// Receivers are on this machine.
const SETTINGS: [(&str, &str); 3] = [
    ("SIGCAST_WEBHOOK__ALLOW_HTTP", "true"),
    ("SIGCAST_WEBHOOK__ALLOW_SUBNETS", r#"["127.0.0.0/8"]"#),
    ("SIGCAST_STREAM__PING_SECONDS", "1"),
];
/// Endpoints of one account, by its plan.
const OF_ACCOUNT: usize = 10;
/// Signals of one publisher come so far apart: 300 a minute.
const PAUSE: Duration = Duration::from_millis(200);

fn hook(server: &Server, key: &Key, url: &str) {
    let bearer = format!("Bearer {}", key.text);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let body = json!({"url": url}).to_string();
    let made = request(
        server.main,
        "POST",
        "/api/v1/webhooks",
        &headers,
        body.as_bytes(),
    );
    assert!(made.head.status < 300, "{}", made.text());
}

/// When each signal was acknowledged by each path that is well, in order.
fn arrivals(all: &[Delivery]) -> BTreeMap<(String, i64), Vec<Time>> {
    let mut arrivals = BTreeMap::<_, Vec<Time>>::new();
    for one in all.iter().filter(|one| one.is_acknowledged()) {
        if let Some(seq) = one.seq {
            let times = arrivals.entry((one.path.to_string(), seq)).or_default();
            times.push(one.at);
        }
    }
    arrivals
}

#[test]
fn a_server_killed_again_and_again_loses_nothing_of_any_endpoint() {
    let _alone = alone();
    let (endpoints, kills) = (size(24, 200), size(4, 20));
    let mut server = Server::with(&SETTINGS);
    let receiver = Receiver::counting();
    let mut key = server.alpha_key();
    for n in 0..endpoints {
        if n > 0 && n % OF_ACCOUNT == 0 {
            key = server.alpha_key();
        }
        let path = format!("/{n}");
        hook(&server, &key, &receiver.url(&path));
        // one in four is not well
        match n % 16 {
            0 => receiver.behave(&path, Manner::status(500)),
            4 => receiver.behave(&path, Manner::answering(Answer::Never)),
            8 => receiver.behave(&path, Manner::answering(Answer::ResetBeforeHead)),
            12 => receiver.behave(&path, Manner::answering(Answer::Huge(8 << 20))),
            _ => {}
        }
    }
    let (book, mut dice, mut killed) = (Book::default(), Dice::new(), Vec::new());
    let way = Way::Node(server.admin);
    thread::scope(|scope| {
        let _stop = Stop(&book.enough);
        scope.spawn(|| book.publish(&way, 20, PAUSE));
        for _ in 0..kills {
            let before = receiver.deliveries().len();
            let more = receiver.wait_until(PATIENCE, |all| all.len() > before + endpoints);
            more.expect("it sends");
            thread::sleep(Duration::from_millis(dice.below(1_000)));
            killed.push(now());
            server.kill();
            server.restart();
        }
    });
    let signals = book.expect_gapless() as i64;
    let well: Vec<usize> = (0..endpoints).filter(|n| n % 4 != 0).collect();
    let whole = |all: &[Delivery]| {
        let arrivals = arrivals(all);
        let has = |path: usize| {
            (1..=signals).all(|seq| arrivals.contains_key(&(format!("/{path}"), seq)))
        };
        well.iter().all(|path| has(*path))
    };
    let all = receiver
        .wait_until(4 * PATIENCE, whole)
        .expect("each signal, at each endpoint that is well");
    let (mut twice, mut arrived) = (0, 0);
    for ((path, seq), times) in arrivals(&all) {
        if !well.iter().any(|n| path == format!("/{n}")) {
            continue;
        }
        arrived += times.len();
        for pair in times.windows(2) {
            twice += 1;
            // what was killed knew nothing of the answer, or had not yet written it down
            let by_a_kill = killed
                .iter()
                .any(|at| pair[0].0 <= at.0 + 500_000 && at.0 <= pair[1].0);
            assert!(
                by_a_kill,
                "{seq} came to {path} twice, and nothing was killed in between: {pair:?}"
            );
        }
    }
    assert_eq!(killed.len(), kills, "each was killed");
    tell(format_args!(
        "webhooks: {kills} kills, {endpoints} endpoints, {signals} signals: {arrived} arrived at those that are well, none lost, {twice} twice"
    ));
}

/// The furthest signal that came.
fn latest(receiver: &Receiver) -> u64 {
    let all = receiver.deliveries();
    let seqs = all.iter().filter_map(|one| one.seq);
    seqs.max().unwrap_or(0) as u64
}

#[test]
fn with_each_channel_cut_in_turn_the_two_together_miss_nothing_and_each_catches_up() {
    let _alone = alone();
    let server = Server::with(&SETTINGS);
    let key = server.alpha_key();
    let mut receiver = Receiver::start();
    hook(&server, &key, &receiver.url("/hook"));
    let way_in = Proxy::to(server.main);
    let client = Client::start(&[way_in.address], &key.text, &server.epoch(&key));
    let (book, way) = (Book::default(), Way::Node(server.admin));
    // a key whose stream is taken over more often than this is told to wait (429)
    let turns = size(2, 5);
    let mut cut_off = 0;
    thread::scope(|scope| {
        let _stop = Stop(&book.enough);
        scope.spawn(|| book.publish(&way, 20, PAUSE / 10));
        // with signals that did not exist yet when the first was cut
        let goes_on = |of: &dyn Fn() -> u64| {
            let from = book.last();
            let goes_on = until(2 * PATIENCE, || (of() > from + 10).then_some(()));
            goes_on.unwrap_or_else(|| {
                panic!(
                    "it does not go on behind {from}: it stands at {}, refused {:?}",
                    of(),
                    client.seen().refusals
                )
            });
        };
        for _ in 0..turns {
            // the stream is cut, and the webhooks go on
            goes_on(&|| client.at());
            way_in.black_hole(true);
            goes_on(&|| latest(&receiver));
            cut_off += u64::from(client.at() + 5 < book.last());
            way_in.black_hole(false);
            goes_on(&|| client.at());
            // and the other way round
            receiver.down();
            goes_on(&|| client.at());
            receiver.up();
        }
    });
    let signals = book.expect_gapless();
    assert_eq!(cut_off, turns as u64, "each time the stream fell behind");
    assert!(way_in.swallowed() > 0, "and lost bytes");
    // each by itself has all of it
    assert!(client.has(signals, 2 * PATIENCE), "the stream catches up");
    client.end().expect_all(signals, "the stream");
    let caught_up = receiver.wait_until(8 * PATIENCE, |all| {
        let had: BTreeSet<i64> = arrivals(all).into_keys().map(|(_, seq)| seq).collect();
        had.len() as u64 == signals
    });
    let all = caught_up.expect("the webhook catches up");
    let twice = arrivals(&all)
        .values()
        .filter(|times| times.len() > 1)
        .count();
    assert_eq!(
        book.failed.load(Ordering::Relaxed),
        0,
        "the server was well"
    );
    tell(format_args!(
        "two channels: {turns} cuts of each, {signals} signals: each channel has all; {twice} came twice to the webhook, as its answers were cut off"
    ));
}
