//! `sigcast ingest edgar` and a server that follows, against a site that speaks as EDGAR does: every filing once, at a pace, and at once.

use std::{
    collections::BTreeSet,
    io::Read as _,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use sigcast::model::time::Time;

use super::{
    edgar_site::{CONTACT, Fault, Filed, Site, real_submissions, washington, yesterday},
    place::sigcast,
    register::{Data, Form, WITHIN, count, path},
    server::{Server, now, until},
};

/// Submissions of one's own, all different.
fn invented(count: usize) -> Vec<(String, Vec<u8>)> {
    let one = |n: u32| {
        let form = Form {
            number: n,
            owner: 10 + n,
            issuer: n % 5,
            ..Form::default()
        };
        (form.id(), form.text().into_bytes())
    };
    (1..=u32::try_from(count).unwrap()).map(one).collect()
}

/// A site with these filings, taken in one a second until now; the feed skips each seventh, and yesterday's index has them all.
fn site(submissions: &[(String, Vec<u8>)]) -> Site {
    let site = Site::start();
    let start = now().plus(-(submissions.len() as i64) * Time::SECOND);
    let (day, _) = yesterday();
    for (n, (number, body)) in submissions.iter().enumerate() {
        site.file(Filed {
            number: number.clone(),
            body: body.clone(),
            at: start.plus(n as i64 * Time::SECOND),
            in_feed: n % 7 != 3,
            index: day.clone(),
        });
    }
    site
}

fn flags(site: &Site) -> Vec<String> {
    let flags = [
        "ingest",
        "edgar",
        "--base-url",
        &site.url,
        "--contact",
        CONTACT,
        "--poll-seconds",
        "1",
    ];
    flags.map(str::to_owned).to_vec()
}

/// Up to now, from yesterday on, its answer in JSON.
fn catch_up(data: &Data, site: &Site) -> (i32, serde_json::Value) {
    let (_, since) = yesterday();
    let mut all = flags(site);
    all.extend(["--since".to_owned(), since]);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    data.json(&all, "")
}

/// No window of a second holds more.
fn most_in_a_second(asked: &[(Instant, String)]) -> usize {
    let within = |from: Instant| {
        let later = asked.iter().filter(|(at, _)| {
            at.checked_duration_since(from)
                .is_some_and(|after| after < Duration::from_secs(1))
        });
        later.count()
    };
    asked.iter().map(|(at, _)| within(*at)).max().unwrap_or(0)
}

#[test]
fn every_filing_arrives_once_whatever_goes_wrong() {
    let mut submissions = real_submissions(40);
    if submissions.is_empty() {
        submissions = invented(40);
    }
    let site = site(&submissions);
    let name = |n: usize| format!("/{}.txt", submissions[n].0);
    site.fault(&name(5), Fault::Status(503, Some(1)));
    site.fault(&name(8), Fault::Status(429, Some(2)));
    site.fault(&name(12), Fault::Status(403, None));
    site.fault(&name(15), Fault::Cut);
    let (day, _) = yesterday();
    site.fault(&format!("master.{day}.idx"), Fault::Cut);
    let data = Data::new();
    // five a second: whatever delays a request on its way, ten in a second are never seen
    let settings = data.0.folder.join("sigcast.toml");
    std::fs::write(
        &settings,
        "[edgar]\nrequests_per_second = 6\nrefused_pause_seconds = 1\n",
    )
    .unwrap();
    let catch_up = || {
        let (_, since) = yesterday();
        let mut all = flags(&site);
        all.extend(["--since".to_owned(), since]);
        all.extend(["--config".to_owned(), path(&settings).to_owned()]);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        data.json(&all, "")
    };
    let (status, said) = catch_up();
    assert_eq!(
        (status, &said["accepted"]),
        (0, &json!(submissions.len())),
        "{said}"
    );
    assert_eq!(
        (&said["rejected"], &said["refused_requests"]),
        (&json!([]), &json!(2)),
        "{said}"
    );
    let complete = (&said["complete_from"], &said["complete_through"]);
    assert_eq!(
        complete,
        (&json!(yesterday().1), &json!(yesterday().1)),
        "{said}"
    );
    let asked = site.asked();
    assert!(
        asked.iter().any(|(_, path)| path.contains("&start=100&")),
        "a second page"
    );
    assert!(
        most_in_a_second(&asked) <= 10,
        "{}",
        most_in_a_second(&asked)
    );
    for (n, (number, _)) in submissions.iter().enumerate() {
        let troubled = matches!(n, 5 | 8 | 12 | 15);
        assert_eq!(site.times(number), if troubled { 2 } else { 1 }, "{number}");
    }
    // what was under way comes in, then it is quiet
    for (refused, pause) in [(8, 2_000), (12, 1_000)] {
        let at = asked
            .iter()
            .position(|(_, path)| path.ends_with(&name(refused)));
        let after = &asked[at.expect("it was asked for")..];
        let gaps = after.windows(2).take(4).map(|two| two[1].0 - two[0].0);
        let longest = gaps.max().expect("more requests");
        assert!(
            longest >= Duration::from_millis(pause * 9 / 10),
            "{longest:?}"
        );
    }
    let (status, said) = catch_up();
    let expected = (0, &json!(0), &json!(submissions.len()));
    assert_eq!(
        (status, &said["accepted"], &said["duplicate"]),
        expected,
        "{said}"
    );
    let fetched: usize = submissions
        .iter()
        .map(|(number, _)| site.times(number))
        .sum();
    assert_eq!(fetched, submissions.len() + 4, "nothing is fetched again");
}

/// Kills it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn killed_at_any_moment_it_fetches_only_what_is_not_stored() {
    let submissions = invented(40);
    let site = site(&submissions);
    let data = Data::new();
    for stored in [1, 9, 20] {
        let mut command = sigcast();
        command
            .args(flags(&site))
            .args(["--since", &yesterday().1, "--data-dir"]);
        command
            .arg(&data.0.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let _killed = Killed(command.spawn().unwrap());
        let seen = until(WITHIN, || {
            count(&data.0).filter(|(filings, _)| *filings >= stored)
        });
        seen.unwrap_or_else(|| panic!("{stored} are stored"));
    }
    let before: Vec<usize> = submissions
        .iter()
        .map(|(number, _)| site.times(number))
        .collect();
    let there = data.look();
    let (status, said) = catch_up(&data, &site);
    assert_eq!(status, 0, "{said}");
    let seen = data.look();
    assert_eq!(seen.filings, 40);
    assert_eq!(said["accepted"], json!(40 - there.filings), "{said}");
    for ((number, _), before) in submissions.iter().zip(before) {
        let id = format!("SEC:{number}");
        let known = there.said.iter().any(|(one, _)| *one == id);
        let again = site.times(number) - before;
        assert_eq!(
            again,
            usize::from(!known),
            "{number}, which was asked for {before} times"
        );
    }
    let served: BTreeSet<&str> = seen.said.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(served.len(), 40);
}

/// A large purchase, a signal from the second one in the same company on, taken in by EDGAR so many seconds ago.
fn purchase(number: u32, seconds: i64) -> Filed {
    let at = now().plus(-seconds * Time::SECOND);
    let there = washington(at);
    let accepted = there.strftime("%Y%m%d%H%M%S").to_string();
    let day = there.date().to_string();
    let form = Form {
        number,
        issuer: 7,
        owner: 10 + number,
        accepted: &accepted,
        traded: &day,
        shares: 49_000,
        ..Form::default()
    };
    Filed {
        number: form.id(),
        body: form.text().into_bytes(),
        at,
        in_feed: true,
        index: String::new(),
    }
}

#[test]
fn beside_a_server_what_appears_is_a_signal_at_once() {
    let site = Site::start();
    site.file(purchase(1, 60));
    site.file(purchase(2, 59));
    let server = Server::start();
    let mut stream = server.listen(&server.alpha_key(), "", &[]);
    let flags = flags(&site);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut command = server.on_data(&flags);
    command
        .args(["--follow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut following = Killed(command.spawn().unwrap());
    let frame = stream.expect("signal").json();
    assert_eq!(frame["amfId"], "SEC:0000000000-23-000002");
    // one that appears while it is at work, and one at a time is at work
    site.file(purchase(3, 1));
    let frame = stream.expect("signal").json();
    assert_eq!(frame["amfId"], "SEC:0000000000-23-000003");
    let second = server.on_data(&flags).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains("followed into this data already"), "{said}");
    // the server that wrote the frames knows when the feed named their filings, which another process saw
    let observed = || server.metric("sigcast_feed_to_frame_seconds_count");
    until(WITHIN, || (observed() == 2).then_some(())).expect("both are measured");
    // SAFETY: the child has not been waited for, so the id is still its own
    let sent = unsafe { libc::kill(following.0.id() as i32, libc::SIGTERM) };
    assert_eq!(sent, 0);
    let ended = until(WITHIN, || following.0.try_wait().unwrap()).expect("it ends");
    let mut said = String::new();
    let _ = following.0.stdout.take().unwrap().read_to_string(&mut said);
    assert_eq!(ended.code(), Some(0), "{said}");
    assert!(
        said.starts_with("3 accepted, 0 known already, 0 rejected"),
        "{said}"
    );
}

#[test]
fn a_server_follows_by_itself_and_goes_on_after_a_kill() {
    let site = Site::start();
    site.file(purchase(1, 60));
    site.file(purchase(2, 59));
    let mut page = purchase(9, 58);
    page.body = b"<SEC-DOCUMENT>\n<XML>\n<ownershipDocument><documentType>144</documentType></ownershipDocument>\n</XML>\n".to_vec();
    site.file(page.clone());
    let mut server = Server::with(&[
        ("SIGCAST_EDGAR__FOLLOW", "true"),
        ("SIGCAST_EDGAR__CONTACT", CONTACT),
        ("SIGCAST_EDGAR__BASE_URL", &site.url),
        ("SIGCAST_EDGAR__POLL_SECONDS", "1"),
        ("SIGCAST_PLANS__ALPHA__REQUESTS_PER_SECOND", "0"),
    ]);
    let key = server.alpha_key();
    let is_there = |server: &Server, number: u32| {
        let id = format!("\"SEC:0000000000-23-{number:06}\"");
        let listed = || {
            let list = server.get("/api/signals?limit=10", &key);
            list.text().contains(&id).then_some(())
        };
        until(WITHIN, listed).expect("a signal");
    };
    is_there(&server, 2);
    let mut stream = server.listen(&key, "", &[]);
    site.file(purchase(3, 1));
    let frame = stream.expect("signal").json();
    assert_eq!(frame["amfId"], "SEC:0000000000-23-000003");
    let metric = |server: &Server, name: &str| server.metric(&format!("sigcast_{name}"));
    let measured = || metric(&server, "feed_to_frame_seconds_count") > 0;
    until(WITHIN, || measured().then_some(())).expect("from the feed to the frame");
    let rejected = || metric(&server, "edgar_filings_rejected_total") == 1;
    until(WITHIN, || rejected().then_some(())).expect("what is no filing");
    assert_eq!(metric(&server, "edgar_filings_fetched_total"), 3);
    assert!(metric(&server, "edgar_requests_total{status=\"200\"}") >= 4);
    let log = server.stderr();
    assert!(
        log.contains(&format!("filing {} is given up", page.number)),
        "{log}"
    );

    let asked = site.asked().len();
    server.restart();
    site.file(purchase(4, 0));
    is_there(&server, 4);
    for number in 1..=3 {
        assert_eq!(site.times(&purchase(number, 0).number), 1, "{number}");
    }
    assert!(site.asked().len() > asked);
}

#[test]
fn what_the_sec_would_shut_out_is_refused_before_it_is_asked() {
    let (data, site) = (Data::new(), Site::start());
    let refused = |more: &[&str]| {
        let output = data.run(
            &[&["ingest", "edgar", "--base-url", &site.url], more].concat(),
            "",
        );
        assert_eq!(output.status.code(), Some(1), "{more:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for contact in [&[][..], &["--contact", "somebody"]] {
        let said = refused(contact);
        assert!(
            said.contains("edgar.contact must be a name and a mail address"),
            "{said}"
        );
        assert!(said.contains("--contact"), "{said}");
    }
    let said = refused(&["--contact", CONTACT, "--requests-per-second", "11"]);
    assert!(said.contains("11 is not between 1 and 10"), "{said}");
    assert!(
        !data.0.folder.join("sigcast.db").exists(),
        "nothing is made for nothing"
    );
    let mut serve = sigcast();
    serve.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--data-dir",
    ]);
    serve
        .arg(&data.0.folder)
        .env("SIGCAST_EDGAR__FOLLOW", "true");
    let output = serve.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("edgar.contact must be"), "{said}");
    assert_eq!(site.asked().len(), 0);
}
