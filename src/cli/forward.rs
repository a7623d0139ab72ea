//! Forwarding: each signal to one URL, signed as the server's webhooks are, tried again, and told.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    str::FromStr,
    time::Duration,
};

use bytes::Bytes;
use hyper::header::HeaderValue;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    follow::Sink,
    outcome::{Outcome, complain, say},
    signal_line::{printable, printable_sentence},
    sse::Event,
};
use crate::{
    gate::endpoint::Compat,
    model::time::Clock,
    webhook::{
        attempt::{Failure, Line, Message, Outcome as Attempted},
        headers::{Label, Secrets, headers},
        sign::SIGNAL_FIRED,
    },
};

/// Waits that may be asked for.
const MOST_WAITS: usize = 20;
/// No wait is longer, in seconds.
const LONGEST_WAIT: f64 = 86_400.0;
/// Signals that were passed over are named at the end, so many of them.
const MOST_NAMED: usize = 20;

/// How long to wait between the tries of one signal; there is one try more than waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waits(Vec<Duration>);

impl FromStr for Waits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Waits(Vec::new()));
        }
        let waits: Option<Vec<Duration>> = text
            .split(',')
            .map(|one| {
                let seconds: f64 = one.trim().parse().ok()?;
                let fits = (0.0..=LONGEST_WAIT).contains(&seconds);
                fits.then(|| Duration::from_secs_f64(seconds))
            })
            .collect();
        waits
            .filter(|waits| waits.len() <= MOST_WAITS)
            .map(Waits)
            .ok_or_else(|| {
                format!("up to {MOST_WAITS} numbers of seconds such as 1,5 are needed, or none")
            })
    }
}

/// Forwards signals, one at a time.
pub(super) struct Forwarder {
    pub(super) line: Line,
    pub(super) secrets: Secrets,
    pub(super) compat: Option<Compat>,
    pub(super) waits: Waits,
    pub(super) clock: Clock,
    /// Whether attempts are told as objects.
    pub(super) json: bool,
    pub(super) tally: Tally,
}

/// What became of the signals.
#[derive(Debug, Default)]
pub(super) struct Tally {
    acknowledged: u64,
    passed_over: u64,
    attempts: u64,
    /// Holes that the stream named: their signals never came.
    gaps: u64,
    /// Ids of those that were passed over, as many as are named.
    named: Vec<String>,
    /// Of the signal that is being sent.
    under_way: Option<String>,
}

/// What became of one attempt.
enum Then {
    Acknowledged,
    Again(Duration),
    PassedOver,
}

/// What is looked at of a signal.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Named {
    id: Option<String>,
    seq: Option<i64>,
    signal_type: Option<String>,
}

/// What is sent of a signal.
struct Subject {
    id: String,
    kind: String,
    seq: Option<i64>,
    /// The very bytes of the stream's `data`.
    body: Bytes,
}

/// An attempt, to be told.
struct Told<'a> {
    subject: &'a Subject,
    number: usize,
    outcome: &'a Attempted,
    took: Duration,
    then: &'a Then,
}

impl Sink for Forwarder {
    async fn signal(&mut self, event: &Event) -> io::Result<()> {
        let named: Named = serde_json::from_str(&event.data).unwrap_or_default();
        let subject = Subject {
            id: named.id.unwrap_or_default(),
            kind: named.signal_type.unwrap_or_else(|| event.name.clone()),
            seq: named.seq,
            body: event.data.clone().into(),
        };
        if subject.id.is_empty() || HeaderValue::from_str(&subject.id).is_err() {
            self.leave_out(event);
            return Ok(());
        }
        self.tally.under_way = Some(subject.id.clone());
        if self.deliver(&subject).await {
            self.tally.acknowledged += 1;
        } else {
            self.tally.pass_over(&subject.id);
        }
        self.tally.under_way = None;
        Ok(())
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(io::stderr().lock(), "{text}")
    }

    fn gap(&mut self) {
        self.tally.gaps += 1;
    }
}

impl Forwarder {
    /// Whether it was acknowledged in the end.
    async fn deliver(&mut self, subject: &Subject) -> bool {
        for number in 1.. {
            let message = self.message(subject);
            let began = Instant::now();
            let outcome = self.line.attempt(&message).await;
            let took = began.elapsed();
            self.tally.attempts += 1;
            let then = self.then(number, &outcome);
            let told = Told {
                subject,
                number,
                outcome: &outcome,
                took,
                then: &then,
            };
            // forwarding is the work: it goes on, whoever reads of it
            if self.json {
                say(told.object());
            } else {
                say(told.line());
            }
            match then {
                Then::Acknowledged => return true,
                Then::PassedOver => return false,
                Then::Again(wait) => sleep(wait).await,
            }
        }
        false
    }

    /// Signed now, as the server would.
    fn message(&self, subject: &Subject) -> Message {
        let label = Label {
            id: &subject.id,
            seq: subject.seq,
            event: SIGNAL_FIRED,
            at: self.clock.now(),
        };
        Message {
            headers: headers(&self.secrets, self.compat, label, &subject.body),
            body: subject.body.clone(),
            at: label.at,
        }
    }

    fn then(&self, number: usize, outcome: &Attempted) -> Then {
        match outcome.failure {
            None => Then::Acknowledged,
            // it says that it never will: the server disables such an endpoint
            Some(Failure::Gone) => Then::PassedOver,
            Some(_) => self
                .waits
                .0
                .get(number - 1)
                .map_or(Then::PassedOver, |wait| {
                    Then::Again(outcome.retry_after.map_or(*wait, |asked| asked.max(*wait)))
                }),
        }
    }

    /// A signal without an id that a header can hold, as another server's may be, is not sent: receivers drop by it what comes twice.
    fn leave_out(&mut self, event: &Event) {
        let text = printable(&event.data);
        complain(format!(
            "a signal without a proper id was passed over: {text}"
        ));
        self.tally.pass_over(&event.id);
    }

    /// Tells what became of all. `cursor`: where the stream stands, to go on from.
    pub(super) fn conclude(&self, cursor: Option<&str>) {
        if self.json {
            say(self.tally.object(cursor));
        } else {
            complain(self.tally.text(cursor));
        }
    }
}

impl Told<'_> {
    /// `200 12 ms 7d3f… consensus_buy`, and why not where it failed.
    fn line(&self) -> String {
        let status = self.outcome.status;
        let status = status.map_or_else(|| "---".to_owned(), |status| status.as_str().to_owned());
        let mut line = format!(
            "{status} {} ms {} {}",
            self.took.as_millis(),
            printable(&self.subject.id),
            printable(&self.subject.kind)
        );
        let Some(failure) = self.outcome.failure else {
            return line;
        };
        let next = match self.then {
            Then::Again(wait) => format!("again in {} s", wait.as_secs_f64()),
            _ if failure == Failure::Gone => {
                "passed over; a webhook would now be disabled".to_owned()
            }
            _ => format!("passed over after try {}", self.number),
        };
        // proof: a String takes whatever is written to it
        let _ = write!(line, "  {}, {next}", failure.word());
        let said = self.said();
        if !said.is_empty() {
            let _ = write!(line, ": {said}");
        }
        line
    }

    fn object(&self) -> serde_json::Value {
        let (then, again_in_s) = match self.then {
            Then::Acknowledged => ("acknowledged", None),
            Then::Again(wait) => ("again", Some(wait.as_secs_f64())),
            Then::PassedOver => ("passed_over", None),
        };
        json!({
            "id": self.subject.id,
            "seq": self.subject.seq,
            "type": self.subject.kind,
            "attempt": self.number,
            "status": self.outcome.status.map(|status| status.as_u16()),
            "took_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "error": self.outcome.failure.map(Failure::word),
            "answer": Some(self.said()).filter(|said| !said.is_empty()),
            "then": then,
            "again_in_s": again_in_s,
        })
    }

    /// The first line of the answer, or what went wrong before there was one.
    fn said(&self) -> String {
        let said = self.outcome.said.trim();
        printable_sentence(said.lines().next().unwrap_or_default())
    }
}

impl Tally {
    fn pass_over(&mut self, id: &str) {
        self.passed_over += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(printable(id));
        }
    }

    /// How the command ends.
    pub(super) fn outcome(&self) -> Outcome {
        if self.passed_over == 0 && self.gaps == 0 {
            Outcome::Good
        } else {
            Outcome::SomeBad
        }
    }

    fn text(&self, cursor: Option<&str>) -> String {
        let mut text = format!(
            "{} acknowledged, {} passed over, {} attempts",
            self.acknowledged, self.passed_over, self.attempts
        );
        if self.gaps > 0 {
            let _ = write!(text, ", gaps in the stream: {}", self.gaps);
        }
        if !self.named.is_empty() {
            let more = self.passed_over > self.named.len() as u64;
            let more = if more { ", …" } else { "" };
            let _ = write!(text, "\npassed over: {}{more}", self.named.join(", "));
        }
        if let Some(id) = &self.under_way {
            let _ = write!(text, "\nunder way: {}, not acknowledged", printable(id));
        }
        if let Some(cursor) = cursor {
            let _ = write!(text, "\ngo on with --after {}", printable(cursor));
        }
        text
    }

    fn object(&self, cursor: Option<&str>) -> serde_json::Value {
        json!({"tally": {
            "acknowledged": self.acknowledged,
            "passed_over": self.passed_over,
            "attempts": self.attempts,
            "gaps": self.gaps,
            "under_way": self.under_way,
            "after": cursor,
        }})
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    fn told(status: Option<u16>, failure: Option<Failure>, said: &str, then: &Then) -> String {
        let subject = Subject {
            id: "one".to_owned(),
            kind: "consensus_buy".to_owned(),
            seq: Some(5),
            body: Bytes::new(),
        };
        let outcome = Attempted {
            status: status.map(|status| StatusCode::from_u16(status).unwrap()),
            failure,
            said: said.to_owned(),
            retry_after: None,
        };
        let told = Told {
            subject: &subject,
            number: 3,
            outcome: &outcome,
            took: Duration::from_micros(12_345),
            then,
        };
        let object = told.object();
        assert_eq!((&object["seq"], &object["attempt"]), (&json!(5), &json!(3)));
        assert_eq!(object["status"], json!(status));
        assert_eq!(object["error"], json!(failure.map(Failure::word)));
        told.line()
    }

    #[test]
    fn a_line_says_what_became_of_an_attempt() {
        let done = told(Some(200), None, "fine", &Then::Acknowledged);
        assert_eq!(done, "200 12 ms one consensus_buy");
        let again = Then::Again(Duration::from_millis(1_500));
        assert_eq!(
            told(Some(500), Some(Failure::Status), "no\nroom", &again),
            "500 12 ms one consensus_buy  status, again in 1.5 s: no"
        );
        let refused = "no connection: refused";
        assert_eq!(
            told(None, Some(Failure::Connect), refused, &Then::PassedOver),
            format!("--- 12 ms one consensus_buy  connect, passed over after try 3: {refused}")
        );
        let gone = told(Some(410), Some(Failure::Gone), "", &Then::PassedOver);
        assert!(gone.ends_with("a webhook would now be disabled"), "{gone}");
    }

    #[test]
    fn an_answer_cannot_steer_the_terminal() {
        let hostile = "\u{1b}[2J\u{202e}\nrest";
        let line = told(Some(500), Some(Failure::Status), hostile, &Then::PassedOver);
        assert!(!line.contains(['\u{1b}', '\u{202e}', '\n']), "{line:?}");
    }

    #[test]
    fn waits_are_read() {
        let read = |text: &str| text.parse::<Waits>().map(|Waits(waits)| waits);
        let seconds = Duration::from_secs_f64;
        assert_eq!(read("1,5"), Ok(vec![seconds(1.0), seconds(5.0)]));
        assert_eq!(read("0.05, 0"), Ok(vec![seconds(0.05), seconds(0.0)]));
        assert_eq!(read("none"), Ok(vec![]));
        let many = ["1"; MOST_WAITS + 1].join(",");
        for bad in ["", "x", "1,", "-1", "NaN", "inf", "1e9", &many] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_tally_names_what_did_not_arrive() {
        let mut tally = Tally::default();
        assert_eq!(tally.outcome(), Outcome::Good);
        tally.gaps = 1;
        assert_eq!(tally.outcome(), Outcome::SomeBad);
        tally.gaps = 0;
        for n in 0..MOST_NAMED + 2 {
            tally.pass_over(&n.to_string());
        }
        assert_eq!(tally.outcome(), Outcome::SomeBad);
        let text = tally.text(Some("e-9"));
        assert!(text.starts_with("0 acknowledged, 22 passed over"), "{text}");
        assert!(text.contains("passed over: 0, 1,") && text.contains("19, …"));
        assert!(text.ends_with("--after e-9"), "{text}");
        assert_eq!(tally.object(None)["tally"]["passed_over"], 22);
    }
}
