//! Pruning: the head knows what is left, and a stream is told what is gone.

use std::time::Duration;

use sigcast::{
    hub::{
        catch_up::{Cursor, Step},
        frame::{Gap, GapReason},
        node::Hub,
    },
    model::{log::LogRead as _, random::Random, time::Clock},
    store::{db::Db, log::as_log},
};

use crate::backend::{Fresh, at, promises, settings, signals};

promises!(
    the_head_knows_the_oldest_row,
    a_stream_is_told_what_was_pruned,
    an_empty_log_is_pruned_without_harm,
);

/// Ten rows at second 10, five at second 20.
async fn fifteen(fresh: &Fresh) -> Db {
    let db = fresh.named().await;
    db.publish(&signals(1..11), at(10)).await.unwrap();
    db.publish(&signals(11..16), at(20)).await.unwrap();
    db
}

async fn oldest_and_last(db: &Db) -> (i64, i64) {
    let head = db.head().await.unwrap();
    (head.oldest, head.seq)
}

async fn the_head_knows_the_oldest_row(fresh: Fresh) {
    let db = fifteen(&fresh).await;
    assert_eq!(db.prune_log(at(10), 100).await.unwrap(), 0, "not before");
    assert_eq!(oldest_and_last(&db).await, (1, 15));
    assert_eq!(db.prune_log(at(15), 4).await.unwrap(), 4);
    assert_eq!(oldest_and_last(&db).await, (5, 15), "oldest first");
    assert_eq!(db.prune_log(at(15), 100).await.unwrap(), 6);
    assert_eq!(oldest_and_last(&db).await, (11, 15));
    assert_eq!(db.before_time(at(1)).await.unwrap(), 10);
    // all of it, and on from there
    assert_eq!(db.prune_log(at(99), 100).await.unwrap(), 5);
    assert_eq!(oldest_and_last(&db).await, (16, 15));
    assert_eq!(db.before_time(at(1)).await.unwrap(), 15);
    let next = db.publish(&signals([16]), at(30)).await.unwrap();
    assert_eq!(next[0].seq, 16, "numbers are not used again");
    assert_eq!(oldest_and_last(&db).await, (16, 16));
    assert_eq!(fresh.open().await.prune_log(at(99), 100).await.unwrap(), 1);
    assert_eq!(oldest_and_last(&db).await, (17, 16));
}

async fn step(cursor: &mut Cursor) -> Step {
    let step = tokio::time::timeout(Duration::from_secs(10), cursor.next());
    step.await.expect("a step in time")
}

fn gap(from: i64, to: i64) -> Gap {
    Gap {
        from: Some(from),
        to: Some(to),
        reason: GapReason::Pruned,
        resume_at: to,
    }
}

async fn expect_gap(cursor: &mut Cursor, expected: Gap) {
    match step(cursor).await {
        Step::Gap(gap) => assert_eq!(gap, expected),
        other => panic!("a gap expected, not {other:?}"),
    }
    assert_eq!(Some(cursor.at()), expected.to);
}

async fn expect_frames(cursor: &mut Cursor, expected: &[i64]) {
    match step(cursor).await {
        Step::Frames(frames) => {
            let seqs: Vec<i64> = frames.iter().map(|frame| frame.seq).collect();
            assert_eq!(seqs, expected);
        }
        other => panic!("frames expected, not {other:?}"),
    }
}

async fn a_stream_is_told_what_was_pruned(fresh: Fresh) {
    let db = fifteen(&fresh).await;
    let hub = Hub::open(
        settings().stream,
        as_log(&db),
        None,
        Clock::from_fn(|| at(50)),
        Random::from_fn(|bytes| bytes.fill(7)),
        sigcast::hub::metrics::Metrics::default(),
    );
    let hub = hub.await.unwrap();
    db.prune_log(at(15), 100).await.unwrap();
    let mut behind = Cursor::new(hub.clone(), hub.ring.standing().0, 3);
    expect_gap(&mut behind, gap(4, 10)).await;
    expect_frames(&mut behind, &[11, 12, 13, 14, 15]).await;
    let mut at_the_seam = Cursor::new(hub.clone(), hub.ring.standing().0, 10);
    expect_frames(&mut at_the_seam, &[11, 12, 13, 14, 15]).await;
    // everything is gone
    db.prune_log(at(99), 100).await.unwrap();
    let mut late = Cursor::new(hub.clone(), hub.ring.standing().0, 12);
    expect_gap(&mut late, gap(13, 15)).await;
    db.publish(&signals([16]), at(60)).await.unwrap();
    sigcast::hub::reader::read_on(&hub).await;
    expect_frames(&mut late, &[16]).await;
}

async fn an_empty_log_is_pruned_without_harm(fresh: Fresh) {
    let db = fresh.named().await;
    assert_eq!(db.prune_log(at(99), 100).await.unwrap(), 0);
    assert_eq!(oldest_and_last(&db).await, (1, 0));
}
