//! Requests as bytes, and answers as they come: nothing is mended on the way.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// How long anything may take that is not to be waited for.
pub const LIMIT: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}\n{}", self.status, self.headers, self.text().chars().take(2000).collect::<String>())
    }
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Connects from one address of this machine.
pub fn connected(from: &str, port: u16) -> TcpStream {
    try_connected(from, port).unwrap()
}

/// The same, if anybody listens.
pub fn try_connected(from: &str, port: u16) -> std::io::Result<TcpStream> {
    let from: Ipv4Addr = from.parse().unwrap();
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddrV4::new(from, 0))?;
    connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream.set_nodelay(true).unwrap();
    Ok(stream)
}

/// Connects to the operators' socket.
pub fn connected_socket(path: &std::path::Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// A request with its headers; `more` are whole lines with their ends.
pub fn request(method: &str, path: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: kgen\r\nConnection: close\r\n{length}{more}\r\n");
    [head.as_bytes(), body].concat()
}

/// Sends bytes and gives all that comes until the other side is done. What it does not read is its business.
pub fn exchange(stream: &mut (impl Read + Write), bytes: &[u8]) -> Vec<u8> {
    let _ = stream.write_all(bytes);
    rest(stream)
}

/// All that still comes. A connection that is cut, or nothing for long, is an end too.
pub fn rest(stream: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    let mut piece = [0; 65_536];
    while let Ok(count) = stream.read(&mut piece) {
        if count == 0 {
            break;
        }
        all.extend_from_slice(&piece[..count]);
    }
    all
}

/// Whether the other side ends the connection within a time.
pub fn ends_within(stream: &mut TcpStream, limit: Duration) -> bool {
    let until = std::time::Instant::now() + limit;
    let mut piece = [0; 65_536];
    loop {
        let left = until.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return false;
        }
        stream.set_read_timeout(Some(left)).unwrap();
        match stream.read(&mut piece) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => return true,
        }
    }
}

/// The first answer in what came, and what came after it. None where that is none.
pub fn parsed(bytes: &[u8], is_head: bool) -> Option<(Answer, Vec<u8>)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    if status == 100 {
        return parsed(&bytes[end + 4..], is_head);
    }
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: Vec<_> = lines.map(header).collect::<Option<_>>()?;
    let length = headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse().unwrap());
    let rest = &bytes[end + 4..];
    let length = if is_head || status == 304 { 0 } else { length.unwrap_or(rest.len()) };
    let (body, after) = (rest.get(..length)?, &rest[length..]);
    Some((Answer { status, headers, body: body.to_vec() }, after.to_vec()))
}

/// All answers in what came.
pub fn all_parsed(bytes: &[u8]) -> Vec<Answer> {
    let (mut answers, mut rest) = (Vec::new(), bytes.to_vec());
    while let Some((answer, after)) = parsed(&rest, false) {
        answers.push(answer);
        rest = after;
    }
    assert!(rest.is_empty(), "no answer: {}", rest.escape_ascii());
    answers
}

/// The only answer in what came.
pub fn only(bytes: &[u8], is_head: bool) -> Answer {
    let (answer, after) = parsed(bytes, is_head).unwrap_or_else(|| panic!("no answer: {}", bytes.escape_ascii()));
    assert!(after.is_empty(), "more than an answer: {}", bytes.escape_ascii());
    answer
}
