//! What stops counting: amended, exercised, told twice, withdrawn; and from when on.

use super::{
    record::{Unscored, Verdict},
    test_book::{bought, day, filing, holding, number, owner, row, said, sold, time},
};
use crate::model::filing::{Amends, Code, Filing, FilingId, Status};

const NOON: &str = "2023-03-31T16:00:00Z";

fn amending(mut filing: Filing, amends: Amends) -> Filing {
    filing.amends = Some(amends);
    filing.form = "4/A".into();
    filing
}

#[test]
fn an_amendment_replaces_from_its_own_publication_on() {
    let kinds = [
        Amends::Filing(FilingId("SEC:first".into())),
        Amends::FiledOn(day("2023-03-20")),
        Amends::FiledOn(day("1999-01-01")), // a slip: the period tells
        Amends::Unnamed,
    ];
    for amends in kinds {
        let first = bought("first", "2023-03-20T16:00:00Z", 1, "2023-03-20");
        let between = bought("between", "2023-03-21T16:00:00Z", 2, "2023-03-20");
        let mut fixed = bought("fixed", "2023-03-22T16:00:00Z", 1, "2023-03-20");
        fixed.rows[0].shares = Some(number("10"));
        let after = bought("after", "2023-03-23T16:00:00Z", 2, "2023-03-20");
        let alone = said(&[first.clone(), between.clone()]);
        let said = said(&[first, between, amending(fixed, amends.clone()), after]);
        assert_eq!(
            said.of("first"),
            alone.of("first"),
            "stands as it was served"
        );
        assert_eq!(said.of("between"), alone.of("between"));
        let flow = |name: &str| said.audit(name).inputs.buy90;
        assert_eq!(flow("between"), Some(number("10000")), "{amends:?}");
        assert_eq!(flow("fixed"), Some(number("10000"))); // the other's alone
        assert_eq!(flow("after"), Some(number("10100")));
        let superseded = said.1.superseded();
        assert_eq!(superseded.len(), 1);
        assert_eq!(superseded[0].filing.0, "SEC:first");
        assert_eq!(superseded[0].at, time("2023-03-22T16:00:00Z"));
        assert_eq!(said.1.trades().len(), 3);
    }
}

#[test]
fn the_latest_amendment_replaces_the_earlier_ones_too() {
    let amends = || Amends::FiledOn(day("2023-03-20"));
    let said = said(&[
        bought("first", "2023-03-20T16:00:00Z", 1, "2023-03-20"),
        amending(
            bought("second", "2023-03-21T16:00:00Z", 1, "2023-03-20"),
            amends(),
        ),
        amending(
            bought("third", "2023-03-22T16:00:00Z", 1, "2023-03-20"),
            amends(),
        ),
        // another person's, and one of no known filing
        amending(
            bought("alien", "2023-03-22T16:00:00Z", 2, "2023-03-20"),
            amends(),
        ),
    ]);
    let pairs: Vec<(&str, &str)> = (said.1.superseded().iter())
        .map(|one| (&*one.filing.0, &*one.by.0))
        .collect();
    assert_eq!(
        pairs,
        [("SEC:first", "SEC:second"), ("SEC:second", "SEC:third")]
    );
}

/// Which filing took the place of which, in order.
fn replaced(filings: &[Filing]) -> Vec<(String, String)> {
    let name = |id: &FilingId| id.0.trim_start_matches("SEC:").to_owned();
    let said = said(filings);
    let superseded = said.1.superseded().iter();
    superseded
        .map(|one| (name(&one.filing), name(&one.by)))
        .collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(one, other): &(&str, &str)| ((*one).to_owned(), (*other).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn an_amendment_replaces_filings_of_its_own_form_alone() {
    let with_form = |mut filing: Filing, form: &str| {
        filing.form = form.into();
        filing
    };
    let held = |name: &str, at: &str, form: &str| {
        let mut one = row("P", "2023-03-20", "1", "1");
        one.code = None;
        with_form(filing(name, at, &[1], vec![one]), form)
    };
    let amends = [
        Amends::FiledOn(day("2023-03-20")),
        Amends::FiledOn(day("1999-01-01")),
        Amends::Unnamed,
    ];
    for amends in amends {
        let dealt = bought("dealt", "2023-03-20T15:00:00Z", 1, "2023-03-20");
        let mut again = held("again", "2023-03-22T15:00:00Z", "3/A");
        again.amends = Some(amends.clone());
        // with the Form 3 at hand, and without it
        let first = held("first", "2023-03-20T14:00:00Z", "3");
        let both = [first, dealt.clone(), again.clone()];
        assert_eq!(replaced(&both), pairs(&[("first", "again")]), "{amends:?}");
        assert_eq!(replaced(&[dealt.clone(), again]), [], "{amends:?}");
        let mut late = with_form(
            bought("late", "2023-03-22T16:00:00Z", 1, "2023-03-20"),
            "5/A",
        );
        late.amends = Some(amends.clone());
        assert_eq!(replaced(&[dealt.clone(), late]), [], "{amends:?}");
    }
}

/// A filing of some share counts, all dealt on one day; each with what was held after it.
fn part(name: &str, at: &str, counts: &[&str], price: &str) -> Filing {
    let mut held = 1_000;
    let rows = counts.iter().map(|count| {
        held += count.parse::<i32>().unwrap();
        holding(&held.to_string(), row("P", "2023-03-20", count, price))
    });
    filing(name, at, &[1], rows.collect())
}

#[test]
fn of_two_parts_of_one_day_each_is_amended_by_its_own() {
    for amends in [Amends::FiledOn(day("2023-03-20")), Amends::Unnamed] {
        let one = part("one", "2023-03-20T15:00:00Z", &["100", "101"], "10");
        let two = part("two", "2023-03-20T15:05:00Z", &["200", "201"], "10");
        let fix = |name: &str, at: &str, counts: &[&str], price: &str| {
            amending(part(name, at, counts, price), amends.clone())
        };
        let first = fix("first", "2023-03-22T15:00:00Z", &["100", "101"], "11");
        let second = fix("second", "2023-03-22T15:05:00Z", &["200", "201"], "11");
        let both = [one.clone(), two.clone(), first.clone(), second.clone()];
        assert_eq!(
            replaced(&both),
            pairs(&[("one", "first"), ("two", "second")])
        );
        assert_eq!(
            replaced(&[one.clone(), two.clone(), second.clone()]),
            pairs(&[("two", "second")])
        );
        // the first part's counts corrected, and then once more: it is told by what its amendment said
        let counts = fix("counts", "2023-03-23T15:00:00Z", &["100", "151"], "10");
        let again = fix("again", "2023-03-24T15:00:00Z", &["160", "151"], "12");
        assert_eq!(
            replaced(&[one.clone(), two.clone(), first, counts.clone(), again]),
            pairs(&[("one", "first"), ("first", "counts"), ("counts", "again")])
        );
        // it could be of either: of none, rather than of the wrong one
        let mut unlike = fix("unlike", "2023-03-23T15:00:00Z", &["7"], "3");
        unlike.rows[0].shares_after = None;
        assert_eq!(replaced(&[one, two.clone(), unlike.clone()]), []);
        assert_eq!(replaced(&[two, unlike]), pairs(&[("two", "unlike")]));
    }
}

#[test]
fn without_a_period_the_last_dealing_tells_which_filing_is_amended() {
    let mut first = bought("first", "2023-03-21T16:00:00Z", 1, "2023-03-20");
    let mut fixed = bought("fixed", "2023-03-23T16:00:00Z", 1, "2023-03-20");
    fixed.rows[0].shares = Some(number("1100"));
    (first.period, fixed.period) = (None, None);
    let fixed = amending(fixed, Amends::Unnamed);
    assert_eq!(replaced(&[first, fixed]), pairs(&[("first", "fixed")]));
}

#[test]
fn exercised_and_sold_the_same_day_is_no_sale() {
    let reason = |exercised: &[(&str, &str)], sales: &[(&str, &str)]| {
        let mut rows = Vec::new();
        for (code, deals) in [("M", exercised), ("S", sales)] {
            let deals = deals
                .iter()
                .map(|(date, shares)| row(code, date, shares, "10"));
            rows.extend(deals);
        }
        let said = said(&[filing("own", NOON, &[1], rows)]);
        let name = if exercised.is_empty() { "own" } else { "own:S" };
        (said.reason(name), said.of(name).totals.volume)
    };
    let covered = (Some(Unscored::ExerciseAndSell), None);
    assert_eq!(
        reason(&[("2023-03-30", "100")], &[("2023-03-30", "100")]),
        covered
    );
    let part = [("2023-03-30", "40"), ("2023-03-30", "60")];
    assert_eq!(reason(&[("2023-03-30", "100")], &part), covered);
    let more = (None, Some(number("101")));
    assert_eq!(
        reason(&[("2023-03-30", "100")], &[("2023-03-30", "101")]),
        more
    );
    let later = (None, Some(number("100")));
    assert_eq!(
        reason(&[("2023-03-29", "100")], &[("2023-03-30", "100")]),
        later
    );
    // only the rows of the other day count
    let days = [("2023-03-30", "100"), ("2023-03-31", "7")];
    let rest = (None, Some(number("7")));
    assert_eq!(reason(&[("2023-03-30", "100")], &days), rest);
    assert_eq!(
        reason(&[], &[("2023-03-30", "1")]),
        (None, Some(number("1")))
    );
}

#[test]
fn an_exercise_of_another_filing_covers_too_once_it_is_known() {
    let exercised = |at: &str| filing("m", at, &[1], vec![row("M", "2023-03-30", "1000", "1")]);
    let sale = sold("own", NOON, 1, "2023-03-30");
    let reason = |m: Filing| said(&[m, sale.clone()]).reason("own");
    assert_eq!(reason(exercised(NOON)), Some(Unscored::ExerciseAndSell));
    assert_eq!(reason(exercised("2023-03-31T16:00:01Z")), None);
    let mut alien = exercised(NOON);
    alien.owners = vec![owner(2)];
    assert_eq!(reason(alien), None);
}

#[test]
fn one_block_in_several_filings_counts_once() {
    let report = |name: &str, person: u32, direct: bool, after: &str| {
        let mut filing = bought(
            name,
            &format!("2023-03-30T16:00:0{person}Z"),
            person,
            "2023-03-29",
        );
        filing.rows[0].direct = Some(direct);
        filing.rows[0].shares_after = Some(number(after));
        filing
    };
    let after = || bought("after", NOON, 9, "2023-03-30");
    let check = |one: Filing, other: Filing, doubled: bool| {
        let said = said(&[one, other, after()]);
        let expected = doubled.then_some(Unscored::DuplicateBlock);
        assert_eq!(said.reason("2"), expected);
        let inputs = &said.audit("after").inputs;
        let (n, flow) = if doubled { (2, "10000") } else { (3, "20000") };
        assert_eq!((inputs.cluster_n, inputs.buy90), (n, Some(number(flow))));
        if doubled {
            assert_eq!(said.of("2").duplicate_of.as_deref(), Some("SEC:1"));
            assert_eq!(said.of("2").insider.len(), 2, "one insider from now on");
            assert_eq!(said.of("2").verdicts, [Verdict::DuplicateBlock]);
        }
    };
    check(
        report("1", 1, true, "5000"),
        report("2", 2, false, "5000"),
        true,
    );
    check(
        report("1", 1, false, "5000"),
        report("2", 2, true, "5000"),
        true,
    );
    check(
        report("1", 1, true, "5000"),
        report("2", 2, true, "5000"),
        false,
    );
    check(
        report("1", 1, false, "5000"),
        report("2", 2, false, "6000"),
        false,
    );
    let mut unknown = report("2", 2, false, "5000");
    unknown.rows[0].shares_after = None;
    check(report("1", 1, true, "5000"), unknown, false);
}

#[test]
fn two_parts_of_one_list_have_rows_in_common_and_are_no_double() {
    // the balance of the day's end stands beside every row
    let part = |name: &str, at: &str, counts: &[&str]| {
        let rows = counts.iter().map(|count| {
            let row = row("S", "2023-03-29", count, "20");
            holding("5000", row)
        });
        filing(name, at, &[1], rows.collect())
    };
    let first = part("first", "2023-03-30T16:00:00Z", &["100", "300"]);
    let second = part("second", "2023-03-30T16:05:00Z", &["100", "700"]);
    let said_both = said(&[first.clone(), second]);
    let sold = said_both.of("second").totals.volume;
    assert_eq!(sold, Some(number("800")));
    let again = part("again", "2023-03-30T16:05:00Z", &["300", "100"]);
    let said = said(&[first, again]);
    assert_eq!(said.reason("again"), Some(Unscored::DuplicateBlock));
}

#[test]
fn an_amendment_is_no_double_of_what_it_replaces() {
    let told = |name: &str, at: &str| {
        filing(
            name,
            at,
            &[1],
            vec![holding("5000", row("P", "2023-03-29", "1000", "10"))],
        )
    };
    let first = told("first", "2023-03-30T16:00:00Z");
    let again = told("again", NOON);
    let twice = said(&[first.clone(), again.clone()]);
    assert_eq!(
        twice.reason("again"),
        Some(Unscored::DuplicateBlock),
        "filed twice"
    );
    let said = said(&[first, amending(again, Amends::Unnamed)]);
    assert_eq!(said.reason("again"), None);
    assert_eq!(said.1.trades().len(), 1);
}

#[test]
fn what_never_counts_says_why() {
    let check = |filing: Filing, expected: Unscored| {
        let name = filing.id.0.trim_start_matches("SEC:").to_owned();
        assert_eq!(said(&[filing]).reason(&name), Some(expected));
    };
    let plain = || bought("own", NOON, 1, "2023-03-30");
    let mut filing = plain();
    filing.rows[0].code = Some(Code("A".into()));
    check(filing, Unscored::IneligibleCode);
    let mut filing = plain();
    filing.rows[0].code = Some(Code("gift".into()));
    check(filing, Unscored::IneligibleCode);
    let mut filing = plain();
    filing.rows[0].derivative = true;
    check(filing, Unscored::Derivative);
    let mut filing = plain();
    filing.rows[0].code = None;
    check(filing, Unscored::NoTransaction);
    let mut filing = plain();
    filing.rows[0].date = None;
    check(filing, Unscored::Incomplete);
    let mut filing = plain();
    filing.rows[0].shares = None;
    check(filing, Unscored::Incomplete);
    let mut filing = plain();
    filing.status = Status::Cancelled;
    check(filing, Unscored::Cancelled);
    let mut filing = plain();
    filing.status = Status::Revised;
    check(filing, Unscored::Superseded);
    let mut filing = plain();
    filing.rows[0].acquired = Some(false);
    check(filing, Unscored::Suspect);
}
