//! Webhooks over REST: made, listed, changed, rotated, tested, sent again, deleted; and what is told of their messages.

use std::thread;

use serde_json::{Value, json};

use super::{
    server::sample,
    webhook_owner::{Endpoint, Owner, reply, text},
    wire::request,
};

fn url(n: u32) -> Value {
    json!({"url": format!("https://example.com/{n}")})
}

#[test]
fn a_webhook_is_made_listed_changed_and_deleted() {
    let owner = Owner::new();
    let body = json!({
        "url": "HTTPS://EXAMPLE.com:443/a/../hook", "description": "mine", "enabled": false, "ordered": true, "compat": "sigmate",
        "filter": {"types": ["consensus_buy"], "min_rank": "A", "min_score": 60.5, "market": "crypto"},
    });
    let reply = owner.ask("POST", "", &body.to_string());
    assert_eq!(reply.head.status, 201, "{}", reply.text());
    let made = reply.json();
    let id = text(&made, "id");
    let place = format!("/api/v1/webhooks/{id}");
    assert_eq!(reply.head.header("location"), Some(&*place));
    assert_eq!(reply.head.header("cache-control"), Some("no-store"));
    assert!(reply.head.header("etag").is_none());
    assert!(made["meta"]["requestId"].is_string(), "{made}");
    let epoch = owner.server.epoch(&owner.key);
    let mut expected = json!({
        "id": id, "url": "https://example.com/hook", "description": "mine", "ordered": true, "compat": "sigmate",
        "filter": {"types": ["consensus_buy"], "min_rank": "A", "min_score": 60.5, "market": "crypto"},
        "enabled": false, "disabled": {"why": "asked", "at": made["created_at"]},
        "created_at": made["created_at"], "old_secret_until": null,
        "state": {
            "sent_to": format!("{epoch}-0"), "behind": 0, "waiting": 0, "failed": 0, "failing_since": null, "answered_at": null,
        },
    });
    let bare = |mut value: Value| {
        value.as_object_mut().unwrap().remove("meta").unwrap();
        value
    };
    let mut with_secret = expected.clone();
    with_secret["secret"] = made["secret"].clone();
    assert_eq!(bare(made.clone()), with_secret);
    assert!(text(&made, "secret").starts_with("whsec_") && text(&made, "secret").len() == 50);
    assert_eq!(bare(owner.read(id)), expected);

    let change = json!({"description": "ours", "filter": {"market": "us"}, "compat": null, "ordered": false, "enabled": true});
    let changed = owner.ask("PATCH", &format!("/{id}"), &change.to_string());
    assert!(changed.head.header("etag").is_none());
    expected["description"] = json!("ours");
    expected["filter"] =
        json!({"types": null, "min_rank": null, "min_score": null, "market": "us"});
    (expected["compat"], expected["ordered"]) = (Value::Null, json!(false));
    (expected["enabled"], expected["disabled"]) = (json!(true), Value::Null);
    assert_eq!(bare(changed.ok_json()), expected);
    let nothing = owner.ask("PATCH", &format!("/{id}"), "{}").ok_json();
    assert_eq!(bare(nothing), expected, "what is not said stays");
    let moved = owner.ask("PATCH", &format!("/{id}"), &url(2).to_string());
    assert_eq!(moved.ok_json()["url"], "https://example.com/2");

    owner.make(&url(3));
    let list = owner.ask("GET", "", "").ok_json();
    let page = (&list["total"], &list["limit"], &list["offset"]);
    assert_eq!(page, (&json!(2), &json!(50), &json!(0)), "{list}");
    assert_eq!(list["items"][0]["id"], id, "the oldest first");
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let second = owner.ask("GET", "?limit=1&offset=1", "").ok_json();
    assert_eq!(second["items"][0]["url"], "https://example.com/3");
    assert_eq!((&second["total"], &second["limit"]), (&json!(2), &json!(1)));

    let gone = owner.ask("DELETE", &format!("/{}", id.to_uppercase()), "");
    assert_eq!((gone.head.status, gone.text().as_str()), (204, ""));
    for method in ["GET", "DELETE"] {
        let reply = owner.ask(method, &format!("/{id}"), "");
        reply.expect_error(404, "webhook_not_found");
    }
    assert_eq!(owner.ask("GET", "", "").ok_json()["total"], 1);
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let owner = Owner::new();
    let made = owner.make(&json!({"url": "https://example.com/", "enabled": false}));
    let path = format!("/api/v1/webhooks/{}", text(&made, "id"));
    let bearer = format!("Bearer {}", owner.key.text);
    let ask = |tag: &str| {
        let headers = [("authorization", bearer.as_str()), ("if-none-match", tag)];
        request(owner.server.main, "GET", &path, &headers, b"")
    };
    let first = ask("\"none\"");
    let tag = first.head.header("etag").unwrap().to_owned();
    assert_eq!(ask(&tag).head.status, 304);
    owner.server.publish_sample(1);
    let later = ask(&tag);
    assert_eq!(
        later.ok_json()["state"]["behind"],
        1,
        "its state is part of it"
    );
}

#[test]
fn a_webhook_begins_at_the_head_or_where_it_is_told() {
    let owner = Owner::new();
    let epoch = owner.server.epoch(&owner.key);
    for n in 1..=3 {
        owner.server.publish_sample(n);
    }
    for (start, at, behind) in [
        (Value::Null, 3, 0),
        (json!(0), 0, 3),
        (json!(format!("{epoch}-2")), 2, 1),
    ] {
        // disabled: nothing moves it on meanwhile
        let made = owner
            .make(&json!({"url": "https://example.com/", "enabled": false, "start_after": start}));
        assert_eq!(made["state"]["sent_to"], format!("{epoch}-{at}"), "{start}");
        assert_eq!(made["state"]["behind"], behind, "{start}");
        let skips = json!({"enabled": true, "skip_missed": true}).to_string();
        let path = format!("/{}", text(&made, "id"));
        let skipped = owner.ask("PATCH", &path, &skips).ok_json();
        assert_eq!(skipped["state"]["sent_to"], format!("{epoch}-3"), "{start}");
        owner.ask("DELETE", &path, "");
    }
}

#[test]
fn secrets_are_shown_once_and_the_last_two_sign() {
    let owner = Owner::new();
    let endpoint = Endpoint::new();
    let made = owner.make(&json!({"url": endpoint.url, "compat": "sigmate"}));
    let path = format!("/{}", text(&made, "id"));
    let test = || {
        thread::scope(|scope| {
            let tested = scope.spawn(|| owner.ask("POST", &format!("{path}/test"), ""));
            let got = endpoint.answer("200 OK", "");
            tested.join().unwrap().ok_json();
            got
        })
    };
    let rotate = || {
        let rotated = owner.ask("POST", &format!("{path}/rotate"), "");
        assert_eq!(rotated.head.header("cache-control"), Some("no-store"));
        let rotated = rotated.ok_json();
        assert!(rotated["old_secret_until"].is_string(), "{rotated}");
        text(&rotated, "secret").to_owned()
    };
    let first = text(&made, "secret").to_owned();
    assert_eq!(test().is_signed_by(&[&first]), [true]);
    let second = rotate();
    let got = test();
    assert_eq!(got.is_signed_by(&[&first, &second]), [true, true]);
    assert!(got.header("x-sigmate-signature-previous").is_some());
    let third = rotate();
    let all = [first.as_str(), &second, &third];
    assert_eq!(test().is_signed_by(&all), [false, true, true]);
    let until = owner.read(&path[1..])["old_secret_until"].clone();
    assert!(until.is_string());
    // a day later, as here in time that is moved
    owner
        .server
        .sql("update hooks set old_secret_until = old_secret_until - 86400000001");
    assert_eq!(test().is_signed_by(&all), [false, false, true]);
    assert_eq!(owner.read(&path[1..])["old_secret_until"], Value::Null);

    for secret in all {
        let encoded = &secret["whsec_".len()..];
        for path in ["", &path, &format!("{path}/attempts")] {
            let told = owner.ask("GET", path, "").text();
            assert!(!told.contains(encoded), "{told}");
        }
        assert!(!owner.server.stderr().contains(encoded));
        owner.holds(&format!(
            "(select count(*) from hooks where secret like '%{encoded}%' or old_secret like '%{encoded}%') = 0"
        ));
    }
    owner.holds(
        "(select count(*) from hooks where secret like '%whsec%' or old_secret like '%whsec%') = 0",
    );
    owner.holds("(select count(*) from hooks where secret <> '' and old_secret <> '') = 1");
}

#[test]
fn a_test_is_one_attempt_that_is_noted() {
    let owner = Owner::new();
    let endpoint = Endpoint::new();
    let made = owner.make(&json!({"url": endpoint.url, "compat": "sigmate", "enabled": false}));
    let id = text(&made, "id").to_owned();
    let path = format!("/{id}");
    let test = || owner.ask("POST", &format!("{path}/test"), "");
    let (got, told) = thread::scope(|scope| {
        let tested = scope.spawn(test);
        let (got, tcp) = endpoint.next();
        // one at a time
        test().expect_error(409, "refused");
        reply(tcp, "503 Service Unavailable", "not\0now");
        (got, tested.join().unwrap())
    });
    assert!(told.head.header("etag").is_none());
    let told = told.ok_json();
    let body: Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(
        (&body["type"], &body["webhook_id"]),
        (&json!("webhook.test"), &json!(id))
    );
    assert_eq!(got.header("webhook-id"), body["id"].as_str());
    assert_eq!(got.header("x-sigmate-event"), Some("webhook.test"));
    assert!(got.header("x-sigcast-seq").is_none(), "it is no signal");
    assert_eq!(told["signal_id"], body["id"]);
    assert_eq!(
        (&told["seq"], &told["attempt"], &told["status"]),
        (&Value::Null, &json!(1), &json!(503))
    );
    assert_eq!(
        (&told["error"], &told["answer"]),
        (&json!("status"), &json!("not\u{fffd}now"))
    );
    assert_eq!(told["at"], body["sent_at"]);
    assert!(
        told["latency_ms"].as_f64().is_some_and(|took| took > 0.0),
        "{told}"
    );

    thread::scope(|scope| {
        let tested = scope.spawn(test);
        endpoint.answer("204 No Content", "");
        let told = tested.join().unwrap().ok_json();
        assert_eq!(
            (&told["status"], &told["error"], &told["answer"]),
            (&json!(204), &Value::Null, &Value::Null)
        );
    });
    let nowhere = json!({"url": "http://127.0.0.1:1/"}).to_string();
    owner.ask("PATCH", &path, &nowhere).ok_json();
    let told = test().ok_json();
    assert_eq!(
        (&told["status"], &told["error"]),
        (&Value::Null, &json!("connect"))
    );

    let ids = |query: &str| -> (Vec<i64>, Value) {
        let list = owner
            .ask("GET", &format!("{path}/attempts{query}"), "")
            .ok_json();
        let items = list["items"].as_array().unwrap();
        let ids = items.iter().map(|item| item["id"].as_i64().unwrap());
        (ids.collect(), list["next"].clone())
    };
    let (all, end) = ids("");
    assert_eq!((all.len(), end), (3, Value::Null));
    assert!(
        all[0] > all[1] && all[1] > all[2],
        "the latest first: {all:?}"
    );
    let (first, next) = ids("?limit=2");
    assert_eq!((first.as_slice(), next.as_i64()), (&all[..2], Some(all[1])));
    let (rest, end) = ids(&format!("?limit=1&before={}", all[1]));
    assert_eq!((rest.as_slice(), end), (&all[2..], Value::Null));
    let one = owner
        .ask("GET", &format!("{path}/attempts/{}", all[2]), "")
        .ok_json();
    assert_eq!((&one["status"], &one["id"]), (&json!(503), &json!(all[2])));
    owner.server.publish_sample(1);
    let of_signal = format!("?signal_id={}", text(&sample(1), "id"));
    assert_eq!(ids(&of_signal).0, [0_i64; 0]);
    let state = &owner.read(&id)["state"];
    assert_eq!(
        (&state["failing_since"], &state["answered_at"]),
        (&Value::Null, &Value::Null),
        "a test says nothing of signals"
    );
}

#[test]
fn signals_are_sent_again_as_they_are_asked_for() {
    let owner = Owner::new();
    let epoch = owner.server.epoch(&owner.key);
    for n in 1..=5 {
        owner.server.publish_sample(n);
    }
    // disabled: what is asked for stays where it can be seen
    let made = owner.make(&json!({"url": "https://example.com/", "enabled": false}));
    let id = text(&made, "id").to_owned();
    let again = |body: Value| owner.ask("POST", &format!("/{id}/resend"), &body.to_string());
    let place = |seq: i64| format!("{epoch}-{seq}");
    let second = text(&sample(2), "id").to_owned();

    for named in [second.to_uppercase(), place(2)] {
        let reply = again(json!({"signal_id": named}));
        assert_eq!(reply.head.status, 202, "{}", reply.text());
        let told = reply.json();
        assert_eq!(
            (&told["signal_id"], &told["after"], &told["until"]),
            (&json!(second), &json!(place(1)), &json!(place(2)))
        );
    }
    assert_eq!(owner.read(&id)["state"]["waiting"], 1, "one message");
    owner.holds(&format!("(select count(*) from hook_messages where hook_id = '{id}' and seq = 2 and signal_id = '{second}' and attempts = 0) = 1"));

    let since = "2026-04-24T09:00:00.000Z";
    for (body, after, until, failed_since) in [
        (
            json!({"after": place(1), "before": place(4)}),
            1,
            3,
            Value::Null,
        ),
        (json!({"after": second}), 2, 5, Value::Null),
        (json!({"failed_since": since}), 0, 5, json!(since)),
        (
            json!({"after": place(2), "before": place(5), "failed_since": since}),
            2,
            4,
            json!(since),
        ),
    ] {
        let told = again(body.clone()).ok_json();
        let range = (&told["after"], &told["until"], &told["failed_since"]);
        assert_eq!(
            range,
            (&json!(place(after)), &json!(place(until)), &failed_since),
            "{body}"
        );
        let micros = match failed_since {
            Value::Null => "is null",
            _ => "= 1777021200000000",
        };
        owner.holds(&format!("(select count(*) from hook_ranges where hook_id = '{id}' and sent_to = {after} and until = {until} and failed_since {micros}) = 1"));
    }
    // of nothing there is nothing to do
    again(json!({"after": place(5)})).ok_json();
    again(json!({"after": place(2), "before": place(3)})).ok_json();
    owner.holds("(select count(*) from hook_ranges) = 4");

    for (body, field) in [
        (json!({}), "(body)"),
        (json!({"before": place(3)}), "(body)"),
        (json!({"signal_id": second, "after": place(3)}), "(body)"),
        (json!({"after": "0000aaaa-1"}), "after"),
        (json!({"after": place(6)}), "after"),
        (json!({"after": text(&sample(9), "id")}), "after"),
        (json!({"after": place(1), "before": place(9)}), "before"),
        (json!({"after": place(3), "before": place(3)}), "before"),
        (json!({"failed_since": "yesterday"}), "failed_since"),
        (json!({"signal_id": second, "colour": "red"}), "colour"),
    ] {
        let details = again(body.clone()).expect_error(400, "invalid_parameter");
        assert_eq!(details["parameter"], field, "{body}");
    }
    for unknown in [text(&sample(9), "id"), &place(9), "0000aaaa-2"] {
        let reply = again(json!({"signal_id": unknown}));
        reply.expect_error(404, "signal_not_found");
    }
    for _ in 4..16 {
        again(json!({"after": place(0)})).ok_json();
    }
    let full = again(json!({"after": place(0)}));
    full.expect_error(409, "refused");
    assert!(full.text().contains("16 ranges"), "{}", full.text());
}

#[test]
fn what_failed_is_listed_and_counted() {
    let owner = Owner::new();
    let made = owner.make(&json!({"url": "https://example.com/", "enabled": false}));
    let id = text(&made, "id").to_owned();
    for seq in [7, 3, 5] {
        owner.server.sql(&format!(
            "insert into hook_messages (hook_id, seq, signal_id, attempts, first_at, next_at)
             values ('{id}', {seq}, 'signal-{seq}', 12, 1777021200000000, null)"
        ));
    }
    let state = owner.read(&id)["state"].clone();
    assert_eq!(
        (&state["failed"], &state["waiting"]),
        (&json!(3), &json!(0))
    );
    let list = |query: &str| {
        owner
            .ask("GET", &format!("/{id}/failed{query}"), "")
            .ok_json()
    };
    let all = list("");
    assert_eq!(
        (&all["total"], &all["limit"], &all["offset"]),
        (&json!(3), &json!(50), &json!(0))
    );
    let first = json!({"signal_id": "signal-3", "seq": 3, "attempts": 12, "first_at": "2026-04-24T09:00:00.000Z"});
    assert_eq!(all["items"][0], first);
    let second = list("?limit=1&offset=1");
    assert_eq!(
        (&second["total"], &second["items"][0]["seq"]),
        (&json!(3), &json!(5))
    );
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
}
