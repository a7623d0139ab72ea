//! Lists of insider data and what came in since: who is found by what, in which order, and what a list says that an item says, too.

use serde_json::{Value, json};

use super::{
    insider_data::{House, noon},
    server::{now, until},
    wire::PATIENCE,
};

/// A purchase at 10 of 100 shares of a company, so many days ago.
fn purchase(id: &str, company: &str, ago: i64) -> Value {
    let at = noon(ago);
    json!({
        "v": 1, "type": "declaration", "id": id, "market": "us", "form": "4", "published_at": at.unix_ms(),
        "issuer": {"id": format!("{company:0>10}"), "name": company, "symbol": null, "isin": null},
        "insider": {"id": "0000000777", "name": "Reporting Person", "director": true},
        "code": "P", "date": &at.to_string()[..10], "instrument": "Common Stock", "shares": 100, "price": "10", "direct": true,
    })
}

/// Puts a filing in, and waits until it is judged.
fn put(house: &House, filing: &Value) {
    let answer = house
        .server
        .admin("POST", "/v1/filings", &filing.to_string());
    assert_eq!(answer.ok_json()["accepted"], 1, "{}", answer.text());
    let path = format!("/declarations/{}", filing["id"].as_str().unwrap());
    let judged = || Some(house.get(&path)).filter(|one| one["signal"]["reason"] != "pending");
    until(PATIENCE, judged).expect("it is judged");
}

fn slugs(house: &House, path: &str) -> Vec<String> {
    let list = house.get(path);
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| item["slug"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_direction_is_of_what_counts_in_an_item_as_in_the_filter() {
    let house = House::start();
    let all = house.get("/declarations?limit=200");
    let items = all["items"].as_array().unwrap();
    for word in ["BUY", "SELL"] {
        let told = items.iter().filter(|item| item["direction"] == word);
        let filtered = house.get(&format!("/declarations?direction={word}"));
        assert_eq!(filtered["total"], told.count(), "{word}");
    }
    let without: Vec<&str> = items
        .iter()
        .filter(|item| item["direction"].is_null())
        .map(|item| item["signal"]["reason"].as_str().unwrap())
        .collect();
    assert_eq!(without, ["suspect", "ineligible_code", "superseded"]);
    let replaced = house.get("/declarations/SEC:0000000000-00-000003");
    assert_eq!(replaced["transactions"][0]["code"], "P", "as filed");
}

#[test]
fn the_longest_id_that_is_taken_is_found() {
    let house = House::start();
    let id = format!("SEC:{}", "9".repeat(124));
    let mut filing = purchase(&id, "81", 5);
    let rows = ["reclassification", "P"]
        .map(|code| json!({"code": code, "date": "2023-03-01", "shares": 5, "price": 10}));
    for field in ["code", "date", "instrument", "shares", "price", "direct"] {
        filing.as_object_mut().unwrap().remove(field);
    }
    filing["transactions"] = json!(rows);
    put(&house, &filing);
    for code in ["reclassification", "P"] {
        let path = format!("/declarations/{id}:{code}");
        assert_eq!(house.get(&path)["amfId"], format!("{id}:{code}"));
        assert_eq!(house.ask(&format!("{path}/score")).head.status, 200);
    }
    let longer = format!("/declarations/{id}:reclassification9");
    house
        .ask(&longer)
        .expect_error(404, "declaration_not_found");
}

#[test]
fn whoever_reports_is_found_by_name() {
    let house = House::start();
    let mut filing = purchase("SEC:0000000000-77-000001", "82", 5);
    filing.as_object_mut().unwrap().remove("insider");
    filing["insiders"] = json!([
        {"id": "0000000778", "name": "Heron Capital Management, LLC", "ten_percent": true},
        {"id": "0000000779", "name": "Grebe Partners", "ten_percent": true},
    ]);
    put(&house, &filing);
    for (name, slug) in [
        ("heron%20capital", "heron-capital-management-llc"),
        ("GREBE+part", "grebe-partners"),
    ] {
        let list = house.ids(&format!("/declarations?insider={name}"));
        assert_eq!(list.len(), 1, "{name}");
        let found = slugs(&house, &format!("/insiders?q={name}"));
        assert!(found[0].starts_with(slug), "{found:?}");
        assert_eq!(
            house.ids(&format!("/insiders/{}/declarations", found[0])),
            list
        );
    }
    assert!(
        house.ids("/declarations?insider=heron+grebe").is_empty(),
        "no one name has both"
    );
}

#[test]
fn companies_are_found_by_ticker_and_isin() {
    let house = House::start();
    let otter = ["otter-works-inc-1"];
    for q in ["ottr", "OTT", "US0000000075", "us00000000", "otter+OTTR"] {
        assert_eq!(slugs(&house, &format!("/search?q={q}")), otter, "{q}");
        assert_eq!(slugs(&house, &format!("/companies?q={q}")), otter, "{q}");
    }
    assert_eq!(house.get("/declarations?company=ottr")["total"], 13);
    // one that was told later is found likewise
    let mut filing = purchase("SEC:0000000000-77-000002", "Coot Mills", 5);
    filing["issuer"] = json!({"id": "0000000083", "name": "Coot Mills"});
    put(&house, &filing);
    assert!(slugs(&house, "/search?q=COOT.B").is_empty());
    filing["id"] = json!("SEC:0000000000-77-000003");
    filing["published_at"] = json!(noon(4).unix_ms());
    filing["issuer"]["symbol"] = json!("COOT.B");
    put(&house, &filing);
    assert_eq!(slugs(&house, "/search?q=coot.b").len(), 1);
}

#[test]
fn names_are_sorted_as_people_read_them_and_companies_by_their_latest_declaration() {
    let house = House::start();
    for (n, (name, ago)) in [("aLPHA", 9), ("Zulu", 8), ("Ärla", 7), ("beta", 6)]
        .into_iter()
        .enumerate()
    {
        let mut filing = purchase(&format!("SEC:0000000000-78-{n:06}"), "84", ago);
        filing["issuer"] = json!({"id": format!("00000009{n:02}"), "name": name});
        filing["insider"] =
            json!({"id": format!("00000008{n:02}"), "name": format!("{name} Person")});
        put(&house, &filing);
    }
    let begin = |path: &str| -> Vec<String> {
        let first = |slug: &String| slug.split('-').next().unwrap().to_owned();
        slugs(&house, path).iter().map(first).collect()
    };
    assert_eq!(
        begin("/companies"),
        ["alpha", "arla", "beta", "l", "otter", "zulu"]
    );
    assert_eq!(
        begin("/companies?order=desc"),
        ["zulu", "otter", "l", "beta", "arla", "alpha"]
    );
    assert_eq!(
        begin("/companies?market=us"),
        ["alpha", "arla", "beta", "otter", "zulu"]
    );
    assert_eq!(
        begin("/insiders?q=person"),
        ["alpha", "arla", "beta", "zulu"]
    );
    // the French one's latest is 20 days old, Otter's of yesterday
    let recent = "/companies?sort=recent&order=desc";
    assert_eq!(
        begin(recent),
        ["otter", "beta", "arla", "zulu", "alpha", "l"]
    );
    put(&house, &{
        let mut filing = purchase("SEC:0000000000-78-000009", "84", 0);
        filing["published_at"] = json!(now().unix_ms());
        filing["issuer"] = json!({"id": "0000000900", "name": "aLPHA"});
        filing
    });
    assert_eq!(begin(recent)[..2], ["alpha", "otter"].map(str::to_owned));
    assert_eq!(begin("/companies?sort=recent&order=asc")[0], "l");
}

#[test]
fn a_number_that_no_dealing_reaches_is_left_out_and_flagged() {
    let house = House::start();
    let before = house.get("/stats");
    let mut filing = purchase("SEC:0000000000-79-000001", "Gadwall", 3);
    filing["issuer"] = json!({"id": "0000000007", "name": "Otter Works, Inc.", "symbol": "OTTR"});
    filing["price"] = json!("100000000000000000000");
    put(&house, &filing);
    let one = house.get("/declarations/SEC:0000000000-79-000001");
    let row = &one["transactions"][0];
    assert_eq!(
        (&row["suspect"], &row["suspectReason"]),
        (&json!(true), &json!("beyond_reason"))
    );
    assert_eq!(row["price"].as_f64(), Some(1e20), "as filed");
    assert_eq!(
        (&one["signal"]["score"], &one["signal"]["reason"]),
        (&Value::Null, &json!("suspect"))
    );
    assert_eq!(one["direction"], Value::Null);
    let after = house.get("/stats");
    assert_eq!(
        after["suspect"].as_u64(),
        before["suspect"].as_u64().map(|n| n + 1)
    );
    assert_eq!(after["directions"], before["directions"]);
}
