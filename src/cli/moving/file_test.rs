//! A file comes back as it was written, and whatever is missing from one, or changed, is found.

use std::io;

use proptest::prelude::*;

use super::{
    file::{Contents, Header, Heading, Lines, Tally},
    reader::{FileError, Piece, Reader},
};
use crate::{
    model::{log::LogHead, time::Time},
    store::{
        row_line::Row,
        tables::{LOG_HEAD, LOG_TAIL, SIGNALS, TABLES},
    },
};

const ACCOUNT: &str = r#"["a","some\nbody","alpha",null,null,5]"#;

fn signal(seq: i64) -> String {
    format!(r#"[{seq},"id-{seq}",1000000,null,null,94.2,null,null,"{{\"id\":\"id-{seq}\"}}"]"#)
}

/// A store of a few rows.
fn written(signals: i64) -> String {
    written_as(("1f3c9a2e", signals), signals, signals)
}

/// The same where the first line says this of the log, its head's row that, and so many signals are there.
fn written_as((epoch, said): (&str, i64), head: i64, signals: i64) -> String {
    let log = LogHead {
        epoch: epoch.into(),
        seq: said,
        oldest: 1,
    };
    let mut lines = Lines::new(Vec::new());
    lines.json(&Header::new(&log, Time(0))).unwrap();
    let mut tally = Tally::new(log);
    for table in TABLES {
        lines.json(&Heading::of(table)).unwrap();
        tally.begin(table);
        let rows = match table.name {
            LOG_HEAD => vec![format!(r#"[1,"1f3c9a2e",{head},0]"#)],
            LOG_TAIL => vec!["[1,1]".to_owned()],
            SIGNALS => (1..=signals).map(signal).collect(),
            "accounts" => vec![ACCOUNT.to_owned()],
            _ => Vec::new(),
        };
        for line in rows {
            let row = Row::parse(table, &line).unwrap();
            assert_eq!(row.line(table).unwrap(), line);
            tally.row(&row, &line);
            lines.line(&line).unwrap();
        }
    }
    let (out, bytes) = lines.end(tally.contents()).unwrap();
    assert_eq!(out.len() as u64, bytes);
    String::from_utf8(out).unwrap()
}

/// How many rows it hands out, and what it says in the end.
fn read(file: &[u8]) -> Result<(usize, Contents), FileError> {
    let (mut reader, _) = Reader::open(io::BufReader::new(file))?;
    let mut count = 0;
    loop {
        match reader.next()? {
            Piece::Rows { rows, .. } => count += rows.len(),
            Piece::End(contents) => return Ok((count, contents)),
        }
    }
}

fn refusal(file: &str) -> String {
    read(file.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_file_comes_back() {
    let (rows, contents) = read(written(3).as_bytes()).unwrap();
    assert_eq!((rows, contents.rows(), contents.log.count), (6, 6, 3));
    assert_eq!(contents.log.from, "1f3c9a2e-1");
    assert_eq!(contents.log.to, "1f3c9a2e-3");
    assert_eq!(contents.tables["accounts"].rows, 1);
    assert_eq!(contents.tables.len(), TABLES.len());
    let (rows, contents) = read(written(0).as_bytes()).unwrap();
    assert_eq!((rows, &*contents.log.digest), (3, &*"0".repeat(64)));
    // more than is handed on at once
    assert_eq!(read(written(2_500).as_bytes()).unwrap().0, 2_503);
}

/// By digests that are right, as whoever makes a file can have them.
#[test]
fn a_log_is_the_one_that_its_rows_tell_of() {
    for (said, head, signals) in [
        (("deadbeef", 3), 3, 3),
        (("1f3c9a2e", 999), 3, 3),
        (("1f3c9a2e", 2), 2, 3),
        (("1f3c9a2e", 4), 4, 3),
        (("1f3c9a2e", 1), 1, 0),
    ] {
        let said = refusal(&written_as(said, head, signals));
        assert!(said.contains("it contradicts itself"), "{said}");
    }
    let odd = refusal(&written_as(("\u{1b}[2J", 3), 3, 3));
    assert!(odd.contains("line 1: `epoch` is 8"), "{odd}");
}

#[test]
fn who_wrote_a_file_is_told_in_letters_alone() {
    let file = written(1).replacen("\"step\":", "\"step\":9", 1);
    let own = format!("another build of sigcast {}", env!("CARGO_PKG_VERSION"));
    assert!(refusal(&file).contains(&own), "{}", refusal(&file));
    let version = format!("\"program\":\"{}\"", env!("CARGO_PKG_VERSION"));
    let long = format!("\"program\":\"9\\u001b[2J\\n{}\"", "x".repeat(1_000));
    let said = refusal(&file.replacen(&version, &long, 1));
    assert!(
        said.contains(r"written by sigcast 9\u{1b}[2J\nxx"),
        "{said}"
    );
    assert!(
        !said.contains(char::is_control) && said.len() < 500,
        "{said}"
    );
}

#[test]
fn what_is_wrong_is_named() {
    let file = written(3);
    let lines: Vec<&str> = file.lines().collect();
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines.join("\n") + "\n"
    };
    let (second, account) = (at("id-2"), at("some"));
    for (file, why) in [
        (String::new(), "no export of sigcast"),
        ("{}\n".to_owned(), "no export of sigcast"),
        ("\u{1f}\u{8b}".to_owned(), "no export of sigcast"),
        (
            file.replace("\"sigcast_store\":1", "\"sigcast_store\":2"),
            "a later form (2)",
        ),
        (file.replacen("\"step\":", "\"step\":9", 1), "of step 9"),
        (
            without(lines.len() - 1),
            "it has no end: it breaks off behind line",
        ),
        (file.trim_end().to_owned(), "it has no end"),
        (without(second), "it was changed: the rows of signals"),
        (
            file.replacen("94.2", "94.3", 1),
            "it was changed: the rows of signals",
        ),
        (
            file.replacen("some", "none", 1),
            "it was changed: the rows of accounts",
        ),
        (
            file.replacen("\"program\":\"", "\"program\":\"9", 1),
            "it was changed: its digest",
        ),
        (
            file.replacen("[2,", "[\"2\",", 1),
            &format!("line {}: seq", second + 1),
        ),
        (
            file.replacen("[2,", "2,", 1),
            &format!("line {}: the columns of", second + 1),
        ),
        (
            file.replacen("null,5]", "5]", 1),
            &format!("line {}: a row is", account + 1),
        ),
        (
            without(at("\"accounts\"")),
            &format!("line {}: a row is", account),
        ),
        (
            without(at("\"sources\"")),
            "the columns of sources are expected",
        ),
        (
            file.replacen("\"cursor\"", "\"place\"", 1),
            "the columns of engines are expected",
        ),
        (format!("{file}\n"), "there is more behind the end"),
    ] {
        assert!(refusal(&file).contains(why), "{why}: {}", refusal(&file));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Cut anywhere, it has no end; and no byte of it can be another one.
    #[test]
    fn nothing_can_be_missing_or_changed(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let file = written(2);
        let at = at.index(file.len());
        prop_assert!(read(&file.as_bytes()[..at]).is_err());
        let mut changed = file.into_bytes();
        changed[at] ^= 1 << bit;
        prop_assert!(read(&changed).is_err());
    }

    #[test]
    fn never_panics(lines in prop::collection::vec("\\PC{0,40}|\\[[ -~]{0,20}\\]", 0..6)) {
        let file = written(1);
        let mut some: Vec<&str> = file.lines().take(4).collect();
        some.extend(lines.iter().map(String::as_str));
        let _ = read((some.join("\n") + "\n").as_bytes());
    }
}
