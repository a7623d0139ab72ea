//! What is asked: every listing endpoint, by offset and filter, and beside them the others.

use serde_json::Value;
use sigcast::model::time::Time;

use super::server::Connection;

/// A kind of request and how long it may take.
pub struct Case {
    /// Its path and query; `{offset}` is a number that grows by one from request to request, so that each is another page.
    pub path: String,
    /// The first offset.
    pub offset: u64,
    /// The bound on p99, in milliseconds.
    pub most_ms: f64,
    /// Texts that take the place of `{q}`, in turn.
    pub texts: Vec<String>,
}

const FIRST: f64 = 25.0;
const FAR: f64 = 100.0;
const DEEP: f64 = 1_000.0;
const SEARCH: f64 = 30.0;

fn case(path: &str, offset: u64, most_ms: f64) -> Case {
    let mark = if path.contains('?') { '&' } else { '?' };
    Case {
        path: format!("/api/v1{path}{mark}offset={{offset}}"),
        offset,
        most_ms,
        texts: Vec::new(),
    }
}

/// Without pages.
fn single(path: &str, most_ms: f64, texts: &[String]) -> Case {
    Case {
        path: format!("/api/v1{path}"),
        offset: 0,
        most_ms,
        texts: texts.to_vec(),
    }
}

fn days_before(end: Time, days: i64) -> String {
    end.plus(-days * Time::DAY).to_string()[..10].to_owned()
}

/// All of them, for this data.
pub fn all(connection: &mut Connection, end: Time) -> Vec<Case> {
    let mut cases = declarations(end);
    cases.extend(named(connection));
    // where the data is older than it was made, there are fewer of late
    for days in [7, 90] {
        let path = format!("/signals?lookbackDays={days}&minScore=10");
        cases.push(case(&path, 0, FIRST));
    }
    cases.push(single("/signals", FIRST, &[]));
    for path in [
        "/companies",
        "/companies?sort=marketCap&order=desc",
        "/companies?sort=recent&order=desc",
        "/companies?market=us",
        "/companies?q=inc",
        "/companies?q=otter",
        "/insiders",
        "/insiders?market=us",
        "/insiders?market=se",
        "/insiders?q=ada",
        "/insiders?q=10",
        "/insiders?q=otter%20ada",
    ] {
        cases.push(case(path, 0, FIRST));
    }
    for path in ["/insiders", "/insiders?market=us", "/insiders?q=10"] {
        cases.push(case(path, 10_000, FAR));
    }
    let texts = search_texts();
    cases.push(single("/search?q={q}", SEARCH, &texts));
    cases.push(single("/search?q={q}&market=us&limit=50", SEARCH, &texts));
    for path in ["/markets", "/stats", "/health", "/me"] {
        cases.push(single(path, FIRST, &[]));
    }
    let mins: Vec<String> = (0..100).map(|n| format!("{n}")).collect();
    cases.push(single("/backtest?minScore={q}", DEEP, &mins));
    let days: Vec<String> = (10..110).map(|n| format!("{n}")).collect();
    cases.push(single("/strategy/winning?lookbackDays={q}", DEEP, &days));
    cases
}

fn declarations(end: Time) -> Vec<Case> {
    let month = days_before(end, 30);
    let (from, to) = (days_before(end, 700), days_before(end, 640));
    let filters = [
        String::new(),
        "market=us".into(),
        "market=ch".into(),
        "direction=BUY".into(),
        "direction=SELL".into(),
        "cluster=true".into(),
        "cluster=false".into(),
        "minScore=40".into(),
        "minScore=60".into(),
        "minScore=75".into(),
        "maxScore=20".into(),
        "minAmount=1000000".into(),
        "minAmount=4000000".into(),
        "company=otter".into(),
        "company=otter%20otter".into(),
        "company=zzz".into(),
        "insider=ada".into(),
        "insider=1000012".into(),
        "isin=GB0000000007".into(),
        format!("from={month}"),
        format!("from={from}&to={to}"),
    ];
    let mut cases = Vec::new();
    for filter in &filters {
        let path = format!("/declarations?{filter}");
        cases.push(case(&path, 0, FIRST));
        cases.push(case(&path, 10_000, FAR));
    }
    for sort in ["signalScore", "amount"] {
        for order in ["desc", "asc"] {
            for filter in [
                "",
                "&market=us",
                "&market=ch",
                "&direction=BUY",
                "&cluster=true",
            ] {
                let path = format!("/declarations?sort={sort}&order={order}{filter}");
                cases.push(case(&path, 0, FIRST));
                cases.push(case(&path, 10_000, FAR));
            }
        }
        let path = format!("/declarations?sort={sort}&from={month}");
        cases.push(case(&path, 0, FIRST));
    }
    cases.push(case("/declarations?order=asc", 0, FIRST));
    cases.push(case("/declarations?order=asc", 10_000, FAR));
    cases.push(case("/declarations?include=backtest", 0, FIRST));
    for (path, offset) in [
        ("", 500_000),
        ("", 990_000),
        ("?sort=signalScore", 300_000),
        ("?sort=signalScore", 900_000),
        ("?sort=amount&order=asc", 500_000),
        ("?market=us", 400_000),
        ("?cluster=false", 500_000),
        ("?market=us&direction=BUY", 10_000),
        ("?market=us&minScore=40&cluster=true", 10_000),
        ("?market=ch&minScore=60", 0),
        ("?direction=SELL&minAmount=1000000", 50_000),
        ("?company=otter&minScore=50&sort=signalScore", 100),
    ] {
        let path = format!("/declarations{path}");
        cases.push(case(&path, offset, DEEP));
    }
    cases
}

fn slug(hit: &Value) -> String {
    hit["slug"].as_str().expect("a slug").to_owned()
}

/// Of companies and insiders with the most declarations, and of those with the fewest.
fn named(connection: &mut Connection) -> Vec<Case> {
    let mut cases = Vec::new();
    let largest = connection.json("/api/v1/search?q=inc&limit=1");
    let large = slug(&largest["items"][0]);
    let total = largest["total"].as_u64().expect("a total");
    let last = connection.json(&format!(
        "/api/v1/search?q=inc&limit=1&offset={}",
        total - 1
    ));
    let small = slug(&last["items"][0]);
    for company in [&large, &small] {
        let path = format!("/companies/{company}");
        cases.push(single(&path, FIRST, &[]));
        cases.push(case(&format!("{path}/declarations"), 0, FIRST));
    }
    let path = format!("/companies/{large}/declarations");
    for filter in ["", "?minScore=50", "?direction=SELL"] {
        cases.push(case(&format!("{path}{filter}"), 10_000, FAR));
    }
    cases.push(case(&format!("{path}?minScore=50"), 0, FIRST));
    let years: Vec<String> = (0..60).map(|n| format!("20{:02}-01-01", 30 + n)).collect();
    for (company, most) in [(&large, DEEP), (&small, FIRST)] {
        let path = format!("/companies/{company}/net-flow?to={{q}}");
        cases.push(single(&path, most, &years));
    }
    for company in [&large, &small] {
        for bucket in ["day", "week", "month"] {
            let path = format!("/companies/{company}/closes?bucket={bucket}&limit=1000&to={{q}}");
            cases.push(single(&path, FIRST, &years));
        }
    }
    let hits = connection.json("/api/v1/search?q=ada&limit=1");
    let insider = slug(&hits["items"][0]);
    cases.push(single(&format!("/insiders/{insider}"), FIRST, &[]));
    cases.push(case(&format!("/insiders/{insider}/declarations"), 0, FIRST));
    let ids: Vec<String> =
        (connection.json("/api/v1/declarations?limit=100&direction=BUY")["items"]
            .as_array()
            .expect("items")
            .iter())
        .map(|one| one["amfId"].as_str().expect("an id").to_owned())
        .collect();
    cases.push(single("/declarations/{q}", FIRST, &ids));
    cases.push(single("/declarations/{q}/score", FIRST, &ids));
    cases
}

/// Beginnings of the words that the generated names have, two letters and more.
fn search_texts() -> Vec<String> {
    let words = [
        "inc", "otter", "heron", "birch", "granite", "ada", "ben", "carla", "lena", "1000", "4711",
        "willow",
    ];
    let mut texts = Vec::new();
    for word in words {
        texts.extend((2..=word.len()).map(|end| word[..end].to_owned()));
    }
    for (one, other) in [
        ("ot", "ad"),
        ("inc", "he"),
        ("10", "be"),
        ("ot", "ot"),
        ("zz", "ad"),
    ] {
        texts.push(format!("{one}%20{other}"));
    }
    texts
}
