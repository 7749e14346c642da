//! `kgen dist build`: sources to a tree, for one architecture.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::dist::collect::{Collected, Reading, collect};
use crate::dist::error::DistError;
use crate::dist::groups::is_empty;
use crate::dist::header::hexadecimal;
use crate::dist::installer::{TREE_FILES, images, is_there};
use crate::dist::modular::keep;
use crate::dist::place::Place;
use crate::dist::repodata::write::{Content, write};
use crate::dist::select::{Overridden, Reason, Selection, select};
use crate::dist::tree::{Exchanged, NewTree};
use crate::inventory::Inventory;
use crate::inventory::distribution::{Build, Faulty, Origin};

/// What a build did, for people and programs.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The distribution.
    pub distribution: String,
    /// The architecture.
    pub arch: String,
    /// Where the tree is.
    pub tree: String,
    /// Whether there is another tree now than before.
    pub changed: bool,
    /// How many packages it has.
    pub packages: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them each source gave.
    pub sources: BTreeMap<String, usize>,
    /// Packages that the site leaves out, or that do not run on such machines.
    pub left_out: usize,
    /// Files that should be packages, and were left out.
    pub faulty: usize,
    /// What overrode what.
    pub overridden: Vec<Override>,
}

/// A package that another one stands for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Override {
    /// The one that is not in the tree: name, version, release and architecture.
    pub package: String,
    /// Its source.
    pub source: String,
    /// The one that is; none where a stream of modules is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
    /// Its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_source: Option<String>,
    /// Why.
    pub why: &'static str,
}

/// Builds the tree for one architecture. None where something is wrong that keeps it from being built, which was told.
///
/// # Errors
/// A source is not here, or the disk does not let us; the tree stays as it was.
pub fn build(
    place: Place,
    arch: &str,
    inventory: &Inventory,
    reading: &Reading,
    diagnostics: &mut Diagnostics,
) -> Result<Option<Report>, DistError> {
    let rules = inherited(inventory, place.build);
    let place = Place { build: &rules, ..place };
    let mut collected = collect(place, arch, inventory, reading)?;
    tell_faulty(place, &collected, diagnostics);
    let kept = keep(std::mem::take(&mut collected.documents), place.build.streams.as_deref(), arch);
    let selection = select(&collected.candidates, place.build, &kept, arch);
    tell_selection(place, arch, &collected, &selection, diagnostics);
    tell_empty(place, arch, &collected, &selection, diagnostics);
    if reading.strict {
        diagnostics.make_strict();
    }
    if diagnostics.has_errors() {
        return Ok(None);
    }
    let tree = NewTree::begin(&place.trees(), arch)?;
    let packages = selection.chosen.iter().map(|number| &collected.candidates[*number]);
    let content = Content {
        packages: packages.clone().collect(),
        groups: (!is_empty(&collected.groups)).then(|| collected.groups.clone()),
        updates: std::mem::take(&mut collected.updates),
        modules: kept.text,
        compression: place.build.compression,
    };
    let id = write(tree.path(), &content, reading.cache)?;
    let id = installer(place, &tree, &collected, &id, diagnostics)?;
    for package in &content.packages {
        tree.bring(&package.path, &package.indexed.nevra.location(), place.build.links)?;
    }
    let exchanged = tree.exchange(&id, false)?;
    Ok(Some(report(place, arch, &collected, &selection, exchanged)))
}

/// Brings in what an installer is started from; gives the id of the tree with it.
fn installer(
    place: Place,
    tree: &NewTree,
    collected: &Collected,
    id: &str,
    diagnostics: &mut Diagnostics,
) -> Result<String, DistError> {
    let Some((from, text)) = &collected.installer else { return Ok(id.to_owned()) };
    tree.write(TREE_FILES[0], text.as_bytes())?;
    let mut hasher = Sha256::new_with_prefix(id);
    hasher.update(text);
    for (path, digest) in images(text) {
        if is_there(from, &path, &digest) {
            tree.bring(&from.join(&path), &path, place.build.links)?;
            hasher.update(path);
        } else if let Some(source) = place.build.sources.first() {
            let message = format!("{} is not there, or not what `.treeinfo` has", from.join(&path).display());
            diagnostics.push(Diagnostic::warning(source.span, message));
        }
    }
    Ok(hexadecimal(hasher))
}

/// What a distribution is built by: its own rules, and of those that it is built of how many versions and which other
/// architectures are kept, or its tree would lose what theirs have.
fn inherited(inventory: &Inventory, build: &Build) -> Build {
    let mut rules = build.clone();
    for source in &build.sources {
        let Origin::Distribution(parent) = &source.origin else { continue };
        let parent = inventory.distributions.get(parent.as_str()).and_then(|found| found.build.as_ref());
        if let Some(parent) = parent.map(|parent| inherited(inventory, parent)) {
            rules.several.extend(parent.several);
            rules.multilib.extend(parent.multilib);
        }
    }
    rules
}

fn tell_faulty(place: Place, collected: &Collected, diagnostics: &mut Diagnostics) {
    for faulty in &collected.faults {
        let source = &place.build.sources[faulty.source];
        let message = format!("the package {} of the source `{}` {}", faulty.path.display(), source.name, faulty.fault);
        diagnostics.push(match place.build.faulty {
            Faulty::Refuse => {
                Diagnostic::error(source.span, message).hint("`faulty = \"leave-out\"` builds without it")
            }
            Faulty::LeaveOut => Diagnostic::warning(source.span, format!("{message}; it is left out")),
        });
    }
}

/// A source without packages is probably not mounted; a tree without any would take everything from machines.
fn tell_empty(place: Place, arch: &str, collected: &Collected, selection: &Selection, diagnostics: &mut Diagnostics) {
    let sources = &place.build.sources;
    for (number, source) in sources.iter().enumerate() {
        let has = collected.candidates.iter().any(|candidate| candidate.source == number);
        if !has && !collected.faults.iter().any(|faulty| faulty.source == number) {
            diagnostics.push(Diagnostic::warning(source.span, format!("the source `{}` has no packages", source.name)));
        }
    }
    if let Some(first) = sources.first().filter(|_| selection.chosen.is_empty()) {
        let message = format!("no package is left for the distribution `{}` for {arch}", place.name);
        diagnostics.push(Diagnostic::error(first.span, message).hint("the tree stays as it was"));
    }
}

fn tell_selection(
    place: Place,
    arch: &str,
    collected: &Collected,
    selection: &Selection,
    diagnostics: &mut Diagnostics,
) {
    for (name, pin) in &selection.empty_pins {
        let message =
            format!("nothing is left of `{name}` for {arch}: no package of any source is what it is pinned to");
        diagnostics
            .push(Diagnostic::error(*pin, message).hint("`kgen dist build` without the pin tells which there are"));
    }
    for pin in &selection.idle_pins {
        let message = format!("no source has a package that the pin `{}` is for", pin.0);
        diagnostics.push(Diagnostic::warning(pin.1, message));
    }
    for (stream, artifact) in &selection.missing_artifacts {
        let message = format!("the stream `{stream}` has the package `{artifact}`, but no source has it");
        if let Some(source) = place.build.sources.first() {
            diagnostics.push(Diagnostic::warning(source.span, message));
        }
    }
    for overridden in selection.overridden.iter().filter(|overridden| overridden.why == Reason::Differs) {
        let of = |number: usize| &collected.candidates[number];
        let (loser, Some(winner)) = (of(overridden.loser), overridden.winner.map(of)) else { continue };
        let [first, second] = [winner, loser].map(|candidate| &place.build.sources[candidate.source]);
        let message = format!(
            "`{}` of the source `{}` has other content than that of `{}`, which counts",
            loser.indexed.nevra, second.name, first.name
        );
        diagnostics.push(Diagnostic::warning(second.span, message));
    }
}

fn report(place: Place, arch: &str, collected: &Collected, selection: &Selection, exchanged: Exchanged) -> Report {
    let mut sources: BTreeMap<String, usize> = BTreeMap::new();
    for source in &place.build.sources {
        sources.insert(source.name.clone(), 0);
    }
    let chosen = || selection.chosen.iter().map(|number| &collected.candidates[*number]);
    for candidate in chosen() {
        *sources.entry(place.build.sources[candidate.source].name.clone()).or_default() += 1;
    }
    let mut overridden: Vec<Override> =
        selection.overridden.iter().map(|found| shown(place, collected, found)).collect();
    overridden.sort();
    Report {
        distribution: place.name.to_string(),
        arch: arch.to_owned(),
        tree: place.tree(arch).display().to_string(),
        changed: exchanged == Exchanged::New,
        packages: selection.chosen.len(),
        bytes: chosen().map(|candidate| candidate.indexed.size).sum(),
        sources,
        left_out: selection.left_out,
        faulty: collected.faults.len(),
        overridden,
    }
}

fn shown(place: Place, collected: &Collected, overridden: &Overridden) -> Override {
    let package = |number: usize| collected.candidates[number].indexed.nevra.to_string();
    let source = |number: usize| place.build.sources[collected.candidates[number].source].name.clone();
    Override {
        package: package(overridden.loser),
        source: source(overridden.loser),
        instead: overridden.winner.map(package),
        instead_source: overridden.winner.map(source),
        why: overridden.why.words(),
    }
}
