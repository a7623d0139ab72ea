//! `/admin` over HTTP: for who has the admin token, and from its own pages alone; what it changes, counts at once.

use super::{
    server::{Key, Server},
    visitor::{Visitor, form},
    wire::{Wire, request},
};

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).expect(after).0
}

fn status(server: &Server, text: &str) -> u16 {
    let key = Key {
        id: String::new(),
        text: text.to_owned(),
    };
    server.get("/api/signals?limit=1", &key).head.status
}

const PAGES: [&str; 6] = [
    "/admin",
    "/admin/overview",
    "/admin/accounts",
    "/admin/connections",
    "/admin/connections/list",
    "/admin/consumers",
];

#[test]
fn nobody_sees_anything_without_the_token() {
    let server = Server::start();
    let id = server.account("alpha");
    let key = server.key(&id);
    let mut nobody = Visitor::at_admin(&server);
    let root = nobody.get("/");
    assert_eq!(
        (root.head.status, root.head.header("location")),
        (303, Some("/admin"))
    );
    let one = format!("/admin/accounts/{id}");
    for path in PAGES.into_iter().chain([one.as_str()]) {
        let reply = nobody.get(path);
        match path {
            "/admin" => assert!(reply.text().contains("The admin token"), "{}", reply.text()),
            path => {
                let to = reply.head.header("location").unwrap_or_default();
                assert!(
                    reply.head.status == 303 && to.starts_with("/admin"),
                    "{path}: {to}"
                );
            }
        }
        assert!(!reply.text().contains(&id) && !reply.text().contains("somebody"));
    }
    let actions = [
        "/admin/accounts".to_owned(),
        format!("{one}/change"),
        format!("{one}/suspend"),
        format!("{one}/resume"),
        format!("{one}/keys"),
        format!("{one}/keys/{}/rotate", key.id),
        format!("{one}/keys/{}/revoke", key.id),
        "/admin/connections/1/close".to_owned(),
    ];
    for path in &actions {
        let reply = nobody.post(path, &[("plan", "free"), ("overlap", "0")]);
        assert_eq!(reply.head.status, 303, "{path}");
        assert_eq!(
            nobody.part(path, &[]).head.header("hx-redirect"),
            Some("/admin")
        );
    }
    // an owner's session is none here, nor the token as a key, nor a session of the main listener's kind
    let mut owner = Visitor::of(&server, &key);
    let cookie = owner.cookie.clone().unwrap();
    let named = cookie.replace("__Host-sigcast=", "__Host-sigcast-admin=");
    for cookie in [cookie, named] {
        let reply = request(
            server.admin,
            "GET",
            "/admin/accounts",
            &[("cookie", &cookie)],
            b"",
        );
        assert_eq!(reply.head.status, 303);
    }
    // a person is told so in a page, and a program as it was
    let mut looking = Visitor::operator(&server);
    let nowhere = looking.get_with("/admin/nowhere", &[("accept", "text/html")]);
    assert_eq!(nowhere.head.status, 404);
    assert!(
        nowhere.text().contains("<h1>Not found</h1>"),
        "{}",
        nowhere.text()
    );
    assert!(
        nowhere.text().contains("/admin/consumers"),
        "{}",
        nowhere.text()
    );
    looking.get("/admin/nowhere").expect_error(404, "not_found");
    let form_of = looking.get_with(&format!("{one}/suspend"), &[("accept", "text/html")]);
    let to = form_of.head.header("location");
    assert_eq!((form_of.head.status, to), (303, Some("/admin/accounts")));
    assert_eq!(
        owner.get("/admin").head.status,
        404,
        "not of the main listener"
    );
    let mut operator = Visitor::operator(&server);
    for path in &actions {
        for origin in [None, Some("https://evil.example"), Some("null")] {
            let fields: Vec<_> = origin.iter().map(|origin| ("origin", *origin)).collect();
            let reply = operator.ask("POST", path, &fields, &form(&[("plan", "free")]));
            assert_eq!(reply.head.status, 403, "{path} from {origin:?}");
        }
        if path != "/admin/accounts" {
            assert_eq!(operator.get(path).head.status, 405, "{path}");
        }
    }
    assert_eq!(status(&server, &key.text), 200, "nothing was done");
    // the API itself wants the token as before
    let cookie = operator.cookie.clone().unwrap();
    let api = request(
        server.admin,
        "GET",
        "/v1/connections",
        &[("cookie", &cookie)],
        b"",
    );
    assert_eq!(api.head.status, 401);
    let wrong = Visitor::at_admin(&server).post("/admin/sign-in", &[("key", "wrong")]);
    assert_eq!(wrong.head.status, 401);
    // a browser would throw the session away
    let body = form(&[("key", Server::TOKEN)]);
    let mut wire = Wire::connect(server.admin);
    let head = format!(
        "POST /admin/sign-in HTTP/1.1\r\nhost: sig.example\r\norigin: http://sig.example\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    wire.send(head.as_bytes());
    let lost = wire.reply();
    assert_eq!(lost.head.status, 401, "{}", lost.text());
    assert!(lost.text().contains("over https, and"), "{}", lost.text());
    assert_eq!(lost.head.header("set-cookie"), None);
    let done = operator.post("/admin/sign-out", &[]);
    assert_eq!((done.head.status, operator.cookie.is_none()), (303, true));
    operator.cookie = Some(cookie);
    assert_eq!(
        operator.get("/admin/accounts").head.status,
        303,
        "the session is over"
    );
}

#[test]
fn another_token_ends_the_sessions_of_the_one_before() {
    let server = Server::start();
    let mut operator = Visitor::operator(&server);
    operator.page("/admin/accounts");
    // as if the token had been another when it was opened
    server.sql("update sessions set holder = '00' || substr(holder, 3)");
    assert_eq!(operator.get("/admin/accounts").head.status, 303);
}

#[test]
fn accounts_and_keys_are_made_changed_and_ended() {
    let server = Server::start();
    let mut operator = Visitor::operator(&server);
    let name = "<script>alert(1)</script>";
    let made = operator.post("/admin/accounts", &[("name", name), ("plan", "alpha")]);
    assert_eq!(made.head.status, 303, "{}", made.text());
    let path = made.head.header("location").unwrap().to_owned();
    let list = operator.page("/admin/accounts");
    assert!(list.contains("&lt;script&gt;alert") && !list.contains("<script>alert"));
    let found = operator.page("/admin/accounts?q=%3CSCRIPT");
    assert!(found.contains("1 account</h2>"), "{found}");
    assert!(
        operator
            .page("/admin/accounts?q=nobody")
            .contains("0 accounts")
    );

    let with_key = operator.part(&format!("{path}/keys"), &[("kind", "stream")]);
    assert_eq!(with_key.head.status, 200, "{}", with_key.text());
    let text = between(&with_key.text(), "<code id=\"new-key\">", "</code>").to_owned();
    assert_eq!(status(&server, &text), 200);
    let page = operator.page(&path);
    assert!(!page.contains(&text), "shown once");
    assert!(!page.contains("<script>alert"));
    let id = between(&page, &format!("{path}/keys/"), "/rotate").to_owned();
    let key = Key {
        id: id.clone(),
        text: text.clone(),
    };

    let mut stream = server.listen(&key, "", &[]);
    let list = operator.page("/admin/connections");
    assert!(list.contains("&lt;script&gt;alert") && !list.contains("<script>alert"));
    let number = between(&list, "action=\"/admin/connections/", "/close").to_owned();
    assert!(number.bytes().all(|b| b.is_ascii_digit()), "{number}");
    let closed = operator.part(&format!("/admin/connections/{number}/close"), &[]);
    assert!(closed.text().contains("<p>0 streams"), "{}", closed.text());
    stream.expect("bye");
    let again = operator.post(&format!("/admin/connections/{number}/close"), &[]);
    assert_eq!(again.head.status, 404);

    assert_eq!(
        operator.post(&format!("{path}/suspend"), &[]).head.status,
        200
    );
    assert_eq!(status(&server, &text), 401);
    operator.post(&format!("{path}/resume"), &[]);
    assert_eq!(status(&server, &text), 200);
    let mut stream = server.listen(&key, "", &[]);
    let fields = [("plan", "free"), ("expires", "2199-01-01")];
    let changed = operator.part(&format!("{path}/change"), &fields);
    assert_eq!(changed.head.status, 200, "{}", changed.text());
    stream.expect("error");
    let wrong = operator.part(
        &format!("{path}/change"),
        &[("plan", "none"), ("expires", "")],
    );
    assert_eq!(wrong.head.status, 400);
    assert_eq!(wrong.head.header("hx-retarget"), Some("#refused"));

    let rotated = operator.post(&format!("{path}/keys/{id}/rotate"), &[("overlap", "0")]);
    let next = between(&rotated.text(), "<code id=\"new-key\">", "</code>").to_owned();
    assert_eq!((status(&server, &text), status(&server, &next)), (401, 200));
    let id = between(&operator.page(&path), &format!("{path}/keys/"), "/rotate").to_owned();
    let other = server.account("alpha");
    let foreign = format!("/admin/accounts/{other}/keys/{id}/revoke");
    assert_eq!(
        operator.post(&foreign, &[]).head.status,
        404,
        "another account's"
    );
    operator.post(&format!("{path}/keys/{id}/revoke"), &[]);
    assert_eq!(status(&server, &next), 401);
    for path in ["/admin/accounts/nobody", "/admin/nothing"] {
        assert_eq!(operator.get(path).head.status, 404, "{path}");
    }
}

#[test]
fn the_overview_says_how_the_server_stands() {
    let server = Server::start();
    let key = server.alpha_key();
    server.publish_sample(1);
    assert_eq!(server.get("/api/v1/me", &key).head.status, 200);
    let mut operator = Visitor::operator(&server);
    let page = operator.page("/admin");
    for said in [
        "Ready",
        "<span class=\"figure\">1</span>signals in the log",
        "Facts of swaps",
        "Declarations",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let database = match super::ON_POSTGRES {
        true => ["PostgreSQL", "this one"],
        false => ["SQLite", "alone on its database"],
    };
    for said in database {
        assert!(page.contains(said), "{said}: {page}");
    }
    let consumers = operator.page("/admin/consumers");
    assert!(consumers.contains(&key.text[..13]) && !consumers.contains(&key.text));
    assert!(consumers.contains("somebody"));
    assert_eq!(
        operator.get("/admin/consumers?sort=nothing").head.status,
        400
    );
    assert!(!page.contains(Server::TOKEN));
}
