//! A small TCP proxy that can do to connections what networks and proxies do: reset them, swallow all they send, hold them up, keep
//! what they send until there is more of it.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::wire::try_dial;

/// How its connections fare.
#[derive(Default)]
struct Weather {
    /// While set, bytes are read and go nowhere, in both directions.
    swallows: AtomicBool,
    /// Each piece waits for so many milliseconds.
    delay_ms: AtomicU64,
    /// What the server sends is kept until it is so many bytes.
    keeps: AtomicUsize,
    /// Bytes swallowed.
    swallowed: AtomicU64,
    ended: AtomicBool,
}

/// A proxy in front of one address.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    weather: Arc<Weather>,
    /// Both ends of every connection that it carries.
    open: Arc<Mutex<Vec<(TcpStream, TcpStream)>>>,
}

impl Proxy {
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, open) = <(Arc<Weather>, Arc<Mutex<Vec<_>>>)>::default();
        let (for_all, all) = (weather.clone(), open.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if for_all.ended.load(Ordering::Relaxed) {
                    return;
                }
                let Some(server) = try_dial(target, Duration::from_secs(2)) else {
                    // the client is told as the network would: its connection is gone
                    reset(&client);
                    continue;
                };
                let clone = |tcp: &TcpStream| tcp.try_clone().unwrap();
                carry(clone(&client), clone(&server), for_all.clone(), false);
                carry(clone(&server), clone(&client), for_all.clone(), true);
                all.lock().unwrap().push((client, server));
            }
        });
        Proxy {
            address,
            weather,
            open,
        }
    }

    /// Resets every connection; how many there were.
    pub fn reset_all(&self) -> usize {
        let open = std::mem::take(&mut *self.open.lock().unwrap());
        let mut live = 0;
        for (client, server) in &open {
            live += usize::from(client.peer_addr().is_ok());
            reset(client);
            reset(server);
        }
        live
    }

    /// From here on nothing gets through, and nobody is told; until set back, connections that were swallowed stay lost.
    pub fn black_hole(&self, on: bool) {
        self.weather.swallows.store(on, Ordering::Relaxed);
    }

    /// Holds each piece up.
    pub fn delay(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.weather.delay_ms.store(ms, Ordering::Relaxed);
    }

    /// Keeps what the server sends until it is so many bytes, as a proxy that buffers does.
    pub fn keep(&self, bytes: usize) {
        self.weather.keeps.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that went nowhere.
    pub fn swallowed(&self) -> u64 {
        self.weather.swallowed.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.weather.ended.store(true, Ordering::Relaxed);
        self.reset_all();
        // wakes the accepting thread
        let _ = TcpStream::connect(self.address);
    }
}

/// Ends a connection with a reset, whoever else holds its socket: what was sent and not yet read is lost.
pub fn reset(tcp: &TcpStream) {
    let nowhere = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as libc::sa_family_t,
        sa_data: [0; 14],
    };
    // SAFETY: the address outlives the call; a connected socket that is "connected" to nowhere is reset.
    let _ = unsafe {
        let length = size_of_val(&nowhere) as libc::socklen_t;
        libc::connect(tcp.as_raw_fd(), &raw const nowhere, length)
    };
}

fn carry(mut from: TcpStream, mut to: TcpStream, weather: Arc<Weather>, to_client: bool) {
    thread::spawn(move || {
        let mut piece = [0; 16 * 1024];
        // a connection that has lost bytes must never carry another: the receiver would read nonsense
        let mut lost = false;
        let mut kept = Vec::new();
        while let Ok(n @ 1..) = from.read(&mut piece) {
            if lost || weather.swallows.load(Ordering::Relaxed) {
                lost = true;
                weather.swallowed.fetch_add(n as u64, Ordering::Relaxed);
                continue;
            }
            let delay = weather.delay_ms.load(Ordering::Relaxed);
            if delay > 0 {
                thread::sleep(Duration::from_millis(delay));
            }
            kept.extend_from_slice(&piece[..n]);
            if to_client && kept.len() < weather.keeps.load(Ordering::Relaxed) {
                continue;
            }
            if to.write_all(&kept).is_err() {
                break;
            }
            kept.clear();
        }
        if !lost {
            let _ = to.write_all(&kept);
            let _ = to.shutdown(Shutdown::Write);
        }
    });
}
