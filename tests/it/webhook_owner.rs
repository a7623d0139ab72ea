//! An account with webhooks: its server and key, what it asks, and an endpoint of its own that answers as it is told.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use super::{
    server::{Key, Server},
    wire::{PATIENCE, Reply, request},
};

pub const WEBHOOKS: &str = "/api/v1/webhooks";

/// A plan with three webhooks and without limits, and webhooks that may go to this machine.
pub const SETTINGS: [(&str, &str); 7] = [
    ("SIGCAST_WEBHOOK__ALLOW_HTTP", "true"),
    ("SIGCAST_WEBHOOK__ALLOW_SUBNETS", "[\"127.0.0.0/8\"]"),
    ("SIGCAST_PLANS__OWNER__REST", "true"),
    ("SIGCAST_PLANS__OWNER__STREAM", "true"),
    ("SIGCAST_PLANS__OWNER__WEBHOOKS", "true"),
    ("SIGCAST_PLANS__OWNER__WEBHOOK_ENDPOINTS", "3"),
    ("SIGCAST_PLANS__OWNER__BURST", "0"),
];

/// A server, and an account on it that may have webhooks.
pub struct Owner {
    pub server: Server,
    pub account: String,
    pub key: Key,
}

impl Owner {
    pub fn new() -> Self {
        Self::on(Server::with(&SETTINGS))
    }

    pub fn on(server: Server) -> Self {
        let account = server.account("owner");
        let key = server.key(&account);
        Owner {
            server,
            account,
            key,
        }
    }

    /// Asks for something of webhooks; `path` is what stands behind them.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        ask_by(&self.server, &self.key, method, path, body)
    }

    /// Makes a webhook that must be made.
    pub fn make(&self, body: &Value) -> Value {
        let reply = self.ask("POST", "", &body.to_string());
        assert_eq!(reply.head.status, 201, "{}{}", reply.head.raw, reply.text());
        reply.json()
    }

    /// What is known of a webhook.
    pub fn read(&self, id: &str) -> Value {
        self.ask("GET", &format!("/{id}"), "").ok_json()
    }

    /// The database must have it so: a condition in SQL.
    pub fn holds(&self, condition: &str) {
        self.server.sql(&format!(
            "create table if not exists never (x integer check (x = 0));
             insert into never select 1 where not ({condition});"
        ));
    }
}

/// The same with a key that is named.
pub fn ask_by(server: &Server, key: &Key, method: &str, path: &str, body: &str) -> Reply {
    let bearer = format!("Bearer {}", key.text);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let path = format!("{WEBHOOKS}{path}");
    request(server.main, method, &path, &headers, body.as_bytes())
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    let text = value[name].as_str();
    text.unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// A request that an endpoint got.
pub struct Got {
    head: String,
    pub body: String,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let mut pairs = lines.filter_map(|line| line.split_once(':'));
        let found = pairs.find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// By which of these secrets it is signed, as the Standard Webhooks have it.
    pub fn is_signed_by(&self, secrets: &[&str]) -> Vec<bool> {
        let id = self.header("webhook-id").unwrap();
        let at = self.header("webhook-timestamp").unwrap();
        let signed = format!("{id}.{at}.{}", self.body);
        let given: Vec<&str> = self
            .header("webhook-signature")
            .unwrap()
            .split(' ')
            .collect();
        let by = |secret: &&str| {
            let key = STANDARD
                .decode(secret.strip_prefix("whsec_").unwrap())
                .unwrap();
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(signed.as_bytes());
            let own = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
            given.contains(&own.as_str())
        };
        secrets.iter().map(by).collect()
    }
}

/// An endpoint on this machine.
pub struct Endpoint {
    pub url: String,
    got: mpsc::Receiver<(Got, TcpStream)>,
}

impl Endpoint {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (tell, got) = mpsc::channel();
        thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                if let Some(read) = read(&tcp)
                    && tell.send((read, tcp)).is_err()
                {
                    return;
                }
            }
        });
        Endpoint { url, got }
    }

    /// The next request, still to be answered.
    pub fn next(&self) -> (Got, TcpStream) {
        self.got.recv_timeout(PATIENCE).expect("a request")
    }

    /// Answers the next request with a status line and a body.
    pub fn answer(&self, status: &str, body: &str) -> Got {
        let (got, tcp) = self.next();
        reply(tcp, status, body);
        got
    }
}

/// Answers one, and closes.
pub fn reply(mut tcp: TcpStream, status: &str, body: &str) {
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    tcp.write_all(answer.as_bytes()).unwrap();
}

fn read(tcp: &TcpStream) -> Option<Got> {
    let mut reader = BufReader::new(tcp);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut got = Got {
        head,
        body: String::new(),
    };
    let length = got.header("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    got.body = String::from_utf8(body).ok()?;
    Some(got)
}
