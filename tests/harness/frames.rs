//! A stream's frames, as their bytes say it.

use serde_json::Value;

/// One frame of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Empty for a comment.
    pub event: String,
    pub data: String,
    pub id: String,
    pub retry: Option<u64>,
    /// Without the colon.
    pub comment: String,
    /// All of it, as sent.
    pub raw: String,
}

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Frame(Frame),
    /// The last chunk, or the connection's end.
    End,
    /// Nothing in time.
    Silence,
}

impl Frame {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// Whole frames and whole comment lines: a chunk that cuts one fails the test.
pub fn frames_of(chunk: &str) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut frame = Frame::default();
    assert!(!chunk.contains('\r'), "a CR in {chunk:?}");
    for line in chunk.split_inclusive('\n') {
        let text = line
            .strip_suffix('\n')
            .unwrap_or_else(|| panic!("a cut line in {chunk:?}"));
        frame.raw.push_str(line);
        if text.is_empty() {
            frames.push(std::mem::take(&mut frame));
        } else if let Some(comment) = text.strip_prefix(':') {
            assert_eq!(frame.raw, line, "a comment inside a frame in {chunk:?}");
            comment.clone_into(&mut frame.comment);
            frames.push(std::mem::take(&mut frame));
        } else {
            let (field, value) = text.split_once(": ").unwrap_or((text, ""));
            match field {
                "event" => value.clone_into(&mut frame.event),
                "data" => value.clone_into(&mut frame.data),
                "id" => value.clone_into(&mut frame.id),
                "retry" => frame.retry = Some(value.parse().expect("digits in retry")),
                other => panic!("an unknown field {other} in {chunk:?}"),
            }
        }
    }
    assert!(frame.raw.is_empty(), "a cut frame in {chunk:?}");
    frames
}

/// Whether no frame is cut at the end: of pieces in which HTTP/2 brings one, the last has its empty line, or is a comment's.
pub fn is_whole(bytes: &[u8]) -> bool {
    let Some(lines) = bytes.strip_suffix(b"\n") else {
        return false;
    };
    let last = lines.rsplit(|byte| *byte == b'\n').next();
    last.is_some_and(|line| line.is_empty() || line.starts_with(b":"))
}
