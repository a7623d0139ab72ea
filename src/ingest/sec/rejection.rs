//! Why a file is no filing.

/// Why a file is no filing. Each text is for whoever gave the file, and is short however long the file was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Nothing in it, or nothing but blanks.
    #[error("the file is empty")]
    Empty,
    /// Longer than any submission that is looked at.
    #[error("{0} bytes are more than a submission of 32 MB")]
    TooLarge(u64),
    /// A web page: what a crawler gets in place of a filing. Holds the page's title.
    #[error("a web page (`{0}`), no filing")]
    WebPage(String),
    /// No `<ownershipDocument>`.
    #[error("no ownership document in it")]
    NoDocument,
    /// The document begins and does not end.
    #[error("cut off: the ownership document does not end")]
    CutOff,
    /// More than one document: several submissions, one behind the other. To take the first and be silent about the others would lose them.
    #[error("more than one submission in it: give each a file of its own")]
    Several,
    /// NUL bytes: a binary file, or a damaged one.
    #[error("a NUL byte in the ownership document")]
    Nul,
    /// A document type: no form has one, and the entities it declares have brought down parsers.
    #[error("a DOCTYPE, which no form has")]
    Doctype,
    /// Deeper than any form goes.
    #[error("elements more than {0} deep")]
    TooDeep(usize),
    /// Not well-formed.
    #[error("bad XML: {0}")]
    Xml(String),
    /// Another form.
    #[error("form `{0}` is none of 3, 4, 5 and their amendments")]
    Form(String),
    /// What a filing cannot be without.
    #[error("{0}: missing")]
    Missing(&'static str),
    /// More than any form holds.
    #[error("more than {most} {what}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// A text longer than any form's.
    #[error("{field}: longer than {most} bytes")]
    TooLong {
        /// Whose text.
        field: &'static str,
        /// How long it may be.
        most: usize,
    },
    /// The file itself cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

impl Rejection {
    /// Whether it will not get better by another attempt: what is cut off, empty or a web page is the way's fault, not the filing's.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(
            self,
            Rejection::CutOff
                | Rejection::Empty
                | Rejection::WebPage(_)
                | Rejection::NoDocument
                | Rejection::Unreadable(_)
        )
    }
}

/// At most 80 letters of a text that somebody else wrote, on one line: for a reason.
#[must_use]
pub fn excerpt(text: &str) -> String {
    let letters = text.chars().take(80);
    letters
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
