//! Companies and insiders: found by what they are known by, made where they are new, and numbered for good.

use std::collections::{BTreeMap, HashMap};

use super::{
    db::Tx,
    error::StoreResult,
    sql::{QueryBuilder, query, query_as, query_scalar},
};
use crate::model::{company::CompanyFact, market::Market, name::slug, time::Time};

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

/// Companies that were found or made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// By what each is known by.
    pub numbers: HashMap<String, i64>,
    /// Those that are new and have a ticker.
    pub made: Vec<i64>,
    /// Those whose ticker is another one than before.
    pub moved: Vec<i64>,
}

#[derive(sqlx::FromRow)]
struct Known {
    number: i64,
    key: String,
    name: String,
    named_at: i64,
}

#[derive(sqlx::FromRow)]
struct KnownCompany {
    number: i64,
    key: String,
    name: String,
    named_at: i64,
    symbol: Option<String>,
    symbol_at: Option<i64>,
    isin: Option<String>,
    isin_at: Option<i64>,
}

/// What people search a company by, of what is said of it.
fn found_by(said: [Option<(i64, &String)>; 3]) -> impl Iterator<Item = &str> {
    said.into_iter().flatten().map(|(_, text)| text.as_str())
}

/// What is said last of a company: each of it by the latest that says it.
#[derive(Default)]
struct Said<'a> {
    name: Option<(i64, &'a String)>,
    symbol: Option<(i64, &'a String)>,
    isin: Option<(i64, &'a String)>,
}

impl<'a> Said<'a> {
    /// What was said first comes first.
    fn hear(
        &mut self,
        at: i64,
        name: &'a String,
        symbol: &'a Option<String>,
        isin: &'a Option<String>,
    ) {
        hear(&mut self.name, Some((at, name)));
        hear(&mut self.symbol, symbol.as_ref().map(|symbol| (at, symbol)));
        hear(&mut self.isin, isin.as_ref().map(|isin| (at, isin)));
    }
}

/// The later counts; of one moment the greater, so that order does not matter. But of files, which have no moment, the one read last: it is
/// how a wrong one is corrected.
fn hear<'a>(known: &mut Option<(i64, &'a String)>, said: Option<(i64, &'a String)>) {
    let Some((at, _)) = said else {
        return;
    };
    if said > *known || (at == i64::MIN && known.is_none_or(|(known, _)| known == at)) {
        *known = said;
    }
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

    /// Adds to a company what a file says of its business; what the file leaves out stays.
    pub async fn describe_company(&mut self, number: i64, fact: &CompanyFact) -> StoreResult<()> {
        query("update companies set description = coalesce($2, description) where number = $1")
            .bind(number)
            .bind(&fact.description)
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

    async fn known_companies(
        &mut self,
        keys: &[&String],
    ) -> StoreResult<HashMap<String, KnownCompany>> {
        let mut found = HashMap::new();
        for some in keys.chunks(KEYS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "select number, key, name, named_at, symbol, symbol_at, isin, isin_at from companies where key in (",
            );
            let mut list = query.separated(", ");
            for key in some {
                list.push_bind(key.as_str());
            }
            query.push(")");
            let rows: Vec<KnownCompany> = query.build_query_as().fetch_all(&mut *self).await?;
            found.extend(rows.into_iter().map(|row| (row.key.clone(), row)));
        }
        Ok(found)
    }

    /// Numbers of companies by key; those that are new are made. A later name takes the place of an earlier one, and so do a ticker and an
    /// ISIN, each for itself: what a later filing leaves out stays as the last one said that told of it.
    pub async fn companies(&mut self, seen: &[CompanySeen], now: Time) -> StoreResult<Found> {
        let mut said: BTreeMap<&String, (&CompanySeen, Said<'_>)> = BTreeMap::new();
        for one in seen {
            let known = said.entry(&one.key).or_insert((one, Said::default()));
            known.1.hear(one.at.0, &one.name, &one.symbol, &one.isin);
        }
        let keys: Vec<&String> = said.keys().copied().collect();
        let known = self.known_companies(&keys).await?;
        let mut found = Found::default();
        let mut fresh = Vec::new();
        let mut next = self.next_number("companies").await?;
        for (key, (one, said)) in said {
            if let Some(row) = known.get(key) {
                found.numbers.insert(key.clone(), row.number);
                if self.retell_company(row, said, now).await? {
                    found.moved.push(row.number);
                }
            } else {
                found.numbers.insert(key.clone(), next);
                fresh.push((next, one, said));
                next += 1;
            }
        }
        for chunk in fresh.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "insert into companies (number, key, market, name, named_at, slug, symbol, symbol_at, isin, isin_at,
                 declarations, insiders) ",
            );
            query.push_values(chunk, |mut row, (number, one, said)| {
                let (named_at, name) = said.name.unwrap_or((one.at.0, &one.name));
                row.push_bind(*number)
                    .push_bind(&one.key)
                    .push_bind(&one.market)
                    .push_bind(name)
                    .push_bind(named_at)
                    .push_bind(slug(name, *number))
                    .push_bind(said.symbol.map(|(_, symbol)| symbol.as_str()))
                    .push_bind(said.symbol.map(|(at, _)| at))
                    .push_bind(said.isin.map(|(_, isin)| isin.as_str()))
                    .push_bind(said.isin.map(|(at, _)| at))
                    .push_bind(0_i64)
                    .push_bind(0_i64);
            });
            query.build().execute(&mut *self).await?;
        }
        let named: Vec<(i64, &str)> = (fresh.iter())
            .flat_map(|(number, one, said)| {
                let name = said.name.or(Some((0, &one.name)));
                found_by([name, said.symbol, said.isin]).map(|text| (*number, text))
            })
            .collect();
        self.put_words(Named::Company, &named).await?;
        let new: Vec<i64> = fresh.iter().map(|(number, ..)| *number).collect();
        self.note_companies(&new, now).await?;
        let with_symbol = fresh.iter().filter(|(_, _, said)| said.symbol.is_some());
        found.made = with_symbol.map(|(number, ..)| *number).collect();
        Ok(found)
    }

    /// Whether its ticker is another one now.
    async fn retell_company(
        &mut self,
        row: &KnownCompany,
        said: Said<'_>,
        now: Time,
    ) -> StoreResult<bool> {
        let before = Said {
            name: Some((row.named_at, &row.name)),
            symbol: (row.symbol.as_ref()).map(|symbol| (row.symbol_at.unwrap_or(i64::MIN), symbol)),
            isin: (row.isin.as_ref()).map(|isin| (row.isin_at.unwrap_or(i64::MIN), isin)),
        };
        let mut after = Said { ..before };
        hear(&mut after.name, said.name);
        hear(&mut after.symbol, said.symbol);
        hear(&mut after.isin, said.isin);
        let same =
            (after.name, after.symbol, after.isin) == (before.name, before.symbol, before.isin);
        let (Some((named_at, name)), false) = (after.name, same) else {
            return Ok(false);
        };
        let text = |said: Option<(i64, &String)>| said.map(|(_, text)| text.clone());
        let moved = text(after.symbol) != row.symbol;
        let changed = moved || *name != row.name || text(after.isin) != row.isin;
        query(
            "update companies set name = $2, named_at = $3, slug = $4, symbol = $5, symbol_at = $6, isin = $7, isin_at = $8
             where number = $1",
        )
        .bind(row.number)
        .bind(name)
        .bind(named_at)
        .bind(slug(name, row.number))
        .bind(text(after.symbol))
        .bind(after.symbol.map(|(at, _)| at))
        .bind(text(after.isin))
        .bind(after.isin.map(|(at, _)| at))
        .execute(&mut *self)
        .await?;
        if changed {
            let said = found_by([after.name, after.symbol, after.isin]);
            let words: Vec<_> = said.map(|text| (row.number, text)).collect();
            self.put_words(Named::Company, &words).await?;
            self.note_companies(&[row.number], now).await?;
        }
        Ok(moved)
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
}
