//! Search: companies and insiders by the beginnings of the words of their names, the most reported first.

use super::{companies::Named, db::Db, error::StoreResult, sql::QueryBuilder};
use crate::model::name::words;

/// A company or insider that was found.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Found {
    /// Its number.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// Code of its market.
    pub market: String,
    /// How many declarations it has.
    pub declarations: i64,
    /// A company's ticker.
    pub symbol: Option<String>,
    /// A company's ISIN.
    pub isin: Option<String>,
}

/// One of companies and insiders together.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct FoundAny {
    /// See [`Named`].
    pub kind: i64,
    /// What was found.
    #[sqlx(flatten)]
    pub found: Found,
}

/// More words than this narrow nothing any more.
const MOST_WORDS: usize = 8;

/// Adds ` and <column> in (…)` for each word that the name must have the beginning of; a text without words finds nothing.
pub(crate) fn push_words(query: &mut QueryBuilder, column: &str, kind: Named, text: &str) {
    let words = words(text);
    if words.is_empty() {
        query.push(" and 1 = 0");
    }
    for word in words.into_iter().take(MOST_WORDS) {
        query
            .push(" and ")
            .push(column)
            .push(" in (select number from name_words where kind = ")
            .push_bind(kind as i64)
            .push(" and word >= ")
            .push_bind(word.clone())
            // words are of a to z and digits, and `{` comes after z
            .push(" and word < ")
            .push_bind(format!("{word}{{"))
            .push(")");
    }
}

impl Db {
    /// Companies or insiders with a word beginning as each word of `text` does; empty where it has no word.
    pub async fn search(
        &self,
        kind: Named,
        text: &str,
        market: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<Found>> {
        if words(text).is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new(match kind {
            Named::Company => {
                "select number, name, slug, market, declarations, symbol, isin from companies where number > 0"
            }
            Named::Insider => {
                "select number, name, slug, market, declarations, cast(null as text) as symbol, cast(null as text) as isin from insiders where number > 0"
            }
        });
        push_words(&mut query, "number", kind, text);
        if let Some(market) = market {
            query.push(" and market = ").push_bind(market);
        }
        query
            .push(" order by declarations desc, number limit ")
            .push_bind(limit);
        query.build_query_as().fetch_all(self).await
    }

    /// A page of companies and insiders together, as [`Db::search`] finds and orders them; of equals, companies first.
    pub async fn search_all(
        &self,
        text: &str,
        market: Option<&str>,
        limit: i64,
        offset: i64,
    ) -> StoreResult<Vec<FoundAny>> {
        let mut query = QueryBuilder::new("select * from (");
        for (kind, columns) in [
            (
                Named::Company,
                "select cast(0 as bigint) as kind, number, name, slug, market, declarations, symbol, isin from companies where number > 0",
            ),
            (
                Named::Insider,
                " union all select cast(1 as bigint), number, name, slug, market, declarations, cast(null as text), cast(null as text)
                  from insiders where number > 0",
            ),
        ] {
            query.push(columns);
            push_words(&mut query, "number", kind, text);
            if let Some(market) = market {
                query.push(" and market = ").push_bind(market.to_owned());
            }
        }
        query
            .push(") as found order by declarations desc, kind, number limit ")
            .push_bind(limit)
            .push(" offset ")
            .push_bind(offset);
        query.build_query_as().fetch_all(self).await
    }
}
