//! The database looked over: whether it can be read and written, whether its pages are sound, and how much there is.

use super::{
    db::{Db, Pools},
    error::StoreResult,
};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkup {
    /// What kind of database it is.
    pub kind: &'static str,
    /// Rows of the signal log so far: its highest seq.
    pub seq: i64,
    /// What is wrong with its pages; empty where they are sound.
    pub damage: Vec<String>,
}

impl Db {
    /// Reads the head of the log, writes it back as it is, and has the database look at its own pages. On a large database the
    /// last takes a while, and disturbs nobody.
    pub async fn check_up(&self) -> StoreResult<Checkup> {
        let mut tx = self.begin().await?;
        sqlx::query("update log_head set seq = seq where only_row = 1")
            .execute(&mut *tx.0)
            .await?;
        self.commit(tx).await?;
        match &self.0.pools {
            Pools::Sqlite { read, .. } => {
                let seq: (i64,) = sqlx::query_as("select seq from log_head where only_row = 1")
                    .fetch_one(read)
                    .await?;
                let lines: Vec<(String,)> = sqlx::query_as("pragma quick_check(10)")
                    .fetch_all(read)
                    .await?;
                let damage = lines.into_iter().map(|(line,)| line);
                Ok(Checkup {
                    kind: "SQLite",
                    seq: seq.0,
                    damage: damage.filter(|line| line != "ok").collect(),
                })
            }
        }
    }
}
