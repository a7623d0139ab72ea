//! Episodes: what repeats of a signal are sent, what they are called, and when the wallets that triggered are out again.

use uuid::Uuid;

use crate::model::{
    rank::{Rank, Tenths},
    swap::{Address, Side},
    time::Time,
};

use super::record::{EpisodeRecord, Trigger};

/// How many more pool wallets make an update.
const MORE_WALLETS: i64 = 2;

/// The seed of an episode's ids: the signature is that of the earliest pool buy in the window when it fired.
#[must_use]
pub fn seed(mint: &str, signature: &str) -> String {
    format!("consensus_buy|{mint}|{signature}")
}

/// UUIDv5 in the namespace of URLs.
#[must_use]
pub fn id(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
}

impl EpisodeRecord {
    /// A new episode, before its first row.
    #[must_use]
    pub fn open(ordinal: i64, seed: String, opened_at: Time) -> Self {
        EpisodeRecord {
            ordinal,
            id: id(&seed),
            seed,
            opened_at,
            updates: 0,
            last_pool: 0,
            exited: false,
            reached: Vec::new(),
            triggers: Vec::new(),
        }
    }

    /// Id of its `n`th update.
    #[must_use]
    pub fn update_id(&self, n: i64) -> Uuid {
        id(&format!("{}|{n}", self.seed))
    }

    /// Id of its exit.
    #[must_use]
    pub fn exit_id(&self) -> Uuid {
        id(&format!("{}|exit", self.seed))
    }

    /// The best row so far: by rank, then by score.
    #[must_use]
    pub fn best(&self) -> Option<(Rank, Tenths)> {
        self.reached.first().copied()
    }

    /// Whether so many pool wallets are an update whatever their rank.
    #[must_use]
    pub fn has_grown(&self, pool: usize) -> bool {
        pool as i64 >= self.last_pool.saturating_add(MORE_WALLETS)
    }

    /// Whether a rank is higher than any row had.
    #[must_use]
    pub fn is_raised_by(&self, rank: Rank) -> bool {
        self.best().is_none_or(|(best, _)| rank > best)
    }

    /// Notes a row. What a row dominates by rank and score is let go: a filter that the one passes, the other passes too.
    pub fn reach(&mut self, rank: Rank, score: Tenths, pool: usize) {
        self.last_pool = pool as i64;
        if (self.reached.iter()).any(|(r, s)| *r >= rank && *s >= score) {
            return;
        }
        self.reached.retain(|(r, s)| !(rank >= *r && score >= *s));
        self.reached.push((rank, score));
        self.reached.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Notes a wallet that triggered with `held` base units; once.
    pub fn add_trigger(&mut self, wallet: &Address, held: u128) {
        if self
            .triggers
            .iter()
            .all(|trigger| trigger.wallet != *wallet)
        {
            self.triggers.push(Trigger {
                wallet: wallet.clone(),
                held,
                sold: 0,
            });
        }
    }

    /// Counts a swap of a wallet that triggered. Whether there was one.
    pub fn follow(&mut self, wallet: &Address, side: Side, quantity: u128) -> bool {
        let Some(trigger) = (self.triggers.iter_mut()).find(|trigger| trigger.wallet == *wallet)
        else {
            return false;
        };
        match side {
            Side::Buy => trigger.held = trigger.held.saturating_add(quantity),
            Side::Sell => trigger.sold = trigger.sold.saturating_add(quantity),
        }
        true
    }

    /// The wallets that sold at least half of what they held.
    pub fn exited_wallets(&self) -> impl Iterator<Item = &Address> {
        (self.triggers.iter())
            .filter(|trigger| trigger.held > 0 && trigger.sold >= trigger.held - trigger.held / 2)
            .map(|trigger| &trigger.wallet)
    }

    /// Whether half of all that triggered are out.
    #[must_use]
    pub fn is_left(&self) -> bool {
        !self.triggers.is_empty() && self.exited_wallets().count() * 2 >= self.triggers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episode() -> EpisodeRecord {
        EpisodeRecord::open(1, seed("M", "sig"), Time(0))
    }

    #[test]
    fn ids_are_made_of_the_seed() {
        let episode = episode();
        assert_eq!(episode.seed, "consensus_buy|M|sig");
        let url = |name: &str| Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes());
        assert_eq!(episode.id, url("consensus_buy|M|sig"));
        assert_eq!(episode.update_id(2), url("consensus_buy|M|sig|2"));
        assert_eq!(episode.exit_id(), url("consensus_buy|M|sig|exit"));
    }

    #[test]
    fn only_undominated_rows_are_kept() {
        let mut episode = episode();
        let mut check = |rank, score, expected: &[(Rank, Tenths)]| {
            episode.reach(rank, Tenths(score), 3);
            assert_eq!(episode.reached, expected);
        };
        check(Rank::C, 500, &[(Rank::C, Tenths(500))]);
        check(
            Rank::D,
            700,
            &[(Rank::C, Tenths(500)), (Rank::D, Tenths(700))],
        );
        check(
            Rank::D,
            600,
            &[(Rank::C, Tenths(500)), (Rank::D, Tenths(700))],
        );
        check(
            Rank::B,
            650,
            &[(Rank::B, Tenths(650)), (Rank::D, Tenths(700))],
        );
        check(Rank::B, 720, &[(Rank::B, Tenths(720))]);
    }

    #[test]
    fn half_of_the_wallets_half_sold_is_an_exit() {
        let mut episode = episode();
        assert!(!episode.is_left(), "nobody triggered");
        for (wallet, held) in [("a", 101), ("b", 10), ("c", 0)] {
            episode.add_trigger(&wallet.into(), held);
        }
        episode.add_trigger(&"a".into(), 5);
        assert_eq!(episode.triggers.len(), 3);
        assert!(!episode.follow(&"x".into(), Side::Sell, 99));
        episode.follow(&"a".into(), Side::Sell, 50);
        assert_eq!(
            episode.exited_wallets().count(),
            0,
            "50 of 101 is less than half"
        );
        episode.follow(&"a".into(), Side::Sell, 1);
        assert_eq!(episode.exited_wallets().count(), 1);
        assert!(!episode.is_left(), "one of three");
        episode.follow(&"b".into(), Side::Buy, 10);
        episode.follow(&"b".into(), Side::Sell, 10);
        assert!(episode.is_left(), "two of three");
    }
}
