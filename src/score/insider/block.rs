//! One block told in several filings by affiliates: the first published counts, and its filers are one insider.

use std::collections::HashMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::model::filing::FilingId;

use super::{
    people::{Groups, Joined},
    record::{DeclarationRecord, Direction, Trade},
};

/// What two reports of one block have in common; a report without a price or without the shares held after cannot be known for one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    security: String,
    date: Date,
    direction: Direction,
    shares: Decimal,
    price: Decimal,
    after: Decimal,
}

#[derive(Clone, Debug)]
struct Report {
    amf_id: String,
    filing: FilingId,
    insider: usize,
    indirect: bool,
    counts: bool,
}

/// The blocks of one company that stand.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    reports: HashMap<Key, Vec<Report>>,
    told: HashMap<FilingId, Vec<Key>>,
}

impl Blocks {
    /// Takes in a row. Gives the declaration that told the same block before, if any; the filers are then one insider.
    ///
    /// The same block is the same security, day, direction, shares, price and shares held after, in another filing. At least one of its
    /// reports must be of indirect ownership; or the insider is the same, who filed twice.
    pub fn admit(
        &mut self,
        record: &DeclarationRecord,
        row: &Trade,
        insider: usize,
        groups: &mut Groups,
        joined: &mut Vec<Joined>,
    ) -> Option<String> {
        let key = key(record, row)?;
        let reports = self.reports.entry(key.clone()).or_default();
        let own_indirect = row.direct == Some(false);
        let indirect = own_indirect || reports.iter().any(|report| report.indirect);
        let first = reports.iter().find(|report| {
            let same = groups.find(report.insider) == groups.find(insider);
            report.counts && report.filing != record.filing && (indirect || same)
        });
        let first = first.map(|report| (report.amf_id.clone(), report.insider));
        if let Some((_, other)) = &first {
            joined.extend(groups.join(*other, insider));
        }
        reports.push(Report {
            amf_id: record.amf_id.clone(),
            filing: record.filing.clone(),
            insider,
            indirect: own_indirect,
            counts: first.is_none(),
        });
        let told = self.told.entry(record.filing.clone()).or_default();
        told.push(key);
        first.map(|(amf_id, _)| amf_id)
    }

    /// Forgets the reports of a filing that stands no more.
    pub fn forget(&mut self, filing: &FilingId) {
        for key in self.told.remove(filing).unwrap_or_default() {
            if let Some(reports) = self.reports.get_mut(&key) {
                reports.retain(|report| report.filing != *filing);
            }
        }
    }
}

fn key(record: &DeclarationRecord, row: &Trade) -> Option<Key> {
    Some(Key {
        security: row.security.clone(),
        date: row.date,
        direction: record.direction?,
        shares: row.shares?.normalize(),
        price: row.price?.normalize(),
        after: row.after?.normalize(),
    })
}
