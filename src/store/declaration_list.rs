//! Lists of declarations: filtered, sorted, page by page, as they are served now.

use super::{
    companies::Named,
    db::Db,
    error::StoreResult,
    search::push_words,
    sql::{QueryBuilder, query_scalar},
};
use crate::model::time::Time;

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sort {
    /// Publication.
    #[default]
    PubDate,
    /// Score; unscored last.
    SignalScore,
    /// Amount, whatever the currency; unknown last.
    Amount,
}

/// Which declarations, and in which order. Empty: all, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Of this company.
    pub company: Option<i64>,
    /// About this insider.
    pub insider: Option<i64>,
    /// Code of a market.
    pub market: Option<String>,
    /// `BUY` or `SELL`: eligible ones only.
    pub direction: Option<String>,
    /// Least score, in tenths.
    pub min_score: Option<i64>,
    /// Greatest score, in tenths.
    pub max_score: Option<i64>,
    /// Only clusters, or only what is none.
    pub cluster: Option<bool>,
    /// Least amount, in millionths of its own currency.
    pub min_amount: Option<i64>,
    /// Words of the company's name.
    pub company_name: Option<String>,
    /// Words of the insider's name.
    pub insider_name: Option<String>,
    /// ISIN of the instrument or the company.
    pub isin: Option<String>,
    /// Published at or after.
    pub from: Option<Time>,
    /// Published before.
    pub before: Option<Time>,
    /// By what to sort.
    pub sort: Sort,
    /// The smallest first.
    pub ascending: bool,
}

/// A declaration in a list, in the parts that are kept apart as each changes on its own.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Listed {
    /// Its number.
    pub number: i64,
    /// Its amfId.
    pub amf_id: String,
    /// JSON from the opening brace up to the company.
    pub head: String,
    /// JSON members between company and signal.
    pub rest: String,
    /// JSON of the signal.
    pub signal: String,
    /// The company's name.
    pub company_name: String,
    /// Its slug.
    pub company_slug: String,
    /// Its ticker.
    pub company_symbol: Option<String>,
    /// Its latest market capitalisation, exact.
    pub company_market_cap: Option<String>,
    /// JSON of the backtest, where it was asked for and there is one.
    pub backtest: Option<String>,
    /// When that was computed, microseconds.
    pub backtest_at: Option<i64>,
}

const COLUMNS: &str =
    "d.number, d.amf_id, d.head, d.rest, d.signal, c.name as company_name, c.slug as company_slug,
    c.symbol as company_symbol, c.market_cap as company_market_cap, ";

impl Filter {
    /// What of it matters to how many it passes: the order does not.
    #[must_use]
    pub fn counted(&self) -> Self {
        Filter {
            sort: Sort::default(),
            ascending: false,
            ..self.clone()
        }
    }

    fn push_where(&self, query: &mut QueryBuilder) {
        query.push(" where d.number > 0");
        if let Some(company) = self.company {
            query.push(" and d.company = ").push_bind(company);
        }
        if let Some(insider) = self.insider {
            query
                .push(
                    " and d.number in (select declaration from declaration_people where insider = ",
                )
                .push_bind(insider)
                .push(")");
        }
        if let Some(market) = &self.market {
            query.push(" and d.market = ").push_bind(market.clone());
        }
        if let Some(direction) = &self.direction {
            query
                .push(" and d.direction = ")
                .push_bind(direction.clone());
        }
        if let Some(score) = self.min_score {
            query.push(" and d.score >= ").push_bind(score);
        }
        if let Some(score) = self.max_score {
            query.push(" and d.score <= ").push_bind(score);
        }
        if let Some(cluster) = self.cluster {
            query.push(" and d.is_cluster = ").push_bind(cluster);
        }
        if let Some(amount) = self.min_amount {
            query.push(" and d.amount_micros >= ").push_bind(amount);
        }
        if let Some(isin) = &self.isin {
            query.push(" and d.isin = ").push_bind(isin.clone());
        }
        if let Some(from) = self.from {
            query.push(" and d.published_at >= ").push_bind(from.0);
        }
        if let Some(before) = self.before {
            query.push(" and d.published_at < ").push_bind(before.0);
        }
        if let Some(name) = &self.company_name {
            push_words(query, "d.company", Named::Company, name);
        }
        if let Some(name) = &self.insider_name {
            push_words(query, "d.insider", Named::Insider, name);
        }
    }

    fn push_order(&self, query: &mut QueryBuilder) {
        query.push(match (self.sort, self.ascending) {
            (Sort::PubDate, false) => " order by d.published_at desc, d.amf_id",
            (Sort::PubDate, true) => " order by d.published_at, d.amf_id",
            (Sort::SignalScore, false) => " order by d.score desc nulls last, d.amf_id",
            (Sort::SignalScore, true) => " order by d.score nulls last, d.amf_id",
            (Sort::Amount, false) => " order by d.amount_micros desc nulls last, d.amf_id",
            (Sort::Amount, true) => " order by d.amount_micros nulls last, d.amf_id",
        });
    }
}

impl Db {
    /// How many declarations a filter passes.
    pub async fn count_declarations(&self, filter: &Filter) -> StoreResult<i64> {
        let mut query = QueryBuilder::new("select count(*) from declarations d");
        filter.push_where(&mut query);
        query.build_query_scalar().fetch_one(self).await
    }

    /// A page of the declarations that a filter passes.
    pub async fn list_declarations(
        &self,
        filter: &Filter,
        limit: i64,
        offset: i64,
        with_backtest: bool,
    ) -> StoreResult<Vec<Listed>> {
        // what is skipped is skipped in an index: only the page itself is read
        let mut query = QueryBuilder::new("select ");
        query.push(COLUMNS);
        query.push(if with_backtest {
            "b.body as backtest, b.computed_at as backtest_at"
        } else {
            "cast(null as text) as backtest, cast(null as bigint) as backtest_at"
        });
        query.push(" from declarations d join companies c on c.number = d.company");
        if with_backtest {
            query.push(" left join backtests b on b.declaration = d.number");
        }
        query.push(" where d.number in (select d.number from declarations d");
        filter.push_where(&mut query);
        filter.push_order(&mut query);
        query
            .push(" limit ")
            .push_bind(limit)
            .push(" offset ")
            .push_bind(offset)
            .push(")");
        filter.push_order(&mut query);
        query.build_query_as().fetch_all(self).await
    }

    /// One declaration by its amfId, or by the bare accession of its filing: then the principal one.
    pub async fn declaration(
        &self,
        amf_id: &str,
        with_backtest: bool,
    ) -> StoreResult<Option<Listed>> {
        let Some(number) = self.declaration_number(amf_id).await? else {
            return Ok(None);
        };
        let mut query = QueryBuilder::new("select ");
        query.push(COLUMNS);
        query.push(if with_backtest {
            "b.body as backtest, b.computed_at as backtest_at"
        } else {
            "cast(null as text) as backtest, cast(null as bigint) as backtest_at"
        });
        query.push(" from declarations d join companies c on c.number = d.company");
        if with_backtest {
            query.push(" left join backtests b on b.declaration = d.number");
        }
        query.push(" where d.number = ").push_bind(number);
        query.build_query_as().fetch_optional(self).await
    }

    /// The number of a declaration by its amfId, or by the bare accession of its filing: then the principal one's.
    pub async fn declaration_number(&self, amf_id: &str) -> StoreResult<Option<i64>> {
        query_scalar(
            "select number from (
                select number, 0 as choice from declarations where amf_id = $1
                union all
                select d.number, 1 from declarations d join filings f on f.number = d.filing
                where f.id = $1 and d.principal) as found
             order by choice limit 1",
        )
        .bind(amf_id)
        .fetch_optional(self)
        .await
    }
}
