//! The state of a directory being opened: which file it is, and whether that is an older copy of another.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::boot::taking::restored;
use crate::store::clock::Clock;
use crate::store::kept::StoreError;
use crate::store::sqlite::{Database, Loaded};

/// The database of a directory, and all that is in it.
pub(super) struct Opened {
    pub(super) writer: Database,
    pub(super) loaded: Loaded,
    pub(super) clock: Clock,
    pub(super) is_copy: bool,
    /// Held as long as the state is used.
    pub(super) lock: std::fs::File,
    pub(super) path: PathBuf,
}

/// Which file a path is: a copy is another one, also under the same name.
pub(super) fn identity(path: &Path) -> std::io::Result<String> {
    let found = std::fs::metadata(path)?;
    // Where the system keeps no time of birth, the number of the file has to do.
    let born = found.created().ok().and_then(|born| born.duration_since(std::time::UNIX_EPOCH).ok());
    Ok(format!("{} {}", found.ino(), born.unwrap_or_default().as_nanos()))
}

/// The file beside the database that says how many events there were: a database that knows of fewer is an older copy.
const EVENTS_EVER: &str = "events-ever";

/// Keeps how many events there were. The digits are written over those of before: a file that is truncated or replaced
/// is flushed by some file systems each time.
pub(super) fn keep_events_ever(directory: &Path, database: &Database) {
    let Ok(count) = database.events_ever() else { return };
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(directory.join(EVENTS_EVER));
    // If it cannot be kept, an older number says less, and nothing wrong.
    let _ = file.and_then(|mut file| file.write_all(format!("{count:020}\n").as_bytes()));
}

/// Whether a database knows of fewer events than there were.
fn is_older(directory: &Path, database: &Database) -> Result<bool, StoreError> {
    let kept = std::fs::read_to_string(directory.join(EVENTS_EVER)).unwrap_or_default();
    let kept = kept.trim().parse::<i64>().unwrap_or(0);
    Ok(database.events_ever()? < kept)
}

/// Opens the state of a directory, which is made if it is not there.
pub(super) fn open(directory: &Path) -> Result<Opened, StoreError> {
    let fail = |source| StoreError::Directory { path: directory.to_path_buf(), source };
    // Tokens of builds are in it.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(fail)?;
    let lock = lock(directory)?;
    let path = directory.join("state.sqlite");
    // Whatever the directory allows; what SQLite makes beside it has the same mode.
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(fail)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(fail)?;
    let mut writer = Database::open(&path)?;
    let file = identity(&path).map_err(fail)?;
    let loaded = writer.load()?;
    let is_other = loaded.settings.get("file").is_some_and(|known| *known != file);
    let is_copy = is_other || is_older(directory, &writer)?;
    let clock = Clock::starting(loaded.newest);
    if is_copy || !loaded.settings.contains_key("file") {
        let steps = if is_copy { restored(&loaded.shared(), clock.now()) } else { Vec::new() };
        writer.settle(&steps, is_copy, &file, clock.now())?;
    }
    let loaded = writer.load()?;
    keep_events_ever(directory, &writer);
    Ok(Opened { writer, loaded, clock, is_copy, lock, path })
}

/// Keeps other servers from the state of a directory.
pub(super) fn lock(directory: &Path) -> Result<std::fs::File, StoreError> {
    let fail = |source| StoreError::Directory { path: directory.to_path_buf(), source };
    let lock = std::fs::File::create(directory.join("lock")).map_err(fail)?;
    lock.try_lock().map_err(|_| StoreError::InUse(directory.to_path_buf()))?;
    Ok(lock)
}
