//! Every input kept for the fuzzer, run as a plain test: what broke once never breaks again.

#[path = "../fuzz/checks.rs"]
mod checks;

use std::{fs, path::Path};

/// Runs a corpus. A file named `good-…` must be accepted, one named `bad-…` refused; others, found by the fuzzer, may be either.
fn check(target: &str, run: fn(&[u8]) -> bool) {
    let folder = Path::new("fuzz/corpus").join(target);
    let mut seen = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is in the repository") {
        let path = entry.expect("a readable folder").path();
        let data = fs::read(&path).expect("a readable file");
        let accepted = run(&data);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let wrong = match accepted {
            true => name.starts_with("bad-"),
            false => name.starts_with("good-"),
        };
        assert!(!wrong, "{}: accepted: {accepted}", path.display());
        // a poor man's fuzzer, the same on every run: the checks hold for its neighbours as well
        for near in neighbours(&data) {
            run(&near);
        }
        seen += 1;
    }
    assert!(seen >= 25, "{target}: only {seen} inputs");
}

/// Each cut of an input, and each of its bytes replaced by some that mean something to a parser.
fn neighbours(data: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let ends = data.len().min(400);
    let cuts = (0..ends).map(|end| data[..end].to_vec());
    let swaps = (0..ends).flat_map(move |at| {
        b"\"\\{[}],:%&=+-.09eEn \0\x80\xff"
            .iter()
            .map(move |&byte| {
                let mut other = data.to_vec();
                other[at] = byte;
                other
            })
    });
    cuts.chain(swaps)
}

#[test]
fn swap_lines() {
    check("swap_line", checks::swap_line);
}

#[test]
fn stream_queries() {
    check("stream_query", checks::stream_query);
}

#[test]
fn keys() {
    check("key", checks::key);
}

#[test]
fn filings() {
    check("filing", checks::filing);
}
