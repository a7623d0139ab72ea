//! The overview, the live feed and a signal's page, over HTTP: who sees what, and that nothing of a payload is markup.

use serde_json::{Value, json};

use super::{
    server::{Key, Server, sample, until},
    visitor::Visitor,
    wire::{PATIENCE, Reply, Wire, request},
};

const SCRIPT: &str = "<script>alert(1)</script>";

fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Reply {
    request(server.main, "GET", path, headers, b"")
}

/// A page that must be shown, and what all pages promise.
fn page(reply: &Reply) -> String {
    assert_eq!(reply.head.status, 200, "{}{}", reply.head.raw, reply.text());
    let kind = reply.head.header("content-type").unwrap();
    assert!(kind.starts_with("text/html"), "{kind}");
    let policy = reply.head.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let text = reply.text();
    assert!(!text.contains(SCRIPT) && !text.contains("_live_"), "{text}");
    for within in ["style=", "onclick", "<style", "=\"javascript:"] {
        assert!(!text.contains(within), "{within}: {text}");
    }
    text
}

fn leads_to_sign_in(reply: &Reply, from: &str) {
    assert_eq!(reply.head.status, 303, "{}", reply.text());
    let next = from.replace('/', "%2F");
    let wanted = format!("/account?next={next}");
    assert_eq!(reply.head.header("location"), Some(&*wanted));
}

/// A signal whose every text is hostile.
fn hostile(n: u32) -> Value {
    let mut signal = sample(n);
    signal["token"] = json!({"address": SCRIPT, "symbol": SCRIPT, "name": SCRIPT, "dex": SCRIPT, "price_usd": 0.5});
    signal["rank"] = json!(SCRIPT);
    signal["episode_id"] = json!(SCRIPT);
    signal["rug_check"] = json!({"risk": SCRIPT, "top10_holders_pct": SCRIPT});
    signal["triggering_wallets"] = json!([{"address": SCRIPT, "rank": SCRIPT}]);
    signal["exited_wallets"] = json!([SCRIPT]);
    signal["company"] = json!({"name": SCRIPT, "slug": SCRIPT});
    signal["insider"] = json!({"name": SCRIPT, "slug": SCRIPT, "function": SCRIPT});
    signal["pdfUrl"] = json!("javascript:alert(1)");
    signal["transactions"] = json!([{"security": SCRIPT, "code": SCRIPT, "date": SCRIPT}]);
    signal["score"] = json!({"factors": [{"key": SCRIPT, "value": SCRIPT, "points": 1, "cap": 2, "rationale": SCRIPT}], "modifiers": [{"name": SCRIPT, "factor": 2}]});
    signal
}

fn rows(text: &str) -> usize {
    text.matches("<li class=\"signal\"").count()
}

#[test]
fn the_feed_of_who_is_signed_in_begins_with_the_latest_and_says_where_to_go_on() {
    let server = Server::start();
    let key = server.alpha_key();
    server.publish_all((1..=120).map(sample));
    server.publish(&hostile(121));
    let mut visitor = Visitor::of(&server, &key);
    let text = page(&visitor.get("/live"));
    assert_eq!(rows(&text), 101, "the latest hundred, and a blank one");
    let place = format!("data-after=\"{}-121\"", server.epoch(&key));
    assert!(
        text.contains(&place) && text.contains("data-streams"),
        "{text}"
    );
    let first = text.find("data-seq=\"121\"").unwrap();
    assert!(
        first < text.find("data-seq=\"120\"").unwrap(),
        "the newest first"
    );
    assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));

    // a filter is the stream's own, and a part for htmx
    let asked = "/live?types=&min_rank=S&market=crypto&token=";
    let part = visitor.get_with(asked, &[("hx-request", "true")]);
    let text = page(&part);
    assert!(!text.contains("<html") && rows(&text) == 100, "{text}");
    assert_eq!(
        part.head.header("hx-push-url"),
        Some("/live?min_rank=S&market=crypto")
    );
    assert!(
        text.contains("data-query=\"min_rank=S&amp;market=crypto\""),
        "{text}"
    );
    for headers in [vec![], vec![("hx-request", "true")]] {
        let refused = visitor.get_with("/live?min_rank=Z", &headers);
        assert_eq!(refused.head.status, 400);
        assert!(refused.text().contains("min_rank"), "{}", refused.text());
        // who comes by such a link finds the form, with what was asked, and no stream of what there is not
        let form = refused
            .text()
            .contains("<option value=\"Z\" selected>Z</option>");
        assert_eq!(form, headers.is_empty(), "{}", refused.text());
        assert!(
            !refused.text().contains("live.js") && !refused.text().contains("hx-get=\"/live\"")
        );
        // in a page, the feed stays as it is
        let beside = refused.head.header("hx-retarget");
        assert_eq!(beside.is_some(), !headers.is_empty());
    }
}

#[test]
fn who_is_not_signed_in_sees_what_is_old_enough() {
    let hidden = Server::start();
    hidden.publish(&hostile(1));
    let text = page(&get(&hidden, "/live", &[]));
    assert!(text.contains("No signal yet") && rows(&text) == 0, "{text}");
    assert!(text.contains("/account?next=%2Flive"), "{text}");
    assert!(!text.contains("live.js"), "{text}");
    leads_to_sign_in(&get(&hidden, &path(1), &[]), &path(1));

    let none = Server::with(&[
        ("SIGCAST_HTTP__PUBLIC_SIGNALS", "false"),
        ("SIGCAST_HTTP__PUBLIC_AFTER_MINUTES", "0"),
    ]);
    none.publish_sample(1);
    let text = page(&get(&none, "/live", &[]));
    assert_eq!(rows(&text), 0, "{text}");
    leads_to_sign_in(&get(&none, &path(1), &[]), &path(1));

    let open = Server::with(&[("SIGCAST_HTTP__PUBLIC_AFTER_MINUTES", "0")]);
    open.publish_all([sample(1), hostile(2)].into_iter());
    let text = page(&get(&open, "/live", &[("hx-request", "true")]));
    assert_eq!(rows(&text), 2, "{text}");
    for n in [1, 2] {
        let text = page(&get(&open, &path(n), &[]));
        assert!(
            text.contains("Why it fired") && text.contains("Sign in"),
            "{text}"
        );
    }
    let missing = get(&open, &path(3), &[]);
    assert_eq!(missing.head.status, 404);
    assert!(
        missing.text().contains("signal_not_found"),
        "{}",
        missing.text()
    );
}

fn path(n: u32) -> String {
    format!("/signals/{}", sample(n)["id"].as_str().unwrap())
}

fn used_today(server: &Server, key: &Key) -> u64 {
    let me = server.get("/api/v1/me", key).ok_json();
    me.pointer("/usage/today")
        .and_then(Value::as_u64)
        .unwrap_or_else(|| panic!("{me}"))
}

#[test]
fn a_page_counts_as_one_request_and_the_feed_behind_it_as_none() {
    let server = Server::start();
    let key = server.alpha_key();
    server.publish_sample(1);
    let mut visitor = Visitor::of(&server, &key);
    let before = used_today(&server, &key);
    page(&visitor.get("/live"));
    let mut view = visitor.view();
    let id = server.publish_sample(2);
    view.expect_signal(&id);
    page(&visitor.get(&path(2)));
    // the two pages, and this question
    assert_eq!(used_today(&server, &key), before + 3);
}

#[test]
fn a_signal_is_explained_with_what_is_around_it() {
    let server = Server::start();
    let key = server.alpha_key();
    let buy = |n: u32, update: u32, price: f64| {
        let mut signal = sample(n);
        signal["episode_id"] = json!("00000000-0000-4000-8000-00000000e000");
        signal["detected_at"] = json!(format!("2026-04-24T09:3{n}:00Z"));
        signal["token"]["price_usd"] = json!(price);
        signal["token"]["liquidity_usd"] = json!(88_300);
        signal["rank_score"] = json!(94.1);
        for (name, value) in [
            ("pool_wallet_count", json!(5)),
            ("other_buyer_count", json!(2)),
            ("wallet_score_sum", json!(612.4)),
        ] {
            signal[name] = value;
        }
        signal["rug_check"] = json!({"mint_renounced": true, "freeze_renounced": false, "top10_holders_pct": 18.4, "lp_locked": null, "risk": "low"});
        signal["triggering_wallets"] = json!([{"address": "HN7Wk", "score": 128.1, "rank": "S", "win_rate": 0.71, "realized_pnl_usd": 184_220}]);
        if update > 0 {
            signal["update"] = json!(update);
        }
        signal
    };
    let mut exit = buy(3, 0, 0.02);
    exit["signal_type"] = json!("consensus_exit");
    server.publish_all([buy(1, 0, 0.01), buy(2, 1, 0.015), exit, sample(4)].into_iter());
    let mut visitor = Visitor::of(&server, &key);
    let by_place = format!("/signals/{}-1", server.epoch(&key));
    for path in [path(1), by_place] {
        let text = page(&visitor.get(&path));
        for wanted in [
            "Ranked wallets",
            "Their quality",
            "Liquidity",
            "Together",
            "94.1",
            "HN7Wk",
            "71.0",
            "Nobody can make more of it.",
            "Its makers can freeze",
            "data-chart=\"line\"",
            "Of the same episode",
            "Update",
            "Exit",
            "curl 'http://localhost/api/signals/",
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        assert_eq!(rows(&text), 3, "its episode");
        assert_eq!(
            text.matches("data-v=\"0.02\"").count(),
            2,
            "the exit's price, and its mark"
        );
    }
    let refused = visitor.get("/signals/nothing");
    assert_eq!(refused.head.status, 404);
}

#[test]
fn what_another_publisher_says_is_shown_as_it_is() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut signal = sample(1);
    // no list can be filtered by such a token
    signal["token"]["address"] = json!("ETH/USDT on Uniswap é");
    signal["episode_id"] = json!("ep-1");
    // nor are these the parts of that score
    for (name, value) in [
        ("pool_wallet_count", json!(5)),
        ("wallet_score_sum", json!(600)),
        ("rank_score", json!(10)),
    ] {
        signal[name] = value;
    }
    signal["rug_check"] = json!({"risk": "low"});
    let mut huge = sample(2);
    for name in [
        "rank_score",
        "wallet_count",
        "other_buyer_count",
        "latency_ms",
        "wallet_score_sum",
    ] {
        huge[name] = json!(1e300);
    }
    huge["token"]["liquidity_usd"] = json!(1e300);
    huge["token"]["age_minutes"] = json!(1e300);
    huge["token"]["market_cap_usd"] = json!(-1e300);
    huge["rug_check"] = json!({"risk": "low", "top10_holders_pct": 1e300});
    huge["triggering_wallets"] =
        json!([{"score": 1e300, "win_rate": 1e300, "realized_pnl_usd": 1e300}]);
    huge["amfId"] = json!("x");
    huge["transactions"] = json!([{"shares": 1e300, "price": -1e300}]);
    server.publish_all([signal, huge].into_iter());
    let mut visitor = Visitor::of(&server, &key);
    let text = page(&visitor.get(&path(1)));
    assert!(
        text.contains("does not say what its points are made of"),
        "{text}"
    );
    assert!(!text.contains("Together"), "{text}");
    let missing = "Could not be looked up: other signals of the same episode.";
    assert!(text.contains(missing), "{text}");
    let text = page(&visitor.get(&path(2)));
    assert!(
        text.contains(">1.0e300<") && !text.contains("Could not be"),
        "{text}"
    );
    for text in [text, page(&visitor.get("/live"))] {
        assert!(!text.contains(&"0".repeat(40)), "{text}");
    }
}

#[test]
fn hostile_signals_are_text_on_every_page() {
    let server = Server::start();
    let key = server.alpha_key();
    for n in 1..=2 {
        server.publish(&hostile(n));
    }
    let mut insider = hostile(3);
    insider["signal_type"] = json!("insider_buy");
    insider["amfId"] = json!("../../me");
    server.publish(&insider);
    let mut visitor = Visitor::of(&server, &key);
    for n in 1..=3 {
        page(&visitor.get(&path(n)));
    }
    let odd = visitor.get("/live?types=%3Cscript%3Ealert(1)%3C/script%3E");
    assert!(!odd.text().contains(SCRIPT), "{}", odd.text());
}

#[test]
fn the_overview_tells_how_the_server_does_and_how_to_connect() {
    let server = Server::start();
    let key = server.alpha_key();
    let text = page(&get(&server, "/", &[]));
    assert!(
        text.contains("none yet") && text.contains("ready"),
        "{text}"
    );
    assert_eq!(
        text.matches("http://localhost/api/signals/stream").count(),
        3,
        "{text}"
    );
    let mut stream = server.listen(&key, "", &[]);
    let id = server.publish_sample(1);
    stream.expect_signal(&id);
    // made anew each second
    let part = until(PATIENCE, || {
        let part = page(&get(&server, "/", &[("hx-request", "true")]));
        part.contains("1 in the log").then_some(part)
    });
    let part = part.expect("the signal is told");
    assert!(!part.contains("<html"), "{part}");
    assert!(part.contains("\u{202f}ms</span>"), "a latency: {part}");
    // whoever asks says what is asked, and it is a host or nothing
    let odd = "GET / HTTP/1.1\r\nhost: a$(id)\r\n\r\n";
    let mut wire = Wire::connect(server.main);
    wire.send(odd.as_bytes());
    let reply = wire.reply();
    assert!(!reply.text().contains("$(id)"), "{}", reply.text());
}
