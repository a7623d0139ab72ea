//! The client libraries as their users have them: packed, installed, and at work in a program that says on its output whatever it sees.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    installs::{once_for, scratch, succeed},
    pipes::collect,
    place::sigcast,
    server::until,
    wire::PATIENCE,
};

/// One of the libraries, or a way to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// `clients/node`
    Node,
    /// `clients/python`, over blocking sockets.
    Python,
    /// The same, over asyncio.
    PythonAsync,
}

impl Library {
    pub const ALL: [Self; 3] = [Library::Node, Library::Python, Library::PythonAsync];

    /// A program of these tests that uses it. An error: it cannot be had here.
    pub fn program(self) -> Result<Command, String> {
        let programs = root().join("tests/harness/programs");
        match self {
            Library::Node => {
                let place = node()?;
                let program = place.join("listener.mjs");
                fs::copy(programs.join("listener.mjs"), &program).map_err(|e| e.to_string())?;
                let mut command = Command::new("node");
                command.arg(program);
                Ok(command)
            }
            Library::Python | Library::PythonAsync => {
                let mut command = Command::new(python()?);
                command.arg(programs.join("listener.py"));
                command.env("PYTHONDONTWRITEBYTECODE", "1");
                if self == Library::PythonAsync {
                    command.arg("--async");
                }
                Ok(command)
            }
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where programs find the package of npm, built from `clients/node` and installed as `npm install` does it.
pub fn node() -> Result<&'static Path, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let sources = copy("node")?;
        let place = scratch("library-node-installed");
        fs::create_dir_all(&place).map_err(|e| e.to_string())?;
        once_for(&place, &sources.join("sources"), || {
            let npm = |args: &[&str], at: &Path| {
                let args = args.iter().chain(&["--no-audit", "--no-fund"]);
                succeed(Command::new("npm").args(args).current_dir(at))
            };
            npm(&["ci"], &sources)?;
            npm(&["pack", "--pack-destination", "."], &sources)?;
            let own = json!({"private": true, "type": "module"}).to_string();
            fs::write(place.join("package.json"), own).map_err(|e| e.to_string())?;
            let packed = found(&sources, ".tgz")?;
            npm(&["install", &packed.to_string_lossy()], &place).map(drop)
        })?;
        Ok(place)
    });
    ready.as_deref().map_err(Clone::clone)
}

/// A Python that has the wheel of `clients/python`.
pub fn python() -> Result<&'static Path, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let sources = copy("python")?;
        let place = scratch("library-python-installed");
        let python = place.join("bin/python");
        fs::create_dir_all(&place).map_err(|e| e.to_string())?;
        once_for(&place, &sources.join("sources"), || {
            let mut make = Command::new("python3");
            succeed(make.args(["-m", "venv", "--clear"]).arg(&place))?;
            let pip = |args: &[&str]| {
                let mut pip = Command::new(&python);
                pip.args(["-m", "pip", "--disable-pip-version-check"]);
                succeed(pip.args(args).current_dir(&sources))
            };
            pip(&["wheel", "--quiet", "--no-deps", "--wheel-dir", ".", "."])?;
            let wheel = found(&sources, ".whl")?;
            pip(&["install", "--quiet", &wheel.to_string_lossy()]).map(drop)
        })?;
        Ok(python)
    });
    ready.as_deref().map_err(Clone::clone)
}

/// A copy of a library, in which it may be built, and all of its text in one file, `sources`.
pub fn copy(of: &str) -> Result<PathBuf, String> {
    let place = scratch(&format!("library-{of}"));
    let from = root().join("clients").join(of);
    let mut all = Vec::new();
    let mut files = Vec::new();
    gather(&from, &mut files).map_err(|e| e.to_string())?;
    files.sort();
    for file in files {
        let named = file.strip_prefix(&from).map_err(|e| e.to_string())?;
        let to = place.join(named);
        let text = fs::read(&file).map_err(|e| e.to_string())?;
        let folder = to.parent().map_or(Ok(()), fs::create_dir_all);
        folder
            .and_then(|()| fs::write(&to, &text))
            .map_err(|e| e.to_string())?;
        all.extend_from_slice(named.as_os_str().as_encoded_bytes());
        all.extend(text);
    }
    fs::write(place.join("sources"), all).map_err(|e| e.to_string())?;
    Ok(place)
}

/// What a desk may have built there is no source.
const BUILT: [&str; 5] = [
    "dist",
    "node_modules",
    "build",
    "__pycache__",
    "sigcast.egg-info",
];

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if !BUILT.iter().any(|built| name == *built) && !name.to_string_lossy().starts_with('.')
            {
                gather(&entry.path(), files)?;
            }
        } else if !name.to_string_lossy().ends_with(".tgz") {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn found(folder: &Path, ending: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|e| e.to_string())?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    let found = paths.find(|path| path.to_string_lossy().ends_with(ending));
    found.ok_or_else(|| format!("no {ending} in {}", folder.display()))
}

/// A program at work, killed when dropped.
pub struct Listener {
    child: Child,
    said: Arc<Mutex<String>>,
    /// Where it keeps its position.
    folder: Arc<TempDir>,
    library: Library,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Listener {
    /// Starts one, with what its client is to be told beside `url` and `key`. An error: the library cannot be had here.
    pub fn start(library: Library, url: &str, key: &str, options: &Value) -> Result<Self, String> {
        let folder = Arc::new(TempDir::new().map_err(|e| e.to_string())?);
        Self::start_in(folder, library, url, key, options)
    }

    fn start_in(
        folder: Arc<TempDir>,
        library: Library,
        url: &str,
        key: &str,
        options: &Value,
    ) -> Result<Self, String> {
        let mut program = library.program()?;
        program.env("OPTIONS", options.to_string());
        program.env("STATE", folder.path().join("position"));
        Self::run(folder, library, url, key, program)
    }

    /// The same of another program that uses the library.
    pub fn of(library: Library, url: &str, key: &str, program: Command) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        Self::run(folder, library, url, key, program).unwrap()
    }

    fn run(
        folder: Arc<TempDir>,
        library: Library,
        url: &str,
        key: &str,
        mut program: Command,
    ) -> Result<Self, String> {
        // nothing of this process's own environment
        for (name, _) in sigcast().get_envs() {
            program.env_remove(name);
        }
        let mut child = program
            .env("SIGCAST_URL", url)
            .env("SIGCAST_KEY", key)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let said = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), said.clone());
        collect(child.stderr.take().unwrap(), said.clone());
        Ok(Listener {
            child,
            said,
            folder,
            library,
        })
    }

    /// Another process, on the same position; the one before is killed if it still runs.
    pub fn again(&mut self, url: &str, key: &str, options: &Value) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let folder = self.folder.clone();
        *self = Self::start_in(folder, self.library, url, key, options).unwrap();
    }

    /// All that it has said.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it says something; the line.
    pub fn says(&self, what: &str) -> String {
        self.says_within(what, 3 * PATIENCE)
    }

    /// The same, with more time or less.
    pub fn says_within(&self, what: &str, within: Duration) -> String {
        let found = until(within, || {
            let said = self.said();
            let whole = &said[..=said.rfind('\n')?];
            whole
                .lines()
                .find(|line| line.contains(what))
                .map(str::to_owned)
        });
        found.unwrap_or_else(|| panic!("{:?}: no `{what}` in\n{}", self.library, self.said()))
    }

    /// How often it has said something.
    pub fn count(&self, what: &str) -> usize {
        self.said().matches(what).count()
    }

    /// Tells it something, a word a line: `verify`, `close`.
    pub fn tell(&mut self, what: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{what}").unwrap();
    }

    /// The signals that it handled, in this order: by which way they came, and their seqs.
    pub fn handled(&self) -> Vec<(String, u64)> {
        let said = self.said();
        let whole = said.rfind('\n').map_or("", |end| &said[..end]);
        let signals = whole
            .lines()
            .filter_map(|line| line.strip_prefix("signal "));
        signals
            .map(|line| {
                let mut words = line.split(' ');
                let channel = words.next().unwrap().to_owned();
                (channel, words.next().unwrap().parse().unwrap())
            })
            .collect()
    }

    /// Waits until it has handled so many.
    pub fn has(&self, count: usize, within: Duration) {
        let there = until(within, || (self.handled().len() >= count).then_some(()));
        assert!(
            there.is_some(),
            "{:?}: never {count} in\n{}",
            self.library,
            self.said()
        );
    }

    /// Waits until it has handled so many; they must be the next so many behind a seq, each once, in order.
    pub fn expect_next(&self, behind: u64, count: u64) {
        self.has(count as usize, 3 * PATIENCE);
        let seqs: Vec<u64> = self.handled().iter().map(|(_, seq)| *seq).collect();
        let all: Vec<u64> = (behind + 1..=behind + count).collect();
        assert_eq!(
            seqs,
            all,
            "{:?}: each once, in order\n{}",
            self.library,
            self.said()
        );
    }

    /// The same, by whichever way and in any order.
    pub fn expect_each_once(&self, count: u64) {
        self.has(count as usize, 3 * PATIENCE);
        let mut seqs: Vec<u64> = self.handled().iter().map(|(_, seq)| *seq).collect();
        seqs.sort_unstable();
        let all: Vec<u64> = (1..=count).collect();
        assert_eq!(seqs, all, "{:?}: each once\n{}", self.library, self.said());
    }

    /// Has it hold what it has against the server's log: so many signals.
    pub fn expect_verified(&mut self, count: usize) {
        self.tell("verify");
        let said = self.says("verified ");
        assert_eq!(said, format!("verified true {count}"), "{:?}", self.library);
    }

    /// Waits for its end, which comes by itself; its last word.
    pub fn ended(&mut self) -> String {
        let ended = until(3 * PATIENCE, || self.child.try_wait().unwrap());
        assert!(
            ended.is_some(),
            "{:?} still runs:\n{}",
            self.library,
            self.said()
        );
        self.says("end ")
    }

    /// Where it receives webhooks.
    pub fn receives_at(&self) -> SocketAddr {
        let said = self.says("receives at ");
        said.rsplit(' ').next().unwrap().parse().unwrap()
    }
}
