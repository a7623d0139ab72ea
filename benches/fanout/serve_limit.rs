//! The physical limit: a bare server that parses nothing and sends ready bytes, one `send` for a socket and event, or for up to so many
//! events that wait. One thread a core, each with its own listener on the one port, and its own connection that brings the events.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::{AsRawFd as _, RawFd},
    thread,
};

use socket2::{Domain, Socket, Type};

use crate::{
    epoll::{self, Epoll, Ready},
    frames,
    log::{Cursor, Log},
};

/// Serves until it is killed; says where on standard output.
pub fn serve(threads: usize, events_a_write: usize) -> io::Result<()> {
    let mut port = 0;
    let mut workers = Vec::new();
    for _ in 0..threads {
        let listener = listen(port)?;
        port = listener.local_addr()?.port();
        let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        workers.push((listener, control));
    }
    println!("listening on http://127.0.0.1:{port}");
    for (_, control) in &workers {
        println!("control on http://{}", control.local_addr()?);
    }
    let running: Vec<_> = (workers.into_iter())
        .map(|(listener, control)| {
            thread::spawn(move || -> io::Result<()> {
                let (control, _) = control.accept()?;
                Worker::new(listener, control, events_a_write)?.run()
            })
        })
        .collect();
    for worker in running {
        worker.join().expect("a worker does not panic")?;
    }
    Ok(())
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    // accepted sockets have it from their listener
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

struct Stream {
    socket: TcpStream,
    cursor: Cursor,
    /// It has its head.
    is_live: bool,
    /// Its socket is full: it goes on when there is room.
    is_full: bool,
}

struct Worker {
    epoll: Epoll,
    listener: TcpListener,
    control: TcpStream,
    /// Bytes of events that have not come whole.
    coming: Vec<u8>,
    log: Log,
    /// By descriptor.
    streams: Vec<Option<Stream>>,
    /// Descriptors of those that are live, in the order of their coming.
    live: Vec<RawFd>,
    events_a_write: usize,
    greeting: Vec<u8>,
}

/// Whether a stream goes on.
type GoesOn = bool;

impl Worker {
    fn new(listener: TcpListener, control: TcpStream, events_a_write: usize) -> io::Result<Self> {
        control.set_nonblocking(true)?;
        let epoll = Epoll::new()?;
        epoll.add(&listener)?;
        epoll.add(&control)?;
        Ok(Worker {
            epoll,
            listener,
            control,
            coming: Vec::new(),
            log: Log::default(),
            streams: Vec::new(),
            live: Vec::new(),
            events_a_write,
            greeting: frames::greeting(),
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut ready = Vec::new();
        let mut is_behind = false;
        loop {
            self.epoll.wait(is_behind, &mut ready)?;
            for one in &ready {
                if one.fd == self.listener.as_raw_fd() {
                    self.accept()?;
                } else if one.fd == self.control.as_raw_fd() {
                    self.take_events()?;
                } else {
                    self.stream_ready(*one)?;
                }
            }
            is_behind = self.sweep()?;
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Some(socket) = epoll::accept(&self.listener)? {
            self.epoll.add(&socket)?;
            let fd = socket.as_raw_fd();
            let place = fd as usize;
            if self.streams.len() <= place {
                self.streams.resize_with(place + 1, || None);
            }
            self.streams[place] = Some(Stream {
                socket,
                cursor: Cursor::default(),
                is_live: false,
                is_full: false,
            });
            // the request is there already, as like as not
            self.read(fd)?;
        }
        Ok(())
    }

    fn take_events(&mut self) -> io::Result<()> {
        let mut piece = [0; 65_536];
        loop {
            match self.control.read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.coming.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let mut at = 0;
        while let Some((length, rest)) = self.coming[at..].split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*length) as usize;
            let Some(event) = rest.get(..length) else {
                break;
            };
            self.log.push(event);
            at += 4 + length;
        }
        self.coming.drain(..at);
        Ok(())
    }

    fn stream_ready(&mut self, ready: Ready) -> io::Result<()> {
        if ready.readable && !self.read(ready.fd)? {
            return Ok(());
        }
        if !ready.writable {
            return Ok(());
        }
        // what it missed while it was full
        while let Some(stream) = &self.streams[ready.fd as usize]
            && self.log.is_behind(stream.cursor)
        {
            if !self.write(ready.fd)? || self.is_full(ready.fd) {
                break;
            }
        }
        Ok(())
    }

    fn is_full(&self, fd: RawFd) -> bool {
        let stream = self.streams[fd as usize].as_ref();
        stream.is_some_and(|stream| stream.is_full)
    }

    /// Whether there is something for it that it can take.
    fn lacks(&self, fd: RawFd) -> bool {
        let stream = self.streams[fd as usize].as_ref();
        stream.is_some_and(|stream| !stream.is_full && self.log.is_behind(stream.cursor))
    }

    /// A request's end makes a stream of it; the end of the connection ends it.
    fn read(&mut self, fd: RawFd) -> io::Result<GoesOn> {
        let Some(stream) = &mut self.streams[fd as usize] else {
            return Ok(false);
        };
        let mut piece = [0; 4096];
        match stream.socket.read(&mut piece) {
            Ok(count) if count > 0 => {
                if !stream.is_live && piece[..count].ends_with(b"\r\n\r\n") {
                    stream.is_live = true;
                    stream.cursor = self.log.end();
                    // its buffer is empty: it takes a few hundred bytes
                    if stream.socket.write(&self.greeting)? != self.greeting.len() {
                        return Ok(self.close(fd));
                    }
                    self.live.push(fd);
                }
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Ok(_) | Err(_) => Ok(self.close(fd)),
        }
    }

    /// One `send` to each socket that lacks something; whether any still does.
    fn sweep(&mut self) -> io::Result<bool> {
        let (mut place, mut is_behind) = (0, false);
        while let Some(&fd) = self.live.get(place) {
            if self.lacks(fd) {
                if !self.write(fd)? {
                    // another took its place
                    continue;
                }
                is_behind |= self.lacks(fd);
            }
            place += 1;
        }
        Ok(is_behind)
    }

    /// One `send`.
    fn write(&mut self, fd: RawFd) -> io::Result<GoesOn> {
        let Some(stream) = &mut self.streams[fd as usize] else {
            return Ok(false);
        };
        let Some(bytes) = self.log.next(stream.cursor, self.events_a_write) else {
            return Ok(self.close(fd));
        };
        match stream.socket.write(bytes) {
            Ok(count) => {
                self.log.advance(&mut stream.cursor, count);
                if stream.is_full {
                    stream.is_full = false;
                    self.epoll.want_room(&stream.socket, false)?;
                }
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !stream.is_full {
                    stream.is_full = true;
                    self.epoll.want_room(&stream.socket, true)?;
                }
                Ok(true)
            }
            Err(_) => Ok(self.close(fd)),
        }
    }

    /// Closing takes the descriptor out of epoll as well.
    fn close(&mut self, fd: RawFd) -> GoesOn {
        self.streams[fd as usize] = None;
        if let Some(place) = self.live.iter().position(|live| *live == fd) {
            self.live.swap_remove(place);
        }
        false
    }
}
