//! The sweep: one company's declarations in the order of publication, each assessed by what was known at its own moment.
//!
//! A sweep's state after an instant follows from the set of facts up to it and from nothing else, so it may be thrown away and made again,
//! or kept and fed with what is published next. A fact that arrives late, of an instant that has passed, takes a new sweep.

use std::{collections::HashMap, sync::Arc};

use jiff::civil::Date;

use crate::model::time::Time;

use super::{
    amend::Filings,
    audit::Assessment,
    backtest::{TRACK_HORIZON, outcome},
    block::Blocks,
    company::Company,
    days,
    declaration::{mostly_planned, totals},
    elsewhere::Elsewhere,
    exact,
    exercise::Exercises,
    factors::audit,
    flow::{Dealings, Trade as FlowTrade},
    inputs::{Known, gather},
    ledger::{Counted, Ledger},
    people::{Groups, Joined},
    record::{
        DeclarationRecord, Direction, Matured, PersonKey, Supersession, Suspicion, Trade, Unscored,
        Verdict,
    },
    suspect::Prices,
};

/// One company's declarations up to some instant.
#[derive(Clone, Debug)]
pub struct Sweep {
    company: Arc<Company>,
    groups: Groups,
    filings: Filings,
    prices: Prices,
    exercises: Exercises,
    blocks: Blocks,
    ledger: Ledger,
    superseded: Vec<Supersession>,
}

/// What is decided of one declaration of the present instant.
struct Decided<'a> {
    record: &'a DeclarationRecord,
    insider: usize,
    verdicts: Vec<Verdict>,
    duplicate_of: Option<String>,
    /// Its place in the ledger.
    counted: Option<usize>,
}

impl<'a> Decided<'a> {
    fn rows(&self) -> impl Iterator<Item = (&'a Trade, Verdict)> {
        self.record.rows.iter().zip(self.verdicts.iter().copied())
    }

    fn counting(&self) -> Vec<&'a Trade> {
        let counting = self
            .rows()
            .filter(|(_, verdict)| *verdict == Verdict::Counts);
        counting.map(|(row, _)| row).collect()
    }
}

/// Sweeps over all declarations of a company, in whatever order they are given, and assesses those published from `since` on, in the order of
/// publication (ties by amfId). Costs a look at everything, but work only within windows.
///
/// The sweep that is left tells supersessions, matured returns and trades that count.
#[must_use]
pub fn assess(
    company: Arc<Company>,
    records: &[DeclarationRecord],
    since: Time,
    elsewhere: &dyn Elsewhere,
) -> (Vec<Assessment>, Sweep) {
    let mut ordered: Vec<&DeclarationRecord> = records.iter().collect();
    ordered.sort_by(|a, b| (a.published_at, &a.amf_id).cmp(&(b.published_at, &b.amf_id)));
    let mut sweep = Sweep::new(company);
    let mut assessments = Vec::new();
    for instant in ordered.chunk_by(|a, b| a.published_at == b.published_at) {
        if instant[0].published_at < since {
            sweep.learn(instant);
        } else {
            assessments.extend(sweep.step(instant, elsewhere));
        }
    }
    (assessments, sweep)
}

impl Sweep {
    /// Before the first declaration.
    #[must_use]
    pub fn new(company: Arc<Company>) -> Self {
        Sweep {
            company,
            groups: Groups::default(),
            filings: Filings::default(),
            prices: Prices::default(),
            exercises: Exercises::default(),
            blocks: Blocks::default(),
            ledger: Ledger::default(),
            superseded: Vec::new(),
        }
    }

    /// Takes in all declarations of one instant, later than any before, and assesses them.
    pub fn step(
        &mut self,
        instant: &[&DeclarationRecord],
        elsewhere: &dyn Elsewhere,
    ) -> Vec<Assessment> {
        let decided = self.decide(instant);
        let decided = decided.iter();
        decided
            .map(|decided| self.assessment(decided, elsewhere))
            .collect()
    }

    /// Takes in all declarations of one instant, later than any before.
    pub fn learn(&mut self, instant: &[&DeclarationRecord]) {
        self.decide(instant);
    }

    /// What amendments have replaced so far, in order.
    #[must_use]
    pub fn superseded(&self) -> &[Supersession] {
        &self.superseded
    }

    /// The 90-day returns of the declarations that counted, matured or not: `known_at` tells.
    pub fn matured(&self) -> impl Iterator<Item = Matured> {
        self.ledger.matured()
    }

    /// The trades that count now, for net flows, with the insiders as they are known now.
    #[must_use]
    pub fn trades(&self) -> Vec<FlowTrade> {
        let standing = (self.ledger.counted().iter().enumerate())
            .filter(|(_, counted)| counted.until.is_none());
        let mut trades = Vec::new();
        for (declaration, counted) in standing {
            let published = days::local_day(counted.published_at, &self.company.zone);
            for row in &counted.rows {
                trades.push(FlowTrade {
                    declaration,
                    insider: self.groups.find(counted.insider),
                    direction: counted.direction,
                    dealt: row.date,
                    published,
                    amount: row
                        .amount
                        .filter(|_| counted.currency == self.company.currency),
                });
            }
        }
        trades
    }

    /// Those trades, and who is who in them.
    #[must_use]
    pub fn dealings(&self) -> Dealings {
        let trades = self.trades();
        let mut people = HashMap::new();
        for trade in &trades {
            let members = || self.groups.members(trade.insider).to_vec();
            people.entry(trade.insider).or_insert_with(members);
        }
        Dealings { trades, people }
    }

    /// Decides what counts, and counts it. Each step looks at all declarations of the instant before the next begins: what was published
    /// in the same instant is known, whatever its id.
    fn decide<'a>(&mut self, instant: &[&'a DeclarationRecord]) -> Vec<Decided<'a>> {
        let mut records = instant.to_vec();
        records.sort_by(|a, b| a.amf_id.cmp(&b.amf_id));
        let Some(at) = records.first().map(|record| record.published_at) else {
            return Vec::new();
        };
        self.ledger.mature_until(at, &self.groups);
        self.supersede(&records, at);
        let published = days::local_day(at, &self.company.zone);
        let mut decided: Vec<Decided<'a>> = Vec::with_capacity(records.len());
        for record in records {
            let (insider, joined) = self.groups.admit(record);
            self.join(joined);
            decided.push(self.suspicions(record, insider, published));
        }
        for decided in &mut decided {
            self.tell_blocks(decided);
        }
        self.tell_exercises(&mut decided);
        for decided in &mut decided {
            self.remember(decided, published);
            self.count(decided);
        }
        decided
    }

    fn supersede(&mut self, records: &[&DeclarationRecord], at: Time) {
        for superseded in self.filings.admit(records, &self.company.zone) {
            let filing = &superseded.filing;
            self.ledger.remove(filing, at, &self.groups);
            self.prices.forget(filing);
            self.blocks.forget(filing);
            self.exercises.forget(filing);
            self.superseded.push(superseded);
        }
    }

    fn join(&mut self, joined: Vec<Joined>) {
        for joined in joined {
            self.ledger.join(joined);
        }
    }

    fn suspicions<'a>(
        &self,
        record: &'a DeclarationRecord,
        insider: usize,
        published: Date,
    ) -> Decided<'a> {
        let verdicts = match (record.unscored, record.direction) {
            (None, Some(_)) => self
                .prices
                .judge(&self.company, record, published)
                .into_iter()
                .map(|suspicion| suspicion.map_or(Verdict::Counts, Verdict::Suspect))
                .collect(),
            _ => vec![Verdict::NotEligible; record.rows.len()],
        };
        Decided {
            record,
            insider,
            verdicts,
            duplicate_of: None,
            counted: None,
        }
    }

    fn tell_blocks(&mut self, decided: &mut Decided<'_>) {
        let mut joined = Vec::new();
        let repeated = self.blocks.repeated(decided.record, &decided.counting());
        for (row, verdict) in decided.record.rows.iter().zip(&mut decided.verdicts) {
            if *verdict != Verdict::Counts {
                continue;
            }
            let first = self.blocks.admit(
                decided.record,
                row,
                decided.insider,
                &repeated,
                &mut self.groups,
                &mut joined,
            );
            if let Some(first) = first {
                *verdict = Verdict::DuplicateBlock;
                decided.duplicate_of.get_or_insert(first);
            }
        }
        self.join(joined);
    }

    fn tell_exercises(&mut self, decided: &mut [Decided<'_>]) {
        for decided in &*decided {
            for (row, verdict) in decided.rows() {
                let exercised = decided.record.direction.is_none();
                if exercised || verdict == Verdict::Counts {
                    self.exercises.admit(decided.record, row, decided.insider);
                }
            }
        }
        for decided in decided {
            if decided.record.direction != Some(Direction::Sell) {
                continue;
            }
            for (row, verdict) in decided.record.rows.iter().zip(&mut decided.verdicts) {
                let covered = self.exercises.covers(row, decided.insider, &self.groups);
                if covered && *verdict == Verdict::Counts {
                    *verdict = Verdict::ExerciseAndSell;
                }
            }
        }
    }

    fn remember(&mut self, decided: &Decided<'_>, published: Date) {
        for (row, verdict) in decided.rows() {
            let suspicion: Option<Suspicion> = match verdict {
                Verdict::Counts | Verdict::ExerciseAndSell => None,
                Verdict::Suspect(suspicion) => Some(suspicion),
                Verdict::DuplicateBlock | Verdict::NotEligible => continue,
            };
            let record = decided.record;
            self.prices
                .remember(&self.company, record, row, published, suspicion);
        }
    }

    fn count(&mut self, decided: &mut Decided<'_>) {
        let rows = decided.counting();
        let (Some(direction), false) = (decided.record.direction, rows.is_empty()) else {
            return;
        };
        let mut counted = Counted::new(decided.record, direction, &rows, decided.insider);
        let outcome = outcome(&self.company, counted.published_at, TRACK_HORIZON);
        counted.returned = outcome.and_then(|outcome| Some((outcome.known_at, outcome.excess?)));
        decided.counted = Some(self.ledger.add(counted, &self.groups));
    }

    fn assessment(&self, decided: &Decided<'_>, elsewhere: &dyn Elsewhere) -> Assessment {
        let record = decided.record;
        let rows = decided.counting();
        let insider = self.groups.find(decided.insider);
        let unscored = Assessment {
            amf_id: record.amf_id.clone(),
            outcome: Err(reason(decided)),
            verdicts: decided.verdicts.clone(),
            totals: totals(rows.iter().copied()),
            is_cluster: false,
            pct_of_market_cap: None,
            pct_of_insider_flow: None,
            insider_cum_net: None,
            insider: self.known_as(record, insider),
            duplicate_of: decided.duplicate_of.clone(),
        };
        let counted = decided
            .counted
            .and_then(|place| self.ledger.counted().get(place));
        let Some(counted) = counted else {
            return unscored;
        };
        let known = Known {
            company: &self.company,
            ledger: &self.ledger,
            groups: &self.groups,
            elsewhere,
        };
        let planned = mostly_planned(rows.iter().copied());
        let inputs = gather(&known, record, counted, &rows, planned);
        let flow = self.ledger.own_flow(insider, &counted.currency);
        let percent = |whole| {
            let hundredfold = counted.amount?.checked_mul(100.into())?;
            exact::shown(hundredfold, whole)
        };
        let hundred = 100.into();
        Assessment {
            is_cluster: inputs.cluster_n >= 2,
            pct_of_market_cap: inputs
                .market_cap
                .and_then(percent)
                .filter(|part| *part <= hundred),
            pct_of_insider_flow: percent(flow.buy.saturating_add(flow.sell)),
            insider_cum_net: counted.amount.map(|_| flow.net().normalize()),
            outcome: Ok(Box::new(audit(&record.amf_id, inputs))),
            ..unscored
        }
    }

    /// The declaration's own owners first, in the order of the form; the others by key.
    fn known_as(&self, record: &DeclarationRecord, insider: usize) -> Vec<PersonKey> {
        let members = self.groups.members(insider).iter();
        let mut others: Vec<PersonKey> = members
            .filter(|member| !record.people.contains(member))
            .cloned()
            .collect();
        others.sort_unstable();
        let mut known = record.people.clone();
        known.extend(others);
        known
    }
}

/// Why nothing of a declaration counts: what its record says, else what befell most of its rows.
fn reason(decided: &Decided<'_>) -> Unscored {
    let mut found: HashMap<Unscored, usize> = HashMap::new();
    for (_, verdict) in decided.rows() {
        let reason = match verdict {
            Verdict::Suspect(_) => Unscored::Suspect,
            Verdict::ExerciseAndSell => Unscored::ExerciseAndSell,
            Verdict::DuplicateBlock => Unscored::DuplicateBlock,
            Verdict::Counts | Verdict::NotEligible => continue,
        };
        *found.entry(reason).or_default() += 1;
    }
    let most = found.into_iter().max_by_key(|(reason, n)| (*n, *reason));
    let befell = most.map_or(Unscored::Incomplete, |(reason, _)| reason);
    decided.record.unscored.unwrap_or(befell)
}
