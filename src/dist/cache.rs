//! What was read of packages, kept: the same file is read once, whatever it is called and in however many trees it is.
//!
//! A file is known by device, inode, size and time of change of its content. What is kept of it is by its checksum, and
//! checks itself: what does not fit is read from the package again. The directory may be removed at any time.
#![allow(clippy::disallowed_methods)] // a door to files that only this writes and reads

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use niffler::Level;
use niffler::send::compression::Format;
use niffler::send::{get_reader, get_writer};
use sha2::{Digest, Sha256};

use crate::dist::error::{DistError, PackageFault};
use crate::dist::header::{Entries, Indexed, hexadecimal, read};
use crate::dist::signature::Keys;

/// What other versions of kgen kept, they keep elsewhere: they may say it otherwise.
const FORM: &str = concat!("headers-", env!("CARGO_PKG_VERSION"));
/// More than any package has; what is larger was not written by this.
const MAX_ENTRY_BYTES: u64 = 1 << 30;

/// What was read of packages.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
    known: BTreeMap<String, Indexed>,
    found: Mutex<BTreeMap<String, Indexed>>,
}

impl Cache {
    /// Opens the one below a directory, new if there is none.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn open(mirror: &Path) -> Result<Self, DistError> {
        let directory = mirror.join(".kgen").join(FORM);
        std::fs::create_dir_all(&directory).map_err(|error| DistError::file("make", &directory, error))?;
        let index = std::fs::read(directory.join("index.json")).unwrap_or_default();
        let known = serde_json::from_slice(&index).unwrap_or_default();
        Ok(Self { directory, known, found: Mutex::default() })
    }

    /// What a file is; read only if it is not known yet.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn package(&self, path: &Path, keys: &Keys) -> Result<Result<Indexed, PackageFault>, DistError> {
        let failed = |error| DistError::file("read", path, error);
        let id = identity(path).map_err(failed)?;
        if let Some(known) = self.known.get(&id).filter(|known| known.keys == keys.digest) {
            return Ok(Ok(known.clone()));
        }
        let (indexed, entries) = match read(path, keys).map_err(failed)? {
            Ok(package) => package,
            Err(fault) => return Ok(Err(fault)),
        };
        self.keep(&indexed, &entries)?;
        if let Ok(mut found) = self.found.lock() {
            found.insert(id, indexed.clone());
        }
        Ok(Ok(indexed))
    }

    /// What `primary`, `filelists` or `other` says of a package: the text of this number.
    ///
    /// # Errors
    /// It is not kept any more, and the package cannot be read, or is another by now.
    pub fn entry(&self, indexed: &Indexed, path: &Path, number: usize) -> Result<String, DistError> {
        if let Some(text) = self.kept(indexed, number) {
            return Ok(text);
        }
        let read = read(path, &Keys::default()).map_err(|error| DistError::file("read", path, error))?;
        let changed = || DistError::file("use", path, io::Error::other("the package was changed while it was used"));
        let (found, entries) = read.map_err(|_| changed())?;
        if found.sha256 != indexed.sha256 {
            return Err(changed());
        }
        self.keep(indexed, &entries)?;
        let [primary, filelists, other] = entries.texts;
        Ok([primary, filelists, other].into_iter().nth(number).unwrap_or_default())
    }

    /// Writes down which files are known.
    ///
    /// # Errors
    /// The disk is full or read-only; what was known stays.
    pub fn save(&mut self) -> Result<(), DistError> {
        let found = std::mem::take(self.found.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner));
        if found.is_empty() {
            return Ok(());
        }
        self.known.extend(found);
        let path = self.directory.join("index.json");
        let text = serde_json::to_vec(&self.known).map_err(|error| DistError::file("write", &path, error.into()))?;
        replace(&path, &[&text])
    }

    fn path_of(&self, indexed: &Indexed) -> PathBuf {
        let (folder, name) = indexed.sha256.split_at(2.min(indexed.sha256.len()));
        self.directory.join(folder).join(name)
    }

    fn keep(&self, indexed: &Indexed, entries: &Entries) -> Result<(), DistError> {
        let path = self.path_of(indexed);
        let packed = pack(entries).map_err(|error| DistError::file("write", &path, error))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| DistError::file("make", folder, error))?;
        }
        replace(&path, &packed.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// One text of what is kept of a package; none where it is not there, or not whole.
    fn kept(&self, indexed: &Indexed, number: usize) -> Option<String> {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::open(self.path_of(indexed)).ok()?;
        let mut head = [0; HEAD_BYTES];
        file.read_exact_at(&mut head, 0).ok()?;
        let head = str::from_utf8(&head).ok()?;
        let words: Vec<&str> = head.split_whitespace().collect();
        let [first, second, third, digests @ ..] = &words[..] else { return None };
        let lengths = [first, second, third].map(|word| word.parse::<u64>().unwrap_or(u64::MAX));
        let start = lengths.iter().take(number).try_fold(HEAD_BYTES as u64, |sum, length| sum.checked_add(*length))?;
        let length = lengths.get(number).filter(|length| **length <= MAX_ENTRY_BYTES)?;
        let mut packed = vec![0; usize::try_from(*length).ok()?];
        file.read_exact_at(&mut packed, start).ok()?;
        let mut text = String::new();
        let (reader, _) = get_reader(Box::new(io::Cursor::new(packed))).ok()?;
        reader.take(MAX_ENTRY_BYTES).read_to_string(&mut text).ok()?;
        (hexadecimal(Sha256::new_with_prefix(&text)) == **digests.get(number)?).then_some(text)
    }
}

/// Three lengths and three checksums, filled up with spaces.
const HEAD_BYTES: usize = 256;

/// A head, and each text compressed by itself: who needs one does not read the others.
fn pack(entries: &Entries) -> io::Result<[Vec<u8>; 4]> {
    let mut packed = [const { Vec::new() }; 4];
    for (text, bytes) in entries.texts.iter().zip(&mut packed[1..]) {
        let writer = get_writer(Box::new(bytes), Format::Zstd, Level::One);
        writer.map_err(io::Error::other)?.write_all(text.as_bytes())?;
    }
    let digest = |text: &String| hexadecimal(Sha256::new_with_prefix(text));
    let words = packed[1..].iter().map(|bytes| bytes.len().to_string()).chain(entries.texts.iter().map(digest));
    let head = words.collect::<Vec<_>>().join(" ");
    packed[0] = format!("{head:<width$}\n", width = HEAD_BYTES - 1).into_bytes();
    Ok(packed)
}

/// Which file it is, and which content it has.
fn identity(path: &Path) -> io::Result<String> {
    let file = path.metadata()?;
    Ok(format!("{}:{}:{}:{}.{:09}", file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

/// A file that is there whole or not at all while we run. After a power failure it may be torn, which is then seen.
fn replace(path: &Path, parts: &[&[u8]]) -> Result<(), DistError> {
    let failed = |error| DistError::file("write", path, error);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(folder).map_err(failed)?;
    for part in parts {
        new.write_all(part).map_err(failed)?;
    }
    new.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
