//! Under a service manager: it is told when the server is ready, that it turns, and that it stops.

use std::{os::unix::net::UnixDatagram, time::Duration};

use super::{place::sigcast, server::Server, wire::PATIENCE};

fn next(manager: &UnixDatagram) -> String {
    let mut word = [0; 256];
    let length = manager.recv(&mut word).expect("a word in time");
    String::from_utf8_lossy(&word[..length]).into_owned()
}

fn is_told(manager: UnixDatagram, name: &str) {
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut server = Server::with(&[
        ("NOTIFY_SOCKET", name),
        ("WATCHDOG_USEC", "400000"),
        ("SIGCAST_HTTP__DRAIN_SECONDS", "1"),
    ]);
    assert_eq!(next(&manager), "READY=1");
    let key = server.alpha_key();
    let _stream = server.listen(&key, "", &[]);
    for _ in 0..3 {
        assert_eq!(next(&manager), "WATCHDOG=1");
    }
    server.terminate();
    let other = std::iter::repeat_with(|| next(&manager)).find(|word| word != "WATCHDOG=1");
    assert_eq!(other.as_deref(), Some("STOPPING=1"));
    server.exit_within(2 * PATIENCE);
    manager.set_nonblocking(true).unwrap();
    let mut word = [0; 64];
    while let Ok(length) = manager.recv(&mut word) {
        assert_eq!(&word[..length], b"WATCHDOG=1", "it turns while it drains");
    }
}

#[test]
fn a_manager_with_a_path_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    is_told(manager, path.to_str().unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn a_manager_with_an_abstract_name_is_told() {
    use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};
    let name = format!("sigcast-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    is_told(
        UnixDatagram::bind_addr(&address).unwrap(),
        &format!("@{name}"),
    );
}

#[test]
fn a_start_that_fails_is_never_called_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = sigcast()
        .args(["serve", "--admin-listen", "127.0.0.1:0", "--listen"])
        .arg(taken.local_addr().unwrap().to_string())
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .env("NOTIFY_SOCKET", &path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(manager.recv(&mut [0; 64]).is_err(), "nothing was told");
}
