//! Files to disk: each whole or not at all, and only those that differ.
//!
//! A file is written beside its place and renamed into it, so that a reader, an interruption or a full disk
//! never meets half of one. A lock keeps two runs out of one directory.
#![allow(clippy::disallowed_methods)] // the door to files that are written

use std::collections::BTreeSet;
use std::fs::{File, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Files that are being written start with this; one that is left over was interrupted.
const TEMPORARY: &str = ".kgen-new-";
/// Held while a directory is written.
const LOCK: &str = ".kgen-lock";

/// A file or directory could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The operating system refused.
    #[error("cannot write to `{path}`: {why}", why = reason(path, source))]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// Another kgen is at work there.
    #[error("another kgen is writing to {0}; wait until it is done")]
    Locked(PathBuf),
    /// The directory of a new site is not empty.
    #[error("{0} is there already; kgen init writes to a new or an empty directory")]
    Exists(PathBuf),
}

/// Why a path cannot be written, for a person who can do something about it.
fn reason(path: &Path, source: &io::Error) -> String {
    match source.kind() {
        // Where a directory is to be made.
        io::ErrorKind::AlreadyExists if path.is_file() => "it is a file, not a directory".to_owned(),
        io::ErrorKind::NotADirectory => {
            let file = path.ancestors().find(|above| above.is_file()).unwrap_or(path);
            format!("`{}` is a file, not a directory", file.display())
        }
        io::ErrorKind::IsADirectory => "it is a directory, not a file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::StorageFull => "no space left on the disk; what was there is as it was".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        _ => format!("{source}; what was there is as it was"),
    }
}

impl WriteError {
    fn new(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_path_buf(), source }
    }
}

/// Takes a socket away that nobody listens at.
///
/// # Errors
/// Something else has its name, or it cannot be taken away.
pub fn remove_socket(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match path.symlink_metadata() {
        Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "this is no socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Lets its owner and its group use a socket, and nobody else.
///
/// # Errors
/// It is another's.
pub fn open_to_group(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(0o660))
}

/// A directory that goes away with it, for files that are looked at before they are written for good.
#[derive(Debug)]
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    /// Makes one where the system keeps temporary files.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new() -> Result<Self, WriteError> {
        let made = tempfile::Builder::new().prefix("kgen-").tempdir();
        made.map(Self).map_err(|error| WriteError::new(Path::new("a temporary directory"), error))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// What happened to one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    New,
    /// It had other content.
    Changed,
    /// It was as it should be, and was not touched.
    Same,
}

impl Change {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Change::New => "new",
            Change::Changed => "changed",
            Change::Same => "unchanged",
        }
    }
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// The owner: the file holds a secret.
    Private,
}

/// A directory that outputs are written to, locked.
#[derive(Debug)]
pub struct Output {
    root: PathBuf,
    _lock: File,
}

impl Output {
    /// Makes and locks a directory, and takes away what an interrupted run left in `folders` of it.
    ///
    /// # Errors
    /// It cannot be made or written to, or another run holds it.
    pub fn open(root: &Path, folders: &[&str]) -> Result<Self, WriteError> {
        std::fs::create_dir_all(root).map_err(|error| WriteError::new(root, error))?;
        let path = root.join(LOCK);
        let lock =
            File::options().create(true).append(true).open(&path).map_err(|error| WriteError::new(&path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(WriteError::Locked(root.to_path_buf())),
            Err(TryLockError::Error(error)) => return Err(WriteError::new(&path, error)),
        }
        let output = Self { root: root.to_path_buf(), _lock: lock };
        for folder in folders {
            let folder = root.join(folder);
            std::fs::create_dir_all(&folder).map_err(|error| WriteError::new(&folder, error))?;
            for name in names(&folder)?.iter().filter(|name| name.starts_with(TEMPORARY)) {
                remove(&folder.join(name))?;
            }
        }
        Ok(output)
    }

    /// Writes one file, `path` being relative to the directory, if it differs from what is there.
    ///
    /// # Errors
    /// The disk is full or read-only; the old file is then as it was.
    pub fn write(&self, path: &str, content: &[u8], access: Access) -> Result<Change, WriteError> {
        let path = self.root.join(path);
        if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
            std::fs::create_dir_all(folder).map_err(|error| WriteError::new(folder, error))?;
        }
        let mode = if access == Access::Private { 0o600 } else { 0o644 };
        let before = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file);
        if before
            .as_ref()
            .is_some_and(|before| before.permissions().mode() & 0o777 == mode && before.len() == content.len() as u64)
            && same_content(&path, content)
        {
            return Ok(Change::Same);
        }
        whole(&path, content, mode).map_err(|error| WriteError::new(&path, error))?;
        Ok(if before.is_some() { Change::Changed } else { Change::New })
    }

    /// Copies a file of any size, if it differs from what is there.
    ///
    /// # Errors
    /// It cannot be read, or the disk is full or read-only; the old file is then as it was.
    pub fn copy(&self, from: &Path, path: &str) -> Result<Change, WriteError> {
        let path = self.root.join(path);
        let before = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file);
        if before.is_some() && same_files(from, &path).unwrap_or(false) {
            return Ok(Change::Same);
        }
        copied(from, &path).map_err(|error| WriteError::new(&path, error))?;
        Ok(if before.is_some() { Change::Changed } else { Change::New })
    }

    /// Removes plain files of `folder` that `ours` accepts by name and first line, and that are not in `keep`.
    ///
    /// # Errors
    /// One of them cannot be removed.
    pub fn prune(
        &self,
        folder: &str,
        keep: &BTreeSet<String>,
        ours: impl Fn(&str, &str) -> bool,
    ) -> Result<Vec<String>, WriteError> {
        let directory = self.root.join(folder);
        let mut removed = Vec::new();
        if !directory.is_dir() {
            return Ok(removed);
        }
        for name in names(&directory)? {
            let path = directory.join(&name);
            let plain = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
            if plain && !keep.contains(&name) && ours(&name, &first_line(&path)) {
                remove(&path)?;
                removed.push(name);
            }
        }
        Ok(removed)
    }
}

fn names(folder: &Path) -> Result<BTreeSet<String>, WriteError> {
    let entries = std::fs::read_dir(folder).map_err(|error| WriteError::new(folder, error))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

fn remove(path: &Path) -> Result<(), WriteError> {
    std::fs::remove_file(path).map_err(|error| WriteError::new(path, error))
}

fn same_content(path: &Path, content: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|before| before == content)
}

/// Whether two files have the same bytes, read side by side.
fn same_files(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let mut buffers = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = one.read(&mut buffers.0)?;
        if read == 0 {
            return Ok(true);
        }
        other.read_exact(&mut buffers.1[..read])?;
        if buffers.0[..read] != buffers.1[..read] {
            return Ok(false);
        }
    }
}

fn copied(from: &Path, path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    io::copy(&mut File::open(from)?, new.as_file_mut())?;
    new.as_file().sync_data()?;
    new.as_file().set_permissions(Permissions::from_mode(0o644))?;
    new.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn first_line(path: &Path) -> String {
    let mut start = [0; 100];
    let read = File::open(path).and_then(|mut file| file.read(&mut start)).unwrap_or(0);
    String::from_utf8_lossy(&start[..read]).lines().next().unwrap_or_default().to_owned()
}

/// Writes one file with these permissions: beside its place, then renamed into it, so that it is there whole or not at all.
///
/// # Errors
/// The disk is full or read-only; what was there stays.
pub fn whole(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut new =
        tempfile::Builder::new().prefix(TEMPORARY).permissions(Permissions::from_mode(mode)).tempfile_in(folder)?;
    new.write_all(content)?;
    // Without this a power failure may leave the new name with no content.
    new.as_file().sync_data()?;
    // The mode that was asked for at creation went through the umask.
    new.as_file().set_permissions(Permissions::from_mode(mode))?;
    new.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Writes a new tree of files. Nothing is written if the directory is there and not empty.
///
/// # Errors
/// The directory is not empty, or cannot be written.
pub fn new_tree(root: &Path, files: &[(String, Vec<u8>, Access)]) -> Result<(), WriteError> {
    let occupied = std::fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some());
    if occupied || root.is_file() {
        return Err(WriteError::Exists(root.to_path_buf()));
    }
    for (path, content, access) in files {
        let path = root.join(path);
        let folder = path.parent().unwrap_or(root);
        std::fs::create_dir_all(folder).map_err(|error| WriteError::new(folder, error))?;
        let mode = if *access == Access::Private { 0o600 } else { 0o644 };
        whole(&path, content, mode).map_err(|error| WriteError::new(&path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let output = Output::open(directory.path(), &["ks"]).unwrap();
        assert_eq!(output.write("ks/a", b"1", Access::Public).unwrap(), Change::New);
        let written = directory.path().join("ks/a").metadata().unwrap().modified().unwrap();
        assert_eq!(output.write("ks/a", b"1", Access::Public).unwrap(), Change::Same);
        assert_eq!(directory.path().join("ks/a").metadata().unwrap().modified().unwrap(), written);
        assert_eq!(output.write("ks/a", b"2", Access::Public).unwrap(), Change::Changed);
        assert_eq!(output.write("ks/a", b"2", Access::Private).unwrap(), Change::Changed);
        assert_eq!(directory.path().join("ks/a").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn two_runs_do_not_write_to_one_directory_and_leftovers_go() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("ks")).unwrap();
        std::fs::write(directory.path().join("ks/.kgen-new-x"), "half").unwrap();
        let first = Output::open(directory.path(), &["ks"]).unwrap();
        assert!(!directory.path().join("ks/.kgen-new-x").exists());
        assert!(matches!(Output::open(directory.path(), &["ks"]), Err(WriteError::Locked(_))));
        drop(first);
        assert!(Output::open(directory.path(), &["ks"]).is_ok());
    }

    #[test]
    fn pruning_takes_only_what_is_ours() {
        let directory = tempfile::tempdir().unwrap();
        let output = Output::open(directory.path(), &["ks"]).unwrap();
        for (name, content) in [("ks/a.ks", "# ours\n"), ("ks/b.ks", "# ours\n"), ("ks/notes", "mine\n")] {
            output.write(name, content.as_bytes(), Access::Public).unwrap();
        }
        let removed = output
            .prune("ks", &BTreeSet::from(["a.ks".to_owned()]), |name, line| name.ends_with(".ks") && line == "# ours")
            .unwrap();
        assert_eq!(removed, ["b.ks"]);
        assert!(directory.path().join("ks/notes").exists());
    }
}
