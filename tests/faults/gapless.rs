//! Many publish at the same time, through two nodes and through SQL: seq has no hole, and nobody who reads as it grows skips a row.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    alone,
    bench::keys,
    nodes::Nodes,
    publishers::{self, Book},
    size, tell,
};
use crate::harness::clients::Client;

#[test]
fn concurrent_publishers_leave_no_hole() {
    let _alone = alone();
    let rows = size(2_500, 50_000) as u32;
    for publishers in [8, 32] {
        let nodes = Nodes::start();
        let keys = keys(&nodes.servers[0], 4);
        let epoch = nodes.servers[0].epoch(&keys[0]);
        let clients: Vec<Client> = (keys.iter().enumerate())
            .map(|(n, key)| Client::start(&nodes.main(n % 2), &key.text, &epoch))
            .collect();
        let book = Book::default();
        book.enough
            .store(true, std::sync::atomic::Ordering::Relaxed);
        let ways = publishers::ways(&nodes.servers, &nodes.url, publishers / 4);
        assert_eq!(ways.len(), publishers);
        let begun = Instant::now();
        thread::scope(|scope| {
            for way in &ways {
                scope.spawn(|| book.publish(way, rows, Duration::ZERO));
            }
        });
        let took = begun.elapsed();
        let published = book.expect_gapless();
        assert!(published >= rows.into(), "{published}");
        nodes.expect_gapless(published);
        for (n, client) in clients.into_iter().enumerate() {
            assert!(client.has(published, Duration::from_secs(30)), "client {n}");
            client.end().expect_all(published, &format!("client {n}"));
        }
        tell(format_args!(
            "{publishers} publishers at a time through two nodes and SQL: {published} rows in {took:?}, none skipped"
        ));
    }
}
