//! What a kickstart asks for, as packages of a universe: `%packages` knows names, `NAME.ARCH`, patterns, files, what
//! packages provide, `@GROUP`, `@^ENVIRONMENT` and `@MODULE:STREAM`.

use std::collections::{BTreeMap, BTreeSet};

use crate::dist::groups::{environment, group};
use crate::dist::nevra::is_foreign;
use crate::dist::relation::Relation;
use crate::dist::universe::{Id, Universe};
use crate::inventory::distribution::Pattern;
use crate::name::{nearest, suggestion};

/// What a name stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Of each list one package, the preferred first.
    Packages(Vec<Vec<Id>>),
    /// Nothing; in words, and what it may have been meant for.
    Nothing(String, Option<String>),
}

/// Looks a name up; `off` are groups that are left out of environments.
pub fn look_up(name: &str, universe: &Universe, off: &BTreeSet<&str>) -> Found {
    if let Some(name) = name.strip_prefix("@^") {
        return in_environment(name, universe, off);
    }
    let Some(name) = name.strip_prefix('@') else { return package(name, universe) };
    let is_module = group(&universe.groups, name).is_none() && universe.modules.stream(name).is_some();
    if is_module || name.contains(':') { in_stream(name, universe) } else { in_group(name, universe) }
}

/// The streams of modules that a list of names asks for, by module.
pub fn streams<'n>(names: impl Iterator<Item = &'n str>, universe: &Universe) -> BTreeMap<String, String> {
    names.filter_map(|name| universe.modules.stream(name.strip_prefix('@')?)).collect()
}

/// Packages that a name takes off a list.
pub fn taken_off(name: &str, universe: &Universe) -> Vec<Id> {
    let fits = Pattern::new(name).ok();
    let is_meant = |id: &Id| {
        let nevra = &universe.package(*id).nevra;
        let with_arch = format!("{}.{}", nevra.name, nevra.arch);
        fits.as_ref().is_some_and(|fits| fits.fits(&nevra.name) || fits.fits(&with_arch))
    };
    (0..).take(universe.packages.len()).filter(is_meant).collect()
}

fn package(name: &str, universe: &Universe) -> Found {
    let found = candidates(name, universe);
    if !found.is_empty() {
        return Found::Packages(vec![found]);
    }
    if name.contains(['*', '?', '[']) {
        let all = match Pattern::new(name) {
            Ok(pattern) => {
                universe.names().filter(|name| pattern.fits(name)).map(|name| candidates(name, universe)).collect()
            }
            Err(_) => Vec::new(),
        };
        if !all.is_empty() {
            return Found::Packages(all);
        }
    }
    let provided = universe.providers(&Relation { name: name.into(), version: None });
    if !provided.is_empty() {
        let mut provided = provided;
        universe.prefer(&mut provided, name);
        return Found::Packages(vec![provided]);
    }
    let hint = other_name(name, universe);
    Found::Nothing(format!("the package `{name}`"), hint)
}

/// Packages of a name, or of a name and an architecture, or a version; those of another kind of machine only where there
/// are no others. Whoever stands instead of the best of them is before it.
fn candidates(name: &str, universe: &Universe) -> Vec<Id> {
    let arch_of = |id: &Id| &*universe.package(*id).nevra.arch;
    let mut ids = universe.named(name).to_vec();
    if ids.iter().any(|id| !is_foreign(arch_of(id), &universe.arch)) {
        ids.retain(|id| !is_foreign(arch_of(id), &universe.arch));
    }
    if ids.is_empty() {
        ids = exact(name, universe);
    }
    universe.prefer(&mut ids, name);
    // Nobody gets a package of another kind of machine instead.
    let is_kind = |id: &Id| {
        ids.first()
            .is_some_and(|best| !is_foreign(arch_of(id), &universe.arch) || is_foreign(arch_of(best), &universe.arch))
    };
    let mut all: Vec<Id> = ids.first().map(|best| universe.obsoleters(*best).to_vec()).unwrap_or_default();
    all.retain(is_kind);
    universe.prefer(&mut all, name);
    let others = ids.iter().flat_map(|id| universe.obsoleters(*id)).copied().filter(is_kind);
    let others: Vec<Id> = ids.iter().copied().chain(others).collect();
    for id in others {
        if !all.contains(&id) {
            all.push(id);
        }
    }
    all
}

/// `NAME.ARCH`, `NAME-VERSION`, `NAME-VERSION-RELEASE`, `NAME-VERSION-RELEASE.ARCH`, the version with an epoch or without.
fn exact(text: &str, universe: &Universe) -> Vec<Id> {
    let splits = text.char_indices().filter(|(_, c)| matches!(c, '.' | '-')).map(|(at, _)| &text[..at]);
    let ids = splits.flat_map(|name| universe.named(name)).copied();
    let is_meant = |id: &Id| {
        let nevra = &universe.package(*id).nevra;
        let (name, evr, arch) = (&nevra.name, &nevra.evr, &nevra.arch);
        let versions = [evr.version.to_string(), format!("{}-{}", evr.version, evr.release)];
        let versions = versions.into_iter().flat_map(|version| [format!("{}:{version}", evr.epoch), version]);
        let forms = versions.flat_map(|version| [format!("{name}-{version}"), format!("{name}-{version}.{arch}")]);
        forms.chain([format!("{name}.{arch}")]).any(|form| form == text)
    };
    ids.filter(is_meant).collect()
}

/// What the name was probably meant for: the same in another case, one that it is the beginning of, or a near one.
fn other_name(name: &str, universe: &Universe) -> Option<String> {
    if let Some(near) = nearest(name, universe.names()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let longer: Vec<_> = universe.names().filter(|other| name.len() > 2 && other.starts_with(name)).take(4).collect();
    let longer: Vec<_> = longer.iter().map(|name| format!("`{name}`")).collect();
    (!longer.is_empty()).then(|| format!("there are {}", longer.join(", ")))
}

fn in_group(name: &str, universe: &Universe) -> Found {
    let Some(group) = group(&universe.groups, name) else {
        if environment(&universe.groups, name).is_some() {
            let hint = format!("it is an environment, which is written `@^{name}`");
            return Found::Nothing(format!("the group `{name}`"), Some(hint));
        }
        let known: Vec<_> = universe.groups.groups.iter().map(|group| group.id.as_str()).collect();
        let hint = suggestion(name, known.iter().copied()).or_else(|| known.is_empty().then(no_groups));
        return Found::Nothing(format!("the group `{name}`"), hint);
    };
    let wanted = group.packages.iter().filter(|package| matches!(&*package.reqtype, "mandatory" | "default"));
    let packages = wanted.map(|package| candidates(&package.name, universe)).filter(|ids| !ids.is_empty());
    Found::Packages(packages.collect())
}

fn in_environment(name: &str, universe: &Universe, off: &BTreeSet<&str>) -> Found {
    let Some(environment) = environment(&universe.groups, name) else {
        let known: Vec<_> = universe.groups.environments.iter().map(|environment| environment.id.as_str()).collect();
        let hint = suggestion(name, known.iter().copied()).or_else(|| known.is_empty().then(no_groups));
        return Found::Nothing(format!("the environment `{name}`"), hint);
    };
    let mut all = Vec::new();
    for group in environment.group_ids.iter().filter(|group| !off.contains(group.as_str())) {
        match in_group(group, universe) {
            Found::Packages(packages) => all.extend(packages),
            Found::Nothing(..) => {
                return Found::Nothing(format!("the group `{group}` of the environment `{name}`"), None);
            }
        }
    }
    Found::Packages(all)
}

fn no_groups() -> String {
    "the distribution has no groups at all; `groups = [\"comps.xml\"]` adds a file of them".to_owned()
}

/// `@MODULE:STREAM/PROFILE`.
fn in_stream(name: &str, universe: &Universe) -> Found {
    let Some(stream) = universe.modules.stream(name) else {
        let stream = name.split('/').next().unwrap_or(name);
        let known = universe.modules.names();
        let hint = suggestion(stream, known.iter().map(String::as_str).collect::<Vec<_>>());
        return Found::Nothing(format!("the stream `{stream}`"), hint);
    };
    match universe.modules.packages(name, &stream) {
        Ok(names) => Found::Packages(names.iter().map(|name| candidates(name, universe)).collect()),
        Err(known) => {
            let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
            let listed = format!("profiles of the stream: {}", known.join(", "));
            let hint = if known.is_empty() { "the stream has no profiles".to_owned() } else { listed };
            Found::Nothing(format!("the profile of `{name}`"), Some(hint))
        }
    }
}
