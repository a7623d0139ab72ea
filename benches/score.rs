//! Swaps per second through book and window, on one core: the engine as the pipeline drives it, without its storage.
//!
//! The stream: 20 swaps a second of event time, in order, by 4,000 wallets in 400 mints, both skewed to a few hot ones; 30 % of
//! them sell what one buy bought, so wallets come to hold hundreds of positions. No token facts, no transfers, nothing late.
//! Each measurement takes the 100,000 swaps that follow on half a million, always the same: an engine that went on from one to the
//! next would hold more with each, and be slower by the number of measurements. Changes are taken, and rows weighed, every thousand
//! swaps; nothing is let go, as there is no store to load from again.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sigcast::{
    model::{
        money::MicroUsd,
        swap::{Address, Amount, Fact, Side, Swap},
        time::Time,
    },
    score::{
        config::Config,
        consensus::Engine,
        record::{MintRecord, Need, WalletRecord},
    },
};

const SWAPS: usize = 100_000;
/// Swaps before the measurement: books and histories as they are after a while.
const PAST: usize = 500_000;
const WALLETS: u64 = 4000;
const MINTS: u64 = 400;
/// Swaps are this far apart in event time: 20 a second, so that each wallet swaps every few minutes, and the hottest mint has
/// about a hundred swaps in its window.
const APART_MICROS: i64 = 50_000;

/// Xorshift: the stream is the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// Few are hot: the low numbers come up far more often.
    fn skewed(&mut self, end: u64) -> u64 {
        let one = self.below(end);
        one * (self.below(end) + 1) / end * (self.below(end) + 1) / end
    }
}

/// A market: wallets buy, 30 % of the swaps sell what was bought, some mints are hot.
struct Market {
    dice: Dice,
    wallets: Vec<Address>,
    mints: Vec<Address>,
    /// What was bought and not sold: wallet, mint, base units.
    open: Vec<(usize, usize, u128)>,
    place: u64,
}

impl Market {
    fn new() -> Self {
        let names = |kind: &str, count| {
            (0..count)
                .map(|n| format!("{kind}{n:0>43}").into())
                .collect()
        };
        Market {
            dice: Dice(0x5EED),
            wallets: names("w", WALLETS),
            mints: names("m", MINTS),
            open: Vec::new(),
            place: 0,
        }
    }

    fn next(&mut self) -> Fact {
        self.place += 1;
        let dice = &mut self.dice;
        let price = 500 + dice.below(1000);
        let sells = !self.open.is_empty() && dice.below(10) < 3;
        let (wallet, mint, units) = if sells {
            let chosen = dice.below(self.open.len() as u64) as usize;
            self.open.swap_remove(chosen)
        } else {
            let dollars = 10 + dice.below(490);
            let units = u128::from(dollars) * 1_000_000_000 / u128::from(price);
            let bought = (
                dice.skewed(WALLETS) as usize,
                dice.skewed(MINTS) as usize,
                units,
            );
            self.open.push(bought);
            bought
        };
        let usd = (units * u128::from(price) / 1000) as i64;
        Fact::Swap(Swap {
            signature: Arc::from(format!("s{:0>80}", self.place)),
            index: 0,
            slot: Some(self.place / 40),
            tx_index: Some(self.place % 40),
            time: Time(1_760_000_000_000_000 + self.place as i64 * APART_MICROS),
            wallet: self.wallets[wallet].clone(),
            mint: self.mints[mint].clone(),
            side: if sells { Side::Sell } else { Side::Buy },
            token_amount: units,
            amount: Amount::Usd(MicroUsd(usd)),
            fee: MicroUsd(usd / 100),
            dex: None,
        })
    }
}

/// Applies facts as the pipeline does: loads what is asked for, takes changes by the thousand.
fn feed(engine: &mut Engine, facts: &[Fact]) -> usize {
    let mut fired = 0;
    for (place, fact) in facts.iter().enumerate() {
        loop {
            match engine.apply(fact, false) {
                Ok(drafts) => {
                    fired += drafts.len();
                    break;
                }
                Err(needs) => load(engine, needs),
            }
        }
        if place % 1000 == 999 {
            std::hint::black_box(engine.take_changes());
            engine.evict(usize::MAX, usize::MAX); // weighed, but kept: there is no store to load from again
        }
    }
    fired
}

fn load(engine: &mut Engine, needs: Vec<Need>) {
    for need in needs {
        match need {
            Need::Wallet(wallet) => engine.load_wallet(wallet, WalletRecord::default()),
            Need::Mint(mint) => engine.load_mint(mint, MintRecord::default()),
        }
    }
}

/// An engine with its past, and the swaps that follow.
fn eve() -> (Engine, Vec<Fact>, usize) {
    let mut market = Market::new();
    let mut engine = Engine::new(Config::default());
    let mut fired = 0;
    for _ in 0..PAST / 1000 {
        let past: Vec<Fact> = (0..1000).map(|_| market.next()).collect();
        fired += feed(&mut engine, &past);
    }
    let facts = (0..SWAPS).map(|_| market.next()).collect();
    (engine, facts, fired)
}

fn swaps(criterion: &mut Criterion) {
    let (mut engine, _, fired) = eve();
    let (wallets, mints) = engine.weigh();
    println!("after {PAST} swaps: {fired} signals; wallets weigh {wallets} bytes, mints {mints}");
    drop(engine);
    let mut group = criterion.benchmark_group("score");
    group
        .throughput(Throughput::Elements(SWAPS as u64))
        .sample_size(10);
    group.bench_function("book_and_window", |bencher| {
        bencher.iter_batched(
            eve,
            |(mut engine, facts, _)| {
                feed(&mut engine, &facts);
                (engine, facts) // dropped outside the measurement
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, swaps);
criterion_main!(benches);
