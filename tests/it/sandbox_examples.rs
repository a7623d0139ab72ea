//! The examples that read without a key, in Node and Python: ten calls each against a real server, the last five worked for.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use super::{clients::skip, place::sigcast, server::Server};

fn run(program: &str, file: &str, server: &Server) -> Option<Output> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/sandbox")
        .join(file);
    let mut command = Command::new(program);
    // nothing of this process's own environment
    for (name, _) in sigcast().get_envs() {
        command.env_remove(name);
    }
    let output = command
        .arg(file)
        .arg("markets?limit=3")
        .env("SIGCAST_URL", server.url())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output();
    output.ok()
}

#[test]
fn they_solve_what_they_are_asked() {
    // sixteen bits, as they are by default
    let server = Server::start();
    for (program, file) in [("node", "solve.mjs"), ("python3", "solve.py")] {
        for left in (0..10).rev() {
            let Some(output) = run(program, file, &server) else {
                skip(file, &format!("no {program}"));
                break;
            };
            assert!(output.status.success(), "{output:?}");
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(answer["meta"]["sandbox"]["remaining"], left);
            assert_eq!(answer["items"].as_array().map(Vec::len), Some(3));
        }
        if let Some(refused) = run(program, file, &server) {
            assert_eq!(refused.status.code(), Some(1));
            let said = String::from_utf8(refused.stderr).unwrap();
            assert!(said.starts_with("sandbox_quota: "), "{said}");
        }
    }
}
