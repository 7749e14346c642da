//! The packages of all sources of a distribution, and what its repositories say beside: groups, advisories, modules.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use rpmrepo_metadata::{CompsData, UpdateRecord};

use crate::dist::cache::Cache;
use crate::dist::error::{DistError, PackageFault, check_plain};
use crate::dist::groups::{merge, parse};
use crate::dist::installer::description;
use crate::dist::modular::{Document, documents};
use crate::dist::package::Package;
use crate::dist::place::Place;
use crate::dist::repodata::REPOMD;
use crate::dist::repodata::read::Repository;
use crate::dist::select::Candidate;
use crate::dist::signature::Keys;
use crate::inventory::Inventory;
use crate::inventory::distribution::{Origin, PackageSource};
use crate::source::{files_below, read_file};

/// The names that a directory of packages gives its groups.
const GROUP_FILES: [&str; 2] = ["comps.xml", "groups.xml"];

/// What all sources have.
#[derive(Debug, Default)]
pub struct Collected {
    /// Packages, in the order of sources and paths.
    pub candidates: Vec<Candidate>,
    /// Files that should be packages.
    pub faults: Vec<FaultyFile>,
    /// Groups of all.
    pub groups: CompsData,
    /// Advisories of all.
    pub updates: Vec<UpdateRecord>,
    /// Documents of modules.
    pub documents: Vec<Document>,
    /// The tree of the first source that an installer can be started from, and its description.
    pub installer: Option<(PathBuf, String)>,
}

/// A file that should be a package.
#[derive(Clone, Debug)]
pub struct FaultyFile {
    /// Where it is.
    pub path: PathBuf,
    /// The number of its source.
    pub source: usize,
    /// What is wrong with it.
    pub fault: PackageFault,
}

/// What packages are read with.
pub struct Reading<'r> {
    /// What was read before.
    pub cache: &'r Cache,
    /// The site's keys.
    pub keys: &'r Keys,
    /// The directory of the description.
    pub description: &'r Path,
    /// Whether warnings keep a tree from being exchanged.
    pub strict: bool,
    /// Told how many packages of how many were read.
    pub progress: &'r (dyn Fn(usize, usize) + Sync),
}

/// Reads all sources for one architecture.
///
/// # Errors
/// A source is not here, or something in it cannot be read.
pub fn collect(place: Place, arch: &str, inventory: &Inventory, reading: &Reading) -> Result<Collected, DistError> {
    let mut collected = Collected::default();
    let mut files: Vec<Listed> = Vec::new();
    for (path, _) in &place.build.groups {
        let path = place.directory.join(path);
        merge(&mut collected.groups, groups_of(&path)?);
    }
    for (number, source) in place.build.sources.iter().enumerate() {
        let directory = directory(place, source, arch, inventory, reading.description)?;
        let paths = match source.origin {
            Origin::Repository(_) | Origin::Distribution(_) => indexed(&directory, number, &mut collected)?,
            Origin::Directory(_) | Origin::Roll(_) => loose(&directory, number, &mut collected)?,
        };
        files.extend(paths);
        if collected.installer.is_none() {
            collected.installer = description(&directory)?.map(|text| (directory, text));
        }
    }
    read_all(files, reading, &mut collected)?;
    Ok(collected)
}

/// A file that should be a package.
struct Listed {
    source: usize,
    path: PathBuf,
    /// SHA-256, where an index says it.
    sha256: Option<String>,
}

/// Where the packages of a source are.
fn directory(
    place: Place,
    source: &PackageSource,
    arch: &str,
    inventory: &Inventory,
    description: &Path,
) -> Result<PathBuf, DistError> {
    let name = place.name;
    match &source.origin {
        Origin::Repository(url) => {
            let (copies, tree) = place.copy(source, url, arch);
            let directory = copies.join(tree);
            let missing = || {
                format!("the source `{}` of `{name}` is not mirrored yet; hint: kgen dist mirror {name}", source.name)
            };
            if directory.join(REPOMD).is_file() { Ok(directory) } else { Err(DistError::Missing(missing())) }
        }
        Origin::Distribution(other) => {
            let found = inventory.distributions.get_key_value(other.as_str());
            let tree =
                found.and_then(|(name, found)| Place::of(place.directory, name, found)).map(|place| place.tree(arch));
            let missing = || {
                format!(
                    "the distribution `{other}`, which `{name}` is built of, is not built for {arch} yet; hint: kgen dist build {other}"
                )
            };
            tree.filter(|tree| tree.join(REPOMD).is_file()).ok_or_else(|| DistError::Missing(missing()))
        }
        Origin::Directory(path) => there(place.directory.join(path), &source.name, name.as_str()),
        Origin::Roll(roll) => there(description.join("rolls").join(roll.as_str()), &source.name, name.as_str()),
    }
}

fn there(directory: PathBuf, source: &str, distribution: &str) -> Result<PathBuf, DistError> {
    let missing =
        || format!("there is no directory {}, the source `{source}` of `{distribution}`", directory.display());
    if directory.is_dir() { Ok(directory) } else { Err(DistError::Missing(missing())) }
}

/// The packages that the index of a tree names.
fn indexed(tree: &Path, source: usize, collected: &mut Collected) -> Result<Vec<Listed>, DistError> {
    let repository = Repository::open(tree)?;
    if let Some(groups) = repository.groups()? {
        merge(&mut collected.groups, groups);
    }
    for update in repository.updates()? {
        if !collected.updates.iter().any(|known| known.id == update.id) {
            collected.updates.push(update);
        }
    }
    if let Some(text) = repository.modules()? {
        collected.documents.extend(modules_of(&text, tree, source)?);
    }
    let packages = repository.packages()?;
    let tree = &repository.tree;
    let listed = |package: Package| Listed {
        source,
        // Of the tree that the index was read of, whatever is exchanged meanwhile.
        path: tree.join(package.location),
        sha256: (package.digest.kind == "sha256").then_some(package.digest.value),
    };
    Ok(packages.into_iter().map(listed).collect())
}

/// All packages below a directory, whatever else is there.
fn loose(directory: &Path, source: usize, collected: &mut Collected) -> Result<Vec<Listed>, DistError> {
    for name in GROUP_FILES {
        let path = directory.join(name);
        if path.is_file() {
            merge(&mut collected.groups, groups_of(&path)?);
        }
    }
    let modules = directory.join("modules.yaml");
    if modules.is_file() {
        let text = text_of(&modules)?;
        collected.documents.extend(modules_of(&text, &modules, source)?);
    }
    let files = files_below(directory, &[".rpm"])?.into_iter();
    Ok(files.map(|path| Listed { source, path, sha256: None }).collect())
}

fn modules_of(text: &str, path: &Path, source: usize) -> Result<Vec<Document>, DistError> {
    documents(text, source).map_err(|message| DistError::metadata(path.display(), message))
}

fn groups_of(path: &Path) -> Result<CompsData, DistError> {
    parse(&text_of(path)?).map_err(|message| DistError::metadata(path.display(), message))
}

fn text_of(path: &Path) -> Result<String, DistError> {
    check_plain(path)?;
    String::from_utf8(read_file(path)?).map_err(|_| DistError::metadata(path.display(), "it is not UTF-8"))
}

fn read_all(files: Vec<Listed>, reading: &Reading, collected: &mut Collected) -> Result<(), DistError> {
    let (done, all) = (AtomicUsize::new(0), files.len());
    let read = files.into_par_iter().with_max_len(1).map(|Listed { source, path, sha256 }| {
        let found = reading.cache.package(&path, reading.keys, sha256.as_deref())?;
        (reading.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, all);
        let fault = match found {
            Ok(indexed) if is_named(&path, &indexed.nevra.file_name()) => {
                return Ok::<_, DistError>(Ok(Candidate { indexed, path, source }));
            }
            Ok(indexed) => PackageFault::Misnamed { expected: indexed.nevra.file_name() },
            Err(fault) => fault,
        };
        Ok(Err(FaultyFile { path, source, fault }))
    });
    for read in read.collect::<Result<Vec<_>, _>>()? {
        match read {
            // Source packages are for no machine, and lie beside the others in many a directory.
            Ok(candidate) if candidate.indexed.nevra.arch.as_ref() == "src" => {}
            Ok(candidate) => collected.candidates.push(candidate),
            Err(fault) => collected.faults.push(fault),
        }
    }
    Ok(())
}

/// Whether a file is called what it is. A source package is called `.src.rpm` or `.nosrc.rpm`.
fn is_named(path: &Path, expected: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == expected || name.replace(".nosrc.rpm", ".src.rpm") == expected
}
