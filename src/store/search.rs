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
        push_word(query, "w", kind, &word);
        query.push(")");
    }
}

/// The same, held against one row after the other.
pub(crate) fn push_words_held(query: &mut QueryBuilder, column: &str, kind: Named, text: &str) {
    let held = Look {
        kind,
        words: (words(text).into_iter().take(MOST_WORDS))
            .map(|word| (0, word))
            .collect(),
        gathers: false,
    };
    held.push(query, column);
}

/// Of a word that begins more names than this, the names are looked through in the order that is asked for, and each is held against the
/// words; of a rarer one, all names are gathered and sorted. What is far down a list is found later by looking than by gathering.
const MOST_GATHERED: i64 = 5_000;
/// The same for what stands among the first [`NEAR`].
const MOST_GATHERED_NEAR: i64 = 1_000;
/// Places of a list that are its beginning.
const NEAR: i64 = 200;
/// Of several words the rarest is looked for among so many names of each; beyond, all are alike.
const MOST_COUNTED: i64 = 20_000;

/// How names are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    kind: Named,
    /// How many names have a word that begins so, up to a bound, and its beginning: the rarest first.
    words: Vec<(i64, String)>,
    /// All names with the rarest are gathered.
    gathers: bool,
}

impl Look {
    /// Whether what is found comes in the order of the table's index, or is to be sorted.
    pub(crate) fn is_in_order(&self) -> bool {
        !self.gathers
    }

    /// Adds a condition on a column of numbers.
    pub(crate) fn push(&self, query: &mut QueryBuilder, column: &str) {
        if self.words.is_empty() {
            query.push(" and 1 = 0");
        } else if self.gathers {
            query.push(" and ").push(column);
            query.push(" in (select n.number from name_words n where ");
            self.push_found(query);
            query.push(")");
        } else {
            self.push_held(query, column, &self.words);
        }
    }

    /// That a row `n` of `name_words` holds the rarest word, of a name that has all others. Of each such name there is one.
    fn push_found(&self, query: &mut QueryBuilder) {
        let Some(((_, rarest), others)) = self.words.split_first() else {
            query.push("1 = 0");
            return;
        };
        push_first_word(query, "n", self.kind, rarest);
        let (few, many): (Vec<_>, Vec<_>) =
            (others.iter().cloned()).partition(|(count, _)| *count < MOST_COUNTED);
        for (_, word) in &few {
            query.push(" and n.number in (select w.number from name_words w where ");
            push_word(query, "w", self.kind, word);
            query.push(")");
        }
        self.push_held(query, "n.number", &many);
    }

    /// That a name has these words, looked for name by name.
    fn push_held(&self, query: &mut QueryBuilder, column: &str, words: &[(i64, String)]) {
        for (_, word) in words {
            // At most one row is met. SQLite 3.51 makes a join of this and, of what OFFSET passes over, would count each row.
            query.push(" and exists (select 1 from name_words w where w.number = ");
            query.push(column).push(" and ");
            push_first_word(query, "w", self.kind, word);
            query.push(")");
        }
    }
}

/// That a row of `name_words`, by its alias, holds a word that begins so.
fn push_word(query: &mut QueryBuilder, alias: &str, kind: Named, word: &str) {
    query.push(alias).push(".kind = ").push_bind(kind as i64);
    query
        .push(" and ")
        .push(alias)
        .push(".word >= ")
        .push_bind(word);
    // words are of a to z and digits, and `{` comes after z
    query
        .push(" and ")
        .push(alias)
        .push(".word < ")
        .push_bind(format!("{word}{{"));
}

/// The same, of the first of the words of a name that do: see [`super::name_words`].
fn push_first_word(query: &mut QueryBuilder, alias: &str, kind: Named, word: &str) {
    push_word(query, alias, kind, word);
    let length = i64::try_from(word.len()).unwrap_or(i64::MAX);
    query
        .push(" and ")
        .push(alias)
        .push(".shared < ")
        .push_bind(length);
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
        let counts_to = if words.len() == 1 { most } else { MOST_COUNTED };
        let mut counted = Vec::with_capacity(words.len());
        for word in words {
            let mut query =
                QueryBuilder::new("select count(*) from (select 1 from name_words w where ");
            push_word(&mut query, "w", kind, &word);
            query
                .push(" limit ")
                .push_bind(counts_to)
                .push(") as counted");
            let count: i64 = query.build_query_scalar().fetch_one(self).await?;
            counted.push((count, word));
        }
        counted.sort_unstable();
        Ok(Look {
            kind,
            gathers: counted.first().is_some_and(|(count, _)| *count < most),
            words: counted,
        })
    }

    /// How many names are found, of a market or of all. See [`super::name_words`].
    pub(crate) async fn count_names(&self, look: &Look, market: Option<&str>) -> StoreResult<i64> {
        let mut query = QueryBuilder::new("select count(*) from name_words n where ");
        look.push_found(&mut query);
        if let Some(market) = market {
            query.push(" and n.market = ").push_bind(market);
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
            query.push(if look.is_in_order() {
                " order by t.declarations desc, t.number limit "
            } else {
                // no index is to lead through all names where a few are gathered
                " order by t.declarations + 0 desc, t.number limit "
            });
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
