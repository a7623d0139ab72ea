//! A declaration as a row of a file.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    csv::{Fields, Row},
    declaration_text::signal,
    error::{ApiError, ApiResult},
};
use crate::store::declaration_list::Listed;

/// A row of the file: the texts of its numbers as they are answered in JSON.
#[derive(Debug)]
pub struct DeclarationRow {
    head: Head,
    rest: Rest,
    signal: Signal,
    company: String,
    company_slug: String,
    symbol: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    amf_id: String,
    pub_date: String,
    transaction_date: Option<String>,
    pdf_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Rest {
    insider: Insider,
    transaction: Transaction,
    direction: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Insider {
    name: String,
    slug: String,
    function: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    nature: Option<String>,
    instrument: Option<String>,
    isin: Option<String>,
    unit_price: Option<Box<RawValue>>,
    volume: Option<Box<RawValue>>,
    amount: Option<Box<RawValue>>,
    currency: String,
    venue: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signal {
    score: Option<Box<RawValue>>,
    band: Option<String>,
    is_cluster: bool,
    reason: Option<String>,
}

impl DeclarationRow {
    /// Of a declaration.
    pub fn read(listed: Listed) -> ApiResult<Self> {
        let unreadable = |error| ApiError::internal(&error);
        Ok(DeclarationRow {
            head: serde_json::from_str(&format!("{}}}", listed.head)).map_err(unreadable)?,
            rest: serde_json::from_str(&format!("{{{}}}", listed.rest)).map_err(unreadable)?,
            signal: serde_json::from_str(&signal(&listed.signal)).map_err(unreadable)?,
            company: listed.company_name,
            company_slug: listed.company_slug,
            symbol: listed.company_symbol,
        })
    }
}

impl Row for DeclarationRow {
    const COLUMNS: &'static [&'static str] = &[
        "amfId",
        "pubDate",
        "transactionDate",
        "company",
        "companySlug",
        "yahooSymbol",
        "insider",
        "insiderSlug",
        "function",
        "nature",
        "instrument",
        "isin",
        "unitPrice",
        "volume",
        "amount",
        "currency",
        "venue",
        "direction",
        "score",
        "band",
        "isCluster",
        "reason",
        "pdfUrl",
    ];

    fn fields(&self, fields: &mut Fields<'_>) {
        let (insider, dealt) = (&self.rest.insider, &self.rest.transaction);
        fields.text(Some(&self.head.amf_id));
        fields.plain(Some(&self.head.pub_date));
        fields.plain(self.head.transaction_date.as_ref());
        fields.text(Some(&self.company));
        fields.plain(Some(&self.company_slug));
        fields.text(self.symbol.as_deref());
        fields.text(Some(&insider.name));
        fields.plain(Some(&insider.slug));
        fields.text(insider.function.as_deref());
        fields.text(dealt.nature.as_deref());
        fields.text(dealt.instrument.as_deref());
        fields.text(dealt.isin.as_deref());
        fields.plain(dealt.unit_price.as_ref());
        fields.plain(dealt.volume.as_ref());
        fields.plain(dealt.amount.as_ref());
        fields.text(Some(&dealt.currency));
        fields.text(dealt.venue.as_deref());
        fields.plain(self.rest.direction.as_ref());
        fields.plain(self.signal.score.as_ref());
        fields.plain(self.signal.band.as_ref());
        fields.plain(Some(self.signal.is_cluster));
        fields.plain(self.signal.reason.as_ref());
        fields.text(self.head.pdf_url.as_deref());
    }
}
