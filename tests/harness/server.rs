//! A server of one's own: the real binary on free ports and an empty data directory, ended with the test.

use std::{
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sigcast::model::time::{Clock, Time};
use sqlx::Connection as _;

pub use super::pipes::{collect, lines_of};
use super::{
    IN_TLS, OF_ALL,
    certificate::Certificate,
    place::{DATABASE_URL, Place, sigcast},
    secure::{Protocol, secure},
    wire::{Reply, Stream, request},
};

const READY_WITHIN: Duration = Duration::from_secs(20);
/// The admin token of every test server.
const ADMIN_TOKEN: &str = "a-token-for-this-test-alone-0123456789";

/// A running server, killed when dropped.
pub struct Server {
    place: Arc<Place>,
    /// No file of the process may grow beyond this.
    file_limit: Option<u64>,
    settings: Vec<(String, String)>,
    flags: Vec<String>,
    /// Where clients connect by TLS.
    pub certificate: Option<Certificate>,
    child: Child,
    stderr: Arc<Mutex<String>>,
    /// The main listener.
    pub main: SocketAddr,
    /// The admin listener.
    pub admin: SocketAddr,
}

/// A key as it was handed out.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub text: String,
}

impl Server {
    pub const TOKEN: &str = ADMIN_TOKEN;
    /// What its clients speak in TLS; `None`: they connect without it.
    #[allow(dead_code, reason = "asked in few of the places that have servers")]
    pub const IN_TLS: Option<Protocol> = IN_TLS;

    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With settings from the environment, such as `("SIGCAST_STREAM__PING_SECONDS", "1")`.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        Self::on(Place::new(), settings)
    }

    /// With the data of a place.
    pub fn on(place: impl Into<Arc<Place>>, settings: &[(&str, &str)]) -> Self {
        Self::everything(place, settings, "127.0.0.1:0", None, &[])
    }

    /// With settings, and TLS for its clients, whatever else is said.
    pub fn with_tls(settings: &[(&str, &str)]) -> Self {
        let certificate = Some(Certificate::new());
        Self::all_of(
            Place::new(),
            settings,
            "127.0.0.1:0",
            None,
            &[],
            certificate,
        )
    }

    /// With flags of `serve`, and settings.
    pub fn with_flags(flags: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::everything(Place::new(), settings, "127.0.0.1:0", None, flags)
    }

    /// In a data directory that the caller made, and keeps.
    pub fn at(data: PathBuf, settings: &[(&str, &str)], file_limit: Option<u64>) -> Self {
        Self::everything(
            Place::in_folder(data),
            settings,
            "127.0.0.1:0",
            file_limit,
            &[],
        )
    }

    /// With its main listener at this address.
    pub fn listening(address: &str) -> Self {
        Self::listening_with(address, &[])
    }

    /// The same, with settings.
    pub fn listening_with(address: &str, settings: &[(&str, &str)]) -> Self {
        Self::everything(Place::new(), settings, address, None, &[])
    }

    fn everything(
        place: impl Into<Arc<Place>>,
        settings: &[(&str, &str)],
        main: &str,
        file_limit: Option<u64>,
        flags: &[&str],
    ) -> Self {
        let certificate = IN_TLS.map(|_| Certificate::new());
        Self::all_of(place, settings, main, file_limit, flags, certificate)
    }

    fn all_of(
        place: impl Into<Arc<Place>>,
        settings: &[(&str, &str)],
        main: &str,
        file_limit: Option<u64>,
        flags: &[&str],
        certificate: Option<Certificate>,
    ) -> Self {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        settings.extend(certificate.iter().flat_map(Certificate::settings));
        let place = place.into();
        // another way to it may have been given
        let by_itself = settings.iter().all(|(name, _)| name != DATABASE_URL);
        if let Some(database) = place.database.as_ref().filter(|_| by_itself) {
            settings.push((DATABASE_URL.to_owned(), database.url.clone()));
        }
        let (main, admin) = (main.parse().unwrap(), "127.0.0.1:0".parse().unwrap());
        let (child, stderr, main, admin) =
            spawn(&place.folder, &settings, &flags, main, admin, file_limit);
        let protocol = IN_TLS.unwrap_or(Protocol::Http1);
        secure(
            main,
            certificate.as_ref().map(|one| (one.der.clone(), protocol)),
        );
        secure(admin, None);
        Server {
            place,
            certificate,
            file_limit,
            settings,
            flags,
            child,
            stderr,
            main,
            admin,
        }
    }

    /// The same data and addresses, a new process; the old one is killed if it still runs.
    pub fn restart(&mut self) {
        self.kill();
        let (child, stderr, main, admin) = spawn(
            &self.place.folder,
            &self.settings,
            &self.flags,
            self.main,
            self.admin,
            self.file_limit,
        );
        (self.child, self.stderr, self.main, self.admin) = (child, stderr, main, admin);
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        // proof: the child has not been waited for, so the id is still its own
        let sent = unsafe { libc::kill(self.pid(), libc::SIGTERM) };
        assert_eq!(sent, 0, "SIGTERM could not be sent");
    }

    /// SIGKILL, as a crash is.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for the process to end by itself.
    pub fn exit_within(&mut self, within: Duration) -> ExitStatus {
        let end = until(within, || self.child.try_wait().unwrap());
        end.unwrap_or_else(|| panic!("still running after {within:?}\n{}", self.stderr()))
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    pub fn url(&self) -> String {
        match &self.certificate {
            Some(_) => format!("https://localhost:{}", self.main.port()),
            None => format!("http://{}", self.main),
        }
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        // proof: the child has not been waited for, so the id is still its own
        let sent = unsafe { libc::kill(self.pid(), libc::SIGHUP) };
        assert_eq!(sent, 0, "SIGHUP could not be sent");
    }

    /// A request to the admin listener, with its token.
    pub fn admin(&self, method: &str, path: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {ADMIN_TOKEN}");
        let kind = "application/json";
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        request(self.admin, method, path, &headers, body.as_bytes())
    }

    /// A request to the main listener, with a key.
    pub fn get(&self, path: &str, key: &Key) -> Reply {
        let bearer = format!("Bearer {}", key.text);
        request(self.main, "GET", path, &[("authorization", &bearer)], b"")
    }

    /// Makes an account on this plan; its id.
    pub fn account(&self, plan: &str) -> String {
        let body = json!({"name": "somebody", "plan": plan}).to_string();
        let made = self.admin("POST", "/v1/accounts", &body).ok_json();
        made["id"].as_str().expect("an id").to_owned()
    }

    /// Makes a key for the account.
    pub fn key(&self, account: &str) -> Key {
        let body = json!({"account_id": account}).to_string();
        let made = self.admin("POST", "/v1/keys", &body).ok_json();
        let text = |name: &str| made[name].as_str().expect(name).to_owned();
        Key {
            id: text("id"),
            text: text("key"),
        }
    }

    /// An account on `alpha` and a key of it.
    pub fn alpha_key(&self) -> Key {
        self.key(&self.account("alpha"))
    }

    /// Publishes one signal: `{"id","seq","duplicate"}`.
    pub fn publish(&self, signal: &Value) -> Value {
        self.admin("POST", "/v1/signals", &signal.to_string())
            .ok_json()
    }

    /// Publishes signals in one request.
    pub fn publish_all(&self, signals: impl Iterator<Item = Value>) {
        let bearer = format!("Bearer {ADMIN_TOKEN}");
        let kind = "application/x-ndjson";
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        let lines: String = signals.map(|signal| format!("{signal}\n")).collect();
        let reply = request(
            self.admin,
            "POST",
            "/v1/signals",
            &headers,
            lines.as_bytes(),
        );
        assert_eq!(reply.head.status, 200, "{}", reply.text());
        assert!(!reply.text().contains("error"), "{}", reply.text());
    }

    /// A counter or gauge of `/metrics`; 0 where it has not been touched.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.admin("GET", "/metrics", "").text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// Publishes the `n`th sample, and gives its id.
    pub fn publish_sample(&self, n: u32) -> String {
        let signal = sample(n);
        self.publish(&signal);
        signal["id"].as_str().unwrap().to_owned()
    }

    /// Opens a stream, whatever the answer is. `query` begins with `?`, or is empty.
    pub fn stream(&self, key: &Key, query: &str, headers: &[(&str, &str)]) -> Stream {
        let bearer = format!("Bearer {}", key.text);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        Stream::open(self.main, query, &all)
    }

    /// Opens a stream that must be granted, and reads its `hello`.
    pub fn listen(&self, key: &Key, query: &str, headers: &[(&str, &str)]) -> Stream {
        let mut stream = self.stream(key, query, headers);
        stream.expect_hello();
        stream
    }

    /// Changes the database behind the server's back.
    pub fn sql(&self, statements: &str) {
        if let Some(database) = &self.place.database {
            return database.run(statements);
        }
        self.with_database(statements, || ());
    }

    /// Does something while another program holds the database's lock for writing.
    pub fn while_locked(&self, what: impl FnOnce()) {
        self.with_database("begin immediate", what);
    }

    fn with_database(&self, statements: &str, then: impl FnOnce()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let file = self.place.folder.join("sigcast.db");
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
            let mut db = sqlx::SqliteConnection::connect_with(&options)
                .await
                .unwrap();
            let statements = sqlx::AssertSqlSafe(statements.to_owned());
            sqlx::raw_sql(statements).execute(&mut db).await.unwrap();
            then();
            db.close().await.unwrap();
        });
    }

    /// The log's epoch.
    pub fn epoch(&self, key: &Key) -> String {
        let list = self.get("/api/signals?limit=1", key).ok_json();
        list["epoch"].as_str().expect("an epoch").to_owned()
    }

    /// The process's id.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// A command on the server's data directory, not yet run.
    pub fn on_data(&self, args: &[&str]) -> Command {
        self.place.command(args)
    }

    /// Runs a command on the data directory while the server runs.
    pub fn command(&self, args: &[&str]) -> Output {
        let output = self.on_data(args).output().unwrap();
        assert!(output.status.success(), "sigcast {args:?}: {output:?}");
        output
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // its port is somebody else's soon, who may speak plain HTTP there
        secure(self.main, None);
        self.kill();
        if thread::panicking() {
            eprintln!("--- the server's stderr\n{}", self.stderr());
        }
    }
}

type Spawned = (Child, Arc<Mutex<String>>, SocketAddr, SocketAddr);

/// Starts a server. Where its port is the one that it had before, that may be a connection's for a moment: one of all the tests beside.
fn spawn(
    data: &Path,
    settings: &[(String, String)],
    flags: &[String],
    main: SocketAddr,
    admin: SocketAddr,
    file_limit: Option<u64>,
) -> Spawned {
    let started = until(READY_WITHIN, || {
        match spawn_once(data, settings, flags, main, admin, file_limit) {
            Err(said) if main.port() != 0 && said.contains("Address already in use") => None,
            other => Some(other),
        }
    });
    match started {
        Some(Ok(spawned)) => spawned,
        Some(Err(said)) => panic!("{said}"),
        None => panic!("{main} or {admin} stays another's"),
    }
}

fn spawn_once(
    data: &Path,
    settings: &[(String, String)],
    flags: &[String],
    main: SocketAddr,
    admin: SocketAddr,
    file_limit: Option<u64>,
) -> Result<Spawned, String> {
    let mut command = sigcast();
    if let Some(bytes) = file_limit {
        // SAFETY: between fork and exec both calls are allowed; the limit and the ignored signal outlive the exec.
        unsafe {
            command.pre_exec(move || {
                libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                let limit = libc::rlimit {
                    rlim_cur: bytes,
                    rlim_max: libc::RLIM_INFINITY,
                };
                match libc::setrlimit(libc::RLIMIT_FSIZE, &limit) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            })
        };
    }
    let mut child = command
        .args(["serve", "--listen", &main.to_string()])
        .args(["--admin-listen", &admin.to_string(), "--data-dir"])
        .arg(data)
        .args(flags)
        .env("SIGCAST_ADMIN_TOKEN", ADMIN_TOKEN)
        .env("RUST_LOG", "info")
        .envs(OF_ALL)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = Arc::new(Mutex::new(String::new()));
    collect(child.stderr.take().unwrap(), stderr.clone());
    let lines = lines_of(child.stdout.take().unwrap());

    let deadline = Instant::now() + READY_WITHIN;
    let (mut main, mut admin) = (None, None);
    while main.is_none() || admin.is_none() {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(line) = lines.recv_timeout(left) else {
            let _ = child.kill();
            let ended = child.wait();
            let said = || Some(stderr.lock().unwrap().clone()).filter(|said| !said.is_empty());
            let said = until(Duration::from_secs(1), said).unwrap_or_default();
            return Err(format!("not ready ({ended:?}); its stderr:\n{said}"));
        };
        let address = |prefix: &str| line.strip_prefix(prefix)?.trim().parse().ok();
        let listens = || address("listening on http://").or(address("listening on https://"));
        main = main.or_else(listens);
        admin = admin.or_else(|| address("admin on http://"));
    }
    // proof: the loop ends with both
    Ok((child, stderr, main.unwrap(), admin.unwrap()))
}

/// Asks until there is an answer, or the time is over.
pub fn until<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A moment so many seconds from now, as the command line takes it.
pub fn from_now(seconds: f64) -> String {
    now()
        .plus((seconds * Time::SECOND as f64) as i64)
        .to_string()
}

pub fn now() -> Time {
    Clock::system().now()
}

/// A signal with the reference's shape; `n` names it and makes its id.
pub fn sample(n: u32) -> Value {
    json!({
        "id": format!("00000000-0000-4000-8000-{n:012}"),
        "detected_at": "2026-04-24T09:32:14.117Z",
        "signal_type": "consensus_buy",
        "rank": "S",
        "rank_score": 94.2,
        "market": "crypto",
        "token": {"address": "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr", "symbol": "WIF"},
        "wallet_count": 7,
        "latency_ms": 412,
    })
}
