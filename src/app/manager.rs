//! The service manager that started the process, told how it is: ready, stopping, and still turning (the protocol of sd_notify(3)).

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::{
        ffi::OsStrExt as _,
        net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

use super::life::Life;

/// What the manager put into the environment.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// `NOTIFY_SOCKET`: a path, or with `@` before it a name in the abstract namespace.
    pub socket: Option<OsString>,
    /// `WATCHDOG_USEC`: silent for longer than this, the process is taken for hung.
    pub watchdog_us: Option<String>,
    /// `WATCHDOG_PID`: whose watchdog that is.
    pub watchdog_pid: Option<String>,
}

/// The manager.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    watchdog: Option<Duration>,
}

impl Manager {
    /// Of this environment; `None` where there is none.
    pub fn of(told: &Told) -> io::Result<Option<Self>> {
        let Some(name) = told.socket.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address(name)?)?;
        // a manager that does not read must not hold the server up
        socket.set_nonblocking(true)?;
        Ok(Some(Manager {
            socket,
            watchdog: watchdog(told, std::process::id()),
        }))
    }

    /// From here on, clients are served.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// Shows that the process still turns, twice within the watchdog's time, until it ends; and says when it begins to end.
    pub async fn watch(self, life: Life) {
        let half = self.watchdog.map(|time| time / 2);
        let mut stopping = false;
        loop {
            let pause = async {
                match half {
                    Some(half) => tokio::time::sleep(half).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = life.soft.cancelled(), if !stopping => {
                    stopping = true;
                    self.tell("STOPPING=1");
                }
                () = pause => self.tell("WATCHDOG=1"),
            }
        }
    }

    fn tell(&self, what: &str) {
        if let Err(error) = self.socket.send(what.as_bytes()) {
            tracing::warn!(%error, what, "the service manager cannot be told");
        }
    }
}

fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', abstract_name @ ..] => {
            use std::os::linux::net::SocketAddrExt as _;
            SocketAddr::from_abstract_name(abstract_name)
        }
        _ => SocketAddr::from_pathname(name),
    }
}

/// The watchdog's time, where it is meant for this process.
fn watchdog(told: &Told, own: u32) -> Option<Duration> {
    let ours = told
        .watchdog_pid
        .as_ref()
        .is_none_or(|pid| pid.parse() == Ok(own));
    let us: u64 = told.watchdog_us.as_ref()?.parse().ok()?;
    (ours && us > 0).then(|| Duration::from_micros(us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_is_heeded_where_it_is_meant_for_us() {
        let told = |us: &str, pid: Option<&str>| Told {
            socket: None,
            watchdog_us: Some(us.to_owned()),
            watchdog_pid: pid.map(str::to_owned),
        };
        let time = Some(Duration::from_secs(30));
        assert_eq!(watchdog(&told("30000000", None), 7), time);
        assert_eq!(watchdog(&told("30000000", Some("7")), 7), time);
        for other in [
            told("30000000", Some("8")),
            told("30000000", Some("x")),
            told("0", None),
            told("soon", None),
            Told::default(),
        ] {
            assert_eq!(watchdog(&other, 7), None, "{other:?}");
        }
    }

    #[test]
    fn without_a_manager_there_is_nobody_to_tell() {
        assert!(Manager::of(&Told::default()).unwrap().is_none());
        let gone = Told {
            socket: Some("/nowhere/notify".into()),
            ..Told::default()
        };
        assert!(Manager::of(&gone).is_err());
    }
}
