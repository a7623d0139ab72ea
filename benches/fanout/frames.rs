//! What is sent: one signal of a realistic size, as long from every server to the byte.

/// Bytes of a frame, `event:`, `data:` and `id:` together, without the chunk around it.
pub const FRAME_BYTES: usize = 1_100;
/// The epoch of made ids; sigcast draws its own, as long.
pub const EPOCH: &str = "1f3c9a2e";
/// As long as what sigcast puts in front of a body; others are sent it ready.
const PUBLISHED_AT: &str = "2026-04-24T09:32:14.117Z";

/// A signal: numbered from 1 within a session, and with the time of its sending by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Without a gap.
    pub number: u64,
    /// In nanoseconds.
    pub sent_ns: u64,
}

impl Event {
    /// The body as sigcast takes it: JSON without `seq` and `published_at`.
    pub fn body(self) -> String {
        let Event { number, sent_ns } = self;
        let mut body = format!(
            "{{\"id\":\"00000000-0000-4000-8000-{number:012x}\",\"mark\":\"#{number}#@{sent_ns}@\",\"signal_type\":\"consensus_buy\",\
             \"rank\":\"A\",\"rank_score\":82.5,\"market\":\"crypto\",\"token\":{{\"symbol\":\"BENCH\"}},\"note\":\""
        );
        let end = "\"}";
        let frame = self.frame(&self.data_of(&body)).len() + end.len();
        let room = FRAME_BYTES.saturating_sub(frame);
        body.extend(std::iter::repeat_n('x', room));
        body.push_str(end);
        body
    }

    /// The signal as subscribers read it.
    pub fn data(self) -> String {
        self.data_of(&self.body())
    }

    fn data_of(self, body: &str) -> String {
        let (number, rest) = (self.number, &body[1..]);
        format!("{{\"seq\":{number},\"published_at\":\"{PUBLISHED_AT}\",{rest}")
    }

    fn frame(self, data: &str) -> String {
        let number = self.number;
        format!("event: signal\ndata: {data}\nid: {EPOCH}-{number}\n\n")
    }

    /// The whole frame in its chunk, as a bare server sends it.
    pub fn chunk(self) -> Vec<u8> {
        chunk(&self.frame(&self.data()))
    }
}

fn chunk(frame: &str) -> Vec<u8> {
    format!("{:x}\r\n{frame}\r\n", frame.len()).into_bytes()
}

/// A bare server's head and first frame, as long as sigcast's.
pub fn greeting() -> Vec<u8> {
    let nobody = "00000000-0000-4000-8000-000000000000";
    let hello = format!(
        "event: hello\ndata: {{\"user_id\":\"{nobody}\",\"key_id\":\"{nobody}\",\"plan\":\"bench\",\"epoch\":\"{EPOCH}\",\"seq\":0,\
         \"resumed_from\":null,\"ping_seconds\":25,\"server_time\":\"{PUBLISHED_AT}\"}}\nretry: 2000\nid: {EPOCH}-0\n\n"
    );
    let mut bytes =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
        transfer-encoding: chunked\r\n\r\n"
            .to_vec();
    bytes.extend(chunk(&hello));
    bytes
}
