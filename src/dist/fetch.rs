//! Files from elsewhere: the door to HTTP, and to repositories that are directories (`file://`).
#![allow(clippy::disallowed_methods)] // `file://` is read here

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use ureq::http::StatusCode;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Error};

use crate::dist::error::DistError;

/// How long a connection may take, and how long nothing may come.
const CONNECT: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_mins(1);
/// How often a link to elsewhere is followed.
const MAX_REDIRECTS: u32 = 10;

/// What fetches.
#[derive(Clone, Debug)]
pub struct Fetcher {
    agent: Agent,
}

/// A file that is coming.
pub struct Incoming {
    /// Its bytes, from [`Self::start`] on.
    pub body: Box<dyn Read + Send>,
    /// The first byte that comes.
    pub start: u64,
}

/// Why a file does not come.
#[derive(Debug)]
pub enum Refused {
    /// There is none.
    Missing,
    /// It may come if it is asked for again.
    Passing(String),
    /// Not to us.
    Denied(String),
    /// It will not.
    Lasting(String),
}

impl Default for Fetcher {
    fn default() -> Self {
        // Certificates are those that the machine trusts, so that a site's own authority is one line of its setup.
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .max_redirects(MAX_REDIRECTS)
            .user_agent(concat!("kgen/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into() }
    }
}

impl Fetcher {
    /// Asks for a file from a byte on; it may come from its beginning all the same.
    ///
    /// # Errors
    /// It does not come.
    pub fn open(&self, url: &str, start: u64) -> Result<Incoming, Refused> {
        if let Some(path) = url.strip_prefix("file://") {
            return local(path, start);
        }
        let mut request = self.agent.get(url);
        if start > 0 {
            request = request.header("Range", format!("bytes={start}-"));
        }
        let answer = request.call().map_err(|error| refused(&error))?;
        let status = answer.status();
        let begins_at = |start: u64| {
            let range = answer.headers().get("content-range").and_then(|range| range.to_str().ok());
            range.is_some_and(|range| range.starts_with(&format!("bytes {start}-")))
        };
        match status {
            StatusCode::OK => Ok(incoming(answer.into_body(), 0)),
            StatusCode::PARTIAL_CONTENT if begins_at(start) => Ok(incoming(answer.into_body(), start)),
            // Another part than the one that was asked for is of no use.
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT if start > 0 => self.open(url, 0),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Refused::Missing),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Err(Refused::Passing(answered(status))),
            status if status.is_server_error() => Err(Refused::Passing(answered(status))),
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Err(Refused::Denied(answered(status))),
            status => Err(Refused::Lasting(answered(status))),
        }
    }

    /// Fetches a small file whole.
    ///
    /// # Errors
    /// It does not come, or is larger than `limit`.
    pub fn small(&self, url: &str, limit: u64) -> Result<Vec<u8>, Refused> {
        let mut bytes = Vec::new();
        let body = self.open(url, 0)?.body;
        body.take(limit + 1).read_to_end(&mut bytes).map_err(|error| Refused::Passing(error.to_string()))?;
        if bytes.len() as u64 > limit {
            return Err(Refused::Lasting(format!("it has more than {limit} bytes")));
        }
        Ok(bytes)
    }
}

fn incoming(body: Body, start: u64) -> Incoming {
    Incoming { body: Box::new(body.into_with_config().limit(u64::MAX).reader()), start }
}

fn answered(status: StatusCode) -> String {
    format!("the server answers {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default())
        .trim()
        .to_owned()
}

fn refused(error: &Error) -> Refused {
    match error {
        Error::Io(_) | Error::Timeout(_) | Error::ConnectionFailed | Error::HostNotFound => {
            Refused::Passing(error.to_string())
        }
        other => Refused::Lasting(other.to_string()),
    }
}

fn local(path: &str, start: u64) -> Result<Incoming, Refused> {
    let path = PathBuf::from(OsString::from_vec(decoded(path)));
    let opened = File::open(&path).and_then(|mut file| {
        let there = file.metadata()?;
        if !there.is_file() {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        let start = if start <= there.len() { start } else { 0 };
        file.seek(SeekFrom::Start(start))?;
        Ok((file, start))
    });
    match opened {
        Ok((file, start)) => Ok(Incoming { body: Box::new(file), start }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Refused::Missing),
        Err(error) => Err(Refused::Lasting(error.to_string())),
    }
}

/// A path of a URL as a file system has it (RFC 3986, section 2.1).
fn decoded(path: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| str::from_utf8(digits).ok()).filter(|_| *first == b'%');
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    bytes
}

/// A URL without what is before the `@`: nobody is shown a password.
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

impl Refused {
    /// As the failure of a whole command.
    pub fn of(self, url: &str) -> DistError {
        let message = match self {
            Self::Missing => "there is no such file".to_owned(),
            Self::Passing(message) | Self::Denied(message) | Self::Lasting(message) => message,
        };
        DistError::Fetch { url: shown(url), message }
    }
}
