//! The servers that are compared: which there are, and how each is started.

use std::{
    fmt,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::ValueEnum;
use sigcast::cli::bench::clients::Target;

use crate::{
    better_sse, nchan,
    process::{Bounds, Process},
    publisher::{Post, Publisher, Way},
    sigcast_server::Keys,
};

/// A server of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Peer {
    /// One bare `send` for each socket and event: the physical limit.
    Limit,
    /// The same with up to 8 waiting events in one write.
    Joining,
    /// This program, with its keys, its log and its database.
    Sigcast,
    /// nginx with the nchan module.
    Nchan,
    /// axum's `Sse` over a broadcast channel.
    Axum,
    /// Node with better-sse.
    Node,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Peer::Limit => "limit",
            Peer::Joining => "joining",
            Peer::Sigcast => "sigcast",
            Peer::Nchan => "nchan",
            Peer::Axum => "axum",
            Peer::Node => "node",
        })
    }
}

/// What a server is started with.
pub struct Setting<'a> {
    /// For its files; fresh, and removed afterwards.
    pub folder: &'a Path,
    /// What it may use; as many threads as cores.
    pub bounds: Bounds,
    /// Streams that are to come.
    pub streams: usize,
    /// sigcast's data directory with its keys.
    pub keys: Option<&'a Keys>,
}

/// A running server.
pub struct Server {
    process: Process,
    /// One for each stream.
    pub targets: Vec<Target>,
    /// Where signals go in.
    pub publisher: Publisher,
}

impl Server {
    /// Its processes.
    pub fn pids(&self) -> Vec<u32> {
        self.process.family()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.process.runs()
    }
}

/// What the optional servers need, found once.
pub struct Found {
    nginx: Result<nchan::Nginx, String>,
    node: Result<PathBuf, String>,
}

impl Found {
    /// Looks for what the wanted ones need.
    pub fn look(wanted: &[Peer], folder: &Path) -> Self {
        let not_asked = || "it was not asked for".to_owned();
        let nginx = match wanted.contains(&Peer::Nchan) {
            true => nchan::Nginx::find(),
            false => Err(not_asked()),
        };
        let node = match wanted.contains(&Peer::Node) {
            true => better_sse::install(folder),
            false => Err(not_asked()),
        };
        Found { nginx, node }
    }

    /// Why a server cannot be had, where it cannot.
    pub fn missing(&self, peer: Peer) -> Option<&str> {
        match peer {
            Peer::Nchan => self.nginx.as_ref().err().map(String::as_str),
            Peer::Node => self.node.as_ref().err().map(String::as_str),
            _ => None,
        }
    }

    /// Starts one.
    pub fn start(&self, peer: Peer, setting: &Setting<'_>) -> io::Result<Server> {
        let wrong = |why: &str| io::Error::other(why.to_owned());
        match peer {
            Peer::Limit => bare(setting, 1),
            Peer::Joining => bare(setting, 8),
            Peer::Axum => {
                let mut command = itself("axum", setting)?;
                command.stdout(Stdio::piped());
                over_http(command, setting)
            }
            Peer::Node => {
                let folder = self.node.as_ref().map_err(|why| wrong(why))?;
                over_http(better_sse::command(folder), setting)
            }
            Peer::Nchan => {
                let nginx = self.nginx.as_ref().map_err(|why| wrong(why))?;
                let (process, address) = nginx.start(setting)?;
                let way = Way::Each(Post {
                    address,
                    path: "/events",
                    fields: "x-eventsource-event: signal\r\ncontent-type: application/json\r\n"
                        .to_owned(),
                    is_sigcast: false,
                });
                server(process, open_to_all(address, setting), way)
            }
            Peer::Sigcast => {
                let keys = setting.keys.ok_or_else(|| wrong("no keys were made"))?;
                let (process, addresses) = keys.start(setting)?;
                let targets = keys.targets(addresses.main, setting.streams);
                server(process, targets, keys.way_in(addresses.admin))
            }
        }
    }
}

fn server(process: Process, targets: Vec<Target>, way: Way) -> io::Result<Server> {
    let publisher = Publisher::open(way)?;
    Ok(Server {
        process,
        targets,
        publisher,
    })
}

/// This very program, as one of its servers.
fn itself(serve: &str, setting: &Setting<'_>) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    let threads = setting.bounds.cores.len().to_string();
    command.args(["--serve", serve, "--threads", &threads]);
    command.stdout(Stdio::piped());
    Ok(command)
}

fn bare(setting: &Setting<'_>, events_a_write: usize) -> io::Result<Server> {
    let mut command = itself("limit", setting)?;
    command.args(["--events-a-write", &events_a_write.to_string()]);
    let mut process = Process::start(command, &setting.bounds, libc::SIGKILL)?;
    let mut said = Said::by(&mut process)?;
    let address = said.address("listening on http://")?;
    let controls = setting.bounds.cores.iter();
    let controls: Vec<_> = controls
        .map(|_| said.address("control on http://"))
        .collect::<io::Result<_>>()?;
    server(process, open_to_all(address, setting), Way::Ready(controls))
}

/// A server that takes lines at `/events`, and says where it listens.
fn over_http(command: Command, setting: &Setting<'_>) -> io::Result<Server> {
    let mut process = Process::start(command, &setting.bounds, libc::SIGKILL)?;
    let address = Said::by(&mut process)?.address("listening on http://")?;
    let way = Way::Lines(Post {
        address,
        path: "/events",
        fields: "content-type: text/plain\r\n".to_owned(),
        is_sigcast: false,
    });
    server(process, open_to_all(address, setting), way)
}

fn open_to_all(address: SocketAddr, setting: &Setting<'_>) -> Vec<Target> {
    let target = Target {
        address,
        host: "bench".to_owned(),
        path: "/stream".to_owned(),
        headers: Vec::new(),
        tls: None,
    };
    vec![target; setting.streams]
}

/// What a server says on its standard output.
pub struct Said(BufReader<std::process::ChildStdout>);

impl Said {
    /// Takes the pipe of a process; it is closed with this, by when the server has said all.
    pub fn by(process: &mut Process) -> io::Result<Self> {
        let pipe = process.child().stdout.take();
        let pipe = pipe.ok_or_else(|| io::Error::other("no pipe"))?;
        Ok(Said(BufReader::new(pipe)))
    }

    /// The address behind a text at a line's beginning.
    pub fn address(&mut self, before: &str) -> io::Result<SocketAddr> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::Error::other("the server ended before it listened"));
            }
            if let Some(address) = line.strip_prefix(before) {
                return address.trim().parse().map_err(io::Error::other);
            }
        }
    }
}
