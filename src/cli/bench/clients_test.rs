//! Clients against scripted servers: what is counted, what is refused, and how they come back.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use super::clients::{Clients, Findings, Options, Sent, Stamp, Target, monotonic_ns};

const PATIENCE: Duration = Duration::from_secs(20);
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

/// Answers each connection with what the script says of its number; gives the requests as they come.
fn server(
    script: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static,
) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (to, requests) = channel();
    let script = std::sync::Arc::new(script);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (mut stream, to, script) = (stream.unwrap(), to.clone(), script.clone());
            thread::spawn(move || {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).unwrap_or(0) == 0 {
                        return;
                    }
                    request.push(byte[0]);
                }
                let _ = to.send(String::from_utf8(request).unwrap());
                script(number, &mut stream);
            });
        }
    });
    (address, requests)
}

fn targets(address: SocketAddr, count: usize) -> Vec<Target> {
    let target = Target {
        address,
        host: address.to_string(),
        path: "/stream".to_owned(),
        headers: vec![("Authorization".to_owned(), "Bearer x".to_owned())],
        tls: None,
    };
    vec![target; count]
}

fn hello(seq: u64) -> String {
    format!("event: hello\ndata: {{}}\nretry: 20\nid: 0000000a-{seq}\n\n")
}

fn signal(seq: u64) -> String {
    format!("event: signal\ndata: {{\"seq\":{seq}}}\nid: 0000000a-{seq}\n\n")
}

/// Until the client has gone.
fn hold(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0]);
}

fn reasons(found: &std::collections::BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    found
        .iter()
        .map(|(reason, count)| (reason.as_str(), *count))
        .collect()
}

#[test]
fn what_comes_is_counted_and_what_does_not_is_missing() {
    let (address, _requests) = server(|number, stream| {
        let mut text = format!("{HEAD}{}{}", hello(4), signal(5));
        // one of them is cut off before the last
        if number > 0 {
            text += &signal(6);
        }
        let _ = stream.write_all(text.as_bytes());
        if number > 0 {
            hold(stream);
        }
    });
    for threads in [1, 3] {
        let options = Options {
            threads,
            ..Options::default()
        };
        let mut clients = Clients::start(&options).unwrap();
        let before = monotonic_ns();
        clients.connect(targets(address, 5)).unwrap();
        assert!(clients.wait_connected(5, PATIENCE, |_| ()));
        let all = if threads == 1 { 9 } else { 10 };
        assert!(clients.wait_delivered(all, PATIENCE));
        let sent = |number| Sent {
            number,
            from_ns: before,
            answered_ns: before + 1,
        };
        clients.tell(&[sent(5), sent(6)]).unwrap();
        if threads == 1 {
            while clients.standing().open > 4 {
                thread::yield_now();
            }
        }
        let found = clients.collect(Some((5, 6))).unwrap();
        assert_eq!((found.opened, found.arrivals.deliveries), (5, all));
        assert_eq!(
            (found.arrivals.missing, found.arrivals.duplicated),
            (10 - all, 0)
        );
        assert_eq!(found.arrivals.latency.count(), all);
        assert_eq!(
            found.arrivals.to_last(5).count(),
            all - 8,
            "6 may have reached but four"
        );
        assert_eq!(found.opening.count(), 5);
        if threads == 1 {
            assert_eq!(reasons(&found.ended), [("the answer ended", 1)]);
            assert_eq!(found.open, 4);
        }
        let again = clients.collect(Some((5, 6))).unwrap();
        let counts = (again.arrivals.deliveries, again.arrivals.missing);
        assert_eq!(counts, (0, 0), "counted once");
    }
}

#[test]
fn frames_of_any_server_say_when_they_were_sent() {
    let (address, _requests) = server(|_, stream| {
        let now = monotonic_ns();
        let text = format!("{HEAD}data: #1# @{now}@\n\nid: 7\ndata: #2# @{now}@\n\ndata: x\n\n");
        let _ = stream.write_all(text.as_bytes());
        hold(stream);
    });
    let options = Options {
        stamp: Stamp::InData,
        ..Options::default()
    };
    let mut clients = Clients::start(&options).unwrap();
    clients.connect(targets(address, 2)).unwrap();
    assert!(clients.wait_connected(2, PATIENCE, |_| ()));
    assert!(clients.wait_delivered(4, PATIENCE));
    let found = clients.collect(Some((1, 3))).unwrap();
    assert_eq!(found.arrivals.latency.count(), 4);
    assert!(found.arrivals.latency.max().unwrap() > 0);
    assert_eq!(found.arrivals.to_last(2).count(), 2);
    assert_eq!(found.arrivals.missing, 2, "the third, for both");
}

#[test]
fn refusals_are_counted_by_what_they_say() {
    let (address, _requests) = server(|number, stream| {
        let body = "{\"error\":{\"code\":\"invalid_api_key\"}}";
        let length = body.len();
        let text = match number {
            0 | 1 => format!("HTTP/1.1 401 No\r\ncontent-length: {length}\r\n\r\n{body}"),
            2 => format!("{HEAD}retry: 5\nevent: bye\ndata: {{\"reason\":\"overloaded\"}}\n\n"),
            3 => "SMTP\r\n".to_owned(),
            _ => String::new(),
        };
        let _ = stream.write_all(text.as_bytes());
        if number == 4 {
            hold(stream);
        }
    });
    let options = Options {
        in_flight: 1,
        within: Duration::from_millis(500),
        reconnect: true,
        ..Options::default()
    };
    let mut clients = Clients::start(&options).unwrap();
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    clients.connect(targets(address, 6)).unwrap();
    clients.connect(targets(closed, 1)).unwrap();
    assert!(clients.wait_connected(7, PATIENCE, |_| ()));
    let found = clients.collect(Some((1, 5))).unwrap();
    assert_eq!(
        reasons(&found.refused),
        [
            ("401 invalid_api_key", 2),
            ("bye overloaded", 1),
            ("connection refused", 1),
            ("no HTTP answer", 1),
            ("no answer in time", 1),
            ("the connection ended", 1),
        ]
    );
    assert_eq!(
        (found.opened, found.open, found.arrivals.missing),
        (0, 0, 0)
    );
}

#[test]
fn a_stream_comes_back_where_it_stood() {
    let (address, requests) = server(|number, stream| {
        let text = match number {
            0 => format!("{HEAD}{}{}", hello(4), signal(5)),
            1 => "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".to_owned(),
            2 => format!("{HEAD}{}{}{}", hello(5), signal(6), signal(7)),
            _ => format!("{HEAD}event: error\ndata: {{\"code\":\"key_revoked\"}}\n\n"),
        };
        let _ = stream.write_all(text.as_bytes());
    });
    let options = Options {
        reconnect: true,
        ..Options::default()
    };
    let mut clients = Clients::start(&options).unwrap();
    clients.connect(targets(address, 1)).unwrap();
    let asked: Vec<String> = (0..4)
        .map(|_| requests.recv_timeout(PATIENCE).unwrap())
        .collect();
    let after = |id: &str| format!("Last-Event-ID: {id}\r\n");
    assert!(!asked[0].contains("Last-Event-ID"));
    assert!(asked[1].contains(&after("0000000a-5")) && asked[2].contains(&after("0000000a-5")));
    assert!(asked[3].contains(&after("0000000a-7")));
    let mut all = Findings::default();
    while !all.refused.contains_key("error key_revoked") {
        all.add(&clients.collect(None).unwrap());
    }
    assert_eq!((all.opened, all.reconnected), (1, 1));
    assert_eq!((all.arrivals.deliveries, all.arrivals.missing), (3, 0));
    assert!(
        requests.try_recv().is_err(),
        "a key that is revoked is not tried again"
    );
}

#[test]
fn connects_keep_to_their_rate_and_a_bad_header_goes_nowhere() {
    let (address, _requests) = server(|_, stream| {
        let _ = stream.write_all(format!("{HEAD}{}", hello(0)).as_bytes());
        hold(stream);
    });
    let options = Options {
        connect_rate: Some(100.0),
        ..Options::default()
    };
    let mut clients = Clients::start(&options).unwrap();
    clients.connect(targets(address, 31)).unwrap();
    assert!(clients.wait_connected(31, PATIENCE, |_| ()));
    let found = clients.collect(None).unwrap();
    let took = found.last_open_ns - found.first_connect_ns;
    assert!(
        took >= 180_000_000,
        "30 gaps of 10 ms, 10 of which may be made up for: {took}"
    );
    let mut bad = targets(address, 1);
    bad[0].headers[0].1.push('\r');
    assert!(clients.connect(bad).is_err());
}
