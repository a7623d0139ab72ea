//! How a filing is split into declarations, and what of it may count.

use super::{
    declaration::split,
    record::{DeclarationRecord, Direction, Role, Unscored},
    test_book::{bought, day, filing, holding, market, noted, number, owner, row},
};
use crate::model::filing::{Code, Filing, Row};

const NOON: &str = "2023-03-31T16:00:00Z";

fn declarations(filing: &Filing) -> Vec<DeclarationRecord> {
    split(filing, &market(), "acme")
}

fn with(rows: Vec<Row>) -> Filing {
    filing("1", NOON, &[1], rows)
}

#[test]
fn one_code_bears_the_filings_id_and_several_bear_their_own() {
    let names = |filing: &Filing| {
        let declarations = declarations(filing);
        let names = declarations.iter();
        names
            .map(|one| (one.amf_id.clone(), one.principal))
            .collect::<Vec<_>>()
    };
    let sale = || row("S", "2023-03-30", "10", "10");
    let named = |name: &str, principal| (name.to_owned(), principal);
    assert_eq!(names(&with(vec![sale(), sale()])), [named("SEC:1", true)]);
    let three = with(vec![
        row("M", "2023-03-30", "5", "1"),
        sale(),
        row("F", "2023-03-30", "100", "10"),
    ]);
    let expected = [
        named("SEC:1:M", false),
        named("SEC:1:S", false),
        named("SEC:1:F", true),
    ];
    assert_eq!(names(&three), expected, "the largest amount");
    let alike = with(vec![row("A", "2023-03-30", "10", "10"), sale()]);
    assert!(names(&alike)[1].1, "of amounts alike, the sale");
    let nothing = with(vec![Row::default()]);
    assert_eq!(names(&nothing), [named("SEC:1", true)]);
}

#[test]
fn amounts_are_exact_and_average_the_price() {
    let mut partly = row("P", "2023-03-28", "7", "1");
    partly.price = None;
    let mut whole = row("P", "2023-03-30", "3", "0");
    whole.value = Some(number("10"));
    let declarations = declarations(&with(vec![
        row("P", "2023-03-29", "1000", "0.1234"),
        row("P", "2023-03-30", "1", "0.00000001"),
        partly,
        whole,
    ]));
    let filed = &declarations[0].filed;
    assert_eq!(filed.amount, Some(number("133.40000001")));
    assert_eq!(filed.volume, Some(number("1011")));
    assert_eq!(filed.unit_price, Some(number("0.13286853"))); // 133.40000001 / 1004
    assert_eq!(filed.transaction_date, Some(day("2023-03-28")));
    let rows = &declarations[0].rows;
    assert_eq!(rows[2].amount, None);
    assert_eq!(rows[3].amount, Some(number("10")));
}

#[test]
fn amounts_and_a_single_price_keep_all_their_digits() {
    let price = "31.75586399808";
    let of = |rows| declarations(&with(rows))[0].filed.clone();
    let one = of(vec![row("P", "2023-03-29", "873", price)]);
    assert_eq!(one.amount, Some(number("27722.86927032384")));
    assert_eq!(one.unit_price, Some(number(price)));
    let two = of(vec![
        row("P", "2023-03-29", "873", price),
        row("P", "2023-03-30", "1", price),
    ]);
    assert_eq!(two.amount, Some(number("27754.62513432192")));
    assert_eq!(two.unit_price, Some(number(price)), "no average");
}

#[test]
fn several_currencies_are_no_amount() {
    let mut kroner = row("P", "2023-03-30", "10", "10");
    kroner.currency = Some("NOK".into());
    let alone = &declarations(&with(vec![kroner.clone()]))[0];
    assert_eq!(
        (&*alone.currency, alone.filed.amount),
        ("NOK", Some(number("100")))
    );
    let mut dollars = row("P", "2023-03-30", "10", "10");
    dollars.currency = Some("USD".into());
    let mixed = &declarations(&with(vec![kroner, dollars]))[0];
    assert_eq!((mixed.filed.amount, mixed.rows[0].price), (None, None));
    assert_eq!(mixed.filed.volume, Some(number("20")));
}

#[test]
fn absurd_numbers_are_none() {
    let huge = "79228162514264337593543950335";
    let found = &declarations(&with(vec![row("P", "2023-03-30", huge, huge)]))[0];
    assert!(found.rows.is_empty());
    assert_eq!(found.unscored, Some(Unscored::Suspect));
    for (shares, price) in [
        ("10", huge),
        ("10", "1000000000000001"),
        ("1000000000", "1000001"),
    ] {
        let beside = row("P", "2023-03-30", "7", "10");
        let found = &declarations(&with(vec![row("P", "2023-03-30", shares, price), beside]))[0];
        assert_eq!((found.unscored, found.rows.len()), (None, 1), "{price}");
        assert_eq!(found.filed.amount, Some(number("70")), "what can be counts");
    }
    let found = &declarations(&with(vec![row("P", "2023-03-30", "1000000000", "1000000")]))[0];
    assert_eq!(found.filed.amount, Some(number("1000000000000000")));
    let found = &declarations(&with(vec![row("P", "2023-03-30", "-10", "-1")]))[0];
    assert!(found.rows.is_empty());
}

#[test]
fn derivatives_stand_beside_and_are_not_added() {
    let mut option = row("P", "2023-03-01", "500", "3");
    option.derivative = true;
    let both = &declarations(&with(vec![
        option.clone(),
        row("P", "2023-03-30", "10", "10"),
    ]))[0];
    assert_eq!(both.filed.amount, Some(number("100")));
    assert_eq!(both.filed.transaction_date, Some(day("2023-03-30")));
    assert_eq!((both.rows.len(), both.rows[0].row), (1, 1));
    let alone = &declarations(&with(vec![option]))[0];
    assert_eq!(alone.filed.amount, Some(number("1500")));
    assert!(alone.rows.is_empty());
    assert_eq!(alone.direction, Some(Direction::Buy));
}

#[test]
fn a_plan_is_the_forms_box_else_the_rows_footnotes() {
    let text = "Under a Rule 10b5-1 plan";
    let plan = |filing: &Filing| declarations(filing)[0].plan;
    let plain = bought("1", NOON, 1, "2023-03-30");
    let told = noted(plain.clone(), text);
    assert!(!plan(&plain) && plan(&told));
    let boxed = |filing: &Filing, plan| Filing {
        plan: Some(plan),
        ..filing.clone()
    };
    assert!(plan(&boxed(&plain, true)));
    assert!(!plan(&boxed(&told, false)), "the element is there");
    // half of the shares
    let mut partly = noted(plain, text);
    partly.rows.push(row("P", "2023-03-30", "1000", "10"));
    assert!(plan(&partly));
    partly.rows.push(row("P", "2023-03-30", "1", "10"));
    assert!(!plan(&partly));
    assert!(declarations(&partly)[0].rows[0].plan, "the row stays one");
}

#[test]
fn one_security_is_one_however_it_is_called() {
    let same = [
        "Common Stock",
        "COMMON  STOCK",
        "Common",
        "Common Shares",
        "Common Stock, par value $.01",
        "Common Stock, $0.01 par value",
        "Common Stock (1)",
    ];
    for name in same {
        let mut filing = bought("1", NOON, 1, "2023-03-30");
        filing.rows[0].security = name.into();
        assert_eq!(
            declarations(&filing)[0].rows[0].security,
            "common stock",
            "{name}"
        );
    }
    let mut filing = bought("1", NOON, 1, "2023-03-30");
    filing.rows[0].isin = Some("US0000000001".into());
    assert_eq!(declarations(&filing)[0].rows[0].security, "US0000000001");
}

#[test]
fn records_are_read_again_as_they_were_written() {
    let mut filing = with(vec![
        holding("5000.5", row("S", "2023-03-30", "1.25", "10.1234")),
        row("M", "2023-03-30", "1", "1"),
    ]);
    filing.owners = vec![owner(1), owner(2)];
    filing.owners[1].title = Some("CFO".into());
    filing.owners[1].officer = true;
    for record in declarations(&filing) {
        let text = serde_json::to_string(&record).unwrap();
        let read: DeclarationRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(read, record);
        assert_eq!(read.role, Role::Cfo);
    }
    let other = Code("teckning".into());
    assert_eq!(super::declaration::direction(&other), None);
}
