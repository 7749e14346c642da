//! One file to one package: the door to rpm's format. Nothing in a file is believed before it is checked.
//!
//! The library that takes headers apart believes the sizes and offsets in them, so all of those are looked at
//! first: a package comes from anybody. The file is read once, for its header and all its checksums.
#![allow(clippy::disallowed_methods)] // the door to packages

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use rpm::{IndexSignatureTag, IndexTag, PackageMetadata};
use rpmrepo_metadata::utils::create_xml_writer;
use rpmrepo_metadata::{
    Checksum, FilelistsXml, MetadataError, OtherXml, Package, PackageOptions, PackageSource, PrimaryXml,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dist::error::PackageFault;
use crate::dist::nevra::{Evr, Nevra};
use crate::dist::signature::Keys;

/// The lead, which nobody reads but for its first bytes (lsb: package file format).
const LEAD_BYTES: usize = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 1];
/// Bytes before the index of a header, and of each entry of it.
const INTRO_BYTES: usize = 16;
const ENTRY_BYTES: usize = 16;
/// What rpm itself takes at most (lib/header.c: `HEADER_TAGS_MAX`).
const MAX_ENTRIES: u32 = 0xffff;
/// A header of a hundred thousand files has some 30 MB; rpm takes 256.
const MAX_DATA_BYTES: u32 = 128 << 20;

/// The longest path that Linux takes (`PATH_MAX`), and the most that all paths of a package have: a hundred thousand have 10 MB.
const MAX_PATH_BYTES: usize = 4096;
const MAX_PATHS_BYTES: usize = 128 << 20;

/// What is kept of a package.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Indexed {
    /// What it is.
    pub nevra: Nevra,
    /// SHA-256 of the whole file, in hexadecimal.
    pub sha256: String,
    /// Bytes of the file.
    pub size: u64,
    /// When it was built, in seconds since 1970.
    pub built: u64,
    /// Where its entries are kept; the cache knows.
    pub kept: Kept,
}

/// Where the entries of a package are kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// The file.
    pub pack: String,
    /// Where they begin in it.
    pub start: u64,
    /// How many bytes each has, compressed.
    pub lengths: [u32; 3],
    /// How many bytes each has as it is.
    pub open: [u32; 3],
    /// SHA-256 of each.
    pub digests: [String; 3],
}

/// What the metadata of a repository says of a package, as it stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Of `primary.xml`, `filelists.xml` and `other.xml`.
    pub texts: [String; 3],
}

/// Reads a package, and checks its checksums and its signature. `expected` is SHA-256 of the whole file, where an index has
/// it, which says more than the checksums inside.
///
/// # Errors
/// The outer one is the disk's, the inner one the package's.
pub fn read(
    path: &Path,
    keys: &Keys,
    expected: Option<&str>,
) -> std::io::Result<Result<(Indexed, Entries), PackageFault>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let head = match read_head(&mut file) {
        Ok(head) => head,
        Err(Refused::World(error)) => return Err(error),
        Err(Refused::Fault(fault)) => return Ok(Err(fault)),
    };
    let metadata = match parse(&head) {
        Ok(metadata) => metadata,
        Err(fault) => return Ok(Err(fault)),
    };
    // What cannot be whole need not be read.
    if let Some(fault) = wrong_size(&metadata, head.len(), size) {
        return Ok(Err(fault));
    }
    // A signature is of the header, and covers the rest by the checksum that stands there.
    let inside = payload_digest(&metadata).filter(|_| expected.is_none() || keys.are_asked());
    if inside.is_none() && keys.are_asked() {
        return Ok(Err(PackageFault::Uncovered));
    }
    let sums = checksums(&mut file, &head, inside.is_some())?;
    if sums.bytes != size {
        return Ok(Err(PackageFault::Size { expected: size, found: sums.bytes }));
    }
    if inside.is_some_and(|inside| inside != sums.payload) {
        return Ok(Err(PackageFault::Damaged("payload")));
    }
    if expected.is_some_and(|expected| expected != sums.whole) {
        return Ok(Err(PackageFault::Unlisted));
    }
    Ok(describe(&metadata, sums.whole, size, keys))
}

/// What is read once, for all checksums: SHA-256 of all of it, and of what follows the headers, if that is asked for.
struct Checksums {
    whole: String,
    payload: String,
    bytes: u64,
}

fn checksums(file: &mut File, head: &[u8], with_payload: bool) -> std::io::Result<Checksums> {
    let (mut whole, mut payload) = (Sha256::new_with_prefix(head), Sha256::new());
    let mut bytes = head.len() as u64;
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(Checksums { whole: hexadecimal(whole), payload: hexadecimal(payload), bytes });
        }
        bytes += count as u64;
        whole.update(&buffer[..count]);
        if with_payload {
            payload.update(&buffer[..count]);
        }
    }
}

/// SHA-256 as it is written.
pub fn hexadecimal(hasher: Sha256) -> String {
    format!("{:x}", hasher.finalize())
}

enum Refused {
    World(std::io::Error),
    Fault(PackageFault),
}

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Fault(PackageFault::Truncated),
            _ => Self::World(error),
        }
    }
}

impl From<PackageFault> for Refused {
    fn from(fault: PackageFault) -> Self {
        Self::Fault(fault)
    }
}

/// Lead, signature and header: all before the payload.
fn read_head(file: &mut impl Read) -> Result<Vec<u8>, Refused> {
    let mut head = vec![0; LEAD_BYTES];
    match file.read_exact(&mut head) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(PackageFault::NotAPackage.into()),
        read => read?,
    }
    if head[..4] != LEAD_MAGIC {
        return Err(PackageFault::NotAPackage.into());
    }
    let signature = read_header(file, &mut head)?;
    // The header after it begins at a multiple of eight.
    let padding = (8 - signature % 8) % 8;
    extend(file, &mut head, padding)?;
    read_header(file, &mut head)?;
    Ok(head)
}

/// Takes one header in whose sizes and offsets all lie within it; gives how many bytes its data has.
fn read_header(file: &mut impl Read, head: &mut Vec<u8>) -> Result<usize, Refused> {
    let start = head.len();
    extend(file, head, INTRO_BYTES)?;
    if head[start..start + 4] != HEADER_MAGIC {
        return Err(PackageFault::Header("it does not begin as one".to_owned()).into());
    }
    let (entries, data) = (number(head, start + 8), number(head, start + 12));
    if entries > MAX_ENTRIES || data > MAX_DATA_BYTES {
        let what = format!("{entries} entries with {data} bytes; at most {MAX_ENTRIES} with {MAX_DATA_BYTES} are read");
        return Err(PackageFault::Header(what).into());
    }
    let index = head.len();
    extend(file, head, entries as usize * ENTRY_BYTES)?;
    let mut sum = 0;
    for entry in 0..entries as usize {
        sum += check_entry(head, index + entry * ENTRY_BYTES, data)?;
    }
    // Entries do not lie over each other; the data of the first is all of it, and its own end.
    if sum > u64::from(data) + ENTRY_BYTES as u64 {
        return Err(PackageFault::Header("its entries lie over each other".to_owned()).into());
    }
    extend(file, head, data as usize)?;
    Ok(data as usize)
}

/// An entry is tag, type, offset and count, four bytes each; gives how many bytes it has at least.
fn check_entry(head: &[u8], at: usize, data: u32) -> Result<u64, PackageFault> {
    let [tag, kind, offset, count] = [0, 4, 8, 12].map(|field| number(head, at + field));
    // Null, char, int8, int16, int32, int64, string, binary, list of strings, strings in languages; a string has a byte.
    let Some(bytes) = [0, 1, 1, 2, 4, 8, 1, 1, 1, 1].get(kind as usize) else {
        return Err(PackageFault::Header(format!("the entry {tag} is of the unknown type {kind}")));
    };
    let length = u64::from(count) * bytes;
    if u64::from(offset) + length > u64::from(data) {
        return Err(PackageFault::Header(format!("the entry {tag} lies outside of it")));
    }
    Ok(length)
}

/// Reads so many bytes more; memory grows with what is there, not with what is announced.
fn extend(file: &mut impl Read, head: &mut Vec<u8>, bytes: usize) -> Result<(), Refused> {
    let read = file.take(bytes as u64).read_to_end(head)?;
    if read < bytes { Err(PackageFault::Truncated.into()) } else { Ok(()) }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
}

fn parse(head: &[u8]) -> Result<PackageMetadata, PackageFault> {
    let metadata = PackageMetadata::parse(&mut &head[..]).map_err(|error| header_fault(&error))?;
    let digests = metadata.check_digests().map_err(|error| header_fault(&error))?;
    if digests.result().is_err_and(|error| matches!(error, rpm::Error::DigestMismatchError { .. })) {
        return Err(PackageFault::Damaged("header"));
    }
    Ok(metadata)
}

/// Of some errors the library prints the bytes; a reader wants a sentence.
fn header_fault(error: &rpm::Error) -> PackageFault {
    let what = match error {
        rpm::Error::InvalidMagic { .. } => "it does not begin as one".to_owned(),
        rpm::Error::Nom(_) => "an entry ends too early".to_owned(),
        other => other.to_string(),
    };
    PackageFault::Header(what.chars().take(200).collect())
}

/// Version 4 of the format says how many bytes follow the signature.
fn wrong_size(metadata: &PackageMetadata, head: usize, size: u64) -> Option<PackageFault> {
    let signature = &metadata.signature;
    let long = signature.get_entry_data_as_u64(IndexSignatureTag::RPMSIGTAG_LONGSIZE).ok();
    let short = || signature.get_entry_data_as_u32(IndexSignatureTag::RPMSIGTAG_SIZE).ok().map(u64::from);
    let after_signature = long.or_else(short)?;
    let start = metadata.get_package_segment_offsets().header;
    let expected = start.checked_add(after_signature)?;
    (expected != size || expected < head as u64).then_some(PackageFault::Size { expected, found: size })
}

/// SHA-256 of the payload as it is, where the header has it (since rpm 4.14).
fn payload_digest(metadata: &PackageMetadata) -> Option<String> {
    let digests = metadata.header.get_entry_data_as_string_array(IndexTag::RPMTAG_PAYLOADSHA256).ok()?;
    digests.first().map(|digest| digest.to_ascii_lowercase()).filter(|digest| digest.len() == 64)
}

fn describe(
    metadata: &PackageMetadata,
    sha256: String,
    size: u64,
    keys: &Keys,
) -> Result<(Indexed, Entries), PackageFault> {
    let nevra = nevra(metadata)?;
    if !nevra.is_plain() {
        return Err(PackageFault::Unnameable(nevra.to_string()));
    }
    keys.check(metadata)?;
    check_paths(metadata)?;
    let built = metadata.get_build_time().unwrap_or_default();
    let source = PackageSource {
        checksum: Some(Checksum::Sha256(sha256.clone())),
        size_package: Some(size),
        // When a file came here is no part of it: the same packages give the same metadata.
        time_file: built,
        location_href: nevra.location(),
        location_base: None,
    };
    let package = Package::from_package_metadata(metadata, source, PackageOptions::default());
    let texts = package.and_then(|package| texts(&package)).map_err(|error| match error {
        MetadataError::RpmReadError(error) => header_fault(&error),
        other => PackageFault::Header(other.to_string()),
    })?;
    Ok((Indexed { nevra, sha256, size, built, kept: Kept::default() }, Entries { texts }))
}

/// Paths are put together of directories and names: few bytes can say many.
fn check_paths(metadata: &PackageMetadata) -> Result<(), PackageFault> {
    let paths = metadata.get_file_paths_split().map_err(|error| header_fault(&error))?;
    let lengths = || paths.iter().map(|(directory, name)| directory.len() + name.len());
    if lengths().any(|length| length > MAX_PATH_BYTES) || lengths().sum::<usize>() > MAX_PATHS_BYTES {
        let what = format!("its paths have more than {MAX_PATH_BYTES} bytes each, or {MAX_PATHS_BYTES} together");
        return Err(PackageFault::Header(what));
    }
    Ok(())
}

fn nevra(metadata: &PackageMetadata) -> Result<Nevra, PackageFault> {
    let faulty = |error: rpm::Error| header_fault(&error);
    let arch = if metadata.is_source_package() { "src" } else { metadata.get_arch().map_err(faulty)? };
    Ok(Nevra {
        name: metadata.get_name().map_err(faulty)?.into(),
        evr: Evr {
            epoch: metadata.get_epoch().unwrap_or_default(),
            version: metadata.get_version().map_err(faulty)?.into(),
            release: metadata.get_release().map_err(faulty)?.into(),
        },
        arch: arch.into(),
    })
}

/// The package as it stands in each of the three files.
fn texts(package: &Package) -> Result<[String; 3], MetadataError> {
    let mut texts = [Vec::new(), Vec::new(), Vec::new()];
    let [primary, filelists, other] = &mut texts;
    PrimaryXml::new_writer(create_xml_writer(primary)).write_package(package)?;
    FilelistsXml::new_writer(create_xml_writer(filelists)).write_package(package)?;
    OtherXml::new_writer(create_xml_writer(other)).write_package(package)?;
    let [primary, filelists, other] = texts.map(|bytes| String::from_utf8(bytes).map_err(|error| error.utf8_error()));
    Ok([primary?, filelists?, other?])
}

/// Reads lead and headers only, for those who look for faults in this.
///
/// # Errors
/// It is no package.
pub fn parse_bytes(mut bytes: &[u8]) -> Result<Nevra, PackageFault> {
    let size = bytes.len() as u64;
    let head = read_head(&mut bytes).map_err(|refused| match refused {
        Refused::Fault(fault) => fault,
        Refused::World(error) => PackageFault::Header(error.to_string()),
    })?;
    let metadata = parse(&head)?;
    if let Some(fault) = wrong_size(&metadata, head.len(), size) {
        return Err(fault);
    }
    describe(&metadata, String::new(), size, &Keys::default()).map(|(indexed, _)| indexed.nevra)
}
