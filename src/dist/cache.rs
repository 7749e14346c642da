//! What was read of packages, kept: the same file is read once, whatever it is called and in however many trees it is.
//!
//! A file is known by device, inode, size and time of change of its content. What the index of a tree says of it is kept
//! too, compressed, in a pack that each run adds where it read something; it checks itself, and what does not fit is
//! read from the package again. The directory may be removed at any time.
#![allow(clippy::disallowed_methods)] // a door to files that only this writes and reads

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use zstd::bulk::{Compressor, Decompressor};

use crate::dist::error::{DistError, PackageFault};
use crate::dist::header::{Entries, Indexed, Kept, hexadecimal, read};
use crate::dist::signature::Keys;
use crate::write::whole;

/// What other versions of kgen kept, they keep elsewhere: they may say it otherwise.
const FORM: &str = concat!("headers-3-", env!("CARGO_PKG_VERSION"));

/// What was read of packages.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
    known: BTreeMap<String, Indexed>,
    found: Mutex<Found>,
}

/// What this run read.
#[derive(Debug, Default)]
struct Found {
    packages: BTreeMap<String, Indexed>,
    pack: Option<Pack>,
}

/// What this run writes.
#[derive(Debug)]
struct Pack {
    file: File,
    name: String,
    bytes: u64,
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

    /// What a file is; read only if it is not known yet. `expected` is its checksum, where an index has it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn package(
        &self,
        path: &Path,
        keys: &Keys,
        expected: Option<&str>,
    ) -> Result<Result<Indexed, PackageFault>, DistError> {
        let failed = |error| DistError::file("read", path, error);
        // What was found with other keys says nothing, but stays true for them.
        let id = format!("{} {}", identity(path).map_err(failed)?, keys.digest);
        if let Some(known) = self.known.get(&id) {
            let is_listed = expected.is_none_or(|expected| expected == known.sha256);
            return Ok(if is_listed { Ok(known.clone()) } else { Err(PackageFault::Unlisted) });
        }
        let (mut indexed, entries) = match read(path, keys, expected).map_err(failed)? {
            Ok(package) => package,
            Err(fault) => return Ok(Err(fault)),
        };
        indexed.kept = self.keep(&entries).map_err(|error| DistError::file("write to", &self.directory, error))?;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.packages.insert(id, indexed.clone());
        Ok(Ok(indexed))
    }

    /// What `primary`, `filelists` or `other` says of a package: the text of this number.
    ///
    /// # Errors
    /// It is not kept any more, and the package cannot be read, or is another by now.
    pub fn entry(&self, indexed: &Indexed, path: &Path, number: usize) -> Result<String, DistError> {
        if let Some(text) = self.kept(&indexed.kept, number) {
            return Ok(text);
        }
        let read = read(path, &Keys::default(), Some(&indexed.sha256));
        let (_, entries) = read
            .map_err(|error| DistError::file("read", path, error))?
            .map_err(|_| DistError::file("use", path, io::Error::other("the package was changed while it was used")))?;
        Ok(entries.texts.into_iter().nth(number).unwrap_or_default())
    }

    /// Writes down which files are known.
    ///
    /// # Errors
    /// The disk is full or read-only; what was known stays.
    pub fn save(&mut self) -> Result<(), DistError> {
        let found = std::mem::take(self.found.get_mut().unwrap_or_else(PoisonError::into_inner));
        if found.packages.is_empty() {
            return Ok(());
        }
        self.known.extend(found.packages);
        let path = self.directory.join("index.json");
        let text = serde_json::to_vec(&self.known).map_err(|error| DistError::file("write", &path, error.into()))?;
        whole(&path, &text, 0o644).map_err(|error| DistError::file("write", &path, error))
    }

    /// Adds to the pack of this run.
    fn keep(&self, entries: &Entries) -> io::Result<Kept> {
        let mut packed = Vec::new();
        let mut kept = Kept::default();
        for (number, text) in entries.texts.iter().enumerate() {
            let bytes = pack(text)?;
            packed.extend_from_slice(&bytes);
            kept.lengths[number] = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            kept.open[number] = u32::try_from(text.len()).map_err(io::Error::other)?;
            kept.digests[number] = hexadecimal(Sha256::new_with_prefix(text));
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let pack = match &mut found.pack {
            Some(pack) => pack,
            none => none.insert(Pack::new(&self.directory)?),
        };
        pack.file.write_all(&packed)?;
        (kept.pack, kept.start) = (pack.name.clone(), pack.bytes);
        pack.bytes += packed.len() as u64;
        Ok(kept)
    }

    /// One text of what is kept of a package; none where it is not there, or not whole.
    fn kept(&self, kept: &Kept, number: usize) -> Option<String> {
        if kept.pack.is_empty() || kept.pack.contains('/') {
            return None;
        }
        let file = File::open(self.directory.join(&kept.pack)).ok()?;
        let before: u64 = kept.lengths[..number].iter().map(|length| u64::from(*length)).sum();
        let mut packed = vec![0; kept.lengths[number] as usize];
        file.read_exact_at(&mut packed, kept.start.checked_add(before)?).ok()?;
        let text = String::from_utf8(unpack(&packed, kept.open[number] as usize).ok()?).ok()?;
        (hexadecimal(Sha256::new_with_prefix(&text)) == kept.digests[number]).then_some(text)
    }
}

impl Pack {
    /// A new one, of a name that no other run has.
    fn new(directory: &Path) -> io::Result<Self> {
        let (file, path) = tempfile::Builder::new().prefix("pack-").tempfile_in(directory)?.keep()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { file, name, bytes: 0 })
    }
}

/// What compresses is as large as a hundred texts, so that each thread keeps its own.
fn pack(text: &str) -> io::Result<Vec<u8>> {
    thread_local! {
        static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    }
    PACKER.with_borrow_mut(|packer| match packer {
        Some(packer) => packer.compress(text.as_bytes()),
        none => none.insert(Compressor::new(1)?).compress(text.as_bytes()),
    })
}

/// A text of so many bytes.
fn unpack(packed: &[u8], bytes: usize) -> io::Result<Vec<u8>> {
    thread_local! {
        static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    }
    UNPACKER.with_borrow_mut(|unpacker| match unpacker {
        Some(unpacker) => unpacker.decompress(packed, bytes),
        none => none.insert(Decompressor::new()?).decompress(packed, bytes),
    })
}

/// Which file it is, and which content it has.
fn identity(path: &Path) -> io::Result<String> {
    let file = path.metadata()?;
    Ok(format!("{}:{}:{}:{}.{:09}", file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}
