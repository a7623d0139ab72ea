//! The bytes of one stream as they come, cut anywhere: the answer's head, its chunks, and of each frame only what is counted.
//!
//! It is made to be cheap, for tens of thousands of streams in one process, and is no client for anything else: lines end with a
//! line feed, `event:` stands before `data:`, and nothing of JSON is read but a word whose place is known.

use std::mem;

use memchr::{memchr, memmem};

/// How a frame says which one it is, and when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// By its `id:`, `<epoch>-<seq>`, as sigcast does; when it was sent is told by whoever published it.
    BySeq,
    /// Within its data: the first `@<decimal ns>@` is when it was sent, by the machine's monotonic clock, and the first `#<decimal>#` is
    /// its number; numbers follow each other without a gap. For frames of any server.
    InData,
}

/// A line longer than this is no line of a stream that anybody should read.
const LONGEST_LINE: usize = 1024 * 1024;
/// So much of a refusal's body is looked at.
const REFUSAL_BYTES: usize = 1024;
/// A code or a reason is no longer.
const LONGEST_CODE: usize = 64;

/// What an event is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// `signal`, `signal_update`, `signal_exit`; with [`Stamp::InData`], all.
    Signal,
    /// The first frame.
    Hello,
    /// A hole that is said.
    Gap,
    /// The end, with a code.
    Error,
    /// The end of a drain.
    Bye,
    /// Anything else.
    #[default]
    Other,
}

/// What is counted of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: Kind,
    /// The log's epoch, where there is one; 0 elsewhere.
    pub epoch: u32,
    /// Its seq, or its number.
    pub number: Option<u64>,
    /// When it was sent, where it says so: monotonic nanoseconds.
    pub sent_ns: Option<u64>,
    /// The code of an `error`, the reason of a `bye`; else empty.
    pub code: &'a str,
}

/// What the bytes say.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// The answer is 200: frames follow.
    Accepted,
    /// A frame is whole.
    Frame(Frame<'a>),
    /// Another answer, with the code of its body where it has one.
    Refused(u16, &'a str),
    /// The answer ended in due form.
    Ended,
}

/// The bytes are no answer of an HTTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No status line.
    #[error("no HTTP answer")]
    Head,
    /// A chunk without a size.
    #[error("a chunk without a size")]
    Chunk,
    /// A line without an end.
    #[error("a line of more than 1 MiB")]
    Line,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Head,
    /// Digits of a chunk's size.
    Size,
    /// The rest of that line.
    SizeEnd,
    Chunk,
    /// The line end after a chunk.
    ChunkEnd,
    /// Lines after the last chunk.
    Trailer,
    /// A body whose length was told.
    Counted,
    /// A body that ends with the connection.
    Endless,
    Over,
}

/// The state of one stream between two reads.
#[derive(Debug, Default)]
pub struct Parser {
    /// A line's beginning, where its end has not come; of a refusal, its body.
    carry: Vec<u8>,
    /// Bytes left of the chunk, or of the body.
    left: u64,
    draft: Draft,
    /// What the server wants a client to wait before it comes back; 0 where it has not said.
    retry_ms: u32,
    status: u16,
    stage: Stage,
    chunked: bool,
    counted: bool,
}

/// A frame under way.
#[derive(Debug, Default)]
struct Draft {
    number: Option<u64>,
    sent_ns: Option<u64>,
    code: Option<Box<str>>,
    epoch: u32,
    kind: Kind,
    begun: bool,
}

impl Parser {
    /// What the server wants a client to wait before it comes back, in milliseconds, if it said so.
    #[must_use]
    pub fn retry_ms(&self) -> Option<u32> {
        (self.retry_ms > 0).then_some(self.retry_ms)
    }

    /// Takes the next bytes, and says what they complete.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        stamp: Stamp,
        see: &mut impl FnMut(Seen<'_>),
    ) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            bytes = match self.stage {
                Stage::Head => self.head(bytes, see)?,
                Stage::Size => self.size(bytes)?,
                Stage::SizeEnd => self.size_end(bytes),
                Stage::Chunk | Stage::Counted => self.measured(bytes, stamp, see)?,
                Stage::ChunkEnd => self.chunk_end(bytes)?,
                Stage::Trailer => self.trailer(bytes, see)?,
                Stage::Endless => {
                    self.body(bytes, stamp, see)?;
                    &[]
                }
                Stage::Over => &[],
            };
        }
        Ok(())
    }

    /// The connection has ended. A body may end with it, and a refusal is one also where its body is cut.
    pub fn end(&mut self, see: &mut impl FnMut(Seen<'_>)) {
        let refused = self.status != 0 && self.status != 200 && self.stage != Stage::Head;
        if self.stage == Stage::Endless || (refused && self.stage != Stage::Over) {
            self.over(see);
        }
    }

    /// Hands the next line to `take`, without its end, once that has come.
    fn line<'b>(
        &mut self,
        bytes: &'b [u8],
        take: impl FnOnce(&mut Self, &[u8]) -> Result<(), Malformed>,
    ) -> Result<&'b [u8], Malformed> {
        let Some(at) = memchr(b'\n', bytes) else {
            if self.carry.len() + bytes.len() > LONGEST_LINE {
                return Err(Malformed::Line);
            }
            self.carry.extend_from_slice(bytes);
            return Ok(&[]);
        };
        let (line, rest) = (&bytes[..at], &bytes[at + 1..]);
        if self.carry.is_empty() {
            take(self, without_return(line))?;
        } else {
            let mut whole = mem::take(&mut self.carry);
            whole.extend_from_slice(line);
            take(self, without_return(&whole))?;
        }
        Ok(rest)
    }

    fn head<'b>(
        &mut self,
        bytes: &'b [u8],
        see: &mut impl FnMut(Seen<'_>),
    ) -> Result<&'b [u8], Malformed> {
        self.line(bytes, |this, line| {
            if this.status == 0 {
                this.status = status(line).ok_or(Malformed::Head)?;
            } else if line.is_empty() {
                this.head_ended(see);
            } else {
                this.field(line);
            }
            Ok(())
        })
    }

    fn field(&mut self, line: &[u8]) {
        let Some(colon) = memchr(b':', line) else {
            return;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = value.to_ascii_lowercase().ends_with(b"chunked");
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.left = decimal(value).unwrap_or(0);
            self.counted = true;
        }
    }

    fn head_ended(&mut self, see: &mut impl FnMut(Seen<'_>)) {
        if (100..200).contains(&self.status) {
            *self = Parser::default();
            return;
        }
        if self.status == 200 {
            see(Seen::Accepted);
        }
        let empty = self.status == 204 || self.status == 304;
        self.stage = if self.chunked && !empty {
            (self.left, self.counted) = (0, false);
            Stage::Size
        } else if empty || (self.counted && self.left == 0) {
            self.over(see);
            Stage::Over
        } else if self.counted {
            Stage::Counted
        } else {
            Stage::Endless
        };
    }

    fn size<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Malformed> {
        let digit = char::from(bytes[0]).to_digit(16);
        match digit {
            // a size of more than 15 digits is none; the bit says that a digit was there
            Some(digit) if self.left < 1 << 56 => {
                self.left = self.left << 4 | u64::from(digit);
                self.counted = true;
                Ok(&bytes[1..])
            }
            None if self.counted => {
                self.counted = false;
                self.stage = Stage::SizeEnd;
                Ok(bytes)
            }
            _ => Err(Malformed::Chunk),
        }
    }

    fn size_end<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(at) = memchr(b'\n', bytes) else {
            return &[];
        };
        self.stage = if self.left > 0 {
            Stage::Chunk
        } else {
            // what is left of a line belongs to a frame that was never whole; of a refusal it is the body
            if self.status == 200 {
                self.carry.clear();
            }
            Stage::Trailer
        };
        &bytes[at + 1..]
    }

    fn measured<'b>(
        &mut self,
        bytes: &'b [u8],
        stamp: Stamp,
        see: &mut impl FnMut(Seen<'_>),
    ) -> Result<&'b [u8], Malformed> {
        let here = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let (piece, rest) = bytes.split_at(here);
        self.body(piece, stamp, see)?;
        self.left -= here as u64;
        if self.left == 0 {
            match self.stage {
                Stage::Chunk => self.stage = Stage::ChunkEnd,
                _ => self.over(see),
            }
        }
        Ok(rest)
    }

    fn chunk_end<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], Malformed> {
        match bytes[0] {
            b'\r' => {}
            b'\n' => {
                // a size of its own begins
                (self.stage, self.counted) = (Stage::Size, false);
            }
            _ => return Err(Malformed::Chunk),
        }
        Ok(&bytes[1..])
    }

    fn trailer<'b>(
        &mut self,
        bytes: &'b [u8],
        see: &mut impl FnMut(Seen<'_>),
    ) -> Result<&'b [u8], Malformed> {
        if self.status != 200 {
            self.over(see);
            return Ok(&[]);
        }
        self.line(bytes, |this, line| {
            if line.is_empty() {
                this.over(see);
            }
            Ok(())
        })
    }

    /// The answer is over.
    fn over(&mut self, see: &mut impl FnMut(Seen<'_>)) {
        self.stage = Stage::Over;
        let body = mem::take(&mut self.carry);
        match self.status {
            200 => see(Seen::Ended),
            status => see(Seen::Refused(status, word_after(&body, b"\"code\":\""))),
        }
    }

    fn body(
        &mut self,
        mut bytes: &[u8],
        stamp: Stamp,
        see: &mut impl FnMut(Seen<'_>),
    ) -> Result<(), Malformed> {
        if self.status != 200 {
            let room = REFUSAL_BYTES.saturating_sub(self.carry.len());
            self.carry
                .extend_from_slice(&bytes[..room.min(bytes.len())]);
            return Ok(());
        }
        while !bytes.is_empty() {
            bytes = self.line(bytes, |this, line| {
                this.event_line(line, stamp, see);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn event_line(&mut self, line: &[u8], stamp: Stamp, see: &mut impl FnMut(Seen<'_>)) {
        let draft = &mut self.draft;
        match line {
            [] if draft.begun => {
                see(Seen::Frame(draft.frame()));
                *draft = Draft::default();
            }
            [b'd', b'a', b't', b'a', b':', data @ ..] => draft.data(data, stamp),
            [b'i', b'd', b':', id @ ..] => draft.id(id, stamp),
            [b'e', b'v', b'e', b'n', b't', b':', name @ ..] => {
                draft.begun = true;
                draft.kind = kind(name.trim_ascii());
            }
            [b'r', b'e', b't', b'r', b'y', b':', ms @ ..] => {
                let ms = decimal(ms.trim_ascii()).and_then(|ms| u32::try_from(ms).ok());
                self.retry_ms = ms.unwrap_or(self.retry_ms);
            }
            _ => {}
        }
    }
}

impl Draft {
    fn data(&mut self, data: &[u8], stamp: Stamp) {
        self.begun = true;
        if stamp == Stamp::InData {
            self.sent_ns = self.sent_ns.or_else(|| between(data, b'@'));
            self.number = self.number.or_else(|| between(data, b'#'));
            if self.number.is_some() {
                self.kind = Kind::Signal;
            }
        } else if let Kind::Error | Kind::Bye = self.kind {
            let mark: &[u8] = match self.kind {
                Kind::Error => b"\"code\":\"",
                _ => b"\"reason\":\"",
            };
            self.code = Some(word_after(data, mark).into());
        }
    }

    fn id(&mut self, id: &[u8], stamp: Stamp) {
        self.begun = true;
        let id = id.trim_ascii();
        if stamp == Stamp::InData {
            return;
        }
        let Some(dash) = memchr::memrchr(b'-', id) else {
            return;
        };
        let epoch = std::str::from_utf8(&id[..dash]).ok();
        let epoch = epoch.and_then(|epoch| u32::from_str_radix(epoch, 16).ok());
        if let (Some(epoch), Some(seq)) = (epoch, decimal(&id[dash + 1..])) {
            (self.epoch, self.number) = (epoch, Some(seq));
        }
    }

    fn frame(&self) -> Frame<'_> {
        Frame {
            kind: self.kind,
            epoch: self.epoch,
            number: self.number,
            sent_ns: self.sent_ns,
            code: self.code.as_deref().unwrap_or_default(),
        }
    }
}

fn kind(name: &[u8]) -> Kind {
    match name {
        b"signal" | b"signal_update" | b"signal_exit" => Kind::Signal,
        b"hello" => Kind::Hello,
        b"gap" => Kind::Gap,
        b"error" => Kind::Error,
        b"bye" => Kind::Bye,
        _ => Kind::Other,
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let digits = rest.get(2..5)?;
    decimal(digits).and_then(|status| u16::try_from(status).ok())
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The first number that stands between two of these marks.
fn between(data: &[u8], mark: u8) -> Option<u64> {
    let mut rest = data;
    loop {
        rest = &rest[memchr(mark, rest)? + 1..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if rest.get(digits) == Some(&mark)
            && let Some(number) = decimal(&rest[..digits])
        {
            return Some(number);
        }
    }
}

/// The word that follows a text up to the next quote, as far as it is plain.
fn word_after<'a>(text: &'a [u8], before: &[u8]) -> &'a str {
    let Some(at) = memmem::find(text, before) else {
        return "";
    };
    let rest = &text[at + before.len()..];
    let length = rest
        .iter()
        .take(LONGEST_CODE)
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    // proof: ASCII letters are UTF-8
    std::str::from_utf8(&rest[..length]).unwrap_or_default()
}
