//! nginx with the nchan module: looked for, given a configuration of its own on the loopback interface, and started.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{peers::Setting, process::Process};

const PROGRAMS: [&str; 3] = [
    "/usr/sbin/nginx",
    "/usr/local/sbin/nginx",
    "/usr/local/nginx/sbin/nginx",
];
const MODULES: [&str; 4] = [
    "/usr/lib/nginx/modules/ngx_nchan_module.so",
    "/usr/lib64/nginx/modules/ngx_nchan_module.so",
    "/usr/local/lib/nginx/modules/ngx_nchan_module.so",
    "/usr/local/nginx/modules/ngx_nchan_module.so",
];
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// Where they are.
pub struct Nginx {
    program: PathBuf,
    module: PathBuf,
}

impl Nginx {
    /// Looks for both.
    pub fn find() -> Result<Self, String> {
        let first = |places: &[&str], what: &str| {
            let place = places.iter().map(PathBuf::from).find(|path| path.exists());
            place.ok_or_else(|| format!("{what} is not installed"))
        };
        Ok(Nginx {
            program: first(&PROGRAMS, "nginx")?,
            module: first(&MODULES, "nginx's module nchan")?,
        })
    }

    /// Starts it with as many workers as it has cores.
    pub fn start(&self, setting: &Setting<'_>) -> io::Result<(Process, SocketAddr)> {
        // between this and nginx's own bind nobody else is likely to take it; if so, nginx says so and ends
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let file = setting.folder.join("nginx.conf");
        fs::write(&file, self.settings(address, setting))?;
        let mut command = Command::new(&self.program);
        command
            .arg("-p")
            .arg(setting.folder)
            .arg("-c")
            .arg(&file)
            .args(["-e", "error.log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut process = Process::start(command, &setting.bounds, libc::SIGTERM)?;
        wait_for(&mut process, address, setting)?;
        Ok((process, address))
    }

    /// Messages are handed on and hardly kept: nobody resumes here.
    fn settings(&self, address: SocketAddr, setting: &Setting<'_>) -> String {
        // SAFETY: it takes nothing and cannot fail.
        let user = match unsafe { libc::geteuid() } {
            // root's folder is closed to the user that workers become by default
            0 => "user root;",
            _ => "",
        };
        let module = self.module.display();
        let workers = setting.bounds.cores.len();
        // one worker may get nearly all of them, and begins to end some when less than a sixteenth is free
        let connections = setting.streams * 9 / 8 + 512;
        format!(
            "{user}
load_module {module};
daemon off;
worker_processes {workers};
pid nginx.pid;
error_log error.log warn;
events {{
    use epoll;
    worker_connections {connections};
    multi_accept on;
}}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    nchan_shared_memory_size 256m;
    server {{
        listen {address} backlog=4096 reuseport;
        location = /stream {{
            nchan_subscriber eventsource;
            nchan_channel_id bench;
            nchan_subscriber_first_message newest;
        }}
        location = /events {{
            nchan_publisher http;
            nchan_channel_id bench;
            nchan_message_buffer_length 16;
            nchan_message_timeout 10s;
        }}
    }}
}}
"
        )
    }
}

fn wait_for(process: &mut Process, address: SocketAddr, setting: &Setting<'_>) -> io::Result<()> {
    let began = Instant::now();
    // it says nothing when it listens
    while TcpStream::connect(address).is_err() {
        if !process.runs() || began.elapsed() > STARTS_WITHIN {
            let told = fs::read_to_string(Path::new(setting.folder).join("error.log"));
            let told = told.unwrap_or_default();
            return Err(io::Error::other(format!("nginx does not listen: {told}")));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
