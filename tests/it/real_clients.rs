//! Stream clients as their authors made them: each gets every signal, once and in order, across a restart of the server, be it a
//! drain or a crash. What a client leaves to its user is done as the table in README.md says.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::Duration,
};

use super::{
    clients::{once_for, python_with, scratch, skip, succeed, succeed_within},
    server::{Key, Server, collect, sample, until},
    wire::{PATIENCE, request},
};

/// Three before the restart, three after it.
const SIGNALS: u32 = 6;
/// Clients wait for seconds before they come back, some of them longer each time.
const BACK_WITHIN: Duration = Duration::from_secs(45);

fn sources(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/real_clients")
        .join(of)
}

/// A client at work, ended with the test.
struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    /// A folder of its own, gone after it.
    folder: Option<tempfile::TempDir>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (said, aside) = <(Arc<Mutex<String>>, Arc<Mutex<String>>)>::default();
        collect(child.stdout.take().unwrap(), said.clone());
        collect(child.stderr.take().unwrap(), aside);
        Running {
            child,
            said,
            folder: None,
        }
    }
}

/// Drives a client, whatever it is, by what it says: `connected`, and the id of each signal, a line each.
fn across_a_restart(
    name: &str,
    drained: bool,
    begin: impl FnOnce(&Server, &Key) -> (Running, Arc<Mutex<String>>),
) {
    let mut server = Server::with(&[
        ("SIGCAST_HTTP__DRAIN_SECONDS", "1"),
        ("SIGCAST_HTTP__CORS_ORIGINS", "[\"*\"]"),
    ]);
    let key = server.alpha_key();
    let (_running, said) = begin(&server, &key);
    let says = |what: &str| {
        let seen = until(BACK_WITHIN, || {
            said.lock().unwrap().contains(what).then_some(())
        });
        assert!(
            seen.is_some(),
            "{name}: no `{what}` in {}",
            said.lock().unwrap()
        );
    };
    let id = |n: u32| sample(n)["id"].as_str().unwrap().to_owned();
    says("connected");
    for n in 1..=SIGNALS / 2 {
        server.publish_sample(n);
    }
    says(&id(SIGNALS / 2));
    if drained {
        server.terminate();
        server.exit_within(2 * PATIENCE);
    }
    server.restart();
    for n in SIGNALS / 2 + 1..=SIGNALS {
        server.publish_sample(n);
    }
    says(&id(SIGNALS));
    let said = said.lock().unwrap();
    let ids: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("0000"))
        .collect();
    let all: Vec<String> = (1..=SIGNALS).map(id).collect();
    assert_eq!(ids, all, "{name}: each once, in order");
}

/// A program that takes the client's name.
fn check(name: &str, drained: bool, program: impl FnOnce() -> Result<Command, String>) {
    let mut command = match program() {
        Ok(command) => command,
        Err(why) => return skip(name, &why),
    };
    across_a_restart(name, drained, |server, key| {
        command
            .env("SIGCAST_URL", server.url())
            .env("SIGCAST_KEY", &key.text);
        let running = Running::start(command);
        let said = running.said.clone();
        (running, said)
    });
}

fn node(name: &str) -> Result<Command, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let place = scratch("real-clients-node");
        fs::create_dir_all(&place).map_err(|e| e.to_string())?;
        for file in ["package.json", "client.mjs"] {
            fs::copy(sources("node").join(file), place.join(file)).map_err(|e| e.to_string())?;
        }
        once_for(&place, &sources("node/package.json"), || {
            let args = ["install", "--no-audit", "--no-fund"];
            succeed(Command::new("npm").args(args).current_dir(&place)).map(drop)
        })?;
        Ok(place)
    });
    let place = ready.as_ref().map_err(Clone::clone)?;
    let mut command = Command::new("node");
    command.arg("client.mjs").arg(name).current_dir(place);
    Ok(command)
}

/// `sseclient` and `sseclient-py` are modules of one name: they live apart.
fn python(name: &str) -> Result<Command, String> {
    static READY: [OnceLock<Result<PathBuf, String>>; 2] = [OnceLock::new(), OnceLock::new()];
    let (apart, list) = match name {
        "sseclient" => (1, "python/sseclient.requirements.txt"),
        _ => (0, "python/requirements.txt"),
    };
    let place = format!("real-clients-python-{apart}");
    let ready = READY[apart].get_or_init(|| python_with(&place, &sources(list)));
    let mut command = Command::new(ready.as_ref().map_err(Clone::clone)?);
    command.arg(sources("python/client.py")).arg(name);
    Ok(command)
}

/// Built apart, with a lock file of its own: the program's own build knows nothing of these crates.
fn rust(name: &str) -> Result<Command, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let place = scratch("real-clients-rust");
        fs::create_dir_all(&place).map_err(|e| e.to_string())?;
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--locked", "--quiet", "--target-dir"])
            .arg(&place)
            .current_dir(sources("rust"));
        succeed_within(&mut build, Duration::from_secs(900))?;
        Ok(place.join("debug/sigcast-real-clients"))
    });
    let mut command = Command::new(ready.as_ref().map_err(Clone::clone)?);
    command.arg(name);
    Ok(command)
}

/// A test for each client and each kind of end.
macro_rules! clients {
    ($($test:ident: $program:ident $name:literal;)*) => {
        $(mod $test {
            #[test]
            fn gets_all_across_a_drain() {
                super::check($name, true, || super::$program($name));
            }

            #[test]
            fn gets_all_across_a_crash() {
                super::check($name, false, || super::$program($name));
            }
        })*
    };
}

clients! {
    eventsource_2: node "eventsource2";
    eventsource_3: node "eventsource3";
    eventsource_4: node "eventsource4";
    eventsource_5: node "eventsource5";
    undici: node "undici";
    npm_eventsource_client: node "eventsource-client";
    httpx_sse: python "httpx-sse";
    requests_sse: python "requests-sse";
    aiohttp_sse_client: python "aiohttp-sse-client";
    sseclient: python "sseclient";
    sseclient_py: python "sseclient-py";
    reqwest_eventsource: rust "reqwest-eventsource";
    crate_eventsource_client: rust "eventsource-client";
}

const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places =
        std::env::split_paths(&path).flat_map(|place| BROWSERS.map(|name| place.join(name)));
    places.find(|file| file.is_file())
}

/// Serves one page, and takes down what it says: `GET /said/WORD`.
fn page(html: String) -> (SocketAddr, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let said = Arc::new(Mutex::new(String::new()));
    let heard = said.clone();
    // ends with the process
    thread::spawn(move || {
        for mut tcp in listener.incoming().map_while(Result::ok) {
            let _ = tcp.set_read_timeout(Some(PATIENCE));
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && tcp.read_exact(&mut byte).is_ok() {
                head.extend(byte);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let body = match path.strip_prefix("/said/") {
                Some(word) => {
                    heard.lock().unwrap().push_str(&format!("{word}\n"));
                    ""
                }
                None if path == "/" => &html,
                None => "",
            };
            let _ = write!(
                tcp,
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (address, said)
}

/// A browser sends no header: it comes with a ticket, and comes back with it.
fn browses(drained: bool) {
    let Some(browser) = browser() else {
        return skip("a browser", "no Chromium");
    };
    across_a_restart("Chromium", drained, |server, key| {
        let bearer = format!("Bearer {}", key.text);
        let path = "/api/signals/stream/tickets";
        let made = request(
            server.main,
            "POST",
            path,
            &[("authorization", &bearer)],
            b"",
        )
        .ok_json();
        let url = format!(
            "{}/api/signals/stream?ticket={}",
            server.url(),
            made["ticket"].as_str().unwrap()
        );
        let (address, said) = page(format!(
            "<!doctype html><script>\n\
             // one after the other: what is said arrives in order\n\
             let last = Promise.resolve();\n\
             const say = (word) => (last = last.then(() => fetch('/said/' + word)));\n\
             const source = new EventSource('{url}');\n\
             source.addEventListener('hello', () => say('connected'));\n\
             source.addEventListener('signal', (event) => say(JSON.parse(event.data).id));\n\
             </script>"
        ));
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new(browser);
        command
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("http://{address}/"));
        let mut running = Running::start(command);
        running.folder = Some(profile);
        (running, said)
    });
}

#[test]
fn a_browser_gets_all_across_a_drain() {
    browses(true);
}

#[test]
fn a_browser_gets_all_across_a_crash() {
    browses(false);
}
