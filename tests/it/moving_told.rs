//! What an export and an import say, and what they leave alone, where something is in the way.

use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt as _, symlink},
    sync::Arc,
    thread,
};

use serde_json::json;

use super::{
    cluster::Database,
    moving::{bring_key, export, import, refused, small, text},
    place::Place,
    server::{Server, until},
    webhooks::{HERE, hook},
    wire::PATIENCE,
};

#[test]
fn an_export_takes_the_place_of_nothing() {
    let (server, _) = small();
    let folder = tempfile::tempdir().unwrap();
    let (link, nowhere) = (folder.path().join("link"), folder.path().join("nowhere"));
    symlink(&nowhere, &link).unwrap();
    let done = server.on_data(&["export", "--out", text(&link)]).output();
    let said = String::from_utf8(done.unwrap().stderr).unwrap();
    assert!(said.contains("is there already"), "{said}");
    assert_eq!(fs::read_link(&link).unwrap(), nowhere, "it is still a link");
    assert!(!nowhere.exists());
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left"
    );
    // in the folder where one stands, which has no name
    let mut here = server.on_data(&["export", "--out", "here"]);
    assert!(
        here.current_dir(folder.path())
            .output()
            .unwrap()
            .status
            .success()
    );
    assert!(folder.path().join("here").is_file());
}

#[test]
fn a_log_that_is_not_the_one_of_its_rows_is_not_taken() {
    let (mut server, _) = small();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    server.kill();
    server.sql("update log_head set seq = 7");
    server.command(&["export", "--out", text(&file)]);
    for args in [["export", "--verify"], ["import", "--in"]] {
        let said = refused(&Place::new(), &[args[0], args[1], text(&file)]);
        assert!(said.contains("its last signal is another one"), "{said}");
    }
}

#[test]
fn a_key_that_is_missing_is_said_to_be_missing() {
    let from = Arc::new(Place::new());
    let server = Server::on(from.clone(), &HERE);
    hook(
        &server,
        &server.alpha_key(),
        &json!({"url": "http://127.0.0.1:9/hook"}),
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    export(&from, &file);
    let place = Place::new();
    let said = import(&place, &file)["webhook_key"].to_string();
    assert!(
        said.contains("webhook.key: there is no such file"),
        "{said}"
    );
    assert!(!place.folder.join("webhook.key").exists(), "none is made");
    // one that is another's is said to be that
    let place = Place::new();
    fs::write(
        place.folder.join("webhook.key"),
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    )
    .unwrap();
    restrict(&place);
    let said = import(&place, &file)["webhook_key"].to_string();
    assert!(said.contains("is not the one that sealed"), "{said}");
    let place = Place::new();
    bring_key(&from, &place);
    assert_eq!(import(&place, &file)["webhook_key"], json!(null));
}

/// For its owner's eyes alone.
fn restrict(place: &Place) {
    let key = File::open(place.folder.join("webhook.key")).unwrap();
    key.set_permissions(fs::Permissions::from_mode(0o600))
        .unwrap();
}

/// Seconds for which another one holds the table: longer than the library takes a statement for quick.
const HELD: &str = "1.5";

#[test]
fn an_import_that_waits_shows_no_statements() {
    let (server, _) = small();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    server.command(&["export", "--out", text(&file)]);
    let place = Place::on(Database::fresh());
    let database = place.database();
    thread::scope(|scope| {
        scope.spawn(|| {
            database.run(&format!(
                "begin; lock table nodes in exclusive mode; select pg_sleep({HELD}); commit"
            ));
        });
        let is_held = "select count(*) from pg_locks join pg_database on pg_database.oid = pg_locks.database
            where datname = current_database() and relation = 'nodes'::regclass and mode = 'ExclusiveLock' and granted";
        until(PATIENCE, || (database.number(is_held) > 0).then_some(())).expect("it is held");
        let done = place
            .command(&["import", "--in", text(&file)])
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(
            !said.contains("statement") && !said.contains("lock table"),
            "{said}"
        );
    });
}
