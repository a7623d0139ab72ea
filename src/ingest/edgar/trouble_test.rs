//! What the follower does about filings that cannot be had: when one is to blame for itself, and when all have to wait.

use std::{collections::BTreeMap, time::Duration};

use super::{
    follower_test::{
        DAY, World, at, filings, follower, number, numbers, patient, reply, submission,
    },
    protocol::{Event, Reply, Request, Step},
    state::State,
};

#[test]
fn what_never_comes_is_given_up() {
    let mut world = World::default();
    for n in 1..=3 {
        world.file(n, at(9, 0, 0));
    }
    for _ in 0..20 {
        world.fault(&number(1), reply(404, ""));
        world.fault(&number(2), reply(200, submission(&number(9))));
    }
    let other = submission(&number(3)).replace(">4<", ">144<");
    world.fault(&number(3), reply(200, other));
    let mut follower = patient(State::new(DAY));
    let events = world.run(&mut follower, at(10, 0, 0), at(12, 0, 0));
    let reasons: BTreeMap<_, _> = events
        .iter()
        .filter_map(|event| match event {
            Event::Rejected { accession, reason } => Some((accession.clone(), reason.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(reasons[&number(1)], "it cannot be had, 8 times");
    assert!(
        reasons[&number(2)].contains("0001193125-26-000009"),
        "another filing"
    );
    assert!(reasons[&number(3)].contains("144"));
    assert_eq!(world.times(&number(3)), 1, "it will not get better");
    assert_eq!(follower.waiting(), 0);
}

#[test]
fn a_filing_in_trouble_by_itself_is_given_up_and_holds_nobody_up() {
    for status in [302, 400, 410, 500, 503, 0] {
        let mut world = World::default();
        world.file(1, at(9, 0, 0));
        for _ in 0..8 {
            world.fault(&number(1), reply(status, ""));
        }
        for second in 1..60 {
            world.file(1 + second, at(10, 5, second as i8));
        }
        let mut follower = follower();
        let events = world.run(&mut follower, at(10, 0, 0), at(10, 20, 0));
        assert_eq!(world.times(&number(1)), 8, "{status}");
        assert_eq!(filings(&events), numbers(2..61));
        let given_up = events.iter().filter_map(|event| match event {
            Event::Rejected { accession, reason } => Some((accession.clone(), reason.as_str())),
            _ => None,
        });
        let given_up: Vec<_> = given_up.collect();
        let [(accession, reason)] = &given_up[..] else {
            panic!("{status}: {given_up:?}");
        };
        assert!(*accession == number(1) && reason.ends_with(", 8 times"));
        assert!(follower.is_caught_up(at(10, 20, 0)), "nothing is left");
        let fetched = world.asked.iter().filter(|(time, request)| {
            matches!(request, Request::Submission(_)) && *time > at(10, 6, 6)
        });
        let late: Vec<_> =
            (fetched.filter(|(_, r)| *r != Request::Submission(number(1)))).collect();
        assert!(
            late.is_empty(),
            "a look and the pace are all they waited for"
        );
        // it is tried now and again, and now it is there
        let events = world.run(&mut follower, at(10, 20, 0), at(10, 31, 0));
        assert_eq!(filings(&events), [number(1)]);
        assert!(follower.state().done.contains_key(&number(1)));
    }
}

#[test]
fn what_was_given_up_is_had_when_the_index_names_it() {
    // one that is said not to be there, and one whose trouble lasts all day
    for status in [404, 503] {
        let mut world = World::default();
        world.file(1, at(9, 0, 0));
        for _ in 0..1_000 {
            world.fault(&number(1), reply(status, ""));
        }
        let mut follower = patient(State::new(DAY));
        world.run(&mut follower, at(10, 0, 0), at(22, 29, 0));
        let before = world.times(&number(1));
        world.faults.clear();
        let events = world.run(&mut follower, at(22, 30, 0), at(22, 31, 0));
        assert_eq!(world.times(&number(1)), before + 1, "{status}: {before}");
        assert_eq!(filings(&events), [number(1)], "{status}");
        assert!(follower.state().done.contains_key(&number(1)));
    }
}

#[test]
fn while_nothing_comes_no_filing_is_to_blame() {
    for status in [302, 503, 0] {
        let mut world = World::default();
        for n in 0..3 {
            world.file(n, at(9, 0, n as i8));
        }
        let mut follower = follower();
        let now = at(10, 0, 0);
        let Step::Get(request, _) = follower.next(now) else {
            panic!("the feed is due");
        };
        let answer = world.answer(&request, now);
        follower.answer(request, &answer, now);
        world.down = Some((at(19, 0, 0), status));
        let events = world.run(&mut follower, now, at(20, 0, 0));
        assert!(world.asked.len() > 40, "it went on asking");
        assert_eq!(filings(&events).len(), 3, "{status}");
        let given_up = |event: &Event| matches!(event, Event::Rejected { .. });
        assert!(!events.iter().any(given_up), "{status}");
    }
}

#[test]
fn an_archive_in_trouble_by_itself_costs_nothing_but_time() {
    let mut world = World::default();
    for n in 1..=3 {
        world.file(n, at(9, 0, n as i8));
        // the feed goes on meanwhile
        for _ in 0..9 {
            world.fault(&number(n), reply(503, ""));
        }
    }
    let mut follower = follower();
    let events = world.run(&mut follower, at(10, 0, 0), at(10, 45, 0));
    assert_eq!(filings(&events).len(), 3, "long before any index");
    assert_eq!(follower.waiting(), 0);
}

#[test]
fn no_answer_has_a_filing_asked_for_at_once_or_never_again() {
    for fault in [
        reply(200, "<html>"),
        Reply {
            retry_after: Some(Duration::from_secs(86_400)),
            ..reply(503, "")
        },
    ] {
        let mut world = World::default();
        world.file(1, at(9, 0, 0));
        for _ in 0..3 {
            world.fault(&number(1), fault.clone());
        }
        let mut follower = patient(State::new(DAY));
        let events = world.run(&mut follower, at(10, 0, 0), at(11, 0, 0));
        assert_eq!(filings(&events), [number(1)], "{fault:?}");
        let asked = world.asked.iter();
        let times: Vec<_> = asked
            .filter(|(_, request)| *request == Request::Submission(number(1)))
            .map(|(time, _)| time.0)
            .collect();
        let least = times.windows(2).map(|two| two[1] - two[0]).min();
        assert!(least >= Some(5_000_000), "{fault:?}: {times:?}");
    }
}
