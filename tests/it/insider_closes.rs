//! Closes of a company over the API: the latest first, by day, week or month, in pages and as a file, and never older than what was taken in.

use std::{collections::BTreeMap, fs};

use jiff::civil::Date;
use serde_json::{Value, json};

use super::insider_data::{House, day, noon};

const CLOSES: &str = "/companies/otter-works-inc-1/closes";
/// As many as there are of Otter Works.
const ALL: i64 = 900;

/// The close of so many days ago, as it was put.
fn close(ago: i64) -> (String, f64) {
    (day(ago).to_string(), (800 + ago) as f64 / 100.0)
}

fn closes(body: &Value) -> Vec<(String, f64)> {
    let items = body["items"].as_array().unwrap_or_else(|| panic!("{body}"));
    let close = |item: &Value| {
        assert_eq!(item.as_object().unwrap().len(), 2, "{item}");
        let date = item["date"].as_str().unwrap().to_owned();
        (date, item["close"].as_f64().unwrap())
    };
    items.iter().map(close).collect()
}

fn dates(body: &Value) -> Vec<Date> {
    let all = closes(body).into_iter();
    all.map(|(date, _)| date.parse().unwrap()).collect()
}

#[test]
fn closes_are_listed_the_latest_first() {
    let house = House::start();
    let usual = house.get(CLOSES);
    assert_eq!(
        (&usual["total"], &usual["limit"], &usual["offset"]),
        (&json!(ALL), &json!(250), &json!(0))
    );
    assert_eq!(closes(&usual), (0..250).map(close).collect::<Vec<_>>());
    let names: Vec<&String> = usual.as_object().unwrap().keys().collect();
    assert_eq!(names, ["items", "limit", "meta", "offset", "total"]);
    assert!(
        usual["meta"]["dataFreshness"]["prices"].is_string(),
        "{usual}"
    );
    // every one, over as many pages as it takes
    let rest = house.get(&format!("{CLOSES}?limit=1000&offset=250"));
    assert_eq!(closes(&rest), (250..ALL).map(close).collect::<Vec<_>>());
    let behind = house.get(&format!("{CLOSES}?offset=900"));
    assert_eq!(
        (&behind["total"], &behind["items"]),
        (&json!(ALL), &json!([]))
    );
    // the digits are those that were taken in
    assert!(house.ask(CLOSES).text().contains("\"close\":8.01}"));
}

#[test]
fn a_stretch_of_closes_is_of_the_markets_days() {
    let house = House::start();
    let of = |query: &str| {
        let body = house.get(&format!("{CLOSES}?{query}"));
        let dates = dates(&body);
        assert_eq!(body["total"], dates.len(), "{body}");
        (dates.first().copied(), dates.last().copied())
    };
    let (from, to) = (day(40), day(20));
    assert_eq!(of(&format!("from={from}&to={to}")), (Some(to), Some(from)));
    assert_eq!(
        of(&format!("from={}", day(5))),
        (Some(day(0)), Some(day(5)))
    );
    // one in the morning in UTC is the evening before in New York, and noon is the same day
    let early = format!("{}T01:00:00Z", day(30));
    assert_eq!(of(&format!("to={early}&from={}", day(33))).0, Some(day(31)));
    assert_eq!(of(&format!("from={}", noon(30))).1, Some(day(30)));
    assert_eq!(of("to=1999-01-01"), (None, None));
    let etoile = house.get("/companies/l-etoile-fils-2/closes");
    assert_eq!(
        (&etoile["total"], &etoile["items"]),
        (&json!(0), &json!([])),
        "it has no ticker"
    );
}

#[test]
fn a_week_or_a_month_is_its_last_close() {
    let house = House::start();
    let week = |day: Date| {
        let week = day.iso_week_date();
        (i32::from(week.year()), i32::from(week.week()))
    };
    let month = |day: Date| (i32::from(day.year()), i32::from(day.month()));
    let stretches = [(0, ALL - 1), (3, 500), (100, 131), (7, 7)];
    for (until, since) in stretches {
        let (from, to) = (day(since), day(until));
        let check = |bucket: &str, of: &dyn Fn(Date) -> (i32, i32)| {
            let mut last = BTreeMap::new();
            for ago in (until..=since).rev() {
                last.insert(of(day(ago)), close(ago));
            }
            let expected: Vec<_> = last.into_values().rev().collect();
            let body = house.get(&format!(
                "{CLOSES}?bucket={bucket}&from={from}&to={to}&limit=1000"
            ));
            assert_eq!(body["total"], expected.len(), "{bucket}: {body}");
            assert_eq!(closes(&body), expected, "{bucket}");
            let part = house.get(&format!(
                "{CLOSES}?bucket={bucket}&from={from}&to={to}&limit=2&offset=1"
            ));
            let some: Vec<_> = expected.into_iter().skip(1).take(2).collect();
            assert_eq!(closes(&part), some, "{bucket}");
        };
        check("week", &week);
        check("month", &month);
    }
}

/// Months are reckoned in SQL: over leap years, ends of centuries and what lies before 1970.
#[test]
fn months_and_weeks_of_two_centuries_are_those_of_the_calendar() {
    let house = House::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("OTTR.csv");
    let mut days: Vec<Date> = Vec::new();
    for year in [
        1899, 1900, 1904, 1969, 1970, 1972, 1999, 2000, 2001, 2004, 2019, 2020, 2021,
    ] {
        let first = jiff::civil::date(year, 1, 1);
        days.extend(
            (0..first.days_in_year()).map(|n| first.saturating_add(jiff::Span::new().days(n))),
        );
    }
    let lines = days.iter().map(|day| format!("{day},7.5\n"));
    let text: String = std::iter::once("Date,Close\n".to_owned())
        .chain(lines)
        .collect();
    fs::write(&file, text).unwrap();
    let ingest = ["ingest", "prices", file.to_str().unwrap(), "--market", "us"];
    let output = house.server.command(&ingest);
    assert!(output.status.success(), "{output:?}");
    let end = "to=2021-12-31&limit=1000";
    let months = house.get(&format!("{CLOSES}?bucket=month&{end}"));
    assert_eq!(months["total"], 13 * 12, "{months}");
    for day in dates(&months) {
        assert_eq!(day, day.last_of_month(), "{day}");
    }
    let weeks = house.get(&format!("{CLOSES}?bucket=week&{end}"));
    for (n, day) in dates(&weeks).into_iter().enumerate() {
        let is_end =
            day.weekday() == jiff::civil::Weekday::Sunday || (day.month(), day.day()) == (12, 31);
        assert!(is_end, "{n}: {day}");
    }
}

#[test]
fn all_closes_are_a_file() {
    let house = House::start();
    let file = house.ask(&format!("{CLOSES}?format=csv"));
    let disposition = file.head.header("content-disposition");
    assert_eq!(disposition, Some("attachment; filename=\"closes.csv\""));
    let text = file.text();
    let lines: Vec<&str> = text.trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 901, "all, and their head");
    assert_eq!(lines[0], "date,close");
    assert_eq!(lines[1], format!("{},8", day(0)));
    assert_eq!(lines[900], format!("{},16.99", day(899)));
    let weeks = house.get(&format!("{CLOSES}?bucket=week&limit=1000"));
    let file = house
        .ask(&format!("{CLOSES}?bucket=week&format=csv"))
        .text();
    let listed: Vec<String> = dates(&weeks).iter().map(Date::to_string).collect();
    let filed: Vec<&str> = file.trim_end().split("\r\n").skip(1).collect();
    let filed: Vec<&str> = filed
        .iter()
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(filed, listed);
    let two = house
        .ask(&format!("{CLOSES}?format=csv&limit=2&offset=898"))
        .text();
    assert_eq!(two.matches("\r\n").count(), 3, "{two}");
    let none = house
        .ask("/companies/l-etoile-fils-2/closes?format=csv")
        .text();
    assert_eq!(none, "date,close\r\n");
}

#[test]
fn what_is_asked_of_closes_is_checked() {
    let house = House::start();
    for (query, parameter) in [
        ("bucket=year", "bucket"),
        ("limit=1001", "limit"),
        ("limit=0", "limit"),
        ("offset=-1", "offset"),
        ("from=soon", "from"),
        ("from=2026-01-02&to=2026-01-01", "to"),
        ("since=2026-01-02", "since"),
        ("market=us", "market"),
        ("symbol=OTTR", "symbol"),
    ] {
        let reply = house.ask(&format!("{CLOSES}?{query}"));
        let details = reply.expect_error(400, "invalid_parameter");
        assert_eq!(details["parameter"], parameter, "{query}");
    }
    for path in ["/companies/x-99/closes", "/companies/otter/closes"] {
        house.ask(path).expect_error(404, "company_not_found");
    }
    let nobody = super::wire::request(
        house.server.main,
        "GET",
        &format!("/api/v1{CLOSES}"),
        &[],
        b"",
    );
    nobody.expect_error(401, "missing_api_key");
}

#[test]
fn closes_are_tagged_and_never_older_than_what_was_taken_in() {
    let house = House::start();
    let path = format!("{CLOSES}?limit=3");
    let first = house.ask(&path);
    let tag = first.head.header("etag").expect("a tag").to_owned();
    let again = house.ask_with(&path, &[("if-none-match", &tag)]);
    assert_eq!(again.head.status, 304);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("OTTR.csv");
    fs::write(&file, format!("Date,Close\n{},9.375\n", day(1))).unwrap();
    let ingest = ["ingest", "prices", file.to_str().unwrap(), "--market", "us"];
    let output = house.server.command(&ingest);
    assert!(output.status.success(), "{output:?}");
    let reply = house.ask_with(&path, &[("if-none-match", &tag)]);
    let body = reply.ok_json();
    assert_eq!(closes(&body)[1], (day(1).to_string(), 9.375));
    assert_eq!(body["total"], ALL, "it took the place of another");
}
