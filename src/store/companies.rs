//! Companies and insiders: found by what they are known by, made where they are new, and numbered for good.

use std::collections::{BTreeMap, HashMap};

use super::{
    db::Tx,
    error::StoreResult,
    sql::{QueryBuilder, query, query_as, query_scalar},
};
use crate::model::{
    company::CompanyFact,
    market::Market,
    name::{slug, words},
    time::Time,
};

const KEYS_PER_STATEMENT: usize = 400;
const ROWS_PER_STATEMENT: usize = 200;

/// Of what kind a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// A company.
    Company = 0,
    /// An insider.
    Insider = 1,
}

/// What a filing says of its company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompanySeen {
    /// What it is known by.
    pub key: String,
    /// Code of its market.
    pub market: String,
    /// Its name there.
    pub name: String,
    /// Its ticker there.
    pub symbol: Option<String>,
    /// ISIN of its shares.
    pub isin: Option<String>,
    /// When that was published.
    pub at: Time,
}

/// What a filing says of an insider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsiderSeen {
    /// What it is known by.
    pub key: String,
    /// Code of its market.
    pub market: String,
    /// Its name there.
    pub name: String,
    /// When that was published.
    pub at: Time,
}

/// What the engine and its signals need to know of a company.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct CompanyRow {
    /// Its number.
    pub number: i64,
    /// Code of its market.
    pub market: String,
    /// Its name.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// Its ticker.
    pub symbol: Option<String>,
    /// Its latest market capitalisation, exact.
    pub market_cap: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Known {
    number: i64,
    key: String,
    name: String,
    named_at: i64,
}

/// The latest that is said of each key: of one moment, the greater name, so that order does not matter.
fn latest<T: Clone>(
    seen: &[T],
    of: impl Fn(&T) -> (&String, Time, &String),
) -> BTreeMap<String, T> {
    let mut best: BTreeMap<String, T> = BTreeMap::new();
    for one in seen {
        let (key, at, name) = of(one);
        let newer = best.get(key).is_none_or(|known| {
            let (_, known_at, known_name) = of(known);
            (at, name) > (known_at, known_name)
        });
        if newer {
            best.insert(key.clone(), one.clone());
        }
    }
    best
}

impl Tx {
    /// Makes the rows of markets what they are to be.
    pub async fn put_markets(&mut self, markets: &[Market]) -> StoreResult<()> {
        for market in markets {
            query(
                "insert into markets (code, regulator, name, currency, time_zone, prefix, benchmarks) values ($1, $2, $3, $4, $5, $6, $7)
                 on conflict (code) do update set regulator = excluded.regulator, name = excluded.name,
                 currency = excluded.currency, time_zone = excluded.time_zone, prefix = excluded.prefix,
                 benchmarks = excluded.benchmarks",
            )
            .bind(&market.code)
            .bind(&market.regulator)
            .bind(&market.name)
            .bind(&market.currency)
            .bind(&market.time_zone)
            .bind(&market.prefix)
            .bind(market.benchmarks.join(","))
            .execute(&mut *self)
            .await?;
        }
        Ok(())
    }

    /// All markets, by code.
    pub async fn markets(&mut self) -> StoreResult<HashMap<String, Market>> {
        let rows: Vec<(String, String, String, String, String, String, String)> = query_as(
            "select code, regulator, name, currency, time_zone, prefix, benchmarks from markets order by code",
        )
        .fetch_all(&mut *self)
        .await?;
        let market = |(code, regulator, name, currency, time_zone, prefix, benchmarks): (
            _,
            _,
            _,
            _,
            _,
            _,
            String,
        )| Market {
            code,
            regulator,
            name,
            currency,
            time_zone,
            prefix,
            benchmarks: (benchmarks.split(',').filter(|symbol| !symbol.is_empty()))
                .map(str::to_owned)
                .collect(),
        };
        Ok(rows
            .into_iter()
            .map(market)
            .map(|market| (market.code.clone(), market))
            .collect())
    }

    /// A company by its number.
    pub async fn company(&mut self, number: i64) -> StoreResult<Option<CompanyRow>> {
        query_as(
            "select number, market, name, slug, symbol, market_cap from companies where number = $1",
        )
        .bind(number)
        .fetch_optional(&mut *self)
        .await
    }

    /// Numbers of the companies of a market with a ticker.
    pub async fn companies_with_symbol(
        &mut self,
        market: &str,
        symbol: &str,
    ) -> StoreResult<Vec<i64>> {
        query_scalar("select number from companies where market = $1 and symbol = $2")
            .bind(market)
            .bind(symbol)
            .fetch_all(&mut *self)
            .await
    }

    /// Numbers of all companies of a market.
    pub async fn companies_of_market(&mut self, market: &str) -> StoreResult<Vec<i64>> {
        query_scalar("select number from companies where market = $1 order by number")
            .bind(market)
            .fetch_all(&mut *self)
            .await
    }

    /// Adds to a company what a file says of it; what the file leaves out stays.
    pub async fn describe_company(
        &mut self,
        number: i64,
        fact: &CompanyFact,
        now: Time,
    ) -> StoreResult<()> {
        query(
            "update companies set symbol = coalesce(symbol, $2), isin = coalesce($3, isin), description = coalesce($4, description),
             changed_at = $5 where number = $1",
        )
        .bind(number)
        .bind(&fact.symbol)
        .bind(&fact.isin)
        .bind(&fact.description)
        .bind(now.0)
        .execute(&mut *self)
        .await?;
        Ok(())
    }

    async fn known(
        &mut self,
        table: &str,
        keys: &[&String],
    ) -> StoreResult<HashMap<String, Known>> {
        let mut found = HashMap::new();
        for some in keys.chunks(KEYS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("select number, key, name, named_at from ");
            query.push(table).push(" where key in (");
            let mut list = query.separated(", ");
            for key in some {
                list.push_bind(key.as_str());
            }
            query.push(")");
            let rows: Vec<Known> = query.build_query_as().fetch_all(&mut *self).await?;
            found.extend(rows.into_iter().map(|row| (row.key.clone(), row)));
        }
        Ok(found)
    }

    async fn next_number(&mut self, table: &str) -> StoreResult<i64> {
        let mut query = QueryBuilder::new("select coalesce(max(number), 0) + 1 from ");
        query.push(table);
        query.build_query_scalar().fetch_one(&mut *self).await
    }

    /// Numbers of companies by key; those that are new are made, and a later name takes the place of an earlier one.
    pub async fn companies(
        &mut self,
        seen: &[CompanySeen],
        now: Time,
    ) -> StoreResult<HashMap<String, i64>> {
        let latest = latest(seen, |one| (&one.key, one.at, &one.name));
        let keys: Vec<&String> = latest.keys().collect();
        let known = self.known("companies", &keys).await?;
        let mut numbers: HashMap<String, i64> = HashMap::new();
        let mut fresh = Vec::new();
        let mut next = self.next_number("companies").await?;
        for (key, one) in &latest {
            match known.get(key) {
                Some(row) => {
                    numbers.insert(key.clone(), row.number);
                    if (one.at.0, &one.name) > (row.named_at, &row.name) {
                        self.rename_company(row.number, one, now).await?;
                    }
                }
                None => {
                    numbers.insert(key.clone(), next);
                    fresh.push((next, one));
                    next += 1;
                }
            }
        }
        for chunk in fresh.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "insert into companies (number, key, market, name, named_at, slug, symbol, isin, declarations, insiders, changed_at) ",
            );
            query.push_values(chunk, |mut row, (number, one)| {
                row.push_bind(*number)
                    .push_bind(&one.key)
                    .push_bind(&one.market)
                    .push_bind(&one.name)
                    .push_bind(one.at.0)
                    .push_bind(slug(&one.name, *number))
                    .push_bind(&one.symbol)
                    .push_bind(&one.isin)
                    .push_bind(0_i64)
                    .push_bind(0_i64)
                    .push_bind(now.0);
            });
            query.build().execute(&mut *self).await?;
        }
        let named: Vec<(i64, &str)> = (fresh.iter())
            .map(|(number, one)| (*number, one.name.as_str()))
            .collect();
        self.put_words(Named::Company, &named).await?;
        Ok(numbers)
    }

    async fn rename_company(
        &mut self,
        number: i64,
        one: &CompanySeen,
        now: Time,
    ) -> StoreResult<()> {
        query(
            "update companies set name = $2, named_at = $3, slug = $4, symbol = coalesce($5, symbol), isin = coalesce($6, isin),
             changed_at = case when name = $2 and (symbol = $5 or $5 is null) then changed_at else $7 end where number = $1",
        )
        .bind(number)
        .bind(&one.name)
        .bind(one.at.0)
        .bind(slug(&one.name, number))
        .bind(&one.symbol)
        .bind(&one.isin)
        .bind(now.0)
        .execute(&mut *self)
        .await?;
        self.put_words(Named::Company, &[(number, &one.name)]).await
    }

    /// Numbers of insiders by key, as [`Tx::companies`] gives those of companies.
    pub async fn insiders(&mut self, seen: &[InsiderSeen]) -> StoreResult<HashMap<String, i64>> {
        let latest = latest(seen, |one| (&one.key, one.at, &one.name));
        let keys: Vec<&String> = latest.keys().collect();
        let known = self.known("insiders", &keys).await?;
        let mut numbers: HashMap<String, i64> = HashMap::new();
        let mut fresh = Vec::new();
        let mut next = self.next_number("insiders").await?;
        for (key, one) in &latest {
            match known.get(key) {
                Some(row) => {
                    numbers.insert(key.clone(), row.number);
                    if one.name != row.name && (one.at.0, &one.name) > (row.named_at, &row.name) {
                        self.rename_insider(row.number, one).await?;
                    }
                }
                None => {
                    numbers.insert(key.clone(), next);
                    fresh.push((next, one));
                    next += 1;
                }
            }
        }
        for chunk in fresh.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "insert into insiders (number, key, market, name, named_at, slug, declarations, companies) ",
            );
            query.push_values(chunk, |mut row, (number, one)| {
                row.push_bind(*number)
                    .push_bind(&one.key)
                    .push_bind(&one.market)
                    .push_bind(&one.name)
                    .push_bind(one.at.0)
                    .push_bind(slug(&one.name, *number))
                    .push_bind(0_i64)
                    .push_bind(0_i64);
            });
            query.build().execute(&mut *self).await?;
        }
        let named: Vec<(i64, &str)> = (fresh.iter())
            .map(|(number, one)| (*number, one.name.as_str()))
            .collect();
        self.put_words(Named::Insider, &named).await?;
        Ok(numbers)
    }

    async fn rename_insider(&mut self, number: i64, one: &InsiderSeen) -> StoreResult<()> {
        query("update insiders set name = $2, named_at = $3, slug = $4 where number = $1")
            .bind(number)
            .bind(&one.name)
            .bind(one.at.0)
            .bind(slug(&one.name, number))
            .execute(&mut *self)
            .await?;
        self.put_words(Named::Insider, &[(number, &one.name)]).await
    }

    /// Makes names findable by each of their words. Words of former names stay: people search by what they remember.
    async fn put_words(&mut self, kind: Named, names: &[(i64, &str)]) -> StoreResult<()> {
        let rows: Vec<(String, i64)> = names
            .iter()
            .flat_map(|(number, name)| words(name).into_iter().map(|word| (word, *number)))
            .collect();
        for chunk in rows.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new("insert into name_words (word, kind, number) ");
            query.push_values(chunk, |mut row, (word, number)| {
                row.push_bind(word)
                    .push_bind(kind as i64)
                    .push_bind(*number);
            });
            query.push(" on conflict do nothing");
            query.build().execute(&mut *self).await?;
        }
        Ok(())
    }
}
