//! Calls without a key on several nodes of one database: counted as on one, by the same fingerprints, challenges and watermarks.

use std::sync::Arc;

use serde_json::Value;

use super::{
    place::Place,
    sandbox::{Guest, MANY},
    server::Server,
};

#[test]
fn nodes_count_together() {
    let place = Arc::new(Place::new());
    let nodes = [
        Server::on(place.clone(), &MANY),
        Server::on(place.beside(), &MANY),
    ];
    let guests = nodes.each_ref().map(|node| Guest::new(node, "192.0.2.1"));
    for n in 0..10_usize {
        let reply = match n {
            0..5 => guests[n % 2].get("stats"),
            // a challenge of one, a call at the other
            _ => guests[n % 2].get_with("stats", &guests[(n + 1) % 2].solved()),
        };
        let body = reply.ok_json();
        assert_eq!(body["meta"]["sandbox"]["remaining"], 9 - n);
        let mark = body["meta"]["sandbox"]["watermark"].as_str().unwrap();
        let traced = nodes[(n + 1) % 2].command(&["sandbox", "trace", "--json", mark]);
        let traced: Value = serde_json::from_slice(&traced.stdout).unwrap();
        assert_eq!(traced["call"], n + 1, "{traced}");
    }
    for guest in &guests {
        guest.get_solved("stats").expect_error(429, "sandbox_quota");
    }
}
