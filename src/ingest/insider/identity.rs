//! What a filing's company is known by. From the filing alone, so that the order of arrival never makes two of one.

use crate::model::{company::ticker, filing::Filing, name::normalised};

/// `us:0000320193`: the regulator's number; else the ticker; else the name, normalised. Within its market.
///
/// In one market all filings say the same of these, or some of a company would be told from others.
#[must_use]
pub fn company_key(filing: &Filing) -> String {
    let issuer = &filing.issuer;
    let market = &filing.market;
    match (&issuer.id, &issuer.symbol) {
        (Some(id), _) => format!("{market}:{id}"),
        (None, Some(symbol)) => format!("{market}:${}", ticker(symbol)),
        (None, None) => format!("{market}:{}", normalised(&issuer.name)),
    }
}
