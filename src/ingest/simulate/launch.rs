//! One simulated launch from mint to the last seller: who buys when, and how it ends.

use super::{
    cast::{Cast, Player, Skill},
    dice::Dice,
    minting::{Coin, Safety, swap, units_for, worth},
};
use crate::model::{
    swap::{Address, Fact, Label, Side, WalletFact},
    time::Time,
};

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const DOLLAR: u64 = 1_000_000;

/// How a launch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The best wallets, a clean token: S.
    Star,
    /// Good wallets, one warning: at most B.
    Good,
    /// Still on its bonding curve.
    Curve,
    /// Authorities kept; the price goes to nothing: D.
    Rug,
    /// Nobody of rank comes: no signal.
    Dud,
}

impl Kind {
    /// One at random, a signal in three of four.
    pub fn draw(dice: &mut Dice) -> Self {
        match dice.below(100) {
            0..20 => Kind::Star,
            20..45 => Kind::Good,
            45..65 => Kind::Curve,
            65..77 => Kind::Rug,
            _ => Kind::Dud,
        }
    }

    fn buyers(self, dice: &mut Dice, cast: &Cast) -> Vec<Player> {
        let (skills, count): (&[Skill], u64) = match self {
            Kind::Star => (&[Skill::S, Skill::A], dice.between(5, 6)),
            Kind::Good if dice.chance(40) => (&[Skill::B, Skill::C], dice.between(3, 4)),
            Kind::Good => (&[Skill::A, Skill::B], dice.between(3, 5)),
            Kind::Curve => (&[Skill::A, Skill::B, Skill::C], dice.between(3, 4)),
            Kind::Rug => (&[Skill::B, Skill::C], dice.between(3, 4)),
            Kind::Dud => (&[Skill::C], 1),
        };
        let players = cast.players.iter();
        let mut players: Vec<Player> = players
            .filter(|player| skills.contains(&player.skill))
            .cloned()
            .collect();
        dice.shuffle(&mut players);
        players.truncate(count as usize);
        players
    }

    fn safety(self, dice: &mut Dice) -> Safety {
        Safety {
            mint_renounced: self != Kind::Rug,
            freeze_renounced: self != Kind::Rug || dice.chance(50),
            top10_pct: match self {
                Kind::Good => dice.between(31, 44),
                Kind::Rug => dice.between(55, 90),
                _ => dice.between(11, 27),
            },
            max_holder_pct: match self {
                Kind::Rug => dice.between(20, 50),
                _ => dice.between(2, 9),
            },
            lp_locked: match self {
                Kind::Curve => None,
                _ => Some(self != Kind::Rug),
            },
            bonding_curve: self == Kind::Curve,
        }
    }

    /// Market capitalisation and liquidity at the start, in dollars.
    fn size(self, dice: &mut Dice) -> (u64, u64) {
        match self {
            Kind::Star => (
                dice.between(150_000, 400_000),
                dice.between(60_000, 150_000),
            ),
            Kind::Good => (dice.between(40_000, 150_000), dice.between(15_000, 50_000)),
            Kind::Curve => (dice.between(8_000, 40_000), dice.between(6_000, 15_000)),
            Kind::Rug | Kind::Dud => (dice.between(8_000, 30_000), dice.between(3_000, 9_000)),
        }
    }
}

/// What a skilled buyer makes of a position, in percent. It hangs on the buyer, not on the launch (who knows leaves a rug early):
/// with these means a grade is kept over hundreds of positions, where a larger edge would make everybody an S by evening.
fn outcome(skill: Skill, dice: &mut Dice) -> i64 {
    let (chance, win, loss) = match skill {
        Skill::S => (88, (40, 150), (10, 25)),
        Skill::A => (60, (15, 95), (57, 85)),
        Skill::B => (50, (20, 70), (25, 55)),
        Skill::C | Skill::Gambler | Skill::Bot => (43, (20, 70), (20, 45)),
    };
    if dice.chance(chance) {
        dice.between(win.0, win.1) as i64
    } else {
        -(dice.between(loss.0, loss.1) as i64)
    }
}

/// The facts of a launch with their offsets in microseconds since the start of the simulation; `time` turns an offset into event
/// time.
pub struct Launch<'a> {
    /// Its randomness.
    pub dice: &'a mut Dice,
    /// Who may come.
    pub cast: &'a Cast,
    /// Offset → event time.
    pub time: &'a dyn Fn(u64) -> Time,
    /// Collects what happens, in no order.
    pub facts: Vec<(u64, Fact)>,
}

impl Launch<'_> {
    /// Plays a launch that begins at offset `at`. With `prompt`, a signal is due within six seconds.
    pub fn play(&mut self, kind: Kind, at: u64, prompt: bool) {
        let coin = Coin::new(self.dice, (self.time)(at));
        let (cap, liquidity) = kind.size(self.dice);
        let safety = kind.safety(self.dice);
        self.facts
            .push((at, coin.state((self.time)(at), cap, liquidity, safety)));
        let deployer = Fact::Wallet(WalletFact {
            wallet: coin.deployer.clone(),
            time: (self.time)(at),
            labels: Some(vec![Label::Deployer]),
            first_funder: None,
        });
        self.facts.push((at, deployer));
        let first = self.dice.between(200, 500) * DOLLAR;
        self.buy(at + 300_000, &coin.deployer.clone(), &coin, first, cap);

        let last_buy = self.skilled(kind, at, prompt, &coin, cap);
        self.crowd(kind, at, prompt, &coin, cap);
        self.bystanders(at, &coin, cap);

        let (later_cap, later_liquidity) = match kind {
            Kind::Rug => (cap / 25, 0),
            Kind::Dud => (cap / 2, liquidity / 2),
            _ => (cap * 2, liquidity * 3 / 2),
        };
        let later = last_buy + self.dice.between(60, 150) * SECOND;
        let state = coin.state((self.time)(later), later_cap, later_liquidity, safety);
        self.facts.push((later, state));
    }

    fn buy(&mut self, at: u64, wallet: &Address, coin: &Coin, micros: u64, cap: u64) -> u128 {
        let units = units_for(micros, cap);
        let fact = swap(
            wallet,
            &coin.mint,
            Side::Buy,
            units,
            micros,
            (self.time)(at),
        );
        self.facts.push((at, Fact::Swap(fact)));
        units
    }

    /// Sells base units that were bought at `cap`, with a return in percent.
    fn sell(
        &mut self,
        at: u64,
        wallet: &Address,
        coin: &Coin,
        units: u128,
        cap: u64,
        percent: i64,
    ) {
        let micros = worth(units, cap) * (100 + percent).max(1) as u64 / 100;
        let fact = swap(
            wallet,
            &coin.mint,
            Side::Sell,
            units,
            micros,
            (self.time)(at),
        );
        self.facts.push((at, Fact::Swap(fact)));
    }

    /// Those with a record buy within 90 seconds and sell over minutes. Returns when the last of them bought.
    fn skilled(&mut self, kind: Kind, at: u64, prompt: bool, coin: &Coin, cap: u64) -> u64 {
        let together = self.dice.chance(50);
        let mut now = at + 900_000;
        for (number, player) in kind.buyers(self.dice, self.cast).iter().enumerate() {
            let wallet = &player.wallet;
            let micros = self.dice.between(250, 1_200) * DOLLAR;
            let entry = cap + cap * number as u64 / 20;
            let units = self.buy(now, wallet, coin, micros, entry);
            let outcome = outcome(player.skill, self.dice);
            let exit = now + self.dice.between(150, 700) * SECOND;
            if together || kind == Kind::Rug {
                self.sell(exit, wallet, coin, units, entry, outcome);
            } else {
                // less than half now and the rest much later: no exit signal
                let part = units * 2 / 5;
                self.sell(exit, wallet, coin, part, entry, outcome);
                let rest = exit + self.dice.between(62, 80) * MINUTE;
                self.sell(rest, wallet, coin, units - part, entry, outcome);
            }
            now += match (prompt, number) {
                (true, 0..2) => 700_000,
                (true, 2) => 4 * SECOND,
                _ => self.dice.between(1_200_000, 9_000_000),
            };
        }
        now
    }

    /// Those without: they come after, pay more, and mostly lose.
    fn crowd(&mut self, kind: Kind, at: u64, prompt: bool, coin: &Coin, cap: u64) {
        let count = match kind {
            Kind::Dud => self.dice.between(2, 5),
            _ => self.dice.between(8, 26),
        };
        let mut now = at + 2_700_000;
        for number in 0..count {
            let Some(wallet) = self.dice.pick(&self.cast.crowd).cloned() else {
                return;
            };
            let micros = self.dice.between(40, 350) * DOLLAR;
            let entry = cap + cap * number / 12;
            let units = self.buy(now, &wallet, coin, micros, entry);
            if self.dice.chance(70) {
                let exit = now + self.dice.between(120, 1_200) * SECOND;
                let percent = match kind {
                    Kind::Rug => -(self.dice.between(85, 98) as i64),
                    _ => self.dice.below(70) as i64 - 60,
                };
                self.sell(exit, &wallet, coin, units, entry, percent);
            }
            now += match (prompt, number) {
                (true, 0..4) => 500_000,
                _ => self.dice.between(600_000, 8_000_000),
            };
        }
    }

    /// Buyers that must not count as five: four wallets of one funder, the exchange, the router.
    fn bystanders(&mut self, at: u64, coin: &Coin, cap: u64) {
        let cast = self.cast;
        if self.dice.chance(25) {
            for (number, sybil) in cast.sybils.iter().enumerate() {
                let micros = self.dice.between(50, 90) * DOLLAR;
                self.buy(
                    at + 5 * SECOND + number as u64 * 200_000,
                    sybil,
                    coin,
                    micros,
                    cap,
                );
            }
        }
        for wallet in [&cast.exchange, &cast.router] {
            if self.dice.chance(30) {
                let micros = self.dice.between(100, 900) * DOLLAR;
                let when = at + self.dice.between(4, 60) * SECOND;
                self.buy(when, wallet, coin, micros, cap);
            }
        }
    }
}
