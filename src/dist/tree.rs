//! A tree to its place: made beside it, and exchanged in one step, so that a reader sees the old one or the new one.
//!
//! `DIRECTORY/NAME` is a symbolic link to `DIRECTORY/.NAME-ID`. What it led to before stays until the next exchange, as
//! `.NAME-previous`: who reads from it can finish, and the two can be compared.
#![allow(clippy::disallowed_methods)] // the door to trees of packages

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::dist::error::DistError;
use crate::dist::repodata::FOLDER;
use crate::dist::repodata::read::digest;
use crate::inventory::distribution::Links;
use crate::write::Output;

/// A tree that is being made. It is gone if it is dropped before it is exchanged.
#[derive(Debug)]
pub struct NewTree {
    directory: PathBuf,
    name: String,
    path: PathBuf,
    _lock: Output,
}

/// What an exchange did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchanged {
    /// There was none, or another.
    New,
    /// The tree was this one already.
    Same,
}

impl NewTree {
    /// Begins one; what an interrupted run left is taken away.
    ///
    /// # Errors
    /// The directory cannot be written to, or another run is at work there.
    pub fn begin(directory: &Path, name: &str) -> Result<Self, DistError> {
        let lock = Output::open(directory, &[])?;
        let path = directory.join(format!(".{name}-new"));
        remove(&path)?;
        make(&path)?;
        Ok(Self { directory: directory.to_path_buf(), name: name.to_owned(), path, _lock: lock })
    }

    /// Where it is being made.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file.
    ///
    /// # Errors
    /// The disk is full or read-only.
    pub fn write(&self, location: &str, bytes: &[u8]) -> Result<(), DistError> {
        let path = self.path.join(location);
        if let Some(folder) = path.parent() {
            make(folder)?;
        }
        let written = File::create(&path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_data()));
        written.map_err(|error| DistError::file("write", &path, error))
    }

    /// Brings a file in.
    ///
    /// # Errors
    /// It cannot be linked in this way, or not copied.
    pub fn bring(&self, from: &Path, location: &str, links: Links) -> Result<(), DistError> {
        let to = self.path.join(location);
        if let Some(folder) = to.parent() {
            make(folder)?;
        }
        let refused = |kind, other| {
            let (from, to) = (from.to_path_buf(), to.clone());
            move |source| DistError::Link { kind, from, to, other, source }
        };
        match links {
            // The name of a link is not what it leads to.
            Links::Hard => {
                let real = from.canonicalize().map_err(|error| DistError::file("read", from, error))?;
                std::fs::hard_link(real, &to).map_err(refused("hard link", "symbolic"))
            }
            Links::Reflink => reflink(from, &to).map_err(refused("reflink", "hard")),
            Links::Symbolic => {
                let real = from.canonicalize().map_err(|error| DistError::file("read", from, error))?;
                symlink(real, &to).map_err(|error| DistError::file("link", &to, error))
            }
            Links::Copy => std::fs::copy(from, &to).map(drop).map_err(|error| DistError::file("write", &to, error)),
        }
    }

    /// Puts it in its place, unless the tree that is there is the same. `id` is of its content; with `anew` it is another,
    /// however it looks.
    ///
    /// # Errors
    /// It cannot be renamed; what was there stays.
    pub fn exchange(self, id: &str, anew: bool) -> Result<Exchanged, DistError> {
        let link = self.directory.join(&self.name);
        let before = std::fs::read_link(&link).ok();
        let named = |number: u32| match number {
            0 => format!(".{}-{}", self.name, id.get(..16).unwrap_or(id)),
            _ => format!(".{}-{}-{number}", self.name, id.get(..16).unwrap_or(id)),
        };
        // Trees of other ids need not be walked.
        let is_same =
            || before.as_ref().is_some_and(|before| of_id(before, &named(0))) && shape(&link) == shape(&self.path);
        if !anew && is_same() {
            return Ok(Exchanged::Same);
        }
        // What is served now is not touched, though it may have the name already, and be damaged.
        let mut names = (0..).map(named);
        let target = names.find(|name| before.as_deref() != Some(Path::new(name))).unwrap_or_default();
        let path = self.directory.join(&target);
        remove(&path)?;
        sync(&self.path.join(FOLDER))?;
        std::fs::rename(&self.path, &path).map_err(|error| DistError::file("name", &path, error))?;
        sync(&self.directory)?;
        if let Some(before) = &before {
            lead(&self.directory.join(format!(".{}-previous", self.name)), before)?;
        }
        lead(&link, Path::new(&target))?;
        sync(&self.directory)?;
        self.clean(&target, before.as_deref())?;
        Ok(Exchanged::New)
    }

    /// Takes trees away that nothing leads to.
    fn clean(&self, target: &str, before: Option<&Path>) -> Result<(), DistError> {
        let failed = |error| DistError::file("read", &self.directory, error);
        for entry in std::fs::read_dir(&self.directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let id = name.strip_prefix(&format!(".{}-", self.name)).map(|id| id.split('-').next().unwrap_or(id));
            let ours = id.is_some_and(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
            if ours && name != target && before != Some(Path::new(&name)) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

impl Drop for NewTree {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        let _ = remove(&self.path);
    }
}

/// Whether a tree is of an id, of whatever number.
fn of_id(tree: &Path, name: &str) -> bool {
    tree.to_string_lossy().strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// How a file of a tree looks.
#[derive(PartialEq, Eq)]
struct Shape {
    bytes: u64,
    /// Where a link leads.
    target: Option<PathBuf>,
    /// The checksum of a file of the index: it is small, and what machines begin with.
    digest: Option<String>,
}

/// Everything in a tree, by its path.
fn shape(tree: &Path) -> Option<BTreeMap<PathBuf, Shape>> {
    let mut shape = BTreeMap::new();
    let root = tree.canonicalize().ok()?;
    for entry in WalkDir::new(&root).sort_by_file_name() {
        let entry = entry.ok()?;
        if entry.file_type().is_dir() {
            continue;
        }
        let target = std::fs::read_link(entry.path()).ok();
        // Of a link it is the file's size that has to be right.
        let bytes = entry.path().metadata().map_or(u64::MAX, |found| found.len());
        let path = entry.path().strip_prefix(&root).ok()?.to_path_buf();
        let read = || File::open(entry.path()).and_then(|mut file| digest("sha256", &mut file)).ok();
        let digest = if path.starts_with(FOLDER) { read() } else { None };
        shape.insert(path, Shape { bytes, target, digest });
    }
    Some(shape)
}

/// The tree before the last exchange, if there is one.
pub fn previous(tree: &Path) -> Option<PathBuf> {
    let name = tree.file_name()?.to_string_lossy().into_owned();
    let path = tree.with_file_name(format!(".{name}-previous"));
    path.is_dir().then_some(path)
}

/// Exchanges what a link leads to, in one step.
fn lead(link: &Path, target: &Path) -> Result<(), DistError> {
    let name = link.file_name().unwrap_or_default().to_string_lossy();
    let new = link.with_file_name(format!(".{}.link", name.trim_start_matches('.')));
    let failed = |error| DistError::file("link", link, error);
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    symlink(target, &new).map_err(failed)?;
    std::fs::rename(&new, link).map_err(failed)
}

/// A new name is on the disk once its directory is.
fn sync(directory: &Path) -> Result<(), DistError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(|error| DistError::file("write", directory, error))
}

fn make(directory: &Path) -> Result<(), DistError> {
    std::fs::create_dir_all(directory).map_err(|error| DistError::file("make", directory, error))
}

fn remove(directory: &Path) -> Result<(), DistError> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(DistError::file("remove", directory, error)),
        _ => Ok(()),
    }
}

fn reflink(from: &Path, to: &Path) -> io::Result<()> {
    let (source, copy) = (File::open(from)?, File::create_new(to)?);
    rustix::fs::ioctl_ficlone(&copy, &source)?;
    Ok(())
}
