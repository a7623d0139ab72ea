//! Reading server-sent events: an incremental parser by the WHATWG rules, indifferent to how the bytes were cut.

/// The largest block that [`Parser::new`] takes: sixteen times the largest signal that a sigcast server sends.
pub const MAX_EVENT_BYTES: usize = 2 * 1024 * 1024;

/// One event, dispatched at its blank line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The `event:` field; `message` where there was none.
    pub name: String,
    /// The `data:` lines, joined by line feeds.
    pub data: String,
    /// The last event id as it stands with this event; empty where the stream never gave one.
    pub id: String,
}

/// What the parser makes of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A block with data.
    Event(Event),
    /// A line that begins with a colon, without the colon: pings are such.
    Comment(String),
    /// A `retry:` field: how many milliseconds to wait before a reconnect.
    Retry(u64),
}

/// A block outgrew the bound. The parser stays in this state: the connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sent an event larger than {limit} bytes")]
pub struct TooLarge {
    /// The bound, in bytes.
    pub limit: usize,
}

/// The state between two chunks of one connection. Make a new one for each connection.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    line: Vec<u8>,
    name: String,
    /// Each data line with a line feed after it.
    data: String,
    /// The id of the block being read; counts from its blank line on.
    id: String,
    last_event_id: String,
    at_first_line: bool,
    after_cr: bool,
    failed: bool,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Parser {
    /// A parser with the usual bound.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(MAX_EVENT_BYTES)
    }

    /// A parser that refuses blocks (and single lines) larger than `limit` bytes.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Parser {
            limit,
            line: Vec::new(),
            name: String::new(),
            data: String::new(),
            id: String::new(),
            last_event_id: String::new(),
            at_first_line: true,
            after_cr: false,
            failed: false,
        }
    }

    /// The same parser on a connection that resumes: events without an id carry this one.
    #[must_use]
    pub fn resumed_from(mut self, last_event_id: &str) -> Self {
        self.id = last_event_id.to_owned();
        self.last_event_id = last_event_id.to_owned();
        self
    }

    /// What to send as `Last-Event-ID`; empty where there is none. Moves at blank lines, also at those without data.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Whether the bytes so far end inside a block: at the end of a connection, that block is lost.
    #[must_use]
    pub fn is_mid_block(&self) -> bool {
        !self.line.is_empty() || !self.data.is_empty() || !self.name.is_empty()
    }

    /// Takes the next bytes and appends what they complete. On an error, `out` still holds all that came before it.
    pub fn feed(&mut self, mut chunk: &[u8], out: &mut Vec<Item>) -> Result<(), TooLarge> {
        if self.failed {
            return Err(TooLarge { limit: self.limit });
        }
        loop {
            if self.after_cr && !chunk.is_empty() {
                self.after_cr = false;
                chunk = chunk.strip_prefix(b"\n").unwrap_or(chunk);
            }
            let Some(end) = chunk.iter().position(|b| matches!(b, b'\n' | b'\r')) else {
                return self.push(chunk);
            };
            let (head, rest) = chunk.split_at(end);
            self.push(head)?;
            self.after_cr = rest.first() == Some(&b'\r');
            chunk = rest.get(1..).unwrap_or_default();
            self.end_line(out);
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        let size = self.line.len() + bytes.len() + self.data.len();
        if size > self.limit {
            self.failed = true;
            self.line = Vec::new();
            self.data = String::new();
            return Err(TooLarge { limit: self.limit });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, out: &mut Vec<Item>) {
        let whole = std::mem::take(&mut self.line);
        let mut bytes = whole.as_slice();
        if std::mem::take(&mut self.at_first_line) {
            bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        }
        // No line end is part of a longer UTF-8 sequence, so decoding line by line equals decoding the whole.
        let text = String::from_utf8_lossy(bytes);
        if text.is_empty() {
            self.dispatch(out);
        } else if let Some(comment) = text.strip_prefix(':') {
            out.push(Item::Comment(comment.to_owned()));
        } else {
            let (field, value) = text.split_once(':').unwrap_or((&text, ""));
            self.field(field, value.strip_prefix(' ').unwrap_or(value), out);
        }
        // The line's memory serves the next one.
        self.line = whole;
        self.line.clear();
    }

    fn field(&mut self, field: &str, value: &str, out: &mut Vec<Item>) {
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                out.extend(value.parse().ok().map(Item::Retry));
            }
            _ => {}
        }
    }

    fn dispatch(&mut self, out: &mut Vec<Item>) {
        self.id.clone_into(&mut self.last_event_id);
        let name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        if data.pop().is_none() {
            return;
        }
        out.push(Item::Event(Event {
            name: if name.is_empty() {
                "message".to_owned()
            } else {
                name
            },
            data,
            id: self.last_event_id.clone(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(bytes: &[u8]) -> Vec<Item> {
        let mut out = Vec::new();
        Parser::new().feed(bytes, &mut out).unwrap();
        out
    }

    fn event(name: &str, data: &str, id: &str) -> Item {
        Item::Event(Event {
            name: name.to_owned(),
            data: data.to_owned(),
            id: id.to_owned(),
        })
    }

    #[test]
    fn reads_the_frames_of_a_stream() {
        let bytes =
            b"event: hello\ndata: {\"seq\":3}\nretry: 2317\nid: e-3\n\n: ping\n\nevent: signal\ndata: {}\nid: e-4\n\n";
        let expected = [
            Item::Retry(2317),
            event("hello", "{\"seq\":3}", "e-3"),
            Item::Comment(" ping".to_owned()),
            event("signal", "{}", "e-4"),
        ];
        assert_eq!(parsed(bytes), expected);
    }

    #[test]
    fn follows_the_rules_for_lines_and_fields() {
        // every line end, two data lines, at most one space taken off
        assert_eq!(
            parsed(b"data: a\rdata:  b\r\ndata:c\n\r\n"),
            [event("message", "a\n b\nc", "")]
        );
        // a BOM at the start only
        assert_eq!(
            parsed(b"\xEF\xBB\xBFdata: a\n\n\xEF\xBB\xBFdata: b\n\n"),
            [event("message", "a", "")]
        );
        // a field without a colon, and an empty one
        assert_eq!(parsed(b"data\n\n"), [event("message", "", "")]);
        assert_eq!(
            parsed(b"event: x\n\ndata: y\n\n"),
            [event("message", "y", "")],
            "no data: no event, the name is gone"
        );
        // an id with NUL is ignored, an empty one takes the old one back
        assert_eq!(
            parsed(b"id: 1\n\nid: a\0b\ndata: x\n\nid\ndata: y\n\n"),
            [event("message", "x", "1"), event("message", "y", "")]
        );
        // retry takes digits only, and no number that cannot be held
        assert_eq!(
            parsed(b"retry: 1s\nretry: -1\nretry:\nretry: +5\nretry: 99999999999999999999999\nretry: 007\n"),
            [Item::Retry(7)]
        );
        // invalid UTF-8 becomes a mark, not an error
        assert_eq!(
            parsed(b"data: \xFF\xC3\n\n"),
            [event("message", "\u{FFFD}\u{FFFD}", "")]
        );
    }

    #[test]
    fn what_is_cut_off_is_not_dispatched_and_moves_nothing() {
        let mut parser = Parser::new();
        let mut out = Vec::new();
        parser
            .feed(b"data: 1\nid: a\n\ndata: 2\nid: b\n", &mut out)
            .unwrap();
        assert_eq!(out, [event("message", "1", "a")]);
        assert_eq!(parser.last_event_id(), "a");
        assert!(parser.is_mid_block());
    }

    #[test]
    fn a_block_too_large_is_an_error_that_stays() {
        let mut parser = Parser::with_limit(64);
        let mut out = Vec::new();
        let long = [b'x'; 65];
        assert_eq!(parser.feed(b"data: ok\n\n", &mut out), Ok(()));
        assert_eq!(parser.feed(&long, &mut out), Err(TooLarge { limit: 64 }));
        assert_eq!(
            parser.feed(b"\n\ndata: later\n\n", &mut out),
            Err(TooLarge { limit: 64 })
        );
        assert_eq!(out.len(), 1);

        let mut parser = Parser::with_limit(64);
        let many = "data: 0123456789\n".repeat(10);
        assert!(parser.feed(many.as_bytes(), &mut out).is_err());
    }

    /// Bytes that lean towards what means something to the parser.
    fn stream_like() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n\n".to_vec()),
            Just(b"data: ".to_vec()),
            Just(b"event:".to_vec()),
            Just(b"id: ".to_vec()),
            Just(b"retry: 12".to_vec()),
            Just(b": ping".to_vec()),
            Just(b"\xEF\xBB\xBF".to_vec()),
            Just(b"\0".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_changes_nothing(
            bytes in stream_like(),
            cuts in proptest::collection::vec(0usize..200, 0..20),
            limit in 8usize..200,
        ) {
            let mut whole = Vec::new();
            let whole_end = Parser::with_limit(limit).feed(&bytes, &mut whole);

            let mut parser = Parser::with_limit(limit);
            let mut pieces = Vec::new();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let end = cuts
                .windows(2)
                .try_for_each(|pair| parser.feed(&bytes[pair[0]..pair[1]], &mut pieces));

            prop_assert_eq!(&pieces, &whole);
            prop_assert_eq!(end, whole_end);

            let mut single = Vec::new();
            let mut parser = Parser::with_limit(limit);
            let end = bytes.iter().try_for_each(|&byte| parser.feed(&[byte], &mut single));
            prop_assert_eq!(single, whole);
            prop_assert_eq!(end, whole_end);
        }
    }
}
