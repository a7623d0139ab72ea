//! What webhooks take: `cargo bench --bench webhooks`. 300 signals a minute to 200 endpoints of which a quarter misbehaves, as many as go
//! to 200 that do not, and one that is dead with a million signals behind it. A word (`load`, `most`, `behind`) chooses one of them, a number
//! sets how many seconds the first takes.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a bench prints its figures, and is ended by what it cannot do"
)]

#[path = "../../tests/harness/mod.rs"]
mod harness;

mod process;

use std::{
    collections::{HashMap, HashSet},
    thread,
    time::{Duration, Instant},
};

use harness::{
    receiver::{Answer, Delivery, Manner, Receiver},
    server::{Key, Server, now, sample},
    wire::request,
};
use process::Taken;
use serde_json::{Value, json};
use sigcast::model::time::Time;

/// Endpoints of one account, by its plan.
const OF_ACCOUNT: usize = 10;
const ENDPOINTS: usize = 200;
/// One in so many misbehaves.
const ONE_BAD_IN: usize = 4;
/// Signals a second.
const RATE: f64 = 5.0;
/// Bytes of a signal on the wire, about.
const SIZE: usize = 1_100;
/// Signals behind the dead endpoint.
const BEHIND: u32 = 1_000_000;
const SETTINGS: [(&str, &str); 2] = [
    ("SIGCAST_WEBHOOK__ALLOW_HTTP", "true"),
    ("SIGCAST_WEBHOOK__ALLOW_SUBNETS", r#"["127.0.0.0/8"]"#),
];

fn main() {
    // `cargo bench` passes --bench
    let args: Vec<String> = std::env::args().skip(1).collect();
    let word = args
        .iter()
        .find(|arg| ["load", "most", "behind"].contains(&arg.as_str()));
    let seconds = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(60);
    let wants = |name: &str| word.is_none_or(|word| word == name);
    if wants("load") {
        load(seconds);
    }
    if wants("most") {
        most();
    }
    if wants("behind") {
        behind();
    }
}

fn hook(server: &Server, key: &Key, url: &str, start_after: Option<i64>) -> String {
    let bearer = format!("Bearer {}", key.text);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let body = json!({"url": url, "start_after": start_after}).to_string();
    let made = request(
        server.main,
        "POST",
        "/api/v1/webhooks",
        &headers,
        body.as_bytes(),
    );
    assert!(made.head.status < 300, "{}", made.text());
    made.json()["id"].as_str().unwrap().to_owned()
}

/// So many endpoints at the paths `/0`, `/1` and so on.
fn hooks(server: &Server, receiver: &Receiver, many: usize) {
    let mut key = server.alpha_key();
    for n in 0..many {
        if n > 0 && n % OF_ACCOUNT == 0 {
            key = server.alpha_key();
        }
        hook(server, &key, &receiver.url(&format!("/{n}")), None);
    }
}

fn signal(n: u32) -> Value {
    let mut signal = sample(n);
    let length = signal.to_string().len() + 60;
    signal["filler"] = json!("x".repeat(SIZE.saturating_sub(length)));
    signal
}

/// All that an endpoint can do wrong, in turn.
fn bad(n: usize, receiver: &Receiver) -> Manner {
    let long = Duration::from_secs(10);
    match n % 8 {
        0 => Manner::status(500),
        1 => Manner::fine().after(long),
        2 => Manner::answering(Answer::ResetBeforeHead),
        3 => Manner::answering(Answer::ResetAfterHead),
        4 => Manner::answering(Answer::Slow(64, Duration::from_millis(500))),
        5 => Manner::answering(Answer::Huge(64 << 20)),
        6 => Manner::redirect(&receiver.url("/elsewhere")),
        _ => Manner::answering(Answer::Never),
    }
}

fn is_bad(n: usize) -> bool {
    n.is_multiple_of(ONE_BAD_IN)
}

/// 5 signals a second to 200 endpoints, a quarter of which misbehaves.
fn load(seconds: u64) {
    let server = Server::with(&SETTINGS);
    let receiver = Receiver::counting();
    for n in (0..ENDPOINTS).filter(|n| is_bad(*n)) {
        receiver.behave(&format!("/{n}"), bad(n / ONE_BAD_IN, &receiver));
    }
    hooks(&server, &receiver, ENDPOINTS);
    let healthy: HashSet<String> = (0..ENDPOINTS)
        .filter(|n| !is_bad(*n))
        .map(|n| format!("/{n}"))
        .collect();
    let before = Taken::of(server.pid());
    let signals = (seconds as f64 * RATE) as u32;
    let begun = Instant::now();
    let mut published = HashMap::new();
    let mut most_resident = 0;
    for n in 1..=signals {
        let due = begun + Duration::from_secs_f64(f64::from(n) / RATE);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let at = now();
        server.publish(&signal(n));
        published.insert(i64::from(n), at);
        most_resident = most_resident.max(Taken::of(server.pid()).resident_kb);
    }
    let expected = healthy.len() * signals as usize;
    let is_there = |all: &[Delivery]| answered(all, &healthy).count() >= expected;
    receiver.wait_until(Duration::from_secs(30), is_there);
    let taken = Taken::of(server.pid()).since(&before);
    let all = receiver.deliveries();
    let mut times = Vec::with_capacity(expected);
    let mut had = HashSet::new();
    for one in answered(&all, &healthy) {
        if let Some(seq) = one.seq
            && had.insert((one.path.clone(), seq))
        {
            times.push(one.at.0 - published[&seq].0);
        }
    }
    println!(
        "\n## {signals} signals in {seconds} s to {ENDPOINTS} endpoints, {} of which misbehave",
        ENDPOINTS - healthy.len()
    );
    println!(
        "from the request that publishes to the receiver: {}",
        spread(&mut times)
    );
    println!(
        "missing {}, twice {}",
        expected - had.len(),
        answered(&all, &healthy).count() - had.len()
    );
    println!(
        "attempts that came: {}; processor {:.0} µs each; resident most {} MB",
        all.len(),
        taken.processor.as_secs_f64() * 1e6 / all.len() as f64,
        most_resident / 1_024
    );
}

/// As many as go to 200 endpoints that take all.
fn most() {
    const SIGNALS: u32 = 1_000;
    let server = Server::with(&SETTINGS);
    let receiver = Receiver::counting();
    hooks(&server, &receiver, ENDPOINTS);
    let everybody: HashSet<String> = (0..ENDPOINTS).map(|n| format!("/{n}")).collect();
    // each has its connection
    server.publish(&signal(1));
    let warm = |all: &[Delivery]| answered(all, &everybody).count() >= ENDPOINTS;
    receiver.wait_until(Duration::from_secs(30), warm).unwrap();
    receiver.drain();
    let before = Taken::of(server.pid());
    let begun = Instant::now();
    server.publish_all((2..=SIGNALS + 1).map(signal));
    let expected = ENDPOINTS * SIGNALS as usize;
    receiver
        .wait_for(expected, Duration::from_secs(300))
        .unwrap();
    let took = begun.elapsed();
    let taken = Taken::of(server.pid()).since(&before);
    println!("\n## {SIGNALS} signals at once to {ENDPOINTS} endpoints");
    println!(
        "{:.0} deliveries/s, processor {:.0} µs each, resident {} MB",
        expected as f64 / took.as_secs_f64(),
        taken.processor.as_secs_f64() * 1e6 / expected as f64,
        taken.resident_kb / 1_024
    );
}

/// One that is dead with a million signals behind it, beside ten that are not.
fn behind() {
    const HEALTHY: usize = 9;
    let server = Server::with(&SETTINGS);
    let receiver = Receiver::counting();
    for some in (1..=BEHIND).collect::<Vec<_>>().chunks(2_000) {
        server.publish_all(some.iter().copied().map(signal));
    }
    let key = server.alpha_key();
    for n in 0..HEALTHY {
        hook(&server, &key, &receiver.url(&format!("/{n}")), None);
    }
    let healthy: HashSet<String> = (0..HEALTHY).map(|n| format!("/{n}")).collect();
    let run = |from: u32| {
        receiver.drain();
        let mut times = Vec::new();
        let mut published = HashMap::new();
        for n in from..from + 150 {
            let at = now();
            let seq = server.publish(&signal(n))["seq"].as_i64();
            published.insert(seq, at);
            thread::sleep(Duration::from_secs_f64(1.0 / RATE / 2.0));
        }
        let expected = 150 * HEALTHY;
        let is_there = |all: &[Delivery]| answered(all, &healthy).count() >= expected;
        let all = receiver
            .wait_until(Duration::from_secs(30), is_there)
            .unwrap();
        times.extend(answered(&all, &healthy).map(|one| one.at.0 - published[&one.seq].0));
        (
            spread(&mut times),
            Taken::of(server.pid()).resident_kb / 1_024,
        )
    };
    let (alone, resident) = run(BEHIND + 1);
    receiver.behave("/dead", Manner::answering(Answer::ResetBeforeHead));
    let dead = hook(&server, &key, &receiver.url("/dead"), Some(0));
    let (beside, resident_beside) = run(BEHIND + 1_001);
    let bearer = format!("Bearer {}", key.text);
    let path = format!("/api/v1/webhooks/{dead}");
    let state = request(
        server.main,
        "GET",
        &path,
        &[("authorization", &bearer)],
        b"",
    )
    .json();
    println!("\n## {HEALTHY} endpoints, and one that is dead with {BEHIND} signals behind it");
    println!("without it: {alone}, resident {resident} MB");
    println!("beside it: {beside}, resident {resident_beside} MB");
    println!("its state: {}", state["state"]);
}

fn answered<'a>(
    all: &'a [Delivery],
    paths: &'a HashSet<String>,
) -> impl Iterator<Item = &'a Delivery> {
    all.iter()
        .filter(|one| one.is_acknowledged() && paths.contains(&*one.path))
}

/// Of times in microseconds.
fn spread(times: &mut [i64]) -> String {
    times.sort_unstable();
    let at = |share: f64| {
        let place = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times
            .get(place)
            .map_or(0.0, |micros| *micros as f64 / (Time::SECOND as f64 / 1e3))
    };
    format!(
        "p50 {:.1}, p99 {:.1}, most {:.1} ms of {}",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    )
}
