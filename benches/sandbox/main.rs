//! What calls without a key take: `cargo bench --bench sandbox`. A solved challenge checked; the locks that a request of the sandbox goes through, by all
//! cores at once; and a real server under 5,000 requests a second of 10,000 clients. A number sets how many seconds the last takes (20), a
//! word (`check`, `locks`, `load`) chooses one of them.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    unused_imports,
    reason = "a bench prints its figures, is ended by what it cannot do, and needs no more of the harness than a part"
)]

#[path = "../../tests/harness/mod.rs"]
mod harness;

use std::{
    collections::BTreeMap,
    fs,
    hint::black_box,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use harness::{server::Server, wire::Wire};
use sigcast::{
    cli::bench::process::Usage,
    gate::{
        pow::{self, Difficulty, PURPOSE},
        prover::Prover,
        sandbox::{Client, Fingerprint, Salt},
    },
    http::{sandbox_denied::Denied, sandbox_seen::Seen},
    model::time::Time,
};

const CLIENTS: u32 = 10_000;
const RATE: u32 = 5_000;
/// Connections that share the requests.
const CONNECTIONS: u32 = 100;
const NOW: Time = Time(1_760_000_000 * Time::SECOND);

fn main() {
    // `cargo bench` passes --bench
    let args: Vec<String> = std::env::args().skip(1).collect();
    let word = args
        .iter()
        .find(|arg| ["check", "locks", "load"].contains(&arg.as_str()));
    let seconds = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(20);
    let wants = |name: &str| word.is_none_or(|word| word == name);
    if wants("check") {
        check();
    }
    let locks = (wants("locks") || wants("load")).then(locks);
    if let Some(locks) = locks.filter(|_| wants("load")) {
        load(seconds, locks);
    }
}

/// The quickest of some rounds, in nanoseconds each: what else the machine does only adds.
fn quickest(rounds: usize, times: u32, mut what: impl FnMut(u32)) -> f64 {
    let round = |_| {
        let begun = Instant::now();
        (0..times).for_each(&mut what);
        begun.elapsed().as_nanos() as f64 / f64::from(times)
    };
    (0..rounds).map(round).fold(f64::INFINITY, f64::min)
}

fn check() {
    let salts: Vec<Salt> = (1..=3).map(|n| Salt::new(&[n; 32])).collect();
    let client = Client {
        ip: IpAddr::from([192, 0, 2, 1]),
        agent: b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        language: b"en-GB,en;q=0.9,de;q=0.8",
    };
    let fingerprints = || -> Vec<Fingerprint> {
        let prints = salts.iter().map(|salt| salt.fingerprint(&client));
        prints.collect()
    };
    let whose = fingerprints();
    let prover = Prover::new(&[7; 32], PURPOSE);
    let bits = Difficulty::try_from(16).unwrap();
    let until = pow::until(NOW.plus(600 * Time::SECOND));
    // given under the fingerprint that is looked at last
    let challenge = pow::issue(&prover, &whose[2], bits, until, [9; 12]);
    let begun = Instant::now();
    let nonce = pow::solve(&challenge, bits);
    println!(
        "solving one of 16 bits here, nonce {nonce}: {:.0} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );
    let solved = quickest(20, 20_000, |_| {
        black_box(pow::check(&prover, &whose, &challenge, black_box(&nonce), NOW).unwrap());
    });
    let wrong = quickest(20, 20_000, |_| {
        black_box(pow::check(&prover, &whose, &challenge, black_box("nonsense"), NOW).unwrap_err());
    });
    let named = quickest(20, 20_000, |_| {
        black_box(fingerprints());
    });
    println!(
        "a solved challenge checked, by the last of three fingerprints: {:.2} µs; a wrong one refused: {:.2} µs; three fingerprints made: {:.2} µs",
        solved / 1e3,
        wrong / 1e3,
        named / 1e3
    );
}

fn print(n: u32) -> Fingerprint {
    // as scattered as a digest is
    let n = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Fingerprint(bytes)
}

/// Nanoseconds that a request is in the gate's locks, waiting for them included, with all cores in them all the time: an upper bound.
fn locks() -> f64 {
    let seen = Seen::holding(65_536);
    let calls: Arc<[Time]> = (0..10).map(|n| NOW.plus(n)).collect();
    for n in 0..CLIENTS {
        seen.put(print(n), calls.clone());
    }
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("networks");
    let networks =
        (0..50_000_u32).map(|n| format!("{}/28\n", std::net::Ipv4Addr::from_bits(n << 16)));
    fs::write(&list, networks.collect::<String>()).unwrap();
    let denied = Denied::by(&list);
    denied.look();
    let cores = thread::available_parallelism().unwrap().get() as u32;
    let of = |what: &(dyn Fn(u32) + Sync)| {
        let each = |_| {
            let took: Vec<f64> = thread::scope(|scope| {
                let all: Vec<_> = (0..cores)
                    .map(|core| {
                        scope.spawn(move || {
                            let begun = Instant::now();
                            (0..200_000).for_each(|n| what(n * cores + core));
                            begun.elapsed().as_nanos() as f64 / 200_000.0
                        })
                    })
                    .collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            took.iter().sum::<f64>() / took.len() as f64
        };
        (0..5).map(each).fold(f64::INFINITY, f64::min)
    };
    let looked = of(&|n| {
        black_box(seen.get(&print(n % CLIENTS)));
    });
    let noted = of(&|n| seen.put(print(n % CLIENTS), calls.clone()));
    let listed = of(&|n| {
        black_box(denied.access(IpAddr::from((n << 8).to_be_bytes())));
    });
    println!(
        "in the locks, {cores} cores at once: a client looked up {looked:.0} ns, noted {noted:.0} ns, an address among 50,000 networks {listed:.0} ns"
    );
    // the salts are behind a lock as the list is, and an address is looked at within it
    looked + noted + 2.0 * listed
}

fn load(seconds: u64, locks: f64) {
    let server = Server::with(&[
        ("SIGCAST_HTTP__TRUSTED_PROXIES", "[\"127.0.0.0/8\"]"),
        ("RUST_LOG", "warn"),
    ]);
    let pids = [server.pid() as u32];
    let (ended, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let statuses: Mutex<BTreeMap<u16, u64>> = Mutex::default();
    let late = AtomicU64::new(0);
    let begun = Instant::now();
    thread::scope(|scope| {
        for n in 0..CONNECTIONS {
            let (server, ended, count, statuses, late) =
                (&server, &ended, &count, &statuses, &late);
            scope.spawn(move || {
                let mut wire = Wire::connect(server.main);
                let mut own: BTreeMap<u16, u64> = BTreeMap::new();
                let every = Duration::from_secs(1) * CONNECTIONS / RATE;
                let mut due = begun + every * n / CONNECTIONS;
                let mut client = n;
                while !ended.load(Ordering::Relaxed) {
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    if due.elapsed() > Duration::from_millis(500) {
                        late.fetch_add(1, Ordering::Relaxed);
                    }
                    due += every;
                    let address = format!("10.{}.{}.1", client / 256, client % 256);
                    let headers = [("x-forwarded-for", &*address), ("user-agent", "bench/1")];
                    wire.get("/api/v1/sandbox/stats", &headers);
                    *own.entry(wire.reply().head.status).or_default() += 1;
                    count.fetch_add(1, Ordering::Relaxed);
                    client = (client + CONNECTIONS) % CLIENTS;
                }
                let mut all = statuses.lock().unwrap();
                for (status, many) in own {
                    *all.entry(status).or_default() += many;
                }
            });
        }
        let mut before = (Usage::of(&pids).unwrap(), 0);
        for second in 1..=seconds {
            let next = begun + Duration::from_secs(second);
            thread::sleep(next.saturating_duration_since(Instant::now()));
            let now = (Usage::of(&pids).unwrap(), count.load(Ordering::Relaxed));
            let (user, system) = now.0.since(&before.0);
            let answered = now.1 - before.1;
            let cpu = (user + system).as_secs_f64();
            // each answer was one request in the locks; the batch's own are behind them, a turn for up to 256
            let share = locks * answered as f64 / 1e9 / cpu.max(1e-9);
            println!(
                "{second:>3} s: {answered} answers, {:.0} % of a core, of it in the gate's locks {:.2} % at the most; {} MB resident, {} clients known",
                cpu * 100.0,
                share * 100.0,
                now.0.resident_bytes >> 20,
                server.metric("sigcast_sandbox_clients"),
            );
            before = now;
        }
        ended.store(true, Ordering::Relaxed);
    });
    let all = count.load(Ordering::Relaxed);
    println!(
        "{all} answers in {:.1} s, {:.0} a second; {} sent later than half a second; by status {:?}; {} calls counted",
        begun.elapsed().as_secs_f64(),
        all as f64 / begun.elapsed().as_secs_f64(),
        late.load(Ordering::Relaxed),
        statuses.lock().unwrap(),
        server.metric("sigcast_sandbox_calls_total"),
    );
}
