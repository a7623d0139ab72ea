//! A store that moves: from SQLite to PostgreSQL and back, with all that is in it, and everybody goes on where they stood.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    cluster::Database,
    crash, insider_data,
    place::Place,
    receiver::{Manner, Receiver},
    server::{Key, Server, sample},
    webhooks::{HERE, change, hook, state, wait_for_state},
    wire::PATIENCE,
};

/// Facts that come live: enough that some signals fire.
const LIVE: usize = 3_000;

fn run(place: &Place, args: &[&str]) -> Output {
    place.command(args).output().unwrap()
}

/// Runs it; what it says in JSON.
fn good(place: &Place, args: &[&str]) -> Value {
    let done = run(place, &[args, &["--json"]].concat());
    assert!(done.status.success(), "{args:?}: {done:?}");
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Runs it; why it did nothing.
pub fn refused(place: &Place, args: &[&str]) -> String {
    let done = run(place, args);
    assert_eq!(done.status.code(), Some(1), "{args:?}: {done:?}");
    assert!(done.stdout.is_empty(), "{done:?}");
    String::from_utf8(done.stderr).unwrap()
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn export(place: &Place, to: &Path) -> Value {
    good(place, &["export", "--out", text(to)])
}

pub fn import(place: &Place, from: &Path) -> Value {
    good(place, &["import", "--in", text(from)])
}

/// A file without its first line, which says when it was written, and what follows from that.
fn rows(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
    let mut end: Value = serde_json::from_str(&lines.pop().unwrap()).unwrap();
    end["end"]["sha256"] = Value::Null;
    lines.push(end.to_string());
    lines
}

/// The same rows, or the first that differs.
fn same(one: &Path, other: &Path) {
    let (one, other) = (rows(one), rows(other));
    for (line, (one, other)) in one.iter().zip(&other).enumerate() {
        assert_eq!(one, other, "line {}", line + 2);
    }
    assert_eq!(one.len(), other.len());
}

fn count_of(path: &Path, table: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let end: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    end["end"]["tables"][table]["rows"].as_u64().unwrap()
}

/// Ends as it should, so that nothing of it is under way.
fn stop(mut server: Server) {
    server.terminate();
    assert!(server.exit_within(PATIENCE).success());
}

/// What the API says of the insider data, of the account, and of the log.
fn told(server: &Server, key: &Key) -> Vec<(String, Value)> {
    let declaration = "/api/v1/declarations/SEC:0000000000-00-000012";
    let paths = [
        "/api/v1/companies?sort=marketCap",
        "/api/v1/insiders",
        "/api/v1/declarations?limit=200&include=backtest",
        "/api/v1/declarations?q=&limit=1",
        declaration,
        &format!("{declaration}/score"),
        "/api/v1/signals?lookbackDays=90&minScore=0",
        "/api/v1/backtest",
        "/api/v1/search?q=ot",
        "/api/v1/strategy/winning",
        "/api/v1/markets",
        "/api/v1/stats",
        "/api/v1/webhooks",
        "/api/v1/deliveries?limit=200",
        "/api/signals?limit=200",
        "/api/signals/digest",
    ];
    let ask = |path: &str| {
        let mut body = server.get(path, key).json();
        let shown = body.as_object_mut().unwrap();
        shown.remove("meta");
        // what is under way for some seconds, and streams that end, are not of the store
        shown.remove("summary");
        for item in shown
            .get_mut("items")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            item.as_object_mut().unwrap().remove("streams");
        }
        (path.to_owned(), body)
    };
    paths.into_iter().map(ask).collect()
}

fn usage(server: &Server, key: &Key) -> i64 {
    let me = server.get("/api/v1/me", key).ok_json();
    me["usage"]["total"].as_i64().unwrap()
}

/// A store with everything in it, served.
struct Full {
    place: Arc<Place>,
    server: Server,
    key: Key,
    receiver: Receiver,
    /// Of a webhook of which a message waits.
    busy: String,
    live: String,
}

fn full() -> Full {
    let place = Arc::new(insider_data::place());
    let (past, live) = crash::market();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), crash::lines(&past)).unwrap();
    good(
        &place,
        &["ingest", "swaps", "--backfill", text(file.path())],
    );
    let server = Server::on(place.clone(), &HERE);
    let key = server.alpha_key();
    let receiver = Receiver::start();
    receiver.behave("/busy", Manner::busy("3600"));
    let busy = hook(
        &server,
        &key,
        &json!({"url": receiver.url("/busy"), "filter": {"types": ["odd"]}}),
    );
    hook(&server, &key, &json!({"url": receiver.url("/hook")}));
    let live = crash::lines(&live[..LIVE]);
    server.admin("POST", "/v1/swaps", &live);
    // with what a map would spell otherwise, and a character that PostgreSQL cannot keep beside it
    let odd = r#"{"signal_type":"odd","id":"00000000-0000-4000-8000-00000000abcd","rank_score":1.50,"z":"é\u0041","token":{"address":"a\u0000b"}}"#;
    server.admin("POST", "/v1/signals", odd).ok_json();
    server.publish(&sample(1));
    // saved some seconds after it was written: here at once, for a stream of the past
    server.sql(&format!(
        "insert into stream_writes select 'a node', 1, 1, account_id, id, epoch, 0, 1, null, created_at, created_at, created_at
         from api_keys cross join log_head where id = '{}'",
        key.id
    ));
    Full {
        place,
        server,
        key,
        receiver,
        busy,
        live,
    }
}

/// Takes the key that seals secrets of webhooks along.
pub fn bring_key(from: &Place, to: &Place) {
    let name = "webhook.key";
    fs::copy(from.folder.join(name), to.folder.join(name)).unwrap();
}

#[test]
fn a_store_moves_to_postgres_and_back_and_everybody_goes_on() {
    let Full {
        place,
        server,
        key,
        receiver,
        busy,
        live,
    } = full();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    wait_for_state(&server, &key, &busy, |state| {
        state["state"]["waiting"] != 0 && state["state"]["behind"] == 0
    });
    let head = server.get("/api/signals?limit=1", &key).ok_json()["head"]
        .as_i64()
        .unwrap();
    assert!(head > 10, "signals have fired: {head}");
    receiver
        .wait_until(PATIENCE, |all| {
            all.iter().filter(|one| &*one.path == "/hook").count() as i64 == head
        })
        .expect("each was sent");
    let epoch = server.epoch(&key);
    let behind = head - 5;
    let resumes = [("last-event-id", format!("{epoch}-{behind}"))];
    let resumes = resumes.each_ref().map(|(name, id)| (*name, id.as_str()));
    let mut stream = server.listen(&key, "", &resumes);
    let rest: Vec<String> = (behind..head)
        .map(|_| stream.event(PATIENCE))
        .map(|frame| format!("{frame:?}"))
        .collect();
    drop(stream);
    let before = told(&server, &key);
    let used = usage(&server, &key);
    let waited = state(&server, &key, &busy)["state"]["waiting"].clone();
    stop(server);
    let sent = receiver.drain().len();
    assert!(sent > 0);

    // to PostgreSQL
    let said = export(&place, &file("one"));
    assert_eq!(said["log"]["to"], format!("{epoch}-{head}"));
    let mode = fs::metadata(file("one")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for table in [
        "facts",
        "positions",
        "episodes",
        "filings",
        "assessments",
        "closes",
        "hook_messages",
        "hook_attempts",
        "usage_counters",
        "stream_writes",
    ] {
        assert!(count_of(&file("one"), table) > 0, "{table}");
    }
    let pg = Arc::new(Place::on(Database::fresh()));
    let taken = import(&pg, &file("one"));
    assert_eq!(
        (&taken["epoch"], &taken["head"]),
        (&json!(epoch), &json!(head))
    );
    assert_eq!(taken["digest"], said["log"]["digest"]);
    let trouble = taken["webhook_key"]
        .as_str()
        .expect("its key is not there yet");
    assert!(trouble.contains("webhook.key"), "{trouble}");
    export(&pg, &file("two"));
    same(&file("one"), &file("two"));

    // and on there
    bring_key(&place, &pg);
    let server = Server::on(pg.clone(), &HERE);
    assert!(usage(&server, &key) > used, "what was used stays used");
    let after = told(&server, &key);
    for ((path, before), (_, after)) in before.iter().zip(&after) {
        assert_eq!(before, after, "{path}");
    }
    let mut stream = server.listen(&key, "", &resumes);
    for expected in &rest {
        assert_eq!(&format!("{:?}", stream.event(PATIENCE)), expected);
    }
    let again = server.admin("POST", "/v1/swaps", &live).text();
    assert!(!again.contains("\"duplicate\":false"), "facts are known");
    let next = server.publish(&sample(2));
    assert_eq!(next["seq"], head + 1, "and fire nothing twice");
    let frame = stream.expect("signal");
    assert_eq!(frame.id, format!("{epoch}-{}", head + 1));
    let came = receiver.wait_for(1, PATIENCE).expect("the new one");
    assert_eq!(
        came.iter().map(|one| one.seq).collect::<Vec<_>>(),
        [Some(head + 1)]
    );
    // what waited is sent as soon as its receiver is said to be well
    assert_eq!(state(&server, &key, &busy)["state"]["waiting"], waited);
    receiver.behave("/busy", Manner::fine());
    change(&server, &key, &busy, &json!({"enabled": false}));
    change(&server, &key, &busy, &json!({"enabled": true}));
    wait_for_state(&server, &key, &busy, |state| state["state"]["waiting"] == 0);
    drop(stream);
    stop(server);

    // and back
    export(&pg, &file("three"));
    let back = Arc::new(Place::new());
    bring_key(&place, &back);
    let taken = import(&back, &file("three"));
    assert_eq!(taken["webhook_key"], Value::Null);
    export(&back, &file("four"));
    same(&file("three"), &file("four"));
    let server = Server::on(back, &HERE);
    let mut stream = server.listen(&key, "", &resumes);
    for expected in &rest {
        assert_eq!(&format!("{:?}", stream.event(PATIENCE)), expected);
    }
    assert_eq!(stream.expect("signal").data, frame.data);
    assert_eq!(server.publish(&sample(3))["seq"], head + 2);
    receiver
        .wait_until(PATIENCE, |all| {
            all.iter().any(|one| one.seq == Some(head + 2))
        })
        .expect("sent from here");
}

/// A small store: an account with a key, some signals.
pub fn small() -> (Server, Key) {
    let server = Server::with(&HERE);
    let key = server.alpha_key();
    for n in 1..=5 {
        server.publish_sample(n);
    }
    (server, key)
}

#[test]
fn a_running_server_is_exported_and_never_imported_into() {
    let (server, key) = small();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let digest = server.get("/api/signals/digest", &key).ok_json();
    let digest = digest["digest"].as_str().unwrap();
    let exported = server.command(&["export", "--out", text(&file)]);
    let said = String::from_utf8(exported.stdout).unwrap();
    assert!(
        said.contains(": 5, digest") && said.contains(digest),
        "{said}"
    );
    let whole = server.command(&["export", "--verify", text(&file)]).stdout;
    assert!(String::from_utf8(whole).unwrap().contains(digest));
    // by a pipe it is the same, and what is said stands beside it
    let piped = server.command(&["export"]);
    assert!(String::from_utf8(piped.stderr).unwrap().contains(digest));
    let piped_file = folder.path().join("piped");
    fs::write(&piped_file, piped.stdout).unwrap();
    same(&file, &piped_file);

    let import = |server: &Server| {
        let done = server
            .on_data(&["import", "--in", text(&file)])
            .output()
            .unwrap();
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        String::from_utf8(done.stderr).unwrap()
    };
    assert!(import(&server).contains("stop it first"));
    let on_postgres = Server::on(Place::on(Database::fresh()), &HERE);
    assert!(import(&on_postgres).contains("stop it first"));
    assert_eq!(
        on_postgres.publish(&sample(1))["seq"],
        1,
        "nothing was changed"
    );
    // from another folder, too: the database is asked
    let url = on_postgres
        .on_data(&[])
        .get_envs()
        .find_map(|(name, value)| {
            (name == "SIGCAST_DATABASE_URL").then(|| value.unwrap().to_owned())
        });
    let elsewhere = tempfile::tempdir().unwrap();
    let beside = super::place::sigcast()
        .args([
            "import",
            "--in",
            text(&file),
            "--data-dir",
            text(elsewhere.path()),
        ])
        .env("SIGCAST_DATABASE_URL", url.unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8(beside.stderr).unwrap();
    assert!(
        !beside.status.success() && said.contains("works on this database"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_taken_whole_changes_nothing() {
    let (server, key) = small();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    server.command(&["export", "--out", text(&file("store"))]);
    let there = server
        .on_data(&["export", "--out", text(&file("store"))])
        .output()
        .unwrap();
    assert!(
        String::from_utf8(there.stderr)
            .unwrap()
            .contains("is there already")
    );
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|one| one.unwrap().file_name())
        .collect();
    assert_eq!(names, ["store"], "and leaves nothing");
    let epoch = server.epoch(&key);
    stop(server);
    let store = fs::read_to_string(file("store")).unwrap();
    let put = |name: &str, text: &str| fs::write(file(name), text).unwrap();
    put("cut", &store[..store.rfind("{\"end\"").unwrap()]);
    put("half", &store[..store.len() / 2]);
    put("changed", &store.replacen("94.2", "94.3", 1));
    put(
        "twice",
        &store.replacen("[1,\"00000000", "[2,\"00000000", 1),
    );
    put("foreign", "id,name\n");
    for place in [Place::new(), Place::on(Database::fresh())] {
        for (name, why) in [
            ("cut", "it has no end"),
            ("half", "it has no end"),
            ("changed", "it was changed: the rows of signals"),
            ("twice", "rows of signals"),
            ("foreign", "no export of sigcast"),
            ("missing", "cannot be read"),
        ] {
            let said = refused(&place, &["import", "--in", text(&file(name))]);
            assert!(said.contains(why) && said.contains(name), "{name}: {said}");
            if name != "twice" {
                let said = refused(&place, &["export", "--verify", text(&file(name))]);
                assert!(said.contains(why), "{name}: {said}");
            }
        }
        // killed in the middle of it
        let mut half = place.command(&["import"]);
        let mut half = half.stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = half.stdin.take().unwrap();
        pipe.write_all(&store.as_bytes()[..store.len() / 2])
            .unwrap();
        half.kill().unwrap();
        half.wait().unwrap();
        // by a pipe, and with another epoch: some of its clients have more than this
        let mut piped = place.command(&["import", "--new-epoch", "--json"]);
        let done = piped
            .stdin(Stdio::from(fs::File::open(file("store")).unwrap()))
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let said: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_ne!(said["epoch"], epoch);
        let again = refused(&place, &["import", "--in", text(&file("store"))]);
        assert!(
            again.contains("there is a store in this database already"),
            "{again}"
        );
        let server = Server::on(place, &HERE);
        let old = format!("{epoch}-5");
        let mut stream = server.listen(&key, "", &[("last-event-id", &old)]);
        let gap = stream.expect("gap").json();
        assert_eq!(gap["reason"], "epoch_changed");
        // nothing of the backup comes by itself: it is in the list that is named
        let list = server
            .get(gap["backfill"].as_str().unwrap(), &key)
            .ok_json();
        assert_eq!(list["items"].as_array().unwrap().len(), 5);
        assert_eq!(server.publish(&sample(6))["seq"], 6);
        stream.expect("signal");
    }
}
