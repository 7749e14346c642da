//! Packages to the index of a tree. The same packages give the same bytes: no clock, no order of a disk.

#![allow(clippy::disallowed_methods)] // the door to the index of a tree

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use niffler::Level;
use niffler::send::compression::Format;
use niffler::send::get_writer;
use rayon::prelude::*;
use rpmrepo_metadata::utils::create_xml_writer;
use rpmrepo_metadata::{
    Checksum, CompsData, MetadataError, RepomdData, RepomdRecord, RepomdXml, UpdateRecord, UpdateinfoXml,
};
use sha2::{Digest, Sha256};

use crate::dist::cache::Cache;
use crate::dist::error::DistError;
use crate::dist::header::hexadecimal;
use crate::dist::repodata::{FOLDER, REPOMD};
use crate::dist::select::Candidate;
use crate::inventory::distribution::Compression;

/// The files that every repository has: name, root element with its namespaces.
const FILES: [(&str, &str, &str); 3] = [
    (
        "primary",
        "metadata",
        r#"<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm""#,
    ),
    ("filelists", "filelists", r#"<filelists xmlns="http://linux.duke.edu/metadata/filelists""#),
    ("other", "otherdata", r#"<otherdata xmlns="http://linux.duke.edu/metadata/other""#),
];

/// What a tree holds.
pub struct Content<'c> {
    /// Its packages, in the order of their locations.
    pub packages: Vec<&'c Candidate>,
    /// Groups, environments, categories.
    pub groups: Option<CompsData>,
    /// Advisories.
    pub updates: Vec<UpdateRecord>,
    /// Documents of modules.
    pub modules: String,
    /// How it is compressed.
    pub compression: Compression,
}

/// Writes the index into a new tree; gives SHA-256 of the file that names all others.
///
/// # Errors
/// The disk is full or read-only, or a package was changed while it was used.
pub fn write(tree: &Path, content: &Content, cache: &Cache) -> Result<String, DistError> {
    let folder = tree.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|error| DistError::file("make", &folder, error))?;
    let lists = (0..FILES.len()).into_par_iter().map(|number| {
        let (name, ..) = FILES[number];
        file(tree, name, content, |out| list(out, number, content, cache))
    });
    let mut records = lists.collect::<Result<Vec<_>, _>>()?;
    if let Some(groups) = &content.groups {
        let text = groups.to_xml().map_err(|error| unwritable(tree, &error))?;
        // `group` is read as it is by every reader, whatever it is compressed with.
        records.push(uncompressed(tree, "group", "comps.xml", text.as_bytes(), newest(content))?);
    }
    if !content.updates.is_empty() {
        let text = updates(&content.updates).map_err(|error| unwritable(tree, &error))?;
        records.push(file(tree, "updateinfo", content, |out| written(out, tree, &text))?);
    }
    if !content.modules.is_empty() {
        records.push(file(tree, "modules", content, |out| written(out, tree, content.modules.as_bytes()))?);
    }
    repomd(tree, records, newest(content))
}

/// When the newest package was built: what stands for the time of the index, and is no clock's.
fn newest(content: &Content) -> u64 {
    content.packages.iter().map(|package| package.indexed.built).max().unwrap_or(0)
}

fn unwritable(tree: &Path, error: &MetadataError) -> DistError {
    DistError::metadata(tree.display(), error)
}

fn written(out: &mut dyn Write, tree: &Path, bytes: &[u8]) -> Result<(), DistError> {
    out.write_all(bytes).map_err(|error| DistError::file("write the index of", tree, error))
}

/// One of the lists of all packages.
fn list(out: &mut dyn Write, number: usize, content: &Content, cache: &Cache) -> Result<(), DistError> {
    let (_, root, begin) = FILES[number];
    let failed = |error| DistError::file("write the index of", Path::new(root), error);
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>").map_err(failed)?;
    writeln!(out, "{begin} packages=\"{}\">", content.packages.len()).map_err(failed)?;
    for package in &content.packages {
        let text = cache.entry(&package.indexed, &package.path, number)?;
        writeln!(out, "{}", text.trim()).map_err(failed)?;
    }
    writeln!(out, "</{root}>").map_err(failed)
}

fn updates(updates: &[UpdateRecord]) -> Result<Vec<u8>, MetadataError> {
    let mut bytes = Vec::new();
    let mut writer = UpdateinfoXml::new_writer(create_xml_writer(&mut bytes));
    writer.write_header()?;
    for update in updates {
        writer.write_updaterecord(update)?;
    }
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}

/// Counts and hashes what passes.
struct Measured<W> {
    inner: W,
    hasher: Sha256,
    bytes: u64,
    fault: Option<io::ErrorKind>,
}

impl<W> Measured<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), bytes: 0, fault: None }
    }
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.fault = Some(error.kind());
            }
        })?;
        self.hasher.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes one compressed file of the index; `fill` gives what is in it.
fn file(
    tree: &Path,
    kind: &str,
    content: &Content,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), DistError>,
) -> Result<RepomdRecord, DistError> {
    let (format, end) = match content.compression {
        Compression::Gzip => (Format::Gzip, "gz"),
        Compression::Zstd => (Format::Zstd, "zst"),
    };
    // Level six is what gzip has by itself; zstd's nine is as fast and smaller.
    let level = if format == Format::Gzip { Level::Six } else { Level::Nine };
    let stem = if kind == "modules" { "modules.yaml".to_owned() } else { format!("{kind}.xml") };
    let name = format!("{stem}.{end}");
    let path = tree.join(FOLDER).join(&name);
    let failed = |error| DistError::file("write", &path, error);
    let mut closed = Measured::new(io::BufWriter::with_capacity(1 << 18, create(&path)?));
    let (open_bytes, open_digest) = {
        let packer = get_writer(Box::new(&mut closed), format, level);
        let packer = packer.map_err(|error| failed(io::Error::other(error.to_string())))?;
        let mut open = Measured::new(io::BufWriter::with_capacity(1 << 16, packer));
        fill(&mut open)?;
        open.flush().map_err(failed)?;
        (open.bytes, hexadecimal(open.hasher))
    };
    // The packer wrote its end when it went, and did not say whether it could.
    if let Some(kind) = closed.fault {
        return Err(failed(kind.into()));
    }
    closed.flush().map_err(failed)?;
    closed.inner.get_ref().sync_data().map_err(failed)?;
    let mut record = named(tree, kind, &name, &path, hexadecimal(closed.hasher), (closed.bytes, newest(content)))?;
    record.open_size = Some(open_bytes);
    record.open_checksum = Some(Checksum::Sha256(open_digest));
    Ok(record)
}

fn uncompressed(tree: &Path, kind: &str, name: &str, bytes: &[u8], time: u64) -> Result<RepomdRecord, DistError> {
    let path = tree.join(FOLDER).join(name);
    let failed = |error| DistError::file("write", &path, error);
    let mut file = create(&path)?;
    file.write_all(bytes).and_then(|()| file.sync_data()).map_err(failed)?;
    named(tree, kind, name, &path, hexadecimal(Sha256::new_with_prefix(bytes)), (bytes.len() as u64, time))
}

/// Names a file by its content, so that a reader between two trees never takes one for the other.
fn named(
    tree: &Path,
    kind: &str,
    name: &str,
    path: &Path,
    digest: String,
    (bytes, time): (u64, u64),
) -> Result<RepomdRecord, DistError> {
    let href = Path::new(FOLDER).join(format!("{digest}-{name}"));
    std::fs::rename(path, tree.join(&href)).map_err(|error| DistError::file("name", path, error))?;
    let mut record = RepomdRecord::default();
    kind.clone_into(&mut record.metadata_name);
    record.location_href = href;
    record.size = Some(bytes);
    record.checksum = Checksum::Sha256(digest);
    record.timestamp = i64::try_from(time).unwrap_or(0);
    Ok(record)
}

fn create(path: &Path) -> Result<File, DistError> {
    File::create(path).map_err(|error| DistError::file("write", path, error))
}

fn repomd(tree: &Path, records: Vec<RepomdRecord>, time: u64) -> Result<String, DistError> {
    let mut data = RepomdData::default();
    data.set_revision(&time.to_string());
    records.into_iter().for_each(|record| data.add_record(record));
    let mut bytes = Vec::new();
    let mut writer = create_xml_writer(&mut bytes);
    RepomdXml::write_data(&data, &mut writer).map_err(|error| unwritable(tree, &error))?;
    drop(writer);
    let path = tree.join(REPOMD);
    let mut file = create(&path)?;
    file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(|error| DistError::file("write", &path, error))?;
    Ok(hexadecimal(Sha256::new_with_prefix(&bytes)))
}
