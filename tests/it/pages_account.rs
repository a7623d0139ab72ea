//! `/account` over HTTP: keys, usage, the live connection and sessions of whoever signed in, and of nobody else.

use std::time::Instant;

use serde_json::json;

use super::{
    server::{Key, Server, from_now, until},
    visitor::{Visitor, form},
    wire::{PATIENCE, Wire, request},
};

/// Text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).expect(after).0
}

/// The key that a page shows once.
fn shown(page: &str) -> String {
    between(page, "<code id=\"new-key\">", "</code>").to_owned()
}

fn key_with(id: &str, text: &str) -> Key {
    Key {
        id: id.to_owned(),
        text: text.to_owned(),
    }
}

fn status(server: &Server, text: &str) -> u16 {
    let reply = server.get("/api/signals?limit=1", &key_with("", text));
    reply.head.status
}

/// The id of the one key with this visible beginning.
fn id_of(page: &str, key: &str) -> String {
    let row = page
        .split("<tr>")
        .find(|row| row.contains(&key[..13]) && row.contains("/revoke"))
        .expect("a row");
    between(row, "/account/keys/", "/").to_owned()
}

#[test]
fn a_key_is_made_shown_once_rotated_and_revoked() {
    let server = Server::start();
    let first = server.alpha_key();
    let mut visitor = Visitor::of(&server, &first);
    let page = visitor.page("/account");
    assert!(page.contains(&first.text[..13]) && !page.contains(&first.text));

    let made = visitor.post(
        "/account/keys",
        &[("kind", "data"), ("expires", "2199-01-01")],
    );
    assert_eq!(made.head.status, 200, "{}", made.text());
    assert_eq!(made.head.header("cache-control"), Some("no-store"));
    let second = shown(&made.text());
    assert!(second.starts_with("sit_live_"));
    assert!(!made.text().contains(&first.text), "the session's own key");
    assert_eq!(status(&server, &second), 200);
    let page = visitor.page("/account");
    assert!(!page.contains(&second), "it was shown once");
    let id = id_of(&page, &second);

    let part = visitor.part(&format!("/account/keys/{id}/rotate"), &[("overlap", "0")]);
    assert_eq!(part.head.status, 200, "{}", part.text());
    assert!(part.text().starts_with("<section id=\"keys\""), "a part");
    let third = shown(&part.text());
    assert_eq!(
        (status(&server, &second), status(&server, &third)),
        (401, 200),
        "rotated without an overlap"
    );
    let again = visitor.post(&format!("/account/keys/{id}/rotate"), &[("overlap", "24h")]);
    assert_eq!(again.head.status, 409, "{}", again.text());

    let id = id_of(&part.text(), &third);
    let revoked = visitor.post(&format!("/account/keys/{id}/revoke"), &[]);
    assert_eq!(revoked.head.status, 303);
    assert_eq!(status(&server, &third), 401);
    assert!(
        visitor.page("/account").contains("revoked "),
        "it stays listed"
    );
}

#[test]
fn the_sessions_own_key_takes_the_session_along_and_ends_it() {
    let server = Server::start();
    let first = server.alpha_key();
    let mut visitor = Visitor::of(&server, &first);
    let before = visitor.cookie.clone();
    let path = format!("/account/keys/{}/rotate", first.id);
    let rotated = visitor.post(&path, &[("overlap", "0")]);
    let next = shown(&rotated.text());
    assert_ne!(visitor.cookie, before);
    let page = visitor.page("/account");
    assert!(page.contains("Sign out"), "still signed in: {page}");
    let id = id_of(&page, &next);
    let mut stream = server.listen(&key_with(&id, &next), "", &[]);
    let gone = visitor.post(&format!("/account/keys/{id}/revoke"), &[]);
    assert_eq!(gone.head.header("location"), Some("/account"));
    assert_eq!(visitor.cookie, None);
    assert_eq!(stream.expect("error").json()["code"], "key_revoked");
    assert!(
        visitor.page("/account").contains("Your API key"),
        "to sign in"
    );
    visitor.cookie = before;
    assert!(
        visitor.page("/account").contains("Your API key"),
        "nor by the cookie before"
    );
}

#[test]
fn what_is_anothers_is_not_found_and_what_is_asked_from_elsewhere_is_refused() {
    let server = Server::start();
    let (own, other) = (server.alpha_key(), server.alpha_key());
    let mut visitor = Visitor::of(&server, &own);
    let stream = server.listen(&other, "", &[]);
    let connections = server.admin("GET", "/v1/connections", "").ok_json();
    let number = &connections["items"][0]["connection"];
    let actions = [
        format!("/account/keys/{}/rotate", other.id),
        format!("/account/keys/{}/revoke", other.id),
        format!("/account/streams/{number}/close"),
    ];
    for path in &actions {
        let reply = visitor.post(path, &[("overlap", "24h")]);
        assert_eq!(reply.head.status, 404, "{path}: {}", reply.text());
    }
    assert_eq!(status(&server, &other.text), 200, "it is as it was");
    drop(stream);
    let own_actions = [
        "/account/keys".to_owned(),
        format!("/account/keys/{}/rotate", own.id),
        format!("/account/keys/{}/revoke", own.id),
        "/account/streams/1/close".to_owned(),
        "/account/sign-out".to_owned(),
        "/account/sign-out-everywhere".to_owned(),
        "/account/sign-in".to_owned(),
    ];
    for path in &own_actions {
        for origin in [None, Some("https://evil.example"), Some("null")] {
            let fields: Vec<_> = origin.iter().map(|origin| ("origin", *origin)).collect();
            let reply = visitor.ask("POST", path, &fields, "overlap=0");
            assert_eq!(reply.head.status, 403, "{path} from {origin:?}");
        }
        assert_eq!(visitor.get(path).head.status, 405, "{path} by a link");
    }
    assert_eq!(status(&server, &own.text), 200, "nothing was done");
    // without a session: to where one signs in
    let mut nobody = Visitor::new(&server);
    for path in &own_actions[..4] {
        let reply = nobody.post(path, &[("overlap", "24h")]);
        assert_eq!(reply.head.status, 303, "{path}");
        assert_eq!(reply.head.header("location"), Some("/account"));
        let part = nobody.part(path, &[]);
        assert!(
            part.head.header("hx-redirect").is_some(),
            "{}",
            part.head.raw
        );
    }
    assert!(nobody.page("/account").contains("Your API key"));
}

#[test]
fn what_does_not_fit_is_refused_beside_the_page() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut visitor = Visitor::of(&server, &key);
    for (path, fields, named) in [
        ("/account/keys".to_owned(), [("kind", "root")], "`kind`"),
        (
            "/account/keys".to_owned(),
            [("expires", "2001-01-01")],
            "`expires`",
        ),
        (
            format!("/account/keys/{}/rotate", key.id),
            [("overlap", "9y")],
            "`overlap`",
        ),
    ] {
        let reply = visitor.part(&path, &fields);
        assert_eq!(reply.head.status, 400, "{}", reply.text());
        assert!(reply.text().contains(named), "{}", reply.text());
        assert_eq!(reply.head.header("hx-retarget"), Some("#refused"));
    }
    for _ in 0..9 {
        assert_eq!(visitor.part("/account/keys", &[]).head.status, 200);
    }
    let eleventh = visitor.post("/account/keys", &[]);
    assert_eq!(eleventh.head.status, 409, "{}", eleventh.text());
    assert!(eleventh.text().contains("10 active keys"));
}

#[test]
fn the_live_connection_is_seen_and_closed() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut visitor = Visitor::of(&server, &key);
    assert!(visitor.page("/account").contains("Nothing is connected"));
    let mut stream = server.listen(&key, "", &[]);
    let page = visitor.page("/account");
    assert!(page.contains("127.0.0.1:"), "{page}");
    let number = between(&page, "/account/streams/", "/close").to_owned();
    let part = visitor.part(&format!("/account/streams/{number}/close"), &[]);
    assert_eq!(part.head.status, 200, "{}", part.text());
    assert!(
        part.text().contains("Nothing is connected"),
        "{}",
        part.text()
    );
    stream.expect("bye");
    let again = visitor.post(&format!("/account/streams/{number}/close"), &[]);
    assert_eq!(again.head.status, 404);
}

#[test]
fn usage_is_what_was_asked_by_key_and_day() {
    let server = Server::with(&[("SIGCAST_PLANS__ALPHA__BURST", "0")]);
    let account = server.account("alpha");
    let (one, two) = (server.key(&account), server.key(&account));
    let other = server.alpha_key();
    for (key, times) in [(&one, 3), (&two, 2), (&other, 4)] {
        for _ in 0..times {
            assert_eq!(server.get("/api/v1/me", key).head.status, 200);
        }
    }
    let mut visitor = Visitor::of(&server, &one);
    let page = visitor.page("/account");
    for (key, times) in [(&one, "3"), (&two, "2")] {
        let row = format!(
            "<code class=\"key\">{}…</code></th><td>{times}<span",
            &key.text[..13]
        );
        assert!(page.contains(&row), "{row}: {page}");
    }
    // all keys of the account, and today alone
    let days: Vec<&str> = page
        .split("<td class=\"number\" data-v=\"")
        .skip(1)
        .collect();
    assert_eq!(days.len(), 30);
    assert!(days[29].starts_with("5\""), "{}", days[29]);
    assert!(days[..29].iter().all(|day| day.starts_with("0\"")));
    let today = from_now(0.0);
    let listed = format!("<td>{}</td>", &today[..10]);
    assert!(page.contains(&listed), "the last request was today");
    // to look at it was no request
    let me = server.get("/api/v1/me", &one).ok_json();
    assert_eq!(me["usage"]["today"], 4);
}

#[test]
fn wrong_keys_are_tried_so_often_and_right_ones_as_often_as_one_likes() {
    let server = Server::start();
    let key = server.alpha_key();
    for _ in 0..12 {
        Visitor::of(&server, &key);
    }
    let mut visitor = Visitor::new(&server);
    for _ in 0..10 {
        let wrong = visitor.post("/account/sign-in", &[("key", "sig_live_nothing")]);
        assert_eq!(wrong.head.status, 401);
    }
    let reply = visitor.post("/account/sign-in", &[("key", "sig_live_nothing")]);
    assert_eq!(reply.head.status, 429, "{}", reply.text());
    let wait: u64 = reply.head.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // who has a right key, or the admin token, is not kept out by what others try from the same address
    Visitor::of(&server, &key);
    Visitor::operator(&server);
    let mut guessing = Visitor::at_admin(&server);
    for status in [401; 10].into_iter().chain([429]) {
        let wrong = guessing.post("/admin/sign-in", &[("key", "nothing")]);
        assert_eq!(wrong.head.status, status);
    }
    Visitor::of(&server, &key);
}

#[test]
fn who_cannot_be_kept_signed_in_is_told_so() {
    let server = Server::start();
    let key = server.alpha_key();
    let body = form(&[("key", &key.text)]);
    let sign_in = |origin: &str, host: &str| {
        let mut wire = Wire::connect(server.main);
        let head = format!(
            "POST /account/sign-in HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        wire.send(head.as_bytes());
        wire.reply()
    };
    // a browser throws the cookie away that it is given over plain http
    let lost = sign_in("http://sig.example:8080", "sig.example:8080");
    assert_eq!(lost.head.status, 401, "{}", lost.text());
    assert!(lost.text().contains("over https"), "{}", lost.text());
    assert_eq!(lost.head.header("set-cookie"), None);
    for (origin, host) in [
        ("https://sig.example", "sig.example"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
    ] {
        assert_eq!(sign_in(origin, host).head.status, 303, "{origin}");
    }
    // whatever else made the browser lose it is seen at its next step
    let mut visitor = Visitor::new(&server);
    let fields = [("key", key.text.as_str()), ("next", "/live?min_rank=A")];
    let given = visitor.post("/account/sign-in", &fields);
    let via = given.head.header("location").unwrap();
    let kept = visitor.get(via);
    let to = kept.head.header("location");
    assert_eq!((kept.head.status, to), (303, Some("/live?min_rank=A")));
    let lost = Visitor::new(&server).get(via);
    assert_eq!(lost.head.status, 401);
    assert!(
        lost.text().contains("does not keep the session"),
        "{}",
        lost.text()
    );
    assert!(
        lost.text()
            .contains("name=\"next\" value=\"/live?min_rank=A\""),
        "{}",
        lost.text()
    );
    // such a link is nobody's way out, either
    let out = visitor.get("/account/signed-in?next=%2F%09%2Fevil.example");
    assert_eq!(out.head.header("location"), Some("/account"));
}

#[test]
fn a_page_that_came_by_plain_http_speaks_for_nobody() {
    let server = Server::start();
    let visitor = Visitor::of(&server, &server.alpha_key());
    let cookie = visitor.cookie.clone().unwrap();
    let sign_out = |origin: &str| {
        let mut wire = Wire::connect(server.main);
        let head = format!(
            "POST /account/sign-out HTTP/1.1\r\nhost: sig.example\r\norigin: {origin}\r\ncookie: {cookie}\r\ncontent-length: 0\r\n\r\n"
        );
        wire.send(head.as_bytes());
        wire.reply()
    };
    // whoever stands on the way writes what such a page says
    for origin in ["http://sig.example", "ftp://sig.example"] {
        let refused = sign_out(origin);
        assert_eq!(refused.head.status, 403, "{origin}");
        assert!(
            refused.text().contains("foreign_origin"),
            "{}",
            refused.text()
        );
    }
    assert_eq!(sign_out("https://sig.example").head.status, 303);
}

#[test]
fn a_person_is_told_in_a_page_what_there_is_not_and_a_program_in_json() {
    let server = Server::start();
    let ask =
        |path: &str, accept: &str| request(server.main, "GET", path, &[("accept", accept)], b"");
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for path in ["/nope", "/signals/", "/apiary", "/favicon.txt"] {
        let reply = ask(path, browser);
        assert_eq!(reply.head.status, 404, "{path}");
        assert!(
            reply.text().contains("<h1>Not found</h1>"),
            "{path}: {}",
            reply.text()
        );
        for program in ["*/*", "application/json, text/html;q=0.9", "text/html;q=0"] {
            ask(path, program).expect_error(404, "not_found");
        }
    }
    let icon = ask("/favicon.ico", "image/avif,image/webp,*/*;q=0.8");
    assert_eq!((icon.head.status, icon.body.len()), (204, 0));
    for path in ["/api", "/api/nope", "/api/v1/nope", "/v1/nope"] {
        let reply = ask(path, browser);
        let kind = reply.head.header("content-type");
        assert_eq!(kind, Some("application/json"), "{path}");
        assert!([401, 404].contains(&reply.head.status), "{path}");
    }
    for (path, page) in [
        ("/account/sign-in", "/account"),
        ("/account/keys", "/account"),
        ("/account/webhooks/1/test", "/account/webhooks"),
        ("/live/ticket", "/live"),
    ] {
        let reply = ask(path, browser);
        assert_eq!(reply.head.status, 303, "{path}");
        assert_eq!(reply.head.header("location"), Some(page), "{path}");
        let reply = ask(path, "*/*");
        assert_eq!(reply.head.header("allow"), Some("POST"), "{path}");
        reply.expect_error(405, "method_not_allowed");
    }
}

#[test]
fn an_account_signs_out_everywhere() {
    let server = Server::start();
    let account = server.account("alpha");
    let (one, two) = (server.key(&account), server.key(&account));
    let other = server.alpha_key();
    let mut browsers = [Visitor::of(&server, &one), Visitor::of(&server, &two)];
    let mut another = Visitor::of(&server, &other);
    assert!(
        browsers[0]
            .page("/account")
            .contains("2 browsers are signed in")
    );
    let done = browsers[0].post("/account/sign-out-everywhere", &[]);
    assert_eq!(done.head.status, 303);
    for browser in &mut browsers {
        assert!(browser.page("/account").contains("Your API key"));
    }
    assert!(another.page("/account").contains("Sign out"));
}

#[test]
fn names_and_keys_are_text_and_what_lapsed_is_still_seen() {
    let server = Server::start();
    let name = "<script>alert(1)</script>&\"'";
    let body = json!({"name": name, "plan": "alpha", "expires": from_now(1.5)}).to_string();
    let made = server.admin("POST", "/v1/accounts", &body).ok_json();
    let key = server.key(made["id"].as_str().unwrap());
    let mut visitor = Visitor::of(&server, &key);
    let page = visitor.page("/account");
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)"));
    let began = Instant::now();
    let lapsed = until(PATIENCE, || {
        let page = visitor.page("/account");
        page.contains("ended <time").then_some(page)
    });
    assert!(lapsed.is_some(), "after {:?}", began.elapsed());
    // suspended: as good as unknown
    let id = made["id"].as_str().unwrap();
    server.command(&["accounts", "suspend", id]);
    let out = until(PATIENCE, || {
        let page = visitor.page("/account");
        page.contains("Your API key").then_some(())
    });
    assert!(
        out.is_some(),
        "a suspended account's session counts no more"
    );
}

#[test]
fn pages_hold_browsers_to_their_policy() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut visitor = Visitor::of(&server, &key);
    let reply = visitor.get("/account");
    let policy = reply.head.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(reply.head.header("x-frame-options"), Some("DENY"));
    let text = reply.text();
    for inline in [" style=", "<style", " onclick", "javascript:"] {
        assert!(!text.contains(inline), "{inline}");
    }
    // the cookie alone opens no endpoint of the API
    let cookie = visitor.cookie.clone().unwrap();
    let api = request(
        server.main,
        "GET",
        "/api/v1/me",
        &[("cookie", &cookie)],
        b"",
    );
    assert_eq!(api.head.status, 401);
}
