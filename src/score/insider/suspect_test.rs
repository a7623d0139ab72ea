//! Rows that cannot be what they say, and those that only look so.

use super::{
    company::{Company, Series},
    record::{Split, Suspicion, Unscored, Verdict},
    test_book::{Said, company, day, filing, holding, noted, number, row, said, said_of},
};
use crate::model::filing::{Filing, Row};

const NOON: &str = "2023-03-31T16:00:00Z";

/// What is said of each row of the filing `own`.
fn suspicions(said: &Said) -> Vec<Option<Suspicion>> {
    let verdicts = said.of("own").verdicts.iter();
    verdicts
        .map(|verdict| match verdict {
            Verdict::Suspect(suspicion) => Some(*suspicion),
            _ => None,
        })
        .collect()
}

fn own(rows: &[(&str, &str)]) -> Filing {
    let rows = rows
        .iter()
        .map(|(shares, price)| row("P", "2023-03-30", shares, price));
    filing("own", NOON, &[1], rows.collect())
}

/// Earlier filings by other people, one row each.
fn earlier(prices: &[&str]) -> Vec<Filing> {
    let filings = prices.iter().enumerate().map(|(n, price)| {
        let at = format!("2023-02-{:02}T16:00:00Z", n + 1);
        let shares = (1000 + 100 * n).to_string();
        let rows = vec![row("P", "2023-02-01", &shares, price)];
        filing(&n.to_string(), &at, &[10 + n as u32], rows)
    });
    filings.collect()
}

fn closing(date: &str, close: &str) -> Company {
    let mut company = company();
    company.closes = Series::new([(day(date), number(close))]);
    company
}

#[test]
fn a_price_stands_within_five_of_the_last_close() {
    let check = |date: &str, close: &str, price: &str, suspect: bool| {
        let said = said_of(closing(date, close), &[own(&[("2050", price)])]);
        let expected = suspect.then_some(Suspicion::PriceAgainstClose);
        assert_eq!(suspicions(&said), [expected], "{price} against {close}");
        let reason = suspect.then_some(Unscored::Suspect);
        assert_eq!(said.reason("own"), reason);
    };
    check("2023-03-30", "8.5", "14280", true);
    check("2023-03-30", "10", "50", false);
    check("2023-03-30", "10", "50.01", true);
    check("2023-03-30", "10", "2", false);
    check("2023-03-30", "10", "1.99", true);
    check("2023-03-20", "10", "99", true); // ten days old
    check("2023-03-19", "10", "99", false); // eleven
    check("2023-03-31", "10", "99", false); // of a session that has not ended
}

#[test]
fn a_close_of_ordinary_shares_says_nothing_of_others() {
    let check = |security: &str, suspect: bool| {
        let mut filing = own(&[("100", "99")]);
        filing.rows[0].security = security.into();
        let said = said_of(closing("2023-03-30", "2"), &[filing]);
        assert_eq!(suspicions(&said)[0].is_some(), suspect, "{security}");
    };
    check("Common Stock", true);
    check("Class A Common Stock, par value $0.01", true);
    check("Series C Common Stock", true);
    check("Series A Cumulative Preferred Stock", false);
    check("6.50% Senior Notes due 2026", false);
    check("Depositary Shares (Series B)", false);
    check("American Depositary Shares", true);
    check("Common Stock (see note 1)", true);
    check("Class B Common Stock, convertible into Class A", true);
    check("Common Stock (Right to Buy)", true);
    check("Convertible Notes (into Common Stock)", false);
    check("Option to purchase Common Stock", false);
    check(
        "Series B Preferred Stock (convertible into Common Stock)",
        false,
    );
    check("Teckningsoptioner 2023", false);
    check("Teckningsoption, common shares", false);
    check("Anoted Common Stock", true);
}

#[test]
fn splits_that_came_later_are_undone() {
    let mut company = company();
    // as downloaded after one for twenty on 2 June
    company.closes = Series::new([
        (day("2023-03-30"), number("40")),
        (day("2023-06-05"), number("38")),
    ]);
    let filing = own(&[("1000", "2")]);
    let unknown = said_of(company.clone(), std::slice::from_ref(&filing));
    assert_eq!(suspicions(&unknown), [Some(Suspicion::PriceAgainstClose)]);
    company.splits = vec![Split {
        date: day("2023-06-02"),
        ratio: number("0.05"),
    }];
    assert_eq!(suspicions(&said_of(company, &[filing])), [None]);
}

/// A company whose closes were the same for weeks.
fn quoted_at(close: &str) -> Company {
    let mut company = company();
    let days = (1..75).map(|n| super::days::plus(day("2023-01-20"), n));
    company.closes = Series::new(days.map(|day| (day, number(close))));
    company
}

#[test]
fn three_rows_at_one_multiple_of_the_close_vouch_for_a_price() {
    // closes as downloaded after a split of thirty for one that nobody told
    let company = || quoted_at("300");
    let mut filings = earlier(&["9000", "9020", "8980"]);
    filings.push(own(&[("3", "9100")]));
    let said = said_of(company(), &filings);
    assert_eq!(said.reason("2"), Some(Unscored::Suspect));
    assert_eq!(suspicions(&said), [None]);
    let suspect = |filings: &[Filing]| suspicions(&said_of(company(), filings))[0].is_some();
    // two are too few; one insider makes a mistake again; and totals vouch for nothing
    assert!(suspect(&filings[1..]));
    let mut alone = filings.clone();
    for filing in &mut alone[..3] {
        filing.owners[0].id = Some("0000000010".into());
    }
    assert!(suspect(&alone));
    let mut total = filings.clone();
    total[3] = own(&[("30", "9100")]);
    assert!(suspect(&total));
    // once a price agreed with the closes, those of another scale are mistakes
    let mut agreed = filings.clone();
    let at = "2023-01-31T16:00:00Z";
    let row = row("P", "2023-01-30", "100", "301");
    agreed.push(filing("agrees", at, &[4], vec![row]));
    assert!(suspect(&agreed));
}

#[test]
fn however_many_say_so_an_impossible_price_stays_one() {
    // cents for dollars, by one insider after the other
    let cents = ["1000", "1010", "990", "1000", "1020", "1000"];
    let said = said_of(quoted_at("10"), &earlier(&cents));
    for n in 0..cents.len() {
        assert_eq!(said.reason(&n.to_string()), Some(Unscored::Suspect), "{n}");
    }
    assert!(said.1.trades().is_empty());
    // and without closes, against what was paid before
    let mut filings = earlier(&["10", "11", "9", "1000", "1010", "990", "1000"]);
    filings.push(own(&[("70", "1000"), ("90", "1005")]));
    assert!(
        suspicions(&super::test_book::said(&filings))
            .iter()
            .all(Option::is_some)
    );
}

#[test]
fn a_small_count_at_the_price_before_a_split_is_no_total() {
    // ten for one, later: 30 shares at ten times the close would be a total only at thirty times
    let mut filings = earlier(&["100", "101", "99"]);
    filings.push(own(&[("30", "102")]));
    assert_eq!(suspicions(&said_of(quoted_at("10"), &filings)), [None]);
    filings[3] = own(&[("10", "102")]);
    assert!(suspicions(&said_of(quoted_at("10"), &filings))[0].is_some());
}

#[test]
fn without_a_close_earlier_rows_are_the_measure() {
    let check = |prices: &[&str], price: &str, suspect: bool| {
        let mut filings = earlier(prices);
        filings.push(own(&[("5", price)]));
        let expected = suspect.then_some(Suspicion::PriceAgainstEarlier);
        assert_eq!(suspicions(&said(&filings)), [expected], "{price}");
    };
    check(&["10", "11", "9"], "100", false);
    check(&["10", "11", "9"], "101", true);
    check(&["10", "11", "9"], "1", false);
    check(&["10", "11", "9"], "0.99", true);
    check(&["10", "11"], "9999", false); // too few to say
    check(&["10", "11", "9", "99999"], "101", true); // the suspect one is no measure
}

#[test]
fn another_security_is_no_measure() {
    let mut filings = earlier(&["0.1", "0.1", "0.1"]);
    let mut preferred = own(&[("100", "25")]);
    preferred.rows[0].security = "Series A Preferred Stock".into();
    filings.push(preferred);
    assert_eq!(suspicions(&said(&filings)), [None]);
}

#[test]
fn a_reverse_split_is_no_mistake() {
    let check = |change: &dyn Fn(&mut Vec<Filing>), suspect: bool| {
        let mut filings = earlier(&["0.11", "0.12", "0.1"]);
        filings.push(own(&[("5000", "2.75")]));
        change(&mut filings);
        filings.extend([("2023-03-01", 5), ("2023-03-02", 6)].map(|(day, person)| {
            let rows = vec![row("P", day, "700", "0.11")];
            filing(
                &format!("old {person}"),
                &format!("{day}T20:00:00Z"),
                &[person],
                rows,
            )
        }));
        let found = suspicions(&said(&filings))[0].is_some();
        assert_eq!(found, suspect, "{filings:?}");
    };
    check(&|_| {}, true);
    check(
        &|filings| {
            let filing = filings.pop().unwrap();
            filings.push(noted(filing, "After the 1-for-25 reverse stock split"));
        },
        false,
    );
    // three different prices of two insiders are the last that is told
    let other = |person: u32, day: &str, price: &str| {
        let rows = vec![row("P", day, &format!("90{person}"), price)];
        let name = format!("other {person} {day} {price}");
        filing(&name, &format!("{day}T20:00:00Z"), &[person], rows)
    };
    let three = |prices: [&str; 3]| {
        [
            other(2, "2023-03-27", prices[0]),
            other(3, "2023-03-27", prices[1]),
            other(3, "2023-03-28", prices[2]),
        ]
    };
    let told = || three(["2.7", "2.6", "2.9"]);
    check(&|filings| filings.extend(told()), false);
    check(&|filings| filings.extend_from_slice(&told()[..2]), false); // this filing's is the third
    check(&|filings| filings.extend_from_slice(&told()[2..]), true);
    check(&|filings| filings.extend(three(["2.75"; 3])), true); // one number over and over
    let mine = |mut filing: Filing| {
        filing.owners[0].id = Some("0000000001".into());
        filing
    };
    check(&|filings| filings.extend(told().map(mine)), true);
    // or one that is trusted, for it says why
    let says = || noted(other(2, "2023-03-28", "2.9"), "Reverse split on 27 March");
    check(&|filings| filings.push(says()), false);
    // on a later day, or on the last one, shares were dealt in at the old price: no split is taken back
    let after = |day| {
        move |filings: &mut Vec<Filing>| {
            filings.extend(told().into_iter().chain([other(4, day, "0.12")]))
        }
    };
    check(&after("2023-03-29"), true);
    check(&after("2023-03-28"), true);
    check(&after("2023-03-24"), false);
    // what one filing tells of all its rows is one mistake, or none
    let more = |shares: &str, price: &str| row("P", "2023-03-30", shares, price);
    check(&|filings| filings[3].rows.push(more("30000", "2.6")), true);
    // cents for dollars are no split
    check(
        &|filings| {
            filings.extend(three(["11.1", "10.8", "10.9"]));
            filings[3] = own(&[("5000", "11")]);
        },
        true,
    );
    // the price holds the total: 25 shares at 0.11
    check(
        &|filings| {
            filings.extend(told());
            filings[3] = own(&[("25", "2.75")]);
        },
        true,
    );
    // what is held shrank with the price
    let held = |name: &str, at: &str, shares: &str, price: &str, after: &str| {
        let date = if name == "own" {
            "2023-03-30"
        } else {
            "2023-02-10"
        };
        filing(
            name,
            at,
            &[1],
            vec![holding(after, row("P", date, shares, price))],
        )
    };
    let before = || held("mine", "2023-02-11T16:00:00Z", "1000", "0.1", "100000");
    let now = |after: &str| held("own", NOON, "5000", "2.75", after);
    check(
        &|filings| {
            filings[3] = now("9000"); // 4,000 were 100,000
            filings.push(before());
        },
        false,
    );
    check(
        &|filings| {
            filings[3] = now("105000");
            filings.push(before());
        },
        true,
    );
}

#[test]
fn known_splits_between_are_undone() {
    let mut company = company();
    company.splits = vec![Split {
        date: day("2023-03-01"),
        ratio: number("0.04"),
    }];
    let mut filings = earlier(&["0.11", "0.12", "0.1"]);
    filings.push(own(&[("5000", "2.75")]));
    assert_eq!(suspicions(&said_of(company, &filings)), [None]);
}

#[test]
fn a_price_that_grows_with_the_count_is_the_total() {
    let check = |rows: &[(&str, &str)], expected: &[bool]| {
        let found = suspicions(&said(&[own(rows)]));
        let totals = expected
            .iter()
            .map(|total| total.then_some(Suspicion::TotalAsPrice));
        assert_eq!(found, totals.collect::<Vec<_>>(), "{rows:?}");
    };
    check(&[("950", "6580"), ("500", "3456")], &[true, true]);
    check(
        &[("950", "6580"), ("500", "3456"), ("600", "4576")],
        &[true; 3],
    ); // beside sure ones
    check(&[("950", "6580"), ("600", "4576")], &[false, false]); // 10 % apart
    check(&[("100", "10"), ("200", "10")], &[false, false]);
    check(
        &[("950", "6580"), ("951", "6587"), ("500", "3456")],
        &[true; 3],
    );
    check(&[("100", "10"), ("100", "10")], &[false, false]);
    check(
        &[("100", "1000"), ("200", "2000"), ("7", "9")],
        &[true, true, false],
    );
    // chance: nearly the same count, nearly the same price; and a share that would be worth nothing
    check(&[("1000", "50"), ("1005", "50.2")], &[false, false]);
    check(&[("1000", "8500"), ("1040", "8840")], &[true, true]); // the very same, for all rows
    check(
        &[("1000", "8500"), ("1040", "8840"), ("900", "9100")],
        &[false; 3],
    );
    check(&[("548580", "7.91"), ("479039", "6.91")], &[false, false]);
}

#[test]
fn many_rows_are_judged_as_by_comparing_each_with_each() {
    use proptest::{prelude::*, test_runner::TestRunner};
    let rows = proptest::collection::vec((1_u32..40, 1_u32..60, any::<bool>()), 0..30);
    let mut runner = TestRunner::deterministic();
    runner
        .run(&rows, |rows| {
            let rows: Vec<Row> = (rows.iter())
                .map(|(shares, price, other)| {
                    let mut one = row(
                        "P",
                        "2023-03-30",
                        &shares.to_string(),
                        &(price * shares / 8 + 1).to_string(),
                    );
                    if *other {
                        one.security = "Class B".into();
                    }
                    one
                })
                .collect();
            let each = |row: &Row| row.price.unwrap() / row.shares.unwrap();
            let same = |a: &Row, b: &Row, most: &str| {
                let (low, high) = (each(a).min(each(b)), each(a).max(each(b)));
                a.security == b.security && high <= low * number(most)
            };
            let differ = |a: &Row, b: &Row| {
                let (few, many) = (a.shares.min(b.shares), a.shares.max(b.shares));
                few.unwrap() * number("1.05") < many.unwrap()
            };
            let sure = |one: &Row| rows.iter().any(|b| same(one, b, "1.01") && differ(one, b));
            let very_same = |row: &Row| {
                let own = || rows.iter().filter(|other| other.security == row.security);
                let counts = || own().filter_map(|row| row.shares);
                let (few, many) = (counts().min().unwrap(), counts().max().unwrap());
                own().all(|a| own().all(|b| same(a, b, "1.001"))) && few * number("1.01") < many
            };
            let expected: Vec<bool> = (rows.iter())
                .map(|row| very_same(row) || rows.iter().any(|b| sure(b) && same(row, b, "1.5")))
                .collect();
            let said = said(&[filing("own", NOON, &[1], rows)]);
            let found: Vec<bool> = match said.0.get("own") {
                Some(_) => suspicions(&said).iter().map(Option::is_some).collect(),
                None => Vec::new(),
            };
            prop_assert_eq!(
                found,
                if said.0.is_empty() {
                    Vec::new()
                } else {
                    expected
                }
            );
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_close_that_agrees_outweighs_a_ratio() {
    let rows = [("2", "20"), ("3", "30")];
    let said = said_of(closing("2023-03-30", "25"), &[own(&rows)]);
    assert_eq!(suspicions(&said), [None, None]);
}

#[test]
fn a_purchase_does_not_dispose() {
    let check = |code: &str, acquired: Option<bool>, suspect: bool| {
        let mut filing = own(&[("10", "10")]);
        filing.rows[0] = Row {
            acquired,
            ..row(code, "2023-03-30", "10", "10")
        };
        let expected = suspect.then_some(Suspicion::WrongDirection);
        assert_eq!(suspicions(&said(&[filing])), [expected]);
    };
    check("P", Some(true), false);
    check("P", Some(false), true);
    check("S", Some(false), false);
    check("S", Some(true), true);
    check("S", None, false);
}

#[test]
fn suspect_rows_are_left_out_and_the_others_stay() {
    let mut company = closing("2023-03-30", "8.5");
    company.market_caps = Series::new([(day("2023-01-01"), number("1000000"))]);
    let filing = own(&[("100", "8.4"), ("2050", "14280")]);
    let said = said_of(company, &[filing]);
    let own = said.of("own");
    assert_eq!(own.totals.amount, Some(number("840")));
    assert_eq!(own.totals.volume, Some(number("100")));
    assert_eq!(own.insider_cum_net, Some(number("840")));
    assert_eq!(said.audit("own").inputs.amount, Some(number("840")));
    assert_eq!(said.1.trades().len(), 1);
}
