//! Somebody with a browser who is signed in to a server with insider data.

use std::cell::RefCell;

use serde_json::json;

use super::{
    insider_data::House,
    server::{now, until},
    visitor,
    wire::{PATIENCE, Reply},
};

/// Somebody with a browser, signed in.
pub struct Visitor<'a> {
    pub house: &'a House,
    browser: RefCell<visitor::Visitor>,
}

impl<'a> Visitor<'a> {
    pub fn at(house: &'a House) -> Self {
        let browser = visitor::Visitor::of(&house.server, &house.key);
        Visitor {
            house,
            browser: RefCell::new(browser),
        }
    }

    pub fn ask(&self, path: &str, more: &[(&str, &str)]) -> Reply {
        self.browser.borrow_mut().get_with(path, more)
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

    /// The id of the signal that a purchase of the owner 11 at Otter Works becomes, filed just now under this number.
    pub fn signal_of_a_filing(&self, number: &str) -> String {
        let at = now();
        let filing = json!({
            "v": 1, "type": "declaration", "id": number, "market": "us", "form": "4", "published_at": at.unix_ms(),
            "issuer": {"id": "0000000007", "name": "Otter Works, Inc.", "symbol": "OTTR", "isin": null},
            "insider": {"id": "0000000011", "name": "Owner 11", "officer": true, "title": "Chief Financial Officer"},
            "code": "P", "date": &at.to_string()[..10], "instrument": "Common Stock", "shares": 1_000, "price": "8", "direct": true,
        });
        let (server, key) = (&self.house.server, &self.house.key);
        let answer = server.admin("POST", "/v1/filings", &filing.to_string());
        let answer = answer.ok_json();
        assert_eq!(answer["accepted"], 1, "{answer}");
        let fired = || {
            let log = server.get("/api/signals", key).ok_json();
            log["items"][0]["id"].as_str().map(str::to_owned)
        };
        until(PATIENCE, fired).expect("it becomes a signal")
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
    let fields = [("key", house.key.text.as_str()), ("next", next)];
    visitor::Visitor::new(&house.server).post("/account/sign-in", &fields)
}

/// Bytes of an answer as a browser takes it.
pub fn transferred(visitor: &Visitor<'_>, path: &str) -> usize {
    let reply = visitor.ask(path, &[("accept-encoding", "gzip, deflate, br, zstd")]);
    assert_eq!(reply.head.status, 200, "{path}");
    reply.head.raw.len() + reply.body.len()
}
