//! Who reads pages of insider data: signed in, let in as over REST, and counted once a page.

use super::{
    data_visitor::{Visitor, sign_in},
    insider_data::House,
    wire::request,
};

/// Every page of data of the two companies.
const PAGES: [&str; 9] = [
    "/screener",
    "/screener/top?minScore=0&lookbackDays=90",
    "/screener/winning?lookbackDays=365",
    "/screener/search?q=owner",
    "/companies/otter-works-inc-1",
    "/companies/l-etoile-fils-2",
    "/insiders/owner-11-1",
    "/insiders/hyperlink-x-zoe-4",
    "/declarations/SEC:0000000000-00-000007:P",
];

#[test]
fn signing_in_leads_back() {
    let house = House::start();
    let path = "/screener?market=us&company=a%26b";
    let reply = request(house.server.main, "GET", path, &[], b"");
    assert_eq!(reply.head.status, 303);
    let to = reply.head.header("location").unwrap().to_owned();
    assert_eq!(
        to,
        "/account?next=%2Fscreener%3Fmarket%3Dus%26company%3Da%2526b"
    );
    let form = request(house.server.main, "GET", &to, &[], b"").text();
    assert!(
        form.contains("name=\"next\" value=\"/screener?market=us&amp;company=a%26b\""),
        "{form}"
    );
    let given = sign_in(&house, path);
    let via = given.head.header("location").unwrap();
    let cookie = given.head.header("set-cookie").unwrap();
    let back = request(
        house.server.main,
        "GET",
        via,
        &[("cookie", cookie.split(';').next().unwrap())],
        b"",
    );
    assert_eq!(
        (back.head.status, back.head.header("location")),
        (303, Some(path))
    );
    // a part of a page sends the whole page there
    let part = request(
        house.server.main,
        "GET",
        path,
        &[("hx-request", "true")],
        b"",
    );
    assert_eq!(
        (part.head.status, part.head.header("hx-redirect")),
        (401, Some(to.as_str()))
    );
    for path in PAGES
        .iter()
        .chain(&["/screener/all.csv", "/screener/search"])
    {
        let reply = request(house.server.main, "GET", path, &[], b"");
        assert_eq!(reply.head.status, 303, "{path}");
    }
}

#[test]
fn a_page_counts_as_one_request() {
    let house = House::start();
    let visitor = Visitor::at(&house);
    for path in PAGES
        .iter()
        .chain(&["/screener/top.csv", "/screener?minScore=x"])
    {
        let before = visitor.left();
        visitor.ask(path, &[]);
        assert_eq!(
            before - visitor.left(),
            2,
            "itself, and the question what is left: {path}"
        );
    }
    for free in ["/screener?market=", "/screener/search"] {
        let before = visitor.left();
        visitor.ask(free, &[]);
        assert_eq!(before - visitor.left(), 1, "{free}");
    }
}

#[test]
fn who_has_used_all_up_is_told_in_a_page() {
    let house = House::on_plan("free", &[("SIGCAST_PLANS__FREE__REQUESTS_PER_DAY", "2")]);
    let visitor = Visitor::at(&house);
    visitor.page("/screener");
    visitor.page("/screener?market=us");
    let stopped = visitor.ask("/screener?market=fr", &[]);
    assert_eq!(stopped.head.status, 429);
    assert!(
        stopped.head.header("retry-after").is_some(),
        "{}",
        stopped.head.raw
    );
    let page = stopped.text();
    assert!(
        page.contains("<h1>Too many requests</h1>") && page.contains("rate_limited"),
        "{page}"
    );
    // the form stays where it is: the words come where the list was
    let part = visitor.part("/screener?market=fr");
    assert_eq!(
        (part.head.status, part.head.header("hx-retarget")),
        (429, Some("#found"))
    );
    let own = visitor.part("/insiders/owner-11-1?direction=BUY");
    assert_eq!(own.head.header("hx-retarget"), Some("#found"));
    let file = visitor.ask("/screener/all.csv", &[]);
    assert_eq!(file.head.status, 429);
}
