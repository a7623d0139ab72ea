//! What the follower promises, in a scripted EDGAR and simulated time: every filing once, within the limits, whatever goes wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::{
    feed::{
        PAGE,
        tests::{entry, page},
    },
    follower::Follower,
    index::tests::master,
    protocol::{Event, Manner, Reply, Request, Step},
    state::State,
};
use crate::{ingest::sec::values, model::time::Time};

pub(super) const DAY: Date = date(2026, 8, 21); // a Friday

pub(super) fn at(hour: i8, minute: i8, second: i8) -> Time {
    values::eastern(DAY.at(hour, minute, second, 0)).unwrap()
}

pub(super) fn number(n: usize) -> String {
    format!("0001193125-26-{n:06}")
}

pub(super) fn submission(accession: &str) -> String {
    format!(
        "<ACCEPTANCE-DATETIME>20260821120000\nACCESSION NUMBER:\t{accession}\n<XML>\n<ownershipDocument><documentType>4</documentType>\
         <issuerName>A</issuerName><reportingOwner><rptOwnerName>B</rptOwnerName></reportingOwner></ownershipDocument>\n</XML>\n"
    )
}

/// A filing of the scripted EDGAR.
struct Filed {
    accession: String,
    at: Time,
    in_feed: bool,
}

/// An EDGAR that fails as it is told.
#[derive(Default)]
pub(super) struct World {
    filed: Vec<Filed>,
    /// Answers given in place of the true ones, by what is asked for; the first first.
    pub(super) faults: BTreeMap<String, Vec<Reply>>,
    no_index: BTreeSet<Date>,
    /// Until then there is this answer to everything.
    pub(super) down: Option<(Time, u16)>,
    pub(super) asked: Vec<(Time, Request)>,
}

pub(super) fn reply(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply {
        status,
        retry_after: None,
        body: body.into(),
    }
}

impl World {
    pub(super) fn file(&mut self, n: usize, at: Time) {
        self.filed.push(Filed {
            accession: number(n),
            at,
            in_feed: true,
        });
    }

    pub(super) fn fault(&mut self, what: &str, reply: Reply) {
        self.faults.entry(what.into()).or_default().push(reply);
    }

    pub(super) fn answer(&mut self, request: &Request, now: Time) -> Reply {
        self.asked.push((now, request.clone()));
        if let Some((until, status)) = self.down
            && now < until
        {
            return reply(status, "");
        }
        let key = match request {
            Request::Feed(_) => "feed".to_owned(),
            Request::Index(_) => "index".to_owned(),
            Request::Submission(accession) => accession.clone(),
        };
        let faults = self
            .faults
            .get_mut(&key)
            .filter(|faults| !faults.is_empty());
        if let Some(faults) = faults {
            return faults.remove(0);
        }
        match request {
            Request::Feed(start) => reply(200, self.feed(*start, now)),
            Request::Index(day) => self.index(*day, now),
            Request::Submission(accession) => {
                match self.filed.iter().any(|f| f.accession == *accession) {
                    true => reply(200, submission(accession)),
                    false => reply(404, ""),
                }
            }
        }
    }

    /// Two entries a filing, the newest first.
    fn feed(&self, start: usize, now: Time) -> String {
        let mut filed: Vec<_> = self
            .filed
            .iter()
            .filter(|f| f.in_feed && f.at <= now)
            .collect();
        filed.sort_by_key(|f| std::cmp::Reverse((f.at, &f.accession)));
        let entries: Vec<String> = filed
            .iter()
            .flat_map(|f| {
                ["1", "2"].map(|cik| entry("4", "A", cik, &f.accession, &f.at.to_string()))
            })
            .skip(start)
            .take(PAGE)
            .collect();
        page(&entries)
    }

    fn index(&self, day: Date, now: Time) -> Reply {
        let closed = values::eastern(day.at(22, 0, 0, 0)).unwrap();
        if self.no_index.contains(&day) || now < closed {
            return reply(403, "<Error><Code>AccessDenied</Code></Error>");
        }
        let on_day = |f: &&Filed| values::eastern_clock(f.at).date() == day;
        let rows: Vec<_> = self
            .filed
            .iter()
            .filter(on_day)
            .map(|f| ("1", &*f.accession))
            .collect();
        reply(200, master(&rows))
    }

    /// Lets the follower run from one moment to another; what it tells.
    pub(super) fn run(&mut self, follower: &mut Follower, from: Time, to: Time) -> Vec<Event> {
        let (mut now, mut events) = (from, Vec::new());
        while now < to {
            match follower.next(now) {
                Step::Get(request, path) => {
                    assert!(path.starts_with('/'), "{path}");
                    let reply = self.answer(&request, now);
                    now = now.plus(20_000);
                    events.extend(follower.answer(request, &reply, now));
                }
                Step::Wait(until) => {
                    assert!(until > now, "it waits for what has passed");
                    now = until.min(to);
                }
            }
        }
        events
    }

    pub(super) fn times(&self, accession: &str) -> usize {
        let asked = Request::Submission(accession.into());
        self.asked
            .iter()
            .filter(|(_, request)| *request == asked)
            .count()
    }
}

pub(super) fn follower() -> Follower {
    Follower::new(Manner::default(), State::new(DAY))
}

/// One that looks less often, for long days.
pub(super) fn patient(state: State) -> Follower {
    let manner = Manner {
        poll: Duration::from_secs(600),
        ..Manner::default()
    };
    Follower::new(manner, state)
}

pub(super) fn filings(events: &[Event]) -> Vec<String> {
    let id = |event: &Event| match event {
        Event::Filing { filing, .. } => Some(filing.id.0.replace("SEC:", "")),
        _ => None,
    };
    events.iter().filter_map(id).collect()
}

pub(super) fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(number).collect()
}

#[test]
fn each_filing_once_the_oldest_first() {
    let mut world = World::default();
    for n in 0..10 {
        world.file(n, at(9, 0, n as i8));
    }
    let mut follower = follower();
    let events = world.run(&mut follower, at(10, 0, 0), at(10, 1, 0));
    assert_eq!(filings(&events), numbers(0..10));
    assert_eq!(
        world.times(&number(3)),
        1,
        "though it has two entries, seen a dozen times"
    );
    let seen = |event: &Event| matches!(event, Event::Filing { seen_at: Some(seen), .. } if *seen > at(10, 0, 0));
    assert!(events.iter().all(seen));
    assert_eq!(follower.state().mark, Some(at(9, 0, 9)));
    assert_eq!(follower.waiting(), 0);
}

#[test]
fn as_many_pages_as_are_new() {
    let mut world = World::default();
    for n in 0..330 {
        world.file(n, at(9, 0, 0).plus(n as i64 * Time::SECOND));
    }
    let mut follower = follower();
    let events = world.run(&mut follower, at(10, 0, 0), at(10, 2, 0));
    assert_eq!(filings(&events).len(), 330);
    let pages = |world: &World| {
        let starts = world.asked.iter().filter_map(|(_, request)| match request {
            Request::Feed(start) => Some(*start),
            _ => None,
        });
        starts.collect::<Vec<_>>()
    };
    assert_eq!(pages(&world)[..7], [0, 100, 200, 300, 400, 500, 600]);
    world.asked.clear();
    world.run(&mut follower, at(10, 2, 0), at(10, 2, 30));
    assert!(
        pages(&world).iter().all(|start| *start == 0),
        "nothing new, one page"
    );
}

#[test]
fn what_the_feed_skips_the_index_brings() {
    let mut world = World::default();
    world.file(1, at(9, 0, 0));
    world.file(2, at(9, 0, 1));
    world.filed[0].in_feed = false;
    let mut follower = patient(State::new(DAY));
    let events = world.run(&mut follower, at(10, 0, 0), at(22, 29, 0));
    assert_eq!(filings(&events), [number(2)]);
    let evening = world.run(&mut follower, at(22, 29, 0), at(23, 0, 0));
    assert_eq!(filings(&evening), [number(1)]);
    assert!(matches!(evening[0], Event::Filing { seen_at: None, .. }));
    assert_eq!(world.times(&number(2)), 1);
    assert_eq!(follower.state().open_day, date(2026, 8, 22));
}

#[test]
fn a_server_in_trouble_is_left_alone_for_a_while() {
    for (status, wait, pause) in [
        (503, None, 1),
        (503, Some(40), 40),
        (429, None, 30),
        (403, None, 30),
        (0, None, 1),
    ] {
        let mut world = World::default();
        world.file(1, at(9, 0, 0));
        let retry_after = wait.map(Duration::from_secs);
        world.fault(
            &number(1),
            Reply {
                retry_after,
                ..reply(status, "")
            },
        );
        let events = world.run(&mut follower(), at(10, 0, 0), at(10, 5, 0));
        assert_eq!(filings(&events), [number(1)], "{status}");
        assert!(matches!(&events[0], Event::Trouble(_)), "{events:?}");
        let refused = world
            .asked
            .iter()
            .position(|(_, r)| matches!(r, Request::Submission(_)))
            .unwrap();
        let quiet = world.asked[refused + 1].0.0 - world.asked[refused].0.0;
        assert!(quiet >= pause * Time::SECOND, "{status}: {quiet}");
    }
}

#[test]
fn half_a_body_is_fetched_again() {
    let mut world = World::default();
    world.file(1, at(9, 0, 0));
    let whole = submission(&number(1));
    world.fault(&number(1), reply(200, &whole[..whole.len() / 2]));
    world.fault(&number(1), reply(200, ""));
    world.fault(
        &number(1),
        reply(200, "<html><title>Request Rate Threshold Exceeded</title>"),
    );
    world.fault("feed", reply(200, "<feed><entry>"));
    let events = world.run(&mut follower(), at(10, 0, 0), at(10, 5, 0));
    assert_eq!(filings(&events), [number(1)]);
    assert_eq!(world.times(&number(1)), 4);
}

#[test]
fn a_holiday_has_no_index() {
    let mut world = World::default();
    world.file(1, at(9, 0, 0));
    world.no_index.extend([DAY, date(2026, 8, 22)]);
    let mut follower = patient(State::new(DAY));
    let sunday = at(12, 0, 0).plus(2 * Time::DAY);
    let events = world.run(&mut follower, at(12, 0, 0), sunday);
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::Trouble(_))),
        "{events:?}"
    );
    assert_eq!(follower.state().open_day, date(2026, 8, 22));
}

#[test]
fn days_that_were_missed_are_made_up_for() {
    let mut world = World::default();
    for n in 0..40 {
        world.file(n, at(9, 0, 0).plus(-(n as i64 % 5) * Time::DAY));
    }
    // the feed no longer knows them
    world.filed.iter_mut().for_each(|f| f.in_feed = false);
    let mut follower = patient(State::new(date(2026, 8, 17)));
    let events = world.run(&mut follower, at(23, 0, 0), at(23, 2, 0));
    let mut got = filings(&events);
    got.sort();
    assert_eq!(got, numbers(0..40));
    assert_eq!(follower.state().open_day, date(2026, 8, 22));
}

#[test]
fn what_is_at_hand_is_not_fetched() {
    let mut world = World::default();
    for n in 0..5 {
        world.file(n, at(9, 0, n as i8));
    }
    let mut follower = follower();
    let now = at(10, 0, 0);
    let Step::Get(request, _) = follower.next(now) else {
        panic!("the feed is due");
    };
    let reply = world.answer(&request, now);
    follower.answer(request, &reply, now);
    assert_eq!(follower.take_named(), numbers(0..5));
    assert!(follower.take_named().is_empty(), "each is named once");
    for known in [0, 3] {
        follower.skip(&number(known), now);
    }
    let events = world.run(&mut follower, now, at(10, 1, 0));
    assert_eq!(filings(&events), [number(1), number(2), number(4)]);
    assert_eq!(world.times(&number(0)) + world.times(&number(3)), 0);
    assert_eq!(follower.state().done.len(), 5, "it is done with, too");
}

#[test]
fn it_knows_when_it_has_caught_up() {
    let mut world = World::default();
    world.file(1, at(9, 0, 0));
    world.file(2, at(9, 0, 0).plus(-Time::DAY));
    world.filed[1].in_feed = false;
    let yesterday = date(2026, 8, 20);
    let mut follower = Follower::new(Manner::default(), State::new(yesterday));
    let mut now = at(10, 0, 0);
    assert!(!follower.is_caught_up(now), "it has not looked yet");
    let mut told = Vec::new();
    while !follower.is_caught_up(now) {
        let later = now.plus(100_000);
        told.extend(filings(&world.run(&mut follower, now, later)));
        now = later;
        assert!(now < at(10, 5, 0), "it comes to an end");
    }
    told.sort();
    assert_eq!(
        told,
        numbers(1..3),
        "the feed's, and that of yesterday's index"
    );
    // in the evening there is more to come, until the index is seen not to be there yet
    let evening = at(22, 31, 0);
    assert!(!follower.is_caught_up(evening));
    world.no_index.insert(DAY);
    world.run(&mut follower, evening, evening.plus(5 * Time::SECOND));
    assert!(follower.is_caught_up(evening.plus(5 * Time::SECOND)));
}

#[test]
fn whoever_waits_for_an_end_is_told_that_none_will_come() {
    let mut world = World::default();
    for _ in 0..6 {
        world.fault("feed", reply(0, ""));
    }
    let mut follower = follower();
    world.run(&mut follower, at(10, 0, 0), at(10, 0, 25));
    assert!(!follower.is_stuck(), "five times");
    world.run(&mut follower, at(10, 0, 25), at(10, 1, 0));
    assert!(follower.is_stuck());
    world.run(&mut follower, at(10, 1, 0), at(10, 3, 0));
    assert!(!follower.is_stuck(), "a bad minute");
}

#[test]
fn half_an_index_is_asked_for_again_soon_and_then_less_often() {
    let mut world = World::default();
    world.file(1, at(9, 0, 0));
    world.filed[0].in_feed = false;
    for _ in 0..3 {
        world.fault("index", reply(200, "CIK|Company Name\n-----\n1|A"));
    }
    let mut follower = patient(State::new(DAY));
    let events = world.run(&mut follower, at(22, 30, 0), at(22, 32, 0));
    assert_eq!(filings(&events), [number(1)]);
    let asked: Vec<i64> = (world.asked.iter())
        .filter(|(_, request)| matches!(request, Request::Index(_)))
        .map(|(at, _)| at.0 / Time::SECOND)
        .collect();
    let gaps: Vec<i64> = asked.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(gaps[0] >= 5 && gaps[1] >= 10 && gaps[2] >= 20, "{gaps:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Over a day with faults and restarts: nothing is lost, and no filing is told twice by the same run.
    #[test]
    fn nothing_is_lost(
        filed in prop::collection::vec((0_i64..43_000, any::<bool>()), 1..150),
        faults in prop::collection::vec((0_usize..152, 0_usize..5), 0..40),
        restarts in prop::collection::vec(0_i64..50_000, 0..4),
    ) {
        let mut world = World::default();
        for (n, (second, in_feed)) in filed.iter().enumerate() {
            world.file(n, at(9, 0, 0).plus(second * Time::SECOND));
            world.filed[n].in_feed = *in_feed;
        }
        for (what, kind) in faults {
            let what = match what {
                150 => "feed".to_owned(),
                151 => "index".to_owned(),
                n => number(n),
            };
            let fault = [reply(503, ""), reply(429, ""), reply(200, "<ownershipDocument>"), reply(0, ""), reply(404, "")];
            world.fault(&what, fault[kind].clone());
        }
        let mut stops: Vec<i64> = restarts.into_iter().chain([60_000]).collect();
        stops.sort_unstable();
        let (mut state, mut now, mut told) = (State::new(DAY), at(9, 0, 0), BTreeSet::new());
        for stop in stops {
            let until = at(9, 0, 0).plus(stop * Time::SECOND);
            let mut follower = patient(state);
            let run = filings(&world.run(&mut follower, now, until));
            let once: BTreeSet<_> = run.iter().cloned().collect();
            prop_assert_eq!(once.len(), run.len(), "told twice");
            prop_assert!(told.is_disjoint(&once), "told again after a restart");
            told.extend(once);
            state = follower.state();
            now = until;
        }
        prop_assert_eq!(told.len(), filed.len());
        prop_assert_eq!(state.open_day, date(2026, 8, 22));
        let sent: Vec<i64> = world.asked.iter().map(|(time, _)| time.0).collect();
        for (n, first) in sent.iter().enumerate() {
            prop_assert!(sent.get(n + 10).is_none_or(|tenth| tenth - first > Time::SECOND));
        }
    }
}
