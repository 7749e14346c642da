//! Distributions that are built of others: those have to be there, and nothing is built of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::action::Distribution;
use crate::inventory::distribution::{Links, Origin};
use crate::name::{DistributionName, suggestion};
use crate::source::Span;

/// Reports distributions that are sources and that are not there, not built, or built of themselves.
pub fn check(distributions: &BTreeMap<DistributionName, Distribution>, diagnostics: &mut Diagnostics) {
    let mut trees: BTreeMap<PathBuf, (&DistributionName, Span)> = BTreeMap::new();
    for (name, distribution) in distributions {
        let Some(build) = &distribution.build else { continue };
        let tree = normal(&build.tree);
        let around = |path: &Path| tree.starts_with(path) || path.starts_with(&tree);
        if let Some((_, (other, place))) = trees.iter().find(|(path, _)| around(path)) {
            let message =
                format!("the tree of the distribution `{name}` is that of `{other}`, or one is inside of the other");
            diagnostics.push(Diagnostic::error(distribution.span, message).related(*place, "the other"));
        }
        if around(&normal(&build.mirror)) {
            let message =
                format!("the `tree` of the distribution `{name}` and its `mirror` are one inside of the other");
            diagnostics.push(Diagnostic::error(distribution.span, message));
        }
        trees.insert(tree.clone(), (name, distribution.span));
        for source in &build.sources {
            let Origin::Directory(path) = &source.origin else { continue };
            let path = normal(path);
            if around(&path) || normal(&build.mirror).starts_with(&path) {
                let message = format!("the source `{}` holds what is made of it, or the other way about", source.name);
                diagnostics.push(Diagnostic::error(source.span, message).hint("keep packages, trees and copies apart"));
            }
        }
        let moving = build
            .sources
            .iter()
            .find(|source| matches!(source.origin, Origin::Repository(_) | Origin::Distribution(_)));
        if let Some(source) = moving.filter(|_| build.links == Links::Symbolic) {
            let message =
                format!("`links` of `{name}` is `symbolic`, but the tree of the source `{}` is exchanged", source.name);
            diagnostics.push(
                Diagnostic::error(source.span, message).hint("`hard`, `reflink` or `copy`: links would lead nowhere"),
            );
        }
        for source in &build.sources {
            let Origin::Distribution(other) = &source.origin else { continue };
            match distributions.get(other.as_str()) {
                None => {
                    let fault = Diagnostic::error(source.span, format!("there is no distribution `{other}`"));
                    let known: Vec<_> = distributions.keys().map(DistributionName::as_str).collect();
                    diagnostics.push(fault.maybe_hint(suggestion(other.as_str(), known)));
                }
                Some(found) if found.build.is_none() => {
                    let message =
                        format!("the distribution `{other}` has no `sources`, so `{name}` cannot be built from it");
                    diagnostics.push(Diagnostic::error(source.span, message).related(found.span, "that distribution"));
                }
                Some(_) => {}
            }
        }
        if let Some(way) = way_back(name, distributions) {
            let drawn: Vec<_> = way.iter().map(DistributionName::as_str).collect();
            let message = format!("the distribution `{name}` is built of itself: {}", drawn.join(" <- "));
            diagnostics.push(Diagnostic::error(distribution.span, message));
        }
    }
}

/// A path without the detours in it.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if normal.components().next_back().is_some_and(|last| matches!(last, Component::Normal(_))) =>
            {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// The distributions that one is built of, directly.
fn parents(name: &DistributionName, distributions: &BTreeMap<DistributionName, Distribution>) -> Vec<DistributionName> {
    let build = distributions.get(name.as_str()).and_then(|found| found.build.as_ref());
    let origins = build.into_iter().flat_map(|build| build.sources.iter().map(|source| source.origin.clone()));
    origins.filter_map(|origin| if let Origin::Distribution(name) = origin { Some(name) } else { None }).collect()
}

/// A way from a distribution through its sources back to itself.
fn way_back(
    start: &DistributionName,
    distributions: &BTreeMap<DistributionName, Distribution>,
) -> Option<Vec<DistributionName>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![start.clone()]];
    while let Some(way) = ways.pop() {
        for parent in parents(way.last()?, distributions) {
            let longer = [way.clone(), vec![parent.clone()]].concat();
            if parent == *start {
                return Some(longer);
            }
            if seen.insert(parent) {
                ways.push(longer);
            }
        }
    }
    None
}
