//! What an assessment says, in a digest: two that say the same are one revision, whenever they were made.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{
    model::{filing::Filing, name::slug, time::Time},
    score::insider::{
        audit::{Assessment, Audit, SCORE_VERSION},
        entity::{self, Insider},
        record::{PersonKey, Totals, Unscored, Verdict},
    },
    store::{
        declarations::{Revision, StoredDeclaration},
        prices::micros,
    },
};

/// An assessment, and whether its filing stands.
#[derive(Clone, Copy, Debug)]
pub struct Say<'a> {
    /// See [`entity::head`].
    pub head: &'a str,
    /// What the engine says.
    pub assessment: &'a Assessment,
    /// The filing that took its filing's place.
    pub superseded_by: Option<&'a str>,
}

#[derive(Serialize)]
struct Said<'a> {
    version: &'static str,
    head: &'a str,
    audit: Option<&'a Audit>,
    reason: Option<&'static str>,
    verdicts: &'a [Verdict],
    totals: &'a Totals,
    insider: &'a [PersonKey],
    duplicate_of: Option<&'a str>,
    superseded_by: Option<&'a str>,
}

impl Say<'_> {
    /// Of all of it but for times: 128 bits of SHA-256, in hexadecimal digits. The version of the score is part of it, so that a new one
    /// stands beside the old in full.
    pub fn digest(&self) -> Result<String, serde_json::Error> {
        let assessment = self.assessment;
        let text = serde_json::to_vec(&Said {
            version: SCORE_VERSION,
            head: self.head,
            audit: assessment.outcome.as_ref().ok().map(AsRef::as_ref),
            reason: assessment
                .outcome
                .as_ref()
                .err()
                .map(|reason| reason.word()),
            verdicts: &assessment.verdicts,
            totals: &assessment.totals,
            insider: &assessment.insider,
            duplicate_of: assessment.duplicate_of.as_deref(),
            superseded_by: self.superseded_by,
        })?;
        let digest: [u8; 32] = Sha256::digest(text).into();
        Ok(digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }
}

/// The next revision of a declaration.
pub fn revision(
    stored: &StoredDeclaration,
    filing: &Filing,
    assessment: &Assessment,
    superseded_by: Option<&str>,
    said: String,
    now: Time,
) -> Result<Revision, serde_json::Error> {
    let name = entity::principal(filing);
    let slug = slug(name, stored.insider);
    let insider = Insider { name, slug: &slug };
    let audit = assessment.outcome.as_ref().ok();
    let stands = audit.filter(|_| superseded_by.is_none());
    Ok(Revision {
        declaration: stored.number,
        revision: stored.revision + 1,
        score: stands.map(|audit| audit.score.0),
        direction: stands.map(|audit| audit.direction.word()),
        amount_micros: entity::totals(&stored.record, Some(assessment))
            .amount
            .map(micros),
        is_cluster: stands.is_some() && assessment.is_cluster,
        suspect: matches!(assessment.outcome, Err(Unscored::Suspect)),
        superseded_by: superseded_by.map(str::to_owned),
        tracks: audit.is_some_and(|audit| audit.inputs.past_n >= TRACKED),
        head: stored.head.clone(),
        signal: entity::signal(assessment, superseded_by, now)?,
        rest: entity::rest(
            &stored.record,
            filing,
            &insider,
            Some(assessment),
            stands.map(|audit| audit.direction),
        )?,
        audit: audit.map(serde_json::to_string).transpose()?,
        said,
    })
}

/// From so many returns on, the mean of all counts in the track record.
const TRACKED: u32 = 3;
