//! Why something could not be read: the disk, git, or what is there.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The largest file that is read, in bytes. A module of a real site has a few kilobytes.
pub const MAX_FILE_BYTES: u64 = 16 << 20;
/// The largest description, in bytes, all files together.
pub const MAX_TREE_BYTES: u64 = 512 << 20;

/// A file or directory could not be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The operating system refused.
    #[error("cannot read {path}: {source}")]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why it was not.
        source: std::io::Error,
    },
    /// A description has none of its folders.
    #[error("{0} holds no description: there is no `nodes`, `graphs`, `site-nodes` or `rolls` directory in it")]
    NoDescription(PathBuf),
    /// A link to something that is not below the directory that is read.
    #[error("{path} leads out of {directory}; put the file itself there")]
    LeadsOut {
        /// The link.
        path: PathBuf,
        /// What is read.
        directory: PathBuf,
    },
    /// The file is larger than any that people write.
    #[error("{path} has {bytes} bytes; the limit for one file is {limit}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// [`MAX_FILE_BYTES`].
        limit: u64,
    },
    /// The description of a site cannot be read.
    #[error("the description of this site: {source}")]
    OfSite {
        /// Why.
        source: Box<SourceError>,
    },
    /// A secret is not text.
    #[error("the secret {0} is not UTF-8")]
    NotText(PathBuf),
    /// A git repository has no such revision, or cannot be read.
    #[error("cannot read `{revision}` of the repository {repository}: {message}")]
    Revision {
        /// The repository.
        repository: PathBuf,
        /// Branch, tag or id.
        revision: String,
        /// What git says.
        message: String,
    },
    /// A directory has no revisions.
    #[error("{path} is in no git repository, so there is no revision `{revision}` of it")]
    NotInGit {
        /// The file of the inventory.
        path: PathBuf,
        /// What was asked for.
        revision: String,
    },
    /// A git repository could not be brought here.
    #[error("cannot fetch {url}: {message}")]
    Fetch {
        /// From where, without a password.
        url: String,
        /// What git says.
        message: String,
    },
    /// A commit has no inventory where it should be.
    #[error("the revision {revision} has no cluster.toml, cluster.json or cluster.d in `/{folder}`")]
    NoSite {
        /// The commit.
        revision: String,
        /// The folder of the site.
        folder: String,
    },
    /// A file of an inventory in git is none that is read.
    #[error("`{path}` is not read: {why}")]
    Refused {
        /// The file.
        path: String,
        /// Why not.
        why: Refusal,
    },
}

impl SourceError {
    pub(super) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.to_path_buf(), source }
    }
}

/// Why one file of a tree was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A symbolic link that leads out of the description.
    LinkOutside,
    /// A link to itself, or to nothing.
    BrokenLink,
    /// Larger than [`MAX_FILE_BYTES`].
    TooLarge,
    /// Neither a file nor a directory.
    Special,
    /// The files together are larger than [`MAX_TREE_BYTES`], or there are too many of them.
    TreeTooLarge,
    /// A repository inside the repository, of which only the name is there.
    Submodule,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkOutside => write!(f, "the symbolic link leads out of the description"),
            Self::BrokenLink => write!(f, "the symbolic link leads nowhere, or to itself"),
            Self::Special => write!(f, "this is neither a file nor a directory"),
            Self::TooLarge => write!(f, "the file is larger than {MAX_FILE_BYTES} bytes"),
            Self::TreeTooLarge => {
                write!(f, "the files of this description are larger than {MAX_TREE_BYTES} bytes together, or too many")
            }
            Self::Submodule => write!(f, "this is a submodule, whose files are in another repository"),
        }
    }
}
