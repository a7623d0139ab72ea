//! What a signal costs before any socket: its frame made once from its row, and a filter's verdict for each stream.

use std::{collections::BTreeSet, hint::black_box, sync::Arc, time::Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sigcast::{
    gate::filter::{Filter, MinScore},
    hub::frame::Frame,
    model::{log::LogRow, rank::Rank, signal::Facets, time::Time},
};

const WALLETS: usize = 11;

/// What an episode has reached before makes a row an update for some, which is a second name for it.
const BEFORE: &str = ",\"best_before\":{\"rank\":\"B\",\"rank_score\":61.5}";

/// A signal of the usual size, some 1.1 kB.
fn row(before: &str) -> LogRow {
    let wallet = |n: usize| format!("{{\"address\":\"wallet{n:0>38}\",\"score\":{n}}}");
    let wallets: Vec<String> = (0..WALLETS).map(wallet).collect();
    let wallets = wallets.join(",");
    let body = format!(
        "{{\"id\":\"00000000-0000-4000-8000-000000000001\",\"signal_type\":\"consensus_buy\",\"rank\":\"A\",\"rank_score\":82.5,\
         \"market\":\"crypto\",\"token\":{{\"address\":\"mint{:0>40}\",\"symbol\":\"BENCH\"}},\"wallets\":[{wallets}]{before}}}",
        7
    );
    LogRow {
        seq: 123_456,
        published_at: Time(1_776_936_000_000_000),
        body: Arc::from(body),
    }
}

fn encode(criterion: &mut Criterion) {
    let now = Instant::now();
    let mut group = criterion.benchmark_group("encode");
    for (name, before) in [("signal", ""), ("signal_and_update", BEFORE)] {
        let row = row(before);
        let bytes = Frame::new("1f3c9a2e", &row, None, now).len();
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| Frame::new("1f3c9a2e", black_box(&row), None, now));
        });
    }
    group.finish();
}

fn filter(criterion: &mut Criterion) {
    let facets = Facets::of(&row(BEFORE).body);
    let of_types = |types: &[&str]| Some(types.iter().map(|&one| one.to_owned()).collect());
    let filters: [(&str, Filter); 4] = [
        ("open", Filter::default()),
        (
            "rank_and_score",
            Filter {
                min_rank: Some(Rank::B),
                min_score: MinScore::new(60.0),
                ..Filter::default()
            },
        ),
        (
            "all_five",
            Filter {
                types: of_types(&["consensus_buy", "consensus_exit", "insider_buy"]),
                min_rank: Some(Rank::B),
                min_score: MinScore::new(60.0),
                token: facets.token.clone(),
                market: facets.market.clone(),
            },
        ),
        (
            "held_back",
            Filter {
                types: Some(BTreeSet::from(["insider_buy".to_owned()])),
                ..Filter::default()
            },
        ),
    ];
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(1));
    for (name, filter) in &filters {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| black_box(filter).event_name(black_box(&facets)));
        });
    }
    group.finish();
}

criterion_group!(benches, encode, filter);
criterion_main!(benches);
