//! Two trees of packages: what was added, removed, upgraded, downgraded, or built again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::dist::nevra::Evr;
use crate::dist::package::Package;

/// What happened to the packages of one name and architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The name.
    pub name: Arc<str>,
    /// The architecture.
    pub arch: Arc<str>,
    /// In a word.
    pub kind: ChangeKind,
    /// The versions before, newest first.
    pub before: Vec<String>,
    /// The versions after.
    pub after: Vec<String>,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// The newest is newer.
    Upgraded,
    /// The newest is older.
    Downgraded,
    /// The newest is the same; an older one that is kept beside it is not.
    Beside,
    /// The same version has other content.
    Rebuilt,
}

impl ChangeKind {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Upgraded => "upgraded",
            Self::Downgraded => "downgraded",
            Self::Beside => "beside",
            Self::Rebuilt => "rebuilt",
        }
    }
}

/// What is there of a name and architecture: versions, newest first, and checksums.
type Versions = BTreeMap<(Arc<str>, Arc<str>), Vec<(Evr, String)>>;

/// Compares the packages of two trees.
pub fn compare(before: &[Package], after: &[Package]) -> Vec<Change> {
    let (old, new) = (versions(before), versions(after));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).cloned().collect();
    let change = |key: (Arc<str>, Arc<str>)| {
        let none = Vec::new();
        let (old, new) = (old.get(&key).unwrap_or(&none), new.get(&key).unwrap_or(&none));
        let kind = kind(old, new)?;
        let shown = |versions: &[(Evr, String)]| versions.iter().map(|(evr, _)| evr.to_string()).collect();
        Some(Change { name: key.0, arch: key.1, kind, before: shown(old), after: shown(new) })
    };
    keys.into_iter().filter_map(change).collect()
}

fn versions(packages: &[Package]) -> Versions {
    let mut versions = Versions::new();
    for package in packages {
        let entry = (package.nevra.evr.clone(), package.digest.value.clone());
        versions.entry(package.nevra.key()).or_default().push(entry);
    }
    versions.values_mut().for_each(|versions| versions.sort_by(|one, other| other.cmp(one)));
    versions
}

fn kind(old: &[(Evr, String)], new: &[(Evr, String)]) -> Option<ChangeKind> {
    let (before, after) = match (old.first(), new.first()) {
        (Some(before), Some(after)) => (before, after),
        (None, Some(_)) => return Some(ChangeKind::Added),
        _ => return Some(ChangeKind::Removed),
    };
    match after.0.cmp(&before.0) {
        std::cmp::Ordering::Greater => Some(ChangeKind::Upgraded),
        std::cmp::Ordering::Less => Some(ChangeKind::Downgraded),
        std::cmp::Ordering::Equal if after.1 != before.1 => Some(ChangeKind::Rebuilt),
        std::cmp::Ordering::Equal => (old != new).then_some(ChangeKind::Beside),
    }
}
