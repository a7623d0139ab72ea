//! A PostgreSQL server for tests: the one that DATABASE_URL names, else a throwaway one of the binaries that are installed, else
//! installed now. A fresh database for each test, gone with it; the server is gone with the test process, however that ends.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "test code, and each binary that holds it uses some of it"
)]

use std::{
    path::PathBuf,
    process::Command,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
};

use sigcast::store::postgres::{Config, DatabaseUrl};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use throwaway::{Keeper, installed};

mod throwaway;

/// A database of its own, dropped with this.
pub struct Database {
    server: Arc<Server>,
    name: String,
    /// How it is reached.
    pub url: String,
}

impl Database {
    /// An empty one, its tables made.
    pub fn fresh() -> Self {
        Self::made_on(server())
    }

    /// One without any tables.
    pub fn bare() -> Self {
        Self::make(server(), None)
    }

    /// An empty one on a server of the caller's own, its tables made.
    pub fn on(cluster: &Cluster) -> Self {
        Self::made_on(&cluster.0)
    }

    fn made_on(server: &Arc<Server>) -> Self {
        Self::make(server, server.template.as_deref())
    }

    fn make(server: &Arc<Server>, template: Option<&str>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sigcast_test_{}_{number}", std::process::id());
        // where there is no template of ours, the tables are made by whoever opens it first
        let template = template.unwrap_or("template0");
        server.run(format!(
            "create database {name} encoding 'UTF8' template {template}"
        ));
        let url = server.url_of(&name);
        Database {
            server: server.clone(),
            name,
            url,
        }
    }

    /// Another one with the same in it. Nobody may be connected to this one.
    pub fn copy(&self) -> Self {
        Self::make(&self.server, Some(&self.name))
    }

    /// Ends all connections to it, and makes none until it is back.
    pub fn go_away(&self) {
        let name = &self.name;
        self.server
            .run(format!("alter database {name} allow_connections false"));
        self.end_connections();
    }

    /// Connections are made again.
    pub fn come_back(&self) {
        let name = &self.name;
        self.server
            .run(format!("alter database {name} allow_connections true"));
    }

    /// Ends all connections to it.
    pub fn end_connections(&self) {
        let name = &self.name;
        self.server.run(format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
        ));
    }

    /// Its URL by TLS, with the server's certificate checked for this host; `None` where nothing is known of the certificate.
    pub fn url_by_tls(&self, host: &str) -> Option<String> {
        let authority = self.server.authority.as_ref()?;
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

    /// One number from it, asked from beside whoever works on it.
    pub fn number(&self, statement: &str) -> i64 {
        block_on(async {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            let statement = AssertSqlSafe(statement.to_owned());
            let asked = sqlx::query_scalar(statement).fetch_one(&mut connection);
            asked.await.unwrap()
        })
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
        let name = &self.name;
        let drop = format!("drop database if exists {name} with (force)");
        let dropped = self.server.try_run(drop);
        // a test that fails may have left the server itself dead
        assert!(
            dropped.is_ok() || std::thread::panicking(),
            "{dropped:?}: {name}"
        );
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

/// A server of one's own, that may be killed. What it has said to be committed outlives that.
pub struct Cluster(Arc<Server>);

impl Cluster {
    pub fn start() -> Self {
        Cluster(Arc::new(throwaway::start(throwaway::Keeps::Committed)))
    }

    /// Kills all of its processes at once, as a crash does; gives how many there were.
    pub fn kill(&self) -> usize {
        let said = self.ask("kill");
        let killed = said.strip_prefix("killed ").and_then(|n| n.parse().ok());
        killed.unwrap_or_else(|| panic!("PostgreSQL was not killed: {said}"))
    }

    /// Starts it again; it first recovers what was committed.
    pub fn start_again(&self) {
        let said = self.ask("start");
        assert_eq!(said, "ready", "PostgreSQL does not start again");
    }

    fn ask(&self, word: &str) -> String {
        let keeper = self.0.keeper.as_ref().expect("it has a keeper");
        keeper.lock().unwrap().ask(word)
    }
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
    keeper: Option<Mutex<Keeper>>,
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
        self.try_run(statement).unwrap();
    }

    fn try_run(&self, statement: String) -> Result<(), String> {
        let (answer, done) = mpsc::channel();
        let sender = self.statements.lock().unwrap().clone();
        sender.send((statement, answer)).unwrap();
        done.recv().unwrap()
    }
}

fn server() -> &'static Arc<Server> {
    // where it cannot be had, the first test says why, and the others fail at once
    static SERVER: LazyLock<Arc<Server>> = LazyLock::new(|| {
        Arc::new(match std::env::var("DATABASE_URL") {
            Ok(url) if !url.is_empty() => {
                let statements = Mutex::new(administer(url.clone()));
                Server {
                    url,
                    template: None,
                    authority: None,
                    statements,
                    keeper: None,
                }
            }
            _ => throwaway::start(throwaway::Keeps::Nothing),
        })
    });
    &SERVER
}

/// A thread with a connection of its own, that runs statements one after the other. A connection that broke is replaced.
fn administer(url: String) -> mpsc::Sender<Order> {
    let (sender, statements) = mpsc::channel::<Order>();
    std::thread::spawn(move || {
        block_on(async {
            let mut connection = None;
            for (statement, answer) in statements {
                let mut done = run_on(&mut connection, &url, &statement).await;
                if done.as_ref().is_err_and(is_over) {
                    connection = None;
                    done = run_on(&mut connection, &url, &statement).await;
                }
                let _ = answer.send(done.map_err(|e| format!("{statement}: {e}")));
            }
        });
    });
    sender
}

/// Whether a connection has come to its end: it broke, or the server said on it that it goes down. A server that is killed has time for that at times.
fn is_over(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(said) => said.code().is_some_and(|code| code.starts_with("57P0")),
        _ => false,
    }
}

async fn run_on(
    connection: &mut Option<PgConnection>,
    url: &str,
    statement: &str,
) -> sqlx::Result<()> {
    if connection.is_none() {
        *connection = Some(PgConnection::connect(url).await?);
    }
    if let Some(connection) = connection {
        connection
            .execute(AssertSqlSafe(statement.to_owned()))
            .await?;
    }
    Ok(())
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}
