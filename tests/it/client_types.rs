//! The types of the client libraries, held against what the server really writes: no field is missing, and none is unknown.

use std::{fs, process::Command};

use serde_json::{Value, json};
use sigcast::model::{
    swap::{Fact, Side},
    time::Time,
};

use super::{
    client_libraries::QUICK,
    clients::{skip, succeed},
    crash::{lines, market, with_past},
    filings::{post, purchase},
    harness::libraries,
    receiver::Receiver,
    server::{Key, Server, until},
    webhooks::{HERE, api, hook},
    wire::{PATIENCE, request},
};

/// What was written, beside the name of its type.
pub type Written = Vec<(&'static str, Value)>;

/// Sells all that the wallets of a signal are known to have bought.
fn sold_again(signal: &Value, live: &[Fact]) -> String {
    let mint = signal["token"]["address"].as_str().unwrap();
    let at = live
        .iter()
        .map(Fact::time)
        .max()
        .unwrap()
        .plus(Time::SECOND);
    let wallets = signal["triggering_wallets"].as_array().unwrap();
    let sales = wallets.iter().enumerate().map(|(n, wallet)| {
        let wallet = wallet["address"].as_str().unwrap();
        let bought = live.iter().filter_map(|fact| match fact {
            Fact::Swap(swap) if *swap.wallet == *wallet && *swap.mint == *mint && swap.side == Side::Buy => {
                Some(swap.token_amount)
            }
            _ => None,
        });
        let sale = json!({
            "v": 1, "type": "swap", "signature": format!("Sale{n}"), "time": at.unix_ms(), "wallet": wallet, "mint": mint,
            "side": "sell", "token_amount": bought.sum::<u128>().to_string(), "amount_usd": "100",
        });
        format!("{sale}\n")
    });
    sales.collect()
}

/// Of each type of signal, as many as are worth looking at.
fn signals(server: &Server, key: &Key) -> Written {
    let (_, live) = market();
    let bearer = format!("Bearer {}", Server::TOKEN);
    let headers = [("authorization", bearer.as_str())];
    let swaps = |body: &str| {
        let took = request(server.admin, "POST", "/v1/swaps", &headers, body.as_bytes());
        assert_eq!(took.ok_json()["rejected"], json!([]));
    };
    for facts in live.chunks(1_000) {
        swaps(&lines(facts));
    }
    let path = format!(
        "/api/signals?types=consensus_buy&limit=1&before={}-1000000",
        server.epoch(key)
    );
    let last = server.get(&path, key).ok_json();
    swaps(&sold_again(&last["items"][0], &live));
    post(
        server,
        &format!("{}\n{}\n", purchase(1, 11, 40), purchase(2, 12, 30)),
    )
    .ok_json();
    let listed = |query: &str| {
        let path = format!("/api/signals?limit=20&{query}");
        let page = server.get(&path, key).ok_json();
        page["items"].as_array().unwrap().clone()
    };
    let mut written = Written::new();
    for (name, types) in [
        ("ConsensusBuy", "consensus_buy"),
        ("ConsensusExit", "consensus_exit"),
        ("InsiderSignal", "insider_buy,insider_cluster_buy"),
    ] {
        let found = listed(&format!("types={types}"));
        assert!(!found.is_empty(), "no {name}");
        written.extend(found.into_iter().map(|one| (name, one)));
    }
    let is_update = |(_, one): &(&str, Value)| one["best_before"].is_object();
    assert!(written.iter().any(is_update), "one that is an update");
    written
}

/// The end of the log.
fn head(server: &Server, key: &Key) -> String {
    let log = server.get("/api/signals?limit=1", key).ok_json();
    format!("{}-{}", log["epoch"].as_str().unwrap(), log["head"])
}

/// All that is said beside signals.
fn beside(server: &mut Server, key: &Key) -> Written {
    let receiver = Receiver::start();
    let id = hook(server, key, &json!({"url": receiver.url("/")}));
    api(server, key, "POST", &format!("/{id}/test"), &Value::Null).ok_json();
    let mut written = Written::new();
    let tested = receiver.wait_for(1, PATIENCE).expect("a test");
    written.push((
        "WebhookTest",
        serde_json::from_slice(&tested[0].body).unwrap(),
    ));
    // whose streams are noted, is known from the beginning then
    server.restart();
    let mut told = server.listen(key, "?heartbeat=event&min_rank=D", &[]);
    let before = head(server, key);
    server.publish_sample(1);
    told.expect("signal");
    written.push(("Heartbeat", told.expect("heartbeat").json()));
    drop(told);
    let deliveries = until(3 * PATIENCE, || {
        let path = format!("/api/v1/deliveries?after={before}");
        let said = server.get(&path, key).ok_json();
        (said["items"][0]["streams"] != json!([])).then_some(said)
    });
    written.push((
        "Deliveries",
        deliveries.expect("it was written to a stream"),
    ));
    for (name, path) in [
        ("SignalList", "/api/signals?limit=5"),
        ("Digest", "/api/signals/digest"),
    ] {
        written.push((name, server.get(path, key).ok_json()));
    }
    let refused = server.get("/api/signals?limit=0", key);
    written.push(("ErrorBody", refused.json()));
    let mut lost = server.stream(key, "", &[("last-event-id", "deadbeef-5")]);
    written.push(("Hello", lost.expect("hello").json()));
    written.push(("Gap", lost.expect("gap").json()));
    let mut other = server.stream(key, "?takeover=true", &[]);
    written.push(("StreamError", lost.expect("error").json()));
    other.expect("hello");
    server.terminate();
    written.push(("Bye", other.expect("bye").json()));
    written
}

#[test]
fn they_are_what_is_written() {
    let settings = [&HERE[..], &QUICK].concat();
    let (mut server, key) = with_past(&market().0, &settings);
    let mut written = signals(&server, &key);
    written.extend(beside(&mut server, &key));
    for_typescript(&written);
    for_python(&written);
}

/// A literal that satisfies a type has all of its fields, and no other.
pub fn for_typescript(written: &Written) {
    let place = match libraries::node() {
        Ok(place) => place,
        Err(why) => return skip("the types for TypeScript", &why),
    };
    // `Answer<Webhook>` is two
    let names = written.iter().flat_map(|(name, _)| name.split(['<', '>']));
    let mut names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let mut program = format!("import type {{ {} }} from \"sigcast\";\n", names.join(", "));
    for (n, (name, value)) in written.iter().enumerate() {
        program.push_str(&format!(
            "export const written{n} = {value} satisfies {name};\n"
        ));
    }
    let file = tempfile::Builder::new()
        .prefix("written-")
        .suffix(".ts")
        .tempfile_in(place)
        .unwrap();
    fs::write(&file, program).unwrap();
    let compiler = libraries::copy("node")
        .unwrap()
        .join("node_modules/typescript/bin/tsc");
    let mut check = Command::new("node");
    check.arg(compiler).current_dir(place);
    check.args([
        "--noEmit", "--strict", "--module", "NodeNext", "--target", "ES2022",
    ]);
    // the compiler speaks on its standard output
    let said = check
        .arg("--skipLibCheck")
        .arg(file.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{}", &text[..text.len().min(4_000)]);
}

pub fn for_python(written: &Written) {
    let python = match libraries::python() {
        Ok(python) => python,
        Err(why) => return skip("the types for Python", &why),
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("written.json");
    fs::write(&file, json!(written).to_string()).unwrap();
    let check = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/harness/programs/typed.py"
    );
    succeed(Command::new(python).arg(check).arg(file)).unwrap();
}
