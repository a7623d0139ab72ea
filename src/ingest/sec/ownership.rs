//! The XML of ownership documents, read event by event into a draft.
//!
//! Most fields are wrapped, `<transactionShares><value>20000</value><footnoteId id="F1"/></transactionShares>`, some are not; both
//! spellings are read alike. Unknown elements are passed over: every schema so far has only added some.

use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

use super::{
    draft::Draft,
    fields::{Field, RowKind},
    rejection::{Rejection, excerpt},
    submission::windows_1252,
};

/// The forms go six deep.
const MAX_DEPTH: usize = 32;

/// Reads a document, from what stands before its root to its root's end.
///
/// # Errors
/// [`Rejection`], where it is no XML or beyond what a form holds.
pub fn read(document: &str) -> Result<Draft, Rejection> {
    let mut reader = Reader::from_str(document);
    // an ampersand alone is a mistake of the filer's, not a reason to lose the filing
    reader.config_mut().allow_dangling_amp = true;
    let mut reading = Reading::default();
    loop {
        match reader.read_event().map_err(|e| xml(&e))? {
            Event::Start(tag) => reading.begin(&tag)?,
            Event::Empty(tag) => {
                reading.begin(&tag)?;
                reading.end(tag.local_name().as_ref())?;
            }
            Event::End(tag) => {
                reading.end(tag.local_name().as_ref())?;
                if reading.open.is_empty() {
                    return Ok(reading.draft);
                }
            }
            Event::Text(text) => reading.text(&text),
            Event::CData(text) => reading.text(&text),
            Event::GeneralRef(reference) => reading.reference(&reference),
            Event::DocType(_) => return Err(Rejection::Doctype),
            Event::Eof => return Err(Rejection::CutOff),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

#[derive(Default)]
struct Reading {
    draft: Draft,
    /// For each element that is open, whose text is gathered in it, if anybody's.
    open: Vec<Option<Field>>,
    text: String,
}

impl Reading {
    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<(), Rejection> {
        let name = tag.local_name();
        let name = name.as_ref();
        let field = match name {
            "value" | "footnoteId" => self.field(),
            _ => Field::of(name),
        };
        if self.open.len() == MAX_DEPTH {
            return Err(Rejection::TooDeep(MAX_DEPTH));
        }
        self.open.push(field);
        match name {
            // the text around it goes on
            "footnoteId" => return self.draft.mark(field, &id(tag)?),
            "reportingOwner" => self.draft.begin_owner()?,
            "footnote" => self.draft.begin_footnote(&id(tag)?)?,
            _ => {
                if let Some(kind) = RowKind::of(name) {
                    self.draft.begin_row(kind)?;
                }
            }
        }
        self.text.clear();
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Rejection> {
        let field = self.open.pop().flatten();
        if name == "footnoteId" {
            return Ok(());
        }
        if let Some(field) = field {
            self.draft.set(field, &self.text)?;
        }
        self.text.clear();
        if name == "reportingOwner" {
            self.draft.end_owner();
        } else if RowKind::of(name).is_some() {
            self.draft.end_row();
        }
        Ok(())
    }

    fn field(&self) -> Option<Field> {
        self.open.last().copied().flatten()
    }

    fn text(&mut self, text: &str) {
        if self.field().is_some() {
            self.text.push_str(text);
        }
    }

    /// An entity of XML's five, or a character's number. Any other stays as it is written: without a document type it means nothing.
    fn reference(&mut self, reference: &BytesRef<'_>) {
        if self.field().is_none() {
            return;
        }
        if let Some(predefined) = quick_xml::escape::resolve_predefined_entity(reference) {
            self.text.push_str(predefined);
        } else if let Ok(Some(character)) = reference.resolve_char_ref() {
            self.text.push(meant(character));
        } else {
            self.text.push('&');
            self.text.push_str(reference);
            self.text.push(';');
        }
    }
}

/// Numbers from 128 to 159 are control characters, but whoever writes `&#146;` means the apostrophe of Windows-1252; so do browsers.
fn meant(character: char) -> char {
    match u8::try_from(u32::from(character)) {
        Ok(byte) => windows_1252(byte),
        Err(_) => character,
    }
}

/// The attribute `id`; empty where there is none.
fn id(tag: &BytesStart<'_>) -> Result<String, Rejection> {
    let attribute = tag.try_get_attribute("id");
    let found = attribute.map_err(|e| Rejection::Xml(excerpt(&e.to_string())))?;
    Ok(found.map_or_else(String::new, |id| id.value.into_owned()))
}

fn xml(error: &quick_xml::Error) -> Rejection {
    Rejection::Xml(excerpt(&error.to_string()))
}
