//! The pages in a real browser: Chromium, driven by the stories in `tests/it/browser`.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::{
    clients::{once_for, scratch, succeed},
    receiver::Receiver,
    server::{Key, Server, collect, until},
    webhooks::HERE,
};

/// A story is over by then, however busy the machine is.
const OVER_WITHIN: Duration = Duration::from_secs(120);
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// One browser at a time: two would only wait for each other.
static ALONE: Mutex<()> = Mutex::new(());

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/browser")
}

/// Where the stories and their packages are; once for all tests.
fn packages() -> &'static Path {
    static READY: OnceLock<PathBuf> = OnceLock::new();
    READY.get_or_init(|| {
        let place = scratch("browser");
        fs::create_dir_all(&place).unwrap();
        for entry in fs::read_dir(sources()).unwrap() {
            let from = entry.unwrap().path();
            fs::copy(&from, place.join(from.file_name().unwrap())).unwrap();
        }
        let installed = once_for(&place, &sources().join("package.json"), || {
            let args = ["install", "--no-audit", "--no-fund"];
            succeed(Command::new("npm").args(args).current_dir(&place)).map(drop)
        });
        if let Err(why) = installed {
            panic!("the browser's driver cannot be had from npm (install nodejs and npm): {why}");
        }
        place
    })
}

fn chromium() -> PathBuf {
    let named = env::var_os("PAGES_CHROMIUM").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut found = env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .filter(|file| file.is_file());
    named.or_else(|| found.next()).expect(
        "no Chromium: install the package `chromium`, or name the program in PAGES_CHROMIUM",
    )
}

/// Where screenshots go: never into the repository.
fn screenshots() -> PathBuf {
    let named = env::var_os("PAGES_SCREENSHOTS").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| env::temp_dir().join("sigcast-screenshots"));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Tells a story, which must end well; what it asks for, with a value, is answered by `answer`. What it said, which `--nocapture` shows.
pub fn tell(
    story: &str,
    server: &mut Server,
    key: &Key,
    settings: &[(&str, &str)],
    mut answer: impl FnMut(&mut Server, &str, &Value) -> Value,
) -> String {
    let place = packages();
    let _alone = ALONE.lock().unwrap_or_else(|broken| broken.into_inner());
    let mut child = Command::new("node")
        .arg(format!("{story}.mjs"))
        .current_dir(place)
        .env("SIGCAST_URL", server.url())
        .env("SIGCAST_KEY", &key.text)
        .env("SIGCAST_ADMIN_URL", format!("http://{}", server.admin))
        .env("SIGCAST_ADMIN_TOKEN", Server::TOKEN)
        .env("PAGES_CHROMIUM", chromium())
        .env("PAGES_SCREENSHOTS", screenshots())
        .envs(settings.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node");
    let stderr = Arc::new(Mutex::new(String::new()));
    collect(child.stderr.take().unwrap(), stderr.clone());
    let mut stdin = child.stdin.take().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let child = Arc::new(Mutex::new(child));
    // it is killed when its time is over, which ends its lines, too
    let watched = child.clone();
    let watch = thread::spawn(move || {
        let ended = until(OVER_WITHIN, || watched.lock().unwrap().try_wait().unwrap());
        if ended.is_none() {
            let _ = watched.lock().unwrap().kill();
        }
    });
    let mut said = String::new();
    for line in stdout.lines() {
        let line = line.unwrap();
        if let Some(asked) = line.strip_prefix("ask ") {
            let asked: Value = serde_json::from_str(asked).unwrap();
            let answer = answer(server, asked[0].as_str().unwrap(), &asked[1]);
            // a story that failed meanwhile says why by itself
            let _ = writeln!(stdin, "{answer}");
        } else {
            said.push_str(&line);
            said.push('\n');
        }
    }
    watch.join().unwrap();
    let ended = child.lock().unwrap().wait().unwrap();
    let stderr = stderr.lock().unwrap();
    assert!(
        ended.success(),
        "{story}: {ended}; screenshots in {}\n{said}{stderr}",
        screenshots().display()
    );
    eprint!("{said}");
    said
}

/// For stories that ask for nothing.
pub fn nothing(_: &mut Server, asked: &str, _: &Value) -> Value {
    panic!("nobody does {asked}")
}

#[test]
fn a_key_signs_in_and_out_beyond_the_reach_of_scripts() {
    let mut server = Server::start();
    let key = server.alpha_key();
    tell("sign_in", &mut server, &key, &[], nothing);
}

#[test]
fn keys_are_made_used_rotated_and_revoked_and_a_stream_is_closed() {
    let mut server = Server::with(&[("SIGCAST_PLANS__ALPHA__BURST", "0")]);
    let key = server.alpha_key();
    let listened = key.clone();
    let mut stream = None;
    tell("account", &mut server, &key, &[], |server, asked, _| {
        match asked {
            "listen" => stream = Some(server.listen(&listened, "", &[])),
            "closed" => {
                stream.take().expect("a stream").expect("bye");
                return Value::Bool(true);
            }
            other => panic!("nobody does {other}"),
        }
        Value::Null
    });
}

#[test]
fn a_webhook_is_made_tested_and_sent_again() {
    let mut server = Server::with(&HERE);
    let key = server.alpha_key();
    let receiver = Receiver::start();
    tell(
        "hooks",
        &mut server,
        &key,
        &[],
        |server, asked, _| match asked {
            "url" => receiver.url("/hook").into(),
            "publish" => server.publish_sample(1).into(),
            "deliveries" => receiver.deliveries().len().into(),
            other => panic!("nobody does {other}"),
        },
    );
}

#[test]
fn an_operator_makes_changes_and_closes() {
    let mut server = Server::start();
    let key = server.alpha_key();
    let mut stream = None;
    tell("admin", &mut server, &key, &[], |server, asked, value| {
        match asked {
            "publish" => drop(server.publish_sample(1)),
            "listen" => {
                let key = Key {
                    id: String::new(),
                    text: value.as_str().unwrap().to_owned(),
                };
                stream = Some(server.listen(&key, "", &[]));
            }
            "closed" => drop(stream.take().expect("a stream").expect("bye")),
            other => panic!("nobody does {other}"),
        }
        Value::Null
    });
}
