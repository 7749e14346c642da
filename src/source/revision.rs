//! One revision of a site: where its inventory and its description are read from.

use std::path::{Path, PathBuf};

use crate::source::error::SourceError;
use crate::source::fetch::{REMOTE_HEAD, fetch};
use crate::source::git::Commit;
use crate::source::{SourceTree, files_below, read_file};

/// The names of the inventory's file, the usual first. Beside it, `cluster.d` may hold more of it.
pub const SITE_FILES: [&str; 2] = ["cluster.toml", "cluster.json"];
/// The ends of the names of files that an inventory is made of.
const PARTS: [&str; 3] = [".toml", ".json", ".csv"];

/// Where a site is read from.
#[derive(Debug)]
pub enum Revision {
    /// A directory as it is now, by the file of its inventory.
    Directory(PathBuf),
    /// A commit of a git repository, whose files are in no directory.
    Commit(Commit),
}

impl Revision {
    /// The id of the commit; none of a directory.
    pub fn commit(&self) -> Option<&str> {
        match self {
            Self::Directory(_) => None,
            Self::Commit(commit) => Some(&commit.id),
        }
    }

    /// The files of the inventory, each with the path that people know it by; the first is the one that has `[site]`.
    ///
    /// # Errors
    /// There is none, or one cannot be read.
    pub fn inventory(&self) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
        match self {
            Self::Directory(file) => {
                let parts = files_below(&file.with_extension("d"), &PARTS)?;
                let whole = file.is_file() || parts.is_empty();
                let all = whole.then(|| file.clone()).into_iter().chain(parts);
                all.map(|path| Ok((path.display().to_string(), read_file(&path)?))).collect()
            }
            Self::Commit(commit) => commit.inventory(&SITE_FILES, &PARTS),
        }
    }

    /// The description, at a path beside the inventory.
    ///
    /// # Errors
    /// There is none, or something in it cannot be read.
    pub fn description(&self, path: &Path) -> Result<SourceTree, SourceError> {
        match self {
            Self::Directory(file) => {
                SourceTree::read(&file.parent().map(Path::to_path_buf).unwrap_or_default().join(path))
            }
            Self::Commit(commit) => commit.description(path),
        }
    }
}

/// Where revisions of a site come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A directory, by the file of its inventory.
    Directory(PathBuf),
    /// A git repository.
    Repository {
        /// Where it is here.
        repository: PathBuf,
        /// The folder of the site in it.
        folder: String,
        /// Branch, tag or id.
        revision: String,
        /// Where it comes from, if it is a copy.
        url: Option<String>,
    },
}

impl Origin {
    /// Brings a copy up to date; does nothing where there is nothing to bring.
    ///
    /// # Errors
    /// The other side cannot be reached, or refuses. What was there stays.
    pub fn refresh(&self) -> Result<(), SourceError> {
        match self {
            Self::Repository { repository, url: Some(url), .. } => fetch(url, repository),
            _ => Ok(()),
        }
    }

    /// The revision that it names now.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn open(&self) -> Result<Revision, SourceError> {
        match self {
            Self::Directory(file) => Ok(Revision::Directory(file.clone())),
            Self::Repository { revision, .. } => self.at(revision),
        }
    }

    /// Another revision of it.
    ///
    /// # Errors
    /// There is none of this name, or it is a directory, which has no other.
    pub fn at(&self, revision: &str) -> Result<Revision, SourceError> {
        match self {
            Self::Directory(file) => Err(SourceError::NotInGit { path: file.clone(), revision: revision.to_owned() }),
            Self::Repository { repository, folder, url, .. } => {
                // A copy has a HEAD of its own, which says nothing; that of the other side has another name.
                let rest =
                    revision.strip_prefix("HEAD").filter(|rest| rest.is_empty() || rest.starts_with(['~', '^', '@']));
                let remote = rest.filter(|_| url.is_some()).map(|rest| format!("{REMOTE_HEAD}{rest}"));
                Ok(Revision::Commit(Commit::find(repository, remote.as_deref().unwrap_or(revision), folder)?))
            }
        }
    }
}

/// The file of the inventory in a directory; none where there is none, nor a directory of its parts.
pub fn site_in(directory: &Path) -> Option<PathBuf> {
    let files = SITE_FILES.map(|name| directory.join(name));
    let found = files.iter().find(|path| path.is_file());
    found.or_else(|| files.first().filter(|path| path.with_extension("d").is_dir())).cloned()
}
