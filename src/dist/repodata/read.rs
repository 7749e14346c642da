//! The index of a tree to what it says. Every file is checked against the checksum that names it, and bounded.
#![allow(clippy::disallowed_methods)] // the door to the index of a tree

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rpmrepo_metadata::utils::create_xml_reader;
use rpmrepo_metadata::{Checksum, CompsData, RepomdData, RepomdXml, UpdateRecord, UpdateinfoXml};
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::dist::error::DistError;
use crate::dist::groups;
use crate::dist::package::{Digested, Package};
use crate::dist::repodata::REPOMD;
use crate::dist::repodata::bounded::{MAX_OPEN_BYTES, unpacked};
use crate::dist::repodata::list::{UNTRUSTED, is_inside, owners, packages};
use crate::dist::repodata::sound;

/// The largest file that names the others; real ones have five kilobytes.
pub const MAX_REPOMD_BYTES: u64 = 4 << 20;

/// The most that groups, advisories and modules may unpack to: they are held as a whole.
const MAX_WHOLE_BYTES: u64 = 256 << 20;

/// One file of an index.
#[derive(Clone, Debug)]
pub struct Record {
    /// `primary`, `group`, ..
    pub kind: String,
    /// Its path in the tree.
    pub location: String,
    /// Its checksum.
    pub digest: Digested,
    /// Its size, where that is said.
    pub size: Option<u64>,
    /// Its size when it is unpacked, where that is said.
    pub open_size: Option<u64>,
}

/// What `repomd.xml` names.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// In its order.
    pub records: Vec<Record>,
}

impl Index {
    /// Reads it from its bytes; `shown` is what people call it.
    ///
    /// # Errors
    /// It is none, or names what cannot be in a tree.
    pub fn parse(bytes: &[u8], shown: &str) -> Result<Self, DistError> {
        let open = || unpacked(bytes, MAX_REPOMD_BYTES).map_err(|error| DistError::metadata(shown, error));
        sound::check(open()?, false).map_err(|message| DistError::metadata(shown, message))?;
        let xml = open()?;
        let data: RepomdData =
            RepomdXml::read_data(create_xml_reader(xml)).map_err(|error| DistError::metadata(shown, error))?;
        let mut index = Self::default();
        for record in data.records() {
            let location = record.location_href.to_string_lossy().into_owned();
            if !is_inside(&location) {
                let message = format!("it names the file `{}`, which is not in the tree", location.escape_debug());
                return Err(DistError::metadata(shown, message));
            }
            index.records.push(Record {
                kind: record.metadata_name.clone(),
                location,
                digest: digested(&record.checksum).ok_or_else(|| DistError::metadata(shown, UNTRUSTED))?,
                size: record.size,
                open_size: record.open_size,
            });
        }
        if index.record("primary").is_none() {
            return Err(DistError::metadata(shown, "it names no `primary`, the list of packages"));
        }
        Ok(index)
    }

    /// The file of a kind, or of one of others that say the same.
    pub fn record(&self, kind: &str) -> Option<&Record> {
        let ends = ["", "_gz", "_xz"];
        ends.iter().find_map(|end| self.records.iter().find(|record| record.kind == format!("{kind}{end}")))
    }
}

fn digested(checksum: &Checksum) -> Option<Digested> {
    if *checksum == Checksum::Empty {
        return None;
    }
    let (kind, value) = checksum.to_values().ok()?;
    Digested::new(kind, value)
}

/// The index of a tree that is here.
#[derive(Debug)]
pub struct Repository {
    /// The tree.
    pub tree: PathBuf,
    /// What its `repomd.xml` names.
    pub index: Index,
}

impl Repository {
    /// Opens a tree.
    ///
    /// # Errors
    /// It has no index, or one that cannot be read.
    pub fn open(tree: &Path) -> Result<Self, DistError> {
        let path = tree.join(REPOMD);
        // A tree may be exchanged while it is read: all of this is of one.
        let tree = tree.canonicalize().map_err(|error| DistError::file("read", &path, error))?;
        let mut bytes = Vec::new();
        let read = File::open(tree.join(REPOMD)).and_then(|file| file.take(MAX_REPOMD_BYTES).read_to_end(&mut bytes));
        read.map_err(|error| DistError::file("read", &path, error))?;
        let index = Index::parse(&bytes, &path.display().to_string())?;
        Ok(Self { tree, index })
    }

    /// A file of the index, checked and still packed.
    fn bytes(&self, record: &Record) -> Result<Vec<u8>, DistError> {
        let path = self.tree.join(&record.location);
        let failed = |error| DistError::file("read", &path, error);
        let mut bytes = Vec::new();
        let limit = record.size.unwrap_or(MAX_OPEN_BYTES).min(MAX_OPEN_BYTES);
        File::open(&path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(failed)?;
        let found = digest(&record.digest.kind, &mut &bytes[..]).map_err(failed)?;
        if found != record.digest.value {
            return Err(DistError::metadata(path.display(), "its checksum is not the one that repomd.xml has"));
        }
        Ok(bytes)
    }

    /// Reads a file of the index with what takes it apart, once it was looked at; none where there is no such file. `limit`
    /// is the most that it may unpack to.
    fn file<T>(
        &self,
        kind: &str,
        limit: u64,
        look: impl FnOnce(&mut dyn io::BufRead) -> Result<usize, String>,
        read: impl FnOnce(&mut dyn io::BufRead, usize) -> Result<T, String>,
    ) -> Result<Option<T>, DistError> {
        let Some(record) = self.index.record(kind) else { return Ok(None) };
        let shown = self.tree.join(&record.location);
        let failed = |error: String| DistError::metadata(shown.display(), error);
        let bytes = self.bytes(record)?;
        let limit = record.open_size.unwrap_or(limit).min(limit);
        let open = || unpacked(&bytes[..], limit).map_err(|error| failed(error.to_string()));
        let packages = look(&mut open()?).map_err(failed)?;
        read(&mut open()?, packages).map(Some).map_err(failed)
    }

    /// All packages, in the order of the index; files only as far as `primary` has them.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn packages(&self) -> Result<Vec<Package>, DistError> {
        let read = self.file("primary", MAX_OPEN_BYTES, |xml| sound::check(xml, true), packages);
        Ok(read?.unwrap_or_default())
    }

    /// Which packages, by their checksums, have which of some files.
    ///
    /// # Errors
    /// The list of files cannot be read.
    pub fn owners(&self, files: &BTreeSet<Arc<str>>) -> Result<Vec<(String, Arc<str>)>, DistError> {
        let look = |xml: &mut dyn io::BufRead| sound::check(xml, true);
        let read = self.file("filelists", MAX_OPEN_BYTES, look, |xml, _| owners(xml, files));
        Ok(read?.unwrap_or_default())
    }

    /// Groups, environments, categories.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn groups(&self) -> Result<Option<CompsData>, DistError> {
        let look = |_: &mut dyn io::BufRead| Ok(0);
        self.file("group", MAX_WHOLE_BYTES, look, |xml, _| groups::parse(&text_of(xml)?))
    }

    /// Advisories.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn updates(&self) -> Result<Vec<UpdateRecord>, DistError> {
        let look = |xml: &mut dyn io::BufRead| sound::check(xml, false);
        let read = self.file("updateinfo", MAX_WHOLE_BYTES, look, |xml, _| {
            let mut reader = UpdateinfoXml::new_reader(create_xml_reader(xml));
            let mut updates = Vec::new();
            while let Some(update) = reader.read_update().map_err(|error| error.to_string())? {
                updates.push(update);
            }
            Ok(updates)
        })?;
        Ok(read.unwrap_or_default())
    }

    /// Documents of modules, as one text.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn modules(&self) -> Result<Option<String>, DistError> {
        self.file("modules", MAX_WHOLE_BYTES, |_| Ok(0), |open, _| text_of(open))
    }
}

fn text_of(open: &mut dyn io::BufRead) -> Result<String, String> {
    let mut text = String::new();
    io::Read::read_to_string(open, &mut text).map(|_| text).map_err(|error| error.to_string())
}

/// Whether all that is read has a checksum.
pub fn is_of(wanted: &Digested, bytes: &mut dyn Read) -> bool {
    digest(&wanted.kind, bytes).is_ok_and(|found| found == wanted.value)
}

/// The checksum of all that is read.
///
/// # Errors
/// It cannot be read, or its kind is not known.
pub fn digest(kind: &str, bytes: &mut dyn Read) -> io::Result<String> {
    fn hash<D: Digest + io::Write>(mut hasher: D, bytes: &mut dyn Read) -> io::Result<String> {
        io::copy(&mut BufReader::with_capacity(1 << 18, bytes), &mut hasher)?;
        let mut text = String::new();
        for byte in hasher.finalize() {
            text.push_str(&format!("{byte:02x}"));
        }
        Ok(text)
    }
    match kind {
        "sha256" => hash(Sha256::new(), bytes),
        "sha512" => hash(Sha512::new(), bytes),
        "sha384" => hash(Sha384::new(), bytes),
        "sha224" => hash(Sha224::new(), bytes),
        other => Err(io::Error::other(format!("checksums of the kind `{other}` are not trusted; sha256 is"))),
    }
}
