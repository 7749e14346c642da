//! What is kept, what changes it, and why it could not be kept.

use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::boot::happening::{Happening, Limits, Time};
use crate::boot::taking::Taking;
use crate::name::HostName;

/// The state cannot be kept.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database refuses.
    #[error("the state in {path}: {source}")]
    Database {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A newer kgen wrote it.
    #[error("the state in {0} was written by a newer kgen; start that one, or another directory with --state")]
    Newer(PathBuf),
    /// Another server has it open.
    #[error("another kgen serve keeps its state in {0}")]
    InUse(PathBuf),
    /// There is no directory for it.
    #[error("cannot make the directory {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is no state.
    #[error("{0} is not a kgen state: {1}")]
    NoState(PathBuf, String),
    /// A file of it cannot be written, moved or read.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It could not be written; what was to be written is as it was.
    #[error("the state could not be written: {0}")]
    NotWritten(Arc<str>),
}

/// Something that happened, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Event {
    /// Grows with each.
    pub id: i64,
    /// When, in milliseconds since 1970.
    pub at: Time,
    /// To which host.
    pub host: String,
    /// Its state after it.
    pub state: String,
    /// What.
    pub text: String,
    /// The address that it came from; empty where it came from none.
    pub client: String,
}

/// What an unknown machine showed of itself when it asked.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Sighting {
    /// The address that it asked with.
    pub address: String,
    /// The address that it asked from.
    pub client: String,
    /// When first.
    pub first: Time,
    /// When last.
    pub last: Time,
    /// How often.
    pub count: u64,
}

/// A change that waits for the disk.
#[derive(Debug)]
pub(super) enum Change {
    /// Something happened to some hosts.
    Happened(Vec<(HostName, Happening)>, String),
    /// Unknown machines asked: their addresses, from where, how often.
    Sighted(Vec<(String, String, u64)>),
    /// A generation becomes the current one; of which revision, if the next one is compared with it.
    Taken(Box<Taking>, Option<Revision>),
    /// Nothing of a host is to be known any more.
    Forgotten(HostName),
    /// Nothing happened for a while.
    Idle,
    /// A setting is to be kept, or taken away.
    Setting(&'static str, Option<String>),
    /// The bounds of builds and events.
    Bounds(Limits, u32),
}

/// A revision that is taken.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The id of its commit, or the digest of a directory's content.
    pub id: String,
    /// What guards against the next one, JSON.
    pub guards: String,
    /// The commit, which is served if a later one is broken; `None` of a directory.
    pub commit: Option<String>,
}
