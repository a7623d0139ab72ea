//! Whatever comes to `/mcp` is answered cleanly: other types, other sizes, other shapes, other revisions.

use serde_json::{Value, json};

use super::{
    mcp::{GREETING, PLAIN, expect_refusal, message, post},
    server::Server,
    wire::Wire,
};

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
