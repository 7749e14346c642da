//! What hosts ask for against what their distribution has: everything there, everything that it requires there, nothing
//! that cannot be together. Reads profiles and the index of a tree; runs no program and asks nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::dist::error::DistError;
use crate::dist::explain::{Closure, clash};
use crate::dist::place::Place;
use crate::dist::repodata::REPOMD;
use crate::dist::solve::{Answer, Cause, Request, solve};
use crate::dist::universe::{Id, Universe};
use crate::dist::wanted::{self, Found, look_up, streams};
use crate::generation::{Generation, counted};
use crate::inventory::Host;
use crate::name::{DistributionName, HostName};
use crate::profile::Profile;
use crate::source::Span;

/// The group that installers take without being asked.
const CORE: &str = "@core";
/// How many clashes of one list are told.
const MAX_CLASHES: usize = 10;

/// Hosts that install the same from the same tree.
pub struct Group<'g> {
    /// Their distribution.
    pub distribution: &'g DistributionName,
    /// Their architecture.
    pub arch: Arc<str>,
    /// The hosts.
    pub hosts: Vec<&'g Host>,
    /// What they are to become.
    pub profile: &'g Profile,
}

/// Hosts by variant, distribution and architecture; those of distributions that are not built here are left out.
pub fn groups(generation: &Generation) -> Vec<Group<'_>> {
    let inventory = &generation.inventory;
    let mut groups: BTreeMap<(usize, &DistributionName, Arc<str>), Vec<&Host>> = BTreeMap::new();
    for host in inventory.hosts.values() {
        let Some(name) = &host.distribution else { continue };
        let built = inventory.distributions.get(name.as_str()).is_some_and(|found| found.build.is_some());
        let Some(variant) = generation.variant_number(host).filter(|_| built) else { continue };
        groups.entry((variant, name, Arc::clone(&host.arch))).or_default().push(host);
    }
    let profile = |variant: usize| &generation.variants[variant].profile;
    let groups = groups.into_iter();
    groups
        .map(|((variant, distribution, arch), hosts)| Group { distribution, arch, hosts, profile: profile(variant) })
        .collect()
}

/// Files that hosts of a distribution ask for by their paths.
pub fn files_asked(generation: &Generation, name: &DistributionName) -> BTreeSet<Arc<str>> {
    let groups = groups(generation).into_iter().filter(|group| group.distribution == name);
    let names = groups.flat_map(|group| group.profile.packages.keys());
    names.filter(|name| name.starts_with('/')).map(|name| Arc::from(name.as_str())).collect()
}

/// The trees of distributions, each read once.
#[derive(Debug, Default)]
pub struct Trees {
    read: BTreeMap<(DistributionName, Arc<str>), Option<Universe>>,
}

impl Trees {
    /// Reads the tree of a distribution for an architecture; none where it was not built yet.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn universe(
        &mut self,
        generation: &Generation,
        directory: &Path,
        name: &DistributionName,
        arch: &Arc<str>,
    ) -> Result<Option<&Universe>, DistError> {
        let key = (name.clone(), Arc::clone(arch));
        if !self.read.contains_key(&key) {
            let distribution = generation.inventory.distributions.get_key_value(name.as_str());
            let place = distribution.and_then(|(name, found)| Place::of(directory, name, found));
            let tree = place.map(|place| place.tree(arch)).filter(|tree| tree.join(REPOMD).is_file());
            let files = files_asked(generation, name);
            let universe = tree.map(|tree| Universe::read(&tree, arch, &files)).transpose()?;
            self.read.insert(key.clone(), universe);
        }
        Ok(self.read.get(&key).and_then(Option::as_ref))
    }
}

/// How much was held against trees.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checked {
    /// Hosts.
    pub hosts: usize,
    /// Different lists of packages that they have.
    pub lists: usize,
}

/// Reports everything that hosts ask for and cannot install. A tree that is not there yet is as bad as `not_built`.
///
/// # Errors
/// A tree is there and cannot be read.
pub fn check(
    generation: &Generation,
    directory: &Path,
    not_built: Severity,
    diagnostics: &mut Diagnostics,
) -> Result<Checked, DistError> {
    let mut trees = Trees::default();
    let mut checked = Checked::default();
    let mut told = BTreeSet::new();
    for group in groups(generation) {
        match trees.universe(generation, directory, group.distribution, &group.arch)? {
            Some(universe) => {
                let mut found = Diagnostics::default();
                resolve(&group, universe, &mut found);
                let names: Vec<HostName> = group.hosts.iter().map(|host| host.name.clone()).collect();
                found.name_hosts(&counted(&names));
                diagnostics.append(found);
                checked.lists += 1;
                checked.hosts += group.hosts.len();
            }
            None if told.insert((group.distribution, Arc::clone(&group.arch))) => {
                diagnostics.push(report_not_built(generation, &group).severity(not_built));
            }
            None => {}
        }
    }
    Ok(checked)
}

fn report_not_built(generation: &Generation, group: &Group) -> Diagnostic {
    let (name, arch) = (group.distribution, &group.arch);
    let message = format!("the distribution `{name}` is not built for {arch} yet, so packages are not checked");
    let place = generation.inventory.distributions.get(name.as_str()).map(|found| found.span);
    let hint = format!("kgen dist build {name}");
    Diagnostic::warning(place.unwrap_or(group.hosts[0].span), message).hint(hint)
}

/// What a list of packages comes to.
#[derive(Debug, Default)]
pub struct Resolved {
    /// Packages that are to be installed, by number.
    pub installed: Vec<Id>,
    /// Of these, those that are asked for.
    pub asked: BTreeSet<Id>,
}

/// One thing that a profile asks for.
struct Asked<'p> {
    name: &'p str,
    span: Option<Span>,
    ids: Vec<Id>,
}

/// Finds what hosts of a group install; what is wrong is reported at the element that asks.
pub fn resolve(group: &Group, universe: &Universe, diagnostics: &mut Diagnostics) -> Resolved {
    if universe.modules.is_empty() {
        return resolve_in(group, universe, diagnostics);
    }
    let names = group.profile.packages.iter().filter(|(_, package)| package.is_on()).map(|(name, _)| name.as_str());
    let enabled = universe.with_streams(&streams(names, universe));
    let mut resolved = resolve_in(group, &enabled, diagnostics);
    // Numbers are those of the universe that was given.
    let known: BTreeMap<_, Id> =
        universe.packages.iter().zip(0..).map(|(package, id)| (&package.location, id)).collect();
    let outer = |id: &Id| known.get(&enabled.package(*id).location).copied();
    resolved.installed = resolved.installed.iter().filter_map(outer).collect();
    resolved.asked = resolved.asked.iter().filter_map(outer).collect();
    resolved
}

fn resolve_in(group: &Group, universe: &Universe, diagnostics: &mut Diagnostics) -> Resolved {
    let off = taken_off(group.profile, universe);
    let mut asked = asked(group, universe, diagnostics);
    obsolete(&asked, universe, diagnostics);
    let missing = missing(&mut asked, universe, &off, diagnostics);
    for _ in 0..MAX_CLASHES {
        let request = Request {
            wanted: asked.iter().map(|asked| asked.ids.clone()).collect(),
            off: off.keys().copied().collect(),
            weak: !missing,
        };
        match solve(universe, &request) {
            Answer::Install(installed) => {
                let wanted: BTreeSet<Id> = asked.iter().flat_map(|asked| asked.ids.iter().copied()).collect();
                let asked = installed.iter().copied().filter(|id| wanted.contains(id)).collect();
                return Resolved { installed, asked };
            }
            Answer::Impossible(causes) => {
                let culprit = culprit(&causes, &asked);
                report_clash(&asked, culprit, &causes, universe, diagnostics);
                asked.remove(culprit.min(asked.len().saturating_sub(1)));
                if asked.is_empty() {
                    break;
                }
            }
            Answer::Unknown => {
                let place = asked.first().and_then(|asked| asked.span).unwrap_or(group.hosts[0].span);
                let message = "whether all packages can be installed together was not found out";
                diagnostics.push(Diagnostic::warning(place, message).for_some_hosts());
                break;
            }
        }
    }
    Resolved::default()
}

/// Packages that are not to be there, each with the element that says so.
fn taken_off(profile: &Profile, universe: &Universe) -> BTreeMap<Id, Option<Span>> {
    let mut off = BTreeMap::new();
    for (name, package) in profile.packages.iter().filter(|(name, package)| !package.is_on() && !name.starts_with('@'))
    {
        let place = package.unwanted.first().map(|request| request.span);
        off.extend(wanted::taken_off(name, universe).into_iter().map(|id| (id, place)));
    }
    off
}

/// Groups that are not to be there.
fn groups_off(profile: &Profile) -> BTreeSet<&str> {
    let off = profile.packages.iter().filter(|(_, package)| !package.is_on());
    off.filter_map(|(name, _)| name.strip_prefix('@')).collect()
}

/// Everything that is asked for and is there; what is not there is reported.
fn asked<'p>(group: &Group<'p>, universe: &Universe, diagnostics: &mut Diagnostics) -> Vec<Asked<'p>> {
    let mut asked: Vec<Asked> = Vec::new();
    let off = groups_off(group.profile);
    for (name, package) in group.profile.packages.iter().filter(|(_, package)| package.is_on()) {
        let place = package.request().map(|request| request.span);
        match look_up(name, universe, &off) {
            Found::Packages(lists) => asked.extend(lists.into_iter().map(|ids| Asked { name, span: place, ids })),
            Found::Nothing(what, hint) => {
                let Some(place) = place else { continue };
                let message = format!("{what} is not in the distribution `{}` for {}", group.distribution, group.arch);
                diagnostics.push(Diagnostic::error(place, message).maybe_hint(hint).for_some_hosts());
            }
        }
    }
    if let Found::Packages(lists) = look_up(CORE, universe, &off) {
        // Who asks for the same by name is the one to be told.
        let new = lists.into_iter().filter(|ids| !asked.iter().any(|asked| asked.ids == *ids)).collect::<Vec<_>>();
        asked.extend(new.into_iter().map(|ids| Asked { name: CORE, span: None, ids }));
    }
    asked
}

/// What another package stands instead of is not what gets installed.
fn obsolete(asked: &[Asked], universe: &Universe, diagnostics: &mut Diagnostics) {
    for asked in asked {
        let (Some(place), Some(new)) = (asked.span, asked.ids.first()) else { continue };
        let Some(old) = asked.ids.iter().find(|id| universe.obsoleters(**id).contains(new)) else { continue };
        let (old, new) = (&universe.package(*old).nevra, &universe.package(*new).nevra);
        let message = format!("`{old}` is obsoleted by `{new}`, which is installed instead");
        let hint = format!("ask for `{}`, or leave one of them out of the distribution", new.name);
        diagnostics.push(Diagnostic::note(place, message).hint(hint).for_some_hosts());
    }
}

/// Takes from the list what requires something that is not there, and reports it; gives whether there was anything to be
/// reported.
fn missing(
    asked: &mut Vec<Asked>,
    universe: &Universe,
    off: &BTreeMap<Id, Option<Span>>,
    diagnostics: &mut Diagnostics,
) -> bool {
    let start: Vec<Id> = asked.iter().flat_map(|asked| asked.ids.iter().copied()).collect();
    let closure = Closure::new(universe, &start, &off.keys().copied().collect());
    let mut told = false;
    asked.retain(|asked| {
        let Some(chain) = closure.chain(universe, &asked.ids) else { return true };
        // The installer leaves out what a group has and the list takes off, and takes @core only as far as it is there.
        let of_group = asked.name.starts_with('@') && chain.steps.is_empty();
        if let Some(place) = asked.span.filter(|_| !of_group) {
            let message = format!("`{}` cannot be installed: {}", asked.name, chain.text(universe));
            let fault = Diagnostic::error(place, message).for_some_hosts();
            let taken = chain.off.and_then(|id| *off.get(&id)?);
            told = true;
            diagnostics.push(match taken {
                Some(taken) => fault.related(taken, "taken off here"),
                None => fault,
            });
        }
        false
    });
    told
}

/// The last of what somebody asks for that takes part in a clash.
fn culprit(causes: &[Cause], asked: &[Asked]) -> usize {
    let number = |cause: &Cause| if let Cause::Wanted(number) = cause { Some(*number) } else { None };
    let named = |number: &usize| asked.get(*number).is_some_and(|asked| asked.span.is_some());
    let numbers = || causes.iter().filter_map(number);
    numbers().filter(named).max().or_else(|| numbers().max()).unwrap_or(asked.len().saturating_sub(1))
}

fn report_clash(asked: &[Asked], culprit: usize, causes: &[Cause], universe: &Universe, diagnostics: &mut Diagnostics) {
    let wanted = |cause: &Cause| if let Cause::Wanted(number) = cause { Some(*number) } else { None };
    let others =
        causes.iter().filter_map(wanted).filter(|number| *number != culprit).filter_map(|number| asked.get(number));
    let Some(last) = asked.get(culprit) else { return };
    let others: Vec<&Asked> = others.collect();
    let Some(place) = last.span.or_else(|| others.iter().find_map(|other| other.span)) else { return };
    let why = clash(causes, universe);
    let names: BTreeSet<String> = others.iter().map(|other| format!("`{}`", other.name)).collect();
    let names: Vec<String> = names.into_iter().take(4).collect();
    let with = if names.is_empty() { String::new() } else { format!(" together with {}", names.join(", ")) };
    let message = format!("`{}` cannot be installed{with}: {why}", last.name);
    let mut fault = Diagnostic::error(place, message).for_some_hosts();
    for other in others.iter().filter(|other| other.span != Some(place)).take(2) {
        if let Some(span) = other.span {
            fault = fault.related(span, format!("asks for `{}`", other.name));
        }
    }
    diagnostics.push(fault);
}
