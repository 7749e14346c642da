//! Copies of the state: made while a server runs, put back while none does.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::boot::taking::restored;
use crate::store::clock::Clock;
use crate::store::kept::StoreError;
use crate::store::opened::{identity, lock};
use crate::store::sqlite::Database;

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
    // A link stays one; what it leads to is written.
    let file = &file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
    let own = |path: &Path| path.parent().and_then(|parent| parent.canonicalize().ok());
    if own(file) == directory.canonicalize().ok() {
        let inside = io::Error::other("that is the directory of the state; name a place elsewhere");
        return Err(failed("write", file)(inside));
    }
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
    let partial = std::path::absolute(to.with_file_name(name)).map_err(failed("write", to))?;
    if partial.to_str().is_none() {
        return Err(failed("write", to)(io::Error::other("the name is not UTF-8")));
    }
    // An interrupted copy left it.
    let _ = fs::remove_file(&partial);
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial);
    let made = made.map_err(failed("write", &partial))?;
    let database = Database::read_only(from)?;
    let done = database.verify().and_then(|()| database.copy_to(&partial)).and_then(|()| {
        Database::read_only(&partial)?.verify()?;
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
    let _held = lock(directory)?;
    let incoming = directory.join("state.sqlite.incoming");
    let done = copy(file, &incoming).and_then(|()| settled(&incoming)).and_then(|machines| {
        let replaced = set_aside(directory, &path)?;
        fs::rename(&incoming, &path).map_err(failed("write", &path))?;
        Ok(Restored { machines, replaced })
    });
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(directory.join(format!("state.sqlite.incoming{end}")));
    }
    done
}

/// Ends what a copy must not order, before it has the name of a state; gives how many machines are recorded in it.
fn settled(file: &Path) -> Result<usize, StoreError> {
    let mut database = Database::open(file)?;
    let loaded = database.load()?;
    let now = Clock::starting(loaded.newest).now();
    let identity = identity(file).map_err(failed("read", file))?;
    database.settle(&restored(&loaded.shared(), now), true, &identity, now)?;
    database.checkpoint()?;
    Ok(loaded.records.len())
}

/// Keeps the state that is there under another name, whatever it is, with what waits beside it.
fn set_aside(directory: &Path, path: &Path) -> Result<Option<PathBuf>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let name = free_name(directory);
    for end in ["-wal", "-shm", ""] {
        let [from, to] = [path, &name].map(|path| {
            let mut text = path.as_os_str().to_os_string();
            text.push(end);
            PathBuf::from(text)
        });
        if from.exists() {
            fs::rename(&from, &to).map_err(failed("move", &from))?;
        }
    }
    Ok(Some(name))
}

/// A name for what is replaced that nothing has yet.
fn free_name(directory: &Path) -> PathBuf {
    let names = (1..).map(|number| directory.join(format!("replaced-{number}.sqlite")));
    let mut free = names.filter(|path| !path.exists());
    free.next().unwrap_or_else(|| directory.join("replaced.sqlite"))
}
