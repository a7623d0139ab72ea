//! Many streams on one HTTP/2 connection: each with a seat, a pace and an end of its own.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use h2::Reason;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    http2_client::{Answer, Client, tls},
    server::{Server, sample, until},
    wire::PATIENCE,
};

const GONE: &str = "sigcast_stream_closes_total{reason=\"holder_gone\"}";
const SLOW: &str = "sigcast_stream_closes_total{reason=\"slow_consumer\"}";

fn run<T>(test: impl Future<Output = T>) -> T {
    // connections go on while a test waits for something else
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let whole = async { timeout(6 * PATIENCE, test).await };
    runtime.unwrap().block_on(whole).expect("an end in time")
}

fn heavy(n: u32) -> Value {
    let mut signal = sample(n);
    signal["note"] = json!("x".repeat(20_000));
    signal
}

fn server(settings: &[(&str, &str)]) -> Server {
    Server::with_tls(settings)
}

#[test]
fn streams_and_requests_share_a_connection() {
    let server = server(&[("SIGCAST_STREAM__PING_SECONDS", "1")]);
    let keys: Vec<_> = (0..5).map(|_| server.alpha_key()).collect();
    run(async {
        let mut client = Client::connect(&server).await;
        let mut streams = Vec::new();
        for key in &keys {
            streams.push(client.listen(key, &[]).await);
        }
        for stream in &streams {
            let field = |name: &str| stream.headers()[name].to_str().unwrap();
            assert_eq!(field("content-type"), "text/event-stream; charset=utf-8");
            assert_eq!(field("cache-control"), "no-store");
            assert!(!stream.headers().contains_key("connection"));
            assert!(stream.headers().contains_key("x-request-id"));
        }
        let id = server.publish_sample(1);
        for stream in &mut streams {
            stream.expect(&id).await;
            stream.expect(": ping\n").await;
        }
        let bearer = format!("Bearer {}", keys[0].text);
        let mut list = client
            .get("/api/signals?limit=1", &[("authorization", &bearer)])
            .await;
        assert_eq!(list.status(), 200);
        assert_eq!(list.json().await["items"][0]["id"], id.as_str());
        let mut refused = client.get("/api/signals", &[]).await;
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.json().await["error"]["code"], "missing_api_key");
        assert_eq!(server.metric("sigcast_publish_seconds_count"), 5);
        let open = server.admin("GET", "/v1/connections", "").ok_json();
        assert_eq!(open["total"], 5);
        assert_eq!(server.metric("sigcast_connections"), 1);
    });
}

#[test]
fn a_revocation_ends_the_stream_of_its_key_alone() {
    let server = server(&[]);
    let (one, other) = (server.alpha_key(), server.alpha_key());
    run(async {
        let mut client = Client::connect(&server).await;
        let mut ended = client.listen(&one, &[]).await;
        let mut stays = client.listen(&other, &[]).await;
        server.admin("DELETE", &format!("/v1/keys/{}", one.id), "");
        ended.expect("\"code\":\"key_revoked\"").await;
        ended.end().await.unwrap();
        let id = server.publish_sample(1);
        stays.expect(&id).await;
        assert!(ended.seqs().is_empty());
        assert_eq!(client.stream(&one, "", &[]).await.status(), 401);
    });
}

#[test]
fn a_seat_is_kept_by_who_lives_and_taken_over_by_who_returns() {
    let server = server(&[]);
    let (key, other) = (server.alpha_key(), server.alpha_key());
    run(async {
        let mut client = Client::connect(&server).await;
        let mut holder = client.listen(&key, &[]).await;
        let mut beside = client.listen(&other, &[]).await;
        let begun = Instant::now();
        let mut second = client.stream(&key, "", &[]).await;
        assert_eq!(second.status(), 429);
        assert_eq!(second.json().await["error"]["code"], "connection_limit");
        assert!(begun.elapsed() < Duration::from_secs(3), "decided in time");
        holder.expect(": probe\n").await;

        let id = holder.last_id();
        let mut next = client.listen(&key, &[("last-event-id", &id)]).await;
        holder.expect("\"code\":\"superseded\"").await;
        holder.end().await.unwrap();
        let id = server.publish_sample(1);
        next.expect(&id).await;
        beside.expect(&id).await;
    });
}

#[test]
fn who_has_vanished_gives_its_seat_to_who_comes() {
    let server = server(&[]);
    let key = server.alpha_key();
    run(async {
        let trust = &server.certificate.as_ref().unwrap().der;
        let (tcp, io) = tls(server.main, trust).await;
        let mut lost = Client::over(io, server.main, 1 << 20).await;
        let _stream = lost.listen(&key, &[]).await;
        // its kernel may owe an acknowledgement of what has come, for 40 ms: the last sign of life
        tokio::time::sleep(Duration::from_millis(200)).await;
        crate::harness::vanish::vanish(&tcp.into_std().unwrap());
        let mut client = Client::connect(&server).await;
        let begun = Instant::now();
        let second = client.stream(&key, "", &[]).await;
        assert_eq!(second.status(), 200);
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_millis(1900),
            "it was probed: {took:?}"
        );
        assert!(took < Duration::from_secs(3), "{took:?}");
        assert_eq!(server.metric(GONE), 1);
    });
}

#[test]
fn who_shuts_one_window_gives_up_that_seat_and_no_other() {
    let server = server(&[]);
    let (key, other) = (server.alpha_key(), server.alpha_key());
    run(async {
        let mut client = Client::with_window(&server, 16_000).await;
        let mut shut = client.listen(&key, &[]).await;
        let mut beside = client.listen(&other, &[]).await;
        server.publish_all((1..=3).map(heavy));
        beside.expect("-3\n\n").await;
        let begun = Instant::now();
        let mut second = client.stream(&key, "", &[]).await;
        assert_eq!(second.status(), 200);
        assert!(begun.elapsed() >= Duration::from_millis(1900));
        assert_eq!(server.metric(GONE), 1);
        let reset = shut.end().await.unwrap_err();
        assert_eq!(reset.reason(), Some(Reason::CANCEL), "{reset}");
        let id = server.publish_sample(9);
        second.expect(&id).await;
        beside.expect(&id).await;
    });
}

/// One stream that is not read beside one that is.
fn not_read(stall_seconds: &str, then: impl AsyncFn(&Server, &mut Answer)) {
    let server = server(&[("SIGCAST_STREAM__WRITE_STALL_SECONDS", stall_seconds)]);
    let (key, other) = (server.alpha_key(), server.alpha_key());
    const SIGNALS: u32 = 6;
    run(async {
        let mut client = Client::with_window(&server, 16_000).await;
        let mut slow = client.listen(&key, &[]).await;
        let mut beside = client.listen(&other, &[]).await;
        let begun = Instant::now();
        server.publish_all((1..=SIGNALS).map(heavy));
        beside.expect(&format!("-{SIGNALS}\n\n")).await;
        // what others are sent, and acknowledge, is no sign of life of this stream
        let mut n = SIGNALS;
        while server.metric(SLOW) == 0 {
            n += 1;
            let id = server.publish_sample(n);
            beside.expect(&id).await;
            assert!(begun.elapsed() < PATIENCE, "it must be ended");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(begun.elapsed() >= Duration::from_secs(1));
        then(&server, &mut slow).await;

        let had = slow.seqs();
        assert!(had.len() < n as usize, "{had:?}");
        let id = slow.last_id();
        let mut back = client.listen(&key, &[("last-event-id", &id)]).await;
        back.expect(&format!("-{n}\n\n")).await;
        let all: Vec<u64> = had.into_iter().chain(back.seqs()).collect();
        assert_eq!(all, (1..=u64::from(n)).collect::<Vec<_>>(), "each once");
        let id = server.publish_sample(n + 1);
        beside.expect(&id).await;
        assert_eq!(server.metric(SLOW), 1);
    });
}

#[test]
fn a_stream_that_is_read_again_in_time_is_told_why_it_was_ended() {
    // so long it has to read on, too
    not_read("3", async |_, slow| {
        slow.expect("\"code\":\"slow_consumer\"").await;
        slow.end().await.unwrap();
    });
}

#[test]
fn a_stream_that_is_never_read_is_reset_alone() {
    not_read("1", async |server, slow| {
        let reset = until(PATIENCE, || {
            let open = server.admin("GET", "/v1/connections", "").ok_json();
            (open["total"] == 1).then_some(())
        });
        assert!(reset.is_some(), "its seat is free");
        // longer than its last bytes may wait for a window
        tokio::time::sleep(Duration::from_secs(4)).await;
        let reset = slow.end().await.unwrap_err();
        assert_eq!(reset.reason(), Some(Reason::CANCEL), "{reset}");
    });
}

#[test]
fn a_stream_that_is_read_a_little_at_a_time_is_left_alone() {
    let server = server(&[("SIGCAST_STREAM__WRITE_STALL_SECONDS", "1")]);
    let key = server.alpha_key();
    run(async {
        // it opens by much less at a time than is written at once
        let mut client = Client::with_window(&server, 600).await;
        let mut slow = client.listen(&key, &[]).await;
        server.publish_all((1..=6).map(heavy));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(4) {
            if let Ok(more) = timeout(Duration::from_millis(100), slow.more()).await {
                more.unwrap().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        slow.expect("-6\n\n").await;
        assert_eq!(slow.seqs(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(server.metric(SLOW), 0);
    });
}

#[test]
fn an_answer_that_nobody_takes_is_given_up_and_the_connection_goes_on() {
    let server = server(&[("SIGCAST_STREAM__UNANSWERED_SECONDS", "1")]);
    let key = server.alpha_key();
    let bearer = format!("Bearer {}", key.text);
    server.publish_all((1..=5).map(heavy));
    run(async {
        let mut client = Client::with_window(&server, 8_000).await;
        let mut beside = client.listen(&key, &[]).await;
        let headers = [
            ("authorization", bearer.as_str()),
            ("accept-encoding", "identity"),
        ];
        let mut list = client.get("/api/signals?limit=5", &headers).await;
        assert_eq!(list.status(), 200);
        tokio::time::sleep(Duration::from_secs(3)).await;
        let reset = list.end().await.unwrap_err();
        assert_eq!(reset.reason(), Some(Reason::CANCEL), "{reset}");
        let id = server.publish_sample(9);
        beside.expect(&id).await;
    });
}

#[test]
fn a_client_that_drops_a_stream_frees_its_seat_at_once() {
    let server = server(&[]);
    let (key, other) = (server.alpha_key(), server.alpha_key());
    run(async {
        let mut client = Client::connect(&server).await;
        let mut beside = client.listen(&other, &[]).await;
        for _ in 0..20 {
            let stream = client.listen(&key, &[]).await;
            drop(stream);
            let gone = until(PATIENCE, || {
                let open = server.admin("GET", "/v1/connections", "").ok_json();
                (open["total"] == 1).then_some(())
            });
            assert!(gone.is_some());
        }
        let id = server.publish_sample(1);
        beside.expect(&id).await;
    });
}

#[test]
fn a_drain_says_bye_to_each_stream_and_then_to_the_connection() {
    let mut server = server(&[("SIGCAST_HTTP__DRAIN_SECONDS", "2")]);
    let keys: Vec<_> = (0..3).map(|_| server.alpha_key()).collect();
    run(async {
        let mut client = Client::connect(&server).await;
        let mut streams = Vec::new();
        for key in &keys {
            streams.push(client.listen(key, &[]).await);
        }
        server.terminate();
        for stream in &mut streams {
            stream.expect("event: bye").await;
            assert!(
                stream
                    .read
                    .rsplit_once("event: bye")
                    .unwrap()
                    .1
                    .contains("retry: ")
            );
            stream.end().await.unwrap();
        }
        client.expect_end().await;
        assert_eq!(server.exit_within(PATIENCE).code(), Some(0));
    });
}

#[test]
fn a_kept_connection_is_answered_during_a_drain() {
    let server = server(&[("SIGCAST_HTTP__DRAIN_SECONDS", "3")]);
    let keys: Vec<_> = (0..4).map(|_| server.alpha_key()).collect();
    run(async {
        let mut client = Client::connect(&server).await;
        let mut late = Client::connect(&server).await;
        assert_eq!(late.get("/livez", &[]).await.status(), 200);
        let mut streams = Vec::new();
        for key in &keys[1..] {
            streams.push(client.listen(key, &[]).await);
        }
        server.terminate();
        let closed = until(PATIENCE, || std::net::TcpStream::connect(server.main).err());
        assert!(closed.is_some());
        let mut stream = late
            .stream(&keys[0], "", &[("accept", "text/event-stream")])
            .await;
        assert_eq!(stream.status(), 200);
        assert!(!stream.headers().contains_key("connection"));
        stream.expect("event: bye").await;
        stream.end().await.unwrap();
        // it is told to go, as HTTP/1.1 would have it by `connection: close`
        late.expect_end().await;
    });
}

#[test]
fn a_head_has_the_limits_of_any_other() {
    let server = server(&[]);
    run(async {
        let mut client = Client::connect(&server).await;
        let names: Vec<String> = (0..70).map(|n| format!("x-{n}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        assert_eq!(client.get("/livez", &many).await.status(), 431);
        assert_eq!(client.get("/livez", &many[..50]).await.status(), 200);
        let long = "x".repeat(20_000);
        assert_eq!(
            client.get("/livez", &[("x-long", &long)]).await.status(),
            431
        );
        let mut twice = client
            .get("/api/signals", &[("host", "other.example")])
            .await;
        assert_eq!(twice.status(), 400);
        assert_eq!(twice.json().await["error"]["code"], "bad_request");
    });
}

#[test]
fn a_head_request_that_is_refused_is_answered_by_a_head_alone() {
    let server = server(&[]);
    run(async {
        let mut client = Client::connect(&server).await;
        let mut request = client.request(
            "/api/signals",
            &[("x-api-key", "one"), ("x-api-key", "other")],
        );
        *request.method_mut() = http::Method::HEAD;
        let mut refused = client.ask(request).await;
        assert_eq!(refused.status(), 400);
        let length = refused.headers()["content-length"].to_str().unwrap();
        assert!(length.parse::<u64>().unwrap() > 0, "{length}");
        assert!(refused.more().await.is_none(), "{}", refused.read);
        assert_eq!(client.get("/livez", &[]).await.status(), 200);
    });
}

#[test]
fn a_trusted_proxy_says_who_each_request_is_from() {
    let server = server(&[
        ("SIGCAST_HTTP__TRUSTED_PROXIES", "[\"127.0.0.0/8\"]"),
        ("SIGCAST_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "1"),
    ]);
    let (one, other) = (server.alpha_key(), server.alpha_key());
    run(async {
        let mut proxy = Client::connect(&server).await;
        let from = |address| [("x-forwarded-for", address)];
        let _first = proxy.listen(&one, &from("203.0.113.7")).await;
        let mut second = proxy.stream(&other, "", &from("203.0.113.7")).await;
        assert_eq!(second.status(), 503);
        assert_eq!(second.json().await["error"]["code"], "overloaded");
        let _third = proxy.listen(&other, &from("203.0.113.8")).await;
        let open = server.admin("GET", "/v1/connections", "").ok_json();
        let addresses = open["items"].as_array().unwrap().iter();
        let addresses: Vec<_> = addresses
            .map(|one| one["address"].as_str().unwrap())
            .collect();
        assert_eq!(addresses, ["203.0.113.7", "203.0.113.8"]);
    });
}

#[test]
fn a_connection_above_the_cap_is_told_so_and_ends() {
    let server = server(&[("SIGCAST_HTTP__MAX_CONNECTIONS", "1")]);
    let key = server.alpha_key();
    run(async {
        let mut first = Client::connect(&server).await;
        let mut stream = first.listen(&key, &[]).await;
        let mut second = Client::connect(&server).await;
        let mut refused = second.get("/api/signals", &[]).await;
        assert_eq!(refused.status(), 503);
        assert!(!refused.headers().contains_key("connection"));
        assert_eq!(refused.json().await["error"]["code"], "overloaded");
        second.expect_end().await;
        let id = server.publish_sample(1);
        stream.expect(&id).await;
    });
}

#[test]
fn a_connection_with_nothing_under_way_ends_and_one_with_a_stream_stays() {
    let server = server(&[("SIGCAST_HTTP__HEADER_SECONDS", "1")]);
    let key = server.alpha_key();
    run(async {
        let mut used = Client::connect(&server).await;
        let mut stream = used.listen(&key, &[]).await;
        let mut idle = Client::connect(&server).await;
        assert_eq!(idle.get("/livez", &[]).await.status(), 200);
        let begun = Instant::now();
        idle.expect_end().await;
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(900), "{took:?}");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let id = server.publish_sample(1);
        stream.expect(&id).await;
    });
}

#[test]
fn streams_beyond_the_limit_of_a_connection_wait_for_their_turn() {
    let server = server(&[]);
    let key = server.alpha_key();
    run(async {
        let mut client = Client::connect(&server).await;
        let _stream = client.listen(&key, &[]).await;
        assert_eq!(client.send.current_max_send_streams(), 128);
    });
}

#[test]
fn who_opens_and_resets_by_the_hundred_is_shut_out() {
    let server = server(&[]);
    let key = server.alpha_key();
    let bearer = format!("Bearer {}", key.text);
    run(async {
        let mut healthy = Client::connect(&server).await;
        let mut stream = healthy.listen(&key, &[]).await;
        let mut hostile = Client::connect(&server).await;
        let headers = [("authorization", bearer.as_str())];
        'flood: for _ in 0..200 {
            for _ in 0..50 {
                let request = hostile.request("/api/signals", &headers);
                let Ok((answer, mut sent)) = hostile.send.send_request(request, true) else {
                    break 'flood;
                };
                sent.send_reset(Reason::CANCEL);
                drop(answer);
            }
            tokio::task::yield_now().await;
        }
        let ended = timeout(PATIENCE, &mut hostile.driver).await;
        let error = ended.expect("the connection ends").unwrap().unwrap_err();
        // what it went on to send may have met a closed socket before it read why
        let told = error.reason() == Some(Reason::ENHANCE_YOUR_CALM);
        assert!(told || error.is_io(), "{error}");
        let id = server.publish_sample(1);
        stream.expect(&id).await;
    });
}
