//! What PostgreSQL alone promises of several processes: words to all nodes, locks that go with their connection, lanes, and patience.

use std::time::Duration;

use sigcast::{
    model::{
        account::{Account, KeyRecord},
        key::{KeyKind, KeyText},
        log::LogRead as _,
    },
    store::{
        accounts::AccountChange,
        db::{Db, Lane},
        error::StoreError,
    },
};
use sqlx::{
    Connection as _, PgConnection,
    postgres::{PgListener, PgPoolOptions},
};

use crate::{
    backend::{at, run, signal, signals},
    cluster::{Database, config},
    publish_sql::{by_sql, named},
};

/// How long something that happens by itself may take.
const WITHIN: Duration = Duration::from_secs(20);

async fn listener(database: &Database) -> PgListener {
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(&database.url).await.unwrap();
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen_all(["sigcast", "end"]).await.unwrap();
    listener
}

/// The words that were said until now, each by its channel and what it says.
async fn said(database: &Database, listener: &mut PgListener) -> Vec<(String, String)> {
    database.run("notify \"end\"");
    let mut all = Vec::new();
    loop {
        let heard = tokio::time::timeout(WITHIN, listener.recv()).await;
        let heard = heard.unwrap().unwrap();
        if heard.channel() == "end" {
            return all;
        }
        all.push((heard.channel().to_owned(), heard.payload().to_owned()));
    }
}

fn account() -> Account {
    Account {
        id: "a".into(),
        name: "somebody".into(),
        plan: "alpha".into(),
        expires_at: None,
        suspended_at: None,
        created_at: at(0),
    }
}

#[test]
fn all_nodes_are_told_of_signals_and_of_changed_rights() {
    run(async {
        let database = Database::fresh();
        let db = named(&database).await;
        let mut ears = listener(&database).await;
        let word = ("sigcast".to_owned(), String::new());
        db.publish(&signals(0..3), at(0)).await.unwrap();
        assert_eq!(
            said(&database, &mut ears).await,
            std::slice::from_ref(&word)
        );
        // known already: nothing is new
        db.publish(&signals(0..3), at(0)).await.unwrap();
        assert_eq!(said(&database, &mut ears).await, []);
        let mut sql = PgConnection::connect(&database.url).await.unwrap();
        let (known, new) = (signal(0).body, signal(9).body);
        by_sql(&mut sql, &[&known, &new]).await.unwrap();
        assert_eq!(
            said(&database, &mut ears).await,
            std::slice::from_ref(&word)
        );
        by_sql(&mut sql, &[&known]).await.unwrap();
        assert_eq!(said(&database, &mut ears).await, []);

        db.create_account(&account()).await.unwrap();
        let key = KeyText::generate(KeyKind::Stream, || 7);
        let record = KeyRecord::new(
            uuid::Uuid::from_u128(7),
            "a",
            KeyKind::Stream,
            &key,
            at(0),
            None,
        );
        db.create_key(&record, &key).await.unwrap();
        assert_eq!(
            said(&database, &mut ears).await,
            [],
            "nobody can have had it refused"
        );
        db.revoke_key(&record.id, at(1)).await.unwrap();
        assert_eq!(
            said(&database, &mut ears).await,
            std::slice::from_ref(&word)
        );
        let plan = AccountChange::Plan("pro".into());
        db.change_account("a", &plan).await.unwrap();
        assert_eq!(said(&database, &mut ears).await, [word]);
    });
}

/// Server processes of a database whose last statement is like this.
async fn backends(database: &Database, like: &str) -> Vec<i32> {
    let mut sql = PgConnection::connect(&database.url).await.unwrap();
    sqlx::query_scalar(
        "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and query ilike $1",
    )
    .bind(like)
    .fetch_all(&mut sql)
    .await
    .unwrap()
}

async fn until<F: Future<Output = bool>>(mut is: impl FnMut() -> F) {
    let done = async {
        while !is().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WITHIN, done)
        .await
        .expect("it never came");
}

#[test]
fn a_lost_ear_is_replaced_and_hears_again() {
    run(async {
        let database = Database::fresh();
        let db = named(&database).await;
        let ear = tokio::spawn(db.clone().listen());
        // it listens, and has been asked since whether it is there; the pool's connections ask for other things
        let listens = || async { backends(&database, "listen%").await };
        until(|| async { !listens().await.is_empty() }).await;
        for _ in 0..3 {
            let before = listens().await;
            database.run(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()",
            );
            until(|| async {
                let now = listens().await;
                !now.is_empty() && now.iter().all(|pid| !before.contains(pid))
            })
            .await;
        }
        let mut commits = db.commits();
        commits.mark_unchanged();
        let mut sql = PgConnection::connect(&database.url).await.unwrap();
        by_sql(&mut sql, &[&signal(1).body]).await.unwrap();
        tokio::time::timeout(WITHIN, commits.changed())
            .await
            .unwrap()
            .unwrap();
        // the pool's own connections were ended as well, and replaced
        assert_eq!(db.head().await.unwrap().seq, 1);
        ear.abort();
    });
}

/// Hands bytes on between clients and the database, until it is told to hold all that pass on the connections of then. New ones pass.
struct Proxy {
    port: u16,
    held: tokio::sync::watch::Sender<usize>,
}

impl Proxy {
    async fn before(database: &Database) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = database.address();
        let (held, holds) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut holds) = (server.clone(), holds.clone());
                let begun = *holds.borrow();
                tokio::spawn(async move {
                    let mut server = tokio::net::TcpStream::connect(server).await.unwrap();
                    let held = async { holds.wait_for(|held| *held > begun).await.is_ok() };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
                        _ = held => {}
                    }
                    // neither closed nor read from: a black hole
                    std::future::pending::<()>().await;
                });
            }
        });
        Proxy { port, held }
    }

    fn hold(&self) {
        self.held.send_modify(|held| *held += 1);
    }
}

#[test]
fn the_servers_certificate_is_checked() {
    run(async {
        let database = Database::fresh();
        let (Some(good), Some(bad)) = (
            database.url_by_tls("localhost"),
            database.url_by_tls("127.0.0.1"),
        ) else {
            println!("skipped: nothing is known of the server's certificate");
            return;
        };
        let db = Db::open_postgres(&config(&good)).await.unwrap();
        db.name_log("0123abcd", at(0)).await.unwrap();
        let mut sql = PgConnection::connect(&good).await.unwrap();
        let encrypted: bool =
            sqlx::query_scalar("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
                .fetch_one(&mut sql)
                .await
                .unwrap();
        assert!(encrypted);
        let refused = Db::open_postgres(&config(&bad)).await;
        assert!(refused.is_err(), "it is of another host");
    });
}

#[test]
fn a_server_that_does_not_answer_holds_nobody_up() {
    run(async {
        let database = Database::fresh();
        drop(named(&database).await);
        let proxy = Proxy::before(&database).await;
        let mut config = config(&database.url_at(proxy.port));
        // by this alone, it would be longer than the test waits
        config.statement_seconds = 600;
        let db = Db::open_postgres(&config).await.unwrap();
        let ear = tokio::spawn(db.clone().listen());
        until(|| async { !backends(&database, "listen%").await.is_empty() }).await;
        let mut tx = db.begin().await.unwrap();
        proxy.hold();
        let batch = signals(0..1);
        // a read may get a connection that answers, or must learn that its own does not; it ends
        let (_, written) = tokio::join!(db.head(), tx.publish(&batch, at(0)));
        assert!(
            matches!(written, Err(StoreError::Unavailable(_))),
            "{written:?}"
        );
        drop(tx);
        // and by new connections all is well again
        until(|| async { db.publish(&batch, at(0)).await.is_ok() }).await;
        let mut commits = db.commits();
        until(|| async { !backends(&database, "listen%").await.is_empty() }).await;
        commits.mark_unchanged();
        let mut sql = PgConnection::connect(&database.url).await.unwrap();
        by_sql(&mut sql, &[&signal(1).body]).await.unwrap();
        let heard = tokio::time::timeout(WITHIN, commits.changed()).await;
        heard.unwrap().unwrap();
        assert_eq!(db.head().await.unwrap().seq, 2);
        ear.abort();
    });
}

#[test]
fn who_stops_in_the_middle_of_publishing_holds_up_nobody_for_long() {
    run(async {
        let database = Database::fresh();
        let (one, other) = (named(&database).await, named(&database).await);
        let mut stopped = one.begin().await.unwrap();
        stopped.publish(&signals(0..1), at(0)).await.unwrap();
        // within a lease's life and a little
        let batch = signals(1..2);
        let published = other.publish(&batch, at(0));
        let published = tokio::time::timeout(Duration::from_secs(6), published).await;
        assert_eq!(published.unwrap().unwrap()[0].seq, 1);
        let late = one.commit(stopped).await;
        assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
        assert_eq!(other.head().await.unwrap().seq, 1, "nothing of it was kept");
    });
}

#[test]
fn a_node_whose_way_was_lost_is_heard_at_its_second_heartbeat() {
    run(async {
        let database = Database::fresh();
        let proxy = Proxy::before(&database).await;
        let by_proxy = config(&database.url_at(proxy.port));
        let db = Db::open_postgres(&by_proxy).await.unwrap();
        let life = Duration::from_secs(4);
        let member = db.join("a", life).await.unwrap().unwrap();
        // heartbeats have one connection to themselves
        let beats = tokio::join!(member.beat(), member.beat());
        beats.0.unwrap();
        let open = backends(&database, "insert into nodes%").await.len();
        assert_eq!(open, 1);
        proxy.hold();
        let first = tokio::time::timeout(life / 2, member.beat()).await;
        assert!(first.is_err(), "the way is lost");
        // on that one it would wait for ever
        let second = tokio::time::timeout(WITHIN, member.beat()).await;
        second.unwrap().unwrap();
    });
}

#[test]
fn what_broke_one_connection_may_have_taken_others_without_a_word() {
    run(async {
        let database = Database::fresh();
        let proxy = Proxy::before(&database).await;
        let mut config = config(&database.url_at(proxy.port));
        // by this alone, it would be longer than the test waits
        config.statement_seconds = 600;
        drop(named(&database).await);
        let db = Db::open_postgres(&config).await.unwrap();
        let ear = tokio::spawn(db.clone().listen());
        until(|| async { !backends(&database, "listen%").await.is_empty() }).await;
        let mut tx = db.begin().await.unwrap();
        // the listening connection breaks with a word, the other without one; new ones are made
        database.run(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and query ilike 'listen%'",
        );
        until(|| async { backends(&database, "listen%").await.is_empty() }).await;
        proxy.hold();
        let batch = signals(0..1);
        let written = tokio::time::timeout(WITHIN, tx.publish(&batch, at(0))).await;
        let written = written.expect("it learns of it");
        assert!(
            matches!(written, Err(StoreError::Unavailable(_))),
            "{written:?}"
        );
        ear.abort();
    });
}

#[test]
fn two_lanes_do_not_wait_for_each_other_and_one_does() {
    run(async {
        let database = Database::fresh();
        let (one, other) = (named(&database).await, named(&database).await);
        let facts = one.begin_in(Lane::Facts).await.unwrap();
        let insiders = other.begin_in(Lane::Insiders).await.unwrap();
        other.commit(insiders).await.unwrap();
        // publishing waits for no lane
        other.publish(&signals(0..1), at(0)).await.unwrap();
        let rival = tokio::spawn(async move { other.begin_in(Lane::Facts).await.map(drop) });
        until(|| async {
            !backends(&database, "%pg_advisory_xact_lock%")
                .await
                .is_empty()
        })
        .await;
        assert!(!rival.is_finished());
        one.commit(facts).await.unwrap();
        rival.await.unwrap().unwrap();
    });
}

#[test]
fn who_prunes_holds_up_nobody_who_publishes_and_is_held_up_by_nobody() {
    run(async {
        let database = Database::fresh();
        let db = named(&database).await;
        db.publish(&signals(1..11), at(10)).await.unwrap();
        // a transaction that removes rows waits at its very end, with all the locks that it took
        database.run(
            "create function pause() returns trigger language plpgsql as
                 $$ begin perform pg_advisory_xact_lock(7); return null; end $$;
             create constraint trigger pause after delete on signals deferrable initially deferred
                 for each row execute function pause();",
        );
        let mut sql = PgConnection::connect(&database.url).await.unwrap();
        let gate = "select pg_advisory_lock(7)";
        sqlx::query(gate).execute(&mut sql).await.unwrap();
        let pruner = named(&database).await;
        let pruning = tokio::spawn(async move { pruner.prune_log(at(50), 4).await });
        let waits =
            "select pid from pg_locks where locktype = 'advisory' and objid = 7 and not granted";
        let mut pid = None;
        while pid.is_none() {
            pid = sqlx::query_scalar::<_, i32>(waits)
                .fetch_optional(&mut sql)
                .await
                .unwrap();
        }
        let published = async {
            db.publish(&signals(11..12), at(20)).await.unwrap();
            by_sql(&mut sql, &[&signal(12).body]).await.unwrap();
        };
        tokio::time::timeout(WITHIN, published)
            .await
            .expect("nobody waits");
        let locked = "select distinct cast(cast(relation as regclass) as text) from pg_locks where pid = $1 and relation is not null";
        let locked: Vec<String> = sqlx::query_scalar(locked)
            .bind(pid)
            .fetch_all(&mut sql)
            .await
            .unwrap();
        assert!(locked.iter().any(|table| table == "log_tail"), "{locked:?}");
        assert!(
            !locked.iter().any(|table| table.starts_with("log_head")),
            "{locked:?}"
        );
        assert!(!pruning.is_finished());
        sqlx::query("select pg_advisory_unlock(7)")
            .execute(&mut sql)
            .await
            .unwrap();
        assert_eq!(pruning.await.unwrap().unwrap(), 4);

        let mut tx = db.begin().await.unwrap();
        tx.publish(&signals(13..14), at(30)).await.unwrap();
        let rest = tokio::time::timeout(WITHIN, db.prune_log(at(15), 100)).await;
        assert_eq!(rest.expect("it waits for nobody").unwrap(), 6);
        db.commit(tx).await.unwrap();
        let head = db.head().await.unwrap();
        assert_eq!((head.oldest, head.seq), (11, 13));
    });
}
