//! Heads of HTTP/1.1, byte by byte: those that can be read in two ways.

use std::time::Duration;

use super::{
    server::Server,
    wire::{Next, PATIENCE, Wire},
};

#[test]
fn heads_that_mean_two_things_are_refused() {
    let server = Server::start();
    let key = server.alpha_key();
    let path = "GET /api/signals/stream HTTP/1.1\r\n";
    let bearer = format!("authorization: Bearer {}\r\n", key.text);
    for head in [
        format!("{path}host: a\r\nhost: b\r\n{bearer}\r\n"),
        format!("{path}{bearer}\r\n"),
        format!("{path}host: a\r\n{bearer}{bearer}\r\n"),
    ] {
        let mut wire = Wire::connect(server.main);
        wire.send(head.as_bytes());
        assert_eq!(wire.head().status, 400, "{}", head.replace(&key.text, "…"));
    }
    let mut stream = server.listen(&key, "", &[]);
    stream.expect_quiet(Duration::from_millis(50));
    assert_eq!(stream.event(Duration::from_millis(50)), Next::Silence);
}

#[test]
fn ambiguous_heads_get_the_uniform_body() {
    let server = Server::start();
    let key = server.alpha_key();
    let auth = format!("authorization: Bearer {}\r\n", key.text);
    for (to, path) in [(server.main, "/api/signals"), (server.admin, "/v1/usage")] {
        for fields in [
            String::new(),
            auth.clone(),
            format!("host: a\r\nhost: a\r\n{auth}"),
            format!("host: a\r\nhost: b\r\n{auth}"),
            format!("host: a\r\n{auth}{auth}"),
            format!("host: a\r\n{auth}authorization: Bearer other\r\n"),
            "host: a\r\nx-api-key: a\r\nx-api-key: a\r\n".to_owned(),
        ] {
            let mut wire = Wire::connect(to);
            wire.send(format!("GET {path} HTTP/1.1\r\n{fields}\r\n").as_bytes());
            wire.reply().expect_error(400, "bad_request");
        }
    }
    // a body whose length is said in two ways is read as chunked, and is the last on its connection
    let mut wire = Wire::connect(server.main);
    wire.send(
        format!(
            "POST /api/signals/stream/tickets HTTP/1.1\r\nhost: a\r\n{auth}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n\
             GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"
        )
        .as_bytes(),
    );
    let status = wire.reply().head.status;
    assert!([200, 400].contains(&status), "{status}");
    wire.expect_end(PATIENCE);
    let mut wire = Wire::connect(server.main);
    wire.send(b"GET /livez HTTP/1.1\nhost: a\n\n");
    assert_eq!(
        wire.reply().head.status,
        200,
        "bare line feeds stay hyper's"
    );
}
