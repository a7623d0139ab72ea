//! A client whose network is gone without a word: in a network of its own, whose cable the test cuts.

use std::{
    fs::File,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    os::fd::AsRawFd as _,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use super::{
    server::{Key, Server, until},
    wire::{PATIENCE, Stream, Wire},
};

/// A network namespace, joined to ours by a pair of interfaces; gone with the test.
struct Network {
    name: String,
    ours: Ipv4Addr,
    theirs: Ipv4Addr,
}

fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "ip {arguments}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => Err("there is no `ip` here".into()),
        Err(error) => Err(error.to_string()),
    }
}

impl Network {
    /// `Err` where the machine does not let us.
    fn new() -> Result<Self, String> {
        static NETWORKS: AtomicU32 = AtomicU32::new(0);
        let id = std::process::id() * 4 + NETWORKS.fetch_add(1, Ordering::Relaxed);
        let (name, at) = (format!("sc{id}"), (id % 16_000) as u16 * 4);
        // 198.18.0.0/15 is for tests of networks (RFC 2544)
        let address = |host: u16| {
            let [high, low] = (at + host).to_be_bytes();
            Ipv4Addr::new(198, 18, high, low)
        };
        ip(&format!("netns add {name}"))?;
        // from here on, dropped if anything fails
        let network = Network {
            name,
            ours: address(1),
            theirs: address(2),
        };
        let Network { name, ours, theirs } = &network;
        ip(&format!(
            "link add {name}a type veth peer name {name}b netns {name}"
        ))?;
        ip(&format!("addr add {ours}/30 dev {name}a"))?;
        ip(&format!("link set {name}a up"))?;
        ip(&format!("-n {name} addr add {theirs}/30 dev {name}b"))?;
        ip(&format!("-n {name} link set {name}b up"))?;
        Ok(network)
    }

    /// Connects from inside.
    fn connect(&self, port: u16) -> Result<TcpStream, String> {
        let inside = File::open(format!("/run/netns/{}", self.name)).map_err(|e| e.to_string())?;
        let to = SocketAddr::new(IpAddr::V4(self.ours), port);
        // a thread of its own goes there and does not come back; its socket stays what it is
        let connecting = std::thread::spawn(move || {
            // SAFETY: the descriptor is open, and the call moves this thread alone.
            if unsafe { libc::setns(inside.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
                return Err(std::io::Error::last_os_error().to_string());
            }
            TcpStream::connect_timeout(&to, PATIENCE).map_err(|e| e.to_string())
        });
        connecting.join().unwrap()
    }

    /// From now on each side sends to a card that is not there: nothing arrives, and nobody is told.
    fn cut(&self) {
        let Network { name, ours, theirs } = self;
        let nobody = "lladdr 02:00:00:00:00:01 nud permanent dev";
        ip(&format!("neigh replace {theirs} {nobody} {name}a")).unwrap();
        ip(&format!("-n {name} neigh replace {ours} {nobody} {name}b")).unwrap();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // with one end of the pair, the other goes
        let _ = ip(&format!("link del {}a", self.name));
        let _ = ip(&format!("netns del {}", self.name));
    }
}

fn listen_from(network: &Network, server: &Server, key: &Key) -> Result<Stream, String> {
    let mut wire = Wire::over(network.connect(server.main.port())?);
    let bearer = format!("Bearer {}", key.text);
    wire.get("/api/signals/stream", &[("authorization", &bearer)]);
    Ok(Stream::on(wire))
}

#[test]
fn a_client_whose_network_is_cut_is_no_hindrance_to_itself() {
    let network = match Network::new() {
        Ok(network) => network,
        Err(why) => return eprintln!("skipped: a cut network: {why}"),
    };
    let mut server = Server::listening("0.0.0.0:0");
    server.main.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let key = server.alpha_key();
    let mut ghost = match listen_from(&network, &server, &key) {
        Ok(stream) => stream,
        Err(why) => return eprintln!("skipped: a cut network: {why}"),
    };
    ghost.expect_hello();
    let id = server.publish_sample(1);
    ghost.expect_signal(&id);

    let refused = server.stream(&key, "", &[]).refusal();
    let details = refused.expect_error(429, "connection_limit");
    let address = details["address"].as_str().unwrap();
    assert!(
        address.starts_with(&network.theirs.to_string()),
        "{address}"
    );

    network.cut();
    let begun = Instant::now();
    let mut second = server.stream(&key, "", &[]);
    let took = begun.elapsed();
    assert_eq!(second.head.status, 200, "{}", second.head.raw);
    // what it may take beyond the probe's 2 s is the machine's business
    assert!(took < Duration::from_millis(2_800), "{took:?}");
    assert!(
        took >= Duration::from_millis(1_900),
        "the ghost was given its time: {took:?}"
    );
    eprintln!("decided after {took:?}");
    second.expect_hello();
    let id = server.publish_sample(2);
    second.expect_signal(&id);
    assert_eq!(
        server.metric("sigcast_stream_closes_total{reason=\"holder_gone\"}"),
        1
    );
    // not a byte more, and no end: it knows nothing of all this
    ghost.expect_quiet(Duration::from_millis(200));
}

#[test]
fn a_client_whose_network_is_cut_is_found_out_by_what_it_is_sent() {
    let network = match Network::new() {
        Ok(network) => network,
        Err(why) => return eprintln!("skipped: a cut network: {why}"),
    };
    let mut server = Server::listening_with(
        "0.0.0.0:0",
        &[
            ("SIGCAST_STREAM__WRITE_STALL_SECONDS", "1"),
            ("SIGCAST_STREAM__UNANSWERED_SECONDS", "3"),
        ],
    );
    server.main.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let key = server.alpha_key();
    let mut ghost = match listen_from(&network, &server, &key) {
        Ok(stream) => stream,
        Err(why) => return eprintln!("skipped: a cut network: {why}"),
    };
    ghost.expect_hello();
    network.cut();
    let begun = Instant::now();
    server.publish_sample(1);
    let gone = "sigcast_stream_closes_total{reason=\"unreachable\"}";
    let found = until(PATIENCE, || (server.metric(gone) == 1).then_some(()));
    assert!(found.is_some(), "{}", server.stderr());
    assert!(begun.elapsed() >= Duration::from_secs(3), "given its time");
}
