//! Frames come out the same however their bytes were cut, by the network or into chunks; what is no answer is said to be none.

use proptest::prelude::*;

use super::frames::{Frame, Kind, Malformed, Parser, Seen, Stamp};

/// What was seen, on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Accepted,
    Frame(Kind, u32, Option<u64>, Option<u64>, String),
    Refused(u16, String),
    Ended,
}

impl From<Seen<'_>> for Told {
    fn from(seen: Seen<'_>) -> Self {
        match seen {
            Seen::Accepted => Told::Accepted,
            Seen::Frame(Frame {
                kind,
                epoch,
                number,
                sent_ns,
                code,
            }) => Told::Frame(kind, epoch, number, sent_ns, code.to_owned()),
            Seen::Refused(status, code) => Told::Refused(status, code.to_owned()),
            Seen::Ended => Told::Ended,
        }
    }
}

/// Fed in pieces of these lengths, again and again.
fn read(bytes: &[u8], lengths: &[usize], stamp: Stamp) -> Result<Vec<Told>, Malformed> {
    let (mut parser, mut told) = (Parser::default(), Vec::new());
    let mut lengths = lengths.iter().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = lengths.next().copied().unwrap_or(usize::MAX);
        let (piece, further) = rest.split_at(length.clamp(1, rest.len()));
        parser.feed(piece, stamp, &mut |seen| told.push(seen.into()))?;
        rest = further;
    }
    parser.end(&mut |seen| told.push(seen.into()));
    Ok(told)
}

fn frame(kind: Kind, epoch: u32, seq: Option<u64>, code: &str) -> Told {
    Told::Frame(kind, epoch, seq, None, code.to_owned())
}

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A body in chunks of these lengths, with the last one.
fn chunked(body: &str, lengths: &[usize]) -> Vec<u8> {
    let mut bytes = CHUNKED.as_bytes().to_vec();
    let mut lengths = lengths.iter().cycle();
    let mut rest = body.as_bytes();
    while !rest.is_empty() {
        let length = lengths.next().copied().unwrap_or(usize::MAX);
        let (piece, further) = rest.split_at(length.clamp(1, rest.len()));
        bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
        bytes.extend(piece);
        bytes.extend(b"\r\n");
        rest = further;
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

const BODY: &str = "event: hello\ndata: {\"user_id\":\"x\",\"seq\":7}\nretry: 2317\nid: 1f3c9a2e-7\n\n\
: ping\n\
event: signal\ndata: {\"seq\":8,\"note\":\"id: 1-2 \\n\"}\nid: 1f3c9a2e-8\n\n\
event: signal_update\ndata: {\"seq\":9}\nid: 1f3c9a2e-9\n\n\
: probe\n\
event: heartbeat\ndata: {\"seq\":9}\nid: 1f3c9a2e-9\n\n\
event: gap\ndata: {\"from\":10,\"to\":11,\"reason\":\"pruned\"}\nid: 1f3c9a2e-11\n\n\
event: error\ndata: {\"code\":\"slow_consumer\",\"status\":429}\n\n";

fn body_seen() -> Vec<Told> {
    let epoch = 0x1f3c_9a2e;
    vec![
        Told::Accepted,
        frame(Kind::Hello, epoch, Some(7), ""),
        frame(Kind::Signal, epoch, Some(8), ""),
        frame(Kind::Signal, epoch, Some(9), ""),
        frame(Kind::Other, epoch, Some(9), ""),
        frame(Kind::Gap, epoch, Some(11), ""),
        frame(Kind::Error, 0, None, "slow_consumer"),
        Told::Ended,
    ]
}

#[test]
fn a_stream_is_read_by_its_ids() {
    let bytes = chunked(BODY, &[]);
    assert_eq!(read(&bytes, &[], Stamp::BySeq).unwrap(), body_seen());
    let mut parser = Parser::default();
    assert_eq!(parser.retry_ms(), None);
    parser.feed(&bytes, Stamp::BySeq, &mut |_| ()).unwrap();
    assert_eq!(parser.retry_ms(), Some(2317));
}

#[test]
fn a_stream_of_any_server_is_read_by_its_marks() {
    // fields in another order, line ends of two bytes, no event name; marks anywhere, and what only looks like one
    let body = "id: 3\r\nevent: message\r\ndata: {\"to\":\"a@b\",\"at\":\"@x@12345@\",\"n\":\"#41#\"}\r\n\r\n\
data: #42# and @12399@ and #43#\n\n\
data: nothing of ours\n\n";
    let marked =
        |number, sent| Told::Frame(Kind::Signal, 0, Some(number), Some(sent), String::new());
    let frames = [
        Told::Accepted,
        marked(41, 12_345),
        marked(42, 12_399),
        frame(Kind::Other, 0, None, ""),
        Told::Ended,
    ];
    let told = read(&chunked(body, &[13]), &[5], Stamp::InData).unwrap();
    assert_eq!(told, frames);
    // a body that ends with its connection, and one of told length
    let endless = format!("HTTP/1.0 200 OK\r\n\r\n{body}");
    assert_eq!(
        read(endless.as_bytes(), &[7], Stamp::InData).unwrap(),
        frames
    );
    let length = body.len();
    let counted = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}too much");
    assert_eq!(
        read(counted.as_bytes(), &[7], Stamp::InData).unwrap(),
        frames
    );
}

#[test]
fn a_refusal_has_a_status_and_a_code() {
    let body = "{\"error\":{\"code\":\"connection_limit\",\"message\":\"…\",\"status\":429}}";
    let length = body.len();
    let whole = format!("HTTP/1.1 429 Too Many Requests\r\ncontent-length: {length}\r\n\r\n{body}");
    let refused = |status, code: &str| vec![Told::Refused(status, code.to_owned())];
    for lengths in [&[][..], &[1], &[30]] {
        let told = read(whole.as_bytes(), lengths, Stamp::BySeq).unwrap();
        assert_eq!(told, refused(429, "connection_limit"));
    }
    let cut = &whole.as_bytes()[..whole.len() - 20];
    assert_eq!(
        read(cut, &[], Stamp::BySeq).unwrap(),
        refused(429, "connection_limit"),
        "as far as it came"
    );
    let chunked = format!(
        "HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
    );
    assert_eq!(
        read(chunked.as_bytes(), &[9], Stamp::BySeq).unwrap(),
        refused(503, "connection_limit")
    );
    for empty in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ] {
        assert_eq!(
            read(empty.as_bytes(), &[], Stamp::BySeq).unwrap(),
            refused(204, "")
        );
    }
}

#[test]
fn a_stream_that_is_cut_has_not_ended() {
    let bytes = chunked(BODY, &[]);
    for cut in [0, 5, CHUNKED.len(), CHUNKED.len() + 40, bytes.len() - 1] {
        let told = read(&bytes[..cut], &[], Stamp::BySeq).unwrap();
        assert!(!told.contains(&Told::Ended), "{cut}: {told:?}");
    }
    // the beginning of a frame is none
    let told = read(&bytes[..CHUNKED.len() + 70], &[], Stamp::BySeq).unwrap();
    assert_eq!(told, [Told::Accepted]);
}

#[test]
fn what_is_no_answer_is_said_to_be_none() {
    let malformed = |text: &str| read(text.as_bytes(), &[], Stamp::BySeq).unwrap_err();
    assert_eq!(malformed("SSH-2.0-x\r\n"), Malformed::Head);
    assert_eq!(malformed("HTTP/1.1 abc\r\n"), Malformed::Head);
    assert_eq!(malformed(&format!("{CHUNKED}x\r\n")), Malformed::Chunk);
    assert_eq!(malformed(&format!("{CHUNKED}\r\n")), Malformed::Chunk);
    assert_eq!(malformed(&format!("{CHUNKED}1\r\nab")), Malformed::Chunk);
    let digits = "f".repeat(20);
    assert_eq!(
        malformed(&format!("{CHUNKED}{digits}\r\n")),
        Malformed::Chunk
    );
    let long = "x".repeat(3 * 1024 * 1024);
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{long}");
    assert_eq!(
        read(endless.as_bytes(), &[65_536], Stamp::BySeq),
        Err(Malformed::Line)
    );
}

proptest! {
    #[test]
    fn no_cut_changes_a_frame(
        cuts in prop::collection::vec(1_usize..60, 1..8),
        chunks in prop::collection::vec(1_usize..300, 1..8),
    ) {
        let bytes = chunked(BODY, &chunks);
        prop_assert_eq!(read(&bytes, &cuts, Stamp::BySeq).unwrap(), body_seen());
    }

    #[test]
    fn no_bytes_bring_it_down(
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"\r\n:0f@# dataidevent".to_vec())], 0..300),
        begun in any::<bool>(),
        cuts in prop::collection::vec(1_usize..40, 1..4),
    ) {
        let mut all = if begun { CHUNKED.as_bytes().to_vec() } else { Vec::new() };
        all.extend(bytes);
        for stamp in [Stamp::BySeq, Stamp::InData] {
            prop_assert_eq!(read(&all, &cuts, stamp), read(&all, &[], stamp));
        }
    }
}
