//! `/account` and `/admin` where several nodes share the database: one node's page knows of the others' streams, and changes them.

use std::sync::Arc;

use super::{
    place::Place,
    server::{Server, until},
    visitor::Visitor,
    wire::PATIENCE,
};

#[test]
fn a_page_of_one_node_sees_and_ends_what_is_on_another() {
    let place = Arc::new(Place::new());
    let (here, there) = (
        Server::on(place.clone(), &[]),
        Server::on(place.beside(), &[]),
    );
    let account = here.account("alpha");
    let (own, streaming) = (here.key(&account), here.key(&account));
    let mut stream = there.listen(&streaming, "", &[]);
    let mut visitor = Visitor::of(&here, &own);
    let page = visitor.page("/account");
    assert!(page.contains("on another node, <code>"), "{page}");
    assert!(page.contains("127.0.0.1:"), "from where: {page}");
    assert!(!page.contains("/close\""), "not closed from here");
    // the cookie is good on both, until it is signed out on one
    let cookie = visitor.cookie.clone();
    let mut beside = Visitor::new(&there);
    beside.cookie = cookie;
    let page = beside.page("/account");
    assert!(
        page.contains("has all that was sent") || page.contains("on their way"),
        "{page}"
    );

    let mut operator = Visitor::operator(&here);
    let overview = operator.page("/admin");
    assert_eq!(overview.matches("lives</span>").count(), 2, "{overview}");
    for duty in ["engines", "this one"] {
        assert!(overview.contains(duty), "{duty}: {overview}");
    }

    let path = format!("/account/keys/{}/revoke", streaming.id);
    assert_eq!(visitor.post(&path, &[]).head.status, 303);
    assert_eq!(stream.expect("error").json()["code"], "key_revoked");
    let refused = until(PATIENCE, || {
        let reply = there.get("/api/v1/me", &streaming);
        (reply.head.status == 401).then_some(())
    });
    assert!(refused.is_some(), "the other node still takes the key");
    assert_eq!(visitor.post("/account/sign-out", &[]).head.status, 303);
    assert!(beside.page("/account").contains("Your API key"));
}
