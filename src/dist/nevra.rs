//! What tells packages apart: name, epoch, version, release, architecture; and how versions are ordered.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Epoch, version and release, ordered as rpm orders them (rpm-version(7): `~` before, `^` after, digits as numbers).
/// Two that are written differently may be equal: `1.05` and `1.5`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Evr {
    /// 0 where a package says none.
    pub epoch: u32,
    /// The version.
    pub version: Arc<str>,
    /// The release; empty where a relation says none.
    pub release: Arc<str>,
}

/// Name, epoch, version, release, architecture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Nevra {
    /// The name.
    pub name: Arc<str>,
    /// The version.
    pub evr: Evr,
    /// `x86_64`, `noarch`, ..
    pub arch: Arc<str>,
}

/// Compares two versions, or two releases, as rpm does.
pub fn compare_versions(one: &str, other: &str) -> Ordering {
    let version = |text| rpmrepo_metadata::Evr::new("", text, "");
    version(one).cmp(&version(other))
}

impl Evr {
    /// Reads `[EPOCH:]VERSION[-RELEASE]`.
    pub fn parse(text: &str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
            None => (0, text),
        };
        let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self { epoch, version: version.into(), release: release.into() }
    }

    /// Compares as a relation does: a release that one side does not say is not compared.
    pub fn compare_as_far(&self, other: &Self) -> Ordering {
        let versions = self.epoch.cmp(&other.epoch).then_with(|| compare_versions(&self.version, &other.version));
        if self.release.is_empty() || other.release.is_empty() {
            return versions;
        }
        versions.then_with(|| compare_versions(&self.release, &other.release))
    }
}

impl Ord for Evr {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_versions(&self.version, &other.version))
            .then_with(|| compare_versions(&self.release, &other.release))
    }
}

impl PartialOrd for Evr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Evr {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Evr {}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch != 0 {
            write!(f, "{}:", self.epoch)?;
        }
        f.write_str(&self.version)?;
        if self.release.is_empty() { Ok(()) } else { write!(f, "-{}", self.release) }
    }
}

impl Nevra {
    /// The name of its file, which has no epoch.
    pub fn file_name(&self) -> String {
        format!("{}-{}-{}.{}.rpm", self.name, self.evr.version, self.evr.release, self.arch)
    }

    /// Where it lies in a tree: a folder for each first letter keeps folders small.
    pub fn location(&self) -> String {
        let first = self.name.chars().next().map_or('_', |first| first.to_ascii_lowercase());
        format!("Packages/{first}/{}", self.file_name())
    }

    /// Name and architecture: of each, one version counts.
    pub fn key(&self) -> (Arc<str>, Arc<str>) {
        (Arc::clone(&self.name), Arc::clone(&self.arch))
    }

    /// Whether its parts can stand in the name of a file: it came from a package that anybody may have made.
    pub fn is_plain(&self) -> bool {
        let plain = |text: &str| {
            let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~^-%&".contains(&byte);
            !text.is_empty() && !text.starts_with('.') && text.bytes().all(inside)
        };
        let parts = [&self.name, &self.evr.version, &self.evr.release, &self.arch];
        let dashes = [&self.evr.version, &self.evr.release, &self.arch].iter().any(|part| part.contains('-'));
        !dashes && parts.into_iter().all(|part| plain(part)) && self.file_name().len() <= 255
    }
}

impl fmt::Display for Nevra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.name, self.evr, self.arch)
    }
}

/// Architectures that run on machines of one, the best first.
pub fn compatible(arch: &str) -> &[&str] {
    match arch {
        "x86_64" => &["x86_64", "noarch", "i686", "i586", "i486", "i386"],
        "aarch64" => &["aarch64", "noarch"],
        "i386" | "i486" | "i586" | "i686" => &["i686", "i586", "i486", "i386", "noarch"],
        "ppc64le" => &["ppc64le", "noarch"],
        "s390x" => &["s390x", "noarch"],
        "riscv64" => &["riscv64", "noarch"],
        _ => &[],
    }
}

/// How good an architecture is for a machine, the least first; none that does not run there.
pub fn rank(package: &str, machine: &str) -> Option<usize> {
    if package == machine {
        return Some(0);
    }
    match compatible(machine) {
        [] => (package == "noarch").then_some(1),
        known => known.iter().position(|other| *other == package),
    }
}

/// Whether two packages of one name can be there at once: those of two kinds of machines, of which none is for all.
pub fn are_apart(one: &str, other: &str, machine: &str) -> bool {
    one != "noarch" && other != "noarch" && is_foreign(one, machine) != is_foreign(other, machine)
}

/// Whether packages of an architecture are those of another kind of machine, which this one can run too.
pub fn is_foreign(package: &str, machine: &str) -> bool {
    package != "noarch" && package != machine
}
