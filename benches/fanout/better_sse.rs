//! Node with better-sse: fetched by npm into a folder of the build, once, and started on the script beside this file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const PACKAGE: &str = "better-sse@0.16.1";
const SCRIPT: &str = include_str!("better_sse.mjs");

/// Fetches it where it is not there yet; the folder, or why it cannot be had.
pub fn install(folder: &Path) -> Result<PathBuf, String> {
    for program in ["node", "npm"] {
        let found = quiet(program).arg("--version").status();
        if !found.is_ok_and(|status| status.success()) {
            return Err(format!("{program} is not installed"));
        }
    }
    let folder = folder.join("better-sse");
    let told = |error: std::io::Error| error.to_string();
    fs::create_dir_all(&folder).map_err(told)?;
    if !folder.join("node_modules/better-sse").exists() {
        // a package of its own, or npm would look for one in the folders above
        fs::write(folder.join("package.json"), "{\"private\":true}").map_err(told)?;
        let fetched = quiet("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
            .arg(PACKAGE)
            .current_dir(&folder)
            .status();
        if !fetched.is_ok_and(|status| status.success()) {
            return Err(format!("npm cannot fetch {PACKAGE}"));
        }
    }
    fs::write(folder.join("server.mjs"), SCRIPT).map_err(told)?;
    Ok(folder)
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// What starts it.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new("node");
    command
        .arg(folder.join("server.mjs"))
        .env("NODE_ENV", "production")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}
