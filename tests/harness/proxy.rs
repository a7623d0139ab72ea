//! A small TCP proxy that can do to connections what networks and proxies do: reset them, cut them off for a while or for good, hold
//! them up, keep what they send until there is more of it.

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
    /// How often that has begun: what was open then is lost.
    holes: AtomicUsize,
    /// While set, what comes waits.
    holds: AtomicBool,
    /// Each piece waits for so many milliseconds.
    delay_ms: AtomicU64,
    /// What the server sends is kept until it is so many bytes.
    keeps: AtomicUsize,
    /// Bytes swallowed.
    swallowed: AtomicU64,
    ended: AtomicBool,
}

impl Weather {
    /// Whether a connection that was made after so many holes is in one, or was.
    fn swallows_since(&self, born: usize) -> bool {
        self.swallows.load(Ordering::Relaxed) || self.holes.load(Ordering::Relaxed) != born
    }

    fn wait_while_held(&self) {
        while self.holds.load(Ordering::Relaxed) && !self.ended.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
        }
    }
}

/// How often it is looked whether what is held may go on.
const LOOK: Duration = Duration::from_millis(5);

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
                for tcp in [&client, &server] {
                    // pieces go on as they come: nothing waits for the acknowledgement of what was before it
                    let _ = tcp.set_nodelay(true);
                }
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

    /// From here on nothing gets through, and nobody is told. Set back, new connections do; those that were open when it began, or lost a
    /// byte to it, stay lost.
    pub fn black_hole(&self, on: bool) {
        if on {
            self.weather.holes.fetch_add(1, Ordering::Relaxed);
        }
        self.weather.swallows.store(on, Ordering::Relaxed);
    }

    /// While on, nothing gets through, and nobody is told, not even of an end; set back, all that waited arrives.
    pub fn cut(&self, on: bool) {
        self.weather.holds.store(on, Ordering::Relaxed);
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
        let born = weather.holes.load(Ordering::Relaxed);
        // a connection that has lost bytes must never carry another: the receiver would read nonsense
        let mut lost = false;
        let mut kept = Vec::new();
        while let Ok(n @ 1..) = from.read(&mut piece) {
            weather.wait_while_held();
            lost = lost || weather.swallows_since(born);
            if lost {
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
        weather.wait_while_held();
        if !lost && !weather.swallows_since(born) {
            let _ = to.write_all(&kept);
            let _ = to.shutdown(Shutdown::Write);
        }
    });
}
