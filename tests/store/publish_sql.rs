//! Publishing by SQL: from psql and beside nodes, filed as the program files it, and refused where it must be.

use std::process::{Command, Stdio};

use proptest::prelude::*;
use serde_json::{Value, json};
use sigcast::{
    model::{
        log::LogRead as _,
        publish::{self, NewSignal},
    },
    store::db::Db,
};
use sqlx::{Connection as _, PgConnection};

use crate::{
    backend::{at, run, signal, signals},
    cluster::{Database, programs},
};

pub async fn named(database: &Database) -> Db {
    let db = Db::open_postgres(&database.config()).await.unwrap();
    db.name_log("0123abcd", at(0)).await.unwrap();
    db
}

type Answer = (String, i64, bool);

pub async fn by_sql(on: &mut PgConnection, texts: &[&str]) -> sqlx::Result<Vec<Answer>> {
    sqlx::query_as("select id, seq, duplicate from publish_signals($1)")
        .bind(texts)
        .fetch_all(on)
        .await
}

fn id(n: u32) -> String {
    signal(n).id
}

#[test]
fn psql_publishes() {
    run(async {
        let database = Database::fresh();
        let db = named(&database).await;
        let text = format!(r#"{{"n": 1.50, "id": "{}", "rank": "S"}}"#, id(7));
        let statement = format!("select publish_signals(array['{text}', '{text}'])");
        let output = Command::new(programs().join("psql"))
            .args([
                "--no-psqlrc",
                "-At",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                &statement,
            ])
            .arg(&database.url)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(said, format!("({0},1,f)\n({0},1,t)\n", id(7)));
        let rows = db.after(0, 10).await.unwrap().rows;
        assert_eq!(rows.len(), 1);
        assert_eq!(&*rows[0].body, text, "kept as given");
        assert!(rows[0].published_at.0 % 1_000 == 0, "whole milliseconds");
    });
}

#[test]
fn what_sql_may_not_publish_is_refused_and_nothing_of_it_kept() {
    run(async {
        let database = Database::fresh();
        let db = named(&database).await;
        let mut sql = PgConnection::connect(&database.url).await.unwrap();
        let good = signal(1).body;
        let with = |more: &str| format!("{{\"id\":\"{}\",{more}}}", id(2));
        let deep = |levels: usize| {
            let (open, close) = ("[".repeat(levels), "]".repeat(levels));
            with(&format!("\"x\":{open}{close}"))
        };
        let refused = [
            ("{}".to_owned(), "id"),
            ("[]".to_owned(), "JSON object"),
            ("nonsense".to_owned(), "JSON object"),
            ("{\"id\":7}".to_owned(), "id"),
            (good.to_uppercase(), "id"),
            (
                format!("{{\"id\":\"{}\",\"id\":\"{}\"}}", id(1), id(2)),
                "id",
            ),
            (with("\"seq\":1"), "seq"),
            (with("\"published\\u005fat\":1"), "published_at"),
            (with("\n\"x\":1"), "line break"),
            (with("\"x\":\"\\ud800\""), "type json"),
            (with("\"x\":1e999"), "double"),
            (with("\"x\":[{\"y\":-1E+400}]"), "double"),
            (deep(64), "deeper"),
            (
                with(&format!("\"x\":\"{}\"", "y".repeat(131_072))),
                "larger",
            ),
            (good.trim_end_matches('}').to_owned(), ""),
        ];
        for (text, word) in &refused {
            let error = by_sql(&mut sql, &[&good, text]).await.unwrap_err();
            let said = error.to_string();
            assert!(said.contains(word), "{text:.80}: {said}");
        }
        assert_eq!(db.head().await.unwrap().seq, 0);
        let (deepest, indented) = (deep(63), format!(" \t{}", signal(3).body));
        let taken = by_sql(&mut sql, &[&good, &deepest, &indented]).await;
        assert_eq!(taken.unwrap().len(), 3);
        let rows = db.after(0, 10).await.unwrap().rows;
        assert!(rows.iter().all(|row| row.body.starts_with('{')));
        assert_eq!(rows.len(), 3);
    });
}

#[test]
fn publishers_by_sql_and_by_nodes_leave_no_hole() {
    const EACH: u32 = 4;
    const CALLS: u32 = 15;
    run(async {
        let database = Database::fresh();
        let reader = named(&database).await;
        let total = i64::from(EACH * 2 * CALLS * 3);
        let mut tasks = Vec::new();
        for publisher in 0..EACH * 2 {
            let (url, db) = (database.url.clone(), reader.clone());
            tasks.push(tokio::spawn(async move {
                let mut sql = PgConnection::connect(&url).await.unwrap();
                for call in 0..CALLS {
                    let first = (publisher * CALLS + call) * 3;
                    let batch = signals([first, first + 1, first + 2]);
                    if publisher < EACH {
                        db.publish(&batch, at(0)).await.unwrap();
                    } else {
                        let texts: Vec<&str> = batch.iter().map(|one| &*one.body).collect();
                        by_sql(&mut sql, &texts).await.unwrap();
                    }
                }
            }));
        }
        let (mut last, mut time) = (0, at(0));
        while last < total {
            assert!(
                !tasks.iter().all(tokio::task::JoinHandle::is_finished)
                    || reader.head().await.unwrap().seq == total,
                "a publisher failed"
            );
            for row in reader.after(last, 50).await.unwrap().rows {
                assert_eq!(row.seq, last + 1, "a hole, or a row that came late");
                assert!(row.published_at >= time, "published_at goes back");
                (last, time) = (row.seq, row.published_at);
            }
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// Values of any kind where a field is expected, the expected kind more often than not.
fn some_value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-100..100i64).prop_map(Value::from),
        (0..1_000u32).prop_map(|tenths| Value::from(f64::from(tenths) / 10.0)),
        prop::sample::select(vec![
            "S",
            "A",
            "B",
            "C",
            "D",
            "s",
            "",
            "consensus_exit",
            "é\"\\"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(
                (
                    prop::sample::select(vec!["rank", "rank_score", "others", "address"]),
                    inner
                ),
                0..4
            )
            .prop_map(|fields| Value::Object(
                fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
    .boxed()
}

fn rank() -> BoxedStrategy<Value> {
    let known = prop::sample::select(vec!["S", "A", "B", "C", "D", "E"]).prop_map(Value::from);
    prop_oneof![4 => known, 1 => some_value()].boxed()
}

fn score() -> BoxedStrategy<Value> {
    let known = (0..1_000u32).prop_map(|tenths| Value::from(f64::from(tenths) / 10.0));
    prop_oneof![4 => known, 1 => some_value()].boxed()
}

fn reached() -> BoxedStrategy<Value> {
    let one =
        (rank(), score()).prop_map(|(rank, score)| json!({"rank": rank, "rank_score": score}));
    let others = prop_oneof![
        4 => prop::collection::vec(one.clone(), 0..3).prop_map(Value::from),
        1 => some_value(),
    ];
    let all = (one, others).prop_map(|(mut one, others)| {
        one["others"] = others;
        one
    });
    prop_oneof![6 => all, 1 => some_value()].boxed()
}

fn body() -> BoxedStrategy<Value> {
    let kind = prop::sample::select(vec!["consensus_buy", "consensus_exit"]).prop_map(Value::from);
    let token = prop_oneof![
        some_value(),
        some_value().prop_map(|address| json!({"address": address}))
    ];
    (
        prop_oneof![4 => kind, 1 => some_value()],
        rank(),
        score(),
        token,
        some_value(),
        reached(),
    )
        .prop_map(|(signal_type, rank, rank_score, token, market, best_before)| {
            json!({
                "signal_type": signal_type, "rank": rank, "rank_score": rank_score, "token": token,
                "market": market, "best_before": best_before,
            })
        })
        .boxed()
}

type Columns = (
    Option<String>,
    Option<i64>,
    Option<f64>,
    Option<String>,
    Option<String>,
);

#[test]
fn sql_files_a_signal_as_the_program_does() {
    const BODIES: usize = 400;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let bodies: Vec<Value> = (0..BODIES)
        .map(|_| body().new_tree(&mut runner).unwrap().current())
        .collect();
    run(async {
        let (database, rival) = (Database::fresh(), Database::fresh());
        let (ours, theirs) = (named(&database).await, named(&rival).await);
        let prepared: Vec<NewSignal> = (0..)
            .zip(&bodies)
            .map(|(n, body)| {
                let mut body = body.clone();
                body["id"] = Value::from(id(n));
                publish::prepare(&body.to_string(), || unreachable!("it has an id")).unwrap()
            })
            .collect();
        ours.publish(&prepared, at(0)).await.unwrap();
        let mut sql = PgConnection::connect(&rival.url).await.unwrap();
        let texts: Vec<&str> = prepared.iter().map(|one| &*one.body).collect();
        by_sql(&mut sql, &texts).await.unwrap();
        let mut filled = 0;
        let columns = |url: String| async move {
            let mut sql = PgConnection::connect(&url).await.unwrap();
            let rows: Vec<Columns> = sqlx::query_as(
                "select signal_type, best_rank, best_score, token, market from signals order by seq",
            )
            .fetch_all(&mut sql)
            .await
            .unwrap();
            rows
        };
        let (one, other) = (
            columns(database.url.clone()).await,
            columns(rival.url.clone()).await,
        );
        assert_eq!(one.len(), BODIES);
        for ((one, other), signal) in one.iter().zip(&other).zip(&prepared) {
            assert_eq!(one, other, "{}", signal.body);
            filled += usize::from(one.0.as_deref() == Some("consensus_exit") && one.1.is_some());
        }
        assert!(
            filled > BODIES / 20,
            "exits with a rank are among them: {filled}"
        );
        drop((ours, theirs));
    });
}

#[test]
fn who_may_publish_may_do_nothing_else() {
    run(async {
        let database = Database::fresh();
        let db = named(&database).await;
        let role = format!("publisher_{}", std::process::id());
        let run_as = async |first: &str, sql: &str| {
            let mut connection = PgConnection::connect(&database.url).await.unwrap();
            let sql = format!("{first} {sql}").replace("ROLE", &role);
            let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection);
            done.await.map_err(|error| error.to_string())
        };
        let operator = async |sql: &str| run_as("", sql).await.unwrap();
        let does = async |sql: &str| run_as("set role ROLE;", sql).await;
        operator("create role ROLE; grant usage on schema public to ROLE").await;
        let publish = format!(r#"select publish_signals(array['{{"id":"{}"}}'])"#, id(1));
        let refused = does(&publish).await.unwrap_err();
        assert!(
            refused.contains("permission denied for function"),
            "{refused}"
        );
        operator("grant execute on function publish_signals(text[]) to ROLE").await;
        does(&publish).await.unwrap();
        for sql in [
            "insert into signals (seq, id, published_at, body) values (9, 'x', 0, E'{}\n\nevent: error')",
            "update log_head set seq = 9",
            "update log_head set epoch = 'ffffffff'",
            "select rename_log()",
        ] {
            let refused = does(sql).await.unwrap_err();
            assert!(refused.contains("permission denied"), "{sql}: {refused}");
        }
        operator("drop owned by ROLE; drop role ROLE").await;
        let rows = db.after(0, 10).await.unwrap().rows;
        assert!(rows.iter().any(|row| row.body.contains(&id(1))));
    });
}

#[test]
fn a_number_too_small_is_refused_with_its_place() {
    run(async {
        let database = Database::fresh();
        let db = named(&database).await;
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        let good = format!(r#"{{"id":"{}","rank_score":1e-300}}"#, id(1));
        let small = format!(r#"{{"id":"{}","rank_score":1e-400}}"#, id(2));
        let refused = by_sql(&mut connection, &[&good, &small]).await.unwrap_err();
        let refused = refused.to_string();
        assert!(refused.contains("signal 2: rank_score"), "{refused}");
        assert_eq!(db.head().await.unwrap().seq, 0);
        by_sql(&mut connection, &[&good]).await.unwrap();
    });
}
