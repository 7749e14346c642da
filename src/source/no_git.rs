//! What stands instead of `git.rs` in a kgen that is built without git: there is no commit to be found.

use std::path::{Path, PathBuf};

use crate::source::SourceTree;
use crate::source::error::SourceError;

/// A commit of a repository, of which there is none here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The repository.
    pub repository: PathBuf,
    /// The id.
    pub id: String,
    /// The first line of its message.
    pub summary: String,
    /// The folder of the site.
    pub folder: String,
}

/// No directory is known to be in a repository.
pub fn repository_of(_: &Path) -> Option<(PathBuf, String)> {
    None
}

/// No directory is known to be one.
pub fn is_bare(_: &Path) -> bool {
    false
}

/// No commit follows another.
pub fn descends(_: &Path, _: &str, _: &str) -> bool {
    false
}

impl Commit {
    /// There is none.
    ///
    /// # Errors
    /// Always.
    pub fn find(repository: &Path, name: &str, _: &str) -> Result<Self, SourceError> {
        Err(SourceError::Revision {
            repository: repository.to_path_buf(),
            revision: name.to_owned(),
            message: "this kgen was built without git".to_owned(),
        })
    }

    pub(super) fn inventory(&self, _: &[&str], _: &[&str]) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
        Self::find(&self.repository, &self.id, "").map(|_| Vec::new())
    }

    pub(super) fn description(&self, _: &Path) -> Result<SourceTree, SourceError> {
        Self::find(&self.repository, &self.id, "").map(|_| SourceTree::default())
    }
}
