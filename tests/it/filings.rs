//! Insider filings by command and by HTTP: what goes in, what is refused, what is left after a kill, and what is a signal.

use std::{fs, io::Write as _, process::Stdio, time::Duration};

use serde_json::json;
use sigcast::{model::time::Time, store::stale::Backlog};

use super::{
    register::{Data, Form, WITHIN, closes, count, declarations, path, without_slug},
    server::{Server, now, until},
    wire::{Reply, request},
};

#[test]
fn a_folder_goes_in_once_and_what_is_no_filing_is_named() {
    let (data, folder) = (Data::new(), tempfile::tempdir().unwrap());
    let deep = folder.path().join("0000000007");
    fs::create_dir(&deep).unwrap();
    for number in 1..=3 {
        let owner = 10 + number;
        let form = Form {
            number,
            owner,
            ..Form::default()
        };
        form.put(&deep);
    }
    // another crawler's name for the same filing
    fs::write(folder.path().join("again.txt"), Form::default().text()).unwrap();
    let args = ["ingest", "filings", path(folder.path())];
    let (status, said) = data.json(&args, "");
    assert_eq!(status, 0, "{said}");
    assert_eq!(
        (&said["accepted"], &said["duplicate"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(said["rejected"], json!([]));
    assert_eq!(
        (&said["assessments"], &said["signals"]),
        (&json!(3), &json!(0))
    );
    let seen = data.look();
    assert_eq!((seen.filings, seen.signals), (3, 0), "history is no news");
    assert_eq!(seen.waiting, Backlog::default());
    assert!(
        seen.of("SEC:0000000000-23-000003")
            .1
            .signal
            .contains("\"isCluster\":true")
    );

    fs::write(folder.path().join("empty.txt"), "").unwrap();
    let page = "<html><head><title>Slow down</title></head></html>";
    fs::write(folder.path().join("page.txt"), page).unwrap();
    let (status, said) = data.json(&args, "");
    assert_eq!(status, 2, "{said}");
    assert_eq!(
        (&said["accepted"], &said["duplicate"]),
        (&json!(0), &json!(4))
    );
    let reasons = said["rejected"].as_array().unwrap();
    assert_eq!(reasons.len(), 2, "{said}");
    assert_eq!(reasons[0]["reason"], "the file is empty");
    assert!(reasons[1]["reason"].as_str().unwrap().contains("Slow down"));
    assert_eq!(data.look().version, seen.version, "nothing changed");
    let output = data.run(&args, "");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        out.starts_with("0 accepted, 4 known already, 2 rejected"),
        "{out}"
    );
    assert!(err.contains("empty.txt: the file is empty"), "{err}");
}

#[test]
fn exit_statuses_tell_what_could_be_done() {
    let (data, folder) = (Data::new(), tempfile::tempdir().unwrap());
    let good = Form::default().put(folder.path());
    let missing = folder.path().join("missing");
    let status = |args: &[&str]| data.run(args, "").status.code().unwrap();
    assert_eq!(status(&["ingest", "filings", path(&missing)]), 1);
    assert_eq!(
        status(&["ingest", "filings", path(&missing), path(&good)]),
        2
    );
    assert_eq!(data.look().filings, 1, "the others go in");
    assert_eq!(status(&["ingest", "filings", path(&good)]), 0);
    assert_eq!(status(&["ingest", "filings", "--format", "sec", "-"]), 1);
    assert_eq!(
        status(&["ingest", "filings", "--format", "morse", path(&good)]),
        1
    );
    for importer in ["uk-pdmr", "se-fi", "be-fsma"] {
        assert_eq!(
            status(&["ingest", importer, path(&missing)]),
            1,
            "{importer}"
        );
        // no table of theirs
        assert_eq!(status(&["ingest", importer, path(&good)]), 2, "{importer}");
    }
    assert_eq!(status(&["ingest", "sec-tsv", path(folder.path())]), 1);
    let csv = folder.path().join("closes.csv");
    fs::write(&csv, "date,OT7\n2023-01-02,10\n2023-01-03,none\n").unwrap();
    for market in ["us", "nowhere"] {
        let expected = if market == "us" { 2 } else { 1 };
        let args = ["ingest", "prices", path(&csv), "--market", market];
        assert_eq!(status(&args), expected, "{market}");
    }
    let csv = folder.path().join("companies.csv");
    fs::write(
        &csv,
        "cik,name,market_cap_2022_usd\n7,Otter Works 7,1000000000\n",
    )
    .unwrap();
    let args = ["ingest", "companies", path(&csv), "--market", "us"];
    assert_eq!(status(&args), 0);
    assert_eq!(status(&["rescore", "--version", "s0"]), 1);
    assert_eq!(status(&["rescore", "--version", "s9.1"]), 0);
}

#[test]
fn an_amendment_takes_its_place_and_the_earlier_stays_to_be_read() {
    let (data, folder) = (Data::new(), tempfile::tempdir().unwrap());
    let first = Form::default().put(folder.path());
    assert_eq!(data.json(&["ingest", "filings", path(&first)], "").0, 0);
    let amended = Form {
        number: 2,
        form: "4/A",
        accepted: "20230605160000",
        shares: 900,
        amends: Some("2023-06-01"),
        ..Form::default()
    };
    let (status, said) = data.json(
        &["ingest", "filings", path(&amended.put(folder.path()))],
        "",
    );
    assert_eq!((status, &said["assessments"]), (0, &json!(2)), "{said}");
    let seen = data.look();
    let (_, now, before) = seen.of("SEC:0000000000-23-000001");
    assert!(
        now.signal
            .contains("\"supersededBy\":\"SEC:0000000000-23-000002\""),
        "{}",
        now.signal
    );
    let before = before.as_ref().expect("what was served before");
    assert_eq!((before.revision, now.revision), (1, 2));
    assert!(before.signal.contains("\"score\":") && !before.signal.contains("superseded"));
}

#[test]
fn halves_in_any_order_end_in_the_same_scores() {
    let folder = tempfile::tempdir().unwrap();
    let closes = closes(folder.path());
    let lines = declarations(400);
    let filings = ["ingest", "filings", "-"];
    let prices = ["ingest", "prices", path(&closes), "--market", "us"];
    let whole = Data::new();
    assert_eq!(whole.json(&prices, "").0, 0);
    assert_eq!(whole.json(&filings, &lines.concat()).0, 0);
    let expected = whole.look();
    assert!(
        expected
            .said
            .iter()
            .any(|(_, said)| said.contains("\"pastN\":3"))
    );

    let halves = Data::new();
    let (one, other): (Vec<_>, Vec<_>) = (0..).zip(&lines).partition(|(n, _)| n % 3 == 0);
    let text = |half: Vec<(i32, &String)>| -> String {
        half.into_iter()
            .rev()
            .map(|(_, line)| line.as_str())
            .collect()
    };
    assert_eq!(halves.json(&filings, &text(other)).0, 0);
    assert_eq!(halves.json(&prices, "").0, 0);
    assert_eq!(halves.json(&filings, &text(one)).0, 0);
    let found = halves.look();
    assert_eq!(found.waiting, Backlog::default());
    assert_eq!(found.said.len(), expected.said.len());
    for (found, expected) in found.said.iter().zip(&expected.said) {
        // slugs end in numbers, which grow with arrival
        assert_eq!(without_slug(found), without_slug(expected));
    }
}

#[test]
fn a_killed_ingest_goes_on_where_it_stopped() {
    const LINES: u32 = 3_000;
    let lines = declarations(LINES);
    let calm = Data::new();
    assert_eq!(calm.json(&["ingest", "filings", "-"], &lines.concat()).0, 0);
    let expected = calm.look();
    assert_eq!(expected.filings, i64::from(LINES));

    let broken = Data::new();
    let mut stored = 0;
    for kill in 1..=4 {
        let mut command = broken.0.command(&["ingest", "filings", "-"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let upto = lines.len() * kill / 5;
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(lines[..upto].concat().as_bytes()).unwrap();
        // the pipe stays open: nothing is scored yet, and what came is stored all the same
        let seen = until(WITHIN, || {
            count(&broken.0).filter(|(filings, _)| *filings >= upto as i64)
        });
        child.kill().unwrap();
        child.wait().unwrap();
        drop(stdin);
        let (filings, waiting) = seen.unwrap_or_else(|| panic!("{upto} were written"));
        assert!(filings > stored && waiting > 0);
        stored = filings;
    }
    // the server scores what waits
    let server = Server::on(broken.0.clone(), &[]);
    until(WITHIN, || {
        let judged = server.metric("sigcast_insider_judge_seconds_count");
        let waiting = server.metric("sigcast_insider_companies_waiting");
        (judged > 0 && waiting == 0).then_some(())
    })
    .expect("all is scored");
    assert_eq!(count(&broken.0), Some((stored, 0)));
    // and beside it a command stores the rest, which it scores, too
    let (status, said) = broken.json(&["ingest", "filings", "-"], &lines.concat());
    assert_eq!((status, &said["duplicate"]), (0, &json!(stored)), "{said}");
    assert_eq!(said["companies_waiting"], 0, "{said}");
    drop(server);
    let found = broken.look();
    assert_eq!(
        (found.filings, found.waiting),
        (expected.filings, Backlog::default())
    );
    for (found, expected) in found.said.iter().zip(&expected.said) {
        assert_eq!(without_slug(found), without_slug(expected));
    }
    assert_eq!(found.said.len(), expected.said.len());
}

/// A large purchase by a chief executive, published so many minutes ago, of a day that has come in New York, too.
pub fn purchase(number: u32, owner: u32, minutes: i64) -> String {
    let at = now().plus(-minutes * 60 * Time::SECOND);
    // a day of New York: it is behind UTC, and nobody tells of a purchase of tomorrow
    let there = at.plus(-5 * 3_600 * Time::SECOND).to_string();
    json!({
        "v": 1, "type": "declaration", "id": format!("SEC:0000000000-99-{number:06}"), "market": "us", "form": "4",
        "published_at": at.unix_ms(), "issuer": {"id": "0000000042", "name": "Heron Freight", "symbol": "HERN"},
        "insider": {"id": format!("{owner:010}"), "name": format!("Person {owner}"), "officer": true, "function": "Chief Executive Officer"},
        "code": "P", "date": &there[..10], "instrument": "Common Stock", "shares": 90_000, "price": "12.50",
        "shares_after": 100_000, "direct": true,
    })
    .to_string()
}

pub fn post(server: &Server, body: &str) -> Reply {
    let bearer = format!("Bearer {}", Server::TOKEN);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/x-ndjson"),
    ];
    request(
        server.admin,
        "POST",
        "/v1/filings",
        &headers,
        body.as_bytes(),
    )
}

#[test]
fn a_fresh_filing_by_http_is_a_signal_and_an_old_one_is_history() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "?market=us", &[]);
    let two_days = 2 * 24 * 60;
    let body = format!(
        "{}\n\nnonsense\n{}\n{}\n",
        purchase(1, 11, two_days),
        purchase(2, 12, 30),
        purchase(1, 11, two_days).replace("\"us\"", "\"mars\"")
    );
    let answer = post(&server, &body).ok_json();
    assert_eq!(
        (&answer["accepted"], &answer["duplicate"]),
        (&json!(2), &json!(0)),
        "{answer}"
    );
    let rejected = answer["rejected"].as_array().unwrap();
    let lines: Vec<_> = rejected
        .iter()
        .map(|one| one["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [3, 5], "{answer}");
    assert_eq!(answer.as_object().unwrap().len(), 3, "{answer}");
    // with the answer it is committed
    let list = server.get("/api/signals?limit=10", &key).ok_json();
    assert_eq!(
        list["items"].as_array().unwrap().len(),
        1,
        "the old one is none: {list}"
    );
    let frame = stream.expect("signal").json();
    assert_eq!(frame["id"], list["items"][0]["id"]);
    assert_eq!(
        frame["signal_type"], "insider_cluster_buy",
        "the old one is known all the same"
    );
    assert_eq!(frame["amfId"], "SEC:0000000000-99-000002");

    let again = post(&server, &format!("{}\n", purchase(2, 12, 30))).ok_json();
    assert_eq!(
        again,
        json!({"accepted": 0, "duplicate": 1, "rejected": []})
    );
    let metric = |name: &str| server.metric(&format!("sigcast_{name}"));
    assert_eq!(metric("filings_accepted_total"), 2);
    assert_eq!(metric("filings_duplicate_total"), 1);
    assert_eq!(metric("filings_rejected_total"), 2);
    assert_eq!(metric("insider_signals_fired_total"), 1);
    assert!(metric("insider_judge_seconds_count") >= 1);
    stream.expect_quiet(Duration::from_millis(50));
    let refused = request(server.admin, "POST", "/v1/filings", &[], b"");
    refused.expect_error(401, "missing_api_key");
}

#[test]
fn beside_a_server_the_command_stores_and_the_server_fires() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut stream = server.listen(&key, "", &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fresh.ndjson");
    fs::write(
        &file,
        purchase(1, 11, 30) + "\n" + &purchase(2, 12, 20) + "\n",
    )
    .unwrap();
    let filings = ["ingest", "filings", "--format", "ndjson", path(&file)];
    let history = [&filings[..], &["--backfill"]].concat();
    server.command(&history);
    let list = server.get("/api/signals?limit=10", &key).ok_json();
    assert_eq!(
        list["items"].as_array().unwrap().len(),
        0,
        "backfill is no news: {list}"
    );
    fs::write(&file, purchase(3, 13, 10)).unwrap();
    server.command(&filings);
    let frame = stream.expect("signal").json();
    assert_eq!(frame["amfId"], "SEC:0000000000-99-000003");
}

const SE: &str = "Publicerings datum;Utgivare;LEI-kod;Anmälningsskyldig;Person i ledande ställning;Befattning;Närstående;\
    Korrigering;Beskrivning av korrigering;Är förstagångsrapportering;Är kopplad till aktieprogram;Karaktär;Instrument;ISIN;\
    Transaktions datum;Volym;Volymsenhet;Pris;Valuta;Handelsplats;Status;\n\
    2018-03-10 21:49:30;Alfa AB;;Eva Exempel;Eva Exempel;VD;;;;Ja;;Förvärv;Alfa AB;SE0123456788;2018-03-08 00:00:00;600;Antal;41,25;SEK;\
    NASDAQ STOCKHOLM AB;STATUS;\n";

#[test]
fn a_later_export_withdraws_what_an_earlier_one_brought() {
    let (data, folder) = (Data::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("export.csv");
    let ingest = |status: &str| {
        fs::write(&file, SE.replace("STATUS", status)).unwrap();
        data.json(&["ingest", "se-fi", path(&file)], "")
    };
    assert_eq!(ingest("Aktuell").1["accepted"], 1);
    let seen = data.look();
    let (id, before, _) = &seen.served[0];
    assert!(
        before.signal.contains("\"score\":") && before.signal.contains("\"reason\":null"),
        "{}",
        before.signal
    );
    let (status, said) = ingest("Makulerad");
    assert_eq!(
        (status, &said["accepted"], &said["restated"]),
        (0, &json!(1), &json!(1)),
        "{said}"
    );
    let seen = data.look();
    let (_, now, earlier) = seen.of(id);
    assert!(
        now.signal.contains("\"reason\":\"cancelled\""),
        "{}",
        now.signal
    );
    assert_eq!(earlier.as_ref(), Some(before), "asOf gives what was served");
    // an older export again: what is withdrawn does not stand up
    let (_, said) = ingest("Reviderad");
    assert_eq!(
        (&said["accepted"], &said["duplicate"]),
        (&json!(0), &json!(1)),
        "{said}"
    );
    assert_eq!(data.look().version, seen.version);
}

#[test]
fn rescoring_by_the_same_rules_changes_nothing() {
    let (data, folder) = (Data::new(), tempfile::tempdir().unwrap());
    let closes = closes(folder.path());
    data.json(&["ingest", "prices", path(&closes), "--market", "us"], "");
    data.json(&["ingest", "filings", "-"], &declarations(300).concat());
    let before = data.look();
    let (status, said) = data.json(&["rescore", "--version", "s9.1"], "");
    let expected = json!({
        "version": "s9.1", "filings": 300, "filings_changed": 0, "companies": 40, "assessments": 0, "signals": 0, "companies_waiting": 0,
    });
    assert_eq!((status, &said), (0, &expected));
    assert_eq!(data.look().said, before.said);
    let output = data.run(&["rescore", "--version", "s9.1"], "");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.ends_with("nothing changed\n"), "{out}");
}

/// As if other rules had read the filings: the record of one says a higher price.
#[test]
fn rescoring_brings_up_to_date_what_older_rules_read() {
    let data = Data::new();
    data.json(&["ingest", "filings", "-"], &declarations(50).concat());
    let before = data.look();
    let id = &before.said[7].0;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let db = data.0.open().await;
        let mut tx = db.begin().await.unwrap();
        let mut one = None;
        for company in 1..=40 {
            let all = tx.declarations_of(company).await.unwrap();
            one = one.or(all.into_iter().find(|one| one.record.amf_id == *id));
        }
        let mut one = one.expect("the declaration");
        one.record.rows.clear();
        assert!(tx.restate(&one.record, &one.head).await.unwrap());
        db.commit(tx).await.unwrap();
        db.close().await;
    });
    let (_, said) = data.json(&["rescore", "--version", "s9.1"], "");
    assert_eq!(
        (&said["filings_changed"], &said["assessments"]),
        (&json!(1), &json!(0)),
        "{said}"
    );
    assert_eq!(data.look().said, before.said);
}

#[test]
fn a_check_list_tells_what_is_missing() {
    let (data, folder) = (Data::new(), tempfile::tempdir().unwrap());
    Form::default().put(folder.path());
    data.json(&["ingest", "filings", path(folder.path())], "");
    let tables = tempfile::tempdir().unwrap();
    let header = "ACCESSION_NUMBER\tFILING_DATE\tPERIOD_OF_REPORT\tDATE_OF_ORIG_SUB\tDOCUMENT_TYPE\tISSUERCIK\tISSUERNAME\tISSUERTRADINGSYMBOL";
    let row = |number: u32, form: &str| {
        format!(
            "0000000000-23-{number:06}\t01-JUN-2023\t01-JUN-2023\t\t{form}\t0000000007\tOtter Works\tOT7"
        )
    };
    let text = [header.to_owned(), row(1, "4"), row(2, "4"), row(3, "4/A")].join("\n");
    fs::write(tables.path().join("SUBMISSION.tsv"), text + "\n").unwrap();
    fs::write(tables.path().join("readme.json"), "{}").unwrap();
    let (status, said) = data.json(&["ingest", "sec-tsv", path(tables.path()), "--list"], "");
    assert_eq!(status, 0, "{said}");
    assert_eq!(
        said["forms"],
        json!({"4": {"listed": 2, "known": 1, "missing": 1}, "4/A": {"listed": 1, "known": 0, "missing": 1}})
    );
    assert_eq!(
        said["missing_ids"],
        json!(["SEC:0000000000-23-000002", "SEC:0000000000-23-000003"])
    );
    let output = data.run(&["ingest", "sec-tsv", path(tables.path())], "");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        out.lines()
            .any(|line| line.split_whitespace().eq(["all", "3", "1", "2"])),
        "{out}"
    );
}
