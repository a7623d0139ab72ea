//! A way to a server that can be cut without either end's being told: what is sent meanwhile arrives when it is mended.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// Forwards until the test ends.
pub struct Proxy {
    /// Where it is reached.
    pub address: SocketAddr,
    cut: Arc<AtomicBool>,
}

const LOOK: Duration = Duration::from_millis(10);

impl Proxy {
    pub fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let cut = Arc::new(AtomicBool::new(false));
        let state = cut.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(upstream) else {
                    continue;
                };
                for (from, to) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server, client),
                ] {
                    let cut = state.clone();
                    thread::spawn(move || forward(from, to, &cut));
                }
            }
        });
        Proxy { address, cut }
    }

    /// From here on, nothing goes to and fro.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    /// All that waited arrives.
    pub fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
    from.set_read_timeout(Some(LOOK)).unwrap();
    let mut piece = [0; 16 * 1024];
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => break,
        };
        while cut.load(Ordering::SeqCst) {
            thread::sleep(LOOK);
        }
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}
