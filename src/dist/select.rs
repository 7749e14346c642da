//! Which packages of all sources count: pure, so that it can be tried without a file.
//!
//! In this order: what the site leaves out; pins; of each name the source of the lowest priority; of each name and
//! architecture the newest, or the newest several; of the same version the first source. Packages of a stream of
//! modules are not compared: the stream decides.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::dist::header::Indexed;
use crate::dist::modular::{Kept, artifact};
use crate::dist::nevra::{Nevra, is_foreign, rank};
use crate::inventory::distribution::{Build, Pattern, Pin, any_fits};
use crate::source::Span;

/// A package that a source has.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it is.
    pub indexed: Indexed,
    /// Where it is.
    pub path: PathBuf,
    /// The number of its source.
    pub source: usize,
}

/// Why a package is not in the tree though one of its name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// There is a newer one.
    Older,
    /// Another source has it too.
    Twice,
    /// Another source has it too, with other content.
    Differs,
    /// A source that counts more has one.
    Priority,
    /// The site wants another.
    Pinned,
    /// It is of a stream that is not kept, or of an older version of one.
    Stream,
}

impl Reason {
    /// In words, after `instead of`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Older => "newer",
            Self::Twice => "the same, first source",
            Self::Differs => "the same version with other content, first source",
            Self::Priority => "priority",
            Self::Pinned => "pinned",
            Self::Stream => "stream",
        }
    }
}

/// A package that another one stands for.
#[derive(Clone, Debug)]
pub struct Overridden {
    /// The one that counts; none where a stream is not kept.
    pub winner: Option<usize>,
    /// The one that does not.
    pub loser: usize,
    /// Why.
    pub why: Reason,
}

/// Which candidates count.
#[derive(Debug, Default)]
pub struct Selection {
    /// Their numbers, ordered by where they lie in the tree.
    pub chosen: Vec<usize>,
    /// What overrode what.
    pub overridden: Vec<Overridden>,
    /// How many were left out because the site says so, or because they do not run on such machines.
    pub left_out: usize,
    /// Pins that fit packages and left none of them.
    pub empty_pins: Vec<(String, Span)>,
    /// Pins that fit nothing.
    pub idle_pins: Vec<(String, Span)>,
    /// Streams that are kept, and packages of them that no source has.
    pub missing_artifacts: Vec<(String, String)>,
}

/// Decides for one architecture.
pub fn select(candidates: &[Candidate], build: &Build, kept: &Kept, arch: &str) -> Selection {
    let mut selection = Selection::default();
    let mut by_name: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
    let mut in_streams = Vec::new();
    for (number, candidate) in candidates.iter().enumerate() {
        if !is_taken(candidate, build, arch) {
            selection.left_out += 1;
            continue;
        }
        let name = artifact(&candidate.indexed.nevra);
        if kept.artifacts.contains(&name) {
            in_streams.push(number);
        } else if kept.dropped.contains(&name) {
            selection.overridden.push(Overridden { winner: None, loser: number, why: Reason::Stream });
        } else {
            by_name.entry(Arc::clone(&candidate.indexed.nevra.name)).or_default().push(number);
        }
    }
    for pin in build.pins.iter().filter(|pin| !by_name.keys().any(|name| pin.packages.fits(name))) {
        selection.idle_pins.push((pin.packages.to_string(), pin.span));
    }
    for (name, numbers) in by_name {
        let (numbers, pinned) = pinned(candidates, numbers, build, &name, &mut selection);
        let (numbers, outranked) = by_priority(candidates, numbers, build);
        let chosen = newest(candidates, numbers, build, &name, &mut selection);
        for (losers, why) in [(pinned, Reason::Pinned), (outranked, Reason::Priority)] {
            let lost =
                losers.into_iter().map(|loser| Overridden { winner: winner(candidates, &chosen, loser), loser, why });
            selection.overridden.extend(lost);
        }
        selection.chosen.extend(chosen);
    }
    let streams = once_each(candidates, in_streams, &mut selection);
    missing_artifacts(candidates, &streams, kept, &mut selection);
    selection.chosen.extend(streams);
    one_for_each_place(candidates, &mut selection);
    selection
}

/// The name of a file has no epoch: of two that differ in nothing else, the newer is taken.
fn one_for_each_place(candidates: &[Candidate], selection: &mut Selection) {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for number in std::mem::take(&mut selection.chosen) {
        let nevra = &candidates[number].indexed.nevra;
        let known = places.get(&nevra.location()).copied();
        let newer = known.is_none_or(|known| nevra.evr > candidates[known].indexed.nevra.evr);
        if let Some(known) = known {
            let (winner, loser) = if newer { (number, known) } else { (known, number) };
            selection.overridden.push(Overridden { winner: Some(winner), loser, why: Reason::Older });
        }
        if newer {
            places.insert(nevra.location(), number);
        }
    }
    selection.chosen = places.into_values().collect();
}

/// Whether it runs on such machines and the site does not leave it out.
fn is_taken(candidate: &Candidate, build: &Build, arch: &str) -> bool {
    let Nevra { name, arch: own, .. } = &candidate.indexed.nevra;
    let source = &build.sources[candidate.source];
    let runs = rank(own, arch).is_some() && (!is_foreign(own, arch) || any_fits(&build.multilib, name));
    let only = source.only.as_ref().is_none_or(|only| any_fits(only, name));
    runs && only && !any_fits(&source.exclude, name) && !any_fits(&build.exclude, name)
}

/// What pins leave, and what they do not.
fn pinned(
    candidates: &[Candidate],
    numbers: Vec<usize>,
    build: &Build,
    name: &str,
    selection: &mut Selection,
) -> (Vec<usize>, Vec<usize>) {
    let pins: Vec<&Pin> = build.pins.iter().filter(|pin| pin.packages.fits(name)).collect();
    if pins.is_empty() {
        return (numbers, Vec::new());
    }
    let fits = |number: &usize| {
        let candidate = &candidates[*number];
        pins.iter().all(|pin| {
            let source = &build.sources[candidate.source].name;
            pin.source.as_ref().is_none_or(|wanted| wanted == source)
                && pin.version.as_ref().is_none_or(|version| fits_version(version, &candidate.indexed.nevra))
        })
    };
    let (left, lost): (Vec<usize>, Vec<usize>) = numbers.into_iter().partition(fits);
    if let Some(pin) = pins.first().filter(|_| left.is_empty()) {
        selection.empty_pins.push((name.to_owned(), pin.span));
    }
    (left, lost)
}

fn fits_version(pattern: &Pattern, nevra: &Nevra) -> bool {
    let evr = &nevra.evr;
    let release = format!("{}-{}", evr.version, evr.release);
    [evr.version.to_string(), release.clone(), format!("{}:{release}", evr.epoch)].iter().any(|text| pattern.fits(text))
}

fn by_priority(candidates: &[Candidate], numbers: Vec<usize>, build: &Build) -> (Vec<usize>, Vec<usize>) {
    let priority = |number: &usize| build.sources[candidates[*number].source].priority;
    let Some(lowest) = numbers.iter().map(priority).min() else { return (numbers, Vec::new()) };
    numbers.into_iter().partition(|number| priority(number) == lowest)
}

/// Of each architecture the newest, or as many as the site keeps.
fn newest(
    candidates: &[Candidate],
    numbers: Vec<usize>,
    build: &Build,
    name: &str,
    selection: &mut Selection,
) -> Vec<usize> {
    let kept = build.several.iter().find(|(pattern, _)| pattern.fits(name)).map_or(1, |(_, number)| *number as usize);
    let mut by_arch: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for number in once_each(candidates, numbers, selection) {
        by_arch.entry(&candidates[number].indexed.nevra.arch).or_default().push(number);
    }
    let mut chosen = Vec::new();
    for mut numbers in by_arch.into_values() {
        numbers.sort_by(|one, other| candidates[*other].indexed.nevra.evr.cmp(&candidates[*one].indexed.nevra.evr));
        let old = numbers.split_off(kept.min(numbers.len()));
        let winner = numbers.first().copied();
        selection.overridden.extend(old.into_iter().map(|loser| Overridden { winner, loser, why: Reason::Older }));
        chosen.extend(numbers);
    }
    chosen
}

/// Of what several sources have, that of the first.
fn once_each(candidates: &[Candidate], mut numbers: Vec<usize>, selection: &mut Selection) -> Vec<usize> {
    numbers.sort_by_key(|number| (candidates[*number].source, candidates[*number].path.clone()));
    let mut first: BTreeMap<&Nevra, usize> = BTreeMap::new();
    for number in numbers {
        let indexed = &candidates[number].indexed;
        match first.get(&indexed.nevra).copied() {
            None => drop(first.insert(&indexed.nevra, number)),
            Some(winner) => {
                let same = candidates[winner].indexed.sha256 == indexed.sha256;
                let why = if same { Reason::Twice } else { Reason::Differs };
                selection.overridden.push(Overridden { winner: Some(winner), loser: number, why });
            }
        }
    }
    first.into_values().collect()
}

/// The chosen one of the same architecture, else of the same name.
fn winner(candidates: &[Candidate], chosen: &[usize], loser: usize) -> Option<usize> {
    let arch = &candidates[loser].indexed.nevra.arch;
    let same = chosen.iter().find(|number| candidates[**number].indexed.nevra.arch == *arch);
    same.or_else(|| chosen.first()).copied()
}

/// A stream of which a package is missing cannot be installed. What no source has of source packages and of other
/// architectures is not missed.
fn missing_artifacts(candidates: &[Candidate], chosen: &[usize], kept: &Kept, selection: &mut Selection) {
    let there: BTreeSet<String> = chosen.iter().map(|number| artifact(&candidates[*number].indexed.nevra)).collect();
    let arches: BTreeSet<&str> = chosen.iter().map(|number| &*candidates[*number].indexed.nevra.arch).collect();
    for (stream, artifacts) in &kept.streams {
        for artifact in artifacts.difference(&there) {
            if artifact.rsplit_once('.').is_some_and(|(_, arch)| arches.contains(arch)) {
                selection.missing_artifacts.push((stream.clone(), artifact.clone()));
            }
        }
    }
}
