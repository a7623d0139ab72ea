//! One block told in several filings by affiliates: the first published counts, and its filers are one insider.

use std::collections::{HashMap, HashSet};

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
    /// Filings that told all of these rows before: one of the same insider was filed twice then. What two filings have in common otherwise
    /// may be two parts of a long list, each with the balance of the day's end beside every row.
    #[must_use]
    pub fn repeated(&self, record: &DeclarationRecord, rows: &[&Trade]) -> HashSet<FilingId> {
        let mut told: HashMap<&FilingId, usize> = HashMap::new();
        for row in rows {
            let reports = key(record, row).and_then(|key| self.reports.get(&key));
            let filings: HashSet<&FilingId> = (reports.into_iter().flatten())
                .map(|report| &report.filing)
                .collect();
            for filing in filings {
                *told.entry(filing).or_default() += 1;
            }
        }
        let whole = told.into_iter().filter(|(_, n)| *n == rows.len());
        whole.map(|(filing, _)| filing.clone()).collect()
    }

    /// Takes in a row. Gives the declaration that told the same block before, if any; the filers are then one insider.
    ///
    /// The same block is the same security, day, direction, shares, price and shares held after, in another filing. At least one of its
    /// reports must be of indirect ownership; or the insider is the same, who filed twice: [`Blocks::repeated`].
    pub fn admit(
        &mut self,
        record: &DeclarationRecord,
        row: &Trade,
        insider: usize,
        repeated: &HashSet<FilingId>,
        groups: &mut Groups,
        joined: &mut Vec<Joined>,
    ) -> Option<String> {
        let key = key(record, row)?;
        let reports = self.reports.entry(key.clone()).or_default();
        let own_indirect = row.direct == Some(false);
        let indirect = own_indirect || reports.iter().any(|report| report.indirect);
        let first = reports.iter().find(|report| {
            let same = repeated.contains(&report.filing)
                && groups.find(report.insider) == groups.find(insider);
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
