//! What is counted, weighed and ranked of insider data, and lists as files.

use serde_json::{Value, json};

use super::{
    insider_data::{House, noon},
    server::until,
    wire::PATIENCE,
};

#[test]
fn totals_leave_out_what_cannot_be() {
    let house = House::start();
    let stats = house.get("/stats");
    assert_eq!(stats["suspect"], 1);
    assert_eq!(stats["declarations"], 14, "of 15");
    assert_eq!(stats["scored"], 12);
    assert_eq!(stats["directions"], json!({"BUY": 10, "SELL": 2}));
    assert_eq!(
        (&stats["companies"], &stats["insiders"]),
        (&json!(2), &json!(5))
    );
    let fr = json!({"companies": 1, "insiders": 1, "declarations": 2, "scored": 2, "directions": {"BUY": 2, "SELL": 0}});
    assert_eq!(stats["markets"]["fr"], fr);
    let markets = house.get("/markets?market=fr");
    assert_eq!(markets["total"], 1);
    let fr = &markets["items"][0];
    assert_eq!(
        (&fr["regulator"], &fr["currency"]),
        (&json!("AMF"), &json!("EUR"))
    );
    assert_eq!(
        (&fr["declarationsCount"], &fr["companiesCount"]),
        (&json!(2), &json!(1))
    );
    let of = |ago| super::insider_data::noon(ago).to_string();
    assert_eq!(fr["coverage"], json!({"from": of(30), "to": of(20)}));
    assert_eq!(
        house.get("/markets?limit=3&offset=9")["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn search_finds_both_kinds_by_beginnings_of_words() {
    let house = House::start();
    let slugs = |query: &str| -> Vec<String> {
        let list = house.get(&format!("/search?{query}"));
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| {
                format!(
                    "{} {}",
                    item["type"].as_str().unwrap(),
                    item["slug"].as_str().unwrap()
                )
            })
            .collect()
    };
    assert_eq!(slugs("q=inc+wor"), ["company otter-works-inc-1"]);
    assert_eq!(
        slugs("q=OWNER&limit=1"),
        ["insider owner-11-1"],
        "the most declarations first"
    );
    assert_eq!(house.get("/search?q=owner&limit=1")["total"], 4);
    assert_eq!(slugs("q=zo%C3%A9"), ["insider hyperlink-x-zoe-4"]);
    assert_eq!(slugs("q=etoile&market=fr"), ["company l-etoile-fils-2"]);
    assert!(slugs("q=etoile&market=us").is_empty());
    assert!(slugs("q=%21%21").is_empty(), "no word in it");
}

#[test]
fn backtests_are_summed_with_their_uncertainty() {
    let house = House::start();
    let body = house.get("/backtest");
    let of = |body: &Value, direction: &str, days: i64| -> Value {
        let directions = body["directions"].as_array().unwrap();
        let one = directions.iter().find(|one| one["direction"] == direction);
        let horizons = one.unwrap()["horizons"].as_array().unwrap();
        horizons
            .iter()
            .find(|one| one["days"] == days)
            .unwrap()
            .clone()
    };
    let bought = of(&body, "BUY", 90);
    let n = bought["n"].as_u64().unwrap();
    assert!(n >= 2, "{bought}");
    assert_eq!(
        bought["wins"], 0,
        "the share fell, what it is measured against did not"
    );
    assert_eq!(bought["winRateLow"], 0);
    let high = bought["winRateHigh"].as_f64().unwrap();
    assert!(high > 0.4, "few say little: {bought}");
    assert!(
        bought["median"].as_f64().unwrap() < 0.0
            && bought["winsorisedMean"].as_f64().unwrap() < 0.0
    );
    assert_eq!(of(&body, "SELL", 90)["winRate"], 1);
    let none = of(&body, "BUY", 730);
    assert_eq!(
        (&none["n"], &none["winRate"], &none["median"]),
        (&json!(0), &Value::Null, &Value::Null)
    );
    let sold = house.get("/backtest?direction=SELL&minScore=0");
    assert_eq!(sold["directions"].as_array().unwrap().len(), 1);
    assert_eq!(
        of(&house.get("/backtest?market=fr"), "BUY", 30)["n"],
        0,
        "no closes there"
    );
}

/// How many outcomes each summary should have, by what is said of each declaration.
fn outcomes(house: &House) -> Vec<(String, i64, usize)> {
    let all = house.get("/declarations?include=backtest&limit=200");
    let items = all["items"].as_array().unwrap();
    let mut counted = Vec::new();
    for direction in ["BUY", "SELL"] {
        for days in [30, 60, 90, 160, 180, 365, 730] {
            let matured = items.iter().filter(|item| {
                let backtest = &item["backtest"];
                backtest["direction"] == direction
                    && backtest["excess"][format!("{days}d")].is_number()
            });
            counted.push((direction.to_owned(), days, matured.count()));
        }
    }
    counted
}

fn summed(house: &House) -> Vec<(String, i64, usize)> {
    let body = house.get("/backtest");
    let mut told = Vec::new();
    for one in body["directions"].as_array().unwrap() {
        for horizon in one["horizons"].as_array().unwrap() {
            let n = horizon["n"].as_u64().unwrap() as usize;
            let direction = one["direction"].as_str().unwrap();
            told.push((direction.to_owned(), horizon["days"].as_i64().unwrap(), n));
        }
    }
    told
}

#[test]
fn summaries_follow_each_change() {
    let house = House::start();
    let before = summed(&house);
    assert_eq!(before, outcomes(&house));
    let path = "/companies/otter-works-inc-1/net-flow";
    let bought = |flow: &Value| -> f64 {
        let items = flow["items"].as_array().unwrap().iter();
        items.map(|item| item["buy"].as_f64().unwrap()).sum()
    };
    let flow = bought(&house.get(path));
    // an old purchase that comes late, then what takes its place
    let at = noon(300);
    for (n, shares) in [(78, 100), (79, 300)] {
        let id = format!("SEC:0000000000-00-{n:06}");
        let mut filing = json!({
            "v": 1, "type": "declaration", "id": id, "market": "us", "form": "4", "published_at": at.plus(n).unix_ms(),
            "issuer": {"id": "0000000007", "name": "Otter Works, Inc.", "symbol": "OTTR", "isin": null},
            "insider": {"id": "0000000015", "name": "Owner 15", "officer": true, "title": "Chief Executive Officer"},
            "code": "P", "date": &at.to_string()[..10], "instrument": "Common Stock", "shares": shares, "price": "10", "direct": true,
        });
        if n == 79 {
            filing["form"] = json!("4/A");
            filing["published_at"] = json!(at.unix_ms() + 86_400_000);
            filing["amends"] = json!("SEC:0000000000-00-000078");
        }
        let answer = (house.server).admin("POST", "/v1/filings", &filing.to_string());
        assert_eq!(answer.ok_json()["accepted"], 1, "{}", answer.text());
        let found = || {
            let one = house.get(&format!("/declarations/{id}"));
            let change = bought(&house.get(path)) - flow;
            let is_judged = one["signal"]["reason"] != "pending";
            (is_judged && change == f64::from(shares) * 10.0).then_some(())
        };
        until(PATIENCE, found).expect("it counts");
        let after = summed(&house);
        assert_eq!(after, outcomes(&house), "{id}");
        let of = |told: &[(String, i64, usize)]| told[2].2;
        assert_eq!(of(&after), of(&before) + 1, "{id}");
    }
}

#[test]
fn winning_kinds_are_measured_by_what_was_known_before() {
    let house = House::start();
    let list = house.get("/strategy/winning?lookbackDays=365");
    let items = list["items"].as_array().unwrap();
    assert!(!items.is_empty());
    assert_eq!(list["total"], items.len());
    for item in items {
        let strategy = &item["strategy"];
        assert!(strategy["n"].as_u64().unwrap() >= 1);
        assert_eq!(strategy["horizonDays"], 90);
        assert_eq!(strategy["market"], "us", "its own market's record");
        assert_eq!(strategy["direction"], item["direction"]);
        assert_eq!(strategy["band"], item["signal"]["band"]);
        assert_eq!(strategy["isCluster"], item["signal"]["isCluster"]);
        let of = |name: &str| strategy[name].as_f64().unwrap();
        assert!(of("winRateLow") <= of("winRate") && of("winRate") <= of("winRateHigh"));
    }
    let lows: Vec<f64> = items
        .iter()
        .map(|item| item["strategy"]["winRateLow"].as_f64().unwrap())
        .collect();
    assert!(lows.is_sorted_by(|a, b| a >= b), "{lows:?}");
    assert_eq!(house.get("/strategy/winning?market=fr")["total"], 0);
    // the same in a file
    let file = house.ask("/strategy/winning?lookbackDays=365&format=csv");
    let mut reader = csv::Reader::from_reader(file.body.as_slice());
    let names = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), items.len());
    for (row, item) in rows.iter().zip(items) {
        let of = |name: &str| &row[names.iter().position(|one| one == name).unwrap()];
        assert_eq!(of("amfId"), item["amfId"]);
        for name in [
            "n",
            "wins",
            "winRate",
            "winRateLow",
            "winRateHigh",
            "winsorisedMean",
            "horizonDays",
        ] {
            let (told, number): (f64, _) = (of(name).parse().unwrap(), &item["strategy"][name]);
            assert_eq!(Some(told), number.as_f64(), "{name}");
        }
    }
}

#[test]
fn net_flow_is_told_by_period_insider_and_90_days() {
    let house = House::start();
    let path = "/companies/otter-works-inc-1/net-flow";
    let flow = house.get(path);
    let sum = |list: &Value, name: &str| -> f64 {
        let items = list.as_array().unwrap().iter();
        items.map(|item| item[name].as_f64().unwrap()).sum()
    };
    for name in ["buy", "sell", "net"] {
        assert_eq!(
            sum(&flow["items"], name),
            sum(&flow["insiders"], name),
            "{name}"
        );
    }
    let first = &flow["insiders"][0];
    assert_eq!(
        (&first["slug"], &first["name"]),
        (&json!("owner-11-1"), &json!("Owner 11"))
    );
    // 1,001 and 1,008 and 1,010 shares at 10: what the amendment replaced is out, and so is the grant
    assert_eq!((&first["buy"], &first["sell"]), (&json!(30_190), &json!(0)));
    assert_eq!(flow["signal90"]["state"], "accumulation");
    let weeks = house.get(&format!("{path}?bucket=week&basis=trade"));
    assert!(weeks["items"][0]["period"].as_str().unwrap().contains("-W"));
    assert_eq!(sum(&weeks["items"], "net"), sum(&flow["items"], "net"));
    let none = house.get(&format!("{path}?to=2000-01-01"));
    assert_eq!(
        (&none["items"], &none["signal90"]["state"]),
        (&json!([]), &json!("insufficient"))
    );
}

#[test]
fn lists_are_files_too() {
    let house = House::start();
    let rows = |path: &str| -> Vec<csv::StringRecord> {
        let reply = house.ask_with(path, &[("accept", "text/csv")]);
        assert_eq!(reply.head.status, 200, "{}", reply.text());
        assert!(
            reply
                .head
                .header("content-type")
                .unwrap()
                .starts_with("text/csv")
        );
        let mut reader = csv::Reader::from_reader(&reply.body[..]);
        reader.records().map(Result::unwrap).collect()
    };
    let all = rows("/declarations");
    let ids: Vec<String> = all
        .iter()
        .map(|row| {
            row[0]
                .trim_start_matches("SEC:0000000000-00-0000")
                .to_owned()
        })
        .collect();
    assert_eq!(
        ids,
        house.ids("/declarations"),
        "the whole list, in its order"
    );
    assert_eq!(rows("/declarations?limit=2&offset=1&format=csv").len(), 2);
    let french = rows("/declarations?market=fr&sort=amount");
    assert_eq!(&french[0][6], "'=HYPERLINK(\"x\"), Zoé", "no formula");
    assert_eq!(
        (&french[0][12], &french[0][14], &french[0][15]),
        ("20", "20040", "EUR")
    );
    assert_eq!(
        &rows("/declarations?isin=US0000000075&to=2000-01-01").len(),
        &0
    );
    for (path, columns, count) in [
        ("/companies", 12, 2),
        ("/insiders", 9, 5),
        ("/markets", 10, 10),
        ("/search?q=owner", 7, 4),
        ("/companies?hasLogo=true", 12, 0),
        ("/signals", 23, 3),
        ("/companies/otter-works-inc-1/declarations", 23, 13),
        ("/insiders/owner-11-1/declarations", 23, 5),
    ] {
        let rows = rows(path);
        assert_eq!(rows.len(), count, "{path}");
        assert!(
            rows.iter().all(|row| row.len() == columns),
            "{path}: {rows:?}"
        );
    }
    let winning = house.get("/strategy/winning?lookbackDays=365")["total"]
        .as_u64()
        .unwrap();
    assert_eq!(
        rows("/strategy/winning?lookbackDays=365").len() as u64,
        winning
    );
    let json = house.ask_with("/companies?format=json", &[("accept", "text/csv")]);
    assert_eq!(
        json.ok_json()["total"],
        2,
        "what is said in the query goes first"
    );
}

#[test]
fn a_file_that_has_not_changed_is_not_sent_again() {
    let house = House::start();
    for path in [
        "/declarations",
        "/companies?market=us",
        "/insiders",
        "/markets",
        "/search?q=owner",
    ] {
        let with = |more: &[(&str, &str)]| {
            let mut headers = vec![("accept", "text/csv")];
            headers.extend(more);
            house.ask_with(path, &headers)
        };
        let first = with(&[]);
        let tag = first.head.header("etag").expect("a tag").to_owned();
        assert_eq!(with(&[("if-none-match", &tag)]).head.status, 304, "{path}");
        assert_eq!(
            with(&[("if-none-match", "W/\"0\"")]).body,
            first.body,
            "{path}"
        );
        let page = house.ask_with(path, &[("if-none-match", &tag)]);
        assert_eq!(page.head.status, 200, "JSON is something else: {path}");
    }
    let part = house.ask("/declarations?format=csv&limit=2");
    let whole = house.ask("/declarations?format=csv");
    assert_ne!(part.head.header("etag"), whole.head.header("etag"));
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let house = House::start();
    for path in [
        "/declarations?limit=2",
        "/declarations/2026DD0000001",
        "/declarations/2026DD0000001/score",
        "/companies/otter-works-inc-1",
        "/insiders/owner-11-1",
        "/stats",
        "/backtest",
        "/companies/otter-works-inc-1/net-flow",
        "/companies/otter-works-inc-1/closes",
    ] {
        let first = house.ask(path);
        assert_eq!(first.head.status, 200, "{path}: {}", first.text());
        let tag = first.head.header("etag").expect("a tag").to_owned();
        let again = house.ask_with(path, &[("if-none-match", &tag)]);
        assert_eq!(again.head.status, 304, "{path}");
        let other = house.ask_with(path, &[("if-none-match", "W/\"0\"")]);
        assert_eq!(other.head.status, 200, "{path}");
    }
}
