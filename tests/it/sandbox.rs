//! Calls without a key: what they are answered, how many there are, what they need, who gets none, and whose a copied answer was.

use std::{fs, thread};

use serde_json::{Value, json};
use sigcast::gate::pow::{Difficulty, solve};

use super::{
    insider_data::House,
    place::Place,
    server::{Server, until},
    wire::{PATIENCE, Reply, Wire, head, request},
};

/// Clients of all addresses, through a proxy on this machine; and challenges that take a test no time.
pub const MANY: [(&str, &str); 2] = [
    ("SIGCAST_HTTP__TRUSTED_PROXIES", "[\"127.0.0.0/8\"]"),
    ("SIGCAST_SANDBOX__DIFFICULTY_BITS", "6"),
];

/// Somebody without a key.
pub struct Guest<'a> {
    server: &'a Server,
    ip: String,
    agent: &'static str,
}

impl<'a> Guest<'a> {
    pub fn new(server: &'a Server, ip: &str) -> Self {
        Guest {
            server,
            ip: ip.to_owned(),
            agent: "curl/8.5.0",
        }
    }

    fn calling_itself(self, agent: &'static str) -> Self {
        Guest { agent, ..self }
    }

    pub fn send(&self, method: &str, path: &str, more: &[(&str, &str)]) -> Reply {
        let mut headers = vec![("x-forwarded-for", &*self.ip), ("user-agent", self.agent)];
        headers.extend(more);
        let path = format!("/api/v1/sandbox/{path}");
        request(self.server.main, method, &path, &headers, b"")
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[])
    }

    /// A challenge, and its solution.
    pub fn solved(&self) -> [String; 2] {
        let made = self.send("POST", "challenge", &[]).ok_json();
        let challenge = made["challenge"].as_str().unwrap().to_owned();
        let bits = Difficulty::try_from(made["difficulty"].as_i64().unwrap()).unwrap();
        let nonce = solve(&challenge, bits);
        [challenge, nonce]
    }

    pub fn get_with(&self, path: &str, [challenge, nonce]: &[String; 2]) -> Reply {
        let headers = [
            ("x-sandbox-pow-challenge", &**challenge),
            ("x-sandbox-pow-solution", &**nonce),
        ];
        self.send("GET", path, &headers)
    }

    pub fn get_solved(&self, path: &str) -> Reply {
        self.get_with(path, &self.solved())
    }
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    let value = reply.head.header(name);
    value.unwrap_or_else(|| panic!("no {name} in {}", reply.head.raw))
}

fn sandbox(reply: &Reply) -> Value {
    reply.ok_json()["meta"]["sandbox"].clone()
}

/// Without what differs from request to request.
fn content(mut body: Value) -> Value {
    body.as_object_mut().unwrap().remove("meta");
    body
}

#[test]
fn each_read_is_answered_as_with_a_key() {
    let mut settings = MANY.to_vec();
    settings.push(("SIGCAST_PLANS__ALPHA__REQUESTS_PER_SECOND", "0"));
    let house = House::on_plan("alpha", &settings);
    let company = house.get("/companies?limit=1")["items"][0]["slug"].clone();
    let insider = house.get("/insiders?limit=1")["items"][0]["slug"].clone();
    let id = house.get("/declarations?limit=1")["items"][0]["amfId"].clone();
    let (company, insider) = (company.as_str().unwrap(), insider.as_str().unwrap());
    let id = id.as_str().unwrap();
    let paths = [
        ("health", ""),
        ("stats", ""),
        ("markets", "?limit=10"),
        ("search?q=acme", ""),
        ("companies", "?limit=10"),
        (&format!("companies/{company}"), ""),
        (&format!("companies/{company}/declarations"), "?limit=10"),
        (&format!("companies/{company}/net-flow"), ""),
        (&format!("companies/{company}/closes"), "?limit=10"),
        ("insiders", "?limit=10"),
        (&format!("insiders/{insider}"), ""),
        (&format!("insiders/{insider}/declarations"), "?limit=10"),
        ("declarations", "?limit=10"),
        ("declarations?include=backtest&limit=3", ""),
        (&format!("declarations/{id}"), ""),
        (&format!("declarations/{}", id.replace(':', "%3A")), ""),
        (&format!("declarations/{id}/score"), ""),
        ("signals", "?limit=10"),
        ("backtest", ""),
        ("strategy/winning", "?limit=10"),
    ];
    for (n, (path, portion)) in paths.iter().enumerate() {
        let guest = Guest::new(&house.server, &format!("192.0.{n}.1"));
        let reply = guest.get(path);
        let body = reply.ok_json();
        let with_key = house.ask(&format!("/{path}{portion}"));
        assert_eq!(content(body.clone()), content(with_key.ok_json()), "{path}");
        assert_eq!(header(&reply, "cache-control"), "no-store", "{path}");
        assert_eq!(reply.head.header("etag"), None, "{path}");
        let meta = body["meta"].as_object().unwrap();
        assert!(meta.contains_key("latencyMs") && meta.contains_key("dataFreshness"));
        assert_eq!(meta["sandbox"]["remaining"], 9, "{path}");
        assert!(meta["sandbox"]["watermark"].as_str().unwrap().len() > 60);
        assert_eq!(header(&reply, "x-ratelimit-limit"), "10");
        assert_eq!(header(&reply, "x-ratelimit-remaining"), "9");
        let reset = meta["sandbox"]["resetAt"].as_str().unwrap();
        assert_eq!(header(&reply, "x-ratelimit-reset"), reset);
    }
    // what the read refuses is a call like any other
    let guest = Guest::new(&house.server, "198.51.100.1");
    guest
        .get("companies/nobody-7")
        .expect_error(404, "company_not_found");
    let bad = guest.get("companies?sort=nonsense");
    assert_eq!(
        bad.expect_error(400, "invalid_parameter")["parameter"],
        "sort"
    );
    assert_eq!(header(&bad, "x-ratelimit-remaining"), "8");
    // nothing is known already: each answer has a watermark of its own
    let tag = header(&house.ask("/stats"), "etag").to_owned();
    let [one, other] = [(); 2].map(|()| guest.send("GET", "stats", &[("if-none-match", &tag)]));
    let [one, other] = [one, other].map(|reply| sandbox(&reply)["watermark"].clone());
    assert!(one.is_string() && one != other);
    let fields = [
        ("x-forwarded-for", "198.51.100.1"),
        ("user-agent", "curl/8.5.0"),
    ];
    let mut wire = Wire::connect(house.server.main);
    wire.send(head("HEAD", "/api/v1/sandbox/stats", &fields).as_bytes());
    let bare = wire.head();
    assert_eq!(bare.status, 200);
    assert_eq!(bare.header("x-ratelimit-remaining"), Some("5"));
    let key = [("authorization", &*format!("Bearer {}", house.key.text))];
    let keyed = guest.send("GET", "stats", &key);
    keyed.expect_error(401, "sandbox_challenge_required");
    assert!(header(&keyed, "ratelimit-policy").contains("\"sandbox\";q=10;w=86400"));
}

#[test]
fn ten_calls_in_24_hours_of_which_the_last_five_are_worked_for() {
    let mut server = Server::with(&MANY);
    // of whichever process
    fn guest(server: &Server) -> Guest<'_> {
        Guest::new(server, "192.0.2.1")
    }
    let neighbour = Guest::new(&server, "192.0.2.254");
    for n in 0..5 {
        // nobody needs to solve anything, and what is solved is not used up
        assert_eq!(sandbox(&neighbour.get("stats"))["remaining"], 9 - n);
    }
    server.restart();
    let required = guest(&server).get("stats");
    let details = required.expect_error(401, "sandbox_challenge_required");
    assert_eq!(details["reason"], "missing");
    assert_eq!(details["challenge"], "/api/v1/sandbox/challenge");
    assert_eq!(details["difficulty"], 6);
    assert!(header(&required, "www-authenticate").starts_with("Sandbox-POW"));
    assert_eq!(header(&required, "x-ratelimit-remaining"), "5");
    let first = guest(&server).get_solved("stats");
    assert_eq!(sandbox(&first)["remaining"], 4);
    server.restart();
    // 16 at once, each with a challenge solved
    let replies: Vec<Reply> = thread::scope(|scope| {
        let all: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| guest(&server).get_solved("stats")))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (passed, refused): (Vec<&Reply>, Vec<&Reply>) =
        replies.iter().partition(|reply| reply.head.status == 200);
    assert_eq!((passed.len(), refused.len()), (4, 12));
    let mut left: Vec<i64> = passed
        .iter()
        .map(|reply| sandbox(reply)["remaining"].as_i64().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3]);
    server.restart();
    let spent = guest(&server).get_solved("stats");
    let details = spent.expect_error(429, "sandbox_quota");
    assert_eq!(details["resetAt"], sandbox(&first)["resetAt"]);
    assert_eq!(
        header(&spent, "x-ratelimit-reset"),
        details["resetAt"].as_str().unwrap()
    );
    let wait: u64 = header(&spent, "retry-after").parse().unwrap();
    assert!((86_000..=86_400).contains(&wait), "{wait}");
    // others are not concerned
    for other in [
        Guest::new(&server, "192.0.3.1"),
        Guest::new(&server, "192.0.2.1").calling_itself("another"),
    ] {
        assert_eq!(sandbox(&other.get("stats"))["remaining"], 9);
    }
    assert_eq!(
        server.metric("sigcast_sandbox_calls_total"),
        2,
        "since the restart"
    );
    assert_eq!(server.metric("sigcast_sandbox_clients"), 3);
}

#[test]
fn a_challenge_proves_work_once_and_for_whoever_asked_for_it() {
    let server = Server::with(&MANY);
    let (guest, other) = (
        Guest::new(&server, "192.0.2.1"),
        Guest::new(&server, "192.0.3.1"),
    );
    let early = guest.solved();
    for _ in 0..5 {
        // what is not needed is not used up
        guest.get_with("health", &early).ok_json();
        other.get("health").ok_json();
    }
    let refused = |reply: Reply| {
        let details = reply.expect_error(401, "sandbox_challenge_required");
        details["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(other.get_with("health", &early)), "foreign");
    guest.get_with("health", &early).ok_json();
    assert_eq!(refused(guest.get_with("health", &early)), "used");
    let [challenge, nonce] = guest.solved();
    let wrong = (0..).map(|n: u32| n.to_string());
    let easy = Difficulty::try_from(6).unwrap();
    let wrong = wrong
        .take_while(|nonce| *nonce != solve(&challenge, easy))
        .last();
    if let Some(wrong) = wrong {
        let wrong = [challenge.clone(), wrong];
        assert_eq!(refused(guest.get_with("health", &wrong)), "unsolved");
    }
    for bad in [
        [challenge.clone(), String::new()],
        [challenge.clone(), "x".repeat(65)],
        ["nonsense".to_owned(), nonce.clone()],
        [challenge.to_lowercase() + "=", nonce.clone()],
    ] {
        assert_eq!(
            refused(guest.get_with("health", &bad)),
            "malformed",
            "{bad:?}"
        );
    }
    let alone = guest.send("GET", "health", &[("x-sandbox-pow-solution", &nonce)]);
    assert_eq!(refused(alone), "malformed");
    // nothing of that was a call
    let last = guest.get_with("health", &[challenge, nonce]);
    assert_eq!(sandbox(&last)["remaining"], 3);
    let made = guest.send("POST", "challenge", &[]).ok_json();
    assert_eq!(made["algorithm"], "sha256");
    assert!(made["expiresAt"].as_str().unwrap().ends_with('Z'));
    assert!(made["meta"]["requestId"].is_string());
    let asked = guest.send("POST", "challenge?bits=1", &[]);
    asked.expect_error(400, "invalid_parameter");
    let got = guest.get("challenge");
    got.expect_error(405, "method_not_allowed");
    assert_eq!(header(&got, "allow"), "POST");
}

#[test]
fn what_is_no_read_of_data_is_refused_and_not_counted() {
    let server = Server::with(&MANY);
    let guest = Guest::new(&server, "192.0.2.1");
    for path in ["me", "webhooks", "webhooks/x/attempts", "deliveries"] {
        guest.get(path).expect_error(401, "missing_api_key");
    }
    for path in [
        "nothing",
        "sandbox/stats",
        "mcp",
        "../signals",
        "signals/stream",
        "%6de",
    ] {
        guest.get(path).expect_error(404, "not_found");
    }
    guest
        .get("companies?format=csv")
        .expect_error(403, "sandbox_no_export");
    let file = guest.send("GET", "companies", &[("accept", "text/csv")]);
    file.expect_error(403, "sandbox_no_export");
    let large = guest.get("companies?limit=11");
    let details = large.expect_error(400, "invalid_parameter");
    assert_eq!(
        (&details["parameter"], &details["value"]),
        (&json!("limit"), &json!("11"))
    );
    guest
        .send("POST", "companies", &[])
        .expect_error(405, "method_not_allowed");
    let first = guest.get("companies");
    assert_eq!(sandbox(&first)["remaining"], 9);
    assert_eq!(first.ok_json()["limit"], 10);
}

#[test]
fn bots_get_three() {
    let server = Server::with(&MANY);
    for (n, agent) in ["Googlebot/2.1", " ", "some-crawler"]
        .into_iter()
        .enumerate()
    {
        let bot = Guest::new(&server, &format!("192.0.{n}.1")).calling_itself(agent);
        for left in [2, 1, 0] {
            assert_eq!(sandbox(&bot.get("health"))["remaining"], left, "{agent}");
        }
        let details = bot.get("health").expect_error(429, "sandbox_quota");
        assert_eq!(details["allowed"], 3);
    }
}

#[test]
fn networks_on_the_list_are_denied_and_the_list_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("networks");
    fs::write(&list, "# a cloud\n192.0.2.0/24\n2001:db8::/32 # another\n").unwrap();
    let mut settings = MANY.to_vec();
    settings.push(("SIGCAST_SANDBOX__DENY_NETWORKS", list.to_str().unwrap()));
    let server = Server::with(&settings);
    let denied = |ip: &str| {
        let reply = Guest::new(&server, ip).get("health");
        if reply.head.status == 403 {
            reply.expect_error(403, "sandbox_network_denied");
        }
        reply.head.status == 403
    };
    assert!(denied("192.0.2.77") && denied("2001:db8:7::1"));
    assert!(!denied("192.0.3.77") && !denied("2001:db9::1"));
    let refused = Guest::new(&server, "192.0.2.1").send("POST", "challenge", &[]);
    refused.expect_error(403, "sandbox_network_denied");
    fs::write(&list, "192.0.3.0/24\n192.0.2.0/24 and more\n").unwrap();
    let told = || server.stderr().contains("line 2:").then_some(());
    until(PATIENCE, told).expect("a line that is none is named");
    assert!(denied("192.0.2.77") && !denied("192.0.3.77"), "as it was");
    assert_eq!(server.stderr().matches("line 2:").count(), 1);
    fs::write(&list, "# a download that failed\n").unwrap();
    let told = || server.stderr().contains("is empty now").then_some(());
    until(PATIENCE, told).expect("a list that becomes empty is told");
    assert!(denied("192.0.2.77"), "as it was");
    fs::write(&list, "192.0.3.0/24\n").unwrap();
    until(PATIENCE, || denied("192.0.3.77").then_some(())).expect("it is read again");
    assert!(!denied("192.0.2.77"));
}

#[test]
fn a_list_that_cannot_be_read_shuts_the_sandbox_and_nothing_else() {
    let settings = [("SIGCAST_SANDBOX__DENY_NETWORKS", "/nowhere/networks")];
    let server = Server::with(&settings);
    let reply = Guest::new(&server, "192.0.2.1").get("health");
    reply.expect_error(503, "unavailable");
    server.get("/api/v1/health", &server.alpha_key()).ok_json();
}

#[test]
fn all_clients_together_fill_no_disk() {
    let mut settings = MANY.to_vec();
    settings.push(("SIGCAST_SANDBOX__MOST_CALLS", "4"));
    let mut server = Server::with(&settings);
    let call = |server: &Server, n: u8| Guest::new(server, &format!("192.0.{n}.1")).get("health");
    for n in 0..2 {
        call(&server, n).ok_json();
    }
    // names cost nothing: from the half on the first call costs work, too
    for n in 10..60 {
        call(&server, n).expect_error(401, "sandbox_challenge_required");
    }
    for n in 2..4 {
        let guest = Guest::new(&server, &format!("192.0.{n}.1"));
        guest.get_solved("health").ok_json();
    }
    let full = call(&server, 3);
    full.expect_error(503, "overloaded");
    assert_eq!(header(&full, "retry-after"), "60");
    server.restart();
    call(&server, 4).expect_error(503, "overloaded");
}

#[test]
fn an_operator_may_want_no_sandbox() {
    let server = Server::with(&[("SIGCAST_SANDBOX__ENABLED", "false")]);
    let guest = Guest::new(&server, "192.0.2.1");
    guest.get("health").expect_error(404, "not_found");
    guest
        .send("POST", "challenge", &[])
        .expect_error(404, "not_found");
}

#[test]
fn a_copied_answer_is_traced() {
    let server = Server::with(&MANY);
    let guest = Guest::new(&server, "192.0.2.1");
    let path = "companies?q=acme&limit=5";
    let marks = [sandbox(&guest.get("stats")), sandbox(&guest.get(path))];
    let marks = marks.map(|told| told["watermark"].as_str().unwrap().to_owned());
    let traced = |mark: &str| {
        let mut trace = server.on_data(&["sandbox", "trace", "--json", mark]);
        let output = trace.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (
            output.status.code(),
            serde_json::from_str::<Value>(&text).unwrap_or_default(),
        )
    };
    let (code, first) = traced(&marks[0]);
    assert_eq!(
        (code, &first["genuine"]),
        (Some(0), &json!(true)),
        "{first}"
    );
    let (_, second) = traced(&marks[1]);
    assert_eq!((&first["call"], &second["call"]), (&json!(1), &json!(2)));
    assert_eq!(first["path"], "/api/v1/stats");
    assert_eq!(second["path"], format!("/api/v1/{path}"));
    assert_eq!(first["fingerprint"], second["fingerprint"]);
    assert!(first["at"].as_str().unwrap() < second["at"].as_str().unwrap());
    let lines = server.command(&["sandbox", "trace", &marks[1]]);
    let lines = String::from_utf8(lines.stdout).unwrap();
    assert!(
        lines.starts_with("genuine\n") && lines.contains("number 2 of"),
        "{lines}"
    );
    // another server's, and no watermark at all
    let other = Server::with(&MANY);
    let foreign = sandbox(&Guest::new(&other, "192.0.2.1").get("stats"));
    let (code, foreign) = traced(foreign["watermark"].as_str().unwrap());
    assert_eq!((code, &foreign["genuine"]), (Some(1), &json!(false)));
    assert_ne!(
        foreign["fingerprint"], first["fingerprint"],
        "by another salt"
    );
    assert_eq!(traced("-nonsense").0, Some(1));
    let nobody = Place::new()
        .command(&["sandbox", "trace", &marks[0]])
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(1));
}

#[test]
fn pages_may_call() {
    let mut settings = MANY.to_vec();
    settings.push(("SIGCAST_HTTP__CORS_ORIGINS", "[\"https://example.com\"]"));
    let server = Server::with(&settings);
    let guest = Guest::new(&server, "192.0.2.1");
    let asked = [
        ("origin", "https://example.com"),
        ("access-control-request-method", "GET"),
        (
            "access-control-request-headers",
            "x-sandbox-pow-challenge,x-sandbox-pow-solution",
        ),
    ];
    let may = guest.send("OPTIONS", "stats", &asked);
    assert_eq!(may.head.status, 200);
    for field in ["challenge", "solution"] {
        let allowed = header(&may, "access-control-allow-headers");
        assert!(
            allowed.contains(&format!("x-sandbox-pow-{field}")),
            "{allowed}"
        );
    }
    let reply = guest.send("GET", "stats", &asked[..1]);
    assert_eq!(sandbox(&reply)["remaining"], 9, "the question was no call");
    let exposed = header(&reply, "access-control-expose-headers");
    assert!(exposed.contains("x-ratelimit-remaining") && exposed.contains("retry-after"));
}
