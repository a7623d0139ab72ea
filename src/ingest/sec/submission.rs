//! A submission's outside: EDGAR's SGML header, where in it the ownership document stands, and that document as text.
//!
//! A submission is a header of lines (`ACCESSION NUMBER: 0001437749-23-000297`; in older and raw ones tags,
//! `<ACCESSION-NUMBER>0001437749-23-000297`), then documents, the first of them between `<XML>` and `</XML>`. The exhibits behind it are
//! not looked at. A file that is the XML alone has no header.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime};
use memchr::{memchr, memmem};

use super::{
    rejection::{Rejection, excerpt},
    values,
};

/// The longest submission that is looked at, in bytes.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;

const DOCUMENT: &str = "ownershipDocument";

/// What EDGAR wrote around the document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// `0001437749-23-000297`.
    pub accession: Option<String>,
    /// When EDGAR accepted it, by the clock in Washington.
    pub accepted: Option<DateTime>,
    /// The day under which EDGAR filed it.
    pub filed: Option<Date>,
}

/// A submission opened.
#[derive(Debug)]
pub struct Submission<'a> {
    /// Empty where the file is the XML alone.
    pub header: Header,
    /// The XML, from what stands before its root to its root's end.
    pub document: Cow<'a, str>,
}

/// Opens a submission, or the XML alone.
///
/// # Errors
/// [`Rejection`], where no whole ownership document is in it.
pub fn open(bytes: &[u8]) -> Result<Submission<'_>, Rejection> {
    if bytes.len() > MAX_BYTES {
        return Err(Rejection::TooLarge(bytes.len() as u64));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Rejection::Empty);
    }
    if let Some(text) = utf16(bytes) {
        let (start, document) = document(text.as_bytes())?;
        return Ok(Submission {
            header: header(&text.as_bytes()[..start]),
            document: Cow::Owned(decoded(document).into_owned()),
        });
    }
    let (start, document) = document(bytes)?;
    Ok(Submission {
        header: header(&bytes[..start]),
        document: decoded(document),
    })
}

/// Where the document's XML begins, and all of it.
fn document(bytes: &[u8]) -> Result<(usize, &[u8]), Rejection> {
    let Some(root) = root(bytes) else {
        return Err(not_even_begun(bytes));
    };
    let close = format!("</{DOCUMENT}");
    let closing = memmem::find(&bytes[root..], close.as_bytes()).ok_or(Rejection::CutOff)?;
    let tail = root + closing;
    let end = memchr(b'>', &bytes[tail..]).ok_or(Rejection::CutOff)? + tail + 1;
    let start = prolog(&bytes[..root]);
    if let Some(next) = self::root(&bytes[end..]) {
        // what stands in an exhibit is no other submission: that has a header of its own, where this one has
        let told = |part: &[u8]| header(part).accession.is_some();
        if told(&bytes[end..end + next]) || !told(&bytes[..start]) {
            return Err(Rejection::Several);
        }
    }
    let document = &bytes[start..end];
    if memchr(0, document).is_some() {
        return Err(Rejection::Nul);
    }
    Ok((start, document))
}

/// Where the document's root begins.
fn root(bytes: &[u8]) -> Option<usize> {
    let open = format!("<{DOCUMENT}");
    memmem::find_iter(bytes, open.as_bytes()).find(|at| {
        let next = bytes.get(at + open.len());
        next.is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/'))
    })
}

/// Where the XML before the root begins: behind `<XML>`, at the file's first byte if that is markup already, else at the
/// declaration. A document type that stands there must be seen.
fn prolog(before_root: &[u8]) -> usize {
    if let Some(at) = memmem::rfind(before_root, b"<XML>") {
        return at + b"<XML>".len();
    }
    let text = before_root
        .strip_prefix("\u{feff}".as_bytes())
        .unwrap_or(before_root);
    let text = text.trim_ascii_start();
    if text.starts_with(b"<?") || text.starts_with(b"<!") {
        return before_root.len() - text.len();
    }
    memmem::rfind(before_root, b"<?xml").unwrap_or(before_root.len())
}

/// Why there is no root: cut off before it, a web page, or something else.
fn not_even_begun(bytes: &[u8]) -> Rejection {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(64 * 1024)]);
    let lower = head.to_ascii_lowercase();
    if lower.contains("<html") && !lower.contains("<sec-document") {
        let title = lower.find("<title>").map_or("", |at| {
            let rest = &head[at + "<title>".len()..];
            rest.split('<').next().unwrap_or_default()
        });
        return Rejection::WebPage(excerpt(title.trim()));
    }
    Rejection::NoDocument
}

/// A file with the byte order mark of UTF-16, which no other encoding begins with.
fn utf16(bytes: &[u8]) -> Option<String> {
    let (mark, rest) = bytes.split_at_checked(2)?;
    let unit: fn([u8; 2]) -> u16 = match mark {
        [0xff, 0xfe] => u16::from_le_bytes,
        [0xfe, 0xff] => u16::from_be_bytes,
        _ => return None,
    };
    let units = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    Some(
        char::decode_utf16(units)
            .map(|c| c.unwrap_or('\u{fffd}'))
            .collect(),
    )
}

/// UTF-8 where it is that, whatever is declared; else Windows-1252, in which every byte is a letter and which holds Latin-1.
#[must_use]
pub fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| windows_1252(byte)).collect()),
    }
}

/// The letter of a byte in Windows-1252. Its five gaps stay the control characters that Latin-1 has there.
#[must_use]
pub fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// The header's fields, each where it stands first.
fn header(bytes: &[u8]) -> Header {
    let mut header = Header::default();
    for line in bytes.split(|&b| b == b'\n') {
        let Some((name, value)) = field(line) else {
            continue;
        };
        match name {
            "ACCESSION NUMBER" | "ACCESSION-NUMBER" if header.accession.is_none() => {
                header.accession = values::accession(value);
            }
            "ACCEPTANCE-DATETIME" if header.accepted.is_none() => {
                header.accepted =
                    values::stamp(value).and_then(|(date, clock)| Some(date.to_datetime(clock?)));
            }
            "FILED AS OF DATE" | "FILING-DATE" if header.filed.is_none() => {
                header.filed = values::stamp(value).map(|(date, _)| date);
            }
            _ => {}
        }
    }
    header
}

/// `NAME: value` or `<NAME>value`.
fn field(line: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(line.get(..line.len().min(200))?)
        .ok()?
        .trim();
    let (name, value) = match line.strip_prefix('<') {
        Some(tag) => tag.split_once('>')?,
        None => line.split_once(':')?,
    };
    Some((name.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRAPPED: &str = "<SEC-DOCUMENT>1.txt : 20230104\n<ACCEPTANCE-DATETIME>20230104153325\n\
        ACCESSION NUMBER:\t\t0001437749-23-000297\nFILED AS OF DATE:\t\t20230104\n<DOCUMENT>\n<TEXT>\n<XML>\n\
        <?xml version=\"1.0\"?>\n<ownershipDocument>a</ownershipDocument>\n</XML>\n</TEXT>\n";

    #[test]
    fn a_header_and_its_document() {
        let open = open(WRAPPED.as_bytes()).unwrap();
        assert_eq!(
            open.header.accession.as_deref(),
            Some("0001437749-23-000297")
        );
        assert_eq!(
            open.header.accepted.unwrap().to_string(),
            "2023-01-04T15:33:25"
        );
        assert_eq!(open.header.filed.unwrap().to_string(), "2023-01-04");
        assert_eq!(
            open.document.trim(),
            "<?xml version=\"1.0\"?>\n<ownershipDocument>a</ownershipDocument>"
        );
    }

    #[test]
    fn raw_submissions_have_tags() {
        let raw = "<SUBMISSION>\r\n<ACCESSION-NUMBER>0001437749-23-000297\r\n<FILING-DATE>20230104\r\n<XML>\r\n\
            <ownershipDocument/><ownershipDocument></ownershipDocument>";
        let open = open(raw.as_bytes()).unwrap();
        assert_eq!(
            open.header.accession.as_deref(),
            Some("0001437749-23-000297")
        );
        assert_eq!(open.header.filed.unwrap().to_string(), "2023-01-04");
        assert_eq!(open.header.accepted, None);
    }

    #[test]
    fn the_second_of_two_submissions_is_not_lost_in_silence() {
        let xml = "<ownershipDocument></ownershipDocument>";
        let one =
            |n: u8| format!("ACCESSION NUMBER:\t0001437749-23-00029{n}\n<XML>\n{xml}\n</XML>\n");
        let why = |text: String| open(text.as_bytes()).map(|_| ()).err();
        assert_eq!(why(one(7)), None);
        assert_eq!(why(one(7) + &one(8)), Some(Rejection::Several));
        assert_eq!(why(format!("{xml}\n{xml}")), Some(Rejection::Several));
        let exhibit = format!("<DOCUMENT>\n<TYPE>EX-99\n<TEXT>{xml}</TEXT>\n");
        assert_eq!(why(one(7) + &exhibit), None);
    }

    #[test]
    fn what_is_no_submission() {
        let why = |bytes: &[u8]| open(bytes).map(|_| ()).unwrap_err();
        assert_eq!(why(b""), Rejection::Empty);
        assert_eq!(why(b" \r\n\t"), Rejection::Empty);
        assert_eq!(why(b"hello"), Rejection::NoDocument);
        assert_eq!(
            why(b"<ownershipDocuments></ownershipDocuments>"),
            Rejection::NoDocument
        );
        assert_eq!(why(b"<ownershipDocument>"), Rejection::CutOff);
        assert_eq!(
            why(b"<ownershipDocument></ownershipDocument"),
            Rejection::CutOff
        );
        assert_eq!(
            why(b"<ownershipDocument>\0</ownershipDocument>"),
            Rejection::Nul
        );
        let page = b"<!DOCTYPE html><HTML><title>Request Rate\nThreshold Exceeded</title>";
        assert_eq!(
            why(page),
            Rejection::WebPage("Request Rate Threshold Exceeded".into())
        );
        assert_eq!(
            why(&vec![b' '; MAX_BYTES + 1]),
            Rejection::TooLarge(MAX_BYTES as u64 + 1)
        );
    }

    #[test]
    fn what_stands_before_the_root_is_kept() {
        let text = |xml: &str| open(xml.as_bytes()).unwrap().document.into_owned();
        let xml = "<!DOCTYPE x><ownershipDocument></ownershipDocument>";
        assert_eq!(text(xml), xml);
        assert_eq!(text(&format!("\u{feff}\n{xml}")), xml);
        assert_eq!(
            text(&format!("From: x\n\n<?xml version=\"1.0\"?>{xml}")),
            format!("<?xml version=\"1.0\"?>{xml}")
        );
        assert_eq!(
            text("junk <ownershipDocument></ownershipDocument>"),
            "<ownershipDocument></ownershipDocument>"
        );
    }

    #[test]
    fn odd_encodings_are_read() {
        let read = |bytes: &[u8]| open(bytes).unwrap().document.into_owned();
        let xml = "<ownershipDocument>Société “Générale”</ownershipDocument>";
        assert_eq!(read(xml.as_bytes()), xml);
        let latin: Vec<u8> = xml
            .chars()
            .map(|c| match c {
                '“' => 0x93,
                '”' => 0x94,
                other => other as u32 as u8,
            })
            .collect();
        assert_eq!(read(&latin), xml);
        for (mark, bytes) in [
            ([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]),
            ([0xfe, 0xff], u16::to_be_bytes),
        ] {
            let wide: Vec<u8> = mark
                .into_iter()
                .chain(xml.encode_utf16().flat_map(bytes))
                .collect();
            assert_eq!(read(&wide), xml);
        }
        // an exhibit in another encoding does not change how the document is read
        let mixed = [xml.as_bytes(), b"\n</XML>\xe9\xff"].concat();
        assert_eq!(read(&mixed), xml);
    }
}
