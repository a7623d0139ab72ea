//! The publishing side: signals into whichever server, at a pace or as soon as the last ones have arrived. It never waits for an answer
//! before it sends: a server that is late has the next signals waiting.

use std::{
    io::{self, BufRead, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::mpsc::{self, Receiver},
    thread,
};

use sigcast::cli::bench::clock::monotonic_ns;

use crate::frames::Event;

/// Answers that may be owed: beyond them the server has stopped taking.
const MOST_OWED: usize = 256;

/// How a server is given signals.
pub enum Way {
    /// Ready bytes, each event behind its length, over a connection to each thread.
    Ready(Vec<SocketAddr>),
    /// A POST: all events of a burst in one body, a line each.
    Lines(Post),
    /// A POST for each event, one behind the other on one connection.
    Each(Post),
}

/// A POST that is made again and again.
pub struct Post {
    /// To whom.
    pub address: SocketAddr,
    /// Path of the intake.
    pub path: &'static str,
    /// Fields of its head, each with its line's end.
    pub fields: String,
    /// Whether sigcast takes it: then the body is without what the log puts in front.
    pub is_sigcast: bool,
}

enum Out {
    Ready(Vec<TcpStream>),
    Posts {
        post: Post,
        each: bool,
        /// Opened by the first signal: while thousands of streams are opened, a server would close it as idle.
        line: Option<Line>,
        owed: usize,
    },
}

/// A connection, and the answers that come on it.
struct Line {
    socket: TcpStream,
    answers: Receiver<Result<(), String>>,
}

impl Line {
    fn open(to: SocketAddr) -> io::Result<Self> {
        let socket = connect(to)?;
        let (done, answers) = mpsc::channel();
        let mut reader = BufReader::new(socket.try_clone()?);
        thread::spawn(move || {
            loop {
                let answer = read_answer(&mut reader);
                let failed = answer.is_err();
                if done.send(answer).is_err() || failed {
                    return;
                }
            }
        });
        Ok(Line { socket, answers })
    }
}

/// A way in, opened.
pub struct Publisher {
    out: Out,
    number: u64,
}

impl Publisher {
    /// Connects, where the server has to have it from the beginning.
    pub fn open(way: Way) -> io::Result<Self> {
        let (post, each) = match way {
            Way::Ready(addresses) => {
                let sockets = addresses.into_iter().map(connect);
                let out = Out::Ready(sockets.collect::<io::Result<_>>()?);
                return Ok(Publisher { out, number: 0 });
            }
            Way::Lines(post) => (post, false),
            Way::Each(post) => (post, true),
        };
        let out = Out::Posts {
            post,
            each,
            line: None,
            owed: 0,
        };
        Ok(Publisher { out, number: 0 })
    }

    /// The number of the last signal.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Sends so many signals at once.
    pub fn send(&mut self, count: u64) -> io::Result<()> {
        let sent_ns = monotonic_ns();
        let events: Vec<Event> = (1..=count)
            .map(|place| Event {
                number: self.number + place,
                sent_ns,
            })
            .collect();
        self.number += count;
        match &mut self.out {
            Out::Ready(sockets) => {
                let mut bytes = Vec::new();
                for event in events {
                    let chunk = event.chunk();
                    bytes.extend((chunk.len() as u32).to_le_bytes());
                    bytes.extend(chunk);
                }
                sockets
                    .iter_mut()
                    .try_for_each(|socket| socket.write_all(&bytes))
            }
            Out::Posts {
                post,
                each,
                line,
                owed,
            } => {
                let Line { socket, answers } = match line {
                    Some(line) => line,
                    none => none.insert(Line::open(post.address)?),
                };
                let body = |event: &Event| match post.is_sigcast {
                    true => event.body(),
                    false => event.data(),
                };
                let lines: Vec<String> = events.iter().map(body).collect();
                let bodies = match each {
                    true => lines,
                    false => vec![lines.join("\n")],
                };
                let requests: String = bodies.iter().map(|body| post.request(body)).collect();
                socket.write_all(requests.as_bytes())?;
                *owed += bodies.len();
                take_answers(answers, owed, MOST_OWED)
            }
        }
    }

    /// Waits until the server has answered for all.
    pub fn settle(&mut self) -> io::Result<()> {
        match &mut self.out {
            Out::Ready(_) => Ok(()),
            Out::Posts { line, owed, .. } => match line {
                Some(line) => take_answers(&line.answers, owed, 0),
                None => Ok(()),
            },
        }
    }
}

/// Takes the answers that are there, and waits for more while too many are owed.
fn take_answers(
    answers: &Receiver<Result<(), String>>,
    owed: &mut usize,
    most: usize,
) -> io::Result<()> {
    while *owed > 0 {
        let answer = match *owed > most {
            true => answers.recv().map_err(io::Error::other)?,
            false => match answers.try_recv() {
                Ok(answer) => answer,
                Err(_) => return Ok(()),
            },
        };
        answer.map_err(io::Error::other)?;
        *owed -= 1;
    }
    Ok(())
}

fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(to)?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

impl Post {
    fn request(&self, body: &str) -> String {
        let (path, fields, length) = (self.path, &self.fields, body.len());
        format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\n{fields}content-length: {length}\r\n\r\n{body}"
        )
    }
}

/// Posts once, and gives the answer's body.
pub fn ask(socket: &mut BufReader<TcpStream>, post: &Post, body: &str) -> io::Result<String> {
    socket.get_mut().write_all(post.request(body).as_bytes())?;
    let (status, body) = read_whole(socket)?;
    match status {
        200..300 => Ok(body),
        _ => Err(io::Error::other(format!("{status}: {body}"))),
    }
}

/// Fails where the answer says that a signal was not taken.
fn read_answer(from: &mut impl BufRead) -> Result<(), String> {
    let (status, body) = read_whole(from).map_err(|error| error.to_string())?;
    if (200..300).contains(&status) && !body.contains("\"error\"") {
        return Ok(());
    }
    Err(format!("a signal was not taken: {status}: {body}"))
}

fn read_whole(from: &mut impl BufRead) -> io::Result<(u16, String)> {
    let wrong = || io::Error::other("no HTTP answer");
    let first = read_line(from)?;
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(wrong)?;
    let (mut length, mut is_chunked) = (0, false);
    loop {
        let line = read_line(from)?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().map_err(|_| wrong())?;
        }
        is_chunked |= line.starts_with("transfer-encoding:") && line.ends_with("chunked");
    }
    let mut body = Vec::new();
    if !is_chunked {
        body.resize(length, 0);
        from.read_exact(&mut body)?;
    }
    while is_chunked {
        let size = read_line(from)?;
        let size = usize::from_str_radix(&size, 16).map_err(|_| wrong())?;
        let start = body.len();
        body.resize(start + size, 0);
        from.read_exact(&mut body[start..])?;
        read_line(from)?;
        is_chunked = size > 0;
    }
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    match from.take(65_536).read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}
