//! Both channels at once: what a real receiver acknowledged and a real stream was written is said of each signal.

use serde_json::{Value, json};

use super::{
    receiver::Receiver,
    server::{Key, Server, until},
    webhooks::{HERE, hook},
    wire::PATIENCE,
};

fn wait_for(server: &Server, key: &Key, what: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let found = until(2 * PATIENCE, || {
        last = server.get("/api/v1/deliveries", key).ok_json();
        what(&last).then(|| last.clone())
    });
    found.unwrap_or_else(|| panic!("{last}"))
}

#[test]
fn what_each_channel_brought_is_said_of_each_signal() {
    let settings = [&HERE[..], &[("SIGCAST_PLANS__ALPHA__BURST", "0")]].concat();
    let mut server = Server::with(&settings);
    let (key, receiver) = (server.alpha_key(), Receiver::start());
    let id = hook(&server, &key, &json!({"url": receiver.url("/")}));
    // whose streams are noted, is known from the beginning then
    server.restart();
    // by its webhook alone
    for n in 1..=3 {
        server.publish_sample(n);
    }
    let alone = wait_for(&server, &key, |all| all["summary"]["by_webhook"] == 3);
    assert_eq!(alone["summary"]["on_stream"], 0);
    // its stream catches up, and goes on
    let from = format!("{}-0", server.epoch(&key));
    let mut stream = server.listen(&key, "", &[("last-event-id", &from)]);
    for n in 4..=5 {
        server.publish_sample(n);
    }
    for seq in 1..=5 {
        assert_eq!(stream.expect("signal").json()["seq"], seq);
    }
    let both = wait_for(&server, &key, |all| {
        all["summary"]["by_webhook"] == 5 && all["summary"]["on_stream"] == 5
    });
    for item in both["items"].as_array().unwrap() {
        let at = &item["webhooks"][0];
        assert_eq!(
            (&at["webhook_id"], &at["attempts"]),
            (&json!(id), &json!(1))
        );
        assert_eq!(at["state"], "acknowledged");
        assert!(at["acknowledged_at"].as_str() >= item["published_at"].as_str());
        assert_eq!(item["streams"].as_array().map(Vec::len), Some(1));
    }
    assert_eq!(both["summary"]["on_neither"], json!([]));
    assert_eq!(both["summary"]["undecided"], 0);
    assert_eq!(receiver.wait_for(5, PATIENCE).map(|all| all.len()), Some(5));
}
