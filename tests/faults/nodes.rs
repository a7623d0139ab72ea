//! Two servers on one PostgreSQL that may be killed, each with a way to it of its own that can be broken.

use std::{net::SocketAddr, sync::Arc};

use crate::harness::{
    cluster::{Cluster, Database},
    place::{DATABASE_URL, Place},
    proxy::Proxy,
    server::{Server, until},
    wire::PATIENCE,
};

/// Streams' pings come often enough for clients that give up what is silent.
const SETTINGS: [(&str, &str); 2] = [
    ("SIGCAST_STREAM__PING_SECONDS", "1"),
    ("SIGCAST_STREAM__PING_SPREAD_SECONDS", "0"),
];

/// The two, ended before what they stand on.
pub struct Nodes {
    pub servers: [Server; 2],
    /// The ways of each to the database.
    pub ways: [Proxy; 2],
    pub url: String,
    pub cluster: Cluster,
    place: Arc<Place>,
}

impl Nodes {
    pub fn start() -> Self {
        let cluster = Cluster::start();
        let database = Database::on(&cluster);
        let url = database.url.clone();
        let to: SocketAddr = database.address().parse().unwrap();
        let ways = [Proxy::to(to), Proxy::to(to)];
        let by = [0, 1].map(|n: usize| database.url_at(ways[n].address.port()));
        let place = Arc::new(Place::on(database));
        let start = |place, n: usize| {
            let way = [(DATABASE_URL, by[n].as_str())];
            Server::on(place, &[&SETTINGS[..], &way].concat())
        };
        Nodes {
            servers: [start(place.clone(), 0), start(Arc::new(place.beside()), 1)],
            ways,
            url,
            cluster,
            place,
        }
    }

    /// Where clients connect, beginning with this one.
    pub fn main(&self, first: usize) -> [SocketAddr; 2] {
        [0, 1].map(|n| self.servers[(first + n) % 2].main)
    }

    /// Both are ready, by themselves, in the end.
    pub fn expect_ready(&self) {
        for server in &self.servers {
            let is_ready = || {
                let ready = server.admin("GET", "/readyz", "");
                (ready.head.status == 200).then_some(())
            };
            until(PATIENCE, is_ready).expect("it is ready again, by itself");
        }
    }

    /// One number from the database, asked from beside the nodes.
    pub fn number(&self, statement: &str) -> i64 {
        self.place.database().number(statement)
    }

    /// Holds the log to: so many signals, each seq once, none left out.
    pub fn expect_gapless(&self, signals: u64) {
        for asked in [
            "select count(*) from signals",
            "select min(seq) - 1 + count(*) from signals",
            "select max(seq) from signals",
            "select count(distinct id) from signals",
            "select seq from log_head",
        ] {
            assert_eq!(self.number(asked) as u64, signals, "{asked}");
        }
    }
}
