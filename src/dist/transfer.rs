//! One file from elsewhere to the disk: taken up where an earlier attempt ended, and under its name only once its
//! checksum is right.
#![allow(clippy::disallowed_methods)] // files that are coming are written here

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dist::error::DistError;
use crate::dist::fetch::{Fetcher, Refused};
use crate::dist::package::Digested;
use crate::dist::repodata::bounded::MAX_OPEN_BYTES;
use crate::dist::repodata::read::{digest, is_of};

/// How often a file is asked for that does not come whole.
const ATTEMPTS: u32 = 5;

/// A file that is to be fetched.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where it is.
    pub url: String,
    /// Its checksum.
    pub digest: Digested,
    /// Its size, where that is known.
    pub size: Option<u64>,
}

impl Wanted {
    /// Where it is kept until it is used: by its checksum, so that it is found again.
    pub fn kept(&self, parts: &Path) -> PathBuf {
        parts.join(format!("{}-{}", self.digest.kind, self.digest.value))
    }
}

/// Fetches a file into a directory, if it is not there already; gives its path. `got` is told how many bytes came.
///
/// # Errors
/// It does not come, or is not what it should be. What came of it stays, and is gone on with the next time.
pub fn fetch(fetcher: &Fetcher, wanted: &Wanted, parts: &Path, got: &dyn Fn(u64)) -> Result<PathBuf, DistError> {
    let kept = wanted.kept(parts);
    if let Ok(mut file) = File::open(&kept) {
        if is_of(&wanted.digest, &mut file) {
            return Ok(kept);
        }
        std::fs::remove_file(&kept).map_err(|error| DistError::file("remove", &kept, error))?;
    }
    let part = kept.with_extension("part");
    let mut last = Refused::Missing;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(250 << attempt));
        }
        match attempt_once(fetcher, wanted, &part, got)? {
            Ok(()) => {
                std::fs::rename(&part, &kept).map_err(|error| DistError::file("name", &kept, error))?;
                return Ok(kept);
            }
            Err(Refused::Passing(message)) => last = Refused::Passing(message),
            Err(other) => return Err(other.of(&wanted.url)),
        }
    }
    Err(last.of(&wanted.url))
}

/// Goes on with what is there. The outer error is the disk's.
fn attempt_once(
    fetcher: &Fetcher,
    wanted: &Wanted,
    part: &Path,
    got: &dyn Fn(u64),
) -> Result<Result<(), Refused>, DistError> {
    let failed = |error| DistError::file("write", part, error);
    let there = part.metadata().map_or(0, |metadata| metadata.len());
    let limit = wanted.size.unwrap_or(MAX_OPEN_BYTES);
    // What is whole already is not asked for; what is too long is begun again.
    let start = if there > limit { 0 } else { there };
    if wanted.size != Some(start) || start == 0 {
        let incoming = match fetcher.open(&wanted.url, start) {
            Ok(incoming) => incoming,
            Err(refused) => return Ok(Err(refused)),
        };
        let file = OpenOptions::new().create(true).append(true).open(part).map_err(failed)?;
        file.set_len(incoming.start).map_err(failed)?;
        match copy(incoming.body, file, limit - incoming.start, got) {
            Ok(()) => {}
            Err(Copying::Body(message)) => return Ok(Err(Refused::Passing(message))),
            Err(Copying::Disk(error)) => return Err(failed(error)),
        }
    }
    let length = part.metadata().map_err(failed)?.len();
    if let Some(size) = wanted.size.filter(|size| *size != length) {
        let message = format!("it has {length} bytes, but should have {size}");
        if length > size {
            std::fs::remove_file(part).map_err(failed)?;
        }
        return Ok(Err(Refused::Passing(message)));
    }
    let mut file = File::open(part).map_err(failed)?;
    if digest(&wanted.digest.kind, &mut file).map_err(failed)? == wanted.digest.value {
        return Ok(Ok(()));
    }
    std::fs::remove_file(part).map_err(failed)?;
    let message = "its checksum is not the one that the metadata has".to_owned();
    // What was taken up may have been of another file of the same name.
    Ok(Err(if start > 0 { Refused::Passing(message) } else { Refused::Lasting(message) }))
}

/// Fetches a small file whole, asking again where that may help.
///
/// # Errors
/// It does not come, or is larger than `limit`.
pub fn small(fetcher: &Fetcher, url: &str, limit: u64) -> Result<Vec<u8>, Refused> {
    for attempt in 1..ATTEMPTS {
        match fetcher.small(url, limit) {
            Err(Refused::Passing(_)) => std::thread::sleep(Duration::from_millis(250 << attempt)),
            other => return other,
        }
    }
    fetcher.small(url, limit)
}

enum Copying {
    Body(String),
    Disk(io::Error),
}

/// Takes at most one byte more than `limit`, which shows that there are too many.
fn copy(body: Box<dyn Read + Send>, mut file: File, limit: u64, got: &dyn Fn(u64)) -> Result<(), Copying> {
    let mut body = body.take(limit.saturating_add(1));
    let mut buffer = vec![0; 1 << 17];
    loop {
        let count = body.read(&mut buffer).map_err(|error| Copying::Body(error.to_string()))?;
        if count == 0 {
            return file.sync_data().map_err(Copying::Disk);
        }
        file.write_all(&buffer[..count]).map_err(Copying::Disk)?;
        got(count as u64);
    }
}
