//! Search: companies and insiders by the beginnings of the words of their names, the most reported first.

use std::collections::HashMap;

use super::{
    companies::Named,
    db::Db,
    error::StoreResult,
    numbered::{ROWS_PER_STATEMENT, push_numbers},
    sql::{QueryBuilder, unindexed},
};
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAny {
    /// See [`Named`].
    pub kind: i64,
    /// What was found.
    pub found: Found,
}

/// More words than this narrow nothing any more.
const MOST_WORDS: usize = 8;

/// Adds ` and <column> in (…)` for each word that the name must have the beginning of: all that have it are gathered. A text without words
/// finds nothing.
pub(crate) fn push_words(query: &mut QueryBuilder, column: &str, kind: Named, text: &str) {
    let words = words(text);
    if words.is_empty() {
        query.push(" and 1 = 0");
    }
    for word in words.into_iter().take(MOST_WORDS) {
        query
            .push(" and ")
            .push(column)
            .push(" in (select w.number from name_words w where ");
        push_word(query, kind, &word);
        query.push(")");
    }
}

/// Of a word that begins more names than this, the names are looked through in the order that is asked for, and each is held against the
/// words; of a rarer one, all names are gathered and sorted. What is far down a list is found later by looking than by gathering.
const MOST_GATHERED: i64 = 5_000;
/// The same for what stands among the first [`NEAR`].
const MOST_GATHERED_NEAR: i64 = 1_000;
/// Places of a list that are its beginning.
const NEAR: i64 = 200;

/// How names are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    kind: Named,
    words: Vec<String>,
    /// All names with this word are gathered.
    gathered: Option<String>,
}

impl Look {
    /// Whether what is found comes in the order of the table's index, or is to be sorted.
    pub(crate) fn is_in_order(&self) -> bool {
        self.gathered.is_none()
    }

    /// Adds a condition on a column of numbers.
    pub(crate) fn push(&self, query: &mut QueryBuilder, column: &str) {
        if self.words.is_empty() {
            query.push(" and 1 = 0");
        }
        for word in &self.words {
            query.push(" and ");
            if self.gathered.as_ref() == Some(word) {
                query
                    .push(column)
                    .push(" in (select w.number from name_words w where ");
            } else {
                query.push("exists (select 1 from name_words w where w.number = ");
                query.push(column).push(" and ");
            }
            push_word(query, self.kind, word);
            query.push(")");
        }
    }
}

/// That a row of `name_words w` holds a word that begins so.
fn push_word(query: &mut QueryBuilder, kind: Named, word: &str) {
    query
        .push("w.kind = ")
        .push_bind(kind as i64)
        .push(" and w.word >= ")
        .push_bind(word.to_owned())
        // words are of a to z and digits, and `{` comes after z
        .push(" and w.word < ")
        .push_bind(format!("{word}{{"));
}

impl Db {
    /// How to look for names with a word beginning as each word of a text does, up to a place in their order.
    pub(crate) async fn look(&self, kind: Named, text: &str, upto: i64) -> StoreResult<Look> {
        let mut words = words(text);
        words.sort_unstable();
        words.dedup();
        words.truncate(MOST_WORDS);
        // of two words that many names have, few may have both: looking would go far before it finds a page of them
        let most = if upto <= NEAR && words.len() == 1 {
            MOST_GATHERED_NEAR
        } else {
            MOST_GATHERED
        };
        let mut rarest = (most, None);
        for word in &words {
            let mut query =
                QueryBuilder::new("select count(*) from (select 1 from name_words w where ");
            push_word(&mut query, kind, word);
            query.push(" limit ").push_bind(most).push(") as counted");
            let count: i64 = query.build_query_scalar().fetch_one(self).await?;
            if count < rarest.0 {
                rarest = (count, Some(word.clone()));
            }
        }
        Ok(Look {
            kind,
            words,
            gathered: rarest.1,
        })
    }

    /// How many names, in any market, are found.
    pub(crate) async fn count_names(&self, look: &Look) -> StoreResult<i64> {
        let first = look.gathered.as_ref().or(look.words.first());
        let Some(first) = first else {
            return Ok(0);
        };
        let others = Look {
            words: (look.words.iter().filter(|word| *word != first))
                .cloned()
                .collect(),
            gathered: None,
            kind: look.kind,
        };
        let mut query = QueryBuilder::new(
            "select count(*) from (select distinct w.number from name_words w where ",
        );
        push_word(&mut query, look.kind, first);
        query.push(") as found where 1 = 1");
        if !others.words.is_empty() {
            others.push(&mut query, "found.number");
        }
        query.build_query_scalar().fetch_one(self).await
    }

    /// Companies and insiders together whose names have a word beginning as each word of `text` does, those with the most declarations
    /// first; of equals, companies first. Each as its kind and number.
    pub async fn search_numbers(
        &self,
        text: &str,
        market: Option<&str>,
        limit: i64,
        offset: i64,
    ) -> StoreResult<Vec<(i64, i64)>> {
        let mut query = QueryBuilder::new("select kind, number from (");
        for (kind, table, and_then) in [
            (Named::Company, "companies", ") as c union all "),
            (Named::Insider, "insiders", ") as i"),
        ] {
            let look = self.look(kind, text, limit.saturating_add(offset)).await?;
            query.push("select kind, number, declarations from (select cast(");
            query.push(kind as i64);
            query.push(" as bigint) as kind, t.number, t.declarations from ");
            query.push(table).push(" t where 1 = 1");
            look.push(&mut query, "t.number");
            if let Some(market) = market {
                query.push(" and ");
                // the order decides, not the market
                query
                    .push(unindexed("t.market"))
                    .push(" = ")
                    .push_bind(market.to_owned());
            }
            query
                .push(" order by ")
                .push(if look.is_in_order() {
                    "t.declarations".to_owned()
                } else {
                    unindexed("t.declarations")
                })
                .push(" desc, t.number limit ");
            query.push_bind(limit.saturating_add(offset));
            query.push(and_then);
        }
        query
            .push(") as found order by declarations desc, kind, number limit ")
            .push_bind(limit)
            .push(" offset ")
            .push_bind(offset);
        query.build_query_as().fetch_all(self).await
    }

    /// These companies and insiders, in this order.
    pub async fn found(&self, numbers: &[(i64, i64)]) -> StoreResult<Vec<FoundAny>> {
        let mut found = HashMap::new();
        for (kind, columns) in [
            (
                Named::Company,
                "select number, name, slug, market, declarations, symbol, isin from companies where number in (",
            ),
            (
                Named::Insider,
                "select number, name, slug, market, declarations, cast(null as text) as symbol, cast(null as text) as isin
                 from insiders where number in (",
            ),
        ] {
            let kind = kind as i64;
            let of_kind: Vec<i64> = (numbers.iter().filter(|(of, _)| *of == kind))
                .map(|(_, number)| *number)
                .collect();
            for some in of_kind.chunks(ROWS_PER_STATEMENT) {
                let mut query = QueryBuilder::new(columns);
                push_numbers(&mut query, some);
                let rows: Vec<Found> =
                    query.build_query_as().fetch_all(self).await?;
                found.extend(rows.into_iter().map(|row| ((kind, row.number), row)));
            }
        }
        Ok((numbers.iter())
            .filter_map(|key| {
                found
                    .remove(key)
                    .map(|found| FoundAny { kind: key.0, found })
            })
            .collect())
    }
}
