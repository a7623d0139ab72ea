//! A PostgreSQL server for tests: the one that DATABASE_URL names, else a throwaway one of the binaries that are installed, else
//! installed now. A fresh database for each test, gone with it; the server is gone with the test process, however that ends.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "test code, and each binary that holds it uses some of it"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::{
        fs::{OpenOptionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
};

use sigcast::store::{
    db::Db,
    postgres::{Config, DatabaseUrl},
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// A database of its own, dropped with this.
pub struct Database {
    name: String,
    /// How it is reached.
    pub url: String,
}

impl Database {
    /// An empty one, its tables made.
    pub fn fresh() -> Self {
        Self::make(server().template.as_deref())
    }

    /// One without any tables.
    pub fn bare() -> Self {
        Self::make(None)
    }

    fn make(template: Option<&str>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sigcast_test_{}_{number}", std::process::id());
        let server = server();
        // where there is no template of ours, the tables are made by whoever opens it first
        let template = template.unwrap_or("template0");
        server.run(format!(
            "create database {name} encoding 'UTF8' template {template}"
        ));
        let url = server.url_of(&name);
        Database { name, url }
    }

    /// Another one with the same in it. Nobody may be connected to this one.
    pub fn copy(&self) -> Self {
        Self::make(Some(&self.name))
    }

    /// Ends all connections to it, and makes none until it is back.
    pub fn go_away(&self) {
        let name = &self.name;
        server().run(format!("alter database {name} allow_connections false"));
        self.end_connections();
    }

    /// Connections are made again.
    pub fn come_back(&self) {
        let name = &self.name;
        server().run(format!("alter database {name} allow_connections true"));
    }

    /// Ends all connections to it.
    pub fn end_connections(&self) {
        let name = &self.name;
        server().run(format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
        ));
    }

    /// Its URL by TLS, with the server's certificate checked for this host; `None` where nothing is known of the certificate.
    pub fn url_by_tls(&self, host: &str) -> Option<String> {
        let authority = server().authority.as_ref()?;
        let url = self.url.replace("@127.0.0.1:", &format!("@{host}:"));
        let checked = format!("sslmode=verify-full&sslrootcert={}", authority.display());
        Some(url.replace("sslmode=disable", &checked))
    }

    /// Host and port of its server.
    pub fn address(&self) -> String {
        let (_, rest) = self.url.split_once("://").unwrap();
        let (before, _) = rest.split_once('/').unwrap();
        let (_, address) = before.rsplit_once('@').unwrap_or(("", before));
        address.to_owned()
    }

    /// Its URL by another port of this machine.
    pub fn url_at(&self, port: u16) -> String {
        self.url
            .replace(&self.address(), &format!("127.0.0.1:{port}"))
    }

    /// What must be seen nowhere.
    pub fn password(&self) -> &str {
        let (_, rest) = self.url.split_once("://").unwrap();
        let (user, _) = rest.split_once('@').unwrap();
        user.split_once(':').map_or("", |(_, password)| password)
    }

    /// Settings to open it with.
    pub fn config(&self) -> Config {
        config(&self.url)
    }

    /// Runs statements on it, as some other program would.
    pub fn run(&self, statements: &str) {
        let (url, statements) = (self.url.clone(), statements.to_owned());
        let done = std::thread::spawn(move || {
            block_on(async {
                let mut connection = PgConnection::connect(&url).await.unwrap();
                let statements = AssertSqlSafe(statements);
                sqlx::raw_sql(statements)
                    .execute(&mut connection)
                    .await
                    .unwrap();
            });
        });
        done.join().unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // `force`: what the test left open does not matter any more
        server().run(format!(
            "drop database if exists {} with (force)",
            self.name
        ));
    }
}

/// Settings to open the database of a URL with.
pub fn config(url: &str) -> Config {
    Config {
        url: DatabaseUrl::parse(url).unwrap(),
        connections: 8,
        connect_seconds: 30,
        lock_seconds: 30,
        statement_seconds: 60,
    }
}

/// The folder of `psql`; empty where it is found by its name.
pub fn programs() -> PathBuf {
    let known = installed().filter(|dir| dir.join("psql").exists());
    let by_name = || Command::new("psql").arg("--version").output().is_ok();
    assert!(
        known.is_some() || by_name(),
        "the tests need psql: install it (on Debian: apt-get install postgresql-client)"
    );
    known.unwrap_or_default()
}

/// A statement, and where to say what became of it.
type Order = (String, mpsc::Sender<Result<(), String>>);

struct Server {
    url: String,
    /// A database whose tables are made, to copy from.
    template: Option<String>,
    /// Who vouches for its name, where that is known.
    authority: Option<PathBuf>,
    statements: Mutex<mpsc::Sender<Order>>,
    _keeper: Option<Mutex<Child>>,
}

impl Server {
    fn url_of(&self, name: &str) -> String {
        let (before, query) = match self.url.split_once('?') {
            Some((before, query)) => (before, format!("?{query}")),
            None => (self.url.as_str(), String::new()),
        };
        let (scheme, rest) = before.split_once("://").unwrap();
        let host = rest.split('/').next().unwrap();
        format!("{scheme}://{host}/{name}{query}")
    }

    fn run(&self, statement: String) {
        let (answer, done) = mpsc::channel();
        let sender = self.statements.lock().unwrap().clone();
        sender.send((statement, answer)).unwrap();
        done.recv().unwrap().unwrap();
    }
}

fn server() -> &'static Server {
    // where it cannot be had, the first test says why, and the others fail at once
    static SERVER: LazyLock<Server> = LazyLock::new(|| match std::env::var("DATABASE_URL") {
        Ok(url) if !url.is_empty() => {
            let statements = Mutex::new(administer(url.clone()));
            Server {
                url,
                template: None,
                authority: None,
                statements,
                _keeper: None,
            }
        }
        _ => throwaway(),
    });
    &SERVER
}

/// A thread with a connection of its own, that runs statements one after the other.
fn administer(url: String) -> mpsc::Sender<Order> {
    let (sender, statements) = mpsc::channel::<Order>();
    std::thread::spawn(move || {
        block_on(async {
            let mut connection = PgConnection::connect(&url).await;
            for (statement, answer) in statements {
                let done = match &mut connection {
                    Ok(connection) => connection.execute(AssertSqlSafe(statement.clone())).await,
                    Err(error) => {
                        let error = format!("DATABASE_URL cannot be used: {error}");
                        let _ = answer.send(Err(error));
                        continue;
                    }
                };
                let done = done.map(|_| ()).map_err(|e| format!("{statement}: {e}"));
                let _ = answer.send(done);
            }
        });
    });
    sender
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

/// Makes a cluster, starts it, and says so; ends and removes it as soon as nobody holds the other end of its input any more. In the
/// order of letters of a language: what depends on the order of bytes must ask for it.
const KEEPER: &str = r#"
set -u
dir=$1 bin=$2 port=$3
stop() { "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1; rm -rf "$dir"; }
make() { "$bin/initdb" -D "$dir/data" -U postgres -E UTF8 -A scram-sha-256 --pwfile "$dir/password" --no-sync "$@" >"$dir/log" 2>&1; }
make --locale=C.UTF-8 --locale-provider=icu --icu-locale=en || { rm -rf "$dir/data"; make --locale=C.UTF-8; } || { cat "$dir/log"; rm -rf "$dir"; exit 1; }
cat >>"$dir/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
ssl = on
ssl_cert_file = '$dir/server.crt'
ssl_key_file = '$dir/server.key'
max_connections = 300
shared_buffers = '32MB'
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
END
"$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" start >/dev/null 2>&1 || { cat "$dir/log"; rm -rf "$dir"; exit 1; }
echo ready
read -r _
stop
"#;

fn throwaway() -> Server {
    let bin = installed().unwrap_or_else(|| {
        install();
        installed().expect("PostgreSQL is installed and not found in /usr/lib/postgresql")
    });
    let owner = owner();
    let dir = folder(owner);
    let password = {
        let mut bytes = [0_u8; 16];
        getrandom(&mut bytes);
        bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    put(&dir.join("password"), &password, owner);
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let authority = dir.join("server.crt");
    for (path, text) in [
        (&authority, certificate.cert.pem()),
        (
            &dir.join("server.key"),
            certificate.signing_key.serialize_pem(),
        ),
    ] {
        put(path, &text, owner);
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut keeper = Command::new("sh");
    keeper
        .args(["-c", KEEPER, "keeper"])
        .args([&dir, &bin])
        .arg(port.to_string())
        .current_dir("/")
        // an interrupt from the terminal is for the tests: their end is what ends the keeper
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if let Some((user, group)) = owner {
        keeper.uid(user).gid(group);
    }
    let mut keeper = keeper.spawn().unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(keeper.stdout.take().unwrap());
    while !said.ends_with("ready\n") {
        let more = lines.read_line(&mut said).unwrap();
        assert!(more > 0, "PostgreSQL does not start: {said}");
    }
    // without TLS, which takes a test's time; one of them asks for it
    let url = format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres?sslmode=disable");
    let statements = Mutex::new(administer(url.clone()));
    let mut server = Server {
        url,
        template: None,
        statements,
        authority: Some(authority),
        _keeper: Some(Mutex::new(keeper)),
    };
    let template = "sigcast_template";
    server.run(format!("create database {template}"));
    let url = server.url_of(template);
    let made = std::thread::spawn(move || {
        block_on(async {
            let db = Db::open_postgres(&config(&url)).await.unwrap();
            db.close().await;
        });
    });
    made.join().unwrap();
    server.template = Some(template.to_owned());
    server
}

/// A file for the server's eyes.
fn put(path: &Path, text: &str, owner: Option<(u32, u32)>) {
    let file = fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path);
    writeln!(file.unwrap(), "{text}").unwrap();
    if let Some((user, group)) = owner {
        chown(path, Some(user), Some(group)).unwrap();
    }
}

fn getrandom(bytes: &mut [u8]) {
    use std::io::Read as _;
    let mut source = fs::File::open("/dev/urandom").unwrap();
    source.read_exact(bytes).unwrap();
}

/// The newest that is installed.
fn installed() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            let bin = path.join("bin");
            bin.join("pg_ctl").exists().then_some((version, bin))
        })
        .collect();
    found.sort();
    let in_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|dir| dir.join("pg_ctl").exists())
    };
    found.pop().map(|(_, bin)| bin).or_else(in_path)
}

/// Installs it by the system's package manager, where this user may.
fn install() {
    const HOW: &str = "the tests need PostgreSQL: install it (on Debian: apt-get install postgresql), or name a server on which \
        databases may be made: DATABASE_URL=postgres://user:password@host/postgres";
    // each user has one of its own: nobody may open another's in a folder that all share
    let name = format!("sigcast-install-{}.lock", user());
    let lock = fs::File::create(std::env::temp_dir().join(name)).unwrap();
    lock.lock().unwrap();
    if installed().is_some() {
        return;
    }
    let run = |arguments: &[&str]| {
        let mut words = Vec::new();
        if user() != 0 {
            words.extend(["sudo", "-n"]);
        }
        words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]);
        // what another one installs just now has its time
        words.extend(["-o", "DPkg::Lock::Timeout=300"]);
        words.extend(arguments);
        let done = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .output();
        let said = match done {
            Ok(done) if done.status.success() => return,
            Ok(done) => String::from_utf8_lossy(&done.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        panic!(
            "{HOW}. It could not be installed: {}: {said}",
            words.join(" ")
        );
    };
    run(&["update"]);
    run(&["install", "-y", "--no-install-recommends", "postgresql"]);
}

/// As whom the tests run.
fn user() -> u32 {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// As whom the server runs: it refuses root.
fn owner() -> Option<(u32, u32)> {
    let number = |flag, user| {
        let said = Command::new("id").args([flag, user]).output().ok()?;
        let said = String::from_utf8(said.stdout).ok()?;
        said.trim().parse::<u32>().ok()
    };
    let of = |user| Some((number("-u", user)?, number("-g", user)?));
    (user() == 0).then(|| of("postgres").or_else(|| of("nobody")).unwrap())
}

/// A folder for the cluster, in the build's own where its owner may go there.
fn folder(owner: Option<(u32, u32)>) -> PathBuf {
    let name = format!("sigcast-cluster-{}", std::process::id());
    for base in [
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
        std::env::temp_dir(),
    ] {
        // in one of the owner's own: it removes what it made
        let (user, _) = owner.unwrap_or_else(|| (user(), 0));
        let all = base.join(format!("sigcast-clusters-{user}"));
        let dir = all.join(&name);
        let _ = fs::remove_dir_all(&dir);
        if fs::create_dir_all(&dir).is_err() {
            continue;
        }
        let Some((user, group)) = owner else {
            return dir;
        };
        for mine in [&all, &dir] {
            chown(mine, Some(user), Some(group)).unwrap();
        }
        if may_go(&dir, user, group) {
            return dir;
        }
        let _ = fs::remove_dir_all(&dir);
    }
    panic!("there is no folder for a throwaway PostgreSQL");
}

fn may_go(dir: &Path, user: u32, group: u32) -> bool {
    let test = Command::new("test")
        .arg("-w")
        .arg(dir)
        .current_dir("/")
        .uid(user)
        .gid(group)
        .status();
    test.is_ok_and(|status| status.success())
}
