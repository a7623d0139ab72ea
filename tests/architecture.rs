//! The shape of the house, checked: floors, order inside rooms, the map, and that these checks can fail.

mod house;

use std::{
    fs,
    path::{Path, PathBuf},
};

use house::rules::{Fault, check};

#[test]
fn the_house_stands() {
    let sources = ["src", "tests", "benches", "examples", "fuzz"]
        .iter()
        .flat_map(|root| rust_files(Path::new(root)))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.to_str().unwrap().to_owned(), text)
        })
        .collect::<Vec<_>>();
    assert!(sources.len() > 10, "run from the package's root");
    let map = fs::read_to_string("ARCHITECTURE.md").unwrap();
    let faults: Vec<String> = check(&sources, &map).iter().map(Fault::to_string).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if path.is_dir() && !matches!(&*name, "target" | "node_modules") && !name.starts_with('.') {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

const MAP: &str = "## The map
### `src`
| `lib.rs` | x |
| `main.rs` | x |
### `model`
| `time.rs` | x |
| `log.rs` | x |
### `gate`
| `filter.rs` | x |
| `query.rs` | x |
| `query/tests.rs` | x |
### `score`
| `book.rs` | x |
### `hub`
| `ring.rs` | x |
| `shard/live.rs` | x |
| `shard/park.rs` | x |
| `shard/mod.rs` | x |
### `http`
| `stream.rs` | x |
";

/// A small house in which everything is right, some of it on purpose hard to read.
fn sound() -> Vec<(String, String)> {
    let files = [
        (
            "src/lib.rs",
            "//! Root.\npub mod model;\npub mod gate;\npub mod score;\npub mod hub;\npub mod http;\n",
        ),
        ("src/main.rs", "//! Main.\nfn main() {}\n"),
        ("src/model/mod.rs", "//! M.\npub mod time;\npub mod log;\n"),
        (
            "src/model/time.rs",
            "//! T.\npub fn system() { jiff::Timestamp::now(); }\n",
        ),
        ("src/model/log.rs", "//! L.\nuse super::time::Time;\n"),
        (
            "src/gate/mod.rs",
            "//! G.\npub mod filter;\npub mod query;\n",
        ),
        (
            "src/gate/filter.rs",
            "//! F.\nuse crate::model::{log::{self, Row}, time::Time as T};\n\
             // crate::http::stream is only spoken of\n/* so is /* super::query::Q */ here */\n\
             const S: &str = \"axum \\\" crate::http::x\"; const R: &str = r#\"use crate::hub::ring;\"#;\n\
             fn f<'a>(c: char) -> bool { c == '\"' || c == '\\'' || self::g::<crate::model::log::Row>() }\n\
             #[cfg(test)]\nfn only<A, B>() -> Vec<(A, B)> { crate::gate::query::parse() }\n\
             #[cfg(test)]\nmod tests {\n    use super::*;\n    use crate::gate::query::Q;\n    use std::fs;\n}\n",
        ),
        (
            "src/gate/query.rs",
            "//! Q.\nuse super::filter::Filter;\n#[cfg(test)]\nmod tests;\n",
        ),
        (
            "src/gate/query/tests.rs",
            "//! T.\nuse super::*;\nuse crate::gate::{filter, *};\n",
        ),
        ("src/score/mod.rs", "//! S.\npub mod book;\n"),
        ("src/score/book.rs", "//! B.\nuse crate::model::time;\n"),
        (
            "src/hub/mod.rs",
            "//! H.\npub mod ring;\npub mod shard;\npub struct Config;\n",
        ),
        ("src/hub/ring.rs", "//! R.\nuse super::Config;\n"),
        (
            "src/hub/shard/mod.rs",
            "//! S.\nmod live;\nmod park;\npub use live::Live;\n",
        ),
        (
            "src/hub/shard/live.rs",
            "//! L.\nuse crate::hub::ring::Ring;\n",
        ),
        (
            "src/hub/shard/park.rs",
            "//! P.\nuse super::{super::ring, live::Live};\n",
        ),
        ("src/http/mod.rs", "//! H.\npub mod stream;\n"),
        (
            "src/http/stream.rs",
            "//! S.\nuse axum::http::StatusCode;\nuse crate::{gate::query, hub};\n",
        ),
    ];
    let owned = |(path, text): (&str, &str)| (path.to_owned(), text.to_owned());
    files.into_iter().map(owned).collect()
}

#[test]
fn a_sound_house_has_no_faults() {
    assert_eq!(check(&sound(), MAP), []);
}

/// Puts `text` in place of a file (or beside the others), and expects one fault there.
fn planted(path: &str, text: &str, line: usize, reason: &str) {
    let mut sources = sound();
    sources.retain(|(there, _)| there != path);
    sources.push((path.to_owned(), text.to_owned()));
    let faults = check(&sources, MAP);
    let expected =
        |fault: &Fault| fault.path == path && fault.line == line && fault.reason.contains(reason);
    assert!(
        faults.iter().any(expected),
        "{path}:{line}: \"{reason}\" was expected of\n{text}\nfound: {faults:#?}"
    );
}

#[test]
fn every_planted_fault_is_found() {
    let filter = |code: &str, line: usize, reason: &str| {
        planted(
            "src/gate/filter.rs",
            &format!("//! F.\n{code}\n"),
            line,
            reason,
        );
    };
    // floors
    filter("\nuse crate::hub::ring::Ring;", 3, "higher floor");
    filter("use crate::score::book;", 2, "neighbours never meet");
    filter(
        "use crate::{\n    model::time::Time,\n    http::{stream},\n};",
        4,
        "higher floor",
    );
    filter(
        "fn f() { let x = crate::http::stream::go(); }",
        2,
        "higher floor",
    );
    filter(
        "fn f(x: Vec<super::super::hub::ring::Ring>) {}",
        2,
        "higher floor",
    );
    filter("use crate::hub as h;", 2, "higher floor");
    filter(
        "#[serde(with = \"crate::http::stream\")]\nstruct S;",
        2,
        "higher floor",
    );
    filter(
        "macro_rules! m { () => { $crate::http::stream::go() } }",
        2,
        "higher floor",
    );
    filter(
        "#[cfg(test)]\nmod tests {\n    use crate::http::stream;\n}",
        4,
        "higher floor",
    );
    filter(
        "/* a /* nested */ comment */ use crate::hub::ring;",
        2,
        "higher floor",
    );
    filter(
        "const Q: char = '\"'; use crate::hub::ring; // \"",
        2,
        "higher floor",
    );
    filter(
        "const R: &str = r##\"\"# \"##; use crate::hub::ring;",
        2,
        "higher floor",
    );
    filter("use crate::*;", 2, "the whole crate");
    filter("use crate::{self as all};", 2, "the whole crate");
    planted(
        "src/main.rs",
        "//! M.\nuse sigcast::hub::ring;\n",
        2,
        "main only calls",
    );
    planted("src/attic/mod.rs", "//! A.\n", 1, "has no floor");
    // order inside a room
    filter(
        "use super::query::Q;",
        2,
        "`query` is declared below `filter` in src/gate/mod.rs:3",
    );
    filter("use super::{query::{Q, R}};", 2, "declared below");
    filter(
        "fn f() { crate::gate::query::parse(); }",
        2,
        "declared below",
    );
    filter(
        "use crate::gate;\nfn f() { gate::query::parse(); }",
        3,
        "declared below",
    );
    filter(
        "#[cfg(not(test))]\nuse super::query::Q;",
        3,
        "declared below",
    );
    filter(
        "#[cfg(test)]\nfn f<const N: usize, T>() {}\nuse super::query::Q;",
        4,
        "declared below",
    );
    filter(
        "struct S {\n#[cfg(test)]\na: u8,\nq: super::query::Q,\n}",
        5,
        "declared below",
    );
    filter(
        "use super as up;\nfn f() { up::query::parse(); }",
        3,
        "declared below",
    );
    filter("extern crate self as me;", 2, "second name");
    filter(
        "#[cfg(test)]\nuse std::fs;\nuse super::query::Q;",
        4,
        "declared below",
    );
    filter("use super::*;", 2, "hides which file is meant");
    planted(
        "src/hub/ring.rs",
        "//! R.\nuse super::shard::Live;\n",
        2,
        "declared below",
    );
    planted(
        "src/hub/shard/live.rs",
        "//! L.\nuse super::park::Park;\n",
        2,
        "declared below",
    );
    // circles, through what a `mod.rs` passes on
    planted(
        "src/hub/shard/live.rs",
        "//! L.\nuse super::Live;\n",
        2,
        "a circle",
    );
    // words that belong elsewhere
    filter("fn f() -> hyper::StatusCode {}", 2, "knows no HTTP");
    filter("async fn f() {}", 2, "not async");
    filter("use std::{fmt, net::TcpStream};", 2, "do no I/O");
    filter("fn f() { std::fs::read(p) }", 2, "do no I/O");
    planted(
        "src/hub/ring.rs",
        "//! R.\nuse sqlx::Row;\n",
        2,
        "every query",
    );
    planted(
        "src/http/stream.rs",
        "//! S.\nuse anyhow::Result;\n",
        2,
        "typed errors",
    );
    // the clock
    filter(
        "fn f() { std::time::Instant::now(); }",
        2,
        "reads the clock",
    );
    planted(
        "src/hub/ring.rs",
        "//! R.\n\nfn f() { SystemTime::now() }\n",
        3,
        "reads the clock",
    );
    planted(
        "src/hub/ring.rs",
        "//! R.\nconst F: G = jiff::Timestamp::now;\n",
        2,
        "reads the clock",
    );
    // hidden files and files that nothing compiles
    filter("include!(\"other.rs\");", 2, "hides code");
    planted(
        "src/gate/mod.rs",
        "//! G.\n#[path = \"x.rs\"]\nmod filter;\n",
        2,
        "hides a file",
    );
    planted("src/gate/quota.rs", "//! Q.\n", 1, "no `mod` declares");
    // shape
    filter(&"\n".repeat(500), 501, "longer than 500 lines");
    planted("src/gate/query.rs", "// Q.\n", 1, "first line");
    planted("tests/it/main.rs", "fn main() {}\n", 1, "first line");
    planted("tests/common/mod.rs", "//! C.\n", 1, "says nothing");
    planted("src/gate/utils.rs", "//! U.\n", 1, "says nothing");
    // the map
    planted(
        "src/gate/quota.rs",
        "//! Q.\n",
        1,
        "\"| `quota.rs` | what it is for |\"",
    );
    planted("src/webhook/mod.rs", "//! W.\n", 1, "\"### `webhook`\"");
}

#[test]
fn the_map_names_only_what_is_there() {
    let map = format!("{MAP}| `ghost.rs` | x |\n");
    let faults = check(&sound(), &map);
    let line = map.lines().count();
    assert_eq!(faults.len(), 1);
    assert_eq!(
        (&*faults[0].path, faults[0].line),
        ("ARCHITECTURE.md", line)
    );
}
