//! The whole store on its way to another database: read as it is at one moment, and put into one that is empty, all or nothing.

use super::{
    db::{Db, Tx},
    error::{StoreError, StoreResult},
    row_line::{Any, Row},
    sql::{QueryBuilder, Value, query, query_as, query_scalar},
    tables::{Rows, TABLES, Table},
};
use crate::model::log::{LogHead, Position};

/// All of the store at one moment: what is committed later is not in it, and nobody waits for it.
pub struct Snapshot(Tx);

/// A store that is put into an empty database. Dropped without a commit, it leaves nothing behind.
pub struct Filling(Tx);

/// All tables read, page by page.
pub struct Walk<'t> {
    tx: &'t mut Tx,
    tables: std::slice::Iter<'static, Table>,
    /// The table that is read, and the key of its last row so far.
    at: Option<(&'static Table, Vec<Value>)>,
    /// Rows of the next page.
    limit: usize,
}

/// Rows of a table, in the order of its key.
#[derive(Debug)]
pub struct Page {
    /// Whose.
    pub table: &'static Table,
    /// Whether these are its first: each table has a page at least.
    pub is_first: bool,
    /// The rows.
    pub rows: Vec<Row>,
}

/// What a page weighs, about, in bytes: rows are from twenty bytes to a million.
const PAGE_BYTES: usize = 1 << 20;
/// Rows of a table's first page, and of any.
const FIRST_ROWS: usize = 32;
const MOST_ROWS_OF_PAGE: usize = 4_096;

impl Walk<'_> {
    /// The next page; `None` behind the last table's last.
    pub async fn next(&mut self) -> StoreResult<Option<Page>> {
        let (table, after) = match self.at.take() {
            Some((table, after)) => (table, Some(after)),
            None => match self.tables.next() {
                Some(table) => (table, None),
                None => return Ok(None),
            },
        };
        if after.is_none() {
            self.limit = FIRST_ROWS;
        }
        let rows = page(self.tx, table, after.as_deref(), self.limit).await?;
        if rows.len() == self.limit
            && let Some(last) = rows.last()
        {
            let key = last.0.iter().take(table.key.len()).cloned();
            self.at = Some((table, key.collect()));
        }
        let weight: usize = rows.iter().map(Row::weight).sum();
        let fitting = PAGE_BYTES / (weight / rows.len().max(1)).max(1);
        // in steps, as what comes next may be larger
        self.limit = fitting.clamp(1, (2 * self.limit).min(MOST_ROWS_OF_PAGE));
        let is_first = after.is_none();
        Ok(Some(Page {
            table,
            is_first,
            rows,
        }))
    }
}

/// Values in one statement: both databases take as many.
const MOST_VALUES: usize = 30_000;
/// Rows in one statement.
const MOST_ROWS: usize = 500;

impl Db {
    /// Reads all at one moment.
    pub async fn snapshot(&self) -> StoreResult<Snapshot> {
        self.begin_snapshot().await.map(Snapshot)
    }

    /// Begins to fill this database, which must be empty and used by nobody else: others that write wait, and are refused after a while.
    pub async fn begin_filling(&self) -> StoreResult<Filling> {
        let mut tx = self.begin().await?;
        tx.writes_log();
        if tx.is_shared() {
            // first: whoever joins from here on waits
            query("lock table nodes in exclusive mode")
                .execute(&mut tx)
                .await?;
            let living = query_scalar::<i64>(
                "select count(*) from nodes where beat_at >= clock_timestamp() - life",
            );
            if living.fetch_one(&mut tx).await? > 0 {
                return Err(refused(
                    "a server or a command works on this database; stop it first",
                ));
            }
            tx.waits_for_its_process().await?;
            let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
            let lock = format!("lock table {} in exclusive mode", names.join(", "));
            QueryBuilder::new(lock).build().execute(&mut tx).await?;
        }
        for table in TABLES.iter().filter(|table| table.rows != Rows::Begun) {
            let one = format!(
                "select count(*) from (select 1 from {} limit 1) one",
                table.name
            );
            let some = QueryBuilder::new(one).build_query_scalar::<i64>();
            if some.fetch_one(&mut tx).await? > 0 {
                let what = format!(
                    "there is a store in this database already (it has {})",
                    table.name
                );
                return Err(refused(what));
            }
        }
        let seq = query_scalar::<i64>("select coalesce(max(seq), 0) from log_head");
        if seq.fetch_one(&mut tx).await? > 0 {
            return Err(refused("there was a log in this database already"));
        }
        for table in TABLES.iter().rev() {
            let all = format!("delete from {}", table.name);
            QueryBuilder::new(all).build().execute(&mut tx).await?;
        }
        Ok(Filling(tx))
    }
}

fn refused(why: impl Into<String>) -> StoreError {
    StoreError::Refused(why.into())
}

impl Snapshot {
    /// Where the log stands.
    pub async fn head(&mut self) -> StoreResult<LogHead> {
        head(&mut self.0).await
    }

    /// Rows of all tables together.
    pub async fn count(&mut self) -> StoreResult<u64> {
        let mut all = 0;
        for table in TABLES {
            let count = format!("select count(*) from {}", table.name);
            let count = QueryBuilder::new(count).build_query_scalar::<i64>();
            all += u64::try_from(count.fetch_one(&mut self.0).await?).unwrap_or(0);
        }
        Ok(all)
    }

    /// Reads all tables.
    pub fn walk(&mut self) -> Walk<'_> {
        walk(&mut self.0)
    }
}

impl Filling {
    /// Puts rows into a table. Those that its rows refer to are there already.
    pub async fn put(&mut self, table: &Table, rows: Vec<Row>) -> StoreResult<()> {
        let columns = table.columns().count();
        let most = (MOST_VALUES / columns).clamp(1, MOST_ROWS);
        let into = format!("insert into {} ({}) ", table.name, list(table.columns()));
        let numbered = table.rows == Rows::Numbered && self.0.is_shared();
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut insert = QueryBuilder::new(into.as_str());
            if numbered {
                insert.push("overriding system value ");
            }
            insert.push_values(rows.by_ref().take(most), |mut values, row| {
                for value in row.0 {
                    values.push_bind(value);
                }
            });
            insert.build().execute(&mut self.0).await?;
        }
        Ok(())
    }

    /// Has what the database numbers itself go on behind what is there, and the database look at what it holds now, by which it chooses its
    /// ways.
    pub async fn settle(&mut self) -> StoreResult<()> {
        if !self.0.is_shared() {
            // SQLite numbers behind the greatest that is there, and chooses by what indexes there are
            return Ok(());
        }
        for table in TABLES.iter().filter(|table| table.rows == Rows::Numbered) {
            let (name, key) = (table.name, table.key[0].name);
            let next = format!(
                "select setval(pg_get_serial_sequence('{name}', '{key}'), coalesce(max({key}), 0) + 1, false) from {name}"
            );
            let next = QueryBuilder::new(next).build_query_scalar::<i64>();
            next.fetch_one(&mut self.0).await?;
        }
        for table in TABLES {
            let look = format!("analyze {}", table.name);
            QueryBuilder::new(look).build().execute(&mut self.0).await?;
        }
        Ok(())
    }

    /// Reads all tables as they are now.
    pub fn walk(&mut self) -> Walk<'_> {
        walk(&mut self.0)
    }

    /// Names the log anew, and has webhooks go on in it by that name: where the store that it comes from went on, its clients may be ahead,
    /// and must be told so. Gives where it stands.
    pub async fn rename_log(&mut self, epoch: &str) -> StoreResult<Position> {
        let LogHead {
            epoch: before, seq, ..
        } = head(&mut self.0).await?;
        query("update log_head set epoch = $1 where only_row = 1")
            .bind(epoch)
            .execute(&mut self.0)
            .await?;
        self.0.move_hooks(&before, epoch, seq).await?;
        let epoch = epoch.into();
        Ok(Position { epoch, seq })
    }

    /// Makes it so.
    pub async fn commit(mut self, db: &Db) -> StoreResult<()> {
        self.0.tell_all();
        db.commit(self.0).await
    }
}

fn walk(tx: &mut Tx) -> Walk<'_> {
    Walk {
        tx,
        tables: TABLES.iter(),
        at: None,
        limit: FIRST_ROWS,
    }
}

async fn head(tx: &mut Tx) -> StoreResult<LogHead> {
    let (epoch, seq, oldest): (String, i64, i64) =
        query_as("select epoch, seq, oldest from log_head cross join log_tail")
            .fetch_one(tx)
            .await?;
    let epoch = epoch.into();
    Ok(LogHead { epoch, seq, oldest })
}

/// Columns by their names, quoted: some are words of SQL.
fn list(columns: impl Iterator<Item = super::tables::Column>) -> String {
    let quoted: Vec<_> = columns
        .map(|column| format!("\"{}\"", column.name))
        .collect();
    quoted.join(", ")
}

async fn page(
    tx: &mut Tx,
    table: &Table,
    after: Option<&[Value]>,
    limit: usize,
) -> StoreResult<Vec<Row>> {
    let (columns, key) = (list(table.columns()), list(table.key.iter().copied()));
    let mut query = QueryBuilder::new(format!("select {columns} from {}", table.name));
    if let Some(after) = after {
        query.push(format!(" where ({key}) > ("));
        let mut values = query.separated(", ");
        for value in after {
            values.push_bind(value.clone());
        }
        query.push(")");
    }
    query.push(format!(" order by {key} limit "));
    query.push_bind(limit as i64);
    query.build_shape::<Any>().fetch_all(tx).await
}
