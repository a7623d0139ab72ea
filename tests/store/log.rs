//! The log: gapless and in commit order, idempotent by id, byte-exact, and every way to read it.

use std::time::Duration;

use sigcast::{
    model::{
        log::{LogRead as _, LogRow, Lost},
        publish,
        time::Time,
    },
    store::log::{Narrow, Published},
};

use crate::backend::{Fresh, at, promises, signal, signal_with, signals};

promises!(
    publishers_leave_no_hole_and_no_row_comes_late,
    ids_are_known_for_good,
    racing_publishers_of_one_id_make_one_row,
    an_uncommitted_transaction_leaves_nothing,
    published_at_never_goes_back,
    bodies_are_kept_to_the_byte,
    rows_are_read_by_place_id_and_time,
    a_listing_is_narrowed,
    the_epoch_is_drawn_once,
    what_is_settled_stays_so,
    a_log_that_lost_rows_is_named_anew_by_one,
);

fn seqs(rows: &[LogRow]) -> Vec<i64> {
    rows.iter().map(|row| row.seq).collect()
}

fn places(published: &[Published]) -> Vec<(i64, bool)> {
    published
        .iter()
        .map(|one| (one.seq, one.duplicate))
        .collect()
}

async fn publishers_leave_no_hole_and_no_row_comes_late(fresh: Fresh) {
    const PUBLISHERS: u32 = 8;
    const CALLS: u32 = 15;
    let total = i64::from(PUBLISHERS * CALLS * 2);
    let reader = fresh.named().await;
    let mut tasks = Vec::new();
    for publisher in 0..PUBLISHERS {
        let db = fresh.open().await;
        tasks.push(tokio::spawn(async move {
            let mut all = Vec::new();
            for call in 0..CALLS {
                let first = (publisher * CALLS + call) * 2;
                let batch = signals([first, first + 1]);
                let clock = at(i64::from(call * 7 % 5));
                all.extend(db.publish(&batch, clock).await.unwrap());
            }
            all
        }));
    }
    // a reader that only ever goes on from its last seq must miss nothing
    let mut rows = Vec::new();
    while (rows.len() as i64) < total {
        let last = rows.last().map_or(0, |row: &LogRow| row.seq);
        let more = reader.after(last, 7).await.unwrap().rows;
        for row in &more {
            let last = rows.last().map_or(0, |row: &LogRow| row.seq);
            assert_eq!(row.seq, last + 1, "a hole, or a row that came late");
            rows.push(row.clone());
        }
        if more.is_empty() {
            assert!(
                !tasks.iter().all(tokio::task::JoinHandle::is_finished)
                    || reader.head().await.unwrap().seq == total,
                "a publisher failed"
            );
            tokio::task::yield_now().await;
        }
    }
    assert!(
        rows.is_sorted_by_key(|row| row.published_at),
        "published_at goes back"
    );
    for task in tasks {
        for one in task.await.unwrap() {
            assert!(!one.duplicate);
            let row = reader.signal_by_id(&one.id).await.unwrap().unwrap();
            assert_eq!(row.seq, one.seq);
            assert_eq!(row, rows[one.seq as usize - 1]);
        }
    }
    assert_eq!(reader.head().await.unwrap().seq, total);
}

async fn ids_are_known_for_good(fresh: Fresh) {
    let db = fresh.named().await;
    let first = db.publish(&signals([1, 2]), at(1)).await.unwrap();
    assert_eq!(places(&first), [(1, false), (2, false)]);
    // known ones, new ones, and new ones twice, in one call and with another body
    let mut mixed = signals([2, 3, 2, 3, 4]);
    mixed[0] = signal_with(2, ",\"other\":true");
    let second = db.publish(&mixed, at(2)).await.unwrap();
    assert_eq!(
        places(&second),
        [(2, true), (3, false), (2, true), (3, true), (4, false)]
    );
    let ids: Vec<_> = second.iter().map(|one| one.id.clone()).collect();
    assert_eq!(
        ids,
        mixed.iter().map(|s| s.id.clone()).collect::<Vec<_>>(),
        "answers in the order of the call"
    );
    let kept = db.signal_by_seq(2).await.unwrap().unwrap();
    assert_eq!(&*kept.body, signal(2).body, "the first body stays");
    // nothing new: no number is spent, no time moves
    let again = db.publish(&signals([4, 1]), at(9)).await.unwrap();
    assert_eq!(places(&again), [(4, true), (1, true)]);
    assert!(db.publish(&[], at(9)).await.unwrap().is_empty());
    let next = db.publish(&signals([5]), at(3)).await.unwrap();
    assert_eq!(places(&next), [(5, false)]);
    let row = db.signal_by_seq(5).await.unwrap().unwrap();
    assert_eq!(row.published_at, at(3));
    // more than one statement's worth
    let many = signals(5..2_600);
    let published = db.publish(&many, at(4)).await.unwrap();
    assert_eq!(published.iter().filter(|one| one.duplicate).count(), 1);
    assert_eq!(db.head().await.unwrap().seq, 2_599);
}

async fn racing_publishers_of_one_id_make_one_row(fresh: Fresh) {
    let db = fresh.named().await;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let rival = fresh.open().await;
        tasks.push(tokio::spawn(async move {
            rival.publish(&signals([7]), at(1)).await.unwrap()
        }));
    }
    let mut new = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        assert_eq!(answer[0].seq, 1);
        new += usize::from(!answer[0].duplicate);
    }
    assert_eq!((new, db.head().await.unwrap().seq), (1, 1));
}

async fn an_uncommitted_transaction_leaves_nothing(fresh: Fresh) {
    let db = fresh.named().await;
    let mut tx = db.begin().await.unwrap();
    let inside = tx.publish(&signals([1, 2, 3]), at(1)).await.unwrap();
    assert_eq!(places(&inside), [(1, false), (2, false), (3, false)]);
    let other = fresh.open().await;
    assert!(
        other.after(0, 10).await.unwrap().rows.is_empty(),
        "seen too early"
    );
    drop(tx);
    assert_eq!(other.head().await.unwrap().seq, 0);
    assert!(db.signal_by_id(&signal(1).id).await.unwrap().is_none());
    // the numbers are not spent either
    let published = other.publish(&signals([9]), at(1)).await.unwrap();
    assert_eq!(places(&published), [(1, false)]);
}

async fn published_at_never_goes_back(fresh: Fresh) {
    let db = fresh.named().await;
    // the second clock is wrong, the third has microseconds
    let clocks = [at(100), at(50), Time(at(120).0 + 1_999)];
    for (n, clock) in (1..).zip(clocks) {
        db.publish(&signals([n]), clock).await.unwrap();
    }
    let rows = db.after(0, 10).await.unwrap().rows;
    let times: Vec<Time> = rows.iter().map(|row| row.published_at).collect();
    let last = Time(at(120).0 + 1_000);
    assert_eq!(times, [at(100), at(100), last], "whole milliseconds");
}

async fn bodies_are_kept_to_the_byte(fresh: Fresh) {
    let db = fresh.named().await;
    let odd = [
        r#"{"z":1.0,"a":1e308,"b":-0,"n":123456789012345678901234567890,"s":"é\u00e9\u0000\n\"\\","e":""}"#,
        "{ \"k\" : [ 1 , 2 ] , \"emoji\":\"\u{1F680}\u{200d}\u{2028}\", \"k\":null }",
        r#"{"'":"'; drop table signals; --","%":"$1 ? :x"}"#,
    ];
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(100_000));
    for (n, text) in (1..).zip(odd.iter().copied().chain([long.as_str()])) {
        let signal = publish::prepare(text, || uuid::Uuid::from_u128(n as u128)).unwrap();
        db.publish(std::slice::from_ref(&signal), at(1))
            .await
            .unwrap();
        let by_seq = db.signal_by_seq(n).await.unwrap().unwrap();
        let by_id = db.signal_by_id(&signal.id).await.unwrap().unwrap();
        let any = Narrow::default();
        let listed = db.list_signals(n - 1, n + 1, false, &any, 5);
        let read = db.after(n - 1, 1).await.unwrap().rows;
        for row in [&by_seq, &by_id, &listed.await.unwrap()[0], &read[0]] {
            assert_eq!((row.seq, &*row.body), (n, signal.body.as_str()));
        }
    }
}

async fn rows_are_read_by_place_id_and_time(fresh: Fresh) {
    let db = fresh.named().await;
    assert_eq!(db.before_time(at(5)).await.unwrap(), 0, "an empty log");
    for n in 1..=6 {
        // two a second
        let clock = at(10 + i64::from((n - 1) / 2));
        db.publish(&signals([n]), clock).await.unwrap();
    }
    for seq in [-1, 0, 7, i64::MAX] {
        assert_eq!(db.signal_by_seq(seq).await.unwrap(), None);
    }
    assert_eq!(db.signal_by_id("nonsense").await.unwrap(), None);
    assert_eq!(seqs(&db.after(0, 3).await.unwrap().rows), [1, 2, 3]);
    assert_eq!(seqs(&db.after(4, 3).await.unwrap().rows), [5, 6]);
    assert_eq!(seqs(&db.after(6, 3).await.unwrap().rows), [] as [i64; 0]);
    for (time, last_before) in [(9, 0), (10, 0), (11, 2), (12, 4), (13, 6), (99, 6)] {
        assert_eq!(db.before_time(at(time)).await.unwrap(), last_before);
    }
    let list = async |after, before, newest, limit| {
        let any = Narrow::default();
        let rows = db.list_signals(after, before, newest, &any, limit);
        seqs(&rows.await.unwrap())
    };
    assert_eq!(list(0, i64::MAX, false, 2).await, [1, 2]);
    assert_eq!(list(0, i64::MAX, true, 2).await, [6, 5]);
    assert_eq!(list(2, 5, false, 9).await, [3, 4], "both ends exclusive");
    assert_eq!(list(2, 5, true, 1).await, [4]);
}

async fn a_listing_is_narrowed(fresh: Fresh) {
    let db = fresh.named().await;
    let token = |name: &str| format!(",\"token\":{{\"address\":\"{name}\"}}");
    let consensus = ",\"signal_type\":\"consensus_buy\",\"market\":\"crypto\"";
    let bodies = [
        format!(
            "{consensus},\"rank\":\"S\",\"rank_score\":94.2{}",
            token("A")
        ),
        format!("{consensus},\"rank\":\"B\",\"rank_score\":70{}", token("B")),
        ",\"signal_type\":\"insider_buy\",\"market\":\"us\",\"rank\":\"A\"".to_owned(),
        String::new(),
        ",\"signal_type\":1,\"rank\":\"Z\",\"rank_score\":\"99\",\"token\":\"A\"".to_owned(),
    ];
    for (n, body) in (1..).zip(&bodies) {
        let one = [signal_with(n, body)];
        db.publish(&one, at(i64::from(n))).await.unwrap();
    }
    let any = Narrow::default;
    for (narrow, expected) in [
        (any(), &[1, 2, 3, 4, 5][..]),
        (
            Narrow {
                types: vec!["consensus_buy".into()],
                ..any()
            },
            &[1, 2],
        ),
        (
            Narrow {
                types: vec!["insider_buy".into(), "consensus_buy".into()],
                ..any()
            },
            &[1, 2, 3],
        ),
        (
            Narrow {
                types: vec!["consensus".into()],
                ..any()
            },
            &[],
        ),
        (
            Narrow {
                min_rank: Some(3),
                ..any()
            },
            &[1, 3],
        ),
        (
            Narrow {
                min_score: Some(70.0),
                ..any()
            },
            &[1, 2],
        ),
        (
            Narrow {
                min_score: Some(70.1),
                ..any()
            },
            &[1],
        ),
        (
            Narrow {
                token: Some("A".into()),
                ..any()
            },
            &[1],
        ),
        (
            Narrow {
                market: Some("us".into()),
                ..any()
            },
            &[3],
        ),
        (
            Narrow {
                since: Some(at(2)),
                until: Some(at(4)),
                ..any()
            },
            &[2, 3, 4],
        ),
        (
            Narrow {
                since: Some(at(2)),
                min_rank: Some(4),
                ..any()
            },
            &[],
        ),
    ] {
        let rows = db.list_signals(0, i64::MAX, false, &narrow, 100);
        assert_eq!(seqs(&rows.await.unwrap()), expected, "{narrow:?}");
    }
}

async fn the_epoch_is_drawn_once(fresh: Fresh) {
    let mut tasks = Vec::new();
    let fresh = std::sync::Arc::new(fresh);
    for n in 0..4 {
        // nobody has opened it before: the tables are made once, too
        let fresh = fresh.clone();
        tasks.push(tokio::spawn(async move {
            let db = fresh.open().await;
            db.name_log(&format!("{n:08x}"), at(n)).await.unwrap();
            db.head().await.unwrap()
        }));
    }
    let mut heads = Vec::new();
    for task in tasks {
        heads.push(task.await.unwrap());
    }
    heads.dedup();
    assert_eq!(heads.len(), 1, "all see the same: {heads:?}");
    let later = fresh.named().await.head().await.unwrap();
    assert_eq!(later, heads[0]);
    assert_eq!((later.seq, later.oldest), (0, 1));
}

/// Nothing comes any more with a time before that, not even what is being committed just now, or is told an earlier time.
async fn what_is_settled_stays_so(fresh: Fresh) {
    let db = fresh.named().await;
    db.publish(&signals([1]), at(5)).await.unwrap();
    let mut slow = db.begin().await.unwrap();
    slow.publish(&signals([2]), at(9)).await.unwrap();
    let asking = db.clone();
    let mut asked = tokio::spawn(async move { asking.settled_before(at(10)).await });
    let early = tokio::time::timeout(Duration::from_millis(200), &mut asked).await;
    assert!(early.is_err(), "it waits for what is under way");
    db.commit(slow).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), 2);
    db.publish(&signals([3]), at(8)).await.unwrap();
    assert_eq!(db.settled_before(at(10)).await.unwrap(), 2);
    assert_eq!(db.settled_before(at(11)).await.unwrap(), 3);
    // up to a moment and with it, as a replay asks
    assert_eq!(db.settled_before(at(20).plus(1)).await.unwrap(), 3);
    db.publish(&signals([4]), at(20)).await.unwrap();
    assert_eq!(db.settled_before(at(20).plus(1)).await.unwrap(), 3);
}

async fn a_log_that_lost_rows_is_named_anew_by_one(fresh: Fresh) {
    let db = fresh.named().await;
    db.publish(&signals([1, 2, 3]), at(5)).await.unwrap();
    let whole = db.after(0, 10).await.unwrap();
    let lost = |seq: i64, row: Option<LogRow>| Lost {
        epoch: whole.epoch.clone(),
        seq,
        row,
    };
    let seen = lost(3, Some(whole.rows[2].clone()));
    db.begin_anew(&seen, "11111111").await.unwrap();
    db.begin_anew(&lost(3, None), "22222222").await.unwrap();
    assert_eq!(db.head().await.unwrap().epoch, whole.epoch, "it is whole");

    let gone = "delete from signals where seq > 1; update log_head set seq = 1";
    fresh.sql(gone).await;
    db.publish(&signals([8, 9]), at(6)).await.unwrap();
    db.begin_anew(&lost(3, None), "33333333").await.unwrap();
    assert_eq!(db.head().await.unwrap().epoch, whole.epoch, "so it seems");
    let other = Lost {
        epoch: "ffffffff".into(),
        ..seen.clone()
    };
    db.begin_anew(&other, "44444444").await.unwrap();
    assert_eq!(db.head().await.unwrap().epoch, whole.epoch, "another log");
    db.begin_anew(&seen, "55555555").await.unwrap();
    db.begin_anew(&seen, "66666666").await.unwrap();
    let part = db.after(1, 10).await.unwrap();
    assert_eq!((&*part.epoch, part.head), ("55555555", 3));
    assert_eq!(seqs(&part.rows), [2, 3]);
}
