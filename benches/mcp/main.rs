//! What `tools/call` takes over a million declarations, tool by tool: `cargo bench --bench mcp`. The data set, and what a number and a path on
//! the command line mean, are those of `cargo bench --bench listings`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints its figures"
)]

mod calls;
#[path = "../listings/data.rs"]
#[expect(dead_code, reason = "not all that is known of it is asked for here")]
mod data;
#[path = "../listings/server.rs"]
#[expect(dead_code, reason = "not all that it can do is asked of it here")]
mod server;

use std::{path::PathBuf, time::Instant};

use calls::Tool;
use server::{Connection, Server};

/// The bound on p99, in milliseconds.
const MOST_MS: f64 = 30.0;
const CALLS: u64 = 400;

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
    calls::publish(&server);
    let mut connection = server.connect();
    let tools = calls::all(&mut connection);
    println!("| tool | asked for | p50 ms | p99 ms | at most | of | answer kB | processor ms | |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let (mut missed, mut all) = (0, Vec::new());
    for tool in &tools {
        let used = server.processor_ms();
        let (mut taken, bytes) = measure(&server, &mut connection, tool);
        let processor = (server.processor_ms() - used) / taken.len() as f64;
        all.extend_from_slice(&taken);
        let [p50, p99, most] = quantiles(&mut taken);
        missed += usize::from(p99 > MOST_MS);
        println!(
            "| `{}` | {} | {p50:.1} | {p99:.1} | {most:.1} | {} | {} | {processor:.1} | {} |",
            tool.name,
            tool.about,
            taken.len(),
            bytes / taken.len() / 1_000,
            if p99 > MOST_MS { "above" } else { "" },
        );
    }
    let [p50, p99, most] = quantiles(&mut all);
    println!("\nall of them together: p50 {p50:.1} ms, p99 {p99:.1} ms, at most {most:.1} ms");
    println!("{missed} above {MOST_MS} ms");
}

/// Milliseconds of calls, one after the other on one connection, and bytes of their answers.
fn measure(server: &Server, connection: &mut Connection, tool: &Tool) -> (Vec<f64>, usize) {
    let (mut taken, mut bytes, mut body) = (Vec::new(), 0, Vec::new());
    for n in 0..CALLS.min(tool.most) {
        let request = calls::request(&server.key, tool.name, &(tool.arguments)(n));
        let began = Instant::now();
        connection.ask(&request, &mut body);
        taken.push(began.elapsed().as_secs_f64() * 1e3);
        bytes += body.len();
        let said = String::from_utf8_lossy(&body);
        assert!(said.contains("\"isError\":false"), "{}: {said}", tool.name);
    }
    (taken, bytes)
}

fn quantiles(taken: &mut [f64]) -> [f64; 3] {
    taken.sort_by(f64::total_cmp);
    let at = |share: f64| taken[((taken.len() as f64 * share).ceil() as usize).max(1) - 1];
    [at(0.5), at(0.99), at(1.0)]
}
