//! Sites in git: files of a commit, read from the object database without a checkout.
//!
//! A repository may come from anybody: sizes and counts are bounded before anything is read, links are followed
//! within the site only, names that git itself would refuse are not read.

use std::path::{Path, PathBuf};

use git2::{ObjectType, Repository, Tree, TreeEntry};

use crate::source::error::{MAX_FILE_BYTES, MAX_TREE_BYTES, Refusal, SourceError};
use crate::source::{FOLDERS, SourceTree, is_described};

/// The most files that a tree has, links to directories counted as what is in them. Trees that hold themselves a
/// thousand times are small in git.
const MAX_FILES: usize = 100_000;
/// How many directories or links lie in each other.
const MAX_DEPTH: usize = 40;
/// The mode of a symbolic link.
const LINK: i32 = 0o120_000;

/// A commit of a repository, and the folder of the site in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The repository.
    pub repository: PathBuf,
    /// The id, forty hexadecimal digits.
    pub id: String,
    /// The first line of its message.
    pub summary: String,
    /// The folder of the site, `/` between parts; empty where it is the whole repository.
    pub folder: String,
}

/// The repository that a directory is in, and the path of the directory in it; none where it is in none.
pub fn repository_of(directory: &Path) -> Option<(PathBuf, String)> {
    let directory = directory.canonicalize().ok()?;
    let repository = Repository::discover(&directory).ok()?;
    let folder = match repository.workdir() {
        Some(top) => directory.strip_prefix(top.canonicalize().ok()?).ok()?.to_string_lossy().into_owned(),
        None => String::new(),
    };
    Some((repository.path().to_path_buf(), folder))
}

/// Whether a directory is itself a repository without working files.
pub fn is_bare(directory: &Path) -> bool {
    Repository::open_bare(directory).is_ok_and(|repository| repository.is_bare())
}

/// Whether a commit is another one or follows it. An id that the repository does not have is followed by none.
pub fn descends(repository: &Path, commit: &str, other: &str) -> bool {
    let Ok(repository) = Repository::open(repository) else { return false };
    let (Ok(commit), Ok(other)) = (git2::Oid::from_str(commit), git2::Oid::from_str(other)) else { return false };
    commit == other || repository.graph_descendant_of(commit, other).unwrap_or(false)
}

impl Commit {
    /// The commit that a branch, tag or id means.
    ///
    /// # Errors
    /// There is no such repository, or nothing of that name in it.
    pub fn find(repository: &Path, name: &str, folder: &str) -> Result<Self, SourceError> {
        let fail = |error: git2::Error| SourceError::Revision {
            repository: repository.to_path_buf(),
            revision: name.to_owned(),
            message: error.message().to_owned(),
        };
        let opened = Repository::open(repository).map_err(fail)?;
        let commit = opened.revparse_single(name).and_then(|object| object.peel_to_commit()).map_err(fail)?;
        Ok(Self {
            repository: repository.to_path_buf(),
            id: commit.id().to_string(),
            summary: commit.summary().ok().flatten().unwrap_or_default().chars().take(200).collect(),
            folder: folder.trim_matches('/').to_owned(),
        })
    }

    fn fail(&self, error: git2::Error) -> SourceError {
        SourceError::Revision {
            repository: self.repository.clone(),
            revision: self.id.clone(),
            message: error.message().to_owned(),
        }
    }

    /// Does something with the tree of the commit.
    fn with<T>(&self, work: impl FnOnce(&Repository, &Tree) -> Result<T, git2::Error>) -> Result<T, SourceError> {
        let opened = Repository::open(&self.repository).map_err(|error| self.fail(error))?;
        let tree = opened.revparse_single(&self.id).and_then(|object| object.peel_to_tree());
        tree.and_then(|tree| work(&opened, &tree)).map_err(|error| self.fail(error))
    }

    /// The files of the inventory: one of `names` in the site's folder, and those below the directory beside it whose
    /// names end in one of `ends`.
    pub(super) fn inventory(&self, names: &[&str], ends: &[&str]) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
        let (mut files, refused) = self.with(|repository, top| {
            let mut reader = Reader::new(repository, top, &self.folder);
            names.iter().try_for_each(|name| reader.read_at(name))?;
            reader.read_at("cluster.d")?;
            Ok((reader.files.files, reader.files.refused))
        })?;
        if let Some((path, refusal)) = refused.into_iter().next() {
            return Err(SourceError::Refused { path, why: refusal });
        }
        files.retain(|path, _| names.contains(&path.as_str()) || ends.iter().any(|end| path.ends_with(end)));
        if files.is_empty() {
            return Err(SourceError::NoSite { revision: self.id.clone(), folder: self.folder.clone() });
        }
        // The file of the site is the first, before its parts.
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_by_key(|(path, _)| !names.contains(&path.as_str()));
        Ok(files)
    }

    /// The description at a path beside the inventory.
    pub(super) fn description(&self, path: &Path) -> Result<SourceTree, SourceError> {
        let none = || SourceError::NoDescription(path.to_path_buf());
        let root = join(&self.folder, &path.to_string_lossy()).ok_or_else(none)?;
        let tree = self.with(|repository, top| {
            let mut reader = Reader::new(repository, top, &root);
            FOLDERS.iter().try_for_each(|folder| reader.read_at(folder))?;
            Ok(reader.files)
        })?;
        let has = |path: &String| !path.starts_with("include/");
        if tree.files.keys().any(has) || tree.refused.keys().any(has) { Ok(tree) } else { Err(none()) }
    }
}

/// A relative path from a folder, its `..` taken away; none where it leads out of the repository.
fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = if path.starts_with('/') { return None } else { folder.split('/').collect() };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.retain(|part| !part.is_empty());
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    Some(parts.join("/"))
}

/// Takes files out of the object database, by their paths below `root`.
struct Reader<'r> {
    repository: &'r Repository,
    top: &'r Tree<'r>,
    root: &'r str,
    files: SourceTree,
    bytes: u64,
    seen: usize,
}

impl<'r> Reader<'r> {
    fn new(repository: &'r Repository, top: &'r Tree<'r>, root: &'r str) -> Self {
        Self { repository, top, root, files: SourceTree::default(), bytes: 0, seen: 0 }
    }

    /// What is at a path below the root.
    fn entry(&self, path: &str) -> Option<TreeEntry<'static>> {
        self.top.get_path(Path::new(&join(self.root, path)?)).ok()
    }

    fn read_at(&mut self, path: &str) -> Result<(), git2::Error> {
        match self.entry(path) {
            Some(entry) => self.read(path, path, &entry, 0),
            None => Ok(()),
        }
    }

    /// Reads what is at `place`, under the name `path`: they differ behind a link.
    fn read(&mut self, path: &str, place: &str, entry: &TreeEntry, depth: usize) -> Result<(), git2::Error> {
        self.seen += 1;
        if self.seen > MAX_FILES || depth > MAX_DEPTH {
            self.refuse(path, Refusal::TreeTooLarge);
            return Ok(());
        }
        match entry.kind() {
            Some(ObjectType::Tree) => self.read_tree(path, place, entry, depth),
            Some(ObjectType::Blob) if !is_described(path) => Ok(()),
            Some(ObjectType::Blob) if entry.filemode() == LINK => self.read_link(path, place, entry, depth),
            Some(ObjectType::Blob) => self.read_file(path, entry),
            _ => {
                self.refuse(path, Refusal::Submodule);
                Ok(())
            }
        }
    }

    fn refuse(&mut self, path: &str, why: Refusal) {
        // One of many is told.
        if self.seen <= MAX_FILES + 1 {
            self.files.refused.insert(path.to_owned(), why);
        }
    }

    fn read_tree(&mut self, path: &str, place: &str, entry: &TreeEntry, depth: usize) -> Result<(), git2::Error> {
        let tree = entry.to_object(self.repository)?.peel_to_tree()?;
        for child in &tree {
            if self.seen > MAX_FILES {
                break;
            }
            let Ok(name) = child.name() else {
                self.refuse(path, Refusal::Special);
                continue;
            };
            // Also `..` and `.git`, which a tree that git did not make may hold.
            if name.starts_with('.') || name.is_empty() || name.contains('/') {
                continue;
            }
            self.read(&format!("{path}/{name}"), &format!("{place}/{name}"), &child, depth + 1)?;
        }
        Ok(())
    }

    fn read_link(&mut self, path: &str, place: &str, entry: &TreeEntry, depth: usize) -> Result<(), git2::Error> {
        let (size, _) = self.repository.odb()?.read_header(entry.id())?;
        let target = if size > 4096 { Vec::new() } else { self.repository.find_blob(entry.id())?.content().to_vec() };
        let around = place.rsplit_once('/').map_or("", |(around, _)| around);
        let target = String::from_utf8(target).ok().and_then(|target| join(around, &target));
        let Some(target) = target else {
            self.refuse(path, Refusal::LinkOutside);
            return Ok(());
        };
        match self.entry(&target) {
            Some(found) if depth < MAX_DEPTH => self.read(path, &target, &found, depth + 1),
            _ => {
                self.refuse(path, Refusal::BrokenLink);
                Ok(())
            }
        }
    }

    fn read_file(&mut self, path: &str, entry: &TreeEntry) -> Result<(), git2::Error> {
        let (size, _) = self.repository.odb()?.read_header(entry.id())?;
        let size = size as u64;
        if size > MAX_FILE_BYTES {
            self.refuse(path, Refusal::TooLarge);
            return Ok(());
        }
        self.bytes += size;
        if self.bytes > MAX_TREE_BYTES {
            self.refuse(path, Refusal::TreeTooLarge);
            return Ok(());
        }
        let content = self.repository.find_blob(entry.id())?.content().to_vec();
        self.files.files.insert(path.to_owned(), content);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn paths_stay_in_the_repository() {
        assert_eq!(join("a/b", "../c").as_deref(), Some("a/c"));
        assert_eq!(join("", "./x//y/").as_deref(), Some("x/y"));
        assert_eq!(join("a", "../..").as_deref(), None);
        assert_eq!(join("a", "/etc").as_deref(), None);
    }
}
