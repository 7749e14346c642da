//! `kgen dist mirror`: a repository from elsewhere to a tree here. Only what is not here yet is fetched, every file is
//! checked, and the tree is exchanged when it is whole: its metadata always fits its packages.
#![allow(clippy::disallowed_methods)] // the door to what is being fetched

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use serde::Serialize;

use crate::dist::error::DistError;
use crate::dist::fetch::{Fetcher, Refused, shown};
use crate::dist::header::hexadecimal;
use crate::dist::installer::{TREE_FILES, images, is_description};
use crate::dist::package::{Digested, Package};
use crate::dist::repodata::read::{Index, MAX_REPOMD_BYTES, Record, Repository, is_of};
use crate::dist::repodata::{FOLDER, REPOMD};
use crate::dist::transfer::{Wanted, fetch, small};
use crate::dist::tree::{Exchanged, NewTree};
use crate::inventory::distribution::Links;
use crate::source::files_below;

use sha2::{Digest, Sha256};

/// Files beside the metadata that are signed or describe the tree; a repository may have none of them.
const SIGNATURE: &str = "repodata/repomd.xml.asc";
/// The largest of these.
const MAX_SMALL_BYTES: u64 = 1 << 20;

/// How a repository is fetched.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Take away packages that the repository does not have any more.
    pub delete: bool,
    /// Look at the checksums of files that are here already.
    pub verify: bool,
    /// How many files are fetched at a time.
    pub jobs: usize,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Files that are here.
    pub files: usize,
    /// All that are to be fetched.
    pub all_files: usize,
    /// Bytes that came.
    pub bytes: u64,
    /// All that are to come.
    pub all_bytes: u64,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The distribution.
    pub distribution: String,
    /// The source.
    pub source: String,
    /// The tree.
    pub tree: String,
    /// Whether there is another tree now than before.
    pub changed: bool,
    /// Packages of the repository.
    pub packages: usize,
    /// Files that were fetched.
    pub fetched: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Packages that the repository does not have any more, and that were taken away.
    pub deleted: usize,
    /// Packages that the repository does not have any more, and that are still here.
    pub vanished: usize,
}

/// A repository elsewhere, and where its copy is.
pub struct Remote {
    /// Its URL.
    pub url: String,
    /// The directory of its copies.
    pub directory: PathBuf,
    /// The name of the copy in it.
    pub name: String,
}

/// A file of the new tree, and where it comes from.
struct Part {
    location: String,
    wanted: Wanted,
}

/// Brings a copy up to date.
///
/// # Errors
/// Something does not come, or is not what it should be; the copy stays as it was, and what came is kept.
pub fn mirror(
    repository: &Remote,
    options: Options,
    fetcher: &Fetcher,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, DistError> {
    let tree = NewTree::begin(&repository.directory, &repository.name)?;
    let before = repository.directory.join(&repository.name);
    let parts = repository.directory.join(".parts");
    std::fs::create_dir_all(&parts).map_err(|error| DistError::file("make", &parts, error))?;
    let mut report = Report { tree: before.display().to_string(), ..Report::default() };

    let url_of = |location: &str| format!("{}/{}", repository.url, escaped(location));
    let repomd_url = url_of(REPOMD);
    let repomd = small(fetcher, &repomd_url, MAX_REPOMD_BYTES).map_err(|refused| refused.of(&repomd_url))?;
    let index = Index::parse(&repomd, &shown(&repomd_url))?;
    tree.write(REPOMD, &repomd)?;
    let part = |record: &Record| Part {
        location: record.location.clone(),
        wanted: Wanted { url: url_of(&record.location), digest: record.digest.clone(), size: record.size },
    };
    let metadata: Vec<Part> = index.records.iter().map(part).collect();
    let fetching = Fetching { fetcher, parts: &parts, jobs: options.jobs, progress };
    let here = kept_files(&before, &metadata);
    bring(&fetching, &tree, &metadata, &here, &mut report)?;
    let packages = Repository { tree: tree.path().to_path_buf(), index }.packages()?;
    report.packages = packages.len();
    let mut wanted = Vec::new();
    for package in &packages {
        wanted.push(part_of(package, &url_of)?);
    }
    wanted.extend(installer(&tree, fetcher, &url_of)?);
    one_for_each_place(&mut wanted, &shown(&repomd_url))?;
    signature(&tree, fetcher, &url_of)?;
    let here = known_packages(&before, &wanted, options.verify);
    bring(&fetching, &tree, &wanted, &here, &mut report)?;
    vanished(&tree, &before, options, &mut report)?;
    let id = id(&tree, &repomd)?;
    // What was fetched was not there, or not what it should be.
    report.changed = tree.exchange(&id, report.fetched > 0)? == Exchanged::New;
    std::fs::remove_dir_all(&parts).map_err(|error| DistError::file("remove", &parts, error))?;
    Ok(report)
}

/// The same twice is once; two different files cannot be in one place.
fn one_for_each_place(wanted: &mut Vec<Part>, shown: &str) -> Result<(), DistError> {
    let mut places: BTreeMap<String, Digested> = BTreeMap::new();
    let mut clash = None;
    wanted.retain(|part| match places.get(&part.location) {
        Some(known) => {
            if *known != part.wanted.digest {
                clash.get_or_insert_with(|| part.location.clone());
            }
            false
        }
        None => places.insert(part.location.clone(), part.wanted.digest.clone()).is_none(),
    });
    match clash {
        Some(place) => {
            Err(DistError::metadata(shown, format!("two different files are at `{}`", place.escape_debug())))
        }
        None => Ok(()),
    }
}

fn part_of(package: &Package, url_of: &dyn Fn(&str) -> String) -> Result<Part, DistError> {
    let is_package = package.location.ends_with(".rpm") && !package.location.starts_with(FOLDER);
    if !is_package {
        let message = format!("`{}` is at `{}`", package.nevra, package.location.escape_debug());
        return Err(DistError::metadata(shown(&url_of(REPOMD)), message));
    }
    let wanted = Wanted {
        url: url_of(&package.location),
        digest: package.digest.clone(),
        size: (package.size > 0).then_some(package.size),
    };
    Ok(Part { location: package.location.clone(), wanted })
}

/// A path in a URL (RFC 3986, section 3.3): versions have `^` and `+`, which are no letters of one everywhere.
fn escaped(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The files that an installer needs, as `.treeinfo` lists them; images of whole disks are not fetched for it.
fn installer(tree: &NewTree, fetcher: &Fetcher, url_of: &dyn Fn(&str) -> String) -> Result<Vec<Part>, DistError> {
    for name in TREE_FILES {
        let found = optional(fetcher, &url_of(name))?.filter(|bytes| is_description(bytes));
        let Some(bytes) = found else { continue };
        tree.write(name, &bytes)?;
        return Ok(listed(&String::from_utf8_lossy(&bytes), url_of));
    }
    Ok(Vec::new())
}

fn listed(text: &str, url_of: &dyn Fn(&str) -> String) -> Vec<Part> {
    let part = |(path, digest): (String, Digested)| {
        let wanted = Wanted { url: url_of(&path), digest, size: None };
        Part { location: path, wanted }
    };
    images(text).into_iter().map(part).collect()
}

fn signature(tree: &NewTree, fetcher: &Fetcher, url_of: &dyn Fn(&str) -> String) -> Result<(), DistError> {
    match optional(fetcher, &url_of(SIGNATURE))? {
        // Some servers have a page for what is not there.
        Some(bytes) if bytes.starts_with(b"-----BEGIN PGP") => tree.write(SIGNATURE, &bytes),
        _ => Ok(()),
    }
}

/// A small file that need not be there.
fn optional(fetcher: &Fetcher, url: &str) -> Result<Option<Vec<u8>>, DistError> {
    match small(fetcher, url, MAX_SMALL_BYTES) {
        Ok(bytes) => Ok(Some(bytes)),
        // Object stores deny what is not there.
        Err(Refused::Missing | Refused::Denied(_)) => Ok(None),
        Err(refused) => Err(refused.of(url)),
    }
}

/// Files of the index that are here already: their names say their content, and it was checked when they came.
fn kept_files(before: &Path, wanted: &[Part]) -> BTreeMap<Digested, PathBuf> {
    let mut here = BTreeMap::new();
    for part in wanted {
        let path = before.join(&part.location);
        let is_named = part.location.contains(&part.wanted.digest.value);
        if is_named && is_whole(&path, part.wanted.size) && is_intact(&path, &part.wanted.digest) {
            here.insert(part.wanted.digest.clone(), path);
        }
    }
    here
}

/// Packages that are here already, by the checksums that they were fetched by.
fn known_packages(before: &Path, wanted: &[Part], verify: bool) -> BTreeMap<Digested, PathBuf> {
    let read = Repository::open(before).and_then(|repository| repository.packages());
    let packages =
        read.unwrap_or_default().into_iter().map(|package| (package.digest, package.location, Some(package.size)));
    let described = |name: &&str| std::fs::read_to_string(before.join(name)).ok();
    let described = TREE_FILES.iter().find_map(described).unwrap_or_default();
    let images = images(&described).into_iter().map(|(path, digest)| (digest, path, None));
    let asked: BTreeSet<&Digested> = wanted.iter().map(|part| &part.wanted.digest).collect();
    packages
        .chain(images)
        .filter(|(digest, _, _)| asked.contains(digest))
        .map(|(digest, location, size)| (digest, before.join(location), size))
        .filter(|(digest, path, size)| is_whole(path, *size) && (!verify || is_intact(path, digest)))
        .map(|(digest, path, _)| (digest, path))
        .collect()
}

fn is_intact(path: &Path, wanted: &Digested) -> bool {
    std::fs::File::open(path).is_ok_and(|mut file| is_of(wanted, &mut file))
}

fn is_whole(path: &Path, size: Option<u64>) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && size.is_none_or(|size| size == found.len()))
}

/// What files are fetched with.
struct Fetching<'f> {
    fetcher: &'f Fetcher,
    parts: &'f Path,
    jobs: usize,
    progress: &'f (dyn Fn(Progress) + Sync),
}

/// Brings files into the tree: those that are here, and those that are fetched, several at a time.
fn bring(
    fetching: &Fetching,
    tree: &NewTree,
    wanted: &[Part],
    here: &BTreeMap<Digested, PathBuf>,
    report: &mut Report,
) -> Result<(), DistError> {
    let (there, missing): (Vec<&Part>, Vec<&Part>) =
        wanted.iter().partition(|part| here.contains_key(&part.wanted.digest));
    for part in there {
        tree.bring(&here[&part.wanted.digest], &part.location, Links::Hard)?;
    }
    // Two places may have the same file, which is fetched once.
    let mut seen = BTreeSet::new();
    let distinct: Vec<&Part> = missing.iter().copied().filter(|part| seen.insert(&part.wanted.digest)).collect();
    let all_bytes = distinct.iter().filter_map(|part| part.wanted.size).sum();
    let (next, files, bytes) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
    let (stop, fault) = (AtomicBool::new(false), Mutex::new(None));
    let tell = |got: u64| {
        let bytes = bytes.fetch_add(got, Ordering::Relaxed) + got;
        let files = files.load(Ordering::Relaxed);
        (fetching.progress)(Progress { files, all_files: distinct.len(), bytes, all_bytes });
    };
    let work = || {
        while let Some(part) =
            distinct.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !stop.load(Ordering::Relaxed))
        {
            if let Err(error) = fetch(fetching.fetcher, &part.wanted, fetching.parts, &tell) {
                stop.store(true, Ordering::Relaxed);
                fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
            }
            files.fetch_add(1, Ordering::Relaxed);
            tell(0);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..fetching.jobs.min(distinct.len())).map(|_| scope.spawn(work)).collect();
        threads.into_iter().for_each(|thread| drop(thread.join()));
    });
    if let Some(error) = fault.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        return Err(error);
    }
    for part in &missing {
        // A link: what is kept is there for an attempt after a failure.
        tree.bring(&part.wanted.kept(fetching.parts), &part.location, Links::Hard)?;
    }
    report.fetched += distinct.len();
    report.bytes += bytes.into_inner();
    Ok(())
}

/// Packages that the repository does not have any more stay in the tree, beside its metadata, unless they are to go.
fn vanished(tree: &NewTree, before: &Path, options: Options, report: &mut Report) -> Result<(), DistError> {
    for path in files_below(before, &[".rpm"])? {
        let location = path.strip_prefix(before).unwrap_or(&path).to_string_lossy().into_owned();
        if tree.path().join(&location).exists() {
            continue;
        }
        if options.delete {
            report.deleted += 1;
        } else {
            report.vanished += 1;
            tree.bring(&path, &location, Links::Hard)?;
        }
    }
    Ok(())
}

/// Of the index, of which packages lie beside it, and of what describes the tree.
fn id(tree: &NewTree, repomd: &[u8]) -> Result<String, DistError> {
    let mut hasher = Sha256::new_with_prefix(repomd);
    for name in TREE_FILES.iter().chain([&SIGNATURE]) {
        hasher.update(std::fs::read(tree.path().join(name)).unwrap_or_default());
    }
    for path in files_below(tree.path(), &[".rpm"])? {
        hasher.update(path.strip_prefix(tree.path()).unwrap_or(&path).to_string_lossy().as_bytes());
        hasher.update([0]);
    }
    Ok(hexadecimal(hasher))
}
