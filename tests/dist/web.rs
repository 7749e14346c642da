//! A web server for mirrors that can be told to misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// How a request is answered that a fault is set for; the number says how often.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Busy.
    Unavailable(usize),
    /// The connection ends after so many bytes of the body.
    Cut(usize, usize),
    /// Ranges are not known: the whole file comes.
    NoRanges,
    /// Other bytes of the same length.
    Garbled,
    /// Not there.
    Gone,
    /// More bytes than there should be.
    Endless,
}

#[derive(Debug, Default)]
struct State {
    faults: BTreeMap<String, Fault>,
    /// Paths that were asked for, with their ranges.
    asked: Vec<String>,
}

/// The server; it ends with the test.
pub struct Web {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Web {
    pub fn of(directory: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, directory) = (Arc::clone(&state), directory.to_path_buf());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, directory) = (Arc::clone(&shared), directory.clone());
                std::thread::spawn(move || serve(stream, &directory, &shared));
            }
        });
        Self { url, state }
    }

    /// From now on a file is answered so: its path ends in these words.
    pub fn fault(&self, end: &str, fault: Fault) {
        self.state.lock().unwrap().faults.insert(end.to_owned(), fault);
    }

    pub fn mend(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// What was asked for since it was last looked at.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

fn serve(stream: TcpStream, directory: &Path, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let path = head[0].split(' ').nth(1).unwrap().to_owned();
        let range = head.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
        let start = range.as_ref().and_then(|range| range.trim_end_matches('-').parse::<usize>().ok());
        let fault = {
            let mut state = state.lock().unwrap();
            state.asked.push(format!("{path}{}", start.map(|start| format!(" from {start}")).unwrap_or_default()));
            let found = state.faults.iter_mut().find(|(end, _)| path.ends_with(end.as_str()));
            found.and_then(|(_, fault)| match fault {
                Fault::Unavailable(0) | Fault::Cut(0, _) => None,
                Fault::Unavailable(left) | Fault::Cut(left, _) => {
                    *left -= 1;
                    Some(*fault)
                }
                other => Some(*other),
            })
        };
        if answer(&stream, &file_of(directory, &path), start, fault).is_none() {
            return;
        }
    }
}

fn file_of(directory: &Path, path: &str) -> PathBuf {
    let mut decoded = Vec::new();
    let mut bytes = path.trim_start_matches('/').bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
            decoded.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            decoded.push(byte);
        }
    }
    directory.join(String::from_utf8(decoded).unwrap())
}

/// None where the connection is to end.
fn answer(mut stream: &TcpStream, file: &Path, start: Option<usize>, fault: Option<Fault>) -> Option<()> {
    let short = |mut stream: &TcpStream, status: &str| {
        stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).ok()
    };
    let Some(mut body) = std::fs::read(file).ok().filter(|_| !matches!(fault, Some(Fault::Gone))) else {
        return short(stream, "404 Not Found");
    };
    if matches!(fault, Some(Fault::Unavailable(_))) {
        return short(stream, "503 Service Unavailable");
    }
    let all = body.len();
    let mut head = "HTTP/1.1 200 OK\r\n".to_owned();
    if let Some(start) = start.filter(|_| !matches!(fault, Some(Fault::NoRanges))) {
        if start >= all {
            return short(stream, "416 Range Not Satisfiable");
        }
        body.drain(..start);
        head = format!("HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {start}-{}/{all}\r\n", all - 1);
    }
    if matches!(fault, Some(Fault::Garbled)) {
        body.iter_mut().for_each(|byte| *byte ^= 1);
    }
    if matches!(fault, Some(Fault::Endless)) {
        body.extend(std::iter::repeat_n(b'x', 1 << 20));
    }
    stream.write_all(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes()).ok()?;
    if let Some(Fault::Cut(_, bytes)) = fault {
        let _ = stream.write_all(&body[..bytes.min(body.len())]);
        let _ = stream.shutdown(std::net::Shutdown::Both);
        return None;
    }
    stream.write_all(&body).ok()
}
