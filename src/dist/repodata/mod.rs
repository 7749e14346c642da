//! The index of a tree of packages, as dnf reads it (`repodata/repomd.xml` and what that names).

pub mod bounded;
pub mod list;
pub mod read;
pub mod sound;
pub mod write;

/// The directory of the index in a tree.
pub const FOLDER: &str = "repodata";
/// The file that names all others.
pub const REPOMD: &str = "repodata/repomd.xml";
