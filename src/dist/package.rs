//! A package as the index of a tree describes it.

use std::sync::Arc;

use crate::dist::nevra::Nevra;
use crate::dist::relation::{Comparison, Relation};

/// A checksum as metadata states it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digested {
    /// `sha256`, `sha512`, ..
    pub kind: String,
    /// In hexadecimal, small letters.
    pub value: String,
}

impl Digested {
    /// A checksum of a kind that is trusted; it names files, so that nothing else may be in it.
    pub fn new(kind: &str, value: &str) -> Option<Self> {
        let digits = match kind.to_ascii_lowercase().as_str() {
            "sha224" => 56,
            "sha256" => 64,
            "sha384" => 96,
            "sha512" => 128,
            _ => return None,
        };
        let plain = value.len() == digits && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| Self { kind: kind.to_ascii_lowercase(), value: value.to_ascii_lowercase() })
    }
}

/// A package as the index of its tree describes it.
#[derive(Clone, Debug)]
pub struct Package {
    /// What it is.
    pub nevra: Nevra,
    /// The checksum of its file.
    pub digest: Digested,
    /// Its place in the tree.
    pub location: String,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes on the disk of a machine.
    pub installed: u64,
    /// What it offers.
    pub provides: Vec<Relation>,
    /// What it cannot be without.
    pub requires: Vec<Relation>,
    /// What it cannot be with.
    pub conflicts: Vec<Relation>,
    /// What it stands instead of: packages by name.
    pub obsoletes: Vec<Relation>,
    /// What it is better with.
    pub recommends: Vec<Relation>,
    /// What it is better installed with: it comes in by itself where these are there.
    pub supplements: Vec<Relation>,
    /// Files; those that packages are usually asked for.
    pub files: Vec<Arc<str>>,
}

impl Package {
    /// One that says nothing yet.
    pub fn new(nevra: Nevra, digest: Digested) -> Self {
        Self {
            nevra,
            digest,
            location: String::new(),
            size: 0,
            installed: 0,
            provides: Vec::new(),
            requires: Vec::new(),
            conflicts: Vec::new(),
            obsoletes: Vec::new(),
            recommends: Vec::new(),
            supplements: Vec::new(),
            files: Vec::new(),
        }
    }

    /// What it is, as a relation that it meets.
    pub fn itself(&self) -> Relation {
        Relation { name: Arc::clone(&self.nevra.name), version: Some((Comparison::Equal, self.nevra.evr.clone())) }
    }
}
