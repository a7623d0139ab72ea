//! What tools, resources and prompts say over `/mcp`: what REST says.

use serde_json::{Value, json};

use super::{
    insider_data::House,
    server::{Key, Server},
    wire::{Reply, request},
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
pub fn expect_refusal(reply: &Reply, status: u16, code: i64) -> Value {
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
        ("get_signal", json!({"id": ""}), "invalid_parameter", "id"),
        (
            "company_overview",
            json!({"company": ""}),
            "invalid_parameter",
            "company",
        ),
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
