//! What declarations said of their company at any moment: its name, its ticker, its market capitalisation, each since when.

use super::{
    db::{Db, Tx},
    error::StoreResult,
    sql::{QueryBuilder, query_as},
};
use crate::model::time::Time;

const KEYS_PER_STATEMENT: usize = 400;

/// A company as its declarations showed it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Brief {
    /// Its name.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// Its ticker.
    pub symbol: Option<String>,
    /// Its latest market capitalisation, exact.
    pub market_cap: Option<String>,
}

impl Tx {
    /// Notes what is said of these companies from now on, where it is anything else than before.
    pub(crate) async fn note_companies(&mut self, companies: &[i64], now: Time) -> StoreResult<()> {
        for some in companies.chunks(KEYS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(
                "insert into company_briefs (company, since, name, slug, symbol, market_cap) select c.number, ",
            );
            query.push_bind(now.0).push(
                ", c.name, c.slug, c.symbol, c.market_cap from companies c where c.number in (",
            );
            let mut list = query.separated(", ");
            for number in some {
                list.push_bind(*number);
            }
            query.push(
                ") and not exists (select 1 from company_briefs b where b.company = c.number
                 and b.since = (select max(l.since) from company_briefs l where l.company = c.number)
                 and b.name = c.name and b.slug = c.slug
                 and b.symbol is not distinct from c.symbol and b.market_cap is not distinct from c.market_cap)
                 on conflict (company, since) do update set name = excluded.name, slug = excluded.slug,
                 symbol = excluded.symbol, market_cap = excluded.market_cap",
            );
            query.build().execute(&mut *self).await?;
        }
        Ok(())
    }
}

impl Db {
    /// What was said of a declaration's company at a moment; `None` before anything was.
    pub async fn company_then(&self, declaration: i64, then: Time) -> StoreResult<Option<Brief>> {
        query_as(
            "select b.name, b.slug, b.symbol, b.market_cap from company_briefs b join declarations d on d.company = b.company
             where d.number = $1 and b.since <= $2 order by b.since desc limit 1")
            .bind(declaration).bind(then.0).fetch_optional(self).await
    }
}
