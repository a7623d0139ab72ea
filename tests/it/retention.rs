//! What is older than the retention goes while others publish: in small transactions of their own, none of which a publisher waits for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use sqlx::{Connection as _, PgConnection};

use super::{
    place::Place,
    server::{Server, sample},
    wire::PATIENCE,
};

/// Notes each transaction that removes rows, and how many. None of them may end before somebody has published beside it: one that held
/// up publishing would wait for ever.
const WATCH: &str = "
    create table removals (transaction bigint primary key, rows bigint not null);
    create function note_removal() returns trigger language plpgsql as $$
    declare
        before bigint := (select seq from log_head);
    begin
        update removals set rows = rows + 1 where transaction = txid_current();
        if not found then
            insert into removals values (txid_current(), 1);
            while (select seq from log_head) = before loop
                perform pg_sleep(0.001);
            end loop;
        end if;
        return null;
    end $$;
    create constraint trigger note_removal after delete on signals deferrable initially deferred
        for each row execute function note_removal();
    update signals set published_at = published_at - 3 * 86400 * 1000000::bigint;";

const OLD: u32 = 1_700;
/// Rows that one transaction removes at the most.
const MOST: i64 = 500;

fn on_database<T>(url: &str, work: impl AsyncFnOnce(&mut PgConnection) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        work(&mut connection).await
    })
}

/// Publishes one signal after the other, each in a transaction of its own, until it is told to end; the last one's number.
fn publish(url: &str, end: &AtomicBool) -> u32 {
    on_database(url, async |connection| {
        let patience = "set lock_timeout = '20s'";
        sqlx::query(patience)
            .execute(&mut *connection)
            .await
            .unwrap();
        let mut number = OLD;
        while !end.load(Ordering::Relaxed) {
            number += 1;
            let published = sqlx::query("select publish_signals(array[$1])")
                .bind(sample(number).to_string())
                .execute(&mut *connection);
            published.await.unwrap();
        }
        number
    })
}

async fn removals(connection: &mut PgConnection) -> Vec<i64> {
    sqlx::query_scalar("select rows from removals order by transaction")
        .fetch_all(connection)
        .await
        .unwrap()
}

#[test]
fn old_signals_are_removed_in_small_transactions_that_nobody_waits_for() {
    let place = Arc::new(Place::new());
    let settings = [("SIGCAST_LOG__RETENTION_DAYS", "1")];
    let mut server = Server::on(place.clone(), &settings);
    let key = server.alpha_key();
    server.publish_all((1..=OLD).map(sample));
    server.kill();
    place.database().run(WATCH);
    let url = place.database().url.clone();
    let end = Arc::new(AtomicBool::new(false));
    let publisher = {
        let (url, end) = (url.clone(), end.clone());
        thread::spawn(move || publish(&url, &end))
    };
    // it removes what is old as soon as it has started
    server.restart();
    let mut stream = server.listen(&key, "", &[]);
    let removed = on_database(&url, async |connection| {
        let deadline = tokio::time::Instant::now() + 3 * PATIENCE;
        loop {
            let removed = removals(connection).await;
            let done = removed.iter().sum::<i64>() >= i64::from(OLD);
            if done || tokio::time::Instant::now() > deadline {
                return removed;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    end.store(true, Ordering::Relaxed);
    let last = publisher.join().unwrap();
    assert_eq!(removed.iter().sum::<i64>(), i64::from(OLD), "{removed:?}");
    assert!(removed.iter().all(|rows| *rows <= MOST), "{removed:?}");
    assert!(last > OLD + removed.len() as u32 - 1, "{last}");
    // and who listens meanwhile misses nothing
    let first = stream.expect("signal").json()["seq"].as_u64().unwrap();
    for seq in first + 1..=u64::from(last) {
        assert_eq!(stream.expect("signal").json()["seq"], seq);
    }
    let beginning = format!("/api/signals?limit=1&after={}-0", server.epoch(&key));
    let list = server.get(&beginning, &key).ok_json();
    let oldest = &list["items"][0]["seq"];
    assert_eq!(*oldest, OLD + 1, "all that is old is gone");
}
