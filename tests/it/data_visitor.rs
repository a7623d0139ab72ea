//! Somebody with a browser who is signed in to a server with insider data.

use super::{
    insider_data::House,
    wire::{Reply, request},
};

/// Somebody with a browser, signed in.
pub struct Visitor<'a> {
    pub house: &'a House,
    cookie: String,
}

impl<'a> Visitor<'a> {
    pub fn at(house: &'a House) -> Self {
        let reply = sign_in(house, "");
        assert_eq!(reply.head.status, 303, "{}", reply.text());
        let cookie = reply.head.header("set-cookie").expect("a cookie");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Visitor { house, cookie }
    }

    pub fn ask(&self, path: &str, more: &[(&str, &str)]) -> Reply {
        let mut headers = vec![("cookie", self.cookie.as_str())];
        headers.extend(more);
        request(self.house.server.main, "GET", path, &headers, b"")
    }

    /// The page, which must be one.
    pub fn page(&self, path: &str) -> String {
        let reply = self.ask(path, &[]);
        assert_eq!(
            reply.head.status,
            200,
            "{path}: {}{}",
            reply.head.raw,
            reply.text()
        );
        let page = reply.text();
        assert!(!page.contains(&self.house.key.text), "{path} shows the key");
        page
    }

    /// The part of it that htmx asks for.
    pub fn part(&self, path: &str) -> Reply {
        self.ask(path, &[("hx-request", "true")])
    }

    /// The amfIds of the filings on a page, in their order, without what all of them begin with.
    pub fn ids(&self, path: &str) -> Vec<String> {
        let page = self.page(path);
        let rows = page
            .split("<th scope=\"row\"><a href=\"/declarations/")
            .skip(1);
        rows.map(|row| {
            let id = row.split('"').next().unwrap();
            id.trim_start_matches("SEC:0000000000-00-0000").to_owned()
        })
        .collect()
    }

    /// What is left of the key's day.
    pub fn left(&self) -> i64 {
        let reply = self.house.ask("/health");
        let left = reply.head.header("x-ratelimit-remaining");
        left.and_then(|left| left.parse().ok()).expect("a number")
    }
}

/// The form that signs in, sent; with where to go on.
pub fn sign_in(house: &House, next: &str) -> Reply {
    let headers = [
        ("origin", "http://localhost"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let form = format!("key={}&next={next}", house.key.text);
    request(
        house.server.main,
        "POST",
        "/account/sign-in",
        &headers,
        form.as_bytes(),
    )
}

/// Bytes of an answer as a browser takes it.
pub fn transferred(visitor: &Visitor<'_>, path: &str) -> usize {
    let reply = visitor.ask(path, &[("accept-encoding", "gzip, deflate, br, zstd")]);
    assert_eq!(reply.head.status, 200, "{path}");
    reply.head.raw.len() + reply.body.len()
}
