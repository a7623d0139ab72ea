//! What following tells, kept: filings and where the follower stands after them, in one transaction, so that no moment to stop is a bad one.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Instant,
};

use jiff::civil::Date;

use super::{
    follow::{Known, Told},
    protocol::Event,
    state::State,
};
use crate::{
    ingest::{
        insider::intake::{Followed, Intake, When},
        sec::parse::PREFIX,
    },
    model::{filing::Filing, time::Time},
    store::{
        db::Db,
        error::{StoreError, StoreResult},
    },
};

/// The source's name in the store.
const SOURCE: &str = "edgar";

/// What was told, on its way into the store.
#[derive(Debug)]
pub struct Batch {
    filings: Vec<Filing>,
    sightings: Vec<(String, Time)>,
    /// Filings that are given up, and why.
    pub rejected: Vec<(String, String)>,
    /// What went wrong, and is tried again.
    pub troubles: Vec<String>,
    state: Option<State>,
    /// When the first of it came.
    since: Instant,
}

impl Batch {
    /// Of what was told just now.
    pub fn new(told: impl IntoIterator<Item = Told>) -> Self {
        let mut batch = Batch {
            filings: Vec::new(),
            sightings: Vec::new(),
            rejected: Vec::new(),
            troubles: Vec::new(),
            state: None,
            since: Instant::now(),
        };
        for told in told {
            match told {
                Told::State(state) => batch.state = Some(state),
                Told::Event(Event::Filing { filing, seen_at }) => {
                    let id = filing.id.0.clone();
                    batch.sightings.extend(seen_at.map(|seen_at| (id, seen_at)));
                    batch.filings.push(*filing);
                }
                Told::Event(Event::Rejected { accession, reason }) => {
                    batch.rejected.push((accession, reason));
                }
                Told::Event(Event::Trouble(trouble)) => batch.troubles.push(trouble),
            }
        }
        batch
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Filings that are new.
    pub accepted: u64,
    /// Filings known already.
    pub duplicate: u64,
}

/// Keeps what is told.
pub struct Keeper {
    intake: Arc<Intake>,
    when: When,
    /// What was given up: filings that came to something are known from their table.
    given_up: BTreeSet<String>,
    last: State,
}

impl Keeper {
    /// Goes on where the last one stopped; where none was, from `first_day` on. With a `from`, from that day on, if it is earlier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(
        db: &Db,
        intake: Arc<Intake>,
        when: When,
        first_day: Date,
        from: Option<Date>,
    ) -> StoreResult<Self> {
        let mut last = match db.source_state(SOURCE).await? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|e| StoreError::corrupt("the state of following EDGAR", e))?,
            None => State::new(from.unwrap_or(first_day)),
        };
        if let Some(from) = from {
            last.go_back(from);
        }
        Ok(Keeper {
            intake,
            when,
            given_up: last.done.keys().cloned().collect(),
            last,
        })
    }

    /// Where to go on.
    #[must_use]
    pub fn state(&self) -> State {
        self.last.clone()
    }

    /// Stores all of a batch, or nothing: the same batch may then be tried again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep(&mut self, batch: &Batch) -> StoreResult<Kept> {
        let mut given_up = self.given_up.clone();
        given_up.extend(
            batch
                .rejected
                .iter()
                .map(|(accession, _)| accession.clone()),
        );
        let mut state = batch.state.clone();
        if let Some(state) = &mut state {
            state
                .done
                .retain(|accession, _| given_up.contains(accession));
        }
        let text = state.as_ref().map(serde_json::to_string).transpose();
        let text = text.map_err(|e| StoreError::corrupt("the state of following EDGAR", e))?;
        if batch.filings.is_empty() && text.is_none() {
            self.given_up = given_up;
            return Ok(Kept::default());
        }
        let source = Followed {
            name: SOURCE,
            sightings: &batch.sightings,
            state: text.as_deref(),
        };
        let filings = &batch.filings;
        let taken = self
            .intake
            .followed(filings, &source, self.when, batch.since)
            .await?;
        if let Some(state) = state {
            // what the follower has let go of is of no use here either; what it told after the state is not in it yet
            given_up.retain(|accession| {
                state.done.contains_key(accession)
                    || batch.rejected.iter().any(|(one, _)| one == accession)
            });
            self.last = state;
        }
        self.given_up = given_up;
        Ok(Kept {
            accepted: taken.accepted,
            duplicate: taken.duplicate,
        })
    }
}

impl Known for Db {
    async fn known(&self, accessions: Vec<String>) -> HashSet<String> {
        let ids: Vec<String> = (accessions.iter())
            .map(|accession| format!("{PREFIX}:{accession}"))
            .collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        match self.which_filings(&ids).await {
            Ok(known) => (accessions.into_iter())
                .filter(|accession| known.contains(&format!("{PREFIX}:{accession}")))
                .collect(),
            Err(error) => {
                tracing::warn!(%error, "what EDGAR names is fetched, known or not");
                HashSet::new()
            }
        }
    }
}
