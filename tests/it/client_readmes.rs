//! The programs in the READMEs of the client libraries, run as they stand there.

use std::{fs, path::Path, process::Command};

use super::{
    clients::skip,
    harness::libraries::{self, Library, Listener},
    listening::{Listening, SECRET, SECRET_NAME},
    server::{Server, sample, until},
    wire::PATIENCE,
};

/// The programs of a library's README.
fn programs(library: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("clients/{library}/README.md"));
    let page = fs::read_to_string(path).unwrap();
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1);
    let programs: Vec<String> = blocks
        .map(|block| {
            block
                .split_once("```")
                .expect("a block that ends")
                .0
                .to_owned()
        })
        .collect();
    assert!(programs.len() >= 2, "{library}: a stream, and webhooks");
    programs
}

fn id(n: u32) -> String {
    sample(n)["id"].as_str().unwrap().to_owned()
}

fn works(library: Library, mut command: Command, takes_webhooks: bool) {
    let server = Server::start();
    let account = server.account("alpha");
    let (key, other) = (server.key(&account), server.key(&account));
    command.env("PORT", "0").env(SECRET_NAME, SECRET);
    let program = Listener::of(library, &server.url(), &key.text, command);
    let streams = |open| {
        let there = || (server.metric("sigcast_streams") == open).then_some(());
        assert!(until(3 * PATIENCE, there).is_some(), "{}", program.said());
    };
    streams(1);
    let _forwards = takes_webhooks.then(|| {
        let hook = format!("http://{}/hook", program.receives_at());
        Listening::start(&server, &other, &hook, &[])
    });
    for n in 1..=3 {
        server.publish_sample(n);
        program.says(&id(n));
    }
    for n in 1..=3 {
        assert_eq!(program.count(&id(n)), 1, "{}", program.said());
    }
}

#[test]
fn those_for_node() {
    let place = match libraries::node() {
        Ok(place) => place,
        Err(why) => return skip("the library for Node", &why),
    };
    for (n, program) in programs("node", "js").iter().enumerate() {
        let file = place.join(format!("readme-{n}.mjs"));
        fs::write(&file, program).unwrap();
        let mut command = Command::new("node");
        command.arg(file);
        works(Library::Node, command, program.contains("WebhookReceiver"));
    }
}

#[test]
fn those_for_python() {
    let python = match libraries::python() {
        Ok(python) => python,
        Err(why) => return skip("the library for Python", &why),
    };
    for program in programs("python", "python") {
        let mut command = Command::new(python);
        command.args(["-W", "error", "-c", &program]);
        works(
            Library::Python,
            command,
            program.contains("WebhookReceiver"),
        );
    }
}
