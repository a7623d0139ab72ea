//! Who trades in the simulated market: skilled wallets of four grades, bots, gamblers, and those that must not count.

use super::dice::Dice;
use crate::model::{
    swap::{Address, Fact, Label, WalletFact},
    time::Time,
};

/// What a wallet's past makes of it in consensus-score's formula; each deck below is computed to land in its rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skill {
    /// Score ≥ 120.
    S,
    /// Score ≥ 95.
    A,
    /// Score ≥ 70.
    B,
    /// Score ≥ 45.
    C,
    /// Scored, and below the pool.
    Gambler,
    /// Sells within seconds.
    Bot,
}

impl Skill {
    /// Returns of its closed positions in percent, one each.
    ///
    /// S: 18 of 20 won, t = 6.6, about $20,000 made: win 38, edge 45, pnl 19, fresh 29. A: 14 of 18, t = 2.6. B: 10 of 16, t = 1.3.
    /// C: 7 of 14, t = 0.5. Gambler: 3 of 12, t < 0.
    #[must_use]
    pub fn deck(self) -> &'static [i64] {
        match self {
            Skill::S => &[
                60, 80, 45, 120, 90, 150, 70, 55, 200, 65, 85, 110, 40, 95, 130, 75, 50, 160, -20,
                -35,
            ],
            Skill::A => &[
                40, 55, 30, 70, 25, 90, 35, 60, 20, 80, 45, 30, 65, 50, -45, -55, -40, -60,
            ],
            Skill::B => &[
                50, 35, 80, 25, 60, 40, 90, 30, 45, 55, -40, -55, -35, -60, -45, -30,
            ],
            Skill::C => &[
                45, 30, 60, 35, 80, 25, 55, -30, -45, -35, -50, -40, -25, -20,
            ],
            Skill::Gambler => &[60, 110, 30, -70, -55, -80, -40, -65, -50, -75, -60, -45],
            Skill::Bot => &[4, 6, 3, 5, -2, 7, 4, 3, -1, 5, 6, 4, 2, 5],
        }
    }

    /// What it puts into one position, in dollars.
    #[must_use]
    pub fn stake_usd(self) -> u64 {
        match self {
            Skill::S => 1_200,
            Skill::A => 1_000,
            Skill::B => 1_200,
            Skill::C => 900,
            Skill::Gambler => 150,
            Skill::Bot => 400,
        }
    }
}

/// A wallet with a past.
#[derive(Clone, Debug)]
pub struct Player {
    /// Which.
    pub wallet: Address,
    /// How good.
    pub skill: Skill,
}

/// Everybody, by seed.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Skilled wallets, gamblers and bots: those with a past.
    pub players: Vec<Player>,
    /// A crowd without one.
    pub crowd: Vec<Address>,
    /// Four wallets that one wallet funded: one entity when buyers are counted.
    pub sybils: Vec<Address>,
    /// Who funded them.
    pub funder: Address,
    /// An exchange's hot wallet.
    pub exchange: Address,
    /// An aggregator's.
    pub router: Address,
}

const COUNTS: [(Skill, usize); 6] = [
    (Skill::S, 6),
    (Skill::A, 6),
    (Skill::B, 6),
    (Skill::C, 4),
    (Skill::Gambler, 30),
    (Skill::Bot, 4),
];

impl Cast {
    /// The cast of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let mut players = Vec::new();
        for (skill, count) in COUNTS {
            for _ in 0..count {
                players.push(Player {
                    wallet: dice.address(),
                    skill,
                });
            }
        }
        Cast {
            players,
            crowd: (0..1_500).map(|_| dice.address()).collect(),
            sybils: (0..4).map(|_| dice.address()).collect(),
            funder: dice.address(),
            exchange: dice.address(),
            router: dice.address(),
        }
    }

    /// The wallets of a grade.
    #[must_use]
    pub fn of(&self, skill: Skill) -> Vec<Address> {
        let players = self.players.iter().filter(|player| player.skill == skill);
        players.map(|player| player.wallet.clone()).collect()
    }

    /// What is known of the wallets from `time` on.
    #[must_use]
    pub fn facts(&self, time: Time) -> Vec<Fact> {
        let fact = |wallet: &Address, label: Option<Label>, funder: Option<&Address>| {
            Fact::Wallet(WalletFact {
                wallet: wallet.clone(),
                time,
                labels: label.map(|label| vec![label]),
                first_funder: funder.cloned(),
            })
        };
        let mut facts = vec![
            fact(&self.exchange, Some(Label::Exchange), None),
            fact(&self.router, Some(Label::Router), None),
        ];
        let bots = self.of(Skill::Bot);
        facts.extend(bots.iter().map(|bot| fact(bot, Some(Label::Bot), None)));
        let sybils = self.sybils.iter();
        facts.extend(sybils.map(|sybil| fact(sybil, None, Some(&self.funder))));
        facts
    }
}
