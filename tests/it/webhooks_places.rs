//! Where webhooks go on: in a log that went back, beside others that are disabled, and after their owner said that they are well again.

use serde_json::{Value, json};

use super::{
    receiver::Manner,
    server::{Key, Server, sample, until},
    webhook_owner::Owner,
    webhooks::{all_once, change, hook, seqs, setting, wait_for_state},
    wire::PATIENCE,
};

/// The database is put back to where the log ended with 2 rows; the server sees it.
fn go_back_to_two(server: &Server, key: &Key) {
    let before = server.epoch(key);
    server.sql("delete from signals where seq > 2; update log_head set seq = 2 where only_row = 1");
    let renamed = until(PATIENCE, || {
        let list = server.get("/api/signals?limit=1", key);
        (list.head.status == 200 && list.json()["epoch"] != before).then_some(())
    });
    renamed.expect("the log has another name");
}

/// Publishes, as soon as the server lets it.
fn publish(server: &Server, n: u32) {
    let body = sample(n).to_string();
    let published = until(PATIENCE, || {
        let reply = server.admin("POST", "/v1/signals", &body);
        (reply.head.status == 200).then_some(())
    });
    published.expect("it is published");
}

#[test]
fn what_a_webhook_was_behind_is_still_sent_when_the_log_went_back() {
    let (server, key, receiver) = setting();
    let asleep = json!({"url": receiver.url("/asleep"), "start_after": 0, "enabled": false});
    let id = hook(&server, &key, &asleep);
    for n in 1..=4 {
        server.publish_sample(n);
    }
    go_back_to_two(&server, &key);
    publish(&server, 9);
    change(&server, &key, &id, &json!({"enabled": true}));
    let came = receiver.wait_for(3, PATIENCE).expect("all that there is");
    all_once(seqs(&came), 1..=3);
    wait_for_state(&server, &key, &id, |state| state["state"]["behind"] == 0);
}

#[test]
fn a_message_of_a_lost_log_does_not_stand_in_the_way_of_the_next() {
    let (server, key, receiver) = setting();
    let id = hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    for n in 1..=2 {
        server.publish_sample(n);
    }
    receiver.wait_for(2, PATIENCE).expect("two");
    receiver.first("/hook", [Manner::busy("3600"), Manner::busy("3600")]);
    for n in 3..=4 {
        server.publish_sample(n);
    }
    wait_for_state(&server, &key, &id, |state| state["state"]["waiting"] == 2);
    go_back_to_two(&server, &key);
    let new = [7, 8].map(|n| {
        publish(&server, n);
        sample(n)["id"].clone()
    });
    let came = receiver.wait_until(PATIENCE, |all| {
        let got = |id: &Value| all.iter().any(|one| one.is_acknowledged() && one.id == *id);
        new.iter().all(got)
    });
    came.expect("those that have their places now");
    let after = wait_for_state(&server, &key, &id, |state| state["state"]["behind"] == 0);
    assert_eq!(
        after["state"]["waiting"], 0,
        "nothing waits that is no more"
    );
}

#[test]
fn who_is_enabled_again_is_sent_at_once_what_waited() {
    let (server, key, receiver) = setting();
    let id = hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    receiver.first("/hook", [Manner::busy("3600")]);
    server.publish_sample(1);
    wait_for_state(&server, &key, &id, |state| state["state"]["waiting"] == 1);
    change(&server, &key, &id, &json!({"enabled": false}));
    change(&server, &key, &id, &json!({"enabled": true}));
    let came = receiver.wait_for(1, PATIENCE).expect("now, not in an hour");
    assert_eq!((seqs(&came), came.len()), (vec![1], 2));
}

#[test]
fn one_that_is_disabled_does_not_interrupt_the_others() {
    let owner = Owner::new();
    let receiver = super::receiver::Receiver::start();
    let ids = ["/one", "/two", "/three"].map(|path| {
        let made = owner.make(&json!({"url": receiver.url(path)}));
        made["id"].as_str().unwrap().to_owned()
    });
    let sends_to = |many| {
        let found = until(PATIENCE, || {
            (owner.server.metric("sigcast_webhook_endpoints") == many).then_some(())
        });
        found.expect("so many are sent to");
    };
    sends_to(3);
    change(
        &owner.server,
        &owner.key,
        &ids[2],
        &json!({"enabled": false}),
    );
    sends_to(2);
    owner.server.publish_sample(1);
    receiver.wait_for(2, PATIENCE).expect("both of the others");
    owner.holds("(select count(*) from hooks where enabled and fence = 1) = 2");
}
