//! The database looked over: whether it can be read and written, whether its pages are sound, and how much there is.

use super::{
    db::{Db, Pools},
    error::StoreResult,
    sql::{query, query_scalar},
    standing::Size,
};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkup {
    /// What kind of database it is.
    pub kind: &'static str,
    /// How much it holds, in bytes.
    pub bytes: i64,
    /// Rows of the signal log so far: its highest seq.
    pub seq: i64,
    /// What is wrong with its pages; empty where they are sound, `None` where the database does not look by itself.
    pub damage: Option<Vec<String>>,
}

impl Db {
    /// Reads the head of the log, writes it back as it is, and has SQLite look at its own pages. On a large database the last takes a
    /// while, and disturbs nobody. PostgreSQL checks a page as it reads it, where its cluster was made so.
    pub async fn check_up(&self) -> StoreResult<Checkup> {
        let mut tx = self.begin().await?;
        query("update log_head set seq = seq where only_row = 1")
            .execute(&mut tx)
            .await?;
        self.commit(tx).await?;
        let looks = matches!(self.0.pools, Pools::Sqlite { .. });
        let Size { kind, bytes } = self.size().await?;
        let seq = query_scalar::<i64>("select seq from log_head where only_row = 1");
        let seq = seq.fetch_one(self).await?;
        let damage = if looks {
            let mut lines = query_scalar::<String>("pragma quick_check(10)")
                .fetch_all(self)
                .await?;
            lines.retain(|line| line != "ok");
            Some(lines)
        } else {
            None
        };
        Ok(Checkup {
            kind,
            bytes,
            seq,
            damage,
        })
    }
}
