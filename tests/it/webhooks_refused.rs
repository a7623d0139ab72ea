//! What webhooks may not be: targets that nobody may reach, bodies and queries that mean nothing, other accounts' endpoints, more than a plan allows.

use serde_json::{Value, json};

use super::{
    server::Server,
    webhook_owner::{Owner, SETTINGS, WEBHOOKS, ask_by, text},
    wire::request,
};

/// As it is where nothing is allowed beyond the rule.
fn strict() -> Owner {
    Owner::on(Server::with(&SETTINGS[2..]))
}

#[test]
fn targets_that_could_never_be_right_are_refused_at_creation() {
    let owner = strict();
    let made = owner.make(&json!({"url": "https://example.com/"}));
    let path = format!("/{}", text(&made, "id"));
    for (url, why) in [
        ("hook", "no absolute URL"),
        ("http://example.com/", "`http:` is not allowed"),
        ("ftp://example.com/", "`ftp:` is not allowed"),
        ("file:///etc/passwd", "`file:` is not allowed"),
        ("https://127.0.0.1/", "loopback"),
        ("https://127.1/", "loopback"),
        ("https://0x7f.1/", "loopback"),
        ("https://0x7f000001/", "loopback"),
        ("https://2130706433/", "loopback"),
        ("https://0177.0.0.1/", "loopback"),
        ("https://0/", "0.0.0.0"),
        ("https://10.0.0.1/", "private"),
        ("https://192.168.1.1/", "private"),
        ("https://172.16.0.1/", "private"),
        ("https://100.64.0.1/", "carrier"),
        ("https://169.254.169.254/latest/meta-data", "link-local"),
        ("https://224.0.0.1/", "multicast"),
        ("https://[::1]/", "loopback"),
        ("https://[::ffff:127.0.0.1]/", "within IPv6"),
        ("https://[64:ff9b::7f00:1]/", "translator"),
        ("https://[fd00:ec2::254]/", "private"),
        ("https://[fe80::1]/", "link-local"),
        ("https://localhost/", "this machine"),
        ("https://db.internal/", "this machine or its network"),
        ("https://example.com/#part", "behind #"),
        ("https://me:letmein@example.com/", "password"),
    ] {
        let body = json!({"url": url}).to_string();
        for reply in [
            owner.ask("POST", "", &body),
            owner.ask("PATCH", &path, &body),
        ] {
            let details = reply.expect_error(400, "invalid_parameter");
            assert_eq!(details["parameter"], "url", "{url}");
            let allowed = text(&details, "allowed");
            assert!(allowed.contains(why), "{url}: {allowed}");
            assert!(!reply.text().contains("letmein"), "{}", reply.text());
        }
    }
    let long = json!({"url": format!("https://example.com/{}", "a".repeat(2_048))});
    let refused = owner.ask("POST", "", &long.to_string());
    refused.expect_error(400, "invalid_parameter");
    assert_eq!(owner.ask("GET", "", "").ok_json()["total"], 1);
    assert_eq!(owner.read(&path[1..])["url"], "https://example.com/");
}

#[test]
fn what_a_test_would_reach_is_looked_at_anew() {
    let owner = strict();
    let made = owner.make(&json!({"url": "https://example.com/"}));
    // as if it had been allowed once
    owner
        .server
        .sql("update hooks set url = 'http://127.0.0.1:1/'");
    let test = format!("/{}/test", text(&made, "id"));
    let details = owner
        .ask("POST", &test, "")
        .expect_error(400, "invalid_parameter");
    assert_eq!(details["parameter"], "url");
}

#[test]
fn bodies_say_what_is_known_and_nothing_else() {
    let owner = Owner::new();
    let url = "https://example.com/";
    let epoch = owner.server.epoch(&owner.key);
    for (body, field) in [
        (json!([]), "(body)"),
        (json!({}), "url"),
        (json!({"url": 7}), "url"),
        (json!({"url": url, "colour": "red"}), "colour"),
        (json!({"url": url, "secret": "whsec_mine"}), "secret"),
        (json!({"url": url, "skip_missed": true}), "skip_missed"),
        (json!({"url": url, "enabled": "yes"}), "enabled"),
        (json!({"url": url, "ordered": 1}), "ordered"),
        (json!({"url": url, "compat": "other"}), "compat"),
        (
            json!({"url": url, "description": "x".repeat(201)}),
            "description",
        ),
        (
            json!({"url": url, "filter": {"token": "T"}}),
            "filter.token",
        ),
        (
            json!({"url": url, "filter": {"min_rank": "E"}}),
            "filter.min_rank",
        ),
        (json!({"url": url, "filter": {"types": []}}), "filter.types"),
        (json!({"url": url, "start_after": -1}), "start_after"),
        (json!({"url": url, "start_after": 1}), "start_after"),
        (
            json!({"url": url, "start_after": format!("{epoch}-1")}),
            "start_after",
        ),
        (
            json!({"url": url, "start_after": "0000aaaa-0"}),
            "start_after",
        ),
    ] {
        let reply = owner.ask("POST", "", &body.to_string());
        let details = reply.expect_error(400, "invalid_parameter");
        assert_eq!(details["parameter"], field, "{body}");
    }
    owner
        .ask("POST", "", "{")
        .expect_error(400, "invalid_parameter");
    owner
        .ask("POST", "", "")
        .expect_error(400, "invalid_parameter");
    assert_eq!(owner.ask("GET", "", "").ok_json()["total"], 0);

    let made = owner.make(&json!({"url": url, "enabled": false}));
    let path = format!("/{}", text(&made, "id"));
    for (body, field) in [
        (json!({"start_after": 0}), "start_after"),
        (json!({"skip_missed": true}), "skip_missed"),
        (
            json!({"skip_missed": true, "enabled": false}),
            "skip_missed",
        ),
        (json!({"id": "other"}), "id"),
    ] {
        let reply = owner.ask("PATCH", &path, &body.to_string());
        let details = reply.expect_error(400, "invalid_parameter");
        assert_eq!(details["parameter"], field, "{body}");
    }
    assert_eq!(owner.read(&path[1..])["enabled"], false);
}

#[test]
fn kinds_sizes_queries_and_methods_are_held_to() {
    let owner = Owner::new();
    let made = owner.make(&json!({"url": "https://example.com/", "enabled": false}));
    let id = text(&made, "id");
    let (one, resend) = (format!("/{id}"), format!("/{id}/resend"));
    let bearer = format!("Bearer {}", owner.key.text);
    for (method, path) in [("POST", ""), ("PATCH", &one), ("POST", &resend)] {
        let path = format!("{WEBHOOKS}{path}");
        let send = |kind: &str, body: &[u8]| {
            let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
            request(owner.server.main, method, &path, &headers, body)
        };
        send("text/plain", b"{}").expect_error(415, "unsupported_media_type");
        let large = send("application/json", &vec![b' '; 65_537]);
        large.expect_error(413, "payload_too_large");
    }
    let attempts = format!("{one}/attempts");
    for (method, path, parameter) in [
        ("GET", "?format=csv", "format"),
        ("GET", "?limit=0", "limit"),
        ("POST", "?x=1", "x"),
        ("GET", &format!("{one}?x=1"), "x"),
        ("PATCH", &format!("{one}?x=1"), "x"),
        ("DELETE", &format!("{one}?x=1"), "x"),
        ("POST", &format!("{one}/rotate?overlap=0"), "overlap"),
        ("POST", &format!("{one}/test?x=1"), "x"),
        ("POST", &format!("{resend}?x=1"), "x"),
        ("GET", &format!("{attempts}?offset=1"), "offset"),
        ("GET", &format!("{attempts}?limit=201"), "limit"),
        ("GET", &format!("{attempts}?before=x"), "before"),
        ("GET", &format!("{attempts}?signal_id=x"), "signal_id"),
        ("GET", &format!("{attempts}/1?x=1"), "x"),
        ("GET", &format!("{one}/failed?before=1"), "before"),
    ] {
        let details = owner
            .ask(method, path, "")
            .expect_error(400, "invalid_parameter");
        assert_eq!(details["parameter"], parameter, "{method} {path}");
    }
    assert_eq!(
        owner.read(id)["old_secret_until"],
        Value::Null,
        "nothing was rotated"
    );
    for (method, path, allowed) in [
        ("DELETE", "", &["GET", "POST"][..]),
        ("PUT", &one, &["GET", "PATCH", "DELETE"]),
        ("GET", &format!("{one}/rotate"), &["POST"]),
        ("GET", &format!("{one}/test"), &["POST"]),
        ("GET", &resend, &["POST"]),
        ("POST", &attempts, &["GET"]),
        ("DELETE", &format!("{attempts}/1"), &["GET"]),
        ("POST", &format!("{one}/failed"), &["GET"]),
    ] {
        let reply = owner.ask(method, path, "");
        reply.expect_error(405, "method_not_allowed");
        let told = reply.head.header("allow").expect("an Allow");
        for method in ["GET", "POST", "PATCH", "DELETE"] {
            assert_eq!(
                told.contains(method),
                allowed.contains(&method),
                "{path}: {told}"
            );
        }
    }
    owner
        .ask("GET", &format!("{one}/nothing"), "")
        .expect_error(404, "not_found");
    for number in ["7", "x", "-1"] {
        let reply = owner.ask("GET", &format!("{attempts}/{number}"), "");
        reply.expect_error(404, "attempt_not_found");
    }
}

#[test]
fn another_accounts_webhooks_are_not_there() {
    let owner = Owner::new();
    let made = owner.make(&json!({"url": "https://example.com/", "enabled": false}));
    let id = text(&made, "id");
    let server = &owner.server;
    let stranger = server.key(&server.account("owner"));
    let unknown = "00000000-0000-4000-8000-000000000000";
    for id in [id, unknown, "7", "%20"] {
        for (method, path, body) in [
            ("GET", format!("/{id}"), ""),
            (
                "PATCH",
                format!("/{id}"),
                r#"{"url":"https://evil.example/"}"#,
            ),
            ("DELETE", format!("/{id}"), ""),
            ("POST", format!("/{id}/rotate"), ""),
            ("POST", format!("/{id}/test"), ""),
            (
                "POST",
                format!("/{id}/resend"),
                r#"{"failed_since":"2026-04-24"}"#,
            ),
            ("GET", format!("/{id}/attempts"), ""),
            ("GET", format!("/{id}/attempts/1"), ""),
            ("GET", format!("/{id}/failed"), ""),
        ] {
            let reply = ask_by(server, &stranger, method, &path, body);
            reply.expect_error(404, "webhook_not_found");
        }
    }
    let list = ask_by(server, &stranger, "GET", "", "").ok_json();
    assert_eq!((&list["total"], &list["items"]), (&json!(0), &json!([])));
    let still = owner.read(id);
    assert_eq!(
        (&still["url"], &still["old_secret_until"]),
        (&json!("https://example.com/"), &Value::Null)
    );
    let nobody = request(server.main, "GET", WEBHOOKS, &[], b"");
    nobody.expect_error(401, "missing_api_key");
}

#[test]
fn a_plan_says_whether_and_how_many() {
    let mut settings = SETTINGS.to_vec();
    settings.push(("SIGCAST_PLANS__BARE__WEBHOOKS", "true"));
    let owner = Owner::on(Server::with(&settings));
    let server = &owner.server;
    let body = json!({"url": "https://example.com/"}).to_string();
    let free = server.key(&server.account("free"));
    for (method, path) in [("GET", ""), ("POST", ""), ("GET", "/x"), ("DELETE", "/x")] {
        let reply = ask_by(server, &free, method, path, &body);
        reply.expect_error(403, "subscription_required");
    }
    let bare = server.key(&server.account("bare"));
    let list = ask_by(server, &bare, "GET", "", "").ok_json();
    assert_eq!(list["total"], 0, "whether or not REST is in the plan");
    let none = ask_by(server, &bare, "POST", "", &body);
    none.expect_error(403, "subscription_required");
    assert!(
        none.text().contains("allows no webhooks"),
        "{}",
        none.text()
    );
    for _ in 0..3 {
        owner.make(&json!({"url": "https://example.com/", "enabled": false}));
    }
    let more = owner.ask("POST", "", &body);
    more.expect_error(409, "refused");
    assert!(
        more.text().contains("3 webhooks, the most"),
        "{}",
        more.text()
    );
    let first = owner.ask("GET", "", "").ok_json()["items"][0].clone();
    owner.ask("DELETE", &format!("/{}", text(&first, "id")), "");
    owner.make(&json!({"url": "https://example.com/", "enabled": false}));
}

#[test]
fn requests_are_counted_and_pages_may_send_them() {
    let server = Server::with(&[("SIGCAST_HTTP__CORS_ORIGINS", "[\"https://app.example\"]")]);
    let key = server.key(&server.account("pro"));
    let reply = ask_by(&server, &key, "GET", "", "");
    assert_eq!(reply.head.header("x-ratelimit-remaining"), Some("9999"));
    let refused = ask_by(&server, &key, "POST", "", "{}");
    refused.expect_error(400, "invalid_parameter");
    assert_eq!(refused.head.header("x-ratelimit-remaining"), Some("9998"));
    assert!(refused.head.header("x-request-id").is_some());
    for method in ["POST", "PATCH", "DELETE"] {
        let before = [
            ("origin", "https://app.example"),
            ("access-control-request-method", method),
            (
                "access-control-request-headers",
                "authorization,content-type",
            ),
        ];
        let path = format!("{WEBHOOKS}/x");
        let preflight = request(server.main, "OPTIONS", &path, &before, b"");
        let allowed = preflight.head.header("access-control-allow-methods");
        assert!(
            allowed.is_some_and(|allowed| allowed.contains(method)),
            "{}",
            preflight.head.raw
        );
    }
}
