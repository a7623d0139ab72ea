//! From a file's bytes to a filing: header and document put together, and what neither of them says.

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::{
    draft::Draft,
    ownership,
    rejection::{Rejection, excerpt},
    submission::{self, Header},
    values,
};
use crate::model::{
    filing::{Amends, Filing, FilingId, Status},
    time::Time,
};

/// The market of these filings.
pub const MARKET: &str = "us";
/// Before the colon of their ids.
pub const PREFIX: &str = "SEC";

/// Reads a submission, or the XML of an ownership document alone.
///
/// `path` is where the file came from, `/`-separated, as far as it is known: where the submission does not tell its accession number, the
/// file's name may, or its folder's. Without any number the filing is known by the first 16 hexadecimal digits of the SHA-256 of
/// `bytes`. Without a moment of acceptance it counts as published at the end of the day on which EDGAR filed it, else of the day on
/// which the last of its owners signed it, in Washington; `published_estimated` says so.
///
/// # Errors
/// [`Rejection`] with the reason.
pub fn parse(bytes: &[u8], path: Option<&str>) -> Result<Filing, Rejection> {
    let submission = submission::open(bytes)?;
    let draft = ownership::read(&submission.document)?;
    let header = submission.header;
    let form = form(&draft.form)?;
    let (published_at, published_estimated) = published(&header, draft.signed)?;
    if draft.issuer.id.is_none() && draft.issuer.name.is_empty() {
        return Err(Rejection::Missing("issuer"));
    }
    if draft.owners.is_empty() {
        return Err(Rejection::Missing("reportingOwner"));
    }
    let accession = header
        .accession
        .or_else(|| values::accession_of_path(path?));
    let url = accession
        .as_deref()
        .and_then(|accession| url(&draft, accession));
    let amends = draft.original.map_or(Amends::Unnamed, Amends::FiledOn);
    Ok(Filing {
        id: id(accession.as_deref(), bytes),
        market: MARKET.into(),
        amends: form.ends_with("/A").then_some(amends),
        form,
        published_at,
        published_estimated,
        status: Status::Current,
        issuer: draft.issuer,
        owners: draft.owners,
        period: draft.period,
        plan: draft.plan,
        rows: draft.rows,
        footnotes: draft.footnotes,
        remarks: draft.remarks,
        url,
    })
}

/// One of the six forms, spelled as EDGAR does.
fn form(filed: &str) -> Result<String, Rejection> {
    let form = filed.to_ascii_uppercase();
    match form.as_str() {
        "3" | "4" | "5" | "3/A" | "4/A" | "5/A" => Ok(form),
        "" => Err(Rejection::Missing("documentType")),
        _ => Err(Rejection::Form(excerpt(filed))),
    }
}

/// When the public could read it, and whether that is an estimate.
fn published(header: &Header, signed: Option<Date>) -> Result<(Time, bool), Rejection> {
    if let Some(accepted) = header.accepted.and_then(values::eastern) {
        return Ok((accepted, false));
    }
    let day = |day: Option<Date>| values::end_of_day(day?);
    let estimate = day(header.filed).or_else(|| day(signed));
    let estimate = estimate.ok_or(Rejection::Missing("signatureDate"))?;
    Ok((estimate, true))
}

pub(super) fn id(accession: Option<&str>, bytes: &[u8]) -> FilingId {
    if let Some(accession) = accession {
        return FilingId(format!("{PREFIX}:{accession}"));
    }
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let start: String = digest[..8].iter().map(|b| format!("{b:02x}")).collect();
    FilingId(format!("{PREFIX}:sha256-{start}"))
}

/// Where EDGAR's archive has the submission.
fn url(draft: &Draft, accession: &str) -> Option<String> {
    let cik = draft.issuer.id.as_deref()?.trim_start_matches('0');
    let folder = accession.replace('-', "");
    Some(format!(
        "https://www.sec.gov/Archives/edgar/data/{cik}/{folder}/{accession}.txt"
    ))
}
