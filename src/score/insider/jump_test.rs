//! Prices that jump between filings: mistakes, and splits that nobody mentions.

use super::{
    record::Unscored,
    test_book::{day, filing, row, said},
};
use crate::model::filing::Filing;

/// Filings of one row each: by whom, of which day, at which price; published the evening after, in this order.
fn dealt(rows: &[(u32, &str, &str)]) -> Vec<Filing> {
    let filings = rows.iter().enumerate().map(|(n, (person, date, price))| {
        let at = super::days::plus(day(date), 1);
        let rows = vec![row("S", date, &(300 + n).to_string(), price)];
        let at = format!("{at}T20:{:02}:00Z", n % 60);
        filing(&n.to_string(), &at, &[*person], rows)
    });
    filings.collect()
}

/// Which of these filings are suspect, by their places.
fn doubted(rows: &[(u32, &str, &str)]) -> Vec<usize> {
    let said = said(&dealt(rows));
    let suspect = |n: &usize| said.reason(&n.to_string()) == Some(Unscored::Suspect);
    (0..rows.len()).filter(suspect).collect()
}

#[test]
fn a_price_that_nobody_else_pays_is_none_however_many_tell_it_at_once() {
    // five at the nominal price on one day, one weeks later, and one after the true price was told again
    let rows = [
        (1, "2023-01-10", "26.0"),
        (2, "2023-01-11", "26.5"),
        (3, "2023-01-30", "27.9"),
        (4, "2023-03-17", "1"),
        (5, "2023-03-17", "1"),
        (6, "2023-03-17", "1"),
        (7, "2023-03-17", "1"),
        (8, "2023-03-17", "1"),
        (7, "2023-05-05", "1"),
        (6, "2023-05-15", "27.5"),
        (9, "2023-06-01", "1"),
    ];
    assert_eq!(doubted(&rows), [3, 4, 5, 6, 7, 8, 10]);
}

#[test]
fn what_went_back_to_the_old_price_was_no_split() {
    // another currency, by five insiders at once, by one within the month, and by one half a year later
    let rows = [
        (1, "2022-09-01", "10.2"),
        (2, "2022-09-01", "10.2"),
        (3, "2022-09-02", "10.2"),
        (1, "2022-10-10", "105.9"),
        (2, "2022-10-10", "105.9"),
        (3, "2022-10-10", "105.9"),
        (4, "2022-10-16", "10.2"),
        (5, "2022-10-22", "104.6"),
        (1, "2023-01-12", "11.6"),
        (2, "2023-05-11", "11.4"),
        (5, "2023-05-15", "121.2"),
        (1, "2023-06-10", "9.2"),
    ];
    assert_eq!(doubted(&rows), [3, 4, 5, 7, 10]);
}

#[test]
fn first_rows_that_were_wrong_do_not_rule_for_ever() {
    // each day of dealing has one voice
    let first = "2022-05-23";
    let rows = [
        (1, first, "0.07"),
        (2, first, "0.07"),
        (3, first, "0.07"),
        (4, first, "0.07"),
        (5, "2022-07-23", "7.9"),
        (6, "2022-10-08", "6.2"),
        (2, "2023-01-26", "0.07"),
        (1, "2023-05-13", "6"),
        (2, "2023-05-13", "6"),
        (7, "2023-06-01", "6.1"),
    ];
    assert_eq!(doubted(&rows), [4, 5, 6]);
    // but what one insider alone repeats is no measure for the others
    let rows = [
        (1, "2022-05-23", "10"),
        (2, "2022-05-23", "11"),
        (3, "2022-05-23", "9"),
        (4, "2022-07-23", "1000"),
        (4, "2022-08-23", "1010"),
        (4, "2022-09-23", "1020"),
        (5, "2022-10-23", "10"),
        (4, "2022-11-23", "1020"),
    ];
    assert_eq!(doubted(&rows), [3, 4, 5, 7]);
}

#[test]
fn a_day_to_come_does_not_stand_as_the_latest_for_ever() {
    let mut rows = dealt(&[
        (1, "2023-01-10", "0.11"),
        (2, "2023-01-11", "0.11"),
        (3, "2023-01-12", "0.11"),
        (4, "2023-03-01", "2.7"),
        (5, "2023-03-01", "2.7"),
        (4, "2023-03-02", "2.8"),
        (6, "2023-03-03", "2.75"),
    ]);
    rows[2].rows[0].date = Some(day("2032-01-12"));
    let said = said(&rows);
    assert_eq!(said.reason("3"), Some(Unscored::Suspect));
    assert_eq!(said.reason("6"), None, "a split");
}
