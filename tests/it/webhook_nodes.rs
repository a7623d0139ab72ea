//! Webhooks of several nodes: shared evenly, and taken over from one that is gone.

use std::{collections::BTreeSet, sync::Arc, thread, time::Duration};

use serde_json::json;

use super::{
    place::Place,
    receiver::{Answer, Manner, Receiver},
    server::{Server, until},
    webhooks::{HERE, hook, seqs},
    wire::PATIENCE,
};

/// Two nodes of one database.
fn two_nodes(more: &[(&'static str, &'static str)]) -> [Server; 2] {
    let place = Arc::new(Place::new());
    let mut settings = HERE.to_vec();
    let secret = "c2lnY2FzdCB0ZXN0IGtleSBvZiAzMiBieXRlcyE5ODc=";
    settings.extend([
        ("SIGCAST_WEBHOOK_KEY", secret),
        ("SIGCAST_STREAM__LEASE_MS", "3000"),
    ]);
    settings.extend(more);
    let other = place.beside();
    [Server::on(place, &settings), Server::on(other, &settings)]
}

fn wait_for_three_each(one: &Server, other: &Server) {
    until(PATIENCE, || {
        let each = [one, other].map(|node| node.metric("sigcast_webhook_endpoints"));
        (each == [3, 3]).then_some(())
    })
    .expect("three each");
}

#[test]
fn a_node_that_says_goodbye_to_its_streams_has_left_its_endpoints_to_others() {
    let [one, other] = two_nodes(&[("SIGCAST_HTTP__DRAIN_SECONDS", "60")]);
    let keys = [(); 4].map(|()| one.alpha_key());
    let receiver = Receiver::start();
    for n in 0..6 {
        hook(
            &one,
            &keys[0],
            &json!({"url": receiver.url(&format!("/{n}"))}),
        );
    }
    wait_for_three_each(&one, &other);
    // whichever node has these two, they keep none of the others
    for path in ["/0", "/1"] {
        receiver.behave(path, Manner::answering(Answer::Never));
    }
    one.publish_sample(1);
    receiver
        .wait_until(PATIENCE, |all| all.len() == 6)
        .expect("each is under way");
    let streams = keys.each_ref().map(|key| other.listen(key, "", &[]));
    other.terminate();
    one.publish_sample(2);
    receiver.wait_for(8, PATIENCE).expect("those that are well");
    drop(streams);
}

#[test]
fn nodes_share_endpoints_and_take_over_from_one_that_is_gone() {
    let [one, mut other] = two_nodes(&[]);
    let key = one.alpha_key();
    let receiver = Receiver::start();
    receiver.behave_everywhere(Manner::fine().after(Duration::from_millis(20)));
    for n in 0..6 {
        hook(&one, &key, &json!({"url": receiver.url(&format!("/{n}"))}));
    }
    wait_for_three_each(&one, &other);
    let publisher = thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            for n in 1..=60 {
                one.publish_sample(n);
            }
        });
        receiver.wait_for(60, PATIENCE).expect("some of them");
        other.kill();
        publisher.join()
    });
    publisher.unwrap();
    for n in 0..6 {
        let path = format!("/{n}");
        let there = receiver.wait_until(3 * PATIENCE, |all| {
            let mine = all.iter().filter(|one| *one.path == path).cloned();
            let seqs: BTreeSet<i64> = seqs(&mine.collect::<Vec<_>>()).into_iter().collect();
            seqs.len() == 60
        });
        there.unwrap_or_else(|| panic!("{path} misses something"));
    }
    assert_eq!(one.metric("sigcast_webhook_endpoints"), 6);
}
