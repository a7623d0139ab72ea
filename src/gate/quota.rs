//! How much one key may ask in a UTC day and month: counted by the request, reserved in the store ahead in blocks.
//!
//! The store's counters say what is reserved; a node serves from the block that it holds and knows what is used to the
//! request. Blocks are a thousandth of the plan (one request where it allows fewer than two thousand). What a node holds is
//! given back when it ends or its key rests; what a crash takes with it counts as used. So no crash lets more pass than the
//! plan allows, and it costs a key less than a block.

use crate::model::{
    account::Plan,
    time::{Time, utc_month},
};

/// Blocks that a plan is cut into.
const BLOCKS: u64 = 1_000;
/// The largest block, which a key without limits has.
const MAX_BLOCK: u64 = 1_000;
/// A used-up key is looked up again after this time, in microseconds: another node may have given something back.
const LOOK_AGAIN: i64 = 10 * Time::SECOND;

/// What a plan allows; `None` is no limit by that measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a UTC day.
    pub per_day: Option<u64>,
    /// Requests a UTC month.
    pub per_month: Option<u64>,
}

impl Limits {
    /// Of a plan, in which 0 is no limit.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let some = |limit| Some(limit).filter(|&limit| limit > 0);
        Limits {
            per_day: some(plan.requests_per_day),
            per_month: some(plan.requests_per_month),
        }
    }

    /// Requests that are reserved at a time.
    #[must_use]
    pub fn block(self) -> u64 {
        let least = self.per_day.into_iter().chain(self.per_month).min();
        least.map_or(MAX_BLOCK, |least| (least / BLOCKS).clamp(1, MAX_BLOCK))
    }
}

/// One key's counters, as the store keeps them for all nodes: requests reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// The day that `today` counts, as days since 1970-01-01.
    pub day: i64,
    /// Reserved that day.
    pub today: u64,
    /// Reserved in that day's month.
    pub this_month: u64,
    /// Reserved ever.
    pub total: u64,
}

/// Requests of a day that are to be added to the counters, or taken off, whatever the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The day.
    pub day: i64,
    /// How many more; negative: fewer.
    pub change: i64,
}

impl Counters {
    /// Of a key that never asked.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Counters {
            day: now.utc_day(),
            today: 0,
            this_month: 0,
            total: 0,
        }
    }

    /// Begins the day, and the month, where a new one has come. Never goes back: another node's clock may be ahead.
    pub fn roll(&mut self, day: i64) {
        if day <= self.day {
            return;
        }
        if utc_month(day) != utc_month(self.day) {
            self.this_month = 0;
        }
        self.day = day;
        self.today = 0;
    }

    /// Reserves as many as the limits leave room for, at most `want`; how many that was.
    pub fn reserve(&mut self, want: u64, limits: Limits) -> u64 {
        let granted = want.min(self.room(limits));
        self.add(granted as i64);
        granted
    }

    /// Applies a correction, to whatever of the counters it still concerns.
    pub fn correct(&mut self, correction: Correction) {
        self.roll(correction.day);
        let (today, this_month) = (self.today, self.this_month);
        self.add(correction.change);
        if correction.day != self.day {
            self.today = today;
            if utc_month(correction.day) != utc_month(self.day) {
                self.this_month = this_month;
            }
        }
    }

    fn add(&mut self, change: i64) {
        for count in [&mut self.today, &mut self.this_month, &mut self.total] {
            *count = count.saturating_add_signed(change);
        }
    }

    fn room(&self, limits: Limits) -> u64 {
        let left =
            |limit: Option<u64>, used| limit.map_or(u64::MAX, |limit| limit.saturating_sub(used));
        // a reservation that is no block but a flood is cut: counters are signed where they are kept
        left(limits.per_day, self.today)
            .min(left(limits.per_month, self.this_month))
            .min(i64::MAX as u64)
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is counted.
    Passed,
    /// The plan allows no more.
    Refused,
    /// Nothing is reserved: ask the store first.
    Unknown,
}

/// What is to be asked of the store for a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// What to reserve after the corrections, as far as the limits leave room.
    pub want: u64,
    /// What to put right first.
    pub corrections: Vec<Correction>,
}

/// Which of a plan's measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The UTC day.
    Day,
    /// The UTC month.
    Month,
}

/// Where a key stands with its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// By which measure: the one of which less is left, where a plan has both.
    pub window: Window,
    /// Requests that the plan allows.
    pub limit: u64,
    /// Of these, how many may still be made.
    pub remaining: u64,
    /// When counting begins anew.
    pub reset: Time,
    /// Seconds that the window has.
    pub seconds: u64,
}

/// Requests made with a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Since 00:00 UTC.
    pub today: u64,
    /// Since the first of the UTC month.
    pub this_month: u64,
    /// Ever.
    pub total: u64,
}

/// One key's quota on one node.
#[derive(Clone, Debug)]
pub struct Quota {
    /// As last read, plus what this node knows better.
    counters: Counters,
    read_at: Time,
    /// Reserved by this node on the counters' day, and not yet used.
    left: u64,
    /// What the store does not know yet: at most one for each day.
    corrections: Vec<Correction>,
}

impl Quota {
    /// From what the store says of a key.
    #[must_use]
    pub fn new(counters: Counters, now: Time) -> Self {
        Quota {
            counters,
            read_at: now,
            left: 0,
            corrections: Vec::new(),
        }
    }

    /// Counts one request, if it may be made.
    pub fn take(&mut self, limits: Limits, now: Time) -> Taken {
        self.roll(now);
        let used_up = self.used().room(limits) == 0;
        if used_up && (self.left > 0 || (0..LOOK_AGAIN).contains(&(now.0 - self.read_at.0))) {
            return Taken::Refused;
        }
        if self.left == 0 {
            return Taken::Unknown;
        }
        self.left -= 1;
        Taken::Passed
    }

    /// Takes back a count whose request was never made.
    pub fn put_back(&mut self) {
        self.left += 1;
    }

    /// Whether the block should be filled up before it is empty. One of a single request cannot be.
    #[must_use]
    pub fn runs_low(&self, limits: Limits) -> bool {
        let block = limits.block();
        self.left < block / 2 && self.counters.room(limits) > 0
    }

    /// What to ask of the store while so many requests wait: as many as wait at least, as others may use meanwhile what is held.
    pub fn ask(&mut self, limits: Limits, waiting: u64, now: Time) -> Ask {
        self.roll(now);
        Ask {
            want: limits.block().saturating_sub(self.left).max(waiting),
            corrections: std::mem::take(&mut self.corrections),
        }
    }

    /// The store's answer: its counters now, and how many of them are this node's to use.
    pub fn granted(&mut self, counters: Counters, granted: u64, now: Time) {
        if self.counters.day != counters.day {
            self.let_go();
        }
        self.counters = counters;
        self.left += granted;
        self.read_at = now;
        for correction in &self.corrections {
            self.counters.correct(*correction);
        }
    }

    /// The store could not be written: what it was to be told stays to be told.
    pub fn not_told(&mut self, ask: Ask) {
        for correction in ask.corrections {
            self.note(correction);
        }
    }

    /// The store cannot be written: counts so many in memory, within the limits as they are known. A crash forgets them.
    pub fn lend(&mut self, waiting: u64, limits: Limits, now: Time) {
        self.roll(now);
        self.read_at = now;
        let granted = self.counters.reserve(waiting, limits);
        self.left += granted;
        self.note(Correction {
            day: self.counters.day,
            change: granted as i64,
        });
    }

    /// Gives up what is not used; what the store is to be told.
    pub fn settle(&mut self) -> Ask {
        self.let_go();
        Ask {
            want: 0,
            corrections: std::mem::take(&mut self.corrections),
        }
    }

    /// Whether the store knows all, and nothing is held.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.left == 0 && self.corrections.is_empty()
    }

    /// Reserved, but not used.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Of which day something is reserved, and how much of it is not used.
    #[must_use]
    pub fn held(&self) -> (i64, u64) {
        (self.counters.day, self.left)
    }

    /// Requests made.
    pub fn usage(&mut self, now: Time) -> Usage {
        self.roll(now);
        let used = self.used();
        Usage {
            today: used.today,
            this_month: used.this_month,
            total: used.total,
        }
    }

    /// Where the key stands; `None` for a plan without such limits.
    pub fn standing(&mut self, limits: Limits, now: Time) -> Option<Standing> {
        self.roll(now);
        let used = self.used();
        let day = limits.per_day.map(|limit| {
            let reset = Time::of_utc_day(self.counters.day + 1);
            standing(Window::Day, limit, used.today, self.counters.day, reset)
        });
        let month = limits.per_month.map(|limit| {
            let (first, next) = utc_month(self.counters.day);
            let reset = Time::of_utc_day(next);
            standing(Window::Month, limit, used.this_month, first, reset)
        });
        let both = day.into_iter().chain(month);
        both.min_by_key(|standing| standing.remaining)
    }

    fn used(&self) -> Counters {
        let mut used = self.counters;
        used.add(-(self.left as i64));
        used
    }

    fn roll(&mut self, now: Time) {
        if now.utc_day() > self.counters.day {
            self.let_go();
            self.counters.roll(now.utc_day());
        }
    }

    fn let_go(&mut self) {
        let correction = Correction {
            day: self.counters.day,
            change: -(std::mem::take(&mut self.left) as i64),
        };
        self.counters.correct(correction);
        self.note(correction);
    }

    fn note(&mut self, correction: Correction) {
        let of_day = self
            .corrections
            .iter_mut()
            .find(|c| c.day == correction.day);
        match of_day {
            Some(known) => known.change += correction.change,
            None => self.corrections.push(correction),
        }
        self.corrections.retain(|c| c.change != 0);
    }
}

fn standing(window: Window, limit: u64, used: u64, first_day: i64, reset: Time) -> Standing {
    let seconds = reset.0 - Time::of_utc_day(first_day).0;
    Standing {
        window,
        limit,
        remaining: limit.saturating_sub(used),
        reset,
        seconds: u64::try_from(seconds / Time::SECOND).unwrap_or(0),
    }
}
