//! The client libraries in bad weather: servers killed, connections reset and gone silent, again and again, while signals are published. Each
//! of them handles every signal once, in order, and proves it by the digest.

use std::{thread, time::Duration};

use serde_json::json;

use super::{
    alone,
    bench::{Dice, Stop, keys},
    publishers::{Book, Way},
    size, tell,
};
use crate::harness::{
    installs::skip,
    libraries::{Library, Listener},
    proxy::Proxy,
    server::Server,
    wire::PATIENCE,
};

/// A connection on which nothing came for so long is given up: two and a half pings, and what a busy machine takes.
const SILENCE: Duration = Duration::from_millis(3_500);

#[derive(Clone, Copy)]
enum Fault {
    Kill,
    Reset,
    Hole,
}

#[test]
fn each_library_handles_every_signal_once_whatever_breaks() {
    let _alone = alone();
    let (kills, resets, holes) = (size(2, 40), size(3, 40), size(1, 20));
    let mut server = Server::with(&[
        ("SIGCAST_STREAM__PING_SECONDS", "1"),
        ("SIGCAST_STREAM__PING_SPREAD_SECONDS", "0"),
        // it comes back more often than whoever has a good network
        ("SIGCAST_STREAM__TAKEOVERS_PER_MINUTE", "1000"),
        ("SIGCAST_HTTP__CONNECTS_PER_MINUTE", "0"),
    ]);
    let way_in = Proxy::to(server.main);
    let url = format!("http://{}", way_in.address);
    let keys = keys(&server, Library::ALL.len());
    let mut listeners = Vec::new();
    for (library, key) in Library::ALL.into_iter().zip(&keys) {
        match Listener::start(library, &url, &key.text, &json!({})) {
            Ok(listener) => {
                listener.says("connected at ");
                listeners.push(listener);
            }
            Err(why) => skip(&format!("{library:?}"), &why),
        }
    }
    if listeners.is_empty() {
        return;
    }
    let (mut dice, mut met, book) = (Dice::new(), 0, Book::default());
    let way = Way::Node(server.admin);
    let mut plan = vec![Fault::Kill; kills];
    plan.extend(vec![Fault::Reset; resets]);
    plan.extend(vec![Fault::Hole; holes]);
    let faults = plan.len();
    let goes_on = |listeners: &[Listener], book: &Book| {
        let from = book.last() as usize + 3;
        for listener in listeners {
            listener.has(from, 6 * PATIENCE);
        }
    };
    thread::scope(|scope| {
        let _stop = Stop(&book.enough);
        scope.spawn(|| book.publish(&way, 100, Duration::from_millis(10)));
        while !plan.is_empty() {
            // with signals that did not exist yet at the fault before
            goes_on(&listeners, &book);
            thread::sleep(Duration::from_millis(dice.below(200)));
            match plan.swap_remove(dice.below(plan.len() as u64) as usize) {
                Fault::Kill => {
                    server.kill();
                    server.restart();
                }
                Fault::Reset => {
                    way_in.delay(Duration::from_millis(dice.below(10)));
                    met += way_in.reset_all();
                }
                Fault::Hole => {
                    way_in.black_hole(true);
                    thread::sleep(SILENCE);
                    way_in.black_hole(false);
                }
            }
        }
        way_in.delay(Duration::ZERO);
        goes_on(&listeners, &book);
    });
    let signals = book.expect_gapless();
    let (mut lost, mut silent) = (0, 0);
    for listener in &mut listeners {
        listener.has(signals as usize, 6 * PATIENCE);
        listener.expect_next(0, signals);
        listener.expect_verified(signals as usize);
        let said = (listener.count("gap "), listener.count("hole "));
        assert_eq!(said, (0, 0), "nothing is said to be missing");
        assert!(listener.count("connected at ") > faults, "it met them all");
        silent += listener.count("lost SilenceError");
        lost += listener.count("lost ConnectionLost");
    }
    assert!(way_in.swallowed() > 0, "nothing was swallowed");
    assert!(met >= resets, "{met} connections were reset");
    assert!(
        silent >= holes * listeners.len(),
        "{silent} found out that it was silent"
    );
    tell(format_args!(
        "libraries: {kills} kills, {resets} resets (of {met} connections), {holes} black holes ({} bytes swallowed), {signals} signals to {} of them: each handled every one once, in order, and proved it; {lost} connections lost, {silent} found silent",
        way_in.swallowed(),
        listeners.len(),
    ));
}
