//! Taking filings in: each once, with its company and its people, split into declarations that wait to be judged.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use super::identity::company_key;
use crate::{
    model::{
        company::ticker,
        filing::{Filing, Status},
        market::Market,
        time::Time,
    },
    score::insider::{declaration::split, entity, record::DeclarationRecord},
    store::{
        companies::{CompanySeen, InsiderSeen},
        db::Tx,
        declarations::NewDeclaration,
        error::{StoreError, StoreResult},
        filings::StoredFiling,
    },
};

/// What became of some filings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Stored, and news of the status of those that were known.
    pub accepted: u64,
    /// Of them, those that were known, and are revised or withdrawn now.
    pub restated: u64,
    /// Known already, by their ids.
    pub duplicate: u64,
    /// Those that are not taken.
    pub refused: Vec<Refused>,
    /// Companies that have something new.
    pub companies: BTreeMap<i64, Filed>,
}

/// A filing that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the input.
    pub place: usize,
    /// Why.
    pub reason: String,
}

/// A publication may lie so far ahead: where a source states only the day, its end is taken, and the day may begin earlier elsewhere.
const MOST_AHEAD: i64 = Time::DAY;

/// When what is new of a company was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filed {
    /// The first of it.
    pub earliest: Time,
    /// The last of it.
    pub latest: Time,
}

/// A filing on its way in.
struct Fresh<'a> {
    place: usize,
    filing: Cow<'a, Filing>,
    company: String,
    records: Vec<DeclarationRecord>,
}

/// What some filings turn out to be.
#[derive(Default)]
struct Sorted<'a> {
    fresh: Vec<(usize, &'a Filing)>,
    /// What is said last of each of them.
    statuses: HashMap<&'a str, Status>,
    /// Numbers of known ones that are revised or withdrawn now.
    restated: BTreeMap<i64, Status>,
}

/// Stores filings that are not known, and of known ones what their regulator says now of their status: a withdrawal stands, so that the
/// order of arrival does not matter. Nothing is judged yet; what waits is in [`Taken::companies`], and marked in the store.
pub async fn take(
    tx: &mut Tx,
    filings: &[Filing],
    markets: &HashMap<String, Market>,
    may_fire: bool,
    now: Time,
) -> StoreResult<Taken> {
    let mut taken = Taken::default();
    let sorted = sort(tx, filings, markets, now, &mut taken).await?;
    let mut fresh = Vec::new();
    for (place, filing) in sorted.fresh {
        let Some(market) = markets.get(&filing.market) else {
            continue;
        };
        let company = company_key(filing);
        let mut filing = Cow::Borrowed(filing);
        let status = sorted.statuses.get(filing.id.0.as_str()).copied();
        if let Some(status) = status.filter(|status| *status != filing.status) {
            filing.to_mut().status = status;
        }
        fresh.push(Fresh {
            place,
            records: split(&filing, market, &company),
            filing,
            company,
        });
    }
    refuse_known_names(tx, &mut fresh, &mut taken).await?;
    if !fresh.is_empty() {
        append(tx, &fresh, may_fire, now, &mut taken).await?;
    }
    restate(tx, &sorted.restated, markets, &mut taken).await?;
    taken.accepted = fresh.len() as u64 + taken.restated;
    let stale: Vec<(i64, Time)> = (taken.companies.iter())
        .map(|(company, filed)| (*company, filed.earliest))
        .collect();
    tx.mark_stale(&stale).await?;
    Ok(taken)
}

async fn sort<'a>(
    tx: &mut Tx,
    filings: &'a [Filing],
    markets: &HashMap<String, Market>,
    now: Time,
    taken: &mut Taken,
) -> StoreResult<Sorted<'a>> {
    let latest = now.plus(MOST_AHEAD);
    let ids: Vec<&str> = filings.iter().map(|filing| filing.id.0.as_str()).collect();
    let known = tx.known_filings(&ids).await?;
    let mut sorted = Sorted::default();
    for (place, filing) in filings.iter().enumerate() {
        let id = filing.id.0.as_str();
        if let Some((number, status)) = known.get(id) {
            let before = sorted.restated.get(number).unwrap_or(status);
            if filing.status > *before {
                sorted.restated.insert(*number, filing.status);
                taken.restated += 1;
            } else {
                taken.duplicate += 1;
            }
        } else if !markets.contains_key(&filing.market) {
            let reason = format!("market: `{}` is not known", filing.market);
            taken.refused.push(Refused { place, reason });
        } else if filing.published_at > latest {
            let at = filing.published_at;
            let reason = format!("published_at: `{at}` is more than a day ahead");
            taken.refused.push(Refused { place, reason });
        } else if let Some(status) = sorted.statuses.get_mut(id) {
            *status = filing.status.max(*status);
            taken.duplicate += 1;
        } else {
            sorted.statuses.insert(id, filing.status);
            sorted.fresh.push((place, filing));
        }
    }
    Ok(sorted)
}

/// Takes out filings with a declaration that would be called like another filing's: that is one of a filing whose id ends as the name of
/// a declaration does. Were it stored, nothing could tell the two apart.
async fn refuse_known_names(
    tx: &mut Tx,
    fresh: &mut Vec<Fresh<'_>>,
    taken: &mut Taken,
) -> StoreResult<()> {
    let names = fresh.iter().flat_map(|one| &one.records);
    let names: Vec<&str> = names.map(|record| record.amf_id.as_str()).collect();
    let mut known = tx.known_declarations(&names).await?;
    fresh.retain(|one| {
        let names = || one.records.iter().map(|record| &record.amf_id);
        if let Some(name) = names().find(|name| known.contains(*name)) {
            let reason = format!("id: `{name}` is another filing's declaration");
            let place = one.place;
            taken.refused.push(Refused { place, reason });
            return false;
        }
        known.extend(names().cloned());
        true
    });
    Ok(())
}

/// Numbers of companies; those that are new are made. What files say of a company's ticker is the company's, and where the ticker is
/// another one than before, so are its closes: all of it is judged anew.
pub(super) async fn companies(
    tx: &mut Tx,
    seen: &[CompanySeen],
    now: Time,
) -> StoreResult<HashMap<String, i64>> {
    let found = tx.companies(seen, now).await?;
    for number in found.made.iter().chain(&found.moved) {
        tx.adopt_symbol(*number).await?;
        tx.show_market_cap(*number, now).await?;
    }
    let always = Time(i64::MIN);
    let moved: Vec<(i64, Time)> = (found.moved.iter())
        .map(|number| (*number, always))
        .collect();
    tx.mark_stale(&moved).await?;
    Ok(found.numbers)
}

async fn append(
    tx: &mut Tx,
    fresh: &[Fresh<'_>],
    may_fire: bool,
    now: Time,
    taken: &mut Taken,
) -> StoreResult<()> {
    let companies = companies(tx, &companies_of(fresh), now).await?;
    let insiders = tx.insiders(&people_of(fresh)).await?;
    let company = |key: &String| number(&companies, key);
    let placed = fresh
        .iter()
        .map(|one| Ok((&*one.filing, company(&one.company)?)))
        .collect::<StoreResult<Vec<_>>>()?;
    let numbers = tx.append_filings(&placed, now).await?;
    let mut declarations = Vec::new();
    for ((one, (filing, company)), number) in fresh.iter().zip(&placed).zip(numbers) {
        for record in &one.records {
            declarations.push(declaration(
                filing, record, number, *company, &insiders, may_fire,
            )?);
        }
        note(taken, *company, filing.published_at);
    }
    tx.put_declarations(&declarations, now).await?;
    Ok(())
}

/// Notes what the regulator says now of filings that are known.
async fn restate(
    tx: &mut Tx,
    restated: &BTreeMap<i64, Status>,
    markets: &HashMap<String, Market>,
    taken: &mut Taken,
) -> StoreResult<()> {
    let numbers: Vec<i64> = restated.keys().copied().collect();
    for mut stored in tx.filings(&numbers).await? {
        let Some(status) = restated.get(&stored.number) else {
            continue;
        };
        stored.filing.status = *status;
        tx.put_status(stored.number, &stored.filing).await?;
        split_again(tx, &stored, markets).await?;
        note(taken, stored.company, stored.filing.published_at);
    }
    Ok(())
}

/// Takes its declarations from a filing once more. Whether anything is other than before. Who it is about stays as it was.
pub async fn split_again(
    tx: &mut Tx,
    stored: &StoredFiling,
    markets: &HashMap<String, Market>,
) -> StoreResult<bool> {
    let filing = &stored.filing;
    let Some(market) = markets.get(&filing.market) else {
        return Ok(false);
    };
    let mut changed = false;
    for record in split(filing, market, &company_key(filing)) {
        let head = entity::head(&record, filing)
            .map_err(|e| StoreError::corrupt(record.amf_id.clone(), e))?;
        changed |= tx.restate(&record, &head).await?;
    }
    Ok(changed)
}

fn note(taken: &mut Taken, company: i64, published_at: Time) {
    let first = Filed {
        earliest: published_at,
        latest: published_at,
    };
    let filed = taken.companies.entry(company).or_insert(first);
    filed.earliest = published_at.min(filed.earliest);
    filed.latest = published_at.max(filed.latest);
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
                symbol: issuer
                    .symbol
                    .as_deref()
                    .map(|symbol| ticker(symbol).to_owned()),
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
        rest: entity::pending(record, filing, principal).map_err(unwritable)?,
        people,
        may_fire,
        record: record.clone(),
    })
}
