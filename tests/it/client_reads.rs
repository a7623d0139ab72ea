//! What the API really answers to each read and to what is done about webhooks, held against the types that the client libraries have of it.

use serde_json::{Map, Value, json};

use super::{
    client_schema,
    client_types::{Written, for_python, for_typescript},
    insider_data::House,
    receiver::{Manner, Receiver},
    server::until,
    webhooks::{HERE, api, attempts, hook},
    wire::{PATIENCE, request},
};

/// A server with declarations, signals, and a webhook that did not take one.
fn house() -> (House, Receiver, String) {
    let unlimited = [("SIGCAST_PLANS__ALPHA__REQUESTS_PER_SECOND", "0")];
    let house = House::on_plan("alpha", &[&HERE[..], &unlimited].concat());
    let receiver = Receiver::start();
    receiver.first("/", [Manner::status(500)]);
    let (server, key) = (&house.server, &house.key);
    let body =
        json!({"url": receiver.url("/"), "filter": {"types": ["consensus_buy"], "min_rank": "D"}});
    let id = hook(server, key, &body);
    server.publish_sample(1);
    let tried = || attempts(server, key, &id).len();
    assert!(until(PATIENCE, || (tried() >= 2).then_some(())).is_some());
    // as if its last attempt had been in vain
    server.sql(&format!(
        "insert into hook_messages (hook_id, seq, signal_id, attempts, first_at, next_at)
         values ('{id}', 1, 'signal-1', 12, 1777021200000000, null)"
    ));
    (house, receiver, id)
}

/// What reads are asked, where they have to be asked something, or have less to show else.
const QUERIES: [(&str, &str); 4] = [
    ("/api/v1/companies/{slug}/closes", "?limit=3"),
    ("/api/v1/search", "?q=owner"),
    ("/api/v1/signals", "?minScore=40"),
    ("/api/v1/strategy/winning", "?lookbackDays=365"),
];

/// A declaration that another took the place of: it has no score any more.
const REPLACED: &str = "SEC:0000000000-00-000003";

/// What is filled in into paths.
struct Names([(&'static str, String); 6]);

impl Names {
    fn of(house: &House, hook: &str) -> Self {
        let first = |path: &str, name: &str| {
            let item = house.get(path)["items"][0][name].clone();
            item.as_str()
                .map_or_else(|| item.to_string(), str::to_owned)
        };
        let attempt = first(&format!("/webhooks/{hook}/attempts"), "id");
        let signal = format!("{}-1", house.server.epoch(&house.key));
        Names([
            ("companies/{slug}", first("/companies?q=otter", "slug")),
            ("insiders/{slug}", first("/search?q=owner", "slug")),
            (
                "declarations/{amfId}",
                first("/signals?minScore=40", "amfId"),
            ),
            ("signals/{id}", signal),
            ("webhooks/{id}", hook.to_owned()),
            ("attempts/{number}", attempt),
        ])
    }

    fn filled(&self, path: &str) -> String {
        let mut path = path.to_owned();
        for (place, name) in &self.0 {
            let (before, _) = place.split_once('{').unwrap();
            path = path.replace(place, &format!("{before}{name}"));
        }
        path
    }
}

/// Lists whose items are what is to be looked at: none of them may be empty.
fn has_items(answer: &Value) -> bool {
    answer["items"]
        .as_array()
        .is_none_or(|items| !items.is_empty())
}

/// What is answered where something is done.
fn done(house: &House, receiver: &Receiver, hook: &str) -> Written {
    let (server, key) = (&house.server, &house.key);
    let hooks = |method: &str, path: &str, body: Value| {
        let answer = api(server, key, method, path, &body);
        assert!(answer.head.status < 300, "{}", answer.text());
        answer.json()
    };
    let bearer = format!("Bearer {}", key.text);
    let headers = [("authorization", bearer.as_str())];
    let ticket = request(
        server.main,
        "POST",
        "/api/signals/stream/tickets",
        &headers,
        b"",
    );
    let made = hooks(
        "POST",
        "",
        json!({"url": receiver.url("/"), "compat": "sigmate", "enabled": false}),
    );
    let again = json!({"after": format!("{}-0", server.epoch(key))});
    let one = |path: &str| format!("/{hook}{path}");
    [
        ("Answer<WebhookWithSecret>", made),
        (
            "Answer<WebhookWithSecret>",
            hooks("POST", &one("/rotate"), Value::Null),
        ),
        (
            "Answer<Webhook>",
            hooks("PATCH", &one(""), json!({"description": "mine"})),
        ),
        (
            "Answer<WebhookAttempt>",
            hooks("POST", &one("/test"), Value::Null),
        ),
        ("Answer<Resent>", hooks("POST", &one("/resend"), again)),
        ("NewTicket", ticket.ok_json()),
    ]
    .into()
}

#[test]
fn each_answer_is_of_its_type() {
    let (house, receiver, hook) = house();
    let mut written = done(&house, &receiver, &hook);
    let ask = |path: &str| house.server.get(path, &house.key).ok_json();
    let names = Names::of(&house, &hook);
    let mut all = Map::new();
    for path in client_schema::reads() {
        let query = QUERIES.iter().find(|(of, _)| *of == path);
        let answer = ask(&(names.filled(&path) + query.map_or("", |(_, query)| query)));
        assert!(has_items(&answer), "{path} has nothing to look at");
        all.insert(path, answer);
    }
    // an object whose members are all that is read: the types have no more of them and no fewer
    written.push(("Reads", Value::Object(all.clone())));
    // what is null in the first is there in the second, or the other way round
    for (path, other) in [
        ("/api/v1/search", "/api/v1/search?q=otter".to_owned()),
        (
            "/api/v1/declarations/{amfId}",
            format!("/api/v1/declarations/{REPLACED}"),
        ),
        (
            "/api/v1/declarations/{amfId}/score",
            format!("/api/v1/declarations/{REPLACED}/score"),
        ),
    ] {
        let before = all.insert(path.to_owned(), ask(&other));
        assert_ne!(before.as_ref(), all.get(path), "{path}");
    }
    written.push(("Reads", Value::Object(all)));
    for_typescript(&written);
    for_python(&written);
}
