//! What counting calls without a key promises over a real database and over midnight, whatever the clocks of nodes say.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use axum::http::{HeaderMap, HeaderValue, header};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config as Runs, RngAlgorithm, TestRng, TestRunner},
};

use super::{
    config::{CaptchaSecret, Sandbox},
    sandbox_entrance::{Admitted, Entrance, Guest, Refused},
};
use crate::{
    gate::{pow::Difficulty, sandbox::oldest_salt},
    model::{
        random::Random,
        time::{Clock, Time},
    },
    store::{db::Db, sqlite::Config},
};

/// A midnight.
const MIDNIGHT: Time = Time(20_000 * Time::DAY);
const HOUR: i64 = 3_600 * Time::SECOND;
const MINUTE: i64 = 60 * Time::SECOND;

fn rules() -> Sandbox {
    Sandbox {
        enabled: true,
        calls: 10,
        bot_calls: 3,
        bot_agents: vec!["bot".to_owned()],
        free_of_challenge: 10,
        most_calls: 1_000_000,
        page_size: 10,
        difficulty_bits: Difficulty::try_from(0).unwrap(),
        challenge_minutes: 10,
        deny_networks: "".into(),
        captcha_verify_url: String::new(),
        captcha_secret: CaptchaSecret::default(),
        captcha_secret_file: "".into(),
    }
}

/// Bytes that no node draws twice.
fn draw(bytes: &mut [u8]) {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    for part in bytes.chunks_mut(8) {
        let next = DRAWN.fetch_add(1, Ordering::Relaxed);
        // SplitMix64: each of its bytes alone is as good as any other, and single bytes are asked for
        let mixed = next.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..part.len()]);
    }
}

/// A node whose clock is ahead of the true time by so many microseconds.
struct Node {
    entrance: Entrance,
    db: Db,
}

async fn node(dir: &Path, now: &Arc<AtomicI64>, ahead: i64, rules: Sandbox) -> Node {
    let config = Config {
        readers: 1,
        writer_cache_kb: 1_000,
        busy_seconds: 5,
        checkpoint_pages: 1_000,
    };
    let db = Db::open_sqlite(dir, &config).await.unwrap();
    let now = now.clone();
    let clock = Clock::from_fn(move || Time(now.load(Ordering::Relaxed) + ahead));
    let random = Random::from_fn(draw);
    let secret = db.sandbox_secret(&[7; 32]).await.unwrap();
    Node {
        entrance: Entrance::new(rules, &secret, None, db.clone(), clock, random),
        db,
    }
}

impl Node {
    async fn guest(&self, who: u8) -> Guest {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static("a browser"));
        let ip = [10, who, 0, 1].into();
        self.entrance.guest(ip, &headers).await.unwrap()
    }

    async fn call(&self, who: u8) -> Result<Admitted, Refused> {
        let guest = self.guest(who).await;
        self.entrance.admit(&guest, &HeaderMap::new()).await
    }

    async fn remaining(&self, who: u8) -> Option<u32> {
        let call = self.call(who).await.ok();
        call.map(|call| call.standing.remaining)
    }
}

#[tokio::test]
async fn twenty_four_hours_hold_over_midnight_and_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicI64::new(MIDNIGHT.0 - HOUR));
    // a second later each hour: calls of one moment are told apart by microseconds, and are to be a day old together
    let at = |hours: i64| {
        let time = MIDNIGHT.0 + hours * (HOUR + Time::SECOND);
        now.store(time, Ordering::Relaxed);
    };
    let first = node(folder.path(), &now, 0, rules()).await;
    for left in (4..10).rev() {
        assert_eq!(first.remaining(1).await, Some(left), "an hour before");
    }
    at(1);
    assert_eq!(first.remaining(1).await, Some(3), "an hour after");
    let again = node(folder.path(), &now, 0, rules()).await;
    for left in (0..3).rev() {
        assert_eq!(again.remaining(1).await, Some(left), "and anew");
    }
    assert_eq!(again.remaining(1).await, None);
    assert_eq!(again.remaining(2).await, Some(9), "another client");
    at(22);
    assert_eq!(first.remaining(1).await, None, "23 hours after the first");
    at(23);
    // six of them are a day old
    assert_eq!(first.remaining(1).await, Some(5));
    at(25);
    assert_eq!(again.remaining(1).await, Some(8));
    // their salt is forgotten an hour later, and who they were with it
    let salts = || async { again.db.sandbox_salts(&[(19_999, [9; 32])]).await.unwrap() };
    let kept = salts().await;
    let time = |hours| MIDNIGHT.plus(hours * HOUR);
    again
        .db
        .forget_sandbox(time(25), oldest_salt(time(25)), 100)
        .await
        .unwrap();
    assert_ne!(salts().await, kept);
    assert_eq!(salts().await[&19_999], [9; 32]);
}

#[tokio::test]
async fn a_challenge_is_solved_by_whoever_it_was_given_to_over_midnight_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicI64::new(MIDNIGHT.0 - MINUTE));
    let strict = Sandbox {
        free_of_challenge: 0,
        ..rules()
    };
    let one = node(folder.path(), &now, 0, strict.clone()).await;
    // the other's clock is on the next day already
    let other = node(folder.path(), &now, 2 * MINUTE, strict).await;
    let proved = async |node: &Node, from: &Node| {
        let challenge = from.entrance.challenge(&from.guest(1).await).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-sandbox-pow-challenge", challenge.text.parse().unwrap());
        headers.insert("x-sandbox-pow-solution", HeaderValue::from_static("0"));
        let guest = node.guest(1).await;
        let call = node.entrance.admit(&guest, &headers).await;
        call.map(|call| call.standing.remaining).ok()
    };
    assert_eq!(proved(&one, &other).await, Some(9));
    assert_eq!(proved(&other, &one).await, Some(8));
    assert_eq!(one.remaining(1).await, None, "without one");
    now.store(MIDNIGHT.0 + MINUTE, Ordering::Relaxed);
    assert_eq!(proved(&one, &one).await, Some(7));
}

/// Against the naive model: the moments of all calls that passed, of each client, over days, by two nodes whose clocks differ and that start anew.
#[tokio::test]
async fn it_is_as_if_all_calls_were_looked_through() {
    let mut runner = TestRunner::new_with_rng(
        Runs::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]),
    );
    // minutes that pass, who calls, at which node, and whether that starts anew before
    let step = (0_i64..90, 0_u8..3, 0_usize..2, prop::bool::weighted(0.03));
    let steps = prop::collection::vec(step, 300..=300);
    let steps = steps.new_tree(&mut runner).unwrap().current();
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicI64::new(MIDNIGHT.0));
    let ahead = [0, 4 * MINUTE];
    let (mut nodes, mut made) = (Vec::new(), Vec::<(u8, i64)>::new());
    for ahead in ahead {
        nodes.push(node(folder.path(), &now, ahead, rules()).await);
    }
    for (minutes, who, at, anew) in steps {
        now.fetch_add(minutes * MINUTE, Ordering::Relaxed);
        if anew {
            nodes[at] = node(folder.path(), &now, ahead[at], rules()).await;
        }
        // each node goes by its own clock: with SQLite there is no other
        let its = now.load(Ordering::Relaxed) + ahead[at];
        let own = made.iter().filter(|(whose, _)| *whose == who);
        let count = own.filter(|(_, at)| its - at < 24 * HOUR).count() as u32;
        let expected = 10_u32.checked_sub(count + 1);
        let remaining = nodes[at].remaining(who).await;
        assert_eq!(remaining, expected, "{count} by {who}");
        if remaining.is_some() {
            made.push((who, its));
        }
    }
    assert!(made.len() > 100, "{}", made.len());
}
