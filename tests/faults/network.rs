//! Clients on a bad network: reset, swallowed and held up while signals are published, and not one lost, doubled or out of order.

use std::time::Duration;

use super::{
    alone,
    bench::{Dice, keys, post, spread},
    is_long, size, tell,
};
use crate::harness::{
    clients::{Client, SILENCE},
    proxy::Proxy,
    server::{Server, sample},
    wire::Wire,
};

const CLIENTS: usize = 5;

#[test]
fn a_bad_network_loses_no_signal() {
    let _alone = alone();
    let (resets, holes) = (size(8, 50), size(1, 10));
    let signals = size(600, 20_000) as u32;
    let mut dice = Dice::new();
    let server = Server::with(&[
        ("SIGCAST_STREAM__PING_SECONDS", "1"),
        ("SIGCAST_STREAM__PING_SPREAD_SECONDS", "0"),
    ]);
    let proxy = Proxy::to(server.main);
    let keys = keys(&server, CLIENTS);
    let epoch = server.epoch(&keys[0]);
    let clients: Vec<Client> = keys
        .iter()
        .map(|key| Client::start(&[proxy.address], &key.text, &epoch))
        .collect();
    let faults = resets + holes;
    let mut met = 0;
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let mut admin = Wire::connect(server.admin);
            for n in 1..=signals {
                post(&mut admin, "/v1/signals", &sample(n));
                std::thread::sleep(Duration::from_millis(4));
            }
        });
        for n in 0..faults {
            std::thread::sleep(Duration::from_millis(100 + dice.below(300)));
            // the holes are spread evenly among the resets
            if (n + 1) * holes / faults > n * holes / faults {
                proxy.black_hole(true);
                std::thread::sleep(SILENCE + Duration::from_millis(500));
                proxy.black_hole(false);
            } else {
                proxy.delay(Duration::from_millis(dice.below(20)));
                met += proxy.reset_all();
            }
        }
        proxy.delay(Duration::ZERO);
        publisher.join().unwrap();
    });
    let mut away = Vec::new();
    let mut refused = 0;
    for (n, client) in clients.into_iter().enumerate() {
        assert!(
            client.has(signals.into(), Duration::from_secs(30)),
            "client {n} has {} of {signals}",
            client.seen().seqs.len()
        );
        let seen = client.end();
        seen.expect_all(signals.into(), &format!("client {n}"));
        assert!(
            seen.hellos as usize > resets / 2,
            "client {n} met the faults: {}",
            seen.hellos
        );
        away.extend(seen.away);
        refused += seen
            .refusals
            .iter()
            .filter(|status| **status == 429)
            .count();
    }
    let (middle, p99, most) = spread(&mut away);
    tell(format_args!(
        "{resets} resets (of {met} connections), {holes} black holes ({} bytes swallowed), {signals} signals to {CLIENTS} clients: none lost, doubled or out of order; {refused} refusals; back after p50 {middle:?}, p99 {p99:?}, most {most:?}",
        proxy.swallowed()
    ));
    assert!(proxy.swallowed() > 0, "nothing was swallowed");
    assert!(met >= resets, "{met} connections were reset");
    if is_long() {
        assert!(p99 < Duration::from_secs(2 + SILENCE.as_secs()), "{p99:?}");
    }
}
