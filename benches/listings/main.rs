//! What the REST endpoints take over a million declarations, what an export of all of them takes in memory, and how many requests a second
//! are answered: `cargo bench --bench listings`. A number sets how many declarations (the data set is made once, and kept), a path the
//! folder for it. The programs that it starts read the environment: with `SIGCAST_DATABASE_URL` all of it is about that database.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints its figures"
)]

mod cases;
mod data;
mod measure;
#[expect(dead_code, reason = "signals are published by others alone")]
mod server;

use std::path::PathBuf;

use server::Server;

const CONNECTIONS: usize = 32;
const SECONDS: u64 = 10;
/// Requests a second that are the aim.
const AIM: f64 = 5_000.0;

fn main() {
    // `cargo bench` passes --bench
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    let number = |arg: &String| arg.parse::<u64>().ok();
    let declarations = args.iter().find_map(number).unwrap_or(1_000_000);
    let folder = args.iter().find(|arg| number(arg).is_none());
    let of = match std::env::var_os("SIGCAST_DATABASE_URL") {
        Some(_) => "listings-database",
        None => "listings",
    };
    let folder = folder.map_or_else(
        || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{of}-{declarations}")),
        PathBuf::from,
    );
    let data = data::at_hand(&folder, declarations);
    let server = Server::start(&folder, &data.dir);
    let missed = latencies(&server, &data) + export(&server) + throughput(&server);
    println!("\n{missed} above their bounds");
}

fn verdict(good: bool) -> &'static str {
    if good { "" } else { "above" }
}

/// How many were above their bounds.
fn latencies(server: &Server, data: &data::Data) -> usize {
    let mut connection = server.connect();
    let cases = cases::all(&mut connection, data.end);
    println!("| request | offset | first ms | p50 ms | p99 ms | of | processor ms | bound | |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut missed = 0;
    for case in &cases {
        let taken = measure::latencies(server, &mut connection, case);
        let good = taken.p99 <= case.most_ms;
        missed += usize::from(!good);
        println!(
            "| `{}` | {} | {:.1} | {:.1} | {:.1} | {} | {:.1} | {} | {} |",
            case.path
                .trim_start_matches("/api/v1")
                .trim_end_matches("offset={offset}")
                .trim_end_matches(['?', '&']),
            case.offset,
            taken.first,
            taken.p50,
            taken.p99,
            taken.requests,
            taken.processor,
            case.most_ms,
            verdict(good)
        );
    }
    missed
}

fn export(server: &Server) -> usize {
    println!(
        "\n| export | rows | MB | seconds | first after, s | resident MB before | at the most | after |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut missed = 0;
    for path in [
        "/api/v1/declarations",
        "/api/v1/declarations?sort=signalScore",
        "/api/v1/insiders",
    ] {
        let done = measure::export(server, path);
        let [before, most, after] = done.memory_kb.map(|kb| kb / 1024);
        // eight bytes a row, and a page
        missed += usize::from(most > before + 64);
        println!(
            "| `{path}` | {} | {} | {:.1} | {:.2} | {before} | {most} | {after} |",
            done.rows,
            done.bytes / 1_000_000,
            done.seconds,
            done.first
        );
    }
    missed
}

fn throughput(server: &Server) -> usize {
    println!("\n| requests, {CONNECTIONS} connections, {SECONDS} s | per second | MB/s | aim | |");
    println!("| --- | --- | --- | --- | --- |");
    let mut missed = 0;
    for path in [
        "/api/v1/declarations?limit=50",
        "/api/v1/declarations?limit=50&market=us&minScore=40",
        "/api/v1/health",
    ] {
        let (rate, megabytes) = measure::throughput(server, path, CONNECTIONS, SECONDS);
        missed += usize::from(rate < AIM);
        println!(
            "| `{path}` | {rate:.0} | {megabytes:.0} | {AIM} | {} |",
            verdict(rate >= AIM)
        );
    }
    missed
}
