//! Views where several nodes share a database: each node shows its own, whichever has the key's stream; and what ends them reaches all.

use std::sync::Arc;

use super::{place::Place, server::Server, visitor::Visitor, wire::Stream};

#[test]
fn views_need_no_lease_and_end_on_all_nodes() {
    let place = Arc::new(Place::new());
    let one = Server::on(place.clone(), &[]);
    let other = Server::on(place.beside(), &[]);
    let key = one.alpha_key();
    let mut bot = one.listen(&key, "", &[]);
    let mut here = Visitor::of(&one, &key);
    let there = here.at(&other);
    let mut another = Visitor::of(&other, &key);
    // a ticket that one node made opens a view on another
    let ticket = here.ticket();
    let mut far = there.open(&ticket, &[]);
    let mut near = here.view();
    let mut stays = another.view();
    let id = other.publish_sample(1);
    let place = far.expect_signal(&id).id;
    for stream in [&mut bot, &mut near, &mut stays] {
        stream.expect_signal(&id);
    }
    // the key's stream moves to the other node, past its views there
    let mut moved = other.listen(&key, "?takeover=true", &[]);
    assert_eq!(bot.expect("error").json()["code"], "superseded");
    let id = one.publish_sample(2);
    for stream in [&mut moved, &mut far, &mut near, &mut stays] {
        stream.expect_signal(&id);
    }

    assert_eq!(here.post("/account/sign-out", &[]).head.status, 303);
    for view in [&mut far, &mut near] {
        assert_eq!(view.expect("bye").json()["reason"], "signed_out");
        view.expect_end();
    }
    let again = Stream::open(
        other.main,
        &format!("?ticket={ticket}"),
        &[("last-event-id", &place)],
    );
    again.refusal().expect_error(401, "invalid_api_key");
    let id = one.publish_sample(3);
    moved.expect_signal(&id);
    stays.expect_signal(&id);

    let revoked = one.admin("DELETE", &format!("/v1/keys/{}", key.id), "");
    assert_eq!(revoked.head.status, 200);
    for stream in [&mut moved, &mut stays] {
        assert_eq!(stream.expect("error").json()["code"], "key_revoked");
    }
}
