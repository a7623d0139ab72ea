//! Companies and insiders as they are listed and shown.

use super::{
    companies::Named,
    db::Db,
    error::StoreResult,
    numbered::{ROWS_PER_STATEMENT, in_order, push_numbers},
    search::Look,
    sql::{QueryBuilder, query_as},
};

/// By what companies are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CompanySort {
    /// Name, without regard to case and marks.
    #[default]
    Name,
    /// Market capitalisation, whatever the currency; unknown last.
    MarketCap,
    /// Publication of the latest declaration; those without any last.
    Recent,
}

/// Which companies, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CompanyFilter {
    /// Beginnings of words of the name.
    pub q: Option<String>,
    /// ISIN.
    pub isin: Option<String>,
    /// Code of a market.
    pub market: Option<String>,
    /// By what to sort.
    pub sort: CompanySort,
    /// The greatest first.
    pub descending: bool,
}

/// A company as it is shown. Decimals are texts, exact; days are since 1970-01-01, times in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Company {
    /// Its number.
    pub number: i64,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Code of its market.
    pub market: String,
    /// ISIN.
    pub isin: Option<String>,
    /// Ticker.
    pub symbol: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// Latest market capitalisation.
    pub market_cap: Option<String>,
    /// How many declarations it has.
    pub declarations: i64,
    /// How many insiders.
    pub insiders: i64,
    /// Latest close.
    pub last_close: Option<String>,
    /// Its session.
    pub last_day: Option<i64>,
    /// Highest close of a year.
    pub high_52w: Option<String>,
    /// Lowest close of a year.
    pub low_52w: Option<String>,
    /// Average of the last 50 sessions.
    pub average_50d: Option<String>,
    /// Average of the last 200 sessions.
    pub average_200d: Option<String>,
}

/// An insider as it is listed.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Person {
    /// Its number.
    pub number: i64,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// How many declarations it has.
    pub declarations: i64,
    /// In how many companies.
    pub companies: i64,
}

/// In what an insider deals, and as what.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Post {
    /// The insider's number.
    pub insider: i64,
    /// Its function, in words.
    pub function: Option<String>,
    /// The company's name.
    pub name: String,
    /// Its slug.
    pub slug: String,
}

/// An insider's scores, in tenths.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct ScoreStats {
    /// The insider's number.
    pub insider: i64,
    /// Sum of its scores.
    pub total: i64,
    /// How many.
    pub scored: i64,
    /// The highest.
    pub highest: i64,
}

const COMPANY: &str = "select c.number, c.slug, c.name, c.market, c.isin, c.symbol, c.description, c.market_cap, c.declarations, c.insiders,
    p.last_close, p.last_day, p.high_52w, p.low_52w, p.average_50d, p.average_200d
    from companies c left join price_stats p on p.market = c.market and p.symbol = c.symbol";

impl CompanyFilter {
    /// What of it matters to how many it passes: the order does not.
    #[must_use]
    pub fn counted(&self) -> Self {
        CompanyFilter {
            sort: CompanySort::default(),
            descending: false,
            ..self.clone()
        }
    }

    fn push_where(&self, query: &mut QueryBuilder, look: Option<&Look>) {
        query.push(" where c.number > 0");
        if let Some(look) = look {
            look.push(query, "c.number");
        }
        if let Some(isin) = &self.isin {
            query.push(" and c.isin = ").push_bind(isin.clone());
        }
        if let Some(market) = &self.market {
            query.push(" and c.market = ").push_bind(market.clone());
        }
    }
}

impl Db {
    async fn look_for(&self, kind: Named, q: Option<&str>, upto: i64) -> StoreResult<Option<Look>> {
        match q {
            Some(q) => Ok(Some(self.look(kind, q, upto).await?)),
            None => Ok(None),
        }
    }

    /// How many companies a filter passes.
    pub async fn count_companies(&self, filter: &CompanyFilter) -> StoreResult<i64> {
        let look = self
            .look_for(Named::Company, filter.q.as_deref(), i64::MAX)
            .await?;
        if let (Some(look), None) = (&look, &filter.isin) {
            return self.count_names(look, filter.market.as_deref()).await;
        }
        let mut query = QueryBuilder::new("select count(*) from companies c");
        filter.push_where(&mut query, look.as_ref());
        query.build_query_scalar().fetch_one(self).await
    }

    /// The numbers of companies, in the order that the filter asks for.
    pub async fn company_numbers(
        &self,
        filter: &CompanyFilter,
        limit: i64,
        offset: i64,
    ) -> StoreResult<Vec<i64>> {
        // there are so few companies that the order of the table never leads to them faster
        let look = self
            .look_for(Named::Company, filter.q.as_deref(), i64::MAX)
            .await?;
        let mut query = QueryBuilder::new("select c.number from companies c");
        filter.push_where(&mut query, look.as_ref());
        query.push(match (filter.sort, filter.descending) {
            (CompanySort::Name, false) => " order by c.slug",
            (CompanySort::Name, true) => " order by c.slug desc",
            (CompanySort::MarketCap, false) => " order by c.market_cap_micros nulls last, c.number",
            (CompanySort::MarketCap, true) => {
                " order by c.market_cap_micros desc nulls last, c.number"
            }
            (CompanySort::Recent, false) => " order by c.latest_at nulls last, c.number",
            (CompanySort::Recent, true) => " order by c.latest_at desc nulls last, c.number",
        });
        query
            .push(" limit ")
            .push_bind(limit)
            .push(" offset ")
            .push_bind(offset);
        query.build_query_scalar().fetch_all(self).await
    }

    /// These companies, in this order.
    pub async fn companies_numbered(&self, numbers: &[i64]) -> StoreResult<Vec<Company>> {
        let mut listed = Vec::with_capacity(numbers.len());
        for some in numbers.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(COMPANY);
            query.push(" where c.number in (");
            push_numbers(&mut query, some);
            let rows: Vec<Company> = query.build_query_as().fetch_all(self).await?;
            listed.extend(in_order(some, rows, |row| row.number));
        }
        Ok(listed)
    }

    /// A company by its number.
    pub async fn company(&self, number: i64) -> StoreResult<Option<Company>> {
        let mut query = QueryBuilder::new(COMPANY);
        query.push(" where c.number = ").push_bind(number);
        query.build_query_as().fetch_optional(self).await
    }

    /// How many insiders there are, of a market and with such a name.
    pub async fn count_insiders(&self, q: Option<&str>, market: Option<&str>) -> StoreResult<i64> {
        let look = self.look_for(Named::Insider, q, i64::MAX).await?;
        if let Some(look) = &look {
            return self.count_names(look, market).await;
        }
        let mut query = QueryBuilder::new("select count(*) from insiders i");
        push_insiders(&mut query, None, market);
        query.build_query_scalar().fetch_one(self).await
    }

    /// The numbers of insiders, by name, without regard to case and marks.
    pub async fn insider_numbers(
        &self,
        q: Option<&str>,
        market: Option<&str>,
        limit: i64,
        offset: i64,
    ) -> StoreResult<Vec<i64>> {
        let upto = limit.saturating_add(offset);
        let look = self.look_for(Named::Insider, q, upto).await?;
        let in_order = look.as_ref().is_none_or(Look::is_in_order);
        let mut query = QueryBuilder::new("select i.number from insiders i");
        push_insiders(&mut query, look.as_ref(), market);
        query.push(if in_order {
            " order by i.slug"
        } else {
            // no index is to lead through all names where a few were gathered
            " order by coalesce(i.slug, '')"
        });
        query.push(" limit ").push_bind(limit);
        query.push(" offset ").push_bind(offset);
        query.build_query_scalar().fetch_all(self).await
    }

    /// These insiders, in this order.
    pub async fn insiders_numbered(&self, numbers: &[i64]) -> StoreResult<Vec<Person>> {
        let mut listed = Vec::with_capacity(numbers.len());
        for some in numbers.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "select number, slug, name, declarations, companies from insiders where number in (",
            );
            push_numbers(&mut query, some);
            let rows: Vec<Person> = query.build_query_as().fetch_all(self).await?;
            listed.extend(in_order(some, rows, |row| row.number));
        }
        Ok(listed)
    }

    /// An insider by its number.
    pub async fn insider(&self, number: i64) -> StoreResult<Option<Person>> {
        query_as(
            "select number, slug, name, declarations, companies from insiders where number = $1",
        )
        .bind(number)
        .fetch_optional(self)
        .await
    }

    /// The posts of some insiders, the latest first.
    pub async fn posts(&self, insiders: &[i64]) -> StoreResult<Vec<Post>> {
        if insiders.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new(
            "select i.insider, i.function, c.name, c.slug from insider_companies i join companies c on c.number = i.company where i.insider in (",
        );
        push_numbers(&mut query, insiders);
        query.push(" order by i.insider, i.named_at desc, c.number");
        query.build_query_as().fetch_all(self).await
    }

    /// What the scores of some insiders come to; those without any are left out.
    pub async fn score_stats(&self, insiders: &[i64]) -> StoreResult<Vec<ScoreStats>> {
        if insiders.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new(
            "select p.insider, cast(sum(d.score) as bigint) as total, count(d.score) as scored, max(d.score) as highest
             from declaration_people p join declarations d on d.number = p.declaration where d.score is not null and p.insider in (",
        );
        push_numbers(&mut query, insiders);
        query.push(" group by p.insider");
        query.build_query_as().fetch_all(self).await
    }
}

fn push_insiders(query: &mut QueryBuilder, look: Option<&Look>, market: Option<&str>) {
    query.push(" where 1 = 1");
    if let Some(look) = look {
        look.push(query, "i.number");
    }
    if let Some(market) = market {
        query.push(" and i.market = ").push_bind(market.to_owned());
    }
}
