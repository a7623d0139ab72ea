//! `sigcast webhooks` beside a running server, and the key that seals secrets: found, made, refused.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output},
    thread,
};

use serde_json::{Value, json};

use super::{
    place::{Place, sigcast},
    server::{Server, sample},
    webhook_owner::{Endpoint, Owner, SETTINGS, text},
};

const KEY: &str = "SIGCAST_WEBHOOK_KEY";
/// 32 bytes in base64.
const A_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const ANOTHER_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

fn command(owner: &Owner, args: &[&str]) -> Command {
    let mut command = owner.server.on_data(&["webhooks"]);
    command.args(args).envs(SETTINGS);
    command
}

fn run(owner: &Owner, args: &[&str]) -> Output {
    command(owner, args).output().unwrap()
}

fn told(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    text
}

fn as_json(output: &Output) -> Value {
    serde_json::from_str(&told(output)).unwrap()
}

/// The command must end with 1 and say this.
fn expect_refusal(output: &Output, word: &str) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said.contains(word), "{word}: {said}");
}

#[test]
fn the_command_and_the_server_see_the_same() {
    let owner = Owner::new();
    let endpoint = Endpoint::new();
    let epoch = owner.server.epoch(&owner.key);
    for n in 1..=3 {
        owner.server.publish_sample(n);
    }
    let add = [
        "add",
        "--account",
        &owner.account,
        "--url",
        &endpoint.url,
        "--type",
        "consensus_buy",
        "--type",
        "insider_buy",
        "--min-rank",
        "A",
        "--min-score",
        "60.5",
        "--market",
        "crypto",
        "--description",
        "mine",
        "--compat",
        "sigmate",
        "--ordered",
        "--disabled",
        "--start-after",
        "1",
        "--json",
    ];
    let made = as_json(&run(&owner, &add));
    let id = text(&made, "id").to_owned();
    let secret = text(&made, "secret").to_owned();
    let seen = owner.read(&id);
    for (name, value) in made.as_object().unwrap() {
        if !matches!(name.as_str(), "secret" | "account_id") {
            assert_eq!(&seen[name], value, "{name}");
        }
    }
    assert_eq!(
        seen["filter"]["types"],
        json!(["consensus_buy", "insider_buy"])
    );
    assert_eq!(seen["state"]["sent_to"], format!("{epoch}-1"));

    let listed = as_json(&run(
        &owner,
        &["list", "--account", &owner.account, "--json"],
    ));
    assert_eq!(
        (&listed[0]["id"], &listed[0]["account_id"]),
        (&json!(id), &json!(owner.account))
    );
    let in_words = told(&run(&owner, &["list"]));
    assert!(
        in_words.contains(&id) && in_words.contains("disabled"),
        "{in_words}"
    );
    let shown = told(&run(&owner, &["show", &id]));
    assert!(
        shown.contains(&format!("sent to: {epoch}-1 (2 signals behind)")),
        "{shown}"
    );

    let set = [
        "set",
        &id,
        "--no-filter",
        "--compat",
        "none",
        "--ordered",
        "false",
        "--description",
        "ours",
    ];
    told(&run(&owner, &set));
    let seen = owner.read(&id);
    let nothing = json!({"types": null, "min_rank": null, "min_score": null, "market": null});
    assert_eq!(
        (&seen["filter"], &seen["compat"], &seen["ordered"]),
        (&nothing, &Value::Null, &json!(false))
    );
    told(&run(&owner, &["set", &id, "--min-rank", "S"]));
    assert_eq!(owner.read(&id)["filter"]["min_rank"], "S");

    let rotated = told(&run(&owner, &["rotate", &id]));
    let newer = rotated.lines().next().unwrap();
    let newer = newer
        .strip_prefix("secret (shown this once): ")
        .unwrap()
        .to_owned();
    let (got, tested) = thread::scope(|scope| {
        let tested = scope.spawn(|| run(&owner, &["test", &id]));
        let got = endpoint.answer("500 Internal Server Error", "\u{1b}[31mno");
        (got, tested.join().unwrap())
    });
    assert_eq!(got.is_signed_by(&[&secret, &newer]), [true, true]);
    assert_eq!(tested.status.code(), Some(1), "it was not acknowledged");
    let line = String::from_utf8_lossy(&tested.stdout).into_owned();
    assert!(
        line.contains("500") && line.contains("test") && !line.contains('\u{1b}'),
        "{line:?}"
    );
    thread::scope(|scope| {
        let tested = scope.spawn(|| run(&owner, &["test", &id, "--json"]));
        endpoint.answer("200 OK", "");
        assert_eq!(as_json(&tested.join().unwrap())["error"], Value::Null);
    });
    let attempts = as_json(&run(&owner, &["attempts", &id, "--limit", "1", "--json"]));
    assert_eq!(
        (
            attempts["items"].as_array().unwrap().len(),
            &attempts["items"][0]["status"]
        ),
        (1, &json!(200))
    );
    let older = attempts["next"].to_string();
    let older = told(&run(&owner, &["attempts", &id, "--before", &older]));
    assert_eq!(older.lines().count(), 1, "{older}");

    let first = text(&sample(1), "id").to_owned();
    let again = told(&run(&owner, &["resend", &id, "--signal", &first]));
    assert!(again.contains(&first), "{again}");
    assert_eq!(owner.read(&id)["state"]["waiting"], 1);
    let range = as_json(&run(
        &owner,
        &["resend", &id, "--after", &format!("{epoch}-0"), "--json"],
    ));
    assert_eq!(range["until"], format!("{epoch}-3"));
    told(&run(
        &owner,
        &["resend", &id, "--failed-since", "2026-04-24"],
    ));
    owner.holds("(select count(*) from hook_ranges) = 2");
    owner.server.sql("update hook_messages set next_at = null");
    let failed = told(&run(&owner, &["failed", &id]));
    assert!(failed.contains(&first), "{failed}");
    assert_eq!(
        as_json(&run(&owner, &["failed", &id, "--json"]))["total"],
        1
    );

    let all = format!("{in_words}{shown}{line}{}", owner.server.stderr());
    assert!(!all.contains(&secret["whsec_".len()..]) && !all.contains(&newer["whsec_".len()..]));
    told(&run(&owner, &["remove", &id]));
    owner
        .ask("GET", &format!("/{id}"), "")
        .expect_error(404, "webhook_not_found");
}

#[test]
fn what_the_command_cannot_do_it_says() {
    let owner = Owner::new();
    let (account, url) = (owner.account.as_str(), "https://example.com/");
    let free = owner.server.account("free");
    let nobody = "00000000-0000-4000-8000-000000000000";
    for (args, word) in [
        (
            &["add", "--account", "x", "--url", url][..],
            "there is no account x",
        ),
        (
            &["add", "--account", &free, "--url", url],
            "free, includes no webhooks",
        ),
        (
            &["add", "--account", account, "--url", "ftp://example.com/"],
            "`ftp:` is not allowed",
        ),
        (
            &["add", "--account", account, "--url", url, "--min-rank", "E"],
            "filter.min_rank",
        ),
        (
            &[
                "add",
                "--account",
                account,
                "--url",
                url,
                "--min-score",
                "nan",
            ],
            "filter.min_score",
        ),
        (
            &[
                "add",
                "--account",
                account,
                "--url",
                url,
                "--start-after",
                "9",
            ],
            "start_after",
        ),
        (
            &["add", "--account", account, "--url", url, "--compat", "x"],
            "compat",
        ),
        (&["list", "--account", "x"], "there is no account x"),
        (&["show", "x"], "there is no webhook x"),
        (&["show", nobody], "sigcast webhooks list"),
        (&["set", nobody, "--disable"], "there is no webhook"),
        (&["remove", nobody], "there is no webhook"),
        (&["rotate", nobody], "there is no webhook"),
        (&["test", nobody], "there is no webhook"),
        (
            &["resend", nobody, "--failed-since", "2026-04-24"],
            "there is no webhook",
        ),
        (&["attempts", nobody], "there is no webhook"),
        (&["failed", nobody], "there is no webhook"),
        (&["set", nobody], "nothing is to be changed"),
        (&["resend", nobody], "--failed-since"),
        (&["attempts", nobody, "--limit", "201"], "limit"),
    ] {
        expect_refusal(&run(&owner, args), word);
    }
}

#[test]
fn the_key_is_made_once_for_its_owner_alone_and_holds() {
    let mut owner = Owner::new();
    let file = owner
        .server
        .on_data(&[])
        .get_args()
        .last()
        .map(|folder| std::path::Path::new(folder).join("webhook.key"));
    let file = file.unwrap();
    let key = fs::read_to_string(&file).unwrap();
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let made = owner.make(&json!({"url": "https://example.com/", "enabled": false}));
    let id = text(&made, "id").to_owned();
    owner.server.restart();
    assert_eq!(fs::read_to_string(&file).unwrap(), key);
    let rotate = |key: &str| {
        let mut rotate = command(&owner, &["rotate", &id]);
        rotate.env(KEY, key).output().unwrap()
    };
    told(&rotate(key.trim()));
    for (wrong, word) in [
        (
            ANOTHER_KEY,
            "SIGCAST_WEBHOOK_KEY is not the one that sealed",
        ),
        ("AAAA", "SIGCAST_WEBHOOK_KEY: it does not have 32 bytes"),
        ("no base64", "SIGCAST_WEBHOOK_KEY: it is not base64"),
    ] {
        let output = rotate(wrong);
        expect_refusal(&output, word);
        assert!(!format!("{output:?}").contains(wrong), "{output:?}");
    }
    // reading needs no key
    let mut list = command(&owner, &["list"]);
    assert!(told(&list.env(KEY, ANOTHER_KEY).output().unwrap()).contains(&id));
    // lost, it is not replaced by one that opens nothing
    fs::remove_file(&file).unwrap();
    expect_refusal(&run(&owner, &["rotate", &id]), file.to_str().unwrap());
    assert!(!file.exists());
    fs::write(&file, &key).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    expect_refusal(
        &run(&owner, &["rotate", &id]),
        "everybody on this machine can read it",
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    told(&run(&owner, &["rotate", &id]));
    let mut named = command(&owner, &["rotate", &id]);
    named.env("SIGCAST_WEBHOOK__KEY_FILE", "/nowhere/webhook.key");
    expect_refusal(
        &named.output().unwrap(),
        "/nowhere/webhook.key: there is no such file",
    );
}

#[test]
fn a_server_with_another_key_does_not_start() {
    let place = Place::new();
    let serve = |key: &str| {
        let mut serve = place.command(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ]);
        serve.env(KEY, key);
        serve
    };
    expect_refusal(&serve("AAAA").output().unwrap(), "32 bytes");
    let made = place
        .command(&[
            "accounts", "create", "--name", "x", "--plan", "pro", "--json",
        ])
        .output();
    let account = as_json(&made.unwrap());
    let add = [
        "webhooks",
        "add",
        "--account",
        text(&account, "id"),
        "--url",
        "https://example.com/",
    ];
    told(&place.command(&add).env(KEY, A_KEY).output().unwrap());
    let refused = serve(ANOTHER_KEY).output().unwrap();
    expect_refusal(
        &refused,
        "is not the one that sealed the secrets in this database",
    );
    let said = format!("{refused:?}");
    assert!(
        !said.contains(A_KEY) && !said.contains(ANOTHER_KEY),
        "{said}"
    );
    assert!(
        !place.folder.join("webhook.key").exists(),
        "none is made beside it"
    );
}

#[test]
fn where_the_key_is_lost_every_secret_is_rotated() {
    let owner = Owner::new();
    let endpoint = Endpoint::new();
    let made = owner.make(&json!({"url": endpoint.url, "enabled": false}));
    let id = text(&made, "id").to_owned();
    let by_another = |args: &[&str]| {
        let mut command = command(&owner, args);
        command.env(KEY, ANOTHER_KEY).output().unwrap()
    };
    expect_refusal(&by_another(&["rotate", &id]), "webhooks rekey");
    expect_refusal(&by_another(&["rekey"]), "--lost");
    assert!(told(&by_another(&["rekey", "--lost"])).contains(&format!("rotate {id}")));
    expect_refusal(&by_another(&["test", &id]), "cannot be opened");
    let rotated = as_json(&by_another(&["rotate", &id, "--json"]));
    assert_eq!(rotated["old_secret_until"], Value::Null);
    thread::scope(|scope| {
        let tested = scope.spawn(|| by_another(&["test", &id]));
        let got = endpoint.answer("200 OK", "");
        let secrets = [text(&made, "secret"), text(&rotated, "secret")];
        assert_eq!(got.is_signed_by(&secrets), [false, true]);
        told(&tested.join().unwrap());
    });
    // whose key was the right one before
    expect_refusal(&run(&owner, &["rotate", &id]), "is not the one that sealed");
}

#[test]
fn help_names_every_command() {
    let help = sigcast().args(["webhooks", "--help"]).output().unwrap();
    let help = told(&help);
    for word in [
        "list", "add", "show", "set", "remove", "rotate", "rekey", "test", "resend", "attempts",
        "failed",
    ] {
        assert!(help.contains(&format!("  {word} ")), "{word}: {help}");
    }
    let server = Server::start();
    let none = server
        .on_data(&["webhooks", "list", "--json"])
        .output()
        .unwrap();
    assert_eq!(as_json(&none), json!([]));
}
