//! The rules themselves. Each gives its faults with file, line and reason.

use std::{collections::BTreeSet, fmt};

use super::{
    imports::Written,
    tree::{File, Tree},
};

/// Ground first. A room imports only rooms on lower floors.
const FLOORS: &[&[&str]] = &[
    &["model"],
    &["score", "gate"],
    &["store", "hub"],
    &["ingest", "webhook"],
    &["http"],
    &["config", "telemetry"],
    &["app"],
    &["cli"],
];
const MAX_LINES: usize = 500;
const BANNED_NAMES: &[&str] = &[
    "utils", "util", "helpers", "common", "misc", "types", "shared",
];
/// The one file that reads the clock.
const CLOCK: &str = "src/model/time.rs";
/// Pure rules: no I/O, no async, time is an argument.
const PURE: &[&str] = &["model", "score", "gate"];
/// Rooms that know no HTTP. `hub` and `webhook` have sockets to write to, `telemetry` a listener.
const NO_HTTP: &[&str] = &["model", "score", "gate", "store", "ingest", "config"];

/// A word that only some rooms may say outside their tests, and why.
struct Reserved {
    words: &'static [&'static str],
    barred: fn(room: &str) -> bool,
    why: &'static str,
}

const RESERVED: &[Reserved] = &[
    Reserved {
        words: &[
            "axum",
            "hyper",
            "hyper_util",
            "http_body_util",
            "tower",
            "tower_http",
            "StatusCode",
            "HeaderMap",
        ],
        barred: |room| NO_HTTP.contains(&room),
        why: "this room knows no HTTP",
    },
    Reserved {
        words: &["async", "await", "tokio"],
        barred: |room| PURE.contains(&room),
        why: "pure rules are not async",
    },
    Reserved {
        words: &["sqlx"],
        barred: |room| room != "store",
        why: "every query lives in `store`",
    },
    Reserved {
        words: &["anyhow"],
        barred: |room| room != "cli" && room != "main",
        why: "inner rooms have typed errors; anyhow is for `cli` and main",
    },
];

/// What is wrong, where.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    pub path: String,
    pub line: usize,
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.reason)
    }
}

#[derive(Default)]
struct Faults(BTreeSet<Fault>);

impl Faults {
    fn add(&mut self, path: &str, line: usize, reason: impl Into<String>) {
        self.0.insert(Fault {
            path: path.to_owned(),
            line,
            reason: reason.into(),
        });
    }
}

/// Holds all files (path, text) and the text of ARCHITECTURE.md to the rules.
pub fn check(sources: &[(String, String)], map: &str) -> Vec<Fault> {
    let mut faults = Faults::default();
    for (path, text) in sources {
        shape(path, text, &mut faults);
    }
    on_the_map(sources, map, &mut faults);
    let tree = Tree::new(sources);
    let mut edges = Vec::new();
    for (n, file) in tree.files.iter().enumerate() {
        place(&tree, file, &mut faults);
        words(file, &mut faults);
        for written in &file.written {
            if let Some(to) = reach(&tree, file, written, &mut faults)
                && to != n
                && !(file.test || written.test)
            {
                edges.push((n, to, written.line));
            }
        }
    }
    no_cycles(&tree, &edges, &mut faults);
    faults.0.into_iter().collect()
}

fn shape(path: &str, text: &str, faults: &mut Faults) {
    let first = text.lines().next().unwrap_or("");
    if first
        .strip_prefix("//! ")
        .is_none_or(|words| words.trim().is_empty())
    {
        faults.add(
            path,
            1,
            "the first line must say what the file is for (`//! …`)",
        );
    }
    if text.lines().count() > MAX_LINES {
        faults.add(
            path,
            MAX_LINES + 1,
            format!("longer than {MAX_LINES} lines"),
        );
    }
    for name in path.trim_end_matches(".rs").split('/') {
        if BANNED_NAMES.contains(&name) {
            faults.add(path, 1, format!("`{name}` is a name that says nothing"));
        }
    }
}

/// The map has a section `### `room`` for each room, and in it a row "| `file.rs` | … |" for each file but `mod.rs`.
fn on_the_map(sources: &[(String, String)], map: &str, faults: &mut Faults) {
    let ticked = |text: &str| {
        text.trim()
            .strip_prefix('`')?
            .split('`')
            .next()
            .map(str::to_owned)
    };
    let mut named = BTreeSet::new();
    let mut section: Option<String> = None;
    for (number, line) in map.lines().enumerate() {
        if line.starts_with('#') {
            section = line.strip_prefix("### ").and_then(ticked);
            named.extend(section.iter().map(|room| format!("src/{room}/mod.rs")));
        }
        let Some(name) = line.strip_prefix('|').and_then(ticked) else {
            continue;
        };
        let Some(room) = section.as_ref().filter(|_| name.ends_with(".rs")) else {
            continue;
        };
        let path = if room == "src" {
            format!("src/{name}")
        } else {
            format!("src/{room}/{name}")
        };
        if !sources.iter().any(|(there, _)| *there == path) {
            let reason = format!("the map names `{path}`, which is not there");
            faults.add("ARCHITECTURE.md", number + 1, reason);
        }
        named.insert(path);
    }
    for (path, _) in sources.iter().filter(|(path, _)| path.starts_with("src/")) {
        if named.contains(path) {
            continue;
        }
        let inner = path.trim_start_matches("src/");
        let (room, name) = inner.split_once('/').unwrap_or(("src", inner));
        let missing = if name == "mod.rs" {
            format!("add the section \"### `{room}`\"")
        } else {
            format!("add \"| `{name}` | what it is for |\" to the section \"### `{room}`\"")
        };
        faults.add(
            path,
            1,
            format!("not on the map: {missing} of ARCHITECTURE.md"),
        );
    }
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn room(file: &File) -> &str {
    match file.module.first() {
        Some(room) => room,
        None if file.path == "src/main.rs" => "main",
        None => "lib",
    }
}

/// A file stands in a room that has a floor, and its `mod.rs` declares it.
fn place(tree: &Tree, file: &File, faults: &mut Faults) {
    if file.module.is_empty() {
        return;
    }
    if floor(room(file)).is_none() {
        let reason = format!("room `{}` has no floor", room(file));
        faults.add(&file.path, 1, reason);
    }
    if tree.declaration(&file.module).is_none() {
        faults.add(
            &file.path,
            1,
            "no `mod` declares this file: it is not compiled",
        );
    }
}

fn words(file: &File, faults: &mut Faults) {
    let room = room(file);
    for (n, token) in file.tokens.iter().enumerate() {
        let near = |by: usize| file.tokens.get(n + by).map_or("", |t| &*t.text);
        let mut fault = |reason: String| faults.add(&file.path, token.line, reason);
        match &*token.text {
            "include" if near(1) == "!" => fault("`include!` hides code from the map".into()),
            "extern" if near(1) == "crate" => {
                fault("`extern crate` gives a crate a second name".into());
            }
            "path" if n > 1 && near(1) == "=" && file.tokens[n - 1].text == "[" => {
                fault("`#[path]` hides a file from the map".into());
            }
            "now" if n > 1 && file.tokens[n - 1].text == "::" && file.path != CLOCK => {
                // a monotonic clock measures how long something takes; it says nothing of when
                let whose = &*file.tokens[n - 2].text;
                let may = match whose {
                    "Instant" => token.test || file.test || !PURE.contains(&room),
                    "Clock" => true,
                    _ => false,
                };
                if !may {
                    fault(format!(
                        "`{whose}::now` reads the clock: take a `Clock` or a `Time`"
                    ));
                }
            }
            _ => {}
        }
        if token.test || file.test {
            continue;
        }
        for reserved in RESERVED {
            if reserved.words.contains(&&*token.text) && (reserved.barred)(room) {
                fault(format!("`{}` in `{room}`: {}", token.text, reserved.why));
            }
        }
    }
}

/// Judges one path; gives the file of this house that it leads to.
fn reach(tree: &Tree, file: &File, written: &Written, faults: &mut Faults) -> Option<usize> {
    let test = file.test || written.test;
    let own = room(file);
    let mut fault = |reason: String| faults.add(&file.path, written.line, reason);
    let Some(path) = tree.absolute(file, written) else {
        if !test && PURE.contains(&own) {
            let outside = ["fs", "net", "env", "process", "thread"];
            let [first, second, ..] = written.segments.as_slice() else {
                return None;
            };
            if first == "std" && outside.contains(&&**second) {
                fault(format!("`std::{second}` in `{own}`: pure rules do no I/O"));
            }
        }
        return None;
    };
    let Some(target) = path.first() else {
        if own != "lib" && written.alias.is_some() {
            fault("imports the whole crate: name the room".into());
        }
        return None;
    };
    match (floor(own), floor(target)) {
        (None, Some(_)) if own == "main" && target != "cli" => {
            fault(format!("main only calls `cli`, not `{target}`"));
        }
        (Some(_), None) => {
            fault(format!(
                "`{target}` lies in the crate's root, which holds rooms and nothing else"
            ));
        }
        (Some(mine), Some(theirs)) if own != target && theirs > mine => {
            fault(format!(
                "`{own}` may not import `{target}`: it stands on a higher floor"
            ));
        }
        (Some(mine), Some(theirs)) if own != target && theirs == mine => {
            fault(format!(
                "`{own}` may not import `{target}`: neighbours never meet"
            ));
        }
        _ => {}
    }
    let (to, known) = tree.file_of(&path).filter(|(_, known)| *known > 0)?;
    if own == target && !test {
        if let Some(reason) = out_of_order(tree, file, &tree.files[to]) {
            fault(reason);
        }
        let whole = known == path.len() && written.alias.as_deref() == Some("*");
        if whole && !tree.files[to].declared.is_empty() {
            fault("a glob of a `mod.rs` hides which file is meant: name it".into());
        }
    }
    Some(to)
}

/// Inside a room a file imports only files declared above it. What a `mod.rs` holds itself may be used by its files as
/// long as it uses none of them (the cycles tell), and a `mod.rs` may use all of its files.
fn out_of_order(tree: &Tree, from: &File, to: &File) -> Option<String> {
    let shared = from
        .module
        .iter()
        .zip(&to.module)
        .take_while(|(a, b)| a == b)
        .count();
    if shared == from.module.len() || shared == to.module.len() {
        return None;
    }
    let (parent, mine) = tree.declaration(&from.module[..=shared])?;
    let (_, theirs) = tree.declaration(&to.module[..=shared])?;
    (theirs.line > mine.line).then(|| {
        format!(
            "`{}` is declared below `{}` in {}:{}",
            theirs.name, mine.name, tree.files[parent].path, theirs.line
        )
    })
}

fn no_cycles(tree: &Tree, edges: &[(usize, usize, usize)], faults: &mut Faults) {
    let leads_to = |start: usize, goal: usize| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![start]);
        while let Some(at) = left.pop() {
            if at == goal {
                return true;
            }
            if seen.insert(at) {
                left.extend(edges.iter().filter(|e| e.0 == at).map(|e| e.1));
            }
        }
        false
    };
    for &(from, to, line) in edges {
        if leads_to(to, from) {
            let (from, to) = (&tree.files[from].path, &tree.files[to].path);
            faults.add(
                from,
                line,
                format!("a circle: {to} leads back to this file"),
            );
        }
    }
}
