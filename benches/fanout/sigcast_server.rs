//! sigcast itself: a data directory with a key for each stream, made once by the program's own admin listener, of which
//! each start gets a copy.

use std::{
    fs,
    io::{self, BufReader},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;
use sigcast::cli::bench::clients::Target;

use crate::{
    peers::{Said, Setting},
    process::{Bounds, Process, cores},
    publisher::{Post, Way, ask},
};

const TOKEN: &str = "a-token-of-the-bench-alone-0123456789";
const PLAN: &str = "[plans.bench]\nstream = true\n";
/// Connections that make keys at once.
const MAKERS: usize = 4;
/// An account holds no more of them.
const KEYS_AN_ACCOUNT: usize = 10;

/// A data directory, and the keys in it.
pub struct Keys {
    data: PathBuf,
    keys: Vec<String>,
}

/// Where it listens.
pub struct Addresses {
    /// For clients.
    pub main: SocketAddr,
    /// For whoever publishes.
    pub admin: SocketAddr,
}

impl Keys {
    /// Makes so many in a folder.
    pub fn make(folder: &Path, count: usize) -> io::Result<Self> {
        let data = folder.join("made");
        fs::create_dir_all(&data)?;
        let bounds = Bounds {
            cores: cores()?,
            descriptors: None,
        };
        let (mut process, addresses) = serve(folder, &data, &bounds)?;
        let make = |part: usize| make(addresses.admin, (part..count).step_by(MAKERS).len());
        let mut keys = Vec::new();
        thread::scope(|scope| -> io::Result<()> {
            let makers: Vec<_> = (0..MAKERS)
                .map(|part| scope.spawn(move || make(part)))
                .collect();
            for maker in makers {
                keys.extend(maker.join().expect("a maker does not panic")?);
            }
            Ok(())
        })?;
        // ended in due form, so that the files are whole
        process.stop()?;
        Ok(Keys { data, keys })
    }

    /// Starts it on a copy.
    pub fn start(&self, setting: &Setting<'_>) -> io::Result<(Process, Addresses)> {
        let data = setting.folder.join("data");
        copy(&self.data, &data)?;
        serve(setting.folder, &data, &setting.bounds)
    }

    /// A stream for each of the first keys.
    pub fn targets(&self, address: SocketAddr, streams: usize) -> Vec<Target> {
        let target = |key: &String| Target {
            address,
            host: "bench".to_owned(),
            path: "/api/signals/stream".to_owned(),
            headers: vec![("authorization".to_owned(), format!("Bearer {key}"))],
            tls: None,
        };
        self.keys.iter().take(streams).map(target).collect()
    }

    /// By the admin listener, as a program publishes.
    pub fn way_in(&self, admin: SocketAddr) -> Way {
        let mut post = post(admin, "/v1/signals");
        post.fields = post
            .fields
            .replace("application/json", "application/x-ndjson");
        Way::Lines(post)
    }
}

/// Makes so many keys, with as many accounts as that takes.
fn make(admin: SocketAddr, count: usize) -> io::Result<Vec<String>> {
    let (accounts, keys) = (post(admin, "/v1/accounts"), post(admin, "/v1/keys"));
    let mut socket = BufReader::new(TcpStream::connect(admin)?);
    socket.get_ref().set_nodelay(true)?;
    let (mut made, mut body) = (Vec::with_capacity(count), String::new());
    for number in 0..count {
        if number % KEYS_AN_ACCOUNT == 0 {
            let account = ask(&mut socket, &accounts, r#"{"name":"bench","plan":"bench"}"#)?;
            let id = text(&account, "id")?;
            body = format!("{{\"account_id\":\"{id}\",\"kind\":\"stream\"}}");
        }
        made.push(text(&ask(&mut socket, &keys, &body)?, "key")?);
    }
    Ok(made)
}

fn post(address: SocketAddr, path: &'static str) -> Post {
    Post {
        address,
        path,
        fields: format!("authorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n"),
        is_sigcast: true,
    }
}

fn text(answer: &str, field: &str) -> io::Result<String> {
    let answer: Value = serde_json::from_str(answer)?;
    let text = answer[field].as_str();
    text.map(str::to_owned)
        .ok_or_else(|| io::Error::other(format!("no {field} in {answer}")))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => {
                fs::copy(entry.path(), to)?;
            }
        }
    }
    Ok(())
}

fn serve(folder: &Path, data: &Path, bounds: &Bounds) -> io::Result<(Process, Addresses)> {
    let config = folder.join("bench.toml");
    fs::write(&config, PLAN)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_sigcast"));
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(["--admin-listen", "127.0.0.1:0", "--data-dir"])
        .arg(data)
        .arg("--config")
        .arg(&config)
        .env("SIGCAST_ADMIN_TOKEN", TOKEN)
        // the comparison is about the database that comes with it
        .env_remove("SIGCAST_DATABASE_URL")
        .env("RUST_LOG", "warn")
        .stdout(Stdio::piped());
    let mut process = Process::start(command, bounds, libc::SIGTERM)?;
    let mut said = Said::by(&mut process)?;
    let addresses = Addresses {
        main: said.address("listening on http://")?,
        admin: said.address("admin on http://")?,
    };
    Ok((process, addresses))
}
