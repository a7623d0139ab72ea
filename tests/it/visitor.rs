//! A browser by hand: it keeps a cookie, sends forms from the page's own host, and is led where it is sent.

use std::net::SocketAddr;

use super::{
    server::{Key, Server},
    wire::{Reply, Stream, request},
};

/// The page that asks is of the host that is asked.
const ORIGIN: &str = "https://localhost";

/// Somebody at one of the two listeners.
pub struct Visitor {
    to: SocketAddr,
    pub cookie: Option<String>,
}

/// A form's fields, encoded.
pub fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

impl Visitor {
    /// Nobody yet, at the main listener.
    pub fn new(server: &Server) -> Self {
        Visitor {
            to: server.main,
            cookie: None,
        }
    }

    /// Signed in by a key.
    pub fn of(server: &Server, key: &Key) -> Self {
        let mut visitor = Self::new(server);
        let reply = visitor.post("/account/sign-in", &[("key", &key.text)]);
        assert_eq!(reply.head.status, 303, "{}", reply.text());
        visitor
    }

    /// Signed in by the admin token, at the admin listener.
    pub fn operator(server: &Server) -> Self {
        let mut visitor = Visitor {
            to: server.admin,
            cookie: None,
        };
        let reply = visitor.post("/admin/sign-in", &[("key", Server::TOKEN)]);
        assert_eq!(reply.head.status, 303, "{}", reply.text());
        visitor
    }

    /// Nobody yet, at the admin listener.
    pub fn at_admin(server: &Server) -> Self {
        Visitor {
            to: server.admin,
            cookie: None,
        }
    }

    /// The same browser at another node of the same database.
    pub fn at(&self, server: &Server) -> Self {
        Visitor {
            to: server.main,
            cookie: self.cookie.clone(),
        }
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.get_with(path, &[])
    }

    pub fn get_with(&mut self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.ask("GET", path, headers, "")
    }

    /// A page that is there.
    pub fn page(&mut self, path: &str) -> String {
        let reply = self.get(path);
        assert_eq!(reply.head.status, 200, "{path}: {}", reply.text());
        let kind = reply.head.header("content-type");
        assert_eq!(kind, Some("text/html; charset=utf-8"), "{path}");
        reply.text()
    }

    /// A form of a page of this host.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.ask("POST", path, &[("origin", ORIGIN)], &form(fields))
    }

    /// The same by htmx.
    pub fn part(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let head = [("origin", ORIGIN), ("hx-request", "true")];
        self.ask("POST", path, &head, &form(fields))
    }

    pub fn ask(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Reply {
        let kind = "application/x-www-form-urlencoded";
        let mut all = vec![("content-type", kind)];
        all.extend(fields);
        let cookie = self.cookie.clone();
        all.extend(cookie.as_deref().map(|cookie| ("cookie", cookie)));
        let reply = request(self.to, method, path, &all, body.as_bytes());
        if let Some(set) = reply.head.header("set-cookie") {
            for rule in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
                assert!(set.contains(rule), "{set}");
            }
            let pair = set.split(';').next().unwrap();
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        reply
    }

    /// A ticket for a view.
    pub fn ticket(&mut self) -> String {
        let ticket = self.post("/live/ticket", &[]).ok_json();
        ticket["ticket"].as_str().expect("a ticket").to_owned()
    }

    /// A view, by a ticket of its own.
    pub fn view(&mut self) -> Stream {
        let ticket = self.ticket();
        self.open(&ticket, &[])
    }

    /// By a ticket, which must open one.
    pub fn open(&self, ticket: &str, headers: &[(&str, &str)]) -> Stream {
        let mut view = Stream::open(self.to, &format!("?ticket={ticket}"), headers);
        view.expect_hello();
        view
    }
}
