//! Filings as they were filed: appended in order of arrival, each once, and back whole.

use std::collections::{HashMap, HashSet};

use super::{
    db::{Db, Tx},
    error::{StoreError, StoreResult},
    sql::{QueryBuilder, query, query_as, query_scalar},
};
use crate::model::{
    filing::{Filing, Status},
    time::Time,
};

const KEYS_PER_STATEMENT: usize = 400;
const ROWS_PER_STATEMENT: usize = 200;

/// A filing in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredFiling {
    /// Its number: grows with arrival.
    pub number: i64,
    /// Number of its company.
    pub company: i64,
    /// When it was taken in.
    pub arrived_at: Time,
    /// As filed.
    pub filing: Filing,
}

type FilingRow = (i64, i64, i64, String);

fn read_filing((number, company, arrived_at, body): &FilingRow) -> StoreResult<StoredFiling> {
    let filing = serde_json::from_str(body)
        .map_err(|e| StoreError::corrupt(format!("filing {number}"), e))?;
    Ok(StoredFiling {
        number: *number,
        company: *company,
        arrived_at: Time(*arrived_at),
        filing,
    })
}

impl Tx {
    /// Which of these ids are known, each with its number and its status.
    pub async fn known_filings(
        &mut self,
        ids: &[&str],
    ) -> StoreResult<HashMap<String, (i64, Status)>> {
        let mut known = HashMap::new();
        for some in ids.chunks(KEYS_PER_STATEMENT) {
            let mut query =
                QueryBuilder::new("select id, number, status from filings where id in (");
            let mut list = query.separated(", ");
            for id in some {
                list.push_bind(*id);
            }
            query.push(")");
            let rows: Vec<(String, i64, String)> =
                query.build_query_as().fetch_all(&mut *self).await?;
            for (id, number, word) in rows {
                let status = Status::ALL.into_iter().find(|status| status.word() == word);
                let status = status.ok_or_else(|| StoreError::corrupt(id.clone(), "its status"))?;
                known.insert(id, (number, status));
            }
        }
        Ok(known)
    }

    /// Appends filings that are not known, each with the number of its company. Gives their numbers.
    pub async fn append_filings(
        &mut self,
        filings: &[(&Filing, i64)],
        now: Time,
    ) -> StoreResult<Vec<i64>> {
        let first: i64 = query_scalar("select coalesce(max(number), 0) + 1 from filings")
            .fetch_one(&mut *self)
            .await?;
        let numbered: Vec<(i64, &Filing, i64, String)> = (first..)
            .zip(filings)
            .map(|(number, (filing, company))| {
                let body = serde_json::to_string(filing)
                    .map_err(|e| StoreError::corrupt(format!("filing {}", filing.id), e))?;
                Ok((number, *filing, *company, body))
            })
            .collect::<StoreResult<_>>()?;
        for chunk in numbered.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "insert into filings (number, id, market, form, status, company, published_at, arrived_at, body) ",
            );
            query.push_values(chunk, |mut row, (number, filing, company, body)| {
                row.push_bind(*number)
                    .push_bind(&filing.id.0)
                    .push_bind(&filing.market)
                    .push_bind(&filing.form)
                    .push_bind(filing.status.word())
                    .push_bind(*company)
                    .push_bind(filing.published_at.0)
                    .push_bind(now.0)
                    .push_bind(body);
            });
            query.build().execute(&mut *self).await?;
        }
        Ok(numbered.iter().map(|(number, ..)| *number).collect())
    }

    /// Filings by number.
    pub async fn filings(&mut self, numbers: &[i64]) -> StoreResult<Vec<StoredFiling>> {
        let mut found = Vec::new();
        for some in numbers.chunks(KEYS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "select number, company, arrived_at, body from filings where number in (",
            );
            let mut list = query.separated(", ");
            for number in some {
                list.push_bind(*number);
            }
            query.push(")");
            let rows: Vec<FilingRow> = query.build_query_as().fetch_all(&mut *self).await?;
            for row in &rows {
                found.push(read_filing(row)?);
            }
        }
        Ok(found)
    }

    /// The filings that follow a number, in the order of their numbers.
    pub async fn filings_after(
        &mut self,
        number: i64,
        limit: i64,
    ) -> StoreResult<Vec<StoredFiling>> {
        let rows: Vec<FilingRow> = query_as(
            "select number, company, arrived_at, body from filings where number > $1 order by number limit $2",
        )
        .bind(number)
        .bind(limit)
        .fetch_all(&mut *self)
        .await?;
        rows.iter().map(read_filing).collect()
    }

    /// Notes what the regulator says now of a filing: all else of it stays as it was filed.
    pub async fn put_status(&mut self, number: i64, filing: &Filing) -> StoreResult<()> {
        let body = serde_json::to_string(filing)
            .map_err(|e| StoreError::corrupt(format!("filing {}", filing.id), e))?;
        query("update filings set status = $2, body = $3 where number = $1")
            .bind(number)
            .bind(filing.status.word())
            .bind(body)
            .execute(&mut *self)
            .await?;
        Ok(())
    }
}

impl Db {
    /// The filing that a declaration is part of.
    pub async fn filing_of(&self, declaration: i64) -> StoreResult<Option<StoredFiling>> {
        let row: Option<FilingRow> =  query_as(
            "select f.number, f.company, f.arrived_at, f.body from filings f join declarations d on d.filing = f.number where d.number = $1")
            .bind(declaration).fetch_optional(self).await?;
        row.as_ref().map(read_filing).transpose()
    }

    /// Which of these ids are known.
    pub async fn which_filings(&self, ids: &[&str]) -> StoreResult<HashSet<String>> {
        let mut known = HashSet::new();
        for some in ids.chunks(KEYS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("select id from filings where id in (");
            let mut list = query.separated(", ");
            for id in some {
                list.push_bind(*id);
            }
            query.push(")");
            let rows: Vec<String> = query.build_query_scalar().fetch_all(self).await?;
            known.extend(rows);
        }
        Ok(known)
    }

    /// How many filings there are.
    pub async fn count_filings(&self) -> StoreResult<i64> {
        query_scalar("select count(*) from filings")
            .fetch_one(self)
            .await
    }
}
