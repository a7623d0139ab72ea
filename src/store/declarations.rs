//! Declarations as the insider engine knows and judges them: records in, revisions out, and what waits to be judged anew.

use std::collections::{HashMap, HashSet};

use super::{
    db::{Db, Tx},
    error::{StoreError, StoreResult},
    sql::{QueryBuilder, query, query_as, query_scalar},
};
use crate::{model::time::Time, score::insider::record::DeclarationRecord};

const KEYS_PER_STATEMENT: usize = 400;
const ROWS_PER_STATEMENT: usize = 100;

/// A declaration about to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDeclaration {
    /// What the engine knows of it.
    pub record: DeclarationRecord,
    /// Number of its filing.
    pub filing: i64,
    /// Number of its company.
    pub company: i64,
    /// Number of its principal insider.
    pub insider: i64,
    /// Numbers of everybody it is about, the principal included.
    pub people: Vec<i64>,
    /// What the insider is to the company, in words.
    pub function: Option<String>,
    /// Code of its market.
    pub market: String,
    /// ISIN of the instrument, else of the company.
    pub isin: Option<String>,
    /// Whether a score of it may become a signal: not with history, and only once.
    pub may_fire: bool,
    /// See [`crate::score::insider::entity::head`].
    pub head: String,
    /// See [`crate::score::insider::entity::rest`].
    pub rest: String,
}

/// A declaration in its place among those of its company.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredDeclaration {
    /// Its number.
    pub number: i64,
    /// Number of its filing.
    pub filing: i64,
    /// Its latest revision; 0 before the first assessment.
    pub revision: i64,
    /// What its latest assessment said: see [`Revision::said`]. Empty before the first.
    pub said: String,
    /// Whether a score of it may become a signal: it is no history, and made none yet.
    pub may_fire: bool,
    /// The filing that took its filing's place, said its latest assessment.
    pub superseded_by: Option<String>,
    /// See [`crate::score::insider::entity::head`].
    pub head: String,
    /// Number of its principal insider.
    pub insider: i64,
    /// What the engine knows of it.
    pub record: DeclarationRecord,
}

/// An assessment that differs from the latest one that is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Number of the declaration.
    pub declaration: i64,
    /// From 1.
    pub revision: i64,
    /// Score in tenths.
    pub score: Option<i64>,
    /// `BUY` or `SELL` where it counts.
    pub direction: Option<&'static str>,
    /// Millionths of what counts.
    pub amount_micros: Option<i64>,
    /// Whether it is part of a cluster.
    pub is_cluster: bool,
    /// Whether what is filed cannot be.
    pub suspect: bool,
    /// Whether its score asks for the mean of all returns.
    pub tracks: bool,
    /// The filing that took its filing's place.
    pub superseded_by: Option<String>,
    /// A digest of all that the assessment says but for times: two that say the same are one revision.
    pub said: String,
    /// See [`crate::score::insider::entity::head`].
    pub head: String,
    /// JSON of the signal.
    pub signal: String,
    /// JSON of the declaration's own members.
    pub rest: String,
    /// JSON of the audit; `None` without a score.
    pub audit: Option<String>,
}

#[derive(sqlx::FromRow)]
struct RecordRow {
    number: i64,
    filing: i64,
    revision: i64,
    said: String,
    may_fire: bool,
    superseded_by: Option<String>,
    head: String,
    insider: i64,
    record: String,
}

impl Tx {
    /// Stores declarations, unjudged, and counts them where they belong. Gives their numbers.
    pub async fn put_declarations(
        &mut self,
        declarations: &[NewDeclaration],
        now: Time,
    ) -> StoreResult<Vec<i64>> {
        let first: i64 = query_scalar("select coalesce(max(number), 0) + 1 from declarations")
            .fetch_one(&mut *self)
            .await?;
        let numbered: Vec<(i64, &NewDeclaration, String)> = (first..)
            .zip(declarations)
            .map(|(number, new)| {
                let record = serde_json::to_string(&new.record)
                    .map_err(|e| StoreError::corrupt(new.record.amf_id.clone(), e))?;
                Ok((number, new, record))
            })
            .collect::<StoreResult<_>>()?;
        for chunk in numbered.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "insert into declarations (number, amf_id, filing, principal, company, insider, joint, market, published_at, traded_on,
                 isin, is_cluster, tracks, revision, assessed_at, may_fire, said, record, head, rest, signal) ",
            );
            query.push_values(chunk, |mut row, (number, new, record)| {
                row.push_bind(*number)
                    .push_bind(&new.record.amf_id)
                    .push_bind(new.filing)
                    .push_bind(new.record.principal)
                    .push_bind(new.company)
                    .push_bind(new.insider)
                    .push_bind(new.people.len() > 1)
                    .push_bind(&new.market)
                    .push_bind(new.record.published_at.0)
                    .push_bind(new.record.filed.transaction_date.map(super::prices::day_of))
                    .push_bind(&new.isin)
                    .push_bind(false)
                    .push_bind(false)
                    .push_bind(0_i64)
                    .push_bind(now.0)
                    .push_bind(new.may_fire)
                    .push_bind("")
                    .push_bind(record)
                    .push_bind(&new.head)
                    .push_bind(&new.rest)
                    .push_bind("null");
            });
            query.build().execute(&mut *self).await?;
        }
        self.put_people(&numbered).await?;
        Ok(numbered.iter().map(|(number, ..)| *number).collect())
    }

    async fn put_people(&mut self, numbered: &[(i64, &NewDeclaration, String)]) -> StoreResult<()> {
        let rows: Vec<(i64, i64, i64)> = numbered
            .iter()
            .flat_map(|(number, new, _)| {
                (new.people.iter()).map(|insider| (*insider, new.record.published_at.0, *number))
            })
            .collect();
        for chunk in rows.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "insert into declaration_people (insider, published_at, declaration) ",
            );
            query.push_values(chunk, |mut row, (insider, at, number)| {
                row.push_bind(*insider).push_bind(*at).push_bind(*number);
            });
            query.push(" on conflict do nothing");
            query.build().execute(&mut *self).await?;
        }
        self.put_functions(numbered).await?;
        let companies: Vec<i64> = numbered.iter().map(|(_, new, _)| new.company).collect();
        let insiders: Vec<i64> = rows.iter().map(|(insider, ..)| *insider).collect();
        self.count_again(
            "update companies set
                declarations = (select count(*) from declarations where company = companies.number),
                insiders = (select count(*) from insider_companies where company = companies.number),
                latest_at = (select max(published_at) from declarations where company = companies.number)
             where number in (",
            companies,
        )
        .await?;
        self.count_again(
            "update insiders set
                declarations = (select count(*) from declaration_people where insider = insiders.number),
                companies = (select count(*) from insider_companies where insider = insiders.number)
             where number in (",
            insiders,
        )
        .await
    }

    async fn put_functions(
        &mut self,
        numbered: &[(i64, &NewDeclaration, String)],
    ) -> StoreResult<()> {
        // one statement must not meet a row twice: the latest of each, the last by amfId of one moment
        let mut latest: HashMap<(i64, i64), &NewDeclaration> = HashMap::new();
        for (_, new, _) in numbered {
            for insider in &new.people {
                let known = latest.entry((*insider, new.company)).or_insert(new);
                let order =
                    |one: &NewDeclaration| (one.record.published_at, one.record.amf_id.clone());
                if order(new) > order(known) {
                    *known = new;
                }
            }
        }
        let rows: Vec<_> = latest.into_iter().collect();
        for chunk in rows.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "insert into insider_companies (insider, company, function, named_at) ",
            );
            query.push_values(chunk, |mut row, ((insider, company), new)| {
                row.push_bind(*insider)
                    .push_bind(*company)
                    .push_bind(&new.function)
                    .push_bind(new.record.published_at.0);
            });
            query.push(
                " on conflict (insider, company) do update set function = excluded.function, named_at = excluded.named_at
                 where excluded.named_at >= insider_companies.named_at",
            );
            query.build().execute(&mut *self).await?;
        }
        Ok(())
    }

    async fn count_again(
        &mut self,
        update: &'static str,
        mut numbers: Vec<i64>,
    ) -> StoreResult<()> {
        numbers.sort_unstable();
        numbers.dedup();
        for some in numbers.chunks(KEYS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(update);
            let mut list = query.separated(", ");
            for number in some {
                list.push_bind(*number);
            }
            query.push(")");
            query.build().execute(&mut *self).await?;
        }
        Ok(())
    }

    /// All declarations of a company, by publication, then amfId.
    pub async fn declarations_of(&mut self, company: i64) -> StoreResult<Vec<StoredDeclaration>> {
        let rows: Vec<RecordRow> = query_as(
            "select number, filing, revision, said, may_fire, superseded_by, head, insider, record from declarations where company = $1 order by published_at, amf_id",
        )
        .bind(company)
        .fetch_all(&mut *self)
        .await?;
        rows.into_iter()
            .map(|row| {
                let record = serde_json::from_str(&row.record)
                    .map_err(|e| StoreError::corrupt(format!("declaration {}", row.number), e))?;
                Ok(StoredDeclaration {
                    number: row.number,
                    filing: row.filing,
                    revision: row.revision,
                    said: row.said,
                    may_fire: row.may_fire,
                    superseded_by: row.superseded_by,
                    head: row.head,
                    insider: row.insider,
                    record,
                })
            })
            .collect()
    }

    /// Notes that a declaration made its signal.
    pub async fn fires_no_more(&mut self, declaration: i64) -> StoreResult<()> {
        query("update declarations set may_fire = $2 where number = $1")
            .bind(declaration)
            .bind(false)
            .execute(&mut *self)
            .await?;
        Ok(())
    }

    /// Stores revisions, each beside those before it, and serves them from now on.
    pub async fn put_revisions(
        &mut self,
        version: &str,
        revisions: &[Revision],
        now: Time,
    ) -> StoreResult<()> {
        for chunk in revisions.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "insert into assessments (declaration, version, revision, assessed_at, head, rest, signal, audit) ",
            );
            query.push_values(chunk, |mut row, revision| {
                row.push_bind(revision.declaration)
                    .push_bind(version)
                    .push_bind(revision.revision)
                    .push_bind(now.0)
                    .push_bind(&revision.head)
                    .push_bind(&revision.rest)
                    .push_bind(&revision.signal)
                    .push_bind(&revision.audit);
            });
            query.build().execute(&mut *self).await?;
        }
        for revision in revisions {
            query(
                "update declarations set score = $2, direction = $3, amount_micros = $4, is_cluster = $5, tracks = $11, suspect = $12, superseded_by = $13, revision = $6,
                 assessed_at = $7, said = $8, signal = $9, rest = $10 where number = $1",
            )
            .bind(revision.declaration)
            .bind(revision.score)
            .bind(revision.direction)
            .bind(revision.amount_micros)
            .bind(revision.is_cluster)
            .bind(revision.revision)
            .bind(now.0)
            .bind(&revision.said)
            .bind(&revision.signal)
            .bind(&revision.rest)
            .bind(revision.tracks)
            .bind(revision.suspect)
            .bind(&revision.superseded_by)
            .execute(&mut *self)
            .await?;
        }
        Ok(())
    }

    /// Puts what a filing says of a declaration in the place of what was taken from it before. Whether that was anything else.
    pub async fn restate(&mut self, record: &DeclarationRecord, head: &str) -> StoreResult<bool> {
        let text = serde_json::to_string(record)
            .map_err(|e| StoreError::corrupt(record.amf_id.clone(), e))?;
        let changed = query(
            "update declarations set record = $2, head = $3, traded_on = $4
             where amf_id = $1 and (record <> $2 or head <> $3)",
        )
        .bind(&record.amf_id)
        .bind(text)
        .bind(head)
        .bind(record.filed.transaction_date.map(super::prices::day_of))
        .execute(&mut *self)
        .await?;
        Ok(changed > 0)
    }

    /// Companies with a declaration published at or after a moment whose score asks for the mean of all returns of this direction.
    pub async fn tracking(&mut self, direction: &str, since: Time) -> StoreResult<Vec<i64>> {
        query_scalar(
            "select distinct company from declarations where tracks and direction = $1 and published_at >= $2",
        )
        .bind(direction)
        .bind(since.0)
        .fetch_all(&mut *self)
        .await
    }

    /// Those of these ids that declarations are known by.
    pub async fn known_declarations(&mut self, ids: &[&str]) -> StoreResult<HashSet<String>> {
        let mut found = HashSet::new();
        for some in ids.chunks(KEYS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("select amf_id from declarations where amf_id in (");
            let mut list = query.separated(", ");
            for id in some {
                list.push_bind(*id);
            }
            query.push(")");
            let rows: Vec<String> = query.build_query_scalar().fetch_all(&mut *self).await?;
            found.extend(rows);
        }
        Ok(found)
    }

    /// Other companies in which any of these people, by their keys, ever declared something, and in which anybody did at or after a moment:
    /// who once filed jointly with one of them is the same insider ever after.
    pub async fn companies_of_people(
        &mut self,
        keys: &[&str],
        since: Time,
        but: i64,
    ) -> StoreResult<Vec<i64>> {
        let mut found = Vec::new();
        for some in keys.chunks(KEYS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "select distinct c.company from insiders i join insider_companies c on c.insider = i.number
                 where exists (select 1 from declarations d where d.company = c.company and d.published_at >= ",
            );
            query
                .push_bind(since.0)
                .push(") and c.company <> ")
                .push_bind(but)
                .push(" and i.key in (");
            let mut list = query.separated(", ");
            for key in some {
                list.push_bind(*key);
            }
            query.push(")");
            let rows: Vec<i64> = query.build_query_scalar().fetch_all(&mut *self).await?;
            found.extend(rows);
        }
        Ok(found)
    }
}

impl Db {
    /// How many assessments a version of the score has, all revisions together.
    pub async fn count_assessments(&self, version: &str) -> StoreResult<i64> {
        query_scalar("select count(*) from assessments where version = $1")
            .bind(version)
            .fetch_one(self)
            .await
    }
}
