//! What a kickstart asks for, as packages of a universe: `%packages` knows names, `NAME.ARCH`, patterns, files, what
//! packages provide, `@GROUP`, `@^ENVIRONMENT` and `@MODULE:STREAM`.

use crate::dist::groups::{environment, group};
use crate::dist::nevra::{is_foreign, rank};
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
    /// It is there, but of nothing that is to be installed by itself.
    Nameless,
}

/// Looks a name up.
pub fn look_up(name: &str, universe: &Universe) -> Found {
    if let Some(name) = name.strip_prefix("@^") {
        return in_environment(name, universe);
    }
    match name.strip_prefix('@') {
        Some(name) if name.contains(':') => stream(name, universe),
        Some(name) => in_group(name, universe),
        None => package(name, universe),
    }
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

/// Packages of a name, or of a name and an architecture; those of another kind of machine only where there are no others.
fn candidates(name: &str, universe: &Universe) -> Vec<Id> {
    let arch_of = |id: &Id| &*universe.package(*id).nevra.arch;
    let mut ids = universe.named(name).to_vec();
    if ids.iter().any(|id| !is_foreign(arch_of(id), &universe.arch)) {
        ids.retain(|id| !is_foreign(arch_of(id), &universe.arch));
    }
    if ids.is_empty()
        && let Some((name, arch)) = name.rsplit_once('.')
        && rank(arch, &universe.arch).is_some()
    {
        ids = universe.named(name).iter().copied().filter(|id| arch_of(id) == arch).collect();
    }
    universe.prefer(&mut ids, name);
    // Whoever stands instead of them is taken before them.
    let mut instead: Vec<Id> = ids.iter().flat_map(|id| universe.obsoleters(*id)).copied().collect();
    universe.prefer(&mut instead, name);
    instead.extend(ids);
    let mut seen = std::collections::BTreeSet::new();
    instead.retain(|id| seen.insert(*id));
    instead
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

fn in_environment(name: &str, universe: &Universe) -> Found {
    let Some(environment) = environment(&universe.groups, name) else {
        let known: Vec<_> = universe.groups.environments.iter().map(|environment| environment.id.as_str()).collect();
        let hint = suggestion(name, known.iter().copied()).or_else(|| known.is_empty().then(no_groups));
        return Found::Nothing(format!("the environment `{name}`"), hint);
    };
    let mut all = Vec::new();
    for group in &environment.group_ids {
        match in_group(group, universe) {
            Found::Packages(packages) => all.extend(packages),
            Found::Nothing(..) => {
                return Found::Nothing(format!("the group `{group}` of the environment `{name}`"), None);
            }
            Found::Nameless => {}
        }
    }
    Found::Packages(all)
}

fn no_groups() -> String {
    "the distribution has no groups at all; `groups = [\"comps.xml\"]` adds a file of them".to_owned()
}

/// `@MODULE:STREAM/PROFILE`: which packages that brings depends on what else is asked for.
fn stream(name: &str, universe: &Universe) -> Found {
    let stream = name.split('/').next().unwrap_or(name);
    if universe.streams.contains(stream) {
        return Found::Nameless;
    }
    let hint = suggestion(stream, universe.streams.iter().map(String::as_str).collect::<Vec<_>>());
    Found::Nothing(format!("the stream `{stream}`"), hint)
}
