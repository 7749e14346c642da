//! How the tree of a distribution is built: `sources` and what else `[distributions.NAME]` says of packages.
//!
//! Read by [`crate::inventory::distributions`]; [`crate::dist`] builds from it.

use std::fmt;
use std::path::PathBuf;

use crate::name::{DistributionName, RollName};
use crate::source::Span;

/// What a tree of packages is built of.
#[derive(Clone, Debug)]
pub struct Build {
    /// Where packages come from, the first first.
    pub sources: Vec<PackageSource>,
    /// Architectures that it is built for; none says those of the hosts that have the distribution.
    pub arches: Vec<(String, Span)>,
    /// The directory of the trees, one below it for each architecture; relative to the inventory.
    pub tree: PathBuf,
    /// The directory of what is fetched from elsewhere and of what was read of packages; relative to the inventory.
    pub mirror: PathBuf,
    /// Packages that are left out of all sources.
    pub exclude: Vec<Pattern>,
    /// Which packages are kept in several versions, and in how many.
    pub several: Vec<(Pattern, u32)>,
    /// Which packages of 32 bits are kept beside those of 64.
    pub multilib: Vec<Pattern>,
    /// Which source, or which version, some packages have to come from.
    pub pins: Vec<Pin>,
    /// Which streams of modules are kept, as `NAME:STREAM`; all, if nothing is said.
    pub streams: Option<Vec<Pattern>>,
    /// Files of groups (comps) that the site adds.
    pub groups: Vec<(PathBuf, Span)>,
    /// Public keys (`OpenPGP`, in ASCII) that packages have to be signed with; with none, signatures are not looked at.
    pub keys: Vec<(PathBuf, Span)>,
    /// What is done with packages that are damaged, misnamed or not signed.
    pub faulty: Faulty,
    /// How packages come into the tree.
    pub links: Links,
    /// How metadata is compressed.
    pub compression: Compression,
}

/// One source of packages.
#[derive(Clone, Debug)]
pub struct PackageSource {
    /// Its name, by which pins and messages call it.
    pub name: String,
    /// Where the packages are.
    pub origin: Origin,
    /// The lower number wins, whatever the versions.
    pub priority: u32,
    /// Packages that are left out.
    pub exclude: Vec<Pattern>,
    /// The only packages that are taken, if it says so.
    pub only: Option<Vec<Pattern>>,
    /// Where it is declared.
    pub span: Span,
}

/// Where the packages of a source are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A repository elsewhere, which `kgen dist mirror` brings here: `http`, `https` or `file`.
    Repository(String),
    /// A directory, relative to the inventory, and all below it.
    Directory(PathBuf),
    /// The tree of another distribution.
    Distribution(DistributionName),
    /// A roll of the description.
    Roll(RollName),
}

/// What some packages have to be.
#[derive(Clone, Debug)]
pub struct Pin {
    /// Which packages.
    pub packages: Pattern,
    /// The source that they come from.
    pub source: Option<String>,
    /// Their version, or version and release.
    pub version: Option<Pattern>,
    /// Where it is declared.
    pub span: Span,
}

impl Faulty {
    /// The words for them in an inventory.
    pub const NAMES: [&'static str; 2] = ["leave-out", "refuse"];
    /// In the order of the words.
    pub const ALL: [Self; 2] = [Self::LeaveOut, Self::Refuse];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl Links {
    /// The words for them in an inventory.
    pub const NAMES: [&'static str; 4] = ["hard", "reflink", "symbolic", "copy"];
    /// In the order of the words.
    pub const ALL: [Self; 4] = [Self::Hard, Self::Reflink, Self::Symbolic, Self::Copy];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl Compression {
    /// The words for them in an inventory.
    pub const NAMES: [&'static str; 2] = ["gzip", "zstd"];
    /// In the order of the words.
    pub const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    /// The word for it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// What is done with packages that are damaged, misnamed or not signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Faulty {
    /// They are told and left out.
    #[default]
    LeaveOut,
    /// Nothing is built.
    Refuse,
}

/// How packages come into a tree. Nothing is copied unless it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// Another name of the same file; on one file system.
    #[default]
    Hard,
    /// A copy that shares its blocks, where the file system can.
    Reflink,
    /// A name that leads to the file, wherever it is.
    Symbolic,
    /// A copy.
    Copy,
}

/// How metadata is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// What every reader knows.
    #[default]
    Gzip,
    /// Smaller and faster; for dnf of Enterprise Linux 8 and later.
    Zstd,
}

/// A name with `*`, `?` and `[..]`, as shells read it.
#[derive(Clone, Debug)]
pub struct Pattern(glob::Pattern);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('/') {
            return Err(format!("`{}` is not the name of packages", text.escape_debug()));
        }
        let read = glob::Pattern::new(text);
        read.map(Self).map_err(|_| format!("`{}` is no pattern: `*`, `?` and `[..]` are known", text.escape_debug()))
    }

    /// Whether it fits the whole text.
    pub fn fits(&self, text: &str) -> bool {
        self.0.matches(text)
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether one of some patterns fits.
pub fn any_fits(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.fits(text))
}
