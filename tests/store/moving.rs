//! What moves to another database is held against the tables that there are: whoever adds a table, or a column, says whether it moves.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use sigcast::store::tables::{Kind, LEFT_BEHIND, Rows, TABLES};
use sqlx::{Connection as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::backend::{Fresh, at, promises, signals};

promises!(
    each_table_moves_as_a_whole_or_stays_behind,
    a_snapshot_is_of_one_moment,
    what_is_filled_is_nobody_elses_meanwhile,
);

/// A table as a database describes it.
#[derive(Default)]
struct Found {
    columns: BTreeMap<String, Kind>,
    key: Vec<String>,
    /// Tables that its rows refer to.
    refers_to: BTreeSet<String>,
    /// Columns that may be null.
    nullable: BTreeSet<String>,
    /// Columns of its key that are not compared by their bytes.
    by_letters: BTreeSet<String>,
    /// Whether the database numbers its rows.
    numbered: bool,
}

type Schema = BTreeMap<String, Found>;

fn kind(declared: &str) -> Kind {
    match declared.to_ascii_lowercase().as_str() {
        "bigint" | "integer" => Kind::Int,
        "double precision" => Kind::Real,
        "boolean" => Kind::Bool,
        "text" => Kind::Text,
        other => panic!("a column of {other}: say what its values are in a file"),
    }
}

async fn sqlite(folder: &std::path::Path) -> Schema {
    let file = SqliteConnectOptions::new().filename(folder.join("sigcast.db"));
    let mut db = SqliteConnection::connect_with(&file).await.unwrap();
    let columns: Vec<(String, String, String, bool, i64)> = sqlx::query_as(
        r#"select t.name, c.name, c.type, c."notnull" or c.pk > 0, c.pk from sqlite_master t, pragma_table_info(t.name) c
           where t.type = 'table' and t.name not like 'sqlite_%' order by t.name, c.pk"#,
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    let mut schema = Schema::new();
    for (table, column, declared, not_null, key) in columns {
        let found = schema.entry(table).or_default();
        if !not_null {
            found.nullable.insert(column.clone());
        }
        if key > 0 {
            found.key.push(column.clone());
        }
        // the table of steps is the migrator's own
        if !declared.eq_ignore_ascii_case("timestamp") && !declared.eq_ignore_ascii_case("blob") {
            found.columns.insert(column, kind(&declared));
        }
    }
    let references: Vec<(String, String)> = sqlx::query_as(
        r#"select t.name, r."table" from sqlite_master t, pragma_foreign_key_list(t.name) r where t.type = 'table'"#,
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    for (table, other) in references {
        schema.get_mut(&table).unwrap().refers_to.insert(other);
    }
    schema
}

async fn postgres(url: &str) -> Schema {
    let mut db = PgConnection::connect(url).await.unwrap();
    let stays: Vec<_> = LEFT_BEHIND.map(|(name, _)| name.to_owned()).to_vec();
    let columns: Vec<(String, String, String, bool, bool, bool)> = sqlx::query_as(
        "select table_name::text, column_name::text, data_type::text, is_nullable = 'YES', is_identity = 'YES',
             data_type = 'text' and coalesce(collation_name, '') <> 'C'
         from information_schema.columns join information_schema.tables using (table_schema, table_name)
         where table_schema = current_schema() and table_type = 'BASE TABLE'",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    let mut schema = Schema::new();
    for (table, column, declared, nullable, numbered, by_letters) in columns {
        let is_left = stays.contains(&table);
        let found = schema.entry(table).or_default();
        found.numbered |= numbered;
        if nullable {
            found.nullable.insert(column.clone());
        }
        if by_letters {
            found.by_letters.insert(column.clone());
        }
        // what stays behind may hold what moves nowhere
        if !is_left {
            found.columns.insert(column, kind(&declared));
        }
    }
    let keys: Vec<(String, String)> = sqlx::query_as(
        "select c.relname::text, a.attname::text from pg_index i join pg_class c on c.oid = i.indrelid
         cross join unnest(i.indkey) with ordinality k (attnum, at) join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
         where i.indisprimary and k.at <= i.indnkeyatts and c.relnamespace = current_schema()::regnamespace order by c.relname, k.at",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    for (table, column) in keys {
        schema.get_mut(&table).unwrap().key.push(column);
    }
    let references: Vec<(String, String)> = sqlx::query_as(
        "select f.relname::text, t.relname::text from pg_constraint x join pg_class f on f.oid = x.conrelid
         join pg_class t on t.oid = x.confrelid where x.contype = 'f' and f.relnamespace = current_schema()::regnamespace",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    for (table, other) in references {
        schema.get_mut(&table).unwrap().refers_to.insert(other);
    }
    schema
}

async fn each_table_moves_as_a_whole_or_stays_behind(fresh: Fresh) {
    fresh.open().await.close().await;
    let (schema, is_postgres) = match &fresh {
        Fresh::Sqlite(folder) => (sqlite(folder.path()).await, false),
        Fresh::Postgres(database) => (postgres(&database.url).await, true),
    };
    let left = LEFT_BEHIND.map(|(name, _)| name);
    for (name, found) in &schema {
        let told = TABLES.iter().position(|table| table.name == name);
        assert_eq!(
            told.is_some() as u8 + left.contains(&name.as_str()) as u8,
            1,
            "{name}: say in store/tables.rs whether it moves with the store (TABLES) or stays behind (LEFT_BEHIND)"
        );
        let Some(place) = told else { continue };
        let table = &TABLES[place];
        let columns: BTreeMap<String, Kind> = table
            .columns()
            .map(|column| (column.name.to_owned(), column.kind))
            .collect();
        let mut there = found.columns.clone();
        for column in table.without {
            assert!(there.remove(*column).is_some(), "{name}.{column} is gone");
            assert!(found.nullable.contains(*column), "{name}.{column}");
        }
        assert_eq!(columns, there, "the columns of {name}");
        let key: Vec<_> = table.key.iter().map(|column| column.name).collect();
        assert_eq!(key, found.key, "the key of {name}");
        for (column, kind) in &columns {
            let yes_or_no = *kind == Kind::Bool;
            assert!(
                !yes_or_no || !found.nullable.contains(column),
                "{name}.{column}"
            );
        }
        for column in &key {
            assert!(
                !found.by_letters.contains(*column),
                "{name}.{column}: collate \"C\""
            );
        }
        for other in &found.refers_to {
            let before = TABLES[..place].iter().any(|table| table.name == other);
            let stays = left.contains(&other.as_str());
            assert!(
                before || stays,
                "{name} stands before {other}, to which it refers"
            );
        }
        if is_postgres {
            assert_eq!(found.numbered, table.rows == Rows::Numbered, "{name}");
        }
    }
    for table in TABLES {
        assert!(schema.contains_key(table.name), "{} is gone", table.name);
    }
    if is_postgres {
        assert!(
            left.iter().all(|name| schema.contains_key(*name)),
            "some are gone"
        );
    }
}

/// What is committed while it is read is not in it, and whoever commits does not wait.
async fn a_snapshot_is_of_one_moment(fresh: Fresh) {
    let db = fresh.named().await;
    let one = signals(1..=3);
    db.publish(&one, at(1)).await.unwrap();
    let mut snapshot = db.snapshot().await.unwrap();
    assert_eq!(snapshot.head().await.unwrap().seq, 3);
    let more = signals(4..=9);
    db.publish(&more, at(2)).await.unwrap();
    assert_eq!(snapshot.head().await.unwrap().seq, 3);
    let mut walk = snapshot.walk();
    let (mut published, mut firsts) = (0, 0);
    while let Some(page) = walk.next().await.unwrap() {
        firsts += usize::from(page.is_first);
        if page.table.name == "signals" {
            published += page.rows.len();
        }
    }
    assert_eq!((published, firsts), (3, TABLES.len()));
}

/// Nobody becomes a node of it, and what was not committed was never there.
async fn what_is_filled_is_nobody_elses_meanwhile(fresh: Fresh) {
    let (db, other) = (fresh.named().await, fresh.open().await);
    let life = Duration::from_millis(400);
    let filling = db.begin_filling().await.unwrap();
    if other.is_shared() {
        assert!(
            other.join("a server", life).await.is_err(),
            "it waits in vain"
        );
    }
    drop(filling);
    let published = other.publish(&signals(1..=2), at(1)).await.unwrap();
    assert_eq!(
        published.iter().map(|one| one.seq).collect::<Vec<_>>(),
        [1, 2]
    );
    assert!(db.begin_filling().await.is_err(), "there is a store now");
    let nobody = fresh.another();
    let (db, other) = (nobody.named().await, nobody.open().await);
    other.join("a server", life * 100).await.unwrap();
    assert_eq!(
        db.begin_filling().await.is_err(),
        other.is_shared(),
        "it lives"
    );
}
