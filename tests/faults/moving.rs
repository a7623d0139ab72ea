//! Exports and imports that are ended in the middle, by a signal or a kill: of what is not whole nothing is left, and nothing of others' is touched.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::harness::{
    cluster::Database,
    place::{DATABASE_URL, Place},
    proxy::Proxy,
    server::{Server, until},
    wire::PATIENCE,
};
use crate::{alone, size, tell};

/// Letters of each row.
const LETTERS: usize = 1_000;
/// An export that has written so much is under way.
const BEGUN: u64 = 2 << 20;
/// Looks like what an export leaves, and is somebody's.
const THEIRS: &str = "store.0123456789abcdef.part";

fn rows() -> usize {
    size(40_000, 400_000)
}

/// A store that takes its time.
fn large() -> Arc<Place> {
    let place = Arc::new(Place::new());
    let mut server = Server::on(place.clone(), &[]);
    server.kill();
    let rows = rows();
    server.sql(&format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
         insert into facts (arrival, kind, subject, time, arrived_at, backfill, body) select i, 0, 0, i, i, 1, printf('%.*c', {LETTERS}, 'x') from n"
    ));
    place
}

/// The same on PostgreSQL.
fn large_on_postgres() -> Place {
    let database = Database::fresh();
    let rows = rows();
    database.run(&format!(
        "insert into facts (arrival, kind, subject, time, arrived_at, backfill, body)
         select i, 0, 0, i, i, true, repeat('x', {LETTERS}) from generate_series(1, {rows}) i"
    ));
    Place::on(database)
}

/// A folder in which somebody keeps something already.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(THEIRS), "theirs").unwrap();
    folder
}

/// What lies in a folder, but for what is theirs, which must.
fn left(folder: &Path) -> Vec<PathBuf> {
    assert_eq!(fs::read_to_string(folder.join(THEIRS)).unwrap(), "theirs");
    let all = fs::read_dir(folder).unwrap().map(|one| one.unwrap().path());
    all.filter(|path| !path.ends_with(THEIRS)).collect()
}

fn send(child: &Child, signal: i32) {
    // proof: the child has not been waited for, so the id is still its own
    let sent = unsafe { libc::kill(child.id() as i32, signal) };
    assert_eq!(sent, 0, "signal {signal} could not be sent");
}

fn ended(mut child: Child) -> Output {
    until(PATIENCE, || child.try_wait().unwrap()).expect("it ends by the signal");
    child.wait_with_output().unwrap()
}

/// It ended by the signal, and says so.
fn expect_stopped(output: &Output, signal: i32, name: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(128 + signal), "{output:?}");
    assert!(said.contains(&format!("stopped by {name}")), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

/// Begins an export, and waits until a part of it is there.
fn begun(mut export: Command, folder: &Path) -> Child {
    let out = folder.join("store");
    // SAFETY: between fork and exec both calls are allowed. Tests that outlive their terminal have the signal ignored, which programs inherit;
    // and who stops the export has to be quicker than the export.
    unsafe {
        export.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
            libc::nice(19);
            Ok(())
        })
    };
    let mut child = export
        .args(["--out".as_ref(), out.as_os_str()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until(PATIENCE, || {
        assert!(child.try_wait().unwrap().is_none(), "it has ended already");
        let some = left(folder)
            .into_iter()
            .find_map(|path| path.metadata().ok());
        some.filter(|some| some.len() >= BEGUN)
    })
    .expect("a part of the export");
    child
}

/// It stands still in the middle: the whole file would be far larger, and its name is free.
fn expect_middle(folder: &Path) -> PathBuf {
    let left = left(folder);
    let [part] = left.as_slice() else {
        panic!("one part is there: {left:?}")
    };
    let name = part.file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with("store.") && name.ends_with(".part"),
        "{name}"
    );
    let written = fs::metadata(part).unwrap().len();
    let whole = (rows() * LETTERS) as u64;
    assert!(
        (BEGUN..whole * 3 / 4).contains(&written),
        "{written} of {whole}"
    );
    part.clone()
}

#[test]
fn an_export_that_is_stopped_leaves_nothing() {
    let _alone = alone();
    let place = large();
    let stops = [
        (libc::SIGINT, "SIGINT"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGHUP, "SIGHUP"),
    ];
    for (signal, name) in stops {
        let folder = folder();
        let child = begun(place.command(&["export"]), folder.path());
        // the signal waits while nothing moves: what is looked at here is how it finds the export
        send(&child, libc::SIGSTOP);
        expect_middle(folder.path());
        send(&child, signal);
        send(&child, libc::SIGCONT);
        expect_stopped(&ended(child), signal, name);
        assert_eq!(left(folder.path()), [] as [PathBuf; 0], "{name}");
    }
    // a kill gives no time: what it leaves is nobody's, and in nobody's way
    let folder = folder();
    let mut child = begun(place.command(&["export"]), folder.path());
    send(&child, libc::SIGSTOP);
    let part = expect_middle(folder.path());
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    let before = fs::metadata(&part).unwrap().len();
    let out = folder.path().join("store");
    let mut again = place.command(&["export", "--out", out.to_str().unwrap()]);
    let again = again.output().unwrap();
    assert!(again.status.success(), "{again:?}");
    let mut left = left(folder.path());
    left.sort();
    assert_eq!(left, [out, part.clone()]);
    assert_eq!(fs::metadata(&part).unwrap().len(), before);
    tell(format_args!(
        "3 exports stopped, 1 killed, of {} rows",
        rows()
    ));
}

#[test]
fn an_export_of_a_database_that_is_silent_is_stopped() {
    let _alone = alone();
    let place = large_on_postgres();
    let database = place.database();
    let to: SocketAddr = database.address().parse().unwrap();
    let way = Proxy::to(to);
    // so slow that it is cut in the middle
    way.delay(Duration::from_millis(2));
    let folder = folder();
    let mut export = place.command(&["export"]);
    export.env(DATABASE_URL, database.url_at(way.address.port()));
    let child = begun(export, folder.path());
    way.cut(true);
    expect_middle(folder.path());
    send(&child, libc::SIGTERM);
    expect_stopped(&ended(child), libc::SIGTERM, "SIGTERM");
    assert_eq!(left(folder.path()), [] as [PathBuf; 0]);
}

#[test]
fn an_import_that_is_stopped_leaves_an_empty_database() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let file = file.to_str().unwrap();
    let exported = large().command(&["export", "--out", file]).output();
    assert!(exported.unwrap().status.success());
    let store = fs::read(file).unwrap();
    for place in [Place::new(), Place::on(Database::fresh())] {
        let mut import = place.command(&["import"]);
        let import = import.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = import.stderr(Stdio::piped()).spawn().unwrap();
        // it has read all but what the pipe holds, of which a few pieces wait; and the end never comes
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&store[..store.len() / 2]).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "it waits for more");
        send(&child, libc::SIGINT);
        expect_stopped(&ended(child), libc::SIGINT, "SIGINT");
        drop(pipe);
        let beside = place.folder.join("sigcast.db-wal");
        assert!(!beside.exists(), "what was written of it is gone");
        let whole = place.command(&["import", "--in", file]).output().unwrap();
        assert!(whole.status.success(), "it is empty still: {whole:?}");
    }
}

/// The moments are by the clock: whichever it meets, what is said is what is there.
#[test]
fn an_import_that_is_stopped_at_its_end_says_what_is_in() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    let file = file.to_str().unwrap();
    let exported = large().command(&["export", "--out", file]).output();
    assert!(exported.unwrap().status.success());
    let import = |place: &Place| place.command(&["import", "--in", file]);
    let began = Instant::now();
    assert!(import(&Place::new()).output().unwrap().status.success());
    let whole = began.elapsed();
    let (mut stopped, mut late) = (0, 0);
    for moment in [0.3, 0.8, 0.86, 0.9, 0.93, 0.96, 1.0, 1.1] {
        let place = Place::new();
        let mut child = import(&place)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(whole.mul_f64(moment));
        if child.try_wait().unwrap().is_none() {
            send(&child, libc::SIGINT);
        }
        let output = ended(child);
        let again = import(&place).output().unwrap();
        if output.status.success() {
            late += 1;
            let said = String::from_utf8_lossy(&again.stderr);
            assert!(said.contains("there is a store"), "{said}");
        } else {
            stopped += 1;
            expect_stopped(&output, libc::SIGINT, "SIGINT");
            assert!(again.status.success(), "it is empty: {again:?}");
        }
    }
    assert!(stopped > 0, "a signal came in the middle");
    tell(format_args!("{stopped} imports stopped, {late} too late"));
}
