//! The lists of packages and of their files: what the library's parser meets, as packages of ours.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use rpmrepo_metadata::utils::create_xml_reader;
use rpmrepo_metadata::visitor::{FilelistsVisitor, PrimaryVisitor, RequirementData, parse_filelists, parse_primary};
use rpmrepo_metadata::{FileType, RequirementType};

use crate::dist::error::DistError;
use crate::dist::nevra::{Evr, Nevra};
use crate::dist::package::{Digested, Package};
use crate::dist::relation::{Comparison, Relation};
use crate::dist::repodata::bounded::{MAX_OPEN_BYTES, unpacked};
use crate::dist::repodata::sound;

/// What is said where a checksum is none that is trusted.
pub const UNTRUSTED: &str = "it has a checksum that is none, or of a kind that is not trusted; sha256 is";

/// Whether a path stays in the tree: metadata comes from anybody.
pub fn is_inside(path: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.len() <= 255;
    path.len() <= 1024
        && !path.contains(['\0', '\\'])
        && !path.chars().any(char::is_control)
        && path.split('/').all(part)
}

/// The packages of a list, from its bytes; `shown` is what people call it.
///
/// # Errors
/// It is none, or has a package that is not in its tree.
pub fn packages_of(bytes: &[u8], shown: &str) -> Result<Vec<Package>, DistError> {
    let open = || unpacked(bytes, MAX_OPEN_BYTES).map_err(|error| error.to_string());
    let read = open().and_then(|xml| sound::check(xml, true)).and_then(|count| packages(&mut open()?, count));
    read.map_err(|error| DistError::metadata(shown, error))
}

/// The packages of a list that has so many elements of that name: each has to say what it is and where.
///
/// # Errors
/// It is none, in words.
pub fn packages(xml: &mut dyn io::BufRead, count: usize) -> Result<Vec<Package>, String> {
    let mut visitor = Packages::default();
    parse_primary(&mut create_xml_reader(xml), &mut visitor).map_err(|error| error.to_string())?;
    if let Some(fault) = visitor.fault {
        return Err(fault);
    }
    let says = |package: &&Package| {
        let Nevra { name, evr, arch } = &package.nevra;
        ![&**name, &*evr.version, &*evr.release, &**arch, &package.location].contains(&"")
    };
    let whole = visitor.list.iter().filter(says).count();
    if whole != count {
        return Err(format!("of {count} packages in it, {whole} say what they are, their checksum and their place"));
    }
    Ok(visitor.list)
}

/// Which packages, by their checksums, have which of some files.
///
/// # Errors
/// It is no list of files, in words.
pub fn owners(xml: &mut dyn io::BufRead, files: &BTreeSet<Arc<str>>) -> Result<Vec<(String, Arc<str>)>, String> {
    let mut visitor = Owners { wanted: files, package: String::new(), found: Vec::new() };
    parse_filelists(&mut create_xml_reader(xml), &mut visitor).map_err(|error| error.to_string())?;
    Ok(visitor.found)
}

/// Takes packages as the parser meets them.
#[derive(Default)]
struct Packages {
    list: Vec<Package>,
    names: BTreeSet<Arc<str>>,
    fault: Option<String>,
}

impl Packages {
    /// The same text once: a distribution says `noarch` ten thousand times.
    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.names.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.names.insert(Arc::clone(&text));
        text
    }

    fn relation(&mut self, read: &RequirementData<'_>) -> Relation {
        let comparison = read.flags.map(|flags| match flags {
            RequirementType::LT => Comparison::Less,
            RequirementType::LE => Comparison::LessOrEqual,
            RequirementType::EQ => Comparison::Equal,
            RequirementType::GE => Comparison::GreaterOrEqual,
            RequirementType::GT => Comparison::Greater,
        });
        let version = comparison.zip(read.version).map(|(comparison, version)| {
            let epoch = read.epoch.and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
            (
                comparison,
                Evr { epoch, version: self.shared(version), release: self.shared(read.release.unwrap_or_default()) },
            )
        });
        Relation { name: self.shared(read.name), version }
    }

    fn add(&mut self, read: &RequirementData<'_>, to: impl Fn(&mut Package) -> &mut Vec<Relation>) {
        let relation = self.relation(read);
        if let Some(package) = self.list.last_mut() {
            to(package).push(relation);
        }
    }
}

impl PrimaryVisitor for Packages {
    fn begin_package(&mut self, name: &str, arch: &str, checksum_type: &str, pkgid: &str) {
        let (name, arch) = (self.shared(name), self.shared(arch));
        let evr = Evr { epoch: 0, version: "".into(), release: "".into() };
        let digest = Digested::new(checksum_type, pkgid).unwrap_or_else(|| {
            self.fault.get_or_insert_with(|| format!("of the package `{}`: {UNTRUSTED}", name.escape_debug()));
            Digested::default()
        });
        self.list.push(Package::new(Nevra { name, evr, arch }, digest));
    }

    fn set_evr(&mut self, epoch: &str, version: &str, release: &str) {
        let evr =
            Evr { epoch: epoch.parse().unwrap_or(0), version: self.shared(version), release: self.shared(release) };
        if let Some(package) = self.list.last_mut() {
            package.nevra.evr = evr;
        }
    }

    fn set_size(&mut self, package: u64, installed: u64, _: u64) {
        if let Some(last) = self.list.last_mut() {
            (last.size, last.installed) = (package, installed);
        }
    }

    fn set_location(&mut self, href: &str, base: Option<&str>) {
        if !is_inside(href) || base.is_some() {
            let place = format!("{}{href}", base.unwrap_or_default());
            self.fault.get_or_insert_with(|| {
                format!("it has a package at `{}`, which is not in the tree", place.escape_debug())
            });
        }
        if let Some(last) = self.list.last_mut() {
            href.clone_into(&mut last.location);
        }
    }

    fn add_provide(&mut self, read: RequirementData<'_>) {
        self.add(&read, |package| &mut package.provides);
    }

    fn add_require(&mut self, read: RequirementData<'_>) {
        self.add(&read, |package| &mut package.requires);
    }

    fn add_conflict(&mut self, read: RequirementData<'_>) {
        self.add(&read, |package| &mut package.conflicts);
    }

    fn add_obsolete(&mut self, read: RequirementData<'_>) {
        self.add(&read, |package| &mut package.obsoletes);
    }

    fn add_recommend(&mut self, read: RequirementData<'_>) {
        self.add(&read, |package| &mut package.recommends);
    }

    fn add_supplement(&mut self, read: RequirementData<'_>) {
        self.add(&read, |package| &mut package.supplements);
    }

    fn add_file(&mut self, _: FileType, path: &str) {
        let path = self.shared(path);
        if let Some(package) = self.list.last_mut() {
            package.files.push(path);
        }
    }
}

/// Looks for files.
struct Owners<'w> {
    wanted: &'w BTreeSet<Arc<str>>,
    package: String,
    found: Vec<(String, Arc<str>)>,
}

impl FilelistsVisitor for Owners<'_> {
    fn begin_package(&mut self, pkgid: &str, _: &str, _: &str) {
        self.package = pkgid.to_ascii_lowercase();
    }

    fn add_file(&mut self, _: FileType, path: &str) {
        if let Some(path) = self.wanted.get(path) {
            self.found.push((self.package.clone(), Arc::clone(path)));
        }
    }
}
