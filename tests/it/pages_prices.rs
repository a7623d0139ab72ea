//! Prices on pages: a line of closes as the API tells them, with entries and exits on their days; and pages that stand without it.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use sqlx::Connection as _;

use super::{
    data_visitor::{Visitor, transferred},
    insider_data::{House, day, place},
    server::{Server, now, sample},
};

/// The rows of a page's table of closes: their cells, and what a chart is drawn of.
fn rows(page: &str) -> Vec<Vec<String>> {
    let table = page.split("aria-label=\"Closes\"").nth(1);
    let table = table.unwrap_or_else(|| panic!("no closes: {page}"));
    let body = table.split("<tbody>").nth(1).unwrap();
    let body = body.split("</tbody>").next().unwrap();
    let cells = |row: &str| {
        let cells = row.split("<t").skip(1);
        let cells = cells.filter(|cell| cell.starts_with("h ") || cell.starts_with('d'));
        cells
            .map(|cell| {
                let (_, text) = cell.split_once('>').unwrap();
                text.split("</").next().unwrap().to_owned()
            })
            .collect()
    };
    body.split("<tr>").skip(1).map(cells).collect()
}

/// Of a signal that says no more than which filing it is of.
fn signal_of(house: &House, amf_id: &str) -> String {
    let mut signal = sample(7);
    signal["signal_type"] = json!("insider_buy");
    signal["amfId"] = json!(amf_id);
    signal["token"] = Value::Null;
    house.server.publish(&signal);
    format!("/signals/{}", signal["id"].as_str().unwrap())
}

fn written(ago: i64) -> String {
    format!("{:.2}", (800 + ago) as f64 / 100.0)
}

#[test]
fn a_company_has_a_line_of_its_closes() {
    let house = House::start();
    let visitor = Visitor::at(&house);
    let page = visitor.page("/companies/otter-works-inc-1");
    for said in [
        "Closes by day, adjusted for splits and dividends, USD",
        "data-points=\"2:up,3:down,4:ring\"",
        "/api/v1/companies/otter-works-inc-1/closes?bucket=day",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let rows = rows(&page);
    let told = house.get("/companies/otter-works-inc-1/closes?limit=520");
    let told = told["items"].as_array().unwrap();
    assert_eq!(rows.len(), 520, "no more than a page should carry");
    for (row, item) in rows.iter().rev().zip(told) {
        assert_eq!(row[0], item["date"].as_str().unwrap());
        let close = format!("{:.2}", item["close"].as_f64().unwrap());
        assert_eq!(row[1], close, "{row:?}");
    }
    // one of the purchases, the sale, and what became of them
    let on = |ago: i64| {
        let day = day(ago).to_string();
        let found = rows.iter().find(|row| row[0] == day);
        found.unwrap_or_else(|| panic!("{day}"))[2..].to_vec()
    };
    assert_eq!(
        on(499)[0],
        written(499),
        "the first close after its publication"
    );
    assert_eq!(on(399)[1], written(399));
    assert_eq!(on(499 - 30)[2], "after 30 days");
    assert_eq!(on(498), ["", "", ""]);
    let french = visitor.page("/companies/l-etoile-fils-2");
    assert!(
        french.contains("No closes are known") && !french.contains("/closes?"),
        "{french}"
    );
}

#[test]
fn a_signal_has_the_line_from_before_its_entry_with_its_exits() {
    let house = House::start();
    let visitor = Visitor::at(&house);
    let path = signal_of(&house, "SEC:0000000000-00-000004");
    let before = visitor.left();
    let page = visitor.page(&path);
    assert_eq!(
        before - visitor.left(),
        2,
        "one request, and the question what is left"
    );
    assert!(page.contains("data-points=\"2:down,3:ring\""), "{page}");
    let rows = rows(&page);
    assert_eq!(
        rows.len(),
        491,
        "90 days before, 400 after, and the day itself"
    );
    assert_eq!(
        rows[0],
        [
            day(490).to_string(),
            written(490),
            String::new(),
            String::new()
        ]
    );
    assert_eq!(rows[490][0], day(0).to_string());
    let entry: Vec<_> = rows.iter().filter(|row| !row[2].is_empty()).collect();
    assert_eq!(entry.len(), 1);
    assert_eq!(
        entry[0][..3],
        [day(399).to_string(), written(399), written(399)]
    );
    let exits: Vec<_> = rows.iter().filter(|row| !row[3].is_empty()).collect();
    let expected: Vec<_> = [30, 60, 90, 160, 180, 365]
        .map(|days| (day(399 - days).to_string(), format!("after {days} days")))
        .into();
    let told: Vec<_> = exits
        .iter()
        .map(|row| (row[0].clone(), row[3].clone()))
        .collect();
    assert_eq!(told, expected);
    let all = transferred(&visitor, &path);
    assert!(all <= 30_000, "{all} bytes");
}

#[test]
fn a_signal_of_just_now_has_the_line_that_led_to_it() {
    let house = House::start();
    let visitor = Visitor::at(&house);
    let at = now();
    let id = visitor.signal_of_a_filing("SEC:0000000000-00-000078");
    let page = visitor.page(&format!("/signals/{id}"));
    let rows = rows(&page);
    let newest = [day(0).to_string(), written(0)];
    assert!((90..=92).contains(&rows.len()), "{}", rows.len());
    assert_eq!(rows.last().unwrap()[..2], newest);
    // in New York it may still be yesterday: the close that is dated today comes after it then
    let zone = TimeZone::get("America/New_York").unwrap();
    let there = zone.to_datetime(Timestamp::from_microsecond(at.0).unwrap());
    if there.date() < day(0) {
        let marked: Vec<_> = rows.iter().filter(|row| !row[2].is_empty()).collect();
        assert_eq!(marked, [rows.last().unwrap()]);
    } else {
        assert!(page.contains("No filing could be followed yet"), "{page}");
        assert!(rows.iter().all(|row| row.len() == 2), "nothing is marked");
    }
}

#[tokio::test]
async fn a_page_stands_where_closes_cannot_be_read() {
    let place = place();
    let database = place.folder.join("sigcast.db");
    let server = Server::on(place, &[]);
    let house = House {
        key: server.alpha_key(),
        server,
    };
    let visitor = Visitor::at(&house);
    let path = signal_of(&house, "SEC:0000000000-00-000004");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
    let mut db = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    let spoil = sqlx::query("update closes set close = 'x' where symbol = 'OTTR'");
    spoil.execute(&mut db).await.unwrap();
    db.close().await.unwrap();
    let refused = house.ask("/companies/otter-works-inc-1/closes");
    refused.expect_error(500, "internal_error");
    let page = visitor.page(&path);
    assert!(page.contains("Closes around filings"), "{page}");
    let rows = rows(&page);
    assert_eq!(rows.len(), 7, "the entry and its exits: {rows:?}");
    assert!(page.contains("aria-label=\"Returns\""), "{page}");
}
