//! The real files of insider filings through the commands, where they are at hand: everything in once, judged, and nothing by a second run.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a skipped test says so; all of it is tests, what helps them as well"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use sigcast::{
    config::load,
    store::{
        db::Db, declaration_filter::Filter, declaration_list::Slice, served::Served, stale::Backlog,
    },
};

/// `SIGCAST_SHARED_DATA`, else `../shared/data` beside the project.
fn folder() -> Option<PathBuf> {
    let data = std::env::var_os("SIGCAST_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    if data.join("us_form4").is_dir() {
        return Some(data);
    }
    println!("skipped: no folder {}", data.join("us_form4").display());
    None
}

/// The exit status of a command, and what it said.
fn run(data: &Path, args: &[&str], paths: &[PathBuf]) -> (i32, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sigcast"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SIGCAST_") {
            command.env_remove(&name);
        }
    }
    command.args(args).args(paths).arg("--json");
    let output = command.arg("--data-dir").arg(data).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let said = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {args:?} {output:?}"));
    (output.status.code().unwrap(), said)
}

/// One declaration as it is served.
struct One {
    id: String,
    served: Served,
    signal: Value,
}

struct Seen {
    filings: i64,
    waiting: Backlog,
    log: i64,
    assessments: i64,
    all: Vec<One>,
}

fn look(data: &Path) -> Seen {
    use sigcast::model::log::LogRead as _;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = load::load(None, std::iter::empty(), &[]).unwrap().store;
        let db = Db::open_sqlite(data, &store).await.unwrap();
        let filter = Filter {
            ascending: true,
            ..Filter::default()
        };
        let listed = db
            .list_declarations(&filter, &Slice::of(100_000, 0), false)
            .await;
        let mut all = Vec::new();
        for one in listed.unwrap() {
            let served = db.served(one.number, "s9.1", None).await.unwrap();
            let served = served.unwrap_or_else(|| panic!("{} was never judged", one.amf_id));
            let signal = serde_json::from_str(&served.signal).unwrap();
            all.push(One {
                id: one.amf_id,
                served,
                signal,
            });
        }
        let seen = Seen {
            filings: db.count_filings().await.unwrap(),
            waiting: db.count_stale().await.unwrap(),
            log: db.head().await.unwrap().seq,
            assessments: db.count_assessments("s9.1").await.unwrap(),
            all,
        };
        db.close().await;
        seen
    })
}

fn prefix(id: &str) -> &str {
    id.split(':').next().unwrap()
}

/// Transactions by code, in the table of non-derivatives of the SEC's filings, as they are served.
fn codes(seen: &Seen) -> BTreeMap<String, usize> {
    let mut codes = BTreeMap::new();
    for one in seen.all.iter().filter(|one| prefix(&one.id) == "SEC") {
        let rest: Value = serde_json::from_str(&format!("{{{}}}", one.served.rest)).unwrap();
        for row in rest["transactions"].as_array().unwrap() {
            if let (Some(code), Some(false)) = (row["code"].as_str(), row["derivative"].as_bool()) {
                *codes.entry(code.to_owned()).or_insert(0) += 1;
            }
        }
    }
    codes
}

/// By market's prefix: declarations, those with a score, those of 40 and more, those in a cluster.
fn scores(seen: &Seen) -> BTreeMap<&str, [usize; 4]> {
    let mut counts: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for one in &seen.all {
        let count = counts.entry(prefix(&one.id)).or_default();
        let score = one.signal["score"].as_f64();
        let is = [
            true,
            score.is_some(),
            score.is_some_and(|score| score >= 40.0),
            one.signal["isCluster"] == true,
        ];
        for (count, is) in count.iter_mut().zip(is) {
            *count += usize::from(is);
        }
    }
    counts
}

fn reasons(seen: &Seen) -> BTreeMap<&str, usize> {
    let mut reasons = BTreeMap::new();
    for reason in seen
        .all
        .iter()
        .filter_map(|one| one.signal["reason"].as_str())
    {
        *reasons.entry(reason).or_insert(0) += 1;
    }
    reasons
}

/// All commands, once; each one's exit status and counts.
fn everything(shared: &Path, data: &Path) -> Vec<(i32, Value)> {
    let files = |folder: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(shared.join(folder)).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    };
    let file = |name: &str| vec![shared.join(name)];
    let of_us = |command: &'static str| ["ingest", command, "--market", "us"];
    vec![
        run(data, &["ingest", "filings"], &file("us_form4")),
        run(
            data,
            &["ingest", "uk-pdmr"],
            &file("eu/uk_pdmr_transactions.json"),
        ),
        run(
            data,
            &["ingest", "se-fi"],
            &file("eu/se_insynsregistret_2018.csv"),
        ),
        run(
            data,
            &["ingest", "be-fsma"],
            &file("eu/be_fsma_2018_2022.csv"),
        ),
        run(
            data,
            &of_us("companies"),
            &file("companies/us_companies.csv"),
        ),
        run(
            data,
            &[
                "ingest",
                "companies",
                "--market",
                "us",
                "--date",
                "2025-09-26",
            ],
            &file("panel_2025q1/market_cap.csv"),
        ),
        run(
            data,
            &["ingest", "companies", "--market", "uk"],
            &file("companies/uk_companies.csv"),
        ),
        run(data, &of_us("prices"), &files("prices/daily_close")),
        run(data, &of_us("prices"), &file("panel_2025q1/close_wide.csv")),
        run(data, &["ingest", "sec-tsv"], &file("sec_form345_2024q3")),
    ]
}

/// Exit status, accepted, duplicate, rejected.
fn counts(done: &[(i32, Value)]) -> Value {
    let count = |(status, said): &(i32, Value)| {
        json!([
            status,
            said["accepted"],
            said["duplicate"],
            said["rejected_total"]
        ])
    };
    done.iter().map(count).collect()
}

#[test]
fn all_real_files_by_command() {
    let Some(shared) = folder() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let done = everything(&shared, data.path());
    // us_form4 holds 1,991 submissions, 8 copies of some, 10 other forms (one of them a copy as well) and two broken files
    let expected = json!([
        [2, 2_000, 9, 2],
        [2, 4_244, 0, 38],
        [0, 237, 0, 0],
        [0, 609, 0, 0],
        [0, 71, null, 0],
        [0, 284, null, 0],
        [0, 423, null, 0],
        [0, 17_825, null, 0],
        [0, 54_645, null, 0],
        [0, null, null, 0],
    ]);
    assert_eq!(counts(&done), expected);
    broken(&done[0].1);
    let check_list = &done[9].1;
    assert_eq!(
        (&check_list["listed"], &check_list["missing"]),
        (&json!(10_803), &json!(10_803)),
        "of another year"
    );

    let seen = look(data.path());
    assert_eq!(
        (seen.filings, seen.waiting, seen.log),
        (7_090, Backlog::default(), 0),
        "all is judged, and history is no news"
    );
    as_filed(&seen);
    as_scored(&seen);

    let again = everything(&shared, data.path());
    assert_eq!(
        (&again[0].1["accepted"], &again[0].1["duplicate"]),
        (&json!(0), &json!(2_009))
    );
    let (status, rescored) = run(data.path(), &["rescore", "--version", "s9.1"], &[]);
    assert_eq!(
        (
            status,
            &rescored["assessments"],
            &rescored["filings_changed"]
        ),
        (0, &json!(0), &json!(0)),
        "{rescored}"
    );
    let after = look(data.path());
    assert_eq!(after.assessments, seen.assessments);
    for (before, after) in seen.all.iter().zip(&after.all) {
        assert_eq!(before.served, after.served, "{}", before.id);
    }
    assert_eq!(after.all.len(), seen.all.len());
}

fn broken(said: &Value) {
    let rejected = said["rejected"].as_array().unwrap();
    let told: Vec<(&str, &str)> = (rejected.iter())
        .map(|one| {
            let file = one["file"].as_str().unwrap();
            let name = file.rsplit('/').next().unwrap();
            (name, one["reason"].as_str().unwrap())
        })
        .collect();
    let page = "a web page (`SEC.gov | Request Rate Threshold Exceeded`), no filing";
    let expected = [
        ("0001225208-23-003332.txt", "the file is empty"),
        ("0001811633-23-000004.txt", page),
    ];
    assert_eq!(told, expected);
}

/// The 1,991 submissions have what `real_filings.rs` counts (P 707, S 329, A 669, M 271, G 35); the other forms a few more.
fn as_filed(seen: &Seen) {
    let expected = [
        ("A", 670),
        ("C", 34),
        ("D", 19),
        ("F", 521),
        ("G", 36),
        ("I", 16),
        ("J", 36),
        ("L", 8),
        ("M", 272),
        ("P", 712),
        ("S", 336),
    ];
    let expected = expected.map(|(code, count)| (code.to_owned(), count));
    assert_eq!(codes(seen), BTreeMap::from(expected));
}

/// As they were seen, by the rules of s9.1: a change of these is a change of scores.
fn as_scored(seen: &Seen) {
    let expected = [
        ("FI", [237, 162, 0, 24]),
        ("FSMA", [609, 318, 6, 68]),
        ("RNS", [4_321, 2_177, 288, 1_303]),
        ("SEC", [2_430, 663, 203, 385]),
    ];
    assert_eq!(scores(seen), BTreeMap::from(expected));
    let expected = [
        ("cancelled", 6),
        ("derivative", 30),
        ("duplicate_block", 3),
        ("exercise_and_sell", 26),
        ("incomplete", 12),
        ("ineligible_code", 4_158),
        ("no_transaction", 3),
        ("superseded", 9),
        ("suspect", 30),
    ];
    assert_eq!(reasons(seen), BTreeMap::from(expected));
}

/// The cells of the table of `docs/scoring.md` that begins with this heading.
fn table<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let (_, rest) = page.split_once(heading).expect(heading);
    let rows = rest
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// What stands between backticks, as JSON.
fn value(cell: &str) -> Value {
    let text = cell.trim_matches('`');
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {cell}"))
}

/// The numbers of a value, whole or not, alike.
fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

fn same(said: &Value, page: &Value) -> bool {
    said == page || (number(said).is_some() && number(said) == number(page))
}

#[test]
fn the_audit_worked_by_hand_is_the_programs() {
    let Some(shared) = folder() else { return };
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scoring.md"));
    let page = page.unwrap();
    let (_, page) = page
        .split_once("## One real filing, worked by hand")
        .unwrap();
    let id = page.split('`').nth(1).unwrap();
    let data = tempfile::tempdir().unwrap();
    let closes = fs::read_dir(shared.join("prices/daily_close")).unwrap();
    let mut closes: Vec<PathBuf> = closes.map(|entry| entry.unwrap().path()).collect();
    // an index of 190 days of 2025 beside it takes no return away
    closes.push(shared.join("panel_2025q1/close_wide.csv"));
    let prices = ["ingest", "prices", "--market", "us"];
    assert_eq!(run(data.path(), &prices, &closes).0, 0);
    let submissions = [shared.join("us_form4/submissions")];
    assert_eq!(run(data.path(), &["ingest", "filings"], &submissions).0, 0);

    let seen = look(data.path());
    let one = seen.all.iter().find(|one| one.id == id).expect(id);
    let audit: Value = serde_json::from_str(one.served.audit.as_ref().unwrap()).unwrap();
    let inputs = table(page, "| input | value | where it is from |");
    assert!(inputs.len() >= 16, "{inputs:?}");
    for row in inputs {
        let (name, told) = (row[0].trim_matches('`'), value(row[1]));
        let said = &audit["inputs"][name];
        assert!(
            same(said, &told),
            "{name}: {said} is said, {told} stands there"
        );
    }
    let factors = table(page, "| factor | by hand | value | points | source |");
    assert_eq!(factors.len(), 9);
    let mut sum = 0;
    for (row, said) in factors.iter().zip(audit["factors"].as_array().unwrap()) {
        assert_eq!(said["key"], row[0].trim_matches('`'));
        assert!(same(&said["value"], &value(row[2])), "{said} {row:?}");
        let (points, cap) = row[3].split_once(" of ").unwrap();
        let (points, cap): (f64, f64) = (points.parse().unwrap(), cap.parse().unwrap());
        assert_eq!(number(&said["points"]), Some(points), "{said}");
        assert_eq!(number(&said["cap"]), Some(cap), "{said}");
        assert!(!row[4].is_empty(), "its source");
        sum += (points * 10.0).round() as i64;
    }
    let bold: Vec<f64> = (page.split("**").skip(1).step_by(2))
        .filter_map(|text| text.parse().ok())
        .take(2)
        .collect();
    assert_eq!(
        bold,
        [
            audit["score"].as_f64().unwrap(),
            audit["coverage"].as_f64().unwrap()
        ]
    );
    assert_eq!(sum as f64 / 10.0, bold[0]);
    assert_eq!(
        (&audit["band"], &audit["modifiers"]),
        (&Value::Null, &json!([]))
    );
}
