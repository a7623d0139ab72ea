//! What is called: every tool, each call with other arguments than the one before, so that none is answered by a page that is kept.

use serde_json::{Value, json};

use super::server::{Connection, Server, post};

/// A tool and its calls.
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What is asked of it.
    pub about: &'static str,
    /// So many calls are different.
    pub most: u64,
    /// Arguments of the nth.
    pub arguments: Box<dyn Fn(u64) -> Value>,
}

const SIGNALS: u64 = 2_000;

fn id(n: u64) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

/// Signals for the log, the same each time.
pub fn publish(server: &Server) {
    for n in 1..=SIGNALS {
        let rank = ["S", "A", "B", "C", "D"][(n % 5) as usize];
        let signal = json!({
            "id": id(n), "signal_type": "consensus_buy", "rank": rank, "rank_score": 50.0 + (n % 50) as f64, "market": "crypto",
            "token": {"address": format!("token{}", n % 100), "symbol": "WIF"}, "wallet_count": n % 9, "filler": "x".repeat(600),
        });
        post(&server.admin, "/v1/signals", &signal.to_string());
    }
}

/// The whole request of a call.
pub fn request(key: &str, tool: &str, arguments: &Value) -> String {
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments},
    });
    let message = message.to_string();
    format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json\r\n\
         mcp-protocol-version: 2025-11-25\r\nauthorization: Bearer {key}\r\ncontent-length: {}\r\n\r\n{message}",
        message.len()
    )
}

fn tool(
    name: &'static str,
    about: &'static str,
    most: u64,
    arguments: impl Fn(u64) -> Value + 'static,
) -> Tool {
    Tool {
        name,
        about,
        most,
        arguments: Box::new(arguments),
    }
}

fn texts(list: &Value, name: &str) -> Vec<String> {
    let items = list["items"].as_array().expect("items").iter();
    items
        .map(|item| item[name].as_str().expect(name).to_owned())
        .collect()
}

/// The one of these for the nth call.
fn nth(all: &[String], n: u64) -> &str {
    &all[n as usize % all.len()]
}

/// All of them, for this data.
pub fn all(connection: &mut Connection) -> Vec<Tool> {
    let mut tools = searches();
    tools.extend(named(connection));
    tools.extend([
        tool("top_signals", "periods and least scores", 890, |n| {
            json!({"lookbackDays": 1 + n % 89, "minScore": 5 * (n / 89)})
        }),
        tool("recent_signals", "the latest, by five least ranks", u64::MAX, |n| {
            json!({"min_rank": (["S", "A", "B", "C", "D"][(n % 5) as usize]), "limit": 10 + n % 40})
        }),
        tool("recent_signals", "earlier ones", u64::MAX, |n| {
            json!({"before": id(SIGNALS - n), "limit": 50})
        }),
        tool("get_signal", "one after the other", u64::MAX, |n| json!({"id": id(1 + n % SIGNALS)})),
        tool("backtest_summary", "least scores, both directions", 200, |n| {
            json!({"minScore": n / 2, "direction": (["BUY", "SELL"][(n % 2) as usize])})
        }),
        tool("backtest_summary", "the same again", 200, |n| {
            json!({"minScore": n / 2, "direction": (["BUY", "SELL"][(n % 2) as usize])})
        }),
        tool("list_markets", "all", u64::MAX, |_| json!({})),
        tool("my_usage", "", u64::MAX, |_| json!({})),
    ]);
    tools
}

fn searches() -> Vec<Tool> {
    let filters = [
        json!({}),
        json!({"market": "us", "direction": "BUY"}),
        json!({"minScore": 40, "sort": "signalScore"}),
        json!({"company": "otter"}),
        json!({"insider": "ada"}),
        json!({"cluster": true, "direction": "BUY", "minScore": 40}),
        json!({"minAmount": 1_000_000, "sort": "amount"}),
        json!({"include": "backtest"}),
    ];
    let pages = filters.clone();
    let page = move |n: u64, step: u64| {
        let mut arguments = pages[(n % 8) as usize].clone();
        arguments["offset"] = json!(n / 8 * step);
        arguments
    };
    let deep = page.clone();
    vec![
        tool(
            "search_declarations",
            "eight filters, page by page",
            u64::MAX,
            move |n| page(n, 10),
        ),
        tool(
            "search_declarations",
            "the same by 50, further down",
            u64::MAX,
            move |n| {
                let mut arguments = deep(n, 50);
                arguments["limit"] = json!(50);
                arguments
            },
        ),
    ]
}

/// What is called by a name.
fn named(connection: &mut Connection) -> Vec<Tool> {
    let mut declarations = Vec::new();
    for page in 0..3 {
        let path = format!(
            "/api/v1/declarations?direction=BUY&limit=200&offset={}",
            page * 2_000
        );
        declarations.extend(texts(&connection.json(&path), "amfId"));
    }
    let mut companies = Vec::new();
    for page in 0..2 {
        let path = format!("/api/v1/companies?limit=200&offset={}", page * 400);
        companies.extend(texts(&connection.json(&path), "slug"));
    }
    let largest = texts(&connection.json("/api/v1/search?q=inc&limit=1"), "slug");
    let audited = declarations.clone();
    let (overviews, flows, large) = (companies.clone(), companies, largest.clone());
    vec![
        tool(
            "get_declaration",
            "one after the other",
            600,
            move |n| json!({"amfId": nth(&declarations, n)}),
        ),
        tool(
            "explain_score",
            "one after the other",
            600,
            move |n| json!({"amfId": nth(&audited, n)}),
        ),
        tool(
            "company_overview",
            "400 companies",
            400,
            move |n| json!({"company": nth(&overviews, n)}),
        ),
        tool(
            "company_overview",
            "the largest, other pages",
            100,
            move |n| json!({"company": nth(&largest, 0), "offset": 10 * n}),
        ),
        tool(
            "net_flow",
            "400 companies by week",
            400,
            move |n| json!({"slug": nth(&flows, n), "bucket": "week"}),
        ),
        tool(
            "net_flow",
            "the largest, other periods",
            60,
            move |n| json!({"slug": nth(&large, 0), "to": format!("20{:02}-01-01", 30 + n)}),
        ),
    ]
}
