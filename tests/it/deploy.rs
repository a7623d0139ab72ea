//! What is handed out for operation works as it stands: the unit, nginx's configuration, and what the doctor says of both proxies.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::{
    clients::{skip, succeed},
    cluster::Database,
    harness::proxy::Proxy,
    place::DATABASE_URL,
    server::{Key, Server, until},
    wire::{PATIENCE, Stream, request},
};

fn deploy(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file);
    fs::read_to_string(path).unwrap()
}

/// Where a program is, also where only root looks for it.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places
        .map(|place| place.join(name))
        .find(|file| file.is_file())
}

#[test]
fn systemd_takes_the_unit() {
    let Some(analyze) = find("systemd-analyze") else {
        return skip("the unit", "no systemd-analyze");
    };
    let unit = deploy("sigcast.service");
    let binary = "/usr/local/bin/sigcast";
    assert!(unit.contains(&format!("ExecStart={binary} serve ")));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sigcast.service");
    // as if it were installed
    fs::write(&file, unit.replace(binary, env!("CARGO_BIN_EXE_sigcast"))).unwrap();
    let output = Command::new(analyze)
        .arg("verify")
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !said.contains("sigcast.service:"),
        "{said}"
    );
}

/// The flags and settings that the unit and the images name are the program's.
#[test]
fn the_program_takes_what_the_files_give_it() {
    let server = Server::with_flags(
        &["--log-json"],
        &[
            ("SIGCAST_SERVER__LISTEN", "127.0.0.1:0"),
            ("SIGCAST_HTTP__TRUSTED_PROXIES", r#"["172.30.0.0/24"]"#),
        ],
    );
    assert_eq!(
        request(server.main, "GET", "/readyz", &[], b"").head.status,
        200
    );
    let image = deploy("Dockerfile");
    assert!(
        image.contains("SIGCAST_SERVER__LISTEN=") && image.contains("SIGCAST_SERVER__DATA_DIR=")
    );
    assert!(image.contains("USER sigcast"), "not root");
    // what the image's health check runs, on this server's port
    let check = image
        .lines()
        .find(|line| line.starts_with("HEALTHCHECK"))
        .unwrap();
    let words: Vec<String> = serde_json::from_str(&check[check.find('[').unwrap()..]).unwrap();
    let run = |port: u16| {
        let script = words[2].replace("/8080", &format!("/{port}"));
        Command::new(&words[0])
            .args([&words[1], &script])
            .stderr(Stdio::null())
            .status()
            .unwrap()
    };
    assert!(run(server.main.port()).success());
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert!(!run(free.port()).success(), "nobody is there");
}

/// nginx in front of a server, ended with the test.
struct Nginx {
    child: Child,
    address: SocketAddr,
    url: String,
    folder: tempfile::TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Nginx {
    /// In front of one node or two. With our configuration, changed by `adjust`; `None` where there is no nginx.
    fn before(nodes: &[&Server], adjust: impl Fn(String) -> String) -> Option<Self> {
        let nginx = find("nginx")?;
        let folder = tempfile::tempdir().unwrap();
        let listen = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("    {kind}_temp_path {}/{kind};\n", folder.path().display()))
            .collect();
        let log = folder.path().join("access.log");
        let config = deploy("nginx.conf")
            .replace("http {\n", &format!("http {{\n{temporary}"))
            .replace("/dev/stdout", log.to_str().unwrap())
            .replace("listen 8080;", &format!("listen {listen};"))
            .replace("node-a:8080", &nodes[0].main.to_string());
        let config = match nodes.get(1) {
            Some(second) => config.replace("node-b:8080", &second.main.to_string()),
            None => config.replace(
                "        server node-b:8080 max_fails=1 fail_timeout=2s;\n",
                "",
            ),
        };
        let config = config
            // one process that is ended by its id
            .replace("worker_processes auto;", "worker_processes 1; daemon off; master_process off; pid nginx.pid; error_log stderr;");
        let file = folder.path().join("nginx.conf");
        fs::write(&file, adjust(config)).unwrap();
        let command = |more: &[&str]| {
            let mut command = Command::new(&nginx);
            command
                .arg("-p")
                .arg(folder.path())
                .arg("-c")
                .arg(&file)
                .args(more);
            command
        };
        succeed(&mut command(&["-t"])).unwrap_or_else(|why| panic!("{why}"));
        let child = command(&[]).stderr(Stdio::null()).spawn().unwrap();
        let nginx = Nginx {
            child,
            address: listen,
            url: format!("http://{listen}"),
            folder,
        };
        let up = until(PATIENCE, || std::net::TcpStream::connect(listen).ok());
        assert!(up.is_some(), "nginx does not listen");
        Some(nginx)
    }
}

fn doctor(server: &Server, url: &str) -> Vec<Value> {
    findings(&mut server.on_data(&["doctor", "--json", "--url", url]))
}

fn findings(doctor: &mut Command) -> Vec<Value> {
    let output = doctor.output().unwrap();
    let all: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    all["checks"].as_array().unwrap().clone()
}

fn level(found: &[Value], check: &str) -> String {
    let one = found.iter().find(|one| one["check"] == check);
    one.map_or_else(String::new, |one| one["level"].as_str().unwrap().to_owned())
}

#[test]
fn nginx_as_we_hand_it_out_holds_nothing_back() {
    let server = Server::with(&[("SIGCAST_HTTP__TRUSTED_PROXIES", r#"["127.0.0.1"]"#)]);
    let Some(nginx) = Nginx::before(&[&server], |config| config) else {
        return skip("nginx", "not installed");
    };
    let found = doctor(&server, &nginx.url);
    assert_eq!(level(&found, "buffering"), "ok", "{found:#?}");
    let client = found
        .iter()
        .find(|one| one["check"] == "client address")
        .unwrap();
    assert_eq!(
        client["found"], "the server takes this client for 127.0.0.1",
        "without a port: from the header"
    );
    let log = fs::read_to_string(nginx.folder.path().join("access.log")).unwrap_or_default();
    assert!(
        !log.contains("ticket") && !log.contains("sig_live_"),
        "{log}"
    );
}

#[test]
fn nginx_that_buffers_is_found_out() {
    let server = Server::start();
    let buffering = |config: String| {
        config
            .replace(
                "proxy_buffering off;",
                "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;",
            )
            // chunks are passed on all the same; without them nothing is
            .replace("proxy_http_version 1.1;", "proxy_http_version 1.0;")
    };
    let Some(nginx) = Nginx::before(&[&server], buffering) else {
        return skip("nginx", "not installed");
    };
    let found = doctor(&server, &nginx.url);
    assert_eq!(level(&found, "buffering"), "fail", "{found:#?}");
}

/// Opens a stream through nginx, from this id on, and reads the signals after it up to this one.
fn read_on(nginx: &Nginx, key: &Key, after: &str, last: u64) -> Stream {
    let bearer = format!("Bearer {}", key.text);
    let headers = [("authorization", bearer.as_str()), ("last-event-id", after)];
    let mut stream = Stream::open(nginx.address, "", &headers);
    stream.expect_hello();
    let (_, at) = after.split_once('-').unwrap();
    for seq in at.parse::<u64>().unwrap() + 1..=last {
        assert_eq!(stream.expect("signal").json()["seq"], seq);
    }
    stream
}

#[test]
fn two_nodes_behind_nginx_lose_nothing_when_one_restarts() {
    let database = Database::fresh();
    let settings = [
        (DATABASE_URL, database.url.as_str()),
        ("SIGCAST_HTTP__TRUSTED_PROXIES", r#"["127.0.0.1"]"#),
        ("SIGCAST_HTTP__DRAIN_SECONDS", "1"),
    ];
    let mut nodes = [Server::with(&settings), Server::with(&settings)];
    let Some(nginx) = Nginx::before(&[&nodes[0], &nodes[1]], |config| config) else {
        return skip("nginx", "not installed");
    };
    let mut doctor = nodes[0].on_data(&["doctor", "--json", "--url", &nginx.url]);
    let found = findings(doctor.env(DATABASE_URL, &database.url));
    assert_eq!(level(&found, "buffering"), "ok", "{found:#?}");

    let key = nodes[0].alpha_key();
    let epoch = nodes[0].epoch(&key);
    let mut stream = read_on(&nginx, &key, &format!("{epoch}-0"), 0);
    let mut seq = 0;
    for killed in [false, true] {
        for node in &nodes {
            seq += 1;
            stream.expect_signal(&node.publish_sample(seq));
        }
        // each frame went through as it came, so its id is where to go on
        let after = format!("{epoch}-{seq}");
        let holder = usize::from(nodes[1].metric("sigcast_streams") == 1);
        if killed {
            nodes[holder].kill();
        } else {
            nodes[holder].terminate();
            stream.expect("bye");
            nodes[holder].exit_within(2 * PATIENCE);
        }
        stream.expect_end();
        seq += 1;
        nodes[1 - holder].publish_sample(seq);
        stream = read_on(&nginx, &key, &after, u64::from(seq));
        assert_eq!(
            nodes[1 - holder].metric("sigcast_streams"),
            1,
            "by the other node"
        );
        nodes[holder].restart();
        seq += 1;
        stream.expect_signal(&nodes[holder].publish_sample(seq));
    }
}

#[test]
fn nginx_goes_on_to_the_other_node_where_one_cannot_reach_the_database() {
    let database = Database::fresh();
    let proxy = Proxy::to(database.address().parse().unwrap());
    let by_proxy = database.url_at(proxy.address.port());
    let node = |url: &str| {
        Server::with(&[
            (DATABASE_URL, url),
            ("SIGCAST_HTTP__TRUSTED_PROXIES", r#"["127.0.0.1"]"#),
        ])
    };
    let (cut, mut other) = (node(&by_proxy), node(&database.url));
    let Some(nginx) = Nginx::before(&[&cut, &other], |config| config) else {
        return skip("nginx", "not installed");
    };
    let key = other.alpha_key();
    proxy.cut(true);
    let silent = until(PATIENCE, || {
        let ready = cut.admin("GET", "/readyz", "");
        ready.text().contains("silent").then_some(())
    });
    assert!(silent.is_some(), "it is cut off");
    let bearer = format!("Bearer {}", key.text);
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "text/event-stream"),
        ("x-stream-takeover", "1"),
    ];
    for _ in 0..4 {
        let list = request(nginx.address, "GET", "/api/signals", &headers[..1], b"");
        assert_eq!(list.head.status, 200, "{}", list.text());
        Stream::open(nginx.address, "", &headers).expect_hello();
    }
    // where neither can, a client of the stream is told to come back, and any other is refused
    other.kill();
    let mut stream = Stream::open(nginx.address, "", &headers);
    assert_eq!(stream.head.status, 200);
    stream.expect("bye");
    let list = request(nginx.address, "GET", "/api/signals", &headers[..1], b"");
    list.expect_error(503, "unavailable");
}
