//! Programs in other languages: their packages installed once, into a place of the test program's own.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use super::server::until;

const INSTALLED_WITHIN: Duration = Duration::from_secs(120);

/// A place of this test program's own, under `target`.
pub fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Said past the test runner, which would keep it to itself as long as all is well.
pub fn skip(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}: {why}");
}

/// Runs `install` unless it has succeeded here before for the same `wanted`: later runs need no network.
pub fn once_for(
    place: &Path,
    wanted: &Path,
    install: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let stamp = place.join("installed");
    let wanted = fs::read(wanted).map_err(|e| e.to_string())?;
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    install()?;
    fs::write(&stamp, wanted).map_err(|e| e.to_string())
}

/// Runs a command to its end; its trouble as text.
pub fn succeed(command: &mut Command) -> Result<Output, String> {
    succeed_within(command, INSTALLED_WITHIN)
}

/// The same, with more time or less.
pub fn succeed_within(command: &mut Command, within: Duration) -> Result<Output, String> {
    let name = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{name}: {e}"))?;
    if until(within, || child.try_wait().ok().flatten()).is_none() {
        let _ = child.kill();
    }
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(output);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {} {stderr}", output.status))
}

/// A Python of its own with what a list of requirements asks for.
pub fn python_with(name: &str, wanted: &Path) -> Result<PathBuf, String> {
    let place = scratch(name);
    let python = place.join("bin/python");
    fs::create_dir_all(&place).map_err(|e| e.to_string())?;
    once_for(&place, wanted, || {
        let mut make = Command::new("python3");
        succeed(make.args(["-m", "venv"]).arg(&place))?;
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "-r"]);
        succeed(install.arg(wanted)).map(drop)
    })?;
    Ok(python)
}
