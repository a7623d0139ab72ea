//! Following scripted servers: what is sent and told, and when it is given up.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;
use crate::cli::outcome::quiet_if_nobody_reads;

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n";
const HELLO: &str = "event: hello\ndata: {\"user_id\":\"u-1\",\"plan\":\"alpha\",\"resumed_from\":null}\nretry: 1\nid: e-1\n\n";

/// Collects, and stops (as a closed pipe does) when it has seen enough.
#[derive(Default)]
struct Collected {
    signals: Vec<String>,
    notes: Vec<String>,
    enough: usize,
}

impl Collected {
    fn until(enough: usize) -> Self {
        Collected {
            enough,
            ..Collected::default()
        }
    }

    fn noted(&self, part: &str) -> bool {
        self.notes.iter().any(|note| note.contains(part))
    }
}

impl Sink for Collected {
    async fn signal(&mut self, event: &Event) -> io::Result<()> {
        self.signals.push(event.data.clone());
        if self.signals.len() >= self.enough {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.notes.push(text.to_owned());
        Ok(())
    }
}

/// Answers one connection after another with the given bytes, closes each, and hands back the requests' heads.
async fn scripted(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = tokio::spawn(async move {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            heads.push(String::from_utf8(head).unwrap());
            let _ = socket.write_all(answer.as_bytes()).await;
            let _ = socket.shutdown().await;
        }
        heads
    });
    (url, requests)
}

fn args(url: &str) -> StreamArgs {
    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        stream: StreamArgs,
    }
    <Command as clap::Parser>::parse_from(["tail", "--url", url]).stream
}

fn hurried() -> Patience {
    Patience {
        connect: Duration::from_secs(5),
        silence: Duration::from_secs(5),
        retry: Duration::from_millis(1),
        shortest: Duration::from_millis(1),
        longest: Duration::from_millis(5),
        stable: Duration::from_secs(1),
    }
}

async fn follow(args: StreamArgs, sink: &mut Collected) -> anyhow::Result<()> {
    let target = Target::new(&args.url, "sig_live_secret").unwrap();
    let mut follower = Follower::new(target, &args, None, hurried());
    let following = follower.follow(sink);
    quiet_if_nobody_reads(
        timeout(Duration::from_secs(20), following)
            .await
            .expect("it ends"),
    )
}

fn refusal(status: &str, code: &str, head: &str, details: &str) -> String {
    let number = &status[..3];
    let body = format!(
        r#"{{"error":{{"code":"{code}","message":"because","status":{number}{details}}}}}"#
    );
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{head}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn signal(n: u32) -> String {
    format!("event: signal\ndata: {{\"id\":\"s{n}\"}}\nid: e-{n}\n\n")
}

#[tokio::test]
async fn a_cut_frame_is_asked_for_again_and_none_is_shown_twice() {
    let answers = vec![
        format!(
            "{STREAM}{HELLO}{}event: signal\ndata: {{\"id\":\"s3\"}}\nid: e-3\n",
            signal(2)
        ),
        format!("{STREAM}{HELLO}{}{}{}", signal(2), signal(3), signal(4)),
    ];
    let (url, requests) = scripted(answers).await;
    let mut sink = Collected::until(3);
    follow(args(&url), &mut sink).await.unwrap();

    assert_eq!(
        sink.signals,
        [r#"{"id":"s2"}"#, r#"{"id":"s3"}"#, r#"{"id":"s4"}"#]
    );
    assert!(sink.noted("in the middle of a frame"), "{:?}", sink.notes);
    assert!(
        sink.noted("user u-1, plan alpha, at e-1"),
        "{:?}",
        sink.notes
    );
    let heads = requests.await.unwrap();
    assert!(heads[0].starts_with("GET /api/signals/stream HTTP/1.1\r\n"));
    assert!(heads[0].contains("authorization: Bearer sig_live_secret\r\n"));
    assert!(!heads[0].contains("last-event-id"));
    assert!(heads[1].contains("last-event-id: e-2\r\n"), "{}", heads[1]);
}

#[tokio::test]
async fn a_held_seat_is_explained_and_tried_again() {
    let details = r#","details":{"connected_at":"2026-01-01T00:00:00.000Z","address":"192.0.2.7"}"#;
    let answers = vec![
        refusal(
            "429 Too Many Requests",
            "connection_limit",
            "retry-after: 0\r\n",
            details,
        ),
        format!("{STREAM}{HELLO}{}", signal(2)),
    ];
    let (url, _requests) = scripted(answers).await;
    let mut sink = Collected::until(1);
    follow(args(&url), &mut sink).await.unwrap();
    assert_eq!(sink.signals.len(), 1);
    assert!(sink.noted("from 192.0.2.7 since 2026"), "{:?}", sink.notes);
    assert!(sink.noted("--takeover"));
}

#[tokio::test]
async fn refusals_that_stay_end_it_with_advice() {
    for (status, code, advised) in [
        ("401 Unauthorized", "invalid_api_key", "keys create"),
        ("403 Forbidden", "subscription_expired", "set-expiry"),
        ("400 Bad Request", "invalid_parameter", "because"),
        ("404 Not Found", "not_found", "--url"),
    ] {
        let (url, _requests) = scripted(vec![refusal(status, code, "", "")]).await;
        let mut sink = Collected::until(1);
        let error = follow(args(&url), &mut sink).await.unwrap_err().to_string();
        assert!(error.contains(code) && error.contains(advised), "{error}");
        assert!(!error.contains("sig_live_secret"));
    }
    let moved = "HTTP/1.1 302 Found\r\nlocation: http://elsewhere\r\ncontent-length: 0\r\n\r\n";
    let (url, _requests) = scripted(vec![moved.to_owned()]).await;
    let error = follow(args(&url), &mut Collected::until(1))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("moved"), "{error}");
}

#[tokio::test]
async fn frames_about_the_stream_are_shown() {
    let gap = "event: gap\ndata: {\"from\":5,\"to\":9,\"reason\":\"pruned\",\"backfill\":\"/api/signals?after=e-4\"}\nid: e-9\n\n";
    let slow = "event: error\ndata: {\"code\":\"slow_consumer\",\"status\":429,\"message\":\"too slow\",\"retryable\":true}\n\n";
    let bye = "event: bye\ndata: {\"reason\":\"draining\"}\nretry: 2\n\n";
    let answers = vec![
        format!("{STREAM}{HELLO}{gap}{slow}"),
        format!("{STREAM}{bye}"),
        format!("{STREAM}{HELLO}{}", signal(10)),
    ];
    let (url, requests) = scripted(answers).await;
    let mut sink = Collected::until(1);
    follow(args(&url), &mut sink).await.unwrap();
    assert!(
        sink.noted("GAP: signals 5 to 9 cannot be had on this stream (pruned)"),
        "{:?}",
        sink.notes
    );
    assert!(sink.noted("slow_consumer: too slow") && sink.noted("bye: draining"));
    assert!(requests.await.unwrap()[2].contains("last-event-id: e-9\r\n"));
}

#[tokio::test]
async fn ends_that_stay_are_not_tried_again() {
    for (code, advised) in [
        ("key_revoked", "keys create"),
        ("subscription_expired", "set-expiry"),
        ("superseded", "--takeover"),
    ] {
        let frame = format!(
            "event: error\ndata: {{\"code\":\"{code}\",\"message\":\"m\",\"retryable\":false}}\n\n"
        );
        let (url, _requests) = scripted(vec![format!("{STREAM}{HELLO}{frame}")]).await;
        let error = follow(args(&url), &mut Collected::until(1))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(code) && error.contains(advised), "{error}");
    }
    let (url, _requests) = scripted(vec!["HTTP/1.1 204 No Content\r\n\r\n".to_owned()]).await;
    follow(args(&url), &mut Collected::until(1)).await.unwrap();
}

#[tokio::test]
async fn a_stream_without_ids_says_what_it_cannot_promise() {
    let plain =
        "event: hello\ndata: {\"user_id\":\"u\"}\n\nevent: signal\ndata: {\"id\":\"a\"}\n\n";
    let later = "event: signal\ndata: {\"id\":\"b\"}\n\n";
    let answers = vec![format!("{STREAM}{plain}"), format!("{STREAM}{later}")];
    let (url, requests) = scripted(answers).await;
    let mut args = args(&url);
    args.since = Some("2026-01-01T00:00:00Z".to_owned());
    args.takeover = true;
    args.min_rank = Some("A".to_owned());
    let mut sink = Collected::until(2);
    follow(args, &mut sink).await.unwrap();
    assert!(sink.noted("may have been missed"), "{:?}", sink.notes);
    let heads = requests.await.unwrap();
    assert!(heads[0].starts_with(
        "GET /api/signals/stream?min_rank=A&since=2026-01-01T00:00:00Z&takeover=true "
    ));
    assert!(!heads[1].contains("takeover"), "{}", heads[1]);
}

#[tokio::test]
async fn a_server_that_misbehaves_ends_in_a_message() {
    let html = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<p>".to_owned();
    let (url, _requests) = scripted(vec![html]).await;
    let error = follow(args(&url), &mut Collected::until(1))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no event stream"), "{error}");

    let huge = format!("{STREAM}data: {}", "x".repeat(3 * 1024 * 1024));
    let (url, _requests) = scripted(vec![huge]).await;
    let error = follow(args(&url), &mut Collected::until(1))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("larger than"), "{error}");

    let answers = vec![
        "garbage\r\n\r\n".to_owned(),
        String::new(),
        format!("{STREAM}{}", signal(1)),
    ];
    let (url, _requests) = scripted(answers).await;
    let mut sink = Collected::until(1);
    follow(args(&url), &mut sink).await.unwrap();
    assert_eq!(sink.signals.len(), 1);
}

#[tokio::test]
async fn silence_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut mute, _) = listener.accept().await.unwrap();
        mute.write_all(format!("{STREAM}{HELLO}").as_bytes())
            .await
            .unwrap();
        let (mut second, _) = listener.accept().await.unwrap();
        second
            .write_all(format!("{STREAM}{}", signal(2)).as_bytes())
            .await
            .unwrap();
        (mute, second)
    });
    let args = args(&url);
    let patience = Patience {
        silence: Duration::from_millis(50),
        ..hurried()
    };
    let target = Target::new(&url, "k").unwrap();
    let mut follower = Follower::new(target, &args, None, patience);
    let mut sink = Collected::until(1);
    let followed = timeout(Duration::from_secs(10), follower.follow(&mut sink)).await;
    assert!(followed.expect("in time").is_err());
    assert!(sink.noted("not a byte"), "{:?}", sink.notes);
    drop(server.await.unwrap());
}

#[test]
fn backoff_grows_from_the_servers_retry_and_is_bounded() {
    let patience = Patience::default();
    let at = |retry_ms, failures, chance| {
        backoff(Duration::from_millis(retry_ms), failures, &patience, chance).as_millis()
    };
    assert_eq!(at(2317, 0, 0.0), 2317);
    assert_eq!(at(1000, 3, 0.0), 8000);
    assert_eq!(at(1000, 0, 1.0), 1250);
    assert_eq!(at(0, 0, 0.0), 250);
    assert_eq!(at(u64::MAX, u32::MAX, 1.0), 75_000);
}

#[test]
fn the_memory_of_signals_is_bounded() {
    let mut seen = Seen::default();
    let event = |n: usize| Event {
        name: "signal".to_owned(),
        data: format!("{{\"id\":\"{n}\"}}"),
        id: String::new(),
    };
    assert!((0..REMEMBERED_SIGNALS + 10).all(|n| seen.is_new(&event(n))));
    assert!(!seen.is_new(&event(REMEMBERED_SIGNALS)));
    assert!(seen.is_new(&event(0)), "forgotten");
    assert_eq!(seen.order.len(), REMEMBERED_SIGNALS);
    assert_eq!(seen.ids.len(), REMEMBERED_SIGNALS);
}
