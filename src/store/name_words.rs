//! The words that names are found by.
//!
//! How many names have a word that begins so is counted in one stretch of an index. A name with two such words must count once: each
//! word says how much of its beginning it shares with the one before it among the words of its name, in the order of the alphabet. Of
//! those that begin alike, only the first shares less than that.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    companies::Named,
    db::Tx,
    error::StoreResult,
    numbered::{ROWS_PER_STATEMENT, push_numbers},
    sql::QueryBuilder,
};
use crate::model::name::words;

/// Bytes that two words begin with alike.
fn shared(one: &str, other: &str) -> usize {
    let alike = one.bytes().zip(other.bytes());
    alike.take_while(|(one, other)| one == other).count()
}

/// Words in the order of the alphabet, each with what it shares with the one before.
fn with_shared(words: &BTreeSet<String>) -> impl Iterator<Item = (&str, i64)> {
    let mut before = "";
    words.iter().map(move |word| {
        let shared = shared(before, word);
        before = word;
        (word.as_str(), i64::try_from(shared).unwrap_or(i64::MAX))
    })
}

impl Tx {
    /// Makes names, and codes that stand for them, findable by each of their words. Words of former names stay: people search by what they
    /// remember.
    pub(super) async fn put_words(
        &mut self,
        kind: Named,
        names: &[(i64, &str)],
    ) -> StoreResult<()> {
        let mut said: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for (number, name) in names {
            said.entry(*number).or_default().extend(words(name));
        }
        let numbers: Vec<i64> = said.keys().copied().collect();
        for some in numbers.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(match kind {
                Named::Company => "select number, market from companies where number in (",
                Named::Insider => "select number, market from insiders where number in (",
            });
            push_numbers(&mut query, some);
            let markets: Vec<(i64, String)> = query.build_query_as().fetch_all(&mut *self).await?;
            let mut query =
                QueryBuilder::new("select number, word, shared from name_words where kind = ");
            query.push_bind(kind as i64).push(" and number in (");
            push_numbers(&mut query, some);
            let rows: Vec<(i64, String, i64)> =
                query.build_query_as().fetch_all(&mut *self).await?;
            let mut known = HashMap::with_capacity(rows.len());
            for (number, word, shared) in rows {
                said.entry(number).or_default().insert(word.clone());
                known.insert((number, word), shared);
            }
            let mut news = Vec::new();
            for (number, market) in &markets {
                for (word, shared) in said.get(number).into_iter().flat_map(with_shared) {
                    if known.get(&(*number, word.to_owned())) != Some(&shared) {
                        news.push((word, *number, market, shared));
                    }
                }
            }
            self.put_word_rows(kind, &news).await?;
        }
        Ok(())
    }

    async fn put_word_rows(
        &mut self,
        kind: Named,
        rows: &[(&str, i64, &String, i64)],
    ) -> StoreResult<()> {
        for chunk in rows.chunks(ROWS_PER_STATEMENT) {
            let mut query =
                QueryBuilder::new("insert into name_words (word, kind, number, market, shared) ");
            query.push_values(chunk, |mut row, (word, number, market, shared)| {
                row.push_bind(*word)
                    .push_bind(kind as i64)
                    .push_bind(*number)
                    .push_bind(*market)
                    .push_bind(*shared);
            });
            query.push(" on conflict (word, kind, number) do update set shared = excluded.shared");
            query.build().execute(&mut *self).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn of_the_words_that_begin_alike_one_shares_less_than_that(
            words in prop::collection::btree_set("[ab]{1,5}", 0..12), beginning in "[ab]{1,4}"
        ) {
            let least = i64::try_from(beginning.len()).unwrap();
            let firsts = with_shared(&words)
                .filter(|(word, shared)| word.starts_with(&beginning) && *shared < least);
            let is_there = words.iter().any(|word| word.starts_with(&beginning));
            prop_assert_eq!(firsts.count(), usize::from(is_there));
        }
    }
}
