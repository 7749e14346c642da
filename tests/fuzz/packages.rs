//! What fuzzing enters distributions by: a file that should be a package, and the files of an index. Apart from the other
//! entries, because a compiler without distributions has none of this.

use std::sync::Arc;

use kgen::dist::formula::formula;
use kgen::dist::groups;
use kgen::dist::header::parse_bytes;
use kgen::dist::modular::documents;
use kgen::dist::nevra::{Evr, compare_versions};
use kgen::dist::relation::Relation;
use kgen::dist::repodata::list::packages_of;
use kgen::dist::repodata::read::Index;
use kgen::dist::universe::Universe;

/// A package.
pub fn package(data: &[u8]) {
    if let Ok(nevra) = parse_bytes(data) {
        let location = nevra.location();
        assert!(location.starts_with("Packages/") && !location.contains("..") && location.split('/').count() == 3);
    }
}

/// `repomd.xml`, the list of packages, groups, documents of modules: each is tried as any of them.
pub fn metadata(data: &[u8]) {
    if let Ok(index) = Index::parse(data, "repomd.xml") {
        assert!(index.records.iter().all(|record| !record.location.contains("..")));
    }
    if let Ok(packages) = packages_of(data, "primary.xml") {
        let universe = Universe::new(packages, "x86_64");
        for package in &universe.packages {
            for relation in package.requires.iter().chain(&package.conflicts) {
                let _ = universe.providers(relation);
                let _ = formula(relation, &universe).map(|formula| formula.clauses(true));
            }
        }
    }
    if let Ok(text) = str::from_utf8(data) {
        let _ = groups::parse(text);
        let _ = documents(text, 0);
        let relation = Relation { name: Arc::from(format!("({text})")), version: None };
        let _ = formula(&relation, &Universe::default()).map(|formula| formula.clauses(false));
        let (one, other) = text.split_at(text.floor_char_boundary(text.len() / 2));
        assert_eq!(compare_versions(one, other), compare_versions(other, one).reverse());
        let _ = Evr::parse(text).to_string();
    }
}
