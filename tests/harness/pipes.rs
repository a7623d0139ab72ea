//! What processes say: read to its end, so that no writer ever waits.

use std::{
    io::{BufRead as _, BufReader},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
};

/// The lines of a pipe, read to its end so that the writer never blocks.
pub fn lines_of(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (to, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = to.send(line);
        }
    });
    lines
}

/// Gathers a pipe's text as it comes.
pub fn collect(mut pipe: impl std::io::Read + Send + 'static, text: Arc<Mutex<String>>) {
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(n @ 1..) = pipe.read(&mut piece) {
            let mut text = text.lock().unwrap();
            text.push_str(&String::from_utf8_lossy(&piece[..n]));
        }
    });
}
