//! Copies of the state: made while a server runs, put back while none does.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::store::kept::StoreError;
use crate::store::sqlite::Database;
use crate::store::{lock, open};

/// What a copy that was put back has ended, and where the state is that it replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many machines are recorded in it.
    pub machines: usize,
    /// The state that was there before; `None` if there was none.
    pub replaced: Option<PathBuf>,
}

fn failed<'p>(doing: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> StoreError + use<'p> {
    move |source| StoreError::File { doing, path: path.to_path_buf(), source }
}

/// Copies the state of a directory to a file, whole or not at all; a server may be at work on it. Only the file's owner
/// can read it: the tokens of builds are in it.
///
/// # Errors
/// There is no state, or the file cannot be written.
pub fn back_up(directory: &Path, file: &Path) -> Result<(), StoreError> {
    let path = directory.join("state.sqlite");
    if file.exists() && !file.is_file() {
        let other = io::Error::other("there is something that is not a file");
        return Err(failed("write", file)(other));
    }
    // Opening it would make an empty one.
    fs::metadata(&path).map_err(failed("read", &path))?;
    copy(&path, file)
}

/// A whole copy under another name, on the disk before it has that name.
fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut name = to.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    let partial = to.with_file_name(name);
    // One that is left of a copy that was interrupted is none.
    let _ = fs::remove_file(&partial);
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial);
    let made = made.map_err(failed("write", &partial))?;
    let database = Database::read_only(from)?;
    let done = database.verify().and_then(|()| database.copy_to(&partial)).and_then(|()| {
        made.sync_all().map_err(failed("write", &partial))?;
        fs::rename(&partial, to).map_err(failed("write", to))
    });
    if done.is_err() {
        let _ = fs::remove_file(&partial);
    }
    done
}

/// Puts a copy back as the state of a directory, on which no server may be at work. What was ordered in it ends, and its
/// tokens are dropped: it does not know what happened since. The state that was there is kept beside it.
///
/// # Errors
/// The file is no state, a server is at work, or the disk refuses; the state is then as it was.
pub fn restore(directory: &Path, file: &Path) -> Result<Restored, StoreError> {
    fs::metadata(file).map_err(failed("read", file))?;
    Database::read_only(file)?.verify()?;
    fs::metadata(directory).map_err(failed("find", directory))?;
    let path = directory.join("state.sqlite");
    let held = lock(directory)?;
    let incoming = directory.join("state.sqlite.incoming");
    copy(file, &incoming)?;
    let replaced = path.exists().then(|| free_name(directory));
    if let Some(replaced) = &replaced {
        // What waits beside the database belongs to it.
        Database::open(&path).and_then(|database| database.checkpoint())?;
        fs::rename(&path, replaced).map_err(failed("move", &path))?;
    }
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(directory.join(format!("state.sqlite{end}")));
    }
    fs::rename(&incoming, &path).map_err(failed("write", &path))?;
    drop(held);
    let opened = open(directory, true)?;
    Ok(Restored { machines: opened.loaded.records.len(), replaced })
}

/// A name for what is replaced that nothing has yet.
fn free_name(directory: &Path) -> PathBuf {
    let names = (1..).map(|number| directory.join(format!("replaced-{number}.sqlite")));
    let mut free = names.filter(|path| !path.exists());
    free.next().unwrap_or_else(|| directory.join("replaced.sqlite"))
}
