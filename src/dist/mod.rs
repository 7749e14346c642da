//! Distributions: packages from many sources become one tree to install from, held against what the graph asks for.
//!
//! Building, in order: [`collect`] finds the packages of each source ([`header`] reads a file, once: [`cache`]),
//! [`select`] decides which of them count, [`tree`] links them and [`repodata::write`] indexes them. [`mirror`] brings
//! repositories here that are elsewhere ([`fetch`]).
//!
//! Checking: [`repodata::read`] reads the index of a tree into a [`universe`] of packages, [`solve`] finds what has to be
//! installed for a list of them, and [`check`] asks that for what the profiles of hosts want. [`compare`] tells two
//! trees apart.

pub mod build;
pub mod cache;
pub mod check;
pub mod clauses;
pub mod collect;
pub mod compare;
pub mod error;
pub mod explain;
pub mod fetch;
pub mod formula;
pub mod groups;
pub mod header;
pub mod installer;
pub mod mirror;
pub mod modular;
pub mod nevra;
pub mod package;
pub mod place;
pub mod relation;
pub mod repodata;
pub mod select;
pub mod signature;
pub mod solve;
pub mod transfer;
pub mod tree;
pub mod universe;
pub mod wanted;
