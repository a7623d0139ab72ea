//! Companies that wait to be judged anew: marked in the transaction that brought the fact, first for their returns, then for their scores.

use std::collections::HashMap;

use super::{
    db::{Db, Lane, Tx},
    error::StoreResult,
    sql::{QueryBuilder, query, query_as},
};
use crate::model::time::Time;

const KEYS_PER_STATEMENT: usize = 400;
const ROWS_PER_STATEMENT: usize = 100;

/// A company that waits to be judged anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Stale {
    /// Its number.
    pub company: i64,
    /// From when on, microseconds.
    pub since: i64,
    /// How many declarations it has.
    pub declarations: i64,
}

/// How much waits to be judged anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Backlog {
    /// Companies.
    pub companies: i64,
    /// Of them, those whose returns are to be made before any is scored.
    pub returns_due: i64,
}

impl Backlog {
    /// Steps to the end: returns, and scores.
    #[must_use]
    pub fn steps(self) -> u64 {
        u64::try_from(self.companies + self.returns_due).unwrap_or_default()
    }
}

impl Tx {
    /// Notes that a company's declarations from a moment on are to be judged anew: returns first, then scores.
    pub async fn mark_stale(&mut self, companies: &[(i64, Time)]) -> StoreResult<()> {
        self.mark(companies, true).await
    }

    /// Notes that a company's declarations from a moment on are to be scored anew: returns elsewhere changed, its own did not.
    pub async fn mark_unscored(&mut self, companies: &[(i64, Time)]) -> StoreResult<()> {
        self.mark(companies, false).await
    }

    async fn mark(&mut self, companies: &[(i64, Time)], returns_due: bool) -> StoreResult<()> {
        // a mark that comes while the company is judged must wait, or it would go with the one that was judged
        self.alone_in(Lane::Insiders).await?;
        let mut earliest: HashMap<i64, i64> = HashMap::new();
        for (company, since) in companies {
            let known = earliest.entry(*company).or_insert(since.0);
            *known = since.0.min(*known);
        }
        let rows: Vec<(i64, i64)> = earliest.into_iter().collect();
        for chunk in rows.chunks(ROWS_PER_STATEMENT) {
            let mut query =
                QueryBuilder::new("insert into stale_companies (company, since, returns_due) ");
            query.push_values(chunk, |mut row, (company, since)| {
                row.push_bind(*company)
                    .push_bind(*since)
                    .push_bind(returns_due);
            });
            query.push(
                " on conflict (company) do update set
                 since = case when excluded.since < stale_companies.since then excluded.since else stale_companies.since end,
                 returns_due = stale_companies.returns_due or excluded.returns_due",
            );
            query.build().execute(&mut *self).await?;
        }
        Ok(())
    }

    /// Some companies that are to be judged anew, by number: those whose returns are due, or those whose scores alone are.
    pub async fn stale(&mut self, returns_due: bool, limit: i64) -> StoreResult<Vec<Stale>> {
        query_as(
            "select s.company, s.since, c.declarations from stale_companies s join companies c on c.number = s.company
             where s.returns_due = $1 order by s.company limit $2",
        )
        .bind(returns_due)
        .bind(limit)
        .fetch_all(&mut *self)
        .await
    }

    /// Some companies with something new of their own and a filing published at or after a moment, by number: what is news goes first.
    pub async fn stale_with_news(&mut self, oldest: Time, limit: i64) -> StoreResult<Vec<Stale>> {
        // the few latest declarations are looked through, not the many companies that may wait
        query_as(
            "select s.company, s.since, c.declarations from stale_companies s join companies c on c.number = s.company
             where s.returns_due = $1 and s.company in (select company from declarations where published_at >= $2)
             order by s.company limit $3",
        )
        .bind(true)
        .bind(oldest.0)
        .bind(limit)
        .fetch_all(&mut *self)
        .await
    }

    /// Notes that all companies there are wait to be judged anew, from their first declaration on.
    pub async fn mark_all_stale(&mut self) -> StoreResult<()> {
        query(
            "insert into stale_companies (company, since, returns_due) select number, $1, $2 from companies where declarations > 0
             on conflict (company) do update set since = excluded.since, returns_due = excluded.returns_due",
        )
        .bind(i64::MIN)
        .bind(true)
        .execute(&mut *self)
        .await?;
        Ok(())
    }

    /// Notes that a company's returns are made, and its scores wait from this moment on.
    pub async fn returns_done(&mut self, company: i64, since: Time) -> StoreResult<()> {
        query("update stale_companies set since = $2, returns_due = $3 where company = $1")
            .bind(company)
            .bind(since.0)
            .bind(false)
            .execute(&mut *self)
            .await?;
        Ok(())
    }

    /// Those of these companies that are to be judged anew, each with the moment from which on.
    pub async fn stale_of(&mut self, companies: &[i64]) -> StoreResult<Vec<(i64, Time)>> {
        let mut found = Vec::new();
        for some in companies.chunks(KEYS_PER_STATEMENT) {
            let mut query =
                QueryBuilder::new("select company, since from stale_companies where company in (");
            let mut list = query.separated(", ");
            for company in some {
                list.push_bind(*company);
            }
            query.push(") order by company");
            let rows: Vec<(i64, i64)> = query.build_query_as().fetch_all(&mut *self).await?;
            found.extend(
                rows.into_iter()
                    .map(|(company, since)| (company, Time(since))),
            );
        }
        Ok(found)
    }

    /// Notes that a company is judged.
    pub async fn fresh(&mut self, company: i64) -> StoreResult<()> {
        query("delete from stale_companies where company = $1")
            .bind(company)
            .execute(&mut *self)
            .await?;
        Ok(())
    }
}

impl Db {
    /// How many companies wait to be judged anew.
    pub async fn count_stale(&self) -> StoreResult<Backlog> {
        query_as(
            "select count(*) as companies, count(case when returns_due then 1 end) as returns_due from stale_companies")
            .fetch_one(self).await
    }
}
