//! The commands of the documentation, run as they stand there.

#[path = "cluster/mod.rs"]
mod cluster;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// The blocks of a page that a shell can run.
fn shell_blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("```sh\n") {
        let (block, further) = after.split_once("```").expect("a block that ends");
        blocks.push(block.to_owned());
        rest = further;
    }
    blocks
}

/// Runs a block as it stands, on a data directory of its own.
fn run(block: &str, data: &Path) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_sigcast"));
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("bash")
        .args(["-euo", "pipefail", "-c", block])
        .env(
            "PATH",
            format!("{}:{path}", binary.parent().expect("a folder").display()),
        )
        .env("SIGCAST_SERVER__DATA_DIR", data)
        .output()
        .expect("a shell")
}

#[test]
fn the_facts_of_the_ingest_page_go_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/ingest.md")).unwrap();
    let blocks = shell_blocks(&page);
    let block = blocks
        .iter()
        .find(|block| block.contains("<<'FACTS'"))
        .expect("a block with facts");
    let data = tempfile::tempdir().unwrap();
    let output = run(block, data.path());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let facts = block.lines().filter(|line| line.starts_with('{')).count();
    assert!(facts >= 5, "one of each type");
    assert!(
        said.starts_with(&format!("{facts} accepted, 0 known already, 0 rejected")),
        "{said}"
    );
}

#[test]
fn the_postgres_page_publishes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/postgres.md")).unwrap();
    let blocks = shell_blocks(&page);
    let block = blocks
        .iter()
        .find(|block| block.contains("publish_signals"))
        .expect("a block that publishes");
    let database = cluster::Database::bare();
    let data = tempfile::tempdir().unwrap();
    let url = format!("export SIGCAST_DATABASE_URL='{}'", database.url);
    let programs = cluster::programs();
    let path = format!("PATH=\"{}:$PATH\"", programs.display());
    let script = [
        url.as_str(),
        &path,
        "sigcast migrate >/dev/null",
        block,
        block,
    ]
    .join("\n");
    let output = run(&script, data.path());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let row = |duplicate| format!(" 3f8b9a5e-6a0e-4a52-9b3e-6f3b1c2d4e5f |   1 | {duplicate}\n");
    assert!(
        said.contains(&row("f")) && said.contains(&row("t")),
        "{said}"
    );
    assert!(page.contains(&row("f")), "the page shows it");
}

#[test]
fn the_declarations_of_the_filings_page_go_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/filings.md")).unwrap();
    let blocks = shell_blocks(&page);
    let block = blocks
        .iter()
        .find(|block| block.contains("<<'FILINGS'"))
        .expect("a block with declarations");
    let data = tempfile::tempdir().unwrap();
    let output = run(block, data.path());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let lines = block.lines().filter(|line| line.starts_with('{')).count();
    assert!(lines >= 4, "one of each kind");
    assert!(
        said.starts_with(&format!("{lines} accepted, 0 known already, 0 rejected")),
        "{said}"
    );
}

#[test]
fn the_moving_page_moves_a_store_there_and_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/moving.md")).unwrap();
    let blocks = shell_blocks(&page);
    assert_eq!(blocks.len(), 2, "there, and back");
    let (database, folder) = (cluster::Database::bare(), tempfile::tempdir().unwrap());
    let script = [
        &*format!(
            "cd '{}'; export POSTGRES_URL='{}'",
            folder.path().display(),
            database.url
        ),
        "sigcast accounts create --name somebody --plan alpha >/dev/null",
        r#"echo '{"signal_type":"x"}' | sigcast publish - >/dev/null"#,
        &*blocks[0],
        &*blocks[1],
        "sigcast accounts list --data-dir moved",
    ]
    .join("\n");
    let output = run(&script, &folder.path().join("data"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let lines = |what: &str| said.lines().filter(|line| line.starts_with(what)).count();
    assert_eq!(
        (
            lines("exported: "),
            lines("whole: "),
            lines("imported into ")
        ),
        (2, 1, 2),
        "{said}"
    );
    assert!(
        said.contains(": 1, digest") && said.contains("somebody"),
        "{said}"
    );
}

#[test]
fn the_commands_that_the_readme_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let help = Command::new(env!("CARGO_BIN_EXE_sigcast"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let blocks = shell_blocks(&readme);
    let commands: Vec<&str> = blocks
        .iter()
        .flat_map(|block| block.lines())
        .filter_map(|line| {
            line.trim()
                .strip_prefix("sigcast ")?
                .split_whitespace()
                .next()
        })
        .collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        assert!(
            help.contains(&format!("  {command} ")),
            "`sigcast {command}` is in README.md, not in --help:\n{help}"
        );
    }
}
