//! The API's own description: valid, true to what is answered, and shown without asking anybody else.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::{
    clients::{python_with, scratch, skip, succeed},
    insider_data::House,
    server::Server,
    wire::{Reply, request},
};

/// A Python with the tools, once for all tests.
pub fn tools() -> Result<&'static Path, String> {
    static READY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        python_with(
            "openapi-tools",
            &root.join("tests/it/openapi.requirements.txt"),
        )
    });
    ready.as_deref().map_err(Clone::clone)
}

fn get(server: &Server, path: &str) -> Reply {
    request(server.main, "GET", path, &[], b"")
}

#[test]
fn the_document_is_valid() {
    let server = Server::start();
    let reply = get(&server, "/openapi.json");
    assert_eq!(reply.ok_json()["openapi"], "3.1.0");
    let tag = reply.head.header("etag").unwrap();
    let again = request(
        server.main,
        "GET",
        "/openapi.json",
        &[("if-none-match", tag)],
        b"",
    );
    assert_eq!(again.head.status, 304);
    let python = match tools() {
        Ok(python) => python,
        Err(why) => return skip("the validator of OpenAPI documents", &why),
    };
    let file = scratch("openapi.json");
    fs::write(&file, &reply.body).unwrap();
    let mut validate = Command::new(python);
    validate.args(["-m", "openapi_spec_validator"]).arg(&file);
    if let Err(why) = succeed(&mut validate) {
        panic!("{why}");
    }
}

#[test]
fn what_is_described_is_what_is_answered() {
    let python = match tools() {
        Ok(python) => python,
        Err(why) => return skip("Schemathesis", &why),
    };
    // without limits, and without the stream: an endless answer is nothing to compare
    let plan = [
        ("SIGCAST_PLANS__TESTED__REST", "true"),
        ("SIGCAST_PLANS__TESTED__WEBHOOKS", "true"),
        ("SIGCAST_PLANS__TESTED__WEBHOOK_ENDPOINTS", "20"),
        ("SIGCAST_PLANS__TESTED__BURST", "0"),
    ];
    let house = House::on_plan("tested", &plan);
    let (server, key) = (&house.server, &house.key);
    for n in 1..=3 {
        server.publish_sample(n);
    }
    let mut run = Command::new(python.with_file_name("schemathesis"));
    run.arg("run")
        .arg(format!("{}/openapi.json", server.url()))
        .args(["--header", &format!("Authorization: Bearer {}", key.text)])
        .args(["--checks", CHECKS, "--max-examples", "40", "--seed", "7"])
        .args(["--request-timeout", "10", "--suppress-health-check", "all"])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--continue-on-failure",
        ])
        .arg("--no-color")
        .current_dir(env!("CARGO_TARGET_TMPDIR"));
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("passed"), "{said}");
}

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,negative_data_rejection,\
                      unsupported_method,allow_header_conformance,ignored_auth";

#[test]
fn the_page_shows_it_and_asks_no_other_host() {
    let server = Server::start();
    let page = get(&server, "/docs");
    assert_eq!(page.head.status, 200);
    let policy = page.head.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"));
    assert!(!policy.contains("http:") && !policy.contains("https:") && !policy.contains('*'));
    let scripts = policy
        .split(';')
        .find(|part| part.trim().starts_with("script-src"));
    assert_eq!(scripts.map(str::trim), Some("script-src 'self'"));
    let text = page.text();
    assert!(
        !text.contains("://") && !text.contains("<script>"),
        "{text}"
    );
    // all that the page names is here
    let mut named = 0;
    for part in text.split(['"']).filter(|part| part.starts_with('/')) {
        let file = get(&server, part);
        assert_eq!(file.head.status, 200, "{part}");
        assert_eq!(file.head.header("x-content-type-options"), Some("nosniff"));
        assert!(!file.body.is_empty());
        named += 1;
    }
    assert_eq!(named, 3);
    let start = get(&server, "/docs/start.js").text();
    assert!(
        start.contains("validatorUrl: null") && !start.contains("://"),
        "{start}"
    );
    let styles = get(&server, "/docs/swagger-ui.css").text();
    assert!(!styles.contains("url(http") && !styles.contains("@import"));
    // large files are compressed once for all, and not sent again
    let script = "/docs/swagger-ui-bundle.js";
    let plain = get(&server, script);
    for (accept, encoding) in [
        ("gzip", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("gzip, br", "br"),
    ] {
        let headers = [("accept-encoding", accept)];
        let packed = request(server.main, "GET", script, &headers, b"");
        assert_eq!(
            packed.head.header("content-encoding"),
            Some(encoding),
            "{accept}"
        );
        assert!(packed.body.len() * 2 < plain.body.len(), "{accept}");
        if encoding == "gzip" {
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(packed.body.as_slice())
                .read_to_end(&mut text)
                .unwrap();
            assert!(text == plain.body);
        }
        let tag = packed.head.header("etag").expect("a tag").to_owned();
        let headers = [("accept-encoding", accept), ("if-none-match", &*tag)];
        assert_eq!(
            request(server.main, "GET", script, &headers, b"")
                .head
                .status,
            304
        );
    }
    for path in [
        "/docs/index.html",
        "/docs/..%2f..%2fetc%2fpasswd",
        "/docs/%FF",
    ] {
        get(&server, path).expect_error(404, "not_found");
    }
}
