//! Pages of insider data over HTTP: they ask what they were asked, say what the API says, and escape what others wrote.

use std::process::Command;

use serde_json::{Value, json};

use super::{
    clients::{skip, succeed},
    data_visitor::{Visitor, transferred},
    insider_data::{House, noon},
    server::until,
    wire::PATIENCE,
};

#[test]
fn filters_arrive_at_the_api_unchanged() {
    let house = House::start();
    let visitor = Visitor::at(&house);
    let by_api = [
        ("/screener", "/declarations", ""),
        (
            "/screener",
            "/declarations",
            "market=fr&sort=amount&order=asc",
        ),
        ("/screener", "/declarations", "direction=SELL"),
        (
            "/screener",
            "/declarations",
            "minScore=40&maxScore=99.5&cluster=true",
        ),
        ("/screener", "/declarations", "minAmount=20000"),
        (
            "/screener",
            "/declarations",
            "company=%C3%A9toile&limit=1&offset=1",
        ),
        ("/screener", "/declarations", "insider=owner+12"),
        (
            "/screener",
            "/declarations",
            "isin=US0000000075&limit=3&sort=signalScore",
        ),
        (
            "/screener",
            "/declarations",
            "from=2000-01-01&to=2001-01-01",
        ),
        (
            "/screener",
            "/declarations",
            "since=2000-01-01T00:00:00Z&sort=pubDate&order=asc",
        ),
        (
            "/screener/top",
            "/signals",
            "direction=BUY&lookbackDays=30&minScore=10",
        ),
        (
            "/screener/winning",
            "/strategy/winning",
            "lookbackDays=365&limit=2",
        ),
        (
            "/companies/otter-works-inc-1",
            "/companies/otter-works-inc-1/declarations",
            "direction=BUY&minScore=30",
        ),
        (
            "/insiders/owner-11-1",
            "/insiders/owner-11-1/declarations",
            "limit=2&offset=1",
        ),
    ];
    for (page, api, query) in by_api {
        let ids = house.ids(&format!("{api}?{query}"));
        let mut shown = visitor.ids(&format!("{page}?{query}"));
        // an insider's page has more filings below: those whose returns are matured
        shown.truncate(ids.len());
        assert_eq!(shown, ids, "{page}?{query}");
    }
    let company = visitor.page("/companies/otter-works-inc-1?bucket=week&direction=SELL");
    let weeks = house.get("/companies/otter-works-inc-1/net-flow?bucket=week");
    for item in weeks["items"].as_array().unwrap() {
        let row = format!(
            "<th scope=\"row\">{}</th><td class=\"number\" data-v=\"{}",
            item["period"].as_str().unwrap(),
            item["net"].as_f64().unwrap()
        );
        assert!(company.contains(&row), "{row}: {company}");
    }
}

#[test]
fn an_address_says_what_was_asked_and_no_more() {
    let house = House::start();
    let visitor = Visitor::at(&house);
    let sent = "/screener?market=us&direction=&minScore=&company=a%26b&sort=&format=csv";
    let reply = visitor.ask(sent, &[]);
    let short = "/screener?market=us&company=a%26b";
    assert_eq!(
        (reply.head.status, reply.head.header("location")),
        (303, Some(short))
    );
    let part = visitor.part(sent);
    assert_eq!(
        (part.head.status, part.head.header("hx-push-url")),
        (200, Some(short))
    );
    let part = part.text();
    assert!(part.starts_with("<div id=\"screen\">"), "{part}");
    assert!(part.contains("value=\"a&amp;b\""), "{part}");
    let own = visitor.part("/companies/otter-works-inc-1?direction=BUY&minScore=");
    assert_eq!(
        own.head.header("hx-push-url"),
        Some("/companies/otter-works-inc-1?direction=BUY")
    );
    assert!(
        own.text().starts_with("<div id=\"filings\">"),
        "{}",
        own.text()
    );
}

#[test]
fn what_is_refused_is_told_where_it_was_entered() {
    let house = House::start();
    let visitor = Visitor::at(&house);
    for (query, field) in [
        ("direction=HOLD", "direction"),
        ("minScore=101", "minScore"),
        ("market=xx", "market"),
        ("from=yesterday", "from"),
        ("limit=201", "limit"),
        ("isin=%22%3E%3Cscript%3E", "isin"),
        ("minScore=50&maxScore=40", "maxScore"),
    ] {
        let path = format!("/screener?{query}");
        let refusal = house.ask(&format!("/declarations?{query}"));
        let allowed = refusal.expect_error(400, "invalid_parameter")["allowed"]
            .as_str()
            .unwrap()
            .to_owned();
        for reply in [visitor.ask(&path, &[]), visitor.part(&path)] {
            assert_eq!(reply.head.status, 400, "{path}");
            let page = reply.text();
            let told = format!("<p class=\"bad\" id=\"f-{field}-error\">Allowed: {allowed}.</p>");
            assert!(page.contains(&told), "{told}: {page}");
            assert!(
                page.contains(&format!(
                    "aria-invalid=\"true\" aria-describedby=\"f-{field}-error\""
                )),
                "{page}"
            );
            assert!(!page.contains("<script>"), "{page}");
        }
    }
    let unknown = visitor.ask("/screener?colour=%3Cred%3E", &[]);
    assert_eq!(unknown.head.status, 400);
    assert!(
        unknown
            .text()
            .contains("role=\"alert\">Parameter `colour`: `&lt;red&gt;`"),
        "{}",
        unknown.text()
    );
    let own = visitor.ask("/companies/otter-works-inc-1?minScore=x", &[]);
    assert!(own.head.status == 400 && own.text().contains("id=\"f-minScore-error\""));
    let flow = visitor.ask("/companies/otter-works-inc-1?bucket=year", &[]);
    assert!(flow.head.status == 400 && flow.text().contains("`bucket`"));
    let short = visitor.ask("/screener/search?q=a", &[]);
    assert!(short.head.status == 400 && short.text().contains("role=\"alert\""));
}

#[test]
fn what_others_wrote_is_text() {
    let house = House::start();
    let hostile = "<script>alert('1')</script> & \"Söhne\"";
    let at = noon(2);
    let filing = json!({
        "v": 1, "type": "declaration", "id": "BAFIN:hostile", "market": "de", "form": "<tt>", "published_at": at.unix_ms(),
        "issuer": {"name": hostile, "isin": "DE0000000009"}, "insider": {"name": "<img src=x onerror=alert(2)>", "title": "<i>Chief</i>", "officer": true},
        "code": "P", "date": &at.to_string()[..10], "instrument": "<u>Aktie</u>", "shares": 100, "price": "12.50",
        "url": "javascript:alert(3)",
    });
    let answer = house
        .server
        .admin("POST", "/v1/filings", &filing.to_string())
        .ok_json();
    let visitor = Visitor::at(&house);
    if answer["accepted"] != 1 {
        panic!("{answer}");
    }
    let judged = || {
        let one = house.get("/declarations/BAFIN:hostile");
        (one["signal"]["reason"] != "pending").then_some(one)
    };
    let one = until(PATIENCE, judged).expect("it is judged");
    assert_eq!(
        one["pdfUrl"],
        Value::Null,
        "a script is no address of a document"
    );
    let company = format!("/companies/{}", one["company"]["slug"].as_str().unwrap());
    let insider = format!("/insiders/{}", one["insider"]["slug"].as_str().unwrap());
    let paths = [
        "/screener?market=de".to_owned(),
        "/screener/search?q=script".to_owned(),
        "/declarations/BAFIN:hostile".to_owned(),
        company,
        insider,
    ];
    for path in paths {
        let page = visitor.page(&path);
        for raw in [
            "<script>",
            "<img",
            "<i>",
            "<u>",
            "<tt>",
            "href=\"javascript",
        ] {
            assert!(!page.contains(raw), "{path} has {raw}: {page}");
        }
        assert!(page.contains("&lt;"), "{path} names them");
    }
}

#[test]
fn what_there_is_not_is_a_page_that_says_so() {
    let house = House::start();
    let visitor = Visitor::at(&house);
    for (path, code) in [
        ("/companies/nobody-999", "company_not_found"),
        (
            "/companies/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
            "company_not_found",
        ),
        ("/insiders/nobody-999", "insider_not_found"),
        ("/insiders/%FF", "insider_not_found"),
        ("/declarations/SEC:no-such", "declaration_not_found"),
        ("/declarations/a%20b", "declaration_not_found"),
    ] {
        let reply = visitor.ask(path, &[]);
        assert_eq!(reply.head.status, 404, "{path}: {}", reply.text());
        let page = reply.text();
        assert!(
            page.contains("<h1>Not found</h1>") && page.contains(code),
            "{path}: {page}"
        );
        assert!(!page.contains("<script>"), "{page}");
        assert!(reply.head.header("content-security-policy").is_some());
    }
}

#[test]
fn a_file_is_the_apis_own() {
    let house = House::start();
    let visitor = Visitor::at(&house);
    for (file, api) in [
        (
            "/screener/all.csv?market=us&limit=2&offset=1",
            "/declarations?market=us&format=csv",
        ),
        (
            "/screener/top.csv?lookbackDays=90",
            "/signals?lookbackDays=90&format=csv",
        ),
        (
            "/screener/winning.csv?lookbackDays=365",
            "/strategy/winning?lookbackDays=365&format=csv",
        ),
    ] {
        let reply = visitor.ask(file, &[]);
        let own = house.ask(api);
        assert_eq!(reply.head.status, 200, "{}", reply.text());
        assert!(!own.body.is_empty() && reply.text() == own.text(), "{file}");
        for name in ["content-type", "content-disposition"] {
            assert_eq!(reply.head.header(name), own.head.header(name), "{file}");
        }
    }
    let refused = visitor.ask("/screener/all.csv?minScore=x", &[]);
    assert!(refused.head.status == 400 && refused.text().contains("<h1>"));
}

#[test]
fn the_command_gives_what_the_page_shows() {
    if let Err(why) = succeed(Command::new("curl").arg("--version")) {
        return skip("curl", &why);
    }
    let house = House::start();
    let visitor = Visitor::at(&house);
    for (page, api) in [
        (
            "/screener?insider=o%27neil+%24%28id%29+%60",
            "/declarations?insider=o%27neil+%24%28id%29+%60",
        ),
        (
            "/screener?market=us&minScore=40",
            "/declarations?market=us&minScore=40",
        ),
        (
            "/insiders/owner-11-1?limit=2",
            "/insiders/owner-11-1/declarations?limit=2",
        ),
    ] {
        let html = visitor.page(page);
        let command = html.split("<pre id=\"curl\">").nth(1).unwrap();
        let command = command.split("</pre>").next().unwrap();
        let command = command.replace("&amp;", "&").replace("&quot;", "\"");
        // what the request named itself by
        let command = command.replace("http://localhost", &house.server.url());
        let mut run = Command::new("sh");
        run.args(["-c", &format!("{command} -s")]);
        let output = succeed(run.env("SIGCAST_KEY", &house.key.text)).unwrap();
        let mut told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut own = house.get(api);
        for body in [&mut told, &mut own] {
            body.as_object_mut().unwrap().remove("meta");
        }
        assert_eq!(told, own, "{command}");
    }
}

#[test]
fn pages_say_what_the_api_says() {
    let house = House::start();
    let visitor = Visitor::at(&house);
    let company = visitor.page("/companies/otter-works-inc-1");
    for said in [
        "<h1>Otter Works, Inc.</h1>",
        "Dams, mostly",
        "<b>Accumulation</b> over 90 days",
        "data-chart=\"bars\"",
        "data-chart=\"line\"",
        "href=\"/insiders/owner-11-1\"",
        "n = ",
        " filings",
    ] {
        assert!(company.contains(said), "{said}: {company}");
    }
    // the three of the last days are a cluster, and so is their month
    assert!(
        company.contains(" filing</td>") || company.contains(" filings</td>"),
        "{company}"
    );
    let french = visitor.page("/companies/l-etoile-fils-2");
    assert!(
        french.contains("<h1>L'Étoile &amp; Fils</h1>") && french.contains("No closes are known"),
        "{french}"
    );
    let insider = visitor.page("/insiders/owner-11-1");
    assert!(
        insider.contains("Chief Financial Officer") && insider.contains("aria-label=\"Returns\""),
        "{insider}"
    );
    let score = house.get("/declarations/SEC:0000000000-00-000012/score");
    let filing = visitor.page("/declarations/SEC:0000000000-00-000012");
    assert_eq!(filing.matches("<li><div class=\"head\">").count(), 9);
    for factor in score["factors"].as_array().unwrap() {
        let why = factor["rationale"].as_str().unwrap().replace('&', "&amp;");
        assert!(filing.contains(&why), "{why}: {filing}");
    }
    let suspect = visitor.page("/declarations/SEC:0000000000-00-000006");
    assert!(
        suspect.contains("Suspect") && suspect.contains("what is filed cannot be"),
        "{suspect}"
    );
}

#[test]
fn a_filing_leads_to_the_signal_that_it_became() {
    let house = House::start();
    let visitor = Visitor::at(&house);
    let id = visitor.signal_of_a_filing("SEC:0000000000-00-000077");
    let page = visitor.page("/declarations/SEC:0000000000-00-000077");
    assert!(page.contains(&format!("href=\"/signals/{id}\"")), "{page}");
    let other = visitor.page("/declarations/SEC:0000000000-00-000010");
    assert!(!other.contains("href=\"/signals/"), "{other}");
}

#[test]
fn the_largest_pages_are_small() {
    let house = House::start();
    let visitor = Visitor::at(&house);
    let at = noon(5);
    let lines: Vec<String> = (0..220)
        .map(|n| {
            json!({
                "v": 1, "type": "declaration", "id": format!("BAFIN:{n}"), "market": "de", "form": "MAR", "published_at": at.unix_ms() + n * 977,
                "issuer": {"name": format!("Kiesel {} AG", n % 7 * n), "isin": "DE0000000009"},
                "insider": {"name": format!("Ute {} Kiesel", n * 31), "officer": true, "title": format!("Head of {}", n * 17)},
                "code": if n % 3 == 0 { "S" } else { "P" }, "date": &at.to_string()[..10], "instrument": "Aktie", "shares": 100 + n * 7,
                "price": format!("{}.50", 10 + n % 5),
            })
            .to_string()
        })
        .collect();
    let answer = house.server.admin("POST", "/v1/filings", &lines.join("\n"));
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    until(PATIENCE, || {
        (house.get("/declarations?market=de")["total"] == 220).then_some(())
    })
    .expect("all are in");
    for path in [
        "/screener?limit=200",
        "/screener/top?lookbackDays=90&minScore=0&limit=200",
        "/companies/otter-works-inc-1?limit=200",
        "/insiders/owner-11-1?limit=200",
    ] {
        let page = visitor.page(path);
        let files = page
            .split(['"'])
            .filter(|part| part.starts_with("/assets/"));
        let all = transferred(&visitor, path)
            + files.map(|file| transferred(&visitor, file)).sum::<usize>();
        assert!(all <= 150_000, "{path}: {all} bytes");
        eprintln!("{path}: {all} bytes with all its files");
    }
}
