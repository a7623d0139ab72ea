//! `/mcp` as it is on the wire: tools say what REST says, to whom the guard lets in, counted exactly; whatever else comes is refused cleanly.

use serde_json::{Value, json};

use super::{
    insider_data::House,
    server::{Key, Server, until},
    wire::{PATIENCE, Reply, Wire, request},
};

/// The latest revision that greets.
pub const GREETING: &str = "2025-11-25";
/// The one without a greeting: each message says all there is to know of its client.
pub const PLAIN: &str = "2026-07-28";

/// A message by JSON-RPC.
pub fn message(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// Sends a body, with these fields besides those that every client sends.
pub fn post(server: &Server, key: &Key, fields: &[(&str, &str)], body: &[u8]) -> Reply {
    let bearer = format!("Bearer {}", key.text);
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
    ];
    headers.retain(|(name, _)| fields.iter().all(|(given, _)| given != name));
    headers.extend(fields.iter().filter(|(_, value)| !value.is_empty()));
    request(server.main, "POST", "/mcp", &headers, body)
}

/// Sends a message of the latest revision that greets.
pub fn send(server: &Server, key: &Key, message: &Value) -> Reply {
    let fields = [("mcp-protocol-version", GREETING)];
    post(server, key, &fields, message.to_string().as_bytes())
}

/// The result of a request, of which one is expected.
pub fn result(server: &Server, key: &Key, method: &str, params: &Value) -> Value {
    let said = send(server, key, &message(7, method, params)).ok_json();
    assert_eq!(
        (&said["jsonrpc"], &said["id"]),
        (&json!("2.0"), &json!(7)),
        "{said}"
    );
    assert!(said["result"].is_object(), "{said}");
    said["result"].clone()
}

/// What a tool gave.
pub fn call(server: &Server, key: &Key, tool: &str, arguments: &Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments});
    result(server, key, "tools/call", &params)
}

/// Holds an answer to JSON-RPC's error.
fn expect_refusal(reply: &Reply, status: u16, code: i64) -> Value {
    assert_eq!(
        reply.head.status,
        status,
        "{}{}",
        reply.head.raw,
        reply.text()
    );
    let body = reply.json();
    assert_eq!(body["jsonrpc"], "2.0", "{body}");
    assert_eq!(body["error"]["code"], code, "{body}");
    assert!(
        body["error"]["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    body
}

/// Without what is of the request rather than of the data.
pub fn timeless(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::Object(meta)) = members.get_mut("meta") {
                    meta.remove("latencyMs");
                    meta.remove("requestId");
                }
                members.values_mut().for_each(walk);
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    value
}

/// A tool, its arguments, and the read that says the same.
pub type Pair = (&'static str, Value, &'static str);

/// Every tool but the overview, and what of REST it says again.
pub fn pairs() -> Vec<Pair> {
    let one = "SEC:0000000000-00-000003";
    vec![
        (
            "search_declarations",
            json!({"company": "otter", "direction": "BUY", "minScore": 10, "sort": "signalScore", "order": "asc", "limit": 3, "offset": 1, "include": "backtest"}),
            "/api/v1/declarations?company=otter&direction=BUY&minScore=10&sort=signalScore&order=asc&limit=3&offset=1&include=backtest",
        ),
        (
            "search_declarations",
            json!({}),
            "/api/v1/declarations?limit=10",
        ),
        (
            "search_declarations",
            json!({"market": null, "limit": "5"}),
            "/api/v1/declarations?limit=5",
        ),
        (
            "get_declaration",
            json!({"amfId": one}),
            "/api/v1/declarations/SEC:0000000000-00-000003",
        ),
        (
            "explain_score",
            json!({"amfId": one}),
            "/api/v1/declarations/SEC:0000000000-00-000003/score",
        ),
        (
            "top_signals",
            json!({"lookbackDays": 90, "minScore": 1}),
            "/api/v1/signals?lookbackDays=90&minScore=1&limit=10",
        ),
        (
            "recent_signals",
            json!({"min_rank": "S", "limit": 2}),
            "/api/signals?min_rank=S&before={head}&limit=2",
        ),
        (
            "recent_signals",
            json!({"after": "00000000-0000-4000-8000-000000000001"}),
            "/api/signals?after=00000000-0000-4000-8000-000000000001&limit=10",
        ),
        (
            "get_signal",
            json!({"id": "00000000-0000-4000-8000-000000000002"}),
            "/api/signals/00000000-0000-4000-8000-000000000002",
        ),
        (
            "net_flow",
            json!({"slug": "{slug}", "bucket": "week"}),
            "/api/v1/companies/{slug}/net-flow?bucket=week",
        ),
        ("list_markets", json!({}), "/api/v1/markets"),
        (
            "backtest_summary",
            json!({"market": "us"}),
            "/api/v1/backtest?market=us",
        ),
        ("my_usage", json!({}), "/api/v1/me"),
    ]
}

/// Its data with some signals, and the places that [`pairs`] leave open.
pub struct Asked {
    pub house: House,
    pub slug: String,
    head: String,
}

impl Asked {
    pub fn start() -> Self {
        let house = House::start();
        for n in 1..=4 {
            house.server.publish_sample(n);
        }
        let list = house.get("/companies?q=otter");
        let slug = list["items"][0]["slug"].as_str().unwrap().to_owned();
        let log = house
            .server
            .get("/api/signals?limit=1", &house.key)
            .ok_json();
        let head = format!(
            "{}-{}",
            log["epoch"].as_str().unwrap(),
            log["head"].as_u64().unwrap() + 1
        );
        Asked { house, slug, head }
    }

    fn filled(&self, text: &str) -> String {
        text.replace("{slug}", &self.slug)
            .replace("{head}", &self.head)
    }

    /// With the open places filled.
    pub fn pairs(&self) -> Vec<(&'static str, Value, String)> {
        let fill = |(tool, said, path): Pair| {
            let said = serde_json::from_str(&self.filled(&said.to_string())).unwrap();
            (tool, said, self.filled(path))
        };
        pairs().into_iter().map(fill).collect()
    }

    /// What REST says.
    pub fn rest(&self, path: &str) -> Value {
        timeless(self.house.server.get(path, &self.house.key).ok_json())
    }

    /// What a tool says, in both forms, which agree.
    fn tool(&self, name: &str, arguments: &Value) -> Value {
        let said = call(&self.house.server, &self.house.key, name, arguments);
        assert_eq!(said["isError"], false, "{name}: {said}");
        let text = said["content"][0]["text"].as_str().unwrap();
        let read: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read, said["structuredContent"], "{name}");
        said["structuredContent"].clone()
    }
}

/// Of `/me`, what is used grows with each request.
pub fn without_usage(tool: &str, mut value: Value) -> Value {
    if tool == "my_usage" {
        value["usage"] = Value::Null;
    }
    value
}

#[test]
fn tools_say_what_rest_says() {
    let asked = Asked::start();
    for (tool, said, path) in asked.pairs() {
        let found = without_usage(tool, timeless(asked.tool(tool, &said)));
        let told = without_usage(tool, asked.rest(&path));
        assert_eq!(found, told, "{tool} {said}: {path}");
        assert!(found.as_object().unwrap().len() > 1, "{found}");
    }
    for (words, direction) in [(asked.slug.as_str(), ""), ("otter works", "BUY")] {
        let mut arguments = json!({"company": words, "limit": 2});
        let mut list = format!("/api/v1/companies/{}/declarations?limit=2", asked.slug);
        if !direction.is_empty() {
            arguments["direction"] = json!(direction);
            list += &format!("&direction={direction}");
        }
        let found = timeless(asked.tool("company_overview", &arguments));
        let company = format!("/api/v1/companies/{}", asked.slug);
        let flow = format!("{company}/net-flow");
        let told = json!({
            "company": asked.rest(&company), "declarations": asked.rest(&list), "netFlow": asked.rest(&flow),
        });
        assert_eq!(found, told, "{words}");
    }
    // with all digits, which a double would not keep apart from its neighbours
    let params = json!({"name": "company_overview", "arguments": {"company": asked.slug}});
    let reply = send(
        &asked.house.server,
        &asked.house.key,
        &message(1, "tools/call", &params),
    );
    assert!(
        reply.text().contains("\"marketCap\":1000000.05,"),
        "{}",
        reply.text()
    );
}

#[test]
fn lists_say_how_to_go_on() {
    let asked = Asked::start();
    let (server, key) = (&asked.house.server, &asked.house.key);
    let words = |tool: &str, arguments: Value| {
        let said = call(server, key, tool, &arguments);
        said["content"][1]["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(
        words("search_declarations", json!({})),
        "These are 1 to 10 of 15. For the next ones, ask with offset=10."
    );
    assert_eq!(
        words("search_declarations", json!({"offset": 10})),
        "These are 11 to 15 of 15: the last ones."
    );
    let recent = words("recent_signals", json!({"limit": 2}));
    assert!(
        recent.contains("These are 2 signals, the newest last."),
        "{recent}"
    );
    let before = recent
        .split("before=")
        .nth(1)
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    let earlier = call(
        server,
        key,
        "recent_signals",
        &json!({"limit": 2, "before": before}),
    );
    let seqs = |said: &Value| -> Vec<u64> {
        let items = said["structuredContent"]["items"]
            .as_array()
            .unwrap()
            .iter();
        items.map(|item| item["seq"].as_u64().unwrap()).collect()
    };
    let latest = call(server, key, "recent_signals", &json!({"limit": 2}));
    assert_eq!(seqs(&earlier)[1] + 1, seqs(&latest)[0]);
}

#[test]
fn what_a_read_refuses_is_a_result() {
    let asked = Asked::start();
    let (server, key) = (&asked.house.server, &asked.house.key);
    for (tool, arguments, code, parameter) in [
        (
            "search_declarations",
            json!({"market": "mars"}),
            "invalid_parameter",
            "market",
        ),
        (
            "search_declarations",
            json!({"colour": "red"}),
            "invalid_parameter",
            "colour",
        ),
        (
            "search_declarations",
            json!({"limit": 51}),
            "invalid_parameter",
            "limit",
        ),
        (
            "search_declarations",
            json!({"minScore": [[1]]}),
            "invalid_parameter",
            "minScore",
        ),
        (
            "search_declarations",
            json!({"format": "csv"}),
            "invalid_parameter",
            "format",
        ),
        ("get_declaration", json!({}), "invalid_parameter", "amfId"),
        (
            "get_declaration",
            json!({"amfId": "none"}),
            "declaration_not_found",
            "",
        ),
        (
            "get_declaration",
            json!({"amfId": "../me"}),
            "declaration_not_found",
            "",
        ),
        ("get_signal", json!({"id": "none"}), "signal_not_found", ""),
        (
            "net_flow",
            json!({"slug": "nobody-999999"}),
            "company_not_found",
            "",
        ),
        (
            "company_overview",
            json!({"company": "zzz"}),
            "company_not_found",
            "",
        ),
        (
            "recent_signals",
            json!({"min_rank": "Z"}),
            "invalid_parameter",
            "min_rank",
        ),
        (
            "recent_signals",
            json!({"before": "x"}),
            "invalid_parameter",
            "before",
        ),
    ] {
        let said = call(server, key, tool, &arguments);
        assert_eq!(said["isError"], true, "{tool} {arguments}: {said}");
        assert!(said.get("structuredContent").is_none(), "{said}");
        let body: Value =
            serde_json::from_str(said["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(body["error"]["code"], code, "{tool} {arguments}: {body}");
        if !parameter.is_empty() {
            assert_eq!(body["error"]["details"]["parameter"], parameter, "{body}");
        }
    }
    // the words of a company that several have
    let said = call(server, key, "company_overview", &json!({"company": "e"}));
    if said["isError"] == true {
        let body: Value =
            serde_json::from_str(said["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(body["error"]["code"], "company_ambiguous", "{body}");
        assert!(
            body["error"]["details"]["companies"]
                .as_array()
                .unwrap()
                .len()
                > 1,
            "{body}"
        );
    }
    for (method, params) in [
        ("tools/call", json!({"name": "delete_everything"})),
        ("tools/call", json!({"name": "my_usage", "arguments": []})),
        ("tools/call", json!({})),
        ("prompts/get", json!({"name": "explain_signal"})),
        ("tools/list", json!({"cursor": "x"})),
    ] {
        let reply = send(server, key, &message(1, method, &params));
        expect_refusal(&reply, 200, -32_602);
    }
    expect_refusal(
        &send(server, key, &message(1, "tools/drop", &json!({}))),
        200,
        -32_601,
    );
    let missing = message(1, "resources/read", &json!({"uri": "sigcast://nothing"}));
    expect_refusal(&send(server, key, &missing), 200, -32_002);
}

#[test]
fn resources_and_prompts_are_there() {
    let asked = Asked::start();
    let (server, key) = (&asked.house.server, &asked.house.key);
    let list = result(server, key, "resources/list", &json!({}));
    let uris: Vec<&str> = list["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["uri"].as_str().unwrap())
        .collect();
    assert_eq!(
        uris,
        [
            "sigcast://methodology/filings",
            "sigcast://methodology/consensus",
            "sigcast://markets"
        ]
    );
    let read = |uri: &str| {
        let read = result(server, key, "resources/read", &json!({"uri": uri}));
        read["contents"][0].clone()
    };
    for uri in &uris[..2] {
        let page = read(uri);
        assert_eq!(
            (&page["uri"], &page["mimeType"]),
            (&json!(uri), &json!("text/markdown"))
        );
        assert!(
            page["text"].as_str().unwrap().starts_with("# How "),
            "{uri}"
        );
    }
    let json_of =
        |uri: &str| timeless(serde_json::from_str(read(uri)["text"].as_str().unwrap()).unwrap());
    assert_eq!(json_of(uris[2]), asked.rest("/api/v1/markets?limit=200"));
    let one = "SEC:0000000000-00-000003";
    let told = asked.rest(&format!("/api/v1/declarations/{one}"));
    assert_eq!(json_of(&format!("sigcast://declarations/{one}")), told);
    let told = asked.rest(&format!("/api/v1/companies/{}", asked.slug));
    assert_eq!(
        json_of(&format!("sigcast://companies/{}", asked.slug)),
        told
    );
    let prompts = result(server, key, "prompts/list", &json!({}));
    assert_eq!(prompts["prompts"].as_array().unwrap().len(), 2);
    let params =
        json!({"name": "screen_insider_clusters", "arguments": {"market": "us", "days": "30"}});
    let prompt = result(server, key, "prompts/get", &params);
    let text = prompt["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(
        text.contains("market=us") && text.contains("30 days"),
        "{text}"
    );
    // every tool that a prompt or an instruction names is there
    let tools = result(server, key, "tools/list", &json!({}));
    assert_eq!(tools["tools"].as_array().unwrap().len(), 11);
}

#[test]
fn the_guard_stands_before_it() {
    let server = Server::with(&[
        ("SIGCAST_HTTP__PUBLIC_URL", "https://signals.example.com"),
        (
            "SIGCAST_HTTP__CORS_ORIGINS",
            "[\"https://app.example.com\"]",
        ),
    ]);
    let key = server.alpha_key();
    let ping = message(1, "ping", &json!({})).to_string();
    let with = |fields: &[(&str, &str)]| post(&server, &key, fields, ping.as_bytes());
    let none = with(&[("authorization", "")]);
    none.expect_error(401, "missing_api_key");
    assert_eq!(none.head.header("www-authenticate"), Some("Bearer"));
    with(&[("authorization", "Bearer sit_live_x")]).expect_error(401, "invalid_api_key");
    assert_eq!(
        with(&[("authorization", ""), ("x-api-key", &key.text)])
            .head
            .status,
        200
    );
    let free = server.key(&server.account("free"));
    post(&server, &free, &[], ping.as_bytes()).expect_error(403, "subscription_required");
    let revoked = server.alpha_key();
    assert_eq!(
        post(&server, &revoked, &[], ping.as_bytes()).head.status,
        200
    );
    server.admin("DELETE", &format!("/v1/keys/{}", revoked.id), "");
    post(&server, &revoked, &[], ping.as_bytes()).expect_error(401, "invalid_api_key");
    // names and pages
    let to_host = |host: &str, origin: &str| {
        let mut wire = Wire::connect(server.main);
        let origin = match origin {
            "" => String::new(),
            origin => format!("origin: {origin}\r\n"),
        };
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: {host}\r\n{origin}authorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            key.text,
            ping.len()
        );
        wire.send(&[head.as_bytes(), ping.as_bytes()].concat());
        wire.reply()
    };
    for (host, origin) in [
        ("signals.example.com", ""),
        ("signals.example.com:443", "https://signals.example.com"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("signals.example.com", "https://app.example.com"),
    ] {
        let reply = to_host(host, origin);
        assert_eq!(reply.head.status, 200, "{host} {origin}: {}", reply.text());
    }
    to_host("evil.example", "").expect_error(403, "forbidden_host");
    to_host("evil.example", "http://evil.example").expect_error(403, "forbidden_host");
    to_host("signals.example.com", "https://evil.example").expect_error(403, "forbidden_origin");
    to_host("signals.example.com", "null").expect_error(403, "forbidden_origin");
    // a page may ask first
    let fields = [
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type,mcp-protocol-version,mcp-method,mcp-name",
        ),
    ];
    let preflight = request(server.main, "OPTIONS", "/mcp", &fields, b"");
    let allowed = preflight
        .head
        .header("access-control-allow-headers")
        .unwrap_or_default();
    assert!(
        allowed.contains("mcp-protocol-version") && allowed.contains("mcp-name"),
        "{allowed}"
    );
    for method in ["GET", "DELETE", "PUT"] {
        let reply = request(
            server.main,
            method,
            "/mcp",
            &[("accept", "text/event-stream")],
            b"",
        );
        reply.expect_error(405, "method_not_allowed");
        assert_eq!(reply.head.header("allow"), Some("POST"));
    }
}

#[test]
fn whatever_comes_is_answered_cleanly() {
    let server = Server::with(&[("SIGCAST_PLANS__ALPHA__BURST", "0")]);
    let key = server.alpha_key();
    let ping = message(1, "ping", &json!({})).to_string();
    let with = |fields: &[(&str, &str)], body: &[u8]| post(&server, &key, fields, body);
    with(&[("content-type", "text/plain")], ping.as_bytes())
        .expect_error(415, "unsupported_media_type");
    with(&[("accept", "text/html")], ping.as_bytes()).expect_error(406, "not_acceptable");
    for accept in ["application/json", "*/*", ""] {
        assert_eq!(
            with(&[("accept", accept)], ping.as_bytes()).head.status,
            200,
            "{accept}"
        );
    }
    let huge = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"x\":\"{}\"}}",
        "x".repeat(65_536)
    );
    with(&[], huge.as_bytes()).expect_error(413, "payload_too_large");
    // nobody says beforehand how long it is
    let mut wire = Wire::connect(server.main);
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        key.text
    );
    wire.send(head.as_bytes());
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", huge.len(), huge);
    wire.try_send(chunk.as_bytes()).ok();
    wire.reply().expect_error(413, "payload_too_large");
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep_call = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"my_usage\",\"arguments\":{{\"a\":{deep}}}}}}}"
    );
    for text in [
        "",
        "{",
        "nothing",
        &deep,
        &deep_call,
        "{\"jsonrpc\":\"2.0\"",
        "\u{0}",
    ] {
        let refused = expect_refusal(&with(&[], text.as_bytes()), 400, -32_700);
        assert_eq!(refused["id"], Value::Null);
    }
    for body in [
        json!([message(1, "ping", &json!({}))]),
        json!([]),
        json!(1),
        json!({"jsonrpc": "1.0", "id": 1, "method": "ping"}),
        json!({"jsonrpc": "2.0", "id": {}, "method": "ping"}),
        json!({"jsonrpc": "2.0", "id": 1, "method": 5}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": 5}),
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
    ] {
        expect_refusal(&with(&[], body.to_string().as_bytes()), 400, -32_600);
    }
    for (name, text) in [
        ("whole", i64::MAX.to_string()),
        ("text", "\"\\u0000é\"".into()),
    ] {
        let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":{text},\"method\":\"ping\"}}");
        let reply = with(&[], body.as_bytes()).ok_json();
        assert_eq!(
            reply["id"],
            serde_json::from_str::<Value>(&text).unwrap(),
            "{name}"
        );
    }
    let told = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let reply = with(&[], told.to_string().as_bytes());
    assert_eq!((reply.head.status, reply.body.len()), (202, 0));
    for version in ["2025-03-26", "1999-01-01", "x"] {
        let fields = [("mcp-protocol-version", version)];
        let refused = expect_refusal(&with(&fields, ping.as_bytes()), 400, -32_022);
        let data = &refused["error"]["data"];
        assert_eq!(data["requested"], version);
        assert_eq!(data["supported"], json!(["2025-06-18", GREETING, PLAIN]));
    }
    for (asked, agreed) in [
        ("2025-06-18", "2025-06-18"),
        (GREETING, GREETING),
        ("2024-11-05", GREETING),
        (PLAIN, GREETING),
    ] {
        let params = json!({"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let said = with(
            &[],
            message(1, "initialize", &params).to_string().as_bytes(),
        )
        .ok_json();
        assert_eq!(said["result"]["protocolVersion"], agreed, "{said}");
        assert!(
            said["result"]["instructions"]
                .as_str()
                .is_some_and(|text| text.contains("top_signals"))
        );
        assert_eq!(said["result"]["serverInfo"]["name"], "sigcast");
    }
    // without a greeting, what is said in the head and in the message has to agree
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": PLAIN, "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    });
    let params = json!({"name": "my_usage", "arguments": {}, "_meta": meta});
    let plain = message(1, "tools/call", &params).to_string();
    let fields = |name: &'static str| {
        [
            ("mcp-protocol-version", PLAIN),
            ("mcp-method", "tools/call"),
            ("mcp-name", name),
        ]
    };
    let said = with(&fields("my_usage"), plain.as_bytes()).ok_json();
    assert_eq!(
        said["result"]["structuredContent"]["plan"]["name"], "alpha",
        "{said}"
    );
    assert_eq!(said["result"]["resultType"], "complete", "{said}");
    expect_refusal(
        &with(&fields("top_signals"), plain.as_bytes()),
        400,
        -32_020,
    );
    let discover = message(1, "server/discover", &json!({"_meta": meta})).to_string();
    let fields = [
        ("mcp-protocol-version", PLAIN),
        ("mcp-method", "server/discover"),
    ];
    let said = with(&fields, discover.as_bytes()).ok_json();
    assert_eq!(
        said["result"]["supportedVersions"],
        json!(["2025-06-18", GREETING, PLAIN]),
        "{said}"
    );
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}

/// A plan of so many requests a day, whose keys may ask as fast as they like.
fn small_plan(day: &'static str) -> [(&'static str, &'static str); 4] {
    [
        ("SIGCAST_PLANS__TESTED__MCP", "true"),
        ("SIGCAST_PLANS__TESTED__REST", "true"),
        ("SIGCAST_PLANS__TESTED__BURST", "0"),
        ("SIGCAST_PLANS__TESTED__REQUESTS_PER_DAY", day),
    ]
}

#[test]
fn what_reads_data_counts_and_nothing_else() {
    let mut server = Server::with(&small_plan("5"));
    let key = server.key(&server.account("tested"));
    let left = |reply: &Reply| {
        reply
            .head
            .header("x-ratelimit-remaining")
            .unwrap()
            .to_owned()
    };
    let params = json!({"protocolVersion": GREETING, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    for _ in 0..3 {
        for (method, params) in [
            ("initialize", &params),
            ("ping", &json!({})),
            ("tools/list", &json!({})),
            ("resources/list", &json!({})),
            ("resources/templates/list", &json!({})),
            ("prompts/list", &json!({})),
            ("tools/drop", &json!({})),
        ] {
            let reply = send(&server, &key, &message(1, method, params));
            assert_eq!(
                (reply.head.status, left(&reply)),
                (200, "5".into()),
                "{method}"
            );
        }
        let told =
            json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "my_usage"}});
        assert_eq!(
            left(&send(&server, &key, &told)),
            "5",
            "nothing is read for nobody"
        );
    }
    let usage = |said: &Value| said["structuredContent"]["usage"]["today"].clone();
    assert_eq!(usage(&call(&server, &key, "my_usage", &json!({}))), 1);
    // an overview of several reads is one, and so is a refusal
    let one = send(
        &server,
        &key,
        &message(
            1,
            "tools/call",
            &json!({"name": "company_overview", "arguments": {"company": "x"}}),
        ),
    );
    assert_eq!(left(&one), "3");
    let read = json!({"uri": "sigcast://markets"});
    assert_eq!(
        left(&send(&server, &key, &message(1, "resources/read", &read))),
        "2"
    );
    // counted with REST, and over a crash
    server.restart();
    assert_eq!(left(&server.get("/api/v1/health", &key)), "1");
    assert_eq!(usage(&call(&server, &key, "my_usage", &json!({}))), 5);
    let refused = send(
        &server,
        &key,
        &message(1, "tools/call", &json!({"name": "my_usage"})),
    );
    let body = expect_refusal(&refused, 429, -32_010);
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("rate_limited: The plan's 5 requests a day")
    );
    let data = &body["error"]["data"];
    assert_eq!(
        (&data["code"], &data["status"]),
        (&json!("rate_limited"), &json!(429)),
        "{body}"
    );
    assert_eq!(data["details"]["limit"], "day");
    assert!(refused.head.header("retry-after").is_some());
    // what is free still is
    assert_eq!(
        send(&server, &key, &message(1, "tools/list", &json!({})))
            .head
            .status,
        200
    );
    assert_eq!(server.metric("sigcast_limited_total{limit=\"day\"}"), 1);
    assert_eq!(
        server.metric("sigcast_mcp_calls_total{tool=\"my_usage\",outcome=\"ok\"}"),
        1
    );
}

#[test]
fn what_is_free_is_held_to_the_burst() {
    let server = Server::with(&[
        ("SIGCAST_PLANS__TESTED__MCP", "true"),
        ("SIGCAST_PLANS__TESTED__BURST", "3"),
        ("SIGCAST_PLANS__TESTED__REQUESTS_PER_SECOND", "1"),
    ]);
    let key = server.key(&server.account("tested"));
    let list = message(1, "tools/list", &json!({}));
    let mut refused = None;
    for _ in 0..20 {
        let reply = send(&server, &key, &list);
        if reply.head.status != 200 {
            refused = Some(reply);
            break;
        }
    }
    let body = expect_refusal(&refused.expect("a refusal"), 429, -32_010);
    assert_eq!(body["error"]["data"]["details"]["limit"], "burst");
    // nor may what is no message come without end
    until(PATIENCE, || {
        let reply = post(&server, &key, &[], b"{");
        (reply.head.status == 429).then_some(())
    })
    .expect("a refusal");
}

#[test]
fn a_server_that_goes_down_says_so() {
    let server = Server::with(&[("SIGCAST_HTTP__DRAIN_SECONDS", "3")]);
    let (key, other) = (server.alpha_key(), server.alpha_key());
    let body = message(1, "tools/call", &json!({"name": "my_usage"})).to_string();
    let ask = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        key.text,
        body.len()
    );
    let mut kept = Wire::connect(server.main);
    kept.send(ask.as_bytes());
    assert_eq!(kept.reply().head.status, 200);
    // a stream holds the drain open
    let _open = server.listen(&other, "", &[]);
    server.terminate();
    let closed = until(PATIENCE, || std::net::TcpStream::connect(server.main).err());
    assert!(closed.is_some());
    kept.send(ask.as_bytes());
    let reply = kept.reply();
    // not as to a stream's client, though the stream's type is named
    reply.expect_error(503, "draining");
    assert!(reply.head.header("retry-after").is_some());
}
