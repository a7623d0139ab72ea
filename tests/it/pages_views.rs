//! Views: streams that pages show to who is signed in. They take no key's seat, and end with their session.

use std::time::Duration;

use super::{
    server::{Server, from_now, sample},
    visitor::Visitor,
    wire::{Next, Stream, request},
};

fn connections(server: &Server) -> Vec<serde_json::Value> {
    let all = server.admin("GET", "/v1/connections", "").ok_json();
    all["items"].as_array().unwrap().clone()
}

fn error_code(view: &mut Stream) -> String {
    let frame = view.expect("error");
    view.expect_end();
    frame.json()["code"].as_str().unwrap().to_owned()
}

#[test]
fn views_leave_the_keys_own_stream_alone() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut bot = server.listen(&key, "", &[]);
    let mut visitor = Visitor::of(&server, &key);
    let mut views: Vec<Stream> = (0..3).map(|_| visitor.view()).collect();
    let id = server.publish_sample(1);
    let told = bot.expect_signal(&id).raw;
    for view in &mut views {
        assert_eq!(view.expect_signal(&id).raw, told, "the very bytes");
    }
    // a second bot is refused as ever
    let refusal = server.stream(&key, "", &[]).refusal();
    refusal.expect_error(429, "connection_limit");
    // and one that comes back takes its own seat over, no view's
    let mut bot = server.listen(&key, "?takeover=true", &[]);

    let listed = connections(&server);
    assert_eq!(listed.len(), 4);
    assert!(listed.iter().all(|one| one["key_id"] == key.id.as_str()));
    assert_eq!(listed.iter().filter(|one| one["view"] == true).count(), 3);

    // a fourth takes the place of the one that is open the longest
    let mut fourth = visitor.view();
    assert_eq!(error_code(&mut views[0]), "superseded");
    let id = server.publish_sample(2);
    for stream in [&mut bot, &mut fourth].into_iter().chain(&mut views[1..]) {
        stream.expect_signal(&id);
    }
    // the operator closes one, and no other
    let listed = connections(&server);
    let last = listed.last().unwrap()["connection"].as_u64().unwrap();
    let closed = server.admin("DELETE", &format!("/v1/connections/{last}"), "");
    assert_eq!(closed.head.status, 204);
    assert_eq!(fourth.expect("bye").json()["reason"], "closed_by_operator");
    assert!(
        !server.stderr().contains('~'),
        "logs name keys as they are called"
    );
}

#[test]
fn a_view_comes_back_by_its_ticket_to_where_it_stood() {
    let server = Server::start();
    let key = server.alpha_key();
    let mut visitor = Visitor::of(&server, &key);
    let (ticket, mut others) = (visitor.ticket(), [visitor.view(), visitor.view()]);
    let mut view = visitor.open(&ticket, &[]);
    let id = server.publish_sample(1);
    let place = view.expect_signal(&id).id;
    let missed = [server.publish_sample(2), server.publish_sample(3)];
    // the first connection is still there, as far as the server knows: it is this one's that ends
    let mut again = visitor.open(&ticket, &[("last-event-id", &place)]);
    for id in &missed {
        again.expect_signal(id);
    }
    for id in &missed {
        view.expect_signal(id);
    }
    assert_eq!(error_code(&mut view), "superseded");
    let id = server.publish_sample(4);
    for other in &mut others {
        other.expect("signal");
        other.expect("signal");
        other.expect("signal");
        other.expect_signal(&id);
    }
    // once spent, a ticket opens nothing new
    let refused = Stream::open(server.main, &format!("?ticket={ticket}"), &[]).refusal();
    refused.expect_error(401, "invalid_api_key");
}

#[test]
fn views_end_with_their_session_and_with_their_key() {
    let server = Server::start();
    let (key, other) = (server.alpha_key(), server.alpha_key());
    let (mut leaving, mut staying) = (Visitor::of(&server, &key), Visitor::of(&server, &key));
    let mut stranger = Visitor::of(&server, &other);
    let mut bot = server.listen(&key, "", &[]);
    let (ticket, unspent) = (leaving.ticket(), leaving.ticket());
    let mut left = leaving.open(&ticket, &[]);
    let mut stays = staying.view();
    let mut elsewhere = stranger.view();

    assert_eq!(leaving.post("/account/sign-out", &[]).head.status, 303);
    assert_eq!(left.expect("bye").json()["reason"], "signed_out");
    left.expect_end();
    for (ticket, header) in [
        (&ticket, vec![("last-event-id", "x-1")]),
        (&unspent, vec![]),
    ] {
        let opened = Stream::open(server.main, &format!("?ticket={ticket}"), &header);
        opened.refusal().expect_error(401, "invalid_api_key");
    }
    leaving
        .post("/live/ticket", &[])
        .expect_error(401, "missing_api_key");
    let id = server.publish_sample(1);
    for stream in [&mut bot, &mut stays, &mut elsewhere] {
        stream.expect_signal(&id);
    }

    let mut third = Visitor::of(&server, &key).view();
    assert_eq!(
        stranger
            .post("/account/sign-out-everywhere", &[])
            .head
            .status,
        303
    );
    assert_eq!(elsewhere.expect("bye").json()["reason"], "signed_out");
    let id = server.publish_sample(2);
    third.expect_signal(&id);
    let revoked = server.admin("DELETE", &format!("/v1/keys/{}", key.id), "");
    assert_eq!(revoked.head.status, 200);
    assert_eq!(error_code(&mut third), "key_revoked");
    stays.expect_signal(&id);
    bot.expect_signal(&id);
    assert_eq!(error_code(&mut stays), "key_revoked");
    assert_eq!(error_code(&mut bot), "key_revoked");
    staying
        .post("/live/ticket", &[])
        .expect_error(401, "missing_api_key");
}

#[test]
fn a_view_lapses_with_the_subscription() {
    let server = Server::start();
    let account = server.account("alpha");
    let key = server.key(&account);
    let mut visitor = Visitor::of(&server, &key);
    let mut view = visitor.view();
    server.command(&["accounts", "set-expiry", &account, &from_now(1.5)]);
    assert_eq!(error_code(&mut view), "subscription_expired");
    visitor
        .post("/live/ticket", &[])
        .expect_error(403, "subscription_expired");
}

#[test]
fn a_ticket_is_for_pages_of_this_server_and_plans_with_the_stream() {
    let server = Server::start();
    let key = server.alpha_key();
    let visitor = Visitor::of(&server, &key);
    for origin in [None, Some("http://evil.example"), Some("null")] {
        let cookie = visitor.cookie.as_deref().expect("a cookie");
        let mut headers = vec![("cookie", cookie)];
        headers.extend(origin.map(|origin| ("origin", origin)));
        let reply = request(server.main, "POST", "/live/ticket", &headers, b"");
        reply.expect_error(403, "foreign_origin");
    }
    let origin = [("origin", "http://localhost")];
    let nobody = request(server.main, "POST", "/live/ticket", &origin, b"");
    nobody.expect_error(401, "missing_api_key");
    // a key in a header signs nobody in
    let bearer = format!("Bearer {}", key.text);
    let by_key = [origin[0], ("authorization", bearer.as_str())];
    let by_key = request(server.main, "POST", "/live/ticket", &by_key, b"");
    by_key.expect_error(401, "missing_api_key");
    let free = server.key(&server.account("free"));
    let mut free = Visitor::of(&server, &free);
    free.post("/live/ticket", &[])
        .expect_error(403, "subscription_required");

    let none = Server::with(&[("SIGCAST_HTTP__VIEWS_PER_KEY", "0")]);
    let key = none.alpha_key();
    let mut visitor = Visitor::of(&none, &key);
    visitor
        .post("/live/ticket", &[])
        .expect_error(403, "no_views");
}

#[test]
fn views_are_counted_for_themselves_where_openings_are_limited() {
    let server = Server::with(&[("SIGCAST_HTTP__CONNECTS_PER_MINUTE", "2")]);
    let key = server.alpha_key();
    let mut visitor = Visitor::of(&server, &key);
    let _views = [visitor.view(), visitor.view()];
    let details = visitor
        .post("/live/ticket", &[])
        .expect_error(429, "rate_limited");
    assert_eq!(details["limit"], "connects");
    server.listen(&key, "", &[]);
}

#[test]
fn a_view_says_gap_where_its_place_cannot_be_had() {
    let server = Server::start();
    let key = server.alpha_key();
    server.publish(&sample(1));
    let mut visitor = Visitor::of(&server, &key);
    let query = format!("?ticket={}&last_event_id=ffffffff-1", visitor.ticket());
    let mut view = Stream::open(server.main, &query, &[]);
    view.expect_hello();
    let gap = view.expect("gap");
    assert_eq!(gap.json()["reason"], "epoch_changed");
    assert_eq!(view.event(Duration::from_millis(100)), Next::Silence);
    let id = server.publish_sample(2);
    view.expect_signal(&id);
}
