//! Which kinds of signals did well: the matured returns of scored declarations, and the recent declarations that are measured by them.

use super::{
    db::Db,
    error::{StoreError, StoreResult},
    returns::read_direction,
    sql::{QueryBuilder, query_as, unindexed},
};
use crate::{
    model::{rank::Tenths, time::Time},
    score::insider::winning::{Kind, Outcome},
};

/// A recent declaration with a score that is a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub number: i64,
    /// Its amfId.
    pub amf_id: String,
    /// When it was published.
    pub published_at: Time,
    /// Its score, in tenths.
    pub score: i64,
    /// Code of its market.
    pub market: String,
    /// Of what kind it is.
    pub kind: Kind,
}

#[derive(sqlx::FromRow)]
struct OutcomeRow {
    amf_id: String,
    market: String,
    direction: String,
    score: i64,
    is_cluster: bool,
    known_at: i64,
    excess: String,
}

#[derive(sqlx::FromRow)]
struct CandidateRow {
    number: i64,
    amf_id: String,
    market: String,
    direction: String,
    score: i64,
    is_cluster: bool,
    published_at: i64,
}

fn kind(amf_id: &str, direction: &str, score: i64, is_cluster: bool) -> StoreResult<Option<Kind>> {
    let read = read_direction(direction)
        .ok_or_else(|| StoreError::corrupt(amf_id, "a direction that is none"))?;
    Ok(Kind::of(read, Tenths(score), is_cluster))
}

impl Db {
    /// The 90-day returns of all declarations that are signals, each with when it could first be known.
    pub async fn outcomes(&self) -> StoreResult<Vec<Outcome>> {
        // along an index that holds all that is asked of declarations, and from there to the few returns: the other way around, a long row
        // would be read for each of them
        let rows: Vec<OutcomeRow> = query_as(
            "select r.amf_id, d.market, r.direction, d.score, d.is_cluster, r.known_at, r.excess
             from declarations d join matured_returns r on r.company = d.company + 0 and r.amf_id = coalesce(d.amf_id, '')
             where d.score is not null and r.until is null order by r.known_at, r.amf_id")
            .fetch_all(self).await?;
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(kind) = kind(&row.amf_id, &row.direction, row.score, row.is_cluster)? else {
                continue;
            };
            let excess = (row.excess.parse())
                .map_err(|e| StoreError::corrupt(format!("return of {}", row.amf_id), e))?;
            outcomes.push(Outcome {
                market: row.market,
                kind,
                known_at: Time(row.known_at),
                excess,
            });
        }
        Ok(outcomes)
    }

    /// Declarations that are signals, published at or after a moment.
    pub async fn candidates(
        &self,
        since: Time,
        market: Option<&str>,
    ) -> StoreResult<Vec<Candidate>> {
        let mut query = QueryBuilder::new(
            "select number, amf_id, market, direction, score, is_cluster, published_at from declarations where ",
        );
        // one index holds all of it, by time: no other is to be chosen
        query
            .push(unindexed("score"))
            .push(" is not null and published_at >= ")
            .push_bind(since.0);
        if let Some(market) = market {
            query
                .push(" and ")
                .push(unindexed("market"))
                .push(" = ")
                .push_bind(market.to_owned());
        }
        let rows: Vec<CandidateRow> = query.build_query_as().fetch_all(self).await?;
        let mut candidates = Vec::new();
        for row in rows {
            let kind = kind(&row.amf_id, &row.direction, row.score, row.is_cluster)?;
            candidates.extend(kind.map(|kind| Candidate {
                number: row.number,
                market: row.market,
                published_at: Time(row.published_at),
                score: row.score,
                kind,
                amf_id: row.amf_id,
            }));
        }
        Ok(candidates)
    }
}
