//! `/account/webhooks` over HTTP: made, tested, sent again, rotated, disabled and deleted as over REST, by their owner alone.

use serde_json::Value;

use super::{
    receiver::{Manner, Receiver},
    server::{Server, until},
    visitor::Visitor,
    webhooks::{HERE, api, hook},
    wire::PATIENCE,
};

fn only(server: &Server, key: &super::server::Key) -> Value {
    let list = api(server, key, "GET", "", &Value::Null).ok_json();
    assert_eq!(list["total"], 1, "{list}");
    list["items"][0].clone()
}

#[test]
fn a_webhook_lives_its_life_in_a_page() {
    let server = Server::with(&HERE);
    let key = server.alpha_key();
    let receiver = Receiver::start();
    let mut visitor = Visitor::of(&server, &key);
    let url = receiver.url("/hook");
    let fields = [
        ("url", url.as_str()),
        ("description", "<b>mine</b>"),
        ("types", "consensus_buy, test"),
        ("min_rank", "B"),
    ];
    let made = visitor.post("/account/webhooks", &fields);
    assert_eq!(made.head.status, 200, "{}", made.text());
    let page = made.text();
    assert!(page.contains("<code id=\"new-secret\">whsec_"), "{page}");
    assert!(page.contains("&lt;b&gt;mine") && !page.contains("<b>mine"));
    let one = only(&server, &key);
    assert_eq!(
        one["filter"]["types"],
        serde_json::json!(["consensus_buy", "test"])
    );
    assert_eq!(one["filter"]["min_rank"], "B");
    let base = format!("/account/webhooks/{}", one["id"].as_str().unwrap());
    assert!(
        !visitor.page("/account/webhooks").contains("whsec_"),
        "shown once"
    );
    assert!(!visitor.page(&base).contains("whsec_"));

    receiver.first("/hook", [Manner::status(500).saying("<script>no</script>")]);
    let tested = visitor.part(&format!("{base}/test"), &[]);
    assert_eq!(tested.head.status, 200, "{}", tested.text());
    assert!(
        tested.text().contains("500, not acknowledged"),
        "{}",
        tested.text()
    );
    assert!(
        tested.text().contains("&lt;script&gt;no"),
        "answers are text"
    );
    assert!(!tested.text().contains("<script>no"));

    let id = server.publish_sample(1);
    receiver.wait_for(1, PATIENCE).expect("a delivery");
    let seen = until(PATIENCE, || {
        let page = visitor.page(&base);
        (page.contains(">204 acknowledged</span>") && page.contains(&id)).then_some(page)
    });
    assert!(seen.is_some(), "the attempt");
    let again = visitor.part(&format!("{base}/resend"), &[("signal_id", &id)]);
    assert_eq!(again.head.status, 200, "{}", again.text());
    receiver.wait_for(2, PATIENCE).expect("it again");

    let rotated = visitor.part(&format!("{base}/rotate"), &[]);
    assert!(rotated.text().contains("<code id=\"new-secret\">whsec_"));
    assert!(rotated.text().contains("Old secret"));
    let off = visitor.post(&format!("{base}/disable"), &[]);
    assert!(off.text().contains("disabled"), "{}", off.text());
    assert_eq!(only(&server, &key)["enabled"], false);
    server.publish_sample(2);
    let on = visitor.post(&format!("{base}/skip"), &[]);
    assert_eq!(on.head.status, 200, "{}", on.text());
    assert_eq!(only(&server, &key)["state"]["behind"], 0, "left out");
    visitor.post(&format!("{base}/disable"), &[]);
    visitor.post(&format!("{base}/enable"), &[]);
    assert_eq!(only(&server, &key)["enabled"], true);
    let none = visitor.part(&format!("{base}/resend-failed"), &[]);
    assert_eq!(none.head.status, 200, "{}", none.text());
    let bad = visitor.part(&format!("{base}/resend"), &[]);
    assert_eq!(bad.head.status, 400, "{}", bad.text());
    assert_eq!(bad.head.header("hx-retarget"), Some("#refused"));
    let gone = visitor.part(&format!("{base}/delete"), &[]);
    assert_eq!(gone.head.header("hx-redirect"), Some("/account/webhooks"));
    assert_eq!(visitor.get(&base).head.status, 404);
}

#[test]
fn webhooks_are_their_owners_and_counted_as_over_rest() {
    let server = Server::with(&HERE);
    let (own, other) = (server.alpha_key(), server.alpha_key());
    let receiver = Receiver::start();
    let body = serde_json::json!({"url": receiver.url("/hook")});
    let id = hook(&server, &other, &body);
    let mut visitor = Visitor::of(&server, &own);
    let base = format!("/account/webhooks/{id}");
    assert_eq!(visitor.get(&base).head.status, 404);
    let all = [
        "test",
        "rotate",
        "enable",
        "skip",
        "disable",
        "resend-failed",
        "delete",
    ];
    for what in all {
        let path = format!("{base}/{what}");
        assert_eq!(visitor.post(&path, &[]).head.status, 404, "{what}");
        let foreign = [("origin", "https://evil.example")];
        let reply = visitor.ask("POST", &path, &foreign, "");
        assert_eq!(reply.head.status, 403, "{what}");
        let nobody = Visitor::new(&server).post(&path, &[]);
        assert_eq!(nobody.head.status, 303, "{what}");
    }
    let resend = visitor.post(&format!("{base}/resend"), &[("after", "0")]);
    assert!(
        [400, 404].contains(&resend.head.status),
        "{}",
        resend.text()
    );
    assert_eq!(visitor.get("/account/webhooks/nothing").head.status, 404);
    let url = receiver.url("/x");
    let foreign = [("origin", "https://evil.example")];
    let form = super::visitor::form(&[("url", &url)]);
    let reply = visitor.ask("POST", "/account/webhooks", &foreign, &form);
    assert_eq!(reply.head.status, 403);
    let list = api(&server, &own, "GET", "", &Value::Null).ok_json();
    assert_eq!(list["total"], 0);
    let wrong = visitor.part("/account/webhooks", &[("url", "ftp://example.com")]);
    assert_eq!(wrong.head.status, 400, "{}", wrong.text());
    assert_eq!(
        api(&server, &other, "GET", "", &Value::Null).ok_json()["total"],
        1
    );

    // a page of webhooks is a request
    let used = || {
        server.get("/api/v1/me", &own).ok_json()["usage"]["today"]
            .as_u64()
            .unwrap()
    };
    let before = used();
    visitor.page("/account/webhooks");
    assert_eq!(used(), before + 2);
    let poor = server.key(&server.account("free"));
    let reply = Visitor::of(&server, &poor).get("/account/webhooks");
    assert_eq!(reply.head.status, 403, "{}", reply.text());
}
