//! The real server on the data set, with a key that nothing limits, and plain HTTP/1.1 to it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

const TOKEN: &str = "a-token-of-the-bench-alone-0123456789";
/// Counted by the day as every plan is, with more than a bench can use up.
const PLAN: &str = "[plans.bench]\nrest = true\nmcp = true\nrequests_per_day = 1000000000\nrequests_per_second = 0\n";

/// A running server.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: String,
    /// Where it is administered.
    pub admin: String,
    /// A key for it.
    pub key: String,
}

impl Server {
    /// Starts it; `folder` is for its settings.
    pub fn start(folder: &Path, data: &Path) -> Self {
        let config = folder.join("bench.toml");
        std::fs::write(&config, PLAN).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigcast"));
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(data)
            .arg("--config")
            .arg(&config)
            .env("SIGCAST_ADMIN_TOKEN", TOKEN)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"))
            .lines()
            .map_while(Result::ok);
        let mut after = |prefix: &str| {
            lines
                .find_map(|line| line.strip_prefix(prefix).map(str::to_owned))
                .expect("an address")
        };
        let (address, admin) = (after("listening on http://"), after("admin on http://"));
        let account = post(&admin, "/v1/accounts", r#"{"name":"bench","plan":"bench"}"#);
        let body = format!("{{\"account_id\":{},\"kind\":\"data\"}}", account["id"]);
        let key = post(&admin, "/v1/keys", &body)["key"]
            .as_str()
            .expect("a key")
            .to_owned();
        Server {
            child,
            address,
            admin,
            key,
        }
    }

    /// A kept connection.
    pub fn connect(&self) -> Connection {
        Connection {
            reader: BufReader::with_capacity(1 << 18, connect(&self.address)),
            key: self.key.clone(),
        }
    }

    /// Processor time so far, in milliseconds; in steps of ten.
    pub fn processor_ms(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(path).unwrap_or_default();
        // after the name, which may hold anything: the 12th and 13th field are ticks of 10 ms
        let after = stat.rsplit(')').next().unwrap_or_default();
        let ticks = after.split_whitespace().skip(11).take(2);
        ticks
            .filter_map(|field| field.parse::<f64>().ok())
            .sum::<f64>()
            * 10.0
    }

    /// Resident memory in kB, now and at the most.
    pub fn memory_kb(&self) -> (u64, u64) {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1))
                .and_then(|kb| kb.parse().ok())
                .unwrap_or(0)
        };
        (field("VmRSS"), field("VmHWM"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(to: &str) -> TcpStream {
    let tcp = TcpStream::connect(to).expect("a connection");
    tcp.set_nodelay(true).expect("an option");
    tcp
}

/// A request to the admin listener.
pub fn post(to: &str, path: &str, body: &str) -> Value {
    let mut connection = Connection {
        reader: BufReader::new(connect(to)),
        key: TOKEN.to_owned(),
    };
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {length}\r\n\r\n"
    );
    connection.send(&(head + body));
    let mut answer = Vec::new();
    connection.answer(&mut answer);
    serde_json::from_slice(&answer).expect("JSON")
}

/// A connection that is kept.
pub struct Connection {
    reader: BufReader<TcpStream>,
    key: String,
}

impl Connection {
    fn send(&mut self, text: &str) {
        self.reader
            .get_mut()
            .write_all(text.as_bytes())
            .expect("a request");
    }

    /// The whole request for a path.
    pub fn request(&self, path: &str, accept: &str) -> String {
        let key = &self.key;
        format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nauthorization: Bearer {key}\r\n\r\n"
        )
    }

    /// Asks and reads the whole answer; a 200 is expected.
    pub fn get(&mut self, path: &str, body: &mut Vec<u8>) {
        let request = self.request(path, "application/json");
        self.send(&request);
        self.answer(body);
    }

    /// The same of a request that was spelled before.
    pub fn ask(&mut self, request: &str, body: &mut Vec<u8>) {
        self.send(request);
        self.answer(body);
    }

    /// JSON of an answer.
    pub fn json(&mut self, path: &str) -> Value {
        let mut body = Vec::new();
        self.get(path, &mut body);
        serde_json::from_slice(&body).expect("JSON")
    }

    /// Asks for a file and hands each of its pieces on.
    pub fn file(&mut self, path: &str, mut piece: impl FnMut(&[u8])) {
        let request = self.request(path, "text/csv");
        self.send(&request);
        assert_eq!(self.head(), None, "a file comes in chunks");
        let mut bytes = Vec::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).expect("a chunk");
            let length = usize::from_str_radix(line.trim(), 16).expect("a length");
            bytes.resize(length + 2, 0);
            self.reader.read_exact(&mut bytes).expect("a chunk");
            if length == 0 {
                return;
            }
            piece(&bytes[..length]);
        }
    }

    /// Reads a head of a 200; its content-length, where it has one.
    fn head(&mut self) -> Option<usize> {
        let (mut length, mut line) = (None, String::new());
        for n in 0.. {
            line.clear();
            self.reader.read_line(&mut line).expect("a head");
            assert!(n > 0 || line.starts_with("HTTP/1.1 200"), "{line}");
            let lower = line.trim_end().to_ascii_lowercase();
            if lower.is_empty() {
                break;
            }
            if let Some(text) = lower.strip_prefix("content-length:") {
                length = text.trim().parse().ok();
            }
        }
        length
    }

    fn answer(&mut self, body: &mut Vec<u8>) {
        let length = self.head().expect("a length");
        body.resize(length, 0);
        self.reader.read_exact(body).expect("a body");
    }
}
