//! Taking filings in: each once, with its company and its people, split into declarations that wait to be judged.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::identity::company_key;
use crate::{
    model::{
        filing::{Filing, FilingId},
        market::Market,
        time::Time,
    },
    score::insider::{
        declaration::split,
        entity::{self, Insider},
        record::DeclarationRecord,
    },
    store::{
        companies::{CompanySeen, InsiderSeen},
        db::Tx,
        declarations::NewDeclaration,
        error::{StoreError, StoreResult},
    },
};

/// What became of some filings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Stored.
    pub accepted: u64,
    /// Known already, by their ids.
    pub duplicate: u64,
    /// Places in the input of filings whose market is not known.
    pub unknown_market: Vec<usize>,
    /// Companies that have something new, each with its earliest publication among it.
    pub companies: BTreeMap<i64, Time>,
}

/// A filing on its way in.
struct Fresh<'a> {
    filing: &'a Filing,
    company: String,
    records: Vec<DeclarationRecord>,
}

/// Stores filings that are not known. Nothing is judged yet; what waits is in [`Taken::companies`], and marked in the store.
pub async fn take(
    tx: &mut Tx,
    filings: &[Filing],
    markets: &HashMap<String, Market>,
    may_fire: bool,
    now: Time,
) -> StoreResult<Taken> {
    let mut taken = Taken::default();
    let ids: Vec<&str> = filings.iter().map(|filing| filing.id.0.as_str()).collect();
    let known = tx.known_filings(&ids).await?;
    let mut seen: HashSet<&FilingId> = HashSet::new();
    let mut fresh = Vec::new();
    for (place, filing) in filings.iter().enumerate() {
        if known.contains(&filing.id.0) || !seen.insert(&filing.id) {
            taken.duplicate += 1;
            continue;
        }
        let Some(market) = markets.get(&filing.market) else {
            taken.unknown_market.push(place);
            continue;
        };
        let company = company_key(filing);
        let records = split(filing, market, &company);
        fresh.push(Fresh {
            filing,
            company,
            records,
        });
    }
    if fresh.is_empty() {
        return Ok(taken);
    }
    let companies = tx.companies(&companies_of(&fresh), now).await?;
    let insiders = tx.insiders(&people_of(&fresh)).await?;
    let company = |key: &String| number(&companies, key);
    let placed = fresh
        .iter()
        .map(|one| Ok((one.filing, company(&one.company)?)))
        .collect::<StoreResult<Vec<_>>>()?;
    let numbers = tx.append_filings(&placed, now).await?;
    let mut declarations = Vec::new();
    for ((one, (_, company)), filing) in fresh.iter().zip(&placed).zip(numbers) {
        for record in &one.records {
            declarations.push(declaration(
                one.filing, record, filing, *company, &insiders, may_fire,
            )?);
        }
        let since = taken
            .companies
            .entry(*company)
            .or_insert(one.filing.published_at);
        *since = one.filing.published_at.min(*since);
    }
    tx.put_declarations(&declarations, now).await?;
    let stale: Vec<(i64, Time)> = taken
        .companies
        .iter()
        .map(|(company, since)| (*company, *since))
        .collect();
    tx.mark_stale(&stale).await?;
    taken.accepted = fresh.len() as u64;
    Ok(taken)
}

fn number(numbers: &HashMap<String, i64>, key: &str) -> StoreResult<i64> {
    let found = numbers.get(key).copied();
    found.ok_or_else(|| StoreError::corrupt(key, "it was stored and has no number"))
}

fn companies_of(fresh: &[Fresh<'_>]) -> Vec<CompanySeen> {
    fresh
        .iter()
        .map(|one| {
            let issuer = &one.filing.issuer;
            CompanySeen {
                key: one.company.clone(),
                market: one.filing.market.clone(),
                name: issuer.name.clone(),
                symbol: issuer.symbol.clone(),
                isin: issuer.isin.clone(),
                at: one.filing.published_at,
            }
        })
        .collect()
}

fn people_of(fresh: &[Fresh<'_>]) -> Vec<InsiderSeen> {
    fresh
        .iter()
        .flat_map(|one| {
            let keys = one.records.first().map(|record| record.people.as_slice());
            keys.unwrap_or_default()
                .iter()
                .zip(&one.filing.owners)
                .map(|(key, owner)| InsiderSeen {
                    key: key.0.clone(),
                    market: one.filing.market.clone(),
                    name: owner.name.clone(),
                    at: one.filing.published_at,
                })
        })
        .collect()
}

fn declaration(
    filing: &Filing,
    record: &DeclarationRecord,
    number_of_filing: i64,
    company: i64,
    insiders: &HashMap<String, i64>,
    may_fire: bool,
) -> StoreResult<NewDeclaration> {
    let people = (record.people.iter())
        .map(|key| number(insiders, &key.0))
        .collect::<StoreResult<Vec<_>>>()?;
    let principal = people.first().copied().unwrap_or_default();
    let name = filing
        .owners
        .first()
        .map_or("", |owner| owner.name.as_str());
    let slug = crate::model::name::slug(name, principal);
    let insider = Insider { name, slug: &slug };
    let unwritable = |e: serde_json::Error| StoreError::corrupt(record.amf_id.clone(), e);
    Ok(NewDeclaration {
        filing: number_of_filing,
        company,
        insider: principal,
        function: entity::function(&filing.owners),
        market: filing.market.clone(),
        isin: (filing.rows.iter())
            .filter(|row| row.code == record.code)
            .find_map(|row| row.isin.clone())
            .or_else(|| filing.issuer.isin.clone()),
        head: entity::head(record, filing).map_err(unwritable)?,
        rest: entity::rest(record, filing, &insider, None).map_err(unwritable)?,
        people,
        may_fire,
        record: record.clone(),
    })
}
