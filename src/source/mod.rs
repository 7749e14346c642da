//! Where text comes from: the files of a description, and places in them.
//!
//! This is the only folder that reads the disk for the compiler. A [`SourceTree`] is all files of one
//! revision, read once, in name order; [`Sources`] holds the decoded text of what was parsed, so that
//! a [`Span`] is twelve bytes and a diagnostic can still show its line. After it: [`crate::syntax`].
#![allow(clippy::disallowed_methods)] // the door to files that are read

pub mod error;
pub mod fetch;
#[cfg_attr(not(feature = "git"), path = "no_git.rs")]
pub mod git;
pub mod revision;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use walkdir::WalkDir;

use crate::source::error::{MAX_FILE_BYTES, MAX_TREE_BYTES, Refusal, SourceError};

/// The folders of a description, LANGUAGE section 1. Everything beside them is not ours to read.
const FOLDERS: [&str; 5] = ["graphs", "include", "nodes", "rolls", "site-nodes"];

/// One file among [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A range of bytes in the decoded text of one file; may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// First byte after the range.
    pub end: u32,
}

impl Span {
    /// The range `start..end` of `file`. Files are below [`MAX_FILE_BYTES`], so 32 bits hold both.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { file, start: narrow(start), end: narrow(end) }
    }

    /// The bytes as a range of the file's text.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// From the start of `self` to the end of `other`, which stands in the same file.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { end: other.end.max(self.end), ..self }
    }
}

/// A place as people name it: path, line and column (both from 1; columns count characters).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Path as given on the command line or relative to the description.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}

/// The decoded text of one file.
#[derive(Debug)]
pub struct SourceFile {
    /// Path for people, with `/` between parts.
    pub path: String,
    /// The text; LF line ends, no byte order mark.
    pub text: String,
    line_starts: OnceLock<Vec<u32>>,
    /// How many characters stand before every [`STRIDE`]th byte.
    characters: OnceLock<Vec<u32>>,
}

/// How far the counts of characters of a file are from each other, in bytes.
const STRIDE: usize = 256;

impl SourceFile {
    /// How many characters begin before the byte at `offset`. A line may have megabytes, and a thousand faults: its
    /// characters are counted once.
    fn characters_before(&self, offset: usize) -> usize {
        let begins = |byte: &u8| (*byte & 0xC0) != 0x80;
        let bytes = self.text.as_bytes();
        let counts = self.characters.get_or_init(|| {
            let mut before = 0;
            let count = |chunk: &[u8]| {
                let here = before;
                before += u32::try_from(chunk.iter().filter(|byte| begins(byte)).count()).unwrap_or(u32::MAX);
                here
            };
            bytes.chunks(STRIDE).map(count).collect()
        });
        let offset = offset.min(bytes.len());
        let chunk = (offset / STRIDE).min(counts.len().saturating_sub(1));
        let rest = bytes[chunk * STRIDE..offset].iter().filter(|byte| begins(byte)).count();
        counts.get(chunk).map_or(0, |count| *count as usize) + rest
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let newlines = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            let after = newlines.map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX));
            std::iter::once(0).chain(after).collect()
        })
    }

    /// The line (from 1) that holds the byte at `offset`.
    pub fn line_of(&self, offset: usize) -> usize {
        self.line_starts().partition_point(|start| *start as usize <= offset)
    }

    /// The bytes of lines `first..=last` (from 1), without the last line end.
    pub fn lines(&self, first: usize, last: usize) -> std::ops::Range<usize> {
        let starts = self.line_starts();
        let start = starts.get(first.saturating_sub(1)).map_or(self.text.len(), |at| *at as usize);
        let end = starts.get(last).map_or(self.text.len(), |at| *at as usize - 1);
        start..end.max(start)
    }
}

/// All files that were parsed, by [`FileId`]. Append only.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// Takes a file in and gives its number.
    pub fn add(&mut self, path: impl Into<String>, text: String) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile {
            path: path.into(),
            text,
            line_starts: OnceLock::new(),
            characters: OnceLock::new(),
        });
        id
    }

    /// The file of this number.
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// All files, in the order in which they were added.
    pub fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter()
    }

    /// The text of a span.
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file).text.get(span.range()).unwrap_or_default()
    }

    /// Where a span starts.
    pub fn location(&self, span: Span) -> Location {
        let file = self.file(span.file);
        let start = (span.start as usize).min(file.text.len());
        let line = file.line_of(start);
        let line_start = file.lines(line, line).start;
        let start = file.text.floor_char_boundary(start).max(line_start);
        let column = file.characters_before(start) - file.characters_before(line_start) + 1;
        Location { path: file.path.clone(), line, column }
    }
}

/// All files of one revision of a description: path (relative, `/` between parts) to content.
///
/// Nothing depends on the order in which a disk lists them, because the map is sorted by path.
#[derive(Debug, Default)]
pub struct SourceTree {
    /// Content by path, not yet decoded.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Files that were not taken, by path.
    pub refused: BTreeMap<String, Refusal>,
}

impl SourceTree {
    /// Reads the folders of a description below `directory`. Links are followed within it.
    ///
    /// # Errors
    /// The directory is not there, has none of the folders, or something in it cannot be read.
    pub fn read(directory: &Path) -> Result<Self, SourceError> {
        let root = directory.canonicalize().map_err(|source| SourceError::read(directory, source))?;
        let mut tree = Self::default();
        let mut total = 0;
        let present: Vec<_> = FOLDERS.iter().filter(|name| root.join(name).is_dir()).collect();
        if !present.iter().any(|name| **name != "include") {
            return Err(SourceError::NoDescription(directory.to_path_buf()));
        }
        for folder in present {
            tree.read_folder(&root, &root.join(folder), &mut total)?;
        }
        Ok(tree)
    }

    fn read_folder(&mut self, root: &Path, folder: &Path, total: &mut u64) -> Result<(), SourceError> {
        let mut walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            let entry = match entry {
                Ok(entry) => entry,
                // A loop of links, or a link to nothing: told at its path; all else is the disk's.
                Err(error) if error.path().is_some_and(Path::is_symlink) || error.loop_ancestor().is_some() => {
                    let path = relative(root, error.path().unwrap_or(folder));
                    self.refused.insert(path, Refusal::BrokenLink);
                    continue;
                }
                Err(error) => {
                    let path = error.path().unwrap_or(folder).to_path_buf();
                    return Err(SourceError::Read { path, source: error.into() });
                }
            };
            if is_hidden(entry.file_name()) {
                if entry.file_type().is_dir() {
                    walk.skip_current_dir();
                }
                continue;
            }
            let path = relative(root, entry.path());
            if !entry.file_type().is_dir() && !is_described(&path) {
                continue;
            }
            if entry.path_is_symlink() && !leads_inside(root, entry.path()) {
                self.refused.insert(path, Refusal::LinkOutside);
                if entry.file_type().is_dir() {
                    walk.skip_current_dir();
                }
            } else if entry.file_type().is_file() {
                self.read_file(entry.path(), path, total)?;
            } else if !entry.file_type().is_dir() {
                self.refused.insert(path, Refusal::Special);
            }
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path, name: String, total: &mut u64) -> Result<(), SourceError> {
        let metadata = path.metadata().map_err(|source| SourceError::read(path, source))?;
        if metadata.len() > MAX_FILE_BYTES {
            self.refused.insert(name, Refusal::TooLarge);
            return Ok(());
        }
        *total += metadata.len();
        if *total > MAX_TREE_BYTES {
            self.refused.insert(name, Refusal::TreeTooLarge);
            return Ok(());
        }
        let content = std::fs::read(path).map_err(|source| SourceError::read(path, source))?;
        self.files.insert(name, content);
        Ok(())
    }
}

/// Editors' and version control's own files (`.git`, `.foo.xml.swp`) are not part of a description.
fn is_hidden(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with('.')
}

/// Whether a file is a part of the description. Of a roll those are its modules, graphs and includes, which may stand
/// beside packages and images, as on the disc that it came on.
fn is_described(path: &str) -> bool {
    let Some((folders, name)) = path.strip_prefix("rolls/").and_then(|inside| inside.rsplit_once('/')) else {
        return true;
    };
    let is_below = |folder: &str| folders.split('/').any(|part| part == folder);
    !is_below("repodata") && (is_below("include") || name.to_lowercase().ends_with(".xml"))
}

fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

fn leads_inside(root: &Path, link: &Path) -> bool {
    link.canonicalize().is_ok_and(|target| target.starts_with(root))
}

/// Reads one file outside a description: an inventory, a file of attributes.
///
/// # Errors
/// It is not there, cannot be read, or is larger than [`MAX_FILE_BYTES`] times four: inventories of a
/// hundred thousand hosts are large.
pub fn read_file(path: &Path) -> Result<Vec<u8>, SourceError> {
    let limit = MAX_FILE_BYTES * 4;
    let metadata = path.metadata().map_err(|source| SourceError::read(path, source))?;
    if metadata.len() > limit {
        return Err(SourceError::TooLarge { path: path.to_path_buf(), bytes: metadata.len(), limit });
    }
    std::fs::read(path).map_err(|source| SourceError::read(path, source))
}

/// Opens a file at a path below a directory; none where there is none, or no plain file. Links are followed within the
/// directory.
///
/// # Errors
/// It is there and cannot be read.
pub fn open_below(directory: &Path, path: &[&str]) -> Result<Option<(File, Metadata)>, SourceError> {
    let fail = |path: &Path, source: std::io::Error| match source.kind() {
        // A name that is too long, a file where a directory should be: there is nothing.
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => Ok(None),
        _ => Err(SourceError::read(path, source)),
    };
    let root = directory.canonicalize().map_err(|source| SourceError::read(directory, source))?;
    let wanted = path.iter().fold(root.clone(), |path, part| path.join(part));
    let found = match wanted.canonicalize() {
        Ok(found) if found.starts_with(&root) => found,
        Ok(_) => return Ok(None),
        Err(source) => return fail(&wanted, source),
    };
    // A pipe or a device would be waited for.
    match found.metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(None),
        Err(source) => return fail(&found, source),
    }
    let file = match File::open(&found) {
        Ok(file) => file,
        Err(source) => return fail(&found, source),
    };
    let metadata = file.metadata().map_err(|source| SourceError::read(&found, source))?;
    Ok(Some((file, metadata)))
}

/// A secret as its file has it.
#[derive(Clone)]
pub struct SecretFile {
    /// The text, without the line end that editors add.
    pub text: String,
    /// Whether others than the owner can read the file.
    pub is_open: bool,
}

/// Reads a secret; none where there is no such file.
///
/// # Errors
/// It cannot be read, or is not UTF-8.
pub fn read_secret(path: &Path) -> Result<Option<SecretFile>, SourceError> {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = path.metadata() else { return Ok(None) };
    let text = String::from_utf8(read_file(path)?).map_err(|_| SourceError::NotText(path.to_path_buf()))?;
    let is_open = metadata.permissions().mode() & 0o077 != 0;
    Ok(Some(SecretFile { text: text.strip_suffix('\n').map(str::to_owned).unwrap_or(text), is_open }))
}

/// The files below a directory whose names end in one of `ends`, in the order of their paths; none where there is no
/// such directory. Hidden ones are left out.
///
/// # Errors
/// A directory cannot be read.
pub fn files_below(directory: &Path, ends: &[&str]) -> Result<Vec<PathBuf>, SourceError> {
    let mut files = Vec::new();
    if !directory.is_dir() {
        return Ok(files);
    }
    let root = directory.canonicalize().map_err(|source| SourceError::read(directory, source))?;
    let visible = |entry: &walkdir::DirEntry| entry.depth() == 0 || !is_hidden(entry.file_name());
    for entry in WalkDir::new(directory).follow_links(true).sort_by_file_name().into_iter().filter_entry(visible) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(directory).to_path_buf();
            SourceError::Read { path, source: error.into() }
        })?;
        if entry.path_is_symlink() && !leads_inside(&root, entry.path()) {
            return Err(SourceError::LeadsOut { path: entry.into_path(), directory: directory.to_path_buf() });
        }
        let name = entry.file_name().to_string_lossy();
        if entry.file_type().is_file() && (ends.is_empty() || ends.iter().any(|end| name.ends_with(end))) {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let mut sources = Sources::default();
        let id = sources.add("a.xml", "one\nzwei ü x\n".into());
        let at = sources.file(id).text.find('x').unwrap();
        let location = sources.location(Span::new(id, at, at + 1));
        assert_eq!((location.line, location.column), (2, 8));
        assert_eq!(sources.location(Span::new(id, 0, 0)).to_string(), "a.xml:1:1");
    }

    #[test]
    fn a_place_after_the_end_is_the_end() {
        let mut sources = Sources::default();
        let id = sources.add("a.xml", "one\n".into());
        assert_eq!(sources.location(Span::new(id, 99, 99)).line, 2);
        let empty = sources.add("b.xml", String::new());
        assert_eq!(sources.location(Span::new(empty, 0, 0)).to_string(), "b.xml:1:1");
    }
}
