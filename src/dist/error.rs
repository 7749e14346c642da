//! What keeps a distribution from being built, fetched or read; and what is wrong with one package.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::source::error::SourceError;
use crate::write::WriteError;

/// The world did not let us.
#[derive(Debug, Error)]
pub enum DistError {
    /// A file or directory.
    #[error("cannot {what} {path}: {source}")]
    File {
        /// `read`, `link`, ..
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Two file systems, or one that cannot do what was asked for.
    #[error(
        "cannot make a {kind} of {from} at {to}: {source}; hint: write `links = \"{other}\"` in the distribution, or keep both on one file system"
    )]
    Link {
        /// `hard link` or `reflink`.
        kind: &'static str,
        /// The package.
        from: PathBuf,
        /// Its place in the tree.
        to: PathBuf,
        /// What works there.
        other: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A repository elsewhere.
    #[error("cannot fetch {url}: {message}")]
    Fetch {
        /// What was asked for, without a password.
        url: String,
        /// Why it is not here.
        message: String,
    },
    /// Metadata that cannot be used.
    #[error("the metadata {path} cannot be used: {message}")]
    Metadata {
        /// The file, or its URL.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// A key that cannot be used.
    #[error("the key {path} cannot be used: {message}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// There is nothing to compare with, or to list.
    #[error("{0}")]
    Missing(String),
    /// Directories are read by [`crate::source`].
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Files are written by [`crate::write`].
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl DistError {
    /// A file that could not be read, linked, ..
    pub fn file(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { what, path: path.to_path_buf(), source }
    }

    /// Metadata that cannot be used.
    pub fn metadata(path: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self::Metadata { path: path.to_string(), message: message.to_string() }
    }
}

/// Whether a file is one: a pipe would be waited for, and a device has no end.
///
/// # Errors
/// It is none, or not there.
pub fn check_plain(path: &Path) -> Result<(), DistError> {
    let found = path.metadata().map_err(|error| DistError::file("read", path, error))?;
    let refused = || DistError::file("read", path, io::Error::other("it is no plain file"));
    if found.is_file() { Ok(()) } else { Err(refused()) }
}

/// What is wrong with a file that should be a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackageFault {
    /// It does not begin as packages do.
    NotAPackage,
    /// It ends too early, or goes on too long.
    Size {
        /// Bytes that its header speaks of.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// It ends inside its header.
    Truncated,
    /// Its header says what no header may.
    Header(String),
    /// It is not the one that the index of its tree has.
    Unlisted,
    /// A checksum does not fit.
    Damaged(&'static str),
    /// It is called otherwise than what it is.
    Misnamed {
        /// What it should be called.
        expected: String,
    },
    /// Name, version, release or architecture cannot stand in the name of a file.
    Unnameable(String),
    /// Its signature says nothing of its payload.
    Uncovered,
    /// It has no signature.
    Unsigned,
    /// Its signature is not that of a key of the site.
    Signature(String),
}

impl fmt::Display for PackageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAPackage => write!(f, "is no RPM package"),
            Self::Size { expected, found } if found < expected => {
                write!(f, "is truncated: it has {found} of {expected} bytes")
            }
            Self::Size { expected, found } => write!(f, "has {found} bytes, but its header speaks of {expected}"),
            Self::Truncated => write!(f, "is truncated: it ends in its header"),
            Self::Header(what) => write!(f, "has a damaged header: {what}"),
            Self::Unlisted => write!(
                f,
                "is damaged: it is not the one that the index of its tree has (`kgen dist mirror --verify` mends a copy)"
            ),
            Self::Damaged(what) => write!(f, "is damaged: the checksum of its {what} does not fit"),
            Self::Misnamed { expected } => write!(f, "is called otherwise than what it is, `{expected}`"),
            Self::Unnameable(what) => write!(f, "is `{}`, which cannot be the name of a file", what.escape_debug()),
            Self::Uncovered => {
                write!(
                    f,
                    "has no checksum of its payload in its header (rpm before 4.14), so that no signature covers it"
                )
            }
            Self::Unsigned => write!(f, "is not signed"),
            Self::Signature(why) => write!(f, "is not signed by a key of the site: {why}"),
        }
    }
}
