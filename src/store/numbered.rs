//! Rows by their numbers: lists are found as numbers first, and their rows read afterwards.

use std::{collections::HashMap, hash::Hash};

use super::sql::QueryBuilder;

/// Rows read by one statement.
pub(crate) const ROWS_PER_STATEMENT: usize = 500;

/// Numbers in a list, with its closing parenthesis.
pub(crate) fn push_numbers(query: &mut QueryBuilder, numbers: &[i64]) {
    let mut list = query.separated(", ");
    for number in numbers {
        list.push_bind(*number);
    }
    query.push(")");
}

/// Rows in the order of their numbers; of a number without a row, nothing.
pub(crate) fn in_order<K: Eq + Hash, R>(
    numbers: &[K],
    rows: Vec<R>,
    number: impl Fn(&R) -> K,
) -> Vec<R> {
    let mut found: HashMap<K, R> = rows.into_iter().map(|row| (number(&row), row)).collect();
    let listed = numbers.iter().filter_map(|number| found.remove(number));
    listed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_the_order_of_their_numbers() {
        let rows = vec![(3, 'c'), (1, 'a'), (2, 'b')];
        let listed = in_order(&[2, 9, 3, 1], rows, |row| row.0);
        assert_eq!(listed, [(2, 'b'), (3, 'c'), (1, 'a')]);
    }
}
