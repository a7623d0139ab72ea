//! A document while it is read: what its elements have said so far.
//!
//! A number, day or letter that cannot be read costs the field, never the filing: the row says in `flaws` what was filed there. Where there
//! is no row (the period, a flag of an owner) the field is left out.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{
    fields::{Field, RowKind},
    rejection::{Rejection, excerpt},
    values,
};
use crate::model::filing::{Code, Derived, Footnote, Issuer, Mark, Owner, Row};

/// EDGAR lets a form have 30 rows a table, 10 owners and 99 footnotes; these are ends for what does not come from there.
const MAX_ROWS: usize = 10_000;
const MAX_OWNERS: usize = 1_000;
const MAX_FOOTNOTES: usize = 10_000;
/// A row's signs of footnotes.
const MAX_MARKS: usize = 1_000;
/// Of names and titles, in bytes.
const MAX_LINE: usize = 2_048;
/// Of a footnote and of the remarks, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// EDGAR writes every price with a dollar sign, and the form has no field for another currency.
const CURRENCY: &str = "USD";

/// What a document says, as far as it has been read.
#[derive(Debug, Default, PartialEq)]
pub struct Draft {
    /// `4`, `4/A`, …, as filed.
    pub form: String,
    /// Last day reported on.
    pub period: Option<Date>,
    /// Of an amendment: when the original was filed.
    pub original: Option<Date>,
    /// The issuer; its name may be empty.
    pub issuer: Issuer,
    /// All that have a name or a number.
    pub owners: Vec<Owner>,
    /// The 10b5-1 box.
    pub plan: Option<bool>,
    /// Rows of both tables.
    pub rows: Vec<Row>,
    /// Footnotes.
    pub footnotes: Vec<Footnote>,
    /// Remarks.
    pub remarks: Option<String>,
    /// The last day on which somebody signed.
    pub signed: Option<Date>,
    owner: Option<OwnerDraft>,
    row: Option<(RowKind, Row)>,
    footnote: String,
}

#[derive(Debug, Default, PartialEq)]
struct OwnerDraft {
    owner: Owner,
    other_text: Option<String>,
}

impl Draft {
    /// An owner begins.
    ///
    /// # Errors
    /// [`Rejection`] inside another one, or beyond the bound.
    pub fn begin_owner(&mut self) -> Result<(), Rejection> {
        bounded("owners", self.owners.len(), MAX_OWNERS)?;
        match self.owner.replace(OwnerDraft::default()) {
            None => Ok(()),
            Some(_) => Err(Rejection::Xml("an owner inside an owner".into())),
        }
    }

    /// The owner ends. One without name and number says nothing.
    pub fn end_owner(&mut self) {
        let Some(OwnerDraft {
            mut owner,
            other_text,
        }) = self.owner.take()
        else {
            return;
        };
        owner.title = owner.title.or(other_text);
        if owner.id.is_some() || !owner.name.is_empty() {
            self.owners.push(owner);
        }
    }

    /// A row begins.
    ///
    /// # Errors
    /// [`Rejection`] inside another one, or beyond the bound.
    pub fn begin_row(&mut self, kind: RowKind) -> Result<(), Rejection> {
        bounded("rows", self.rows.len(), MAX_ROWS)?;
        let row = Row {
            derivative: kind.derivative,
            derived: kind.derivative.then(Derived::default),
            ..Row::default()
        };
        match self.row.replace((kind, row)) {
            None => Ok(()),
            Some(_) => Err(Rejection::Xml("a row inside a row".into())),
        }
    }

    /// The row ends.
    pub fn end_row(&mut self) {
        let Some((kind, mut row)) = self.row.take() else {
            return;
        };
        if kind.transaction && row.code.is_none() {
            row.flaws.push("transactionCode: missing".into());
        }
        let exercise_price = row.derived.as_ref().and_then(|d| d.exercise_price);
        let money = [row.price, row.value, row.value_after, exercise_price];
        if money.iter().any(Option::is_some) {
            row.currency = Some(CURRENCY.into());
        }
        self.rows.push(row);
    }

    /// A footnote begins.
    ///
    /// # Errors
    /// [`Rejection`] beyond the bounds.
    pub fn begin_footnote(&mut self, id: &str) -> Result<(), Rejection> {
        bounded("footnotes", self.footnotes.len(), MAX_FOOTNOTES)?;
        self.footnote = values::line(within("footnote", id, MAX_LINE)?);
        Ok(())
    }

    /// A sign that a footnote explains `field`, or with `None` the row as such.
    ///
    /// # Errors
    /// [`Rejection`] beyond the bounds.
    pub fn mark(&mut self, field: Option<Field>, footnote: &str) -> Result<(), Rejection> {
        let Some((_, row)) = &mut self.row else {
            return Ok(());
        };
        let footnote = values::line(within("footnoteId", footnote, MAX_LINE)?);
        if footnote.is_empty() {
            return Ok(());
        }
        bounded("footnotes of a row", row.marks.len(), MAX_MARKS)?;
        if !row.footnotes.contains(&footnote) {
            row.footnotes.push(footnote.clone());
        }
        if let Some(field) = field {
            row.marks.push(Mark {
                field: field.name().into(),
                footnote,
            });
        }
        Ok(())
    }

    /// What stands in an element. Blanks say nothing.
    ///
    /// # Errors
    /// [`Rejection::TooLong`].
    pub fn set(&mut self, field: Field, text: &str) -> Result<(), Rejection> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        let most = match field {
            Field::Footnote | Field::Remarks => MAX_TEXT,
            _ => MAX_LINE,
        };
        let text = within(field.name(), text, most)?;
        if let Some(owner) = &mut self.owner {
            set_owner(owner, field, text);
        } else if let Some((_, row)) = &mut self.row {
            set_row(row, field, text);
        } else {
            self.set_document(field, text);
        }
        Ok(())
    }

    fn set_document(&mut self, field: Field, text: &str) {
        match field {
            Field::DocumentType => self.form = values::line(text),
            Field::Period => self.period = values::day(text).ok(),
            Field::OriginalDate => self.original = values::day(text).ok(),
            Field::IssuerCik => self.issuer.id = values::cik(text),
            Field::IssuerName => self.issuer.name = values::line(text),
            Field::IssuerSymbol => self.issuer.symbol = values::symbol(text),
            Field::Plan => self.plan = values::flag(text),
            Field::Remarks => self.remarks = some(values::paragraphs(text)),
            Field::SignatureDate => self.signed = self.signed.max(values::day(text).ok()),
            Field::Footnote => self.footnotes.push(Footnote {
                id: std::mem::take(&mut self.footnote),
                text: values::paragraphs(text),
            }),
            _ => {}
        }
    }
}

fn set_owner(draft: &mut OwnerDraft, field: Field, text: &str) {
    let owner = &mut draft.owner;
    let yes = || values::flag(text) == Some(true);
    match field {
        Field::OwnerCik => owner.id = values::cik(text),
        Field::OwnerName => owner.name = values::line(text),
        Field::IsDirector => owner.director = yes(),
        Field::IsOfficer => owner.officer = yes(),
        Field::IsTenPercentOwner => owner.ten_percent = yes(),
        Field::IsOther => owner.other = yes(),
        Field::OfficerTitle => owner.title = some(values::line(text)),
        Field::OtherText => draft.other_text = some(values::line(text)),
        _ => {}
    }
}

fn set_row(row: &mut Row, field: Field, text: &str) {
    let Row { derived, flaws, .. } = row;
    // kept for derivatives alone; what stands elsewhere goes into a bin
    let mut bin = Derived::default();
    let derived = derived.as_mut().unwrap_or(&mut bin);
    let mut read = Reading { field, text, flaws };
    match field {
        Field::Security => row.security = values::line(text),
        Field::Date => row.date = read.day(),
        Field::Code => row.code = Some(Code(values::line(text).to_ascii_uppercase())),
        Field::Shares => row.shares = read.amount(),
        Field::TotalValue => row.value = read.amount(),
        Field::Price => row.price = read.amount(),
        Field::AcquiredDisposed => row.acquired = read.either("A", "D"),
        // one may owe shares, and so hold fewer than none
        Field::SharesAfter => row.shares_after = read.decimal(),
        Field::ValueAfter => row.value_after = read.decimal(),
        Field::DirectIndirect => row.direct = read.either("D", "I"),
        Field::Nature => row.held_through = some(values::line(text)),
        Field::ExercisePrice => derived.exercise_price = read.amount(),
        Field::ExerciseDate => derived.exercisable = read.day(),
        Field::ExpirationDate => derived.expires = read.day(),
        Field::Underlying => derived.underlying = some(values::line(text)),
        Field::UnderlyingShares => derived.underlying_shares = read.amount(),
        _ => {}
    }
}

/// A row's field being read: what cannot be read becomes a flaw of the row.
struct Reading<'a> {
    field: Field,
    text: &'a str,
    flaws: &'a mut Vec<String>,
}

impl Reading<'_> {
    fn or_flaw<T>(&mut self, read: Result<T, String>) -> Option<T> {
        read.map_err(|why| self.flaws.push(format!("{}: {why}", self.field.name())))
            .ok()
    }

    fn decimal(&mut self) -> Option<Decimal> {
        self.or_flaw(values::decimal(self.text))
    }

    fn amount(&mut self) -> Option<Decimal> {
        self.or_flaw(values::amount(self.text))
    }

    fn day(&mut self) -> Option<Date> {
        self.or_flaw(values::day(self.text))
    }

    fn either(&mut self, yes: &str, no: &str) -> Option<bool> {
        let is = |word: &str| self.text.eq_ignore_ascii_case(word);
        let read = match (is(yes), is(no)) {
            (true, _) => Ok(true),
            (_, true) => Ok(false),
            _ => Err(format!(
                "`{}` is neither {yes} nor {no}",
                excerpt(self.text)
            )),
        };
        self.or_flaw(read)
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn bounded(what: &'static str, there: usize, most: usize) -> Result<(), Rejection> {
    match there < most {
        true => Ok(()),
        false => Err(Rejection::TooMany { what, most }),
    }
}

fn within<'a>(field: &'static str, text: &'a str, most: usize) -> Result<&'a str, Rejection> {
    match text.len() <= most {
        true => Ok(text),
        false => Err(Rejection::TooLong { field, most }),
    }
}
