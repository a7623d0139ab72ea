//! Returns after declarations: backtests as they are served, and the matured ones that track records are made of.

use super::{
    db::{Db, Tx},
    error::{StoreError, StoreResult},
    sql::{QueryBuilder, query, query_as, query_scalar},
};
use crate::{
    model::time::Time,
    score::insider::record::{Direction, Matured},
};
use rust_decimal::Decimal;

const ROWS_PER_STATEMENT: usize = 100;

/// A declaration's backtest.
#[derive(Clone, Debug, PartialEq)]
pub struct Backtest {
    /// Number of the declaration.
    pub declaration: i64,
    /// Number of its company.
    pub company: i64,
    /// Bought or sold.
    pub direction: Direction,
    /// When it was published.
    pub published_at: Time,
    /// Its score, in tenths.
    pub score: Option<i64>,
    /// Code of its market.
    pub market: String,
    /// Excess over the benchmark by horizon, in millionths.
    pub excess: [Option<i64>; 7],
    /// JSON as the API writes it.
    pub body: String,
}

/// Excesses by horizon, in millionths, of one declaration.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Excesses {
    /// Number of its company.
    pub company: i64,
    /// Bought or sold: `BUY`, `SELL`.
    pub direction: String,
    /// Code of its market.
    pub market: String,
    /// When it was published, in microseconds.
    pub published_at: i64,
    /// Its score, in tenths.
    pub score: Option<i64>,
    /// After 30 days.
    pub excess_30: Option<i64>,
    /// After 60 days.
    pub excess_60: Option<i64>,
    /// After 90 days.
    pub excess_90: Option<i64>,
    /// After 160 days.
    pub excess_160: Option<i64>,
    /// After 180 days.
    pub excess_180: Option<i64>,
    /// After a year.
    pub excess_365: Option<i64>,
    /// After two years.
    pub excess_730: Option<i64>,
}

impl Excesses {
    /// In the order of the horizons.
    #[must_use]
    pub fn by_horizon(&self) -> [Option<i64>; 7] {
        [
            self.excess_30,
            self.excess_60,
            self.excess_90,
            self.excess_160,
            self.excess_180,
            self.excess_365,
            self.excess_730,
        ]
    }
}

#[derive(sqlx::FromRow)]
struct MaturedRow {
    company: i64,
    amf_id: String,
    direction: String,
    people: String,
    known_at: i64,
    until: Option<i64>,
    excess: String,
}

impl MaturedRow {
    fn read(self) -> StoreResult<(i64, Matured)> {
        let what = || format!("return of {}", self.amf_id);
        let people =
            serde_json::from_str(&self.people).map_err(|e| StoreError::corrupt(what(), e))?;
        let excess: Decimal = self
            .excess
            .parse()
            .map_err(|e| StoreError::corrupt(what(), e))?;
        let direction = read_direction(&self.direction)
            .ok_or_else(|| StoreError::corrupt(what(), "a direction that is none"))?;
        Ok((
            self.company,
            Matured {
                direction,
                people,
                known_at: Time(self.known_at),
                until: self.until.map(Time),
                excess,
                amf_id: self.amf_id,
            },
        ))
    }
}

/// `BUY` or `SELL` as it is kept.
#[must_use]
pub fn read_direction(word: &str) -> Option<Direction> {
    (Direction::BOTH.into_iter()).find(|direction| direction.word() == word)
}

impl Tx {
    /// All matured returns, each with its company's number.
    pub async fn matured_returns(&mut self) -> StoreResult<Vec<(i64, Matured)>> {
        let rows: Vec<MaturedRow> = query_as(
            "select company, amf_id, direction, people, known_at, until, excess from matured_returns order by company, amf_id",
        )
        .fetch_all(&mut *self)
        .await?;
        rows.into_iter().map(MaturedRow::read).collect()
    }

    /// The matured returns of a company.
    pub async fn matured_returns_of(&mut self, company: i64) -> StoreResult<Vec<Matured>> {
        let rows: Vec<MaturedRow> = query_as(
            "select company, amf_id, direction, people, known_at, until, excess from matured_returns
             where company = $1 order by amf_id",
        )
        .bind(company)
        .fetch_all(&mut *self)
        .await?;
        rows.into_iter()
            .map(|row| row.read().map(|(_, matured)| matured))
            .collect()
    }

    /// Makes the matured returns of a company these.
    pub async fn put_matured_returns(
        &mut self,
        company: i64,
        returns: &[Matured],
    ) -> StoreResult<()> {
        query("delete from matured_returns where company = $1")
            .bind(company)
            .execute(&mut *self)
            .await?;
        for chunk in returns.chunks(ROWS_PER_STATEMENT) {
            let people = chunk
                .iter()
                .map(|one| serde_json::to_string(&one.people))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|e| StoreError::corrupt("people", e))?;
            let mut query = QueryBuilder::new(
                "insert into matured_returns (company, amf_id, direction, people, known_at, until, excess) ",
            );
            query.push_values(chunk.iter().zip(people), |mut row, (one, people)| {
                row.push_bind(company)
                    .push_bind(&one.amf_id)
                    .push_bind(one.direction.word())
                    .push_bind(people)
                    .push_bind(one.known_at.0)
                    .push_bind(one.until.map(|until| until.0))
                    .push_bind(one.excess.to_string());
            });
            query.build().execute(&mut *self).await?;
        }
        Ok(())
    }

    /// Makes a company's backtests from a moment on these: what has a score no more, or stands no more, has none.
    pub async fn replace_backtests(
        &mut self,
        company: i64,
        since: Time,
        backtests: &[Backtest],
        now: Time,
    ) -> StoreResult<()> {
        let forgotten = query("delete from backtests where company = $1 and published_at >= $2")
            .bind(company)
            .bind(since.0)
            .execute(&mut *self)
            .await?;
        self.put_backtests(backtests, now).await?;
        if forgotten == 0 && backtests.is_empty() {
            return Ok(());
        }
        query("update data_version set backtests_version = backtests_version + 1")
            .execute(&mut *self)
            .await?;
        query(
            "update companies set backtests_version = (select backtests_version from data_version)
             where number = $1",
        )
        .bind(company)
        .execute(&mut *self)
        .await?;
        Ok(())
    }

    async fn put_backtests(&mut self, backtests: &[Backtest], now: Time) -> StoreResult<()> {
        for chunk in backtests.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "insert into backtests (declaration, company, direction, published_at, score, market, computed_at,
                 excess_30, excess_60, excess_90, excess_160, excess_180, excess_365, excess_730, body) ",
            );
            query.push_values(chunk, |mut row, one| {
                row.push_bind(one.declaration)
                    .push_bind(one.company)
                    .push_bind(one.direction.word())
                    .push_bind(one.published_at.0)
                    .push_bind(one.score)
                    .push_bind(&one.market)
                    .push_bind(now.0);
                for excess in one.excess {
                    row.push_bind(excess);
                }
                row.push_bind(&one.body);
            });
            query.push(
                " on conflict (declaration) do update set score = excluded.score, computed_at = excluded.computed_at,
                 excess_30 = excluded.excess_30, excess_60 = excluded.excess_60, excess_90 = excluded.excess_90,
                 excess_160 = excluded.excess_160, excess_180 = excluded.excess_180, excess_365 = excluded.excess_365,
                 excess_730 = excluded.excess_730, body = excluded.body",
            );
            query.build().execute(&mut *self).await?;
        }
        Ok(())
    }
}

impl Db {
    /// Grows with every change of a backtest.
    pub async fn backtests_version(&self) -> StoreResult<i64> {
        query_scalar("select backtests_version from data_version")
            .fetch_one(self)
            .await
    }

    /// The companies whose backtests changed after a version.
    pub async fn backtests_changed_since(&self, version: i64) -> StoreResult<Vec<i64>> {
        query_scalar(
            "select number from companies where backtests_version > 0 and backtests_version > $1",
        )
        .bind(version)
        .fetch_all(self)
        .await
    }

    /// The excesses of all backtests.
    pub async fn excesses(&self) -> StoreResult<Vec<Excesses>> {
        query_as(
            "select company, direction, market, published_at, score, excess_30, excess_60, excess_90, excess_160, excess_180,
             excess_365, excess_730 from backtests",
        )
        .fetch_all(self)
        .await
    }

    /// Those of a company.
    pub async fn excesses_of(&self, company: i64) -> StoreResult<Vec<Excesses>> {
        query_as(
            "select company, direction, market, published_at, score, excess_30, excess_60, excess_90, excess_160, excess_180,
             excess_365, excess_730 from backtests where company = $1",
        )
        .bind(company)
        .fetch_all(self)
        .await
    }
}
