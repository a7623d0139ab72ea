//! `/mcp` as the packages of npm and PyPI see it, in each revision that they speak and we do.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::{Value, json};

use super::{
    clients::{once_for, python_with, scratch, skip, succeed},
    mcp::{Asked, GREETING, PLAIN, result, timeless, without_usage},
    server::{Key, Server},
};

fn sources(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/mcp_clients")
        .join(of)
}

/// A package.
#[derive(Clone, Copy, Debug)]
enum Client {
    /// npm's `@modelcontextprotocol/sdk`.
    Sdk,
    /// npm's `@modelcontextprotocol/client`, which came after it.
    Npm,
    /// PyPI's `mcp`.
    PyPi,
}

/// Each of them by the revisions that it speaks.
const ALL: [(Client, &str); 6] = [
    (Client::Sdk, "2025-06-18"),
    (Client::Sdk, GREETING),
    (Client::Npm, "2025-06-18"),
    (Client::Npm, PLAIN),
    (Client::PyPi, GREETING),
    (Client::PyPi, PLAIN),
];

impl Client {
    fn command(self) -> Result<Command, String> {
        let node = |script: &str| -> Result<Command, String> {
            let mut command = Command::new("node");
            command.arg(npm()?.join(script));
            Ok(command)
        };
        match self {
            Client::Sdk => node("sdk.mjs"),
            Client::Npm => node("client.mjs"),
            Client::PyPi => {
                let python = pypi()?;
                let mut command = Command::new(python);
                command.arg(sources("python/ask.py"));
                Ok(command)
            }
        }
    }

    /// What it is answered, by this revision of the protocol. An error: it cannot be had here.
    fn ask(
        self,
        revision: &str,
        server: &Server,
        key: &Key,
        questions: &Value,
    ) -> Result<Value, String> {
        let mut child = self
            .command()?
            .env("MCP_URL", format!("{}/mcp", server.url()))
            .env("MCP_KEY", &key.text)
            .env("MCP_REVISION", revision)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{self:?}: {error}"))?;
        // dropped when it is written: the end of what there is
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(questions.to_string().as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{self:?} {revision}: {output:?}");
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    }
}

fn npm() -> Result<PathBuf, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let place = scratch("mcp-clients-node");
        fs::create_dir_all(&place).map_err(|e| e.to_string())?;
        for file in ["package.json", "ask.mjs", "sdk.mjs", "client.mjs"] {
            fs::copy(sources("node").join(file), place.join(file)).map_err(|e| e.to_string())?;
        }
        once_for(&place, &sources("node/package.json"), || {
            let args = ["install", "--no-audit", "--no-fund"];
            succeed(Command::new("npm").args(args).current_dir(&place)).map(drop)
        })?;
        Ok(place)
    });
    ready.clone()
}

fn pypi() -> Result<PathBuf, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let wanted = sources("python/requirements.txt");
        python_with("mcp-clients-python", &wanted)
    });
    ready.clone()
}

/// What is asked, and what holds of the answer.
type Other = (Value, fn(&Value));

/// Questions beside the tools', and what each has to be answered.
fn others(slug: &str) -> Vec<Other> {
    vec![
        (json!({"do": "tools"}), |said| {
            let tools = said["ok"]["tools"]
                .as_array()
                .unwrap_or_else(|| panic!("{said}"));
            assert_eq!(tools.len(), 11);
            for tool in tools {
                assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
                assert_eq!(tool["outputSchema"]["type"], "object", "{tool}");
                assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
                assert_eq!(tool["annotations"]["openWorldHint"], false, "{tool}");
            }
        }),
        (
            json!({"do": "call", "name": "company_overview", "arguments": {"company": slug}}),
            |said| {
                let found = &said["ok"]["structuredContent"];
                for part in ["company", "declarations", "netFlow"] {
                    assert!(found[part].is_object(), "{said}");
                }
            },
        ),
        (
            json!({"do": "call", "name": "search_declarations", "arguments": {"market": "mars"}}),
            |said| {
                assert_eq!(said["ok"]["isError"], true, "{said}");
                let text = said["ok"]["content"][0]["text"].as_str().unwrap();
                assert!(
                    text.contains("invalid_parameter") && text.contains("`market`"),
                    "{text}"
                );
            },
        ),
        (
            json!({"do": "call", "name": "delete_everything", "arguments": {}}),
            |said| {
                assert_eq!(said["error"]["code"], -32_602, "{said}");
            },
        ),
        (json!({"do": "resources"}), |said| {
            assert_eq!(
                said["ok"]["resources"].as_array().map(Vec::len),
                Some(3),
                "{said}"
            );
        }),
        (json!({"do": "templates"}), |said| {
            assert_eq!(
                said["ok"]["resourceTemplates"].as_array().map(Vec::len),
                Some(3),
                "{said}"
            );
        }),
        (
            json!({"do": "read", "uri": "sigcast://methodology/filings"}),
            |said| {
                let text = said["ok"]["contents"][0]["text"].as_str();
                assert!(
                    text.is_some_and(|text| text.contains("nine factors")),
                    "{said}"
                );
            },
        ),
        (json!({"do": "read", "uri": "sigcast://markets"}), |said| {
            assert_eq!(
                said["ok"]["contents"][0]["mimeType"], "application/json",
                "{said}"
            );
        }),
        (
            json!({"do": "read", "uri": "sigcast://companies/nobody-999999"}),
            |said| {
                let code = said["error"]["code"].as_i64();
                assert!(matches!(code, Some(-32_002 | -32_602)), "{said}");
            },
        ),
        (json!({"do": "prompts"}), |said| {
            assert_eq!(
                said["ok"]["prompts"].as_array().map(Vec::len),
                Some(2),
                "{said}"
            );
        }),
        (
            json!({"do": "prompt", "name": "explain_signal", "arguments": {"id": "SEC:0000000000-00-000003"}}),
            |said| {
                let text = said["ok"]["messages"][0]["content"]["text"].as_str();
                assert!(
                    text.is_some_and(|text| text.contains("explain_score")),
                    "{said}"
                );
            },
        ),
    ]
}

#[test]
fn the_packages_of_npm_and_pypi_are_told_what_rest_says() {
    let asked = Asked::start();
    let (server, key) = (&asked.house.server, &asked.house.key);
    let others = others(&asked.slug);
    let pairs = asked.pairs();
    let calls = pairs
        .iter()
        .map(|(tool, said, _)| json!({"do": "call", "name": tool, "arguments": said}));
    let questions: Vec<Value> = others
        .iter()
        .map(|(question, _)| question.clone())
        .chain(calls)
        .collect();
    let questions = json!(questions);
    let told: Vec<Value> = pairs
        .iter()
        .map(|(tool, _, path)| without_usage(tool, asked.rest(path)))
        .collect();
    for (client, revision) in ALL {
        let said = match client.ask(revision, server, key, &questions) {
            Ok(said) => said,
            Err(why) => {
                skip(&format!("{client:?}"), &why);
                continue;
            }
        };
        assert_eq!(said["revision"], revision, "{client:?}");
        assert_eq!(
            said["server"]["name"], "sigcast",
            "{client:?} {revision}: {said}"
        );
        assert!(
            said["instructions"]
                .as_str()
                .is_some_and(|text| text.contains("list_markets"))
        );
        let answers = said["answers"].as_array().unwrap();
        for (answer, (_, check)) in answers.iter().zip(&others) {
            check(answer);
        }
        for ((answer, (tool, said, _)), told) in
            answers[others.len()..].iter().zip(&pairs).zip(&told)
        {
            let found = &answer["ok"]["structuredContent"];
            let found = without_usage(tool, timeless(found.clone()));
            assert_eq!(
                &found, told,
                "{client:?} {revision}: {tool} {said}: {answer}"
            );
        }
    }
}

#[test]
fn the_packages_of_npm_and_pypi_say_why_they_are_refused() {
    let server = Server::with(&[
        ("SIGCAST_PLANS__TESTED__MCP", "true"),
        ("SIGCAST_PLANS__TESTED__BURST", "0"),
        ("SIGCAST_PLANS__TESTED__REQUESTS_PER_DAY", "1"),
    ]);
    let call = json!({"do": "call", "name": "my_usage"});
    let questions = json!([call, call]);
    for (client, revision) in [
        (Client::Sdk, GREETING),
        (Client::Npm, PLAIN),
        (Client::PyPi, GREETING),
        (Client::PyPi, PLAIN),
    ] {
        let key = server.key(&server.account("tested"));
        let said = match client.ask(revision, &server, &key, &questions) {
            Ok(said) => said,
            Err(why) => {
                skip(&format!("{client:?}"), &why);
                continue;
            }
        };
        let answers = &said["answers"];
        assert!(
            answers[0]["ok"].is_object(),
            "{client:?} {revision}: {said}"
        );
        let message = answers[1]["error"]["message"].as_str().unwrap_or_default();
        assert!(
            message.contains("rate_limited: The plan's 1 requests a day"),
            "{client:?} {revision}: {said}"
        );
    }
}

#[test]
fn the_page_says_how_to_ask_and_what_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/mcp.md")).unwrap();
    let block = |kind: &str| {
        let (_, after) = page.split_once(&format!("```{kind}\n")).expect(kind);
        after.split_once("```").expect("an end").0.to_owned()
    };
    let settings: Value = serde_json::from_str(&block("json")).unwrap();
    let entry = &settings["mcpServers"]["sigcast"];
    assert!(
        entry["url"]
            .as_str()
            .is_some_and(|url| url.ends_with("/mcp")),
        "{settings}"
    );
    assert_eq!(entry["headers"]["Authorization"], "Bearer ${SIGCAST_KEY}");
    let server = Server::start();
    let key = server.alpha_key();
    let mut shell = Command::new("bash");
    shell
        .args(["-euo", "pipefail", "-c", &block("sh")])
        .env("SIGCAST_URL", server.url())
        .env("SIGCAST_KEY", &key.text);
    let output = succeed(&mut shell).unwrap_or_else(|why| panic!("{why}"));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let markets = said["result"]["structuredContent"]["items"].as_array();
    assert!(markets.is_some_and(|markets| markets.len() > 5), "{said}");
    // each tool has its row
    let tools = result(&server, &key, "tools/list", &json!({}));
    for tool in tools["tools"].as_array().unwrap() {
        let row = format!("\n| `{}` | ", tool["name"].as_str().unwrap());
        assert!(page.contains(&row), "{row}");
    }
}
