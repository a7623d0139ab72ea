//! Somebody with a browser, by hand: signed in by a key, with the cookie that stands for it.

use super::{
    server::{Key, Server},
    wire::{Reply, Stream, request},
};

/// Who is signed in.
pub struct Visitor<'a> {
    server: &'a Server,
    pub cookie: String,
}

impl<'a> Visitor<'a> {
    pub fn signed_in(server: &'a Server, key: &Key) -> Self {
        let form = format!("key={}", key.text);
        let reply = request(
            server.main,
            "POST",
            "/account/sign-in",
            &[
                ("origin", "http://localhost"),
                ("content-type", "application/x-www-form-urlencoded"),
            ],
            form.as_bytes(),
        );
        assert_eq!(reply.head.status, 303, "{}{}", reply.head.raw, reply.text());
        let cookie = reply.head.header("set-cookie").expect("a cookie");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Visitor { server, cookie }
    }

    /// The same browser at another node of the same database.
    pub fn at(&self, server: &'a Server) -> Self {
        Visitor {
            server,
            cookie: self.cookie.clone(),
        }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.get_with(path, &[])
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut all = vec![("cookie", self.cookie.as_str())];
        all.extend(headers);
        request(self.server.main, "GET", path, &all, b"")
    }

    pub fn post(&self, path: &str) -> Reply {
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("origin", "http://localhost"),
        ];
        request(self.server.main, "POST", path, &headers, b"")
    }

    /// A ticket for a view.
    pub fn ticket(&self) -> String {
        let ticket = self.post("/live/ticket").ok_json();
        ticket["ticket"].as_str().expect("a ticket").to_owned()
    }

    /// A view, by a ticket of its own.
    pub fn view(&self) -> Stream {
        self.open(&self.ticket(), &[])
    }

    /// By a ticket, which must open one.
    pub fn open(&self, ticket: &str, headers: &[(&str, &str)]) -> Stream {
        let mut view = Stream::open(self.server.main, &format!("?ticket={ticket}"), headers);
        view.expect_hello();
        view
    }
}
