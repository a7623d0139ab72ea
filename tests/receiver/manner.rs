//! How a path answers, for better or worse.

use std::time::Duration;

/// How a path answers.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The status.
    pub status: u16,
    /// So long after the request.
    pub delay: Duration,
    /// Fields of the head, such as `("retry-after", "2")`.
    pub fields: Vec<(&'static str, String)>,
    /// What follows the head, or comes in its place.
    pub answer: Answer,
}

/// What an answer is made of.
#[derive(Clone, Debug)]
pub enum Answer {
    /// This text.
    Text(String),
    /// So many bytes, one at a time and so far apart.
    Slow(usize, Duration),
    /// So many bytes, as fast as they are taken.
    Huge(usize),
    /// The connection is reset before anything is said.
    ResetBeforeHead,
    /// It is reset when the head is out, which promises a body.
    ResetAfterHead,
    /// None, until the other side has had enough.
    Never,
}

impl Manner {
    /// Takes it.
    pub fn fine() -> Self {
        Self::status(204)
    }

    /// Answers with this status and no more.
    pub fn status(status: u16) -> Self {
        Manner {
            status,
            delay: Duration::ZERO,
            fields: Vec::new(),
            answer: Answer::Text(String::new()),
        }
    }

    /// Takes it, in its way.
    pub fn answering(answer: Answer) -> Self {
        let status = Self::status(200);
        Manner { answer, ..status }
    }

    /// Wants it elsewhere.
    pub fn redirect(to: &str) -> Self {
        Self::status(302).with("location", to)
    }

    /// Wants it later.
    pub fn busy(retry_after: &str) -> Self {
        Self::status(503).with("retry-after", retry_after)
    }

    /// The same, later.
    pub fn after(self, delay: Duration) -> Self {
        Manner { delay, ..self }
    }

    /// The same, with a field more.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.to_owned()));
        self
    }

    /// The same, with these words.
    pub fn saying(self, text: &str) -> Self {
        let answer = Answer::Text(text.to_owned());
        Manner { answer, ..self }
    }
}
