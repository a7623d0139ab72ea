//! A throwaway PostgreSQL server of the binaries that are installed, else installed now; gone with whoever started it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::{
        fs::{OpenOptionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use sigcast::store::db::Db;

use super::{Server, administer, block_on, config};

/// Makes a cluster, starts it, and says so; does as it is told by its input, and ends and removes it as soon as nobody holds the other
/// end of that any more. In the
/// order of letters of a language: what depends on the order of bytes must ask for it.
const KEEPER: &str = r#"
set -u
dir=$1 bin=$2 port=$3 synchronous=$4
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
synchronous_commit = $synchronous
full_page_writes = off
autovacuum = off
END
start() { "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" start >/dev/null 2>&1; }
is_gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }
slay() {
    first=$(head -n 1 "$dir/data/postmaster.pid")
    all="$first $(cat "/proc/$first/task/$first/children" 2>/dev/null)"
    kill -9 $all 2>/dev/null
    for one in $all; do until is_gone "$one"; do sleep 0.01; done; done
    # where nobody has waited for the first one, it looks as if it were still there
    rm -f "$dir/data/postmaster.pid"
    echo killed $(echo $all | wc -w)
}
start || { cat "$dir/log"; rm -rf "$dir"; exit 1; }
echo ready
while read -r word; do
    case $word in
    kill) slay ;;
    start) if start; then echo ready; else tail -n 1 "$dir/log"; fi ;;
    esac
done
stop
"#;

/// Asks for a crash, and for what follows.
pub struct Keeper {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Keeper {
    /// Its answer.
    pub fn ask(&mut self, word: &str) -> String {
        let input = self.child.stdin.as_mut().expect("its input is kept");
        writeln!(input, "{word}").unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// What of its data outlives a crash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// What is committed may be lost: nobody kills it, and commits are quick.
    Nothing,
    /// All that is committed, as long as the machine lives.
    Committed,
}

/// Starts one.
pub fn start(keeps: Keeps) -> Server {
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
        .arg(if keeps == Keeps::Committed {
            "on"
        } else {
            "off"
        })
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
        keeper: Some(Mutex::new(Keeper {
            child: keeper,
            said: lines,
        })),
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
pub fn installed() -> Option<PathBuf> {
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
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("sigcast-cluster-{}-{number}", std::process::id());
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
