//! The endpoints of insider data over data that was taken in: shapes, filters, order, what was served before, and files.

use serde_json::{Value, json};

use sigcast::model::time::Time;

use super::{
    insider_data::{AMENDED_DAYS_AGO, House, day, noon},
    server::{now, until},
    wire::PATIENCE,
};

const GRANT: &str = "/declarations/SEC:0000000000-00-000005";
const LATE: &str = "/declarations/SEC:0000000000-00-000009";
const AMENDED: &str = "/declarations/SEC:0000000000-00-000003";
const TWO_CODES: &str = "/declarations/SEC:0000000000-00-000007";

fn keys(object: &Value) -> Vec<&str> {
    let object = object.as_object().unwrap_or_else(|| panic!("{object}"));
    object.keys().map(String::as_str).collect()
}

/// Holds an object to exactly these members.
fn has(object: &Value, members: &str) {
    let mut expected: Vec<&str> = members.split_whitespace().collect();
    let mut found = keys(object);
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_declaration_has_every_field() {
    let house = House::start();
    let list = house.get("/declarations?include=backtest&order=asc&limit=3");
    has(&list, "total limit offset items meta");
    assert_eq!(
        (&list["total"], &list["limit"], &list["offset"]),
        (&json!(15), &json!(3), &json!(0))
    );
    let first = &list["items"][0];
    has(
        first,
        "amfId pubDate transactionDate pdfUrl company publishedEstimated form insider transaction direction
         transactions owners signal backtest",
    );
    has(&first["company"], "name slug yahooSymbol marketCap");
    has(&first["insider"], "name slug function");
    has(
        &first["transaction"],
        "nature instrument isin unitPrice volume totalAmount amount currency venue",
    );
    has(
        &first["transactions"][0],
        "code acquiredDisposed date security shares price sharesAfter ownership derivative suspect suspectReason",
    );
    has(
        &first["owners"][0],
        "id name director officer tenPercentOwner other title",
    );
    has(
        &first["signal"],
        "score band scoreVersion pctOfMarketCap pctOfInsiderFlow insiderCumNet isCluster scoredAt reason",
    );
    let backtest = &first["backtest"];
    has(
        backtest,
        "direction priceAtTrade price return excess computedAt",
    );
    has(&backtest["excess"], "30d 60d 90d 160d 180d 365d 730d");
    // entry at 12.99 the day after, exit 30 days on at 12.69; what it is measured against stood still
    assert_eq!(backtest["priceAtTrade"], json!(12.99));
    assert_eq!(backtest["price"]["30d"], json!(12.69));
    assert_eq!(backtest["excess"]["30d"], json!(-0.023095));
    assert_eq!(backtest["price"]["730d"], Value::Null);
    assert!(first["signal"]["score"].is_number());
    // exact to the last digit, which a double would not keep apart from its neighbours
    assert!(
        house
            .ask("/companies?q=otter")
            .text()
            .contains("\"marketCap\":1000000.05,")
    );
    let plain = house.get("/declarations?limit=1");
    assert_eq!(plain["items"][0]["backtest"], Value::Null);
    let one = house.get(GRANT);
    assert_eq!(one["signal"]["score"], Value::Null);
    assert_eq!(one["signal"]["reason"], "ineligible_code");
    assert_eq!(one["direction"], Value::Null);
    has(&one["meta"], "latencyMs dataFreshness requestId");
    // an old filing came last, and closes with it: when that was, not what they are of
    let freshness = &one["meta"]["dataFreshness"];
    for part in ["declarations", "prices", "companies", "scores"] {
        assert_eq!(freshness[part], noon(0).to_string(), "{part}");
    }
    let french = house.get("/declarations/2026DD0000001");
    assert_eq!(french["transaction"]["instrument"], Value::Null);
    assert_eq!(french["transactions"][0]["security"], Value::Null);
    assert_eq!(first["transactions"][0]["security"], "Common Stock");
}

#[test]
fn what_was_served_then_is_served_again() {
    let house = House::start();
    let path = "/declarations/SEC:0000000000-00-000001";
    let came = noon(500);
    let then = |minutes: i64| came.plus(minutes * 60 * Time::SECOND);
    let at = |time: Time| house.get(&format!("{path}?asOf={time}"));
    let cap = |one: &Value| one["company"]["marketCap"].clone();
    let early = house.ask(&format!("{path}?asOf={}", came.plus(-1_000)));
    early.expect_error(404, "declaration_not_found");
    // it waited for its first assessment, and nobody had said what the company is worth
    let waited = at(then(10));
    assert_eq!(waited["signal"]["reason"], "pending");
    assert_eq!(
        (&cap(&waited), &waited["direction"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(waited["insider"]["slug"], "owner-11-1");
    assert_eq!(waited["transaction"]["amount"], 10_010);
    let audit = house.get(&format!("{path}/score?asOf={}", then(10)));
    assert_eq!(
        (&audit["reason"], &audit["revision"]),
        (&json!("pending"), &json!(0))
    );
    let worth = at(then(40));
    assert_eq!(worth["signal"]["reason"], "pending");
    assert_eq!(cap(&worth), json!(1_000_000.05));
    let scored = at(then(60));
    assert!(scored["signal"]["score"].is_number() && scored["direction"] == "BUY");
    // a day ends at its end
    let of_day = house.get(&format!("{path}?asOf={}", day(500)));
    assert_eq!(of_day["signal"], scored["signal"]);
    // and what is said of the company from now on changes nothing of it
    let before = now();
    let is = house.get(path);
    let (folder, csv) = (
        tempfile::tempdir().unwrap(),
        "cik,name,ticker,market_cap\n7,Otter,OTTR,77\n",
    );
    let file = folder.path().join("companies.csv");
    std::fs::write(&file, csv).unwrap();
    let date = day(0).to_string();
    let file = file.to_str().unwrap();
    let args = [
        "ingest",
        "companies",
        "--market",
        "us",
        "--date",
        &date,
        file,
    ];
    let output = house.server.command(&args);
    assert!(output.status.success(), "{output:?}");
    let changed = until(PATIENCE, || {
        Some(house.get(path)).filter(|one| cap(one) == json!(77))
    });
    assert!(
        changed.is_some(),
        "what is served now says what is known now"
    );
    let was = at(before);
    assert_eq!(was["company"], is["company"]);
    assert_eq!(was["signal"], is["signal"]);
}

#[test]
fn declarations_are_filtered() {
    let house = House::start();
    let total = |query: &str| house.get(&format!("/declarations?limit=1&{query}"))["total"].clone();
    for (query, expected) in [
        ("direction=SELL", 2),
        ("market=fr", 2),
        ("market=de", 0),
        ("isin=FR0000000001", 2),
        ("isin=FR0000000002", 0),
        ("company=wor%20OTT", 13),
        ("company=orks", 0),
        ("company=etoile", 2),
        ("company=%3F", 0),
        ("insider=owner+11", 5),
        ("insider=zo%C3%A9", 2),
        ("minAmount=20040", 1),
        ("minAmount=20040.01", 0),
        ("minScore=100", 0),
        ("maxScore=0", 0),
    ] {
        assert_eq!(total(query), expected, "{query}");
    }
    let scored = |query: &str| total(query).as_u64().unwrap();
    assert_eq!(
        scored("minScore=50") + scored("maxScore=49.9"),
        12,
        "each scored one is in one of them"
    );
    assert_eq!(scored("cluster=true") + scored("cluster=false"), 15);
    for item in house.get("/declarations?cluster=true")["items"]
        .as_array()
        .unwrap()
    {
        assert_eq!(item["signal"]["isCluster"], true);
    }
    // a day holds all of itself; a moment ends at itself
    let at = noon(3).to_string();
    let day = &at[..10];
    assert_eq!(
        house.ids(&format!("/declarations?from={day}&to={day}")),
        ["10"]
    );
    assert_eq!(
        house.ids(&format!("/declarations?from={at}&to={at}")),
        ["10"]
    );
    let after = noon(3).plus(1_000).to_string();
    assert_eq!(
        house.ids(&format!(
            "/declarations?since={after}&sort=pubDate&order=asc"
        )),
        ["11", "12"]
    );
}

#[test]
fn lists_are_sorted_with_what_is_absent_last_and_ties_by_id() {
    let house = House::start();
    let scores = |order: &str| -> Vec<(Option<f64>, String)> {
        let list = house.get(&format!("/declarations?sort=signalScore&order={order}"));
        let items = list["items"].as_array().unwrap().iter();
        let pair = |item: &Value| {
            let id = item["amfId"].as_str().unwrap().to_owned();
            (item["signal"]["score"].as_f64(), id)
        };
        items.map(pair).collect()
    };
    let (up, down) = (scores("asc"), scores("desc"));
    for (list, sign) in [(&up, 1.0), (&down, -1.0)] {
        assert_eq!(list.len(), 15);
        assert!(list[..12].iter().all(|(score, _)| score.is_some()));
        assert!(
            list[12..].iter().all(|(score, _)| score.is_none()),
            "{list:?}"
        );
        for pair in list.windows(2) {
            let key = |one: &(Option<f64>, String)| {
                (one.0.map_or(f64::MAX, |score| score * sign), one.1.clone())
            };
            assert!(key(&pair[0]) < key(&pair[1]), "{pair:?}");
        }
    }
    let amounts = house.ids("/declarations?sort=amount&limit=1");
    assert_eq!(
        amounts,
        ["2026DD0000002"],
        "what cannot be comes to nothing"
    );
    // page by page it is the same list
    let whole = house.ids("/declarations");
    let mut paged = Vec::new();
    for offset in (0..16).step_by(4) {
        paged.extend(house.ids(&format!("/declarations?limit=4&offset={offset}")));
    }
    assert_eq!(paged, whole);
    assert!(
        house
            .ids("/declarations?offset=9223372036854775807")
            .is_empty()
    );
    let latest = house.ids("/signals?lookbackDays=90");
    let best: Vec<f64> = house.get("/signals?lookbackDays=90")["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["signal"]["score"].as_f64().unwrap())
        .collect();
    assert!(best.is_sorted_by(|a, b| a >= b) && best.iter().all(|score| *score >= 40.0));
    assert!(latest.contains(&"12".to_owned()) && !latest.contains(&"01".to_owned()));
    assert_eq!(house.get("/signals")["total"], 3);
    assert_eq!(
        house.get("/signals?lookbackDays=1&direction=SELL")["total"],
        0
    );
}

#[test]
fn one_declaration_is_found_by_any_spelling_of_its_name_and_as_it_was() {
    let house = House::start();
    for path in [
        TWO_CODES.to_owned(),
        TWO_CODES.replace(':', "%3A"),
        TWO_CODES.replace("SEC:", "SEC%3a").replace('-', "%2D"),
        format!("{TWO_CODES}:P"),
    ] {
        let one = house.get(&path);
        assert_eq!(
            one["amfId"], "SEC:0000000000-00-000007:P",
            "the principal one: {path}"
        );
        let audit = house.get(&format!("{path}/score"));
        assert_eq!(audit["amfId"], one["amfId"]);
    }
    assert_eq!(house.get(&format!("{TWO_CODES}:S"))["direction"], "SELL");
    assert_eq!(
        house.get("/declarations/2026DD0000001")["pdfUrl"],
        "https://regulator.example/1.pdf"
    );
    for path in [
        "/declarations/SEC:1",
        "/declarations/%20",
        "/declarations/SEC:1/score",
    ] {
        house.ask(path).expect_error(404, "declaration_not_found");
    }

    // replaced since then
    let before = noon(AMENDED_DAYS_AGO + 1);
    let was = house.get(&format!("{AMENDED}?asOf={before}"));
    assert!(was["signal"]["score"].is_number());
    let is = house.get(AMENDED);
    assert_eq!(is["signal"]["score"], Value::Null);
    assert_eq!(is["signal"]["reason"], "superseded");
    assert_eq!(is["signal"]["supersededBy"], "SEC:0000000000-00-000008");
    let audit = house.get(&format!("{AMENDED}/score?asOf={before}"));
    assert_eq!(audit["score"].as_f64(), was["signal"]["score"].as_f64());
    let now = house.get(&format!("{AMENDED}/score"));
    assert_eq!(
        (&now["score"], &now["reason"]),
        (&Value::Null, &json!("superseded"))
    );
    assert!(now["revision"].as_i64() > audit["revision"].as_i64());
    // arrived today, though published long ago
    for path in [LATE.to_owned(), format!("{LATE}/score")] {
        assert_eq!(house.ask(&path).head.status, 200);
        let reply = house.ask(&format!("{path}?asOf={}", noon(1)));
        reply.expect_error(404, "declaration_not_found");
    }
}

#[test]
fn an_audit_adds_up() {
    let house = House::start();
    let audit = house.get(&format!("{TWO_CODES}/score"));
    has(
        &audit,
        "amfId scoreVersion direction score raw band coverage modifiers factors late inputs reason revision assessedAt meta",
    );
    let factors = audit["factors"].as_array().unwrap();
    assert_eq!(factors.len(), 9);
    let tenths = |value: &Value| (value.as_f64().unwrap() * 10.0).round() as i64;
    for factor in factors {
        has(factor, "key value points cap rationale");
        assert!(tenths(&factor["points"]) <= 10 * factor["cap"].as_i64().unwrap());
    }
    let sum: i64 = factors.iter().map(|factor| tenths(&factor["points"])).sum();
    assert_eq!(sum, tenths(&audit["score"]), "a purchase has no modifier");
    let same = house.get(&format!("{TWO_CODES}/score?version=s9.1"));
    assert_eq!(same["factors"], audit["factors"]);
    let other = house.ask(&format!("{TWO_CODES}/score?version=s9.0"));
    let details = other.expect_error(400, "invalid_parameter");
    assert_eq!(details["allowed"], "a version that scored it: s9.1");
    let grant = house.get(&format!("{GRANT}/score"));
    assert_eq!(keys(&grant).len(), keys(&audit).len());
    assert_eq!(
        (&grant["score"], &grant["reason"]),
        (&Value::Null, &json!("ineligible_code"))
    );
    assert_eq!(grant["factors"], json!([]));
}

#[test]
fn companies_and_insiders_are_listed_and_found() {
    let house = House::start();
    let names = |path: &str| -> Vec<String> {
        let list = house.get(path);
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["slug"].as_str().unwrap().to_owned())
            .collect()
    };
    let (otter, etoile) = ("otter-works-inc-1", "l-etoile-fils-2");
    assert_eq!(names("/companies"), [etoile, otter]);
    assert_eq!(names("/companies?order=desc"), [otter, etoile]);
    for order in ["asc", "desc"] {
        let path = format!("/companies?sort=marketCap&order={order}");
        assert_eq!(names(&path), [otter, etoile], "unknown stands last");
    }
    assert_eq!(names("/companies?q=%C3%A9toile"), [etoile]);
    assert_eq!(names("/companies?market=us"), [otter]);
    assert_eq!(names("/companies?isin=US0000000075"), [otter]);
    assert_eq!(names("/companies?hasLogo=false").len(), 2);
    assert_eq!(house.get("/companies?hasLogo=true")["total"], 0);
    let company = house.get("/companies/a-former-name-1");
    assert_eq!(company["slug"], otter);
    has(
        &company,
        "slug name isin market yahooSymbol marketCap currentPrice trailingPE forwardPE priceToBook beta debtToEquity analystReco
         analystScore targetMean targetHigh targetLow numAnalysts dividendYield fiftyTwoWeekHigh fiftyTwoWeekLow fiftyDayAverage
         twoHundredDayAverage revenue ebitda netIncome totalDebt freeCashFlow dilutedEps sharesOut description logoUrl
         declarationsCount insidersCount priceAt financialsAt analystAt meta",
    );
    assert_eq!(
        (&company["currentPrice"], &company["description"]),
        (&json!(8), &json!("Dams, mostly"))
    );
    assert_eq!(
        (&company["declarationsCount"], &company["insidersCount"]),
        (&json!(13), &json!(4))
    );
    assert_eq!(
        names("/insiders?q=owner&limit=2"),
        ["owner-11-1", "owner-12-2"]
    );
    assert_eq!(house.get("/insiders?q=owner")["total"], 4);
    assert_eq!(names("/insiders?market=fr").len(), 1);
    let insider = house.get("/insiders/owner-11-1");
    has(
        &insider,
        "slug name gender declarationsCount companiesCount companies stats meta",
    );
    let post = json!({"function": "Chief Financial Officer", "company": {"name": "Otter Works, Inc.", "slug": otter}});
    assert_eq!(insider["companies"], json!([post]));
    assert!(insider["stats"]["maxScore"].as_f64() >= insider["stats"]["avgScore"].as_f64());
    assert_eq!(house.get("/insiders/owner-11-1/declarations")["total"], 5);
    let own = "/companies/otter-works-inc-1/declarations";
    assert_eq!(house.get(own)["total"], 13);
    assert_eq!(
        house.ids(&format!("{own}?direction=SELL&limit=1")),
        ["07:S"]
    );
    assert_eq!(house.get(&format!("{own}?market=fr"))["total"], 0);
    for path in [
        "/companies/otter",
        "/companies/x-99",
        "/companies/x-99/declarations",
        "/companies/99/net-flow",
    ] {
        house.ask(path).expect_error(404, "company_not_found");
    }
    for path in [
        "/insiders/owner",
        "/insiders/x-99",
        "/insiders/x-99/declarations",
    ] {
        house.ask(path).expect_error(404, "insider_not_found");
    }
}

#[test]
fn what_is_asked_wrongly_is_refused_by_name() {
    let house = House::start();
    for (path, parameter, value) in [
        (
            "/declarations?since=2026-01-02&to=2026-01-01",
            "to",
            "2026-01-01",
        ),
        (
            "/declarations?since=2026-01-02&from=2026-01-02T00:00:00%2B02:00",
            "since",
            "2026-01-02",
        ),
        (
            "/declarations?minAmount=99999999999999999999",
            "minAmount",
            "99999999999999999999",
        ),
        (
            "/declarations?include=backtest&format=csv",
            "include",
            "backtest",
        ),
    ] {
        let details = house.ask(path).expect_error(400, "invalid_parameter");
        assert_eq!(
            (&details["parameter"], &details["value"]),
            (&json!(parameter), &json!(value))
        );
    }
    let early = house.ask("/declarations?from=1992-12-31").text();
    assert!(early.contains("from 1993 to 2200"), "{early}");
    assert_eq!(house.ask("/declarations?from=1993-01-01").head.status, 200);
    for (path, parameter) in [
        ("/declarations?market=atlantis", "market"),
        ("/declarations?limit=201", "limit"),
        ("/declarations?offset=-1", "offset"),
        ("/declarations?colour=red", "colour"),
        ("/declarations?from=2026-01-02&to=2026-01-01", "to"),
        ("/companies?sort=beta", "sort"),
        ("/insiders?limit=0", "limit"),
        ("/signals?lookbackDays=91", "lookbackDays"),
        ("/strategy/winning?limit=51", "limit"),
        ("/search?q=x", "q"),
        ("/stats?market=us", "market"),
        ("/declarations/SEC:1?asOf=soon", "asOf"),
        ("/companies/otter-works-inc-1/net-flow?bucket=day", "bucket"),
    ] {
        let details = house.ask(path).expect_error(400, "invalid_parameter");
        assert_eq!(details["parameter"], parameter, "{path}");
    }
}
