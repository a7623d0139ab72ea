//! The follower: which request comes next, and what an answer means. It does no I/O and reads no clock, so that tests script both.
//!
//! Three things go on at once: the feed is polled, as many pages as are new; each filing seen there is fetched once; and every evening the
//! day's index is gone through, which names what the feed skipped. The state moves on only over what is done: whoever starts again from
//! a [`State`] fetches what was under way once more, and misses nothing.
//!
//! A filing that keeps failing while other things come is given up after some attempts, and holds nobody up meanwhile. While nothing comes at
//! all, no filing is to blame. What the feed named and nobody could have, the day's index names once more; until then it is tried now and
//! again where the server did not say that it is not there: all of them may be in trouble while the feed goes on.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use jiff::{ToSpan as _, civil::Date};

use super::{
    feed, index,
    pace::Pace,
    protocol::{Event, Manner, Reply, Request, Step},
    state::State,
};
use crate::{
    ingest::sec::{
        parse::{PREFIX, parse},
        rejection::Rejection,
        values,
    },
    model::{filing::Filing, time::Time},
};

/// Filings that may wait to be fetched. The feed and the index wait meanwhile.
const MAX_WAITING: usize = 50_000;
/// A day that has no index when this many days have passed was a holiday.
const HOLIDAY_AFTER_DAYS: i64 = 2;

/// So many failures in a row are more than a bad moment: with their pauses, a minute or more.
const STUCK_AFTER: u32 = 6;

/// A filing that is to be fetched.
#[derive(Debug, Clone)]
struct Wanted {
    cik: String,
    /// Of acceptance, as the feed says.
    updated: Option<Time>,
    /// Day of the index that named it.
    index_day: Option<Date>,
    seen_at: Option<Time>,
    attempts: u32,
    /// How much had come, of anything, at the last attempt.
    tried: Option<u64>,
    not_before: Time,
    /// Said to be given up, and tried now and again.
    resigned: bool,
}

/// A look at the feed that is under way.
#[derive(Debug, Clone)]
struct Look {
    page: usize,
    /// The newest moment seen in it.
    newest: Option<Time>,
}

/// The follower.
#[derive(Debug)]
pub struct Follower {
    manner: Manner,
    pace: Pace,
    state: State,
    wanted: HashMap<String, Wanted>,
    /// Those of `wanted` that are not under way, in the order of fetching.
    queue: VecDeque<String>,
    under_way: usize,
    look: Look,
    feed_under_way: bool,
    next_look: Time,
    index_under_way: bool,
    next_index: Time,
    /// The open day's index was asked for, and is not there yet.
    index_absent: bool,
    /// How often in a row an index was no index.
    index_troubles: u32,
    /// Whether a look at the feed has come to its end since the start.
    looked: bool,
    /// What was named since it was last asked for.
    named: Vec<String>,
    /// How many answers were what they should be.
    came: u64,
    /// Filings that only the feed named so far, and that were given up for now.
    given_up: HashSet<String>,
}

impl Follower {
    /// Goes on from a state.
    #[must_use]
    pub fn new(manner: Manner, state: State) -> Self {
        Follower {
            pace: Pace::new(manner.limits),
            manner,
            state,
            wanted: HashMap::new(),
            queue: VecDeque::new(),
            under_way: 0,
            look: Look {
                page: 0,
                newest: None,
            },
            feed_under_way: false,
            next_look: Time(i64::MIN),
            index_under_way: false,
            next_index: Time(i64::MIN),
            index_absent: false,
            index_troubles: 0,
            looked: false,
            named: Vec::new(),
            came: 0,
            given_up: HashSet::new(),
        }
    }

    /// Filings that were named since the last call: those of them that are known elsewhere need not be fetched.
    pub fn take_named(&mut self) -> Vec<String> {
        std::mem::take(&mut self.named)
    }

    /// A filing is known already: it is done with, unless its fetching has begun.
    pub fn skip(&mut self, accession: &str, now: Time) {
        let before = self.queue.len();
        self.queue.retain(|queued| queued != accession);
        if self.queue.len() < before {
            self.finish(accession.to_owned(), now);
        }
    }

    /// Whether all is told that there is: the feed, and the index of every day that has one.
    #[must_use]
    pub fn is_caught_up(&self, now: Time) -> bool {
        let indexed = self.index_absent || now < index::due(self.state.open_day);
        let resigned = self.wanted.values().all(|wanted| wanted.resigned);
        self.looked && indexed && resigned && self.under_way == 0
    }

    /// Whether nothing has come for so long that whoever waits for an end should not wait on.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.pace.troubles().max(self.index_troubles) >= STUCK_AFTER
    }

    /// Filings that are named and not done.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.wanted.len()
    }

    /// Where to start again: as [`State`], but not past anything that is still to be fetched.
    #[must_use]
    pub fn state(&self) -> State {
        let mut state = self.state.clone();
        for wanted in self.wanted.values() {
            state.mark = match (state.mark, wanted.updated) {
                (Some(mark), Some(updated)) => Some(mark.min(updated.plus(-1))),
                (mark, _) => mark,
            };
            state.open_day = state
                .open_day
                .min(wanted.index_day.unwrap_or(state.open_day));
        }
        state
    }

    /// The next thing to do.
    pub fn next(&mut self, now: Time) -> Step {
        if self.under_way >= self.manner.at_once.max(1) {
            return Step::Wait(Time(i64::MAX));
        }
        let choice = match self.choose(now) {
            Ok(request) => request,
            Err(at) => return Step::Wait(at),
        };
        if let Err(at) = self.pace.take(now) {
            return Step::Wait(at);
        }
        self.under_way += 1;
        let path = match &choice {
            Request::Feed(start) => {
                self.feed_under_way = true;
                feed::path(*start)
            }
            Request::Index(day) => {
                self.index_under_way = true;
                index::path(*day)
            }
            Request::Submission(accession) => {
                self.queue.retain(|queued| queued != accession);
                let cik = self.wanted.get(accession).map_or("", |wanted| &wanted.cik);
                let folder = accession.replace('-', "");
                format!("/Archives/edgar/data/{cik}/{folder}/{accession}.txt")
            }
        };
        Step::Get(choice, path)
    }

    /// The feed first, for it is what is new; then filings; then the index. `Err`: nothing is due before then.
    fn choose(&self, now: Time) -> Result<Request, Time> {
        let mut wake = Time(i64::MAX);
        let room = self.wanted.len() < MAX_WAITING;
        if room && !self.feed_under_way {
            if now >= self.next_look {
                return Ok(Request::Feed(self.look.page * feed::PAGE));
            }
            wake = wake.min(self.next_look);
        }
        for accession in &self.queue {
            let not_before = self
                .wanted
                .get(accession)
                .map_or(now, |wanted| wanted.not_before);
            if now >= not_before {
                return Ok(Request::Submission(accession.clone()));
            }
            wake = wake.min(not_before);
        }
        if room && !self.index_under_way {
            let due = self.next_index.max(index::due(self.state.open_day));
            if now >= due {
                return Ok(Request::Index(self.state.open_day));
            }
            wake = wake.min(due);
        }
        Err(wake)
    }

    /// What an answer brings.
    pub fn answer(&mut self, request: Request, reply: &Reply, now: Time) -> Vec<Event> {
        self.under_way = self.under_way.saturating_sub(1);
        let mut events = Vec::new();
        let (absent, refusal) = (reply.is_absence(), reply.is_refusal());
        let broken = !absent && !refusal && reply.status != 200;
        self.came += u64::from(absent);
        if refusal {
            self.pace.refused(now, reply.retry_after);
        } else if !broken {
            self.pace.answered();
        } else if !self.is_alone_in_trouble(&request) {
            self.pace.failed(now, reply.retry_after);
        }
        if refusal || broken {
            events.push(Event::Trouble(format!("{request}: {}", said(reply.status))));
        }
        let body = (reply.status == 200).then_some(&*reply.body);
        match request {
            Request::Feed(_) => self.answer_feed(body, now, &mut events),
            Request::Index(day) => self.answer_index(day, body, absent, now, &mut events),
            Request::Submission(accession) => {
                self.answer_submission(accession, reply, now, &mut events);
            }
        }
        events
    }

    /// Whether this filing failed before, and other things came since: then waiting with all of them helps nobody.
    fn is_alone_in_trouble(&self, request: &Request) -> bool {
        let Request::Submission(accession) = request else {
            return false;
        };
        let wanted = self.wanted.get(accession);
        let tried = wanted.and_then(|wanted| wanted.tried);
        tried.is_some_and(|came| self.came > came)
    }

    fn answer_feed(&mut self, body: Option<&[u8]>, now: Time, events: &mut Vec<Event>) {
        self.feed_under_way = false;
        let page = match body.map(feed::parse) {
            Some(Ok(page)) => page,
            Some(Err(error)) => {
                self.pace.failed(now, None);
                events.push(Event::Trouble(format!("the feed: {error}")));
                return;
            }
            None => return,
        };
        self.came += 1;
        let mut news = Vec::new();
        for entry in page.entries {
            self.look.newest = self.look.newest.max(Some(entry.updated));
            let known = self.state.done.contains_key(&entry.accession)
                || self.given_up.contains(&entry.accession);
            if !known {
                news.push(entry);
            }
        }
        // the feed shows the newest first, and what was published first is fetched first
        for entry in news.into_iter().rev() {
            self.want(
                entry.accession,
                entry.cik,
                Some(entry.updated),
                None,
                Some(now),
                now,
            );
        }
        let floor = self.state.mark.or_else(|| day_start(self.state.open_day));
        let reached = page
            .oldest
            .is_none_or(|oldest| floor.is_some_and(|floor| oldest < floor));
        self.look.page += 1;
        if reached || page.total < feed::PAGE || self.look.page >= self.manner.pages {
            self.looked = true;
            self.state.mark = self.state.mark.max(self.look.newest);
            self.look = Look {
                page: 0,
                newest: None,
            };
            self.next_look = after(now, self.manner.poll);
        }
    }

    fn answer_index(
        &mut self,
        day: Date,
        body: Option<&[u8]>,
        absent: bool,
        now: Time,
        events: &mut Vec<Event>,
    ) {
        self.index_under_way = false;
        self.index_absent = false;
        match body.map(index::parse) {
            Some(Ok(rows)) => {
                self.came += 1;
                for row in rows {
                    self.given_up.remove(&row.accession);
                    if !self.state.done.contains_key(&row.accession) {
                        self.want(row.accession, row.cik, None, Some(day), None, now);
                    }
                }
                self.index_troubles = 0;
                self.state.close(day);
            }
            Some(Err(error)) => {
                // what is there and cut off is whole at the next attempt, if nothing else is wrong
                let doubled = 1 << self.index_troubles.min(16);
                let pause = self.manner.attempt_pause.saturating_mul(doubled);
                self.index_troubles += 1;
                self.next_index = after(now, pause.min(self.manner.index_retry));
                events.push(Event::Trouble(format!("the index of {day}: {error}")));
            }
            None if absent => {
                let today = values::eastern_clock(now).date();
                if day.saturating_add(HOLIDAY_AFTER_DAYS.days()) <= today {
                    self.state.close(day);
                } else {
                    self.index_absent = true;
                    self.next_index = after(now, self.manner.index_retry);
                }
            }
            None => {}
        }
    }

    fn answer_submission(
        &mut self,
        accession: String,
        reply: &Reply,
        now: Time,
        events: &mut Vec<Event>,
    ) {
        let Some(wanted) = self.wanted.get_mut(&accession) else {
            return;
        };
        let body = (reply.status == 200).then_some(&*reply.body);
        let reason = match body.map(|body| read(&accession, body)) {
            Some(Ok(filing)) => {
                self.came += 1;
                events.push(Event::Filing {
                    filing: Box::new(filing),
                    seen_at: wanted.seen_at,
                });
                self.finish(accession, now);
                return;
            }
            Some(Err(rejection)) if rejection.is_final() => {
                self.came += 1;
                events.push(Event::Rejected {
                    accession: accession.clone(),
                    reason: rejection.to_string(),
                });
                self.finish(accession, now);
                return;
            }
            Some(Err(rejection)) => rejection.to_string(),
            None if reply.is_absence() => "it cannot be had".to_owned(),
            None => said(reply.status),
        };
        // being told to wait is no fault of this filing, and neither is it where nothing else came since the last attempt
        let others_came = wanted.tried.is_none_or(|came| self.came > came);
        wanted.tried = Some(self.came);
        let pause = (self.manner.attempt_pause).saturating_mul(1 << wanted.attempts.min(16));
        let pause = pause.max(reply.retry_after.unwrap_or_default());
        wanted.not_before = after(now, pause.min(self.manner.limits.longest));
        if !wanted.resigned && others_came && !reply.is_refusal() {
            wanted.attempts += 1;
            if wanted.attempts >= self.manner.attempts {
                let reason = format!("{reason}, {} times", wanted.attempts);
                events.push(Event::Rejected {
                    accession: accession.clone(),
                    reason,
                });
                wanted.resigned =
                    body.is_none() && !reply.is_absence() && wanted.index_day.is_none();
                if !wanted.resigned {
                    self.give_up(accession, now);
                    return;
                }
            }
        }
        self.queue.push_back(accession);
    }

    fn want(
        &mut self,
        accession: String,
        cik: String,
        updated: Option<Time>,
        index_day: Option<Date>,
        seen_at: Option<Time>,
        now: Time,
    ) {
        if let Some(known) = self.wanted.get_mut(&accession) {
            if known.resigned && index_day.is_some() {
                (known.resigned, known.attempts, known.not_before) = (false, 0, now);
            }
            known.index_day = known.index_day.or(index_day);
            return;
        }
        self.queue.push_back(accession.clone());
        self.named.push(accession.clone());
        let wanted = Wanted {
            cik,
            updated,
            index_day,
            seen_at,
            attempts: 0,
            tried: None,
            not_before: now,
            resigned: false,
        };
        self.wanted.insert(accession, wanted);
    }

    /// Gives up what could not be had: for now, if the index of its day is still to name it.
    fn give_up(&mut self, accession: String, now: Time) {
        let wanted = self.wanted.get(&accession);
        if wanted.is_some_and(|wanted| wanted.index_day.is_none()) {
            self.wanted.remove(&accession);
            self.given_up.insert(accession);
        } else {
            self.finish(accession, now);
        }
    }

    fn finish(&mut self, accession: String, now: Time) {
        self.wanted.remove(&accession);
        self.state
            .finish(accession, values::eastern_clock(now).date());
    }
}

/// The filing, if it is the one that was asked for.
fn read(accession: &str, body: &[u8]) -> Result<Filing, Rejection> {
    let filing = parse(body, Some(accession))?;
    match filing
        .id
        .0
        .strip_prefix(PREFIX)
        .and_then(|id| id.strip_prefix(':'))
    {
        Some(number) if number == accession => Ok(filing),
        _ => Err(Rejection::Xml(format!("this is {}", filing.id))),
    }
}

fn said(status: u16) -> String {
    match status {
        0 => "no whole answer".into(),
        status => format!("status {status}"),
    }
}

fn after(now: Time, pause: Duration) -> Time {
    now.plus(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX))
}

fn day_start(day: Date) -> Option<Time> {
    values::eastern(day.at(0, 0, 0, 0))
}
