//! Groups, environments and categories of packages (comps), of several sources as one.
//!
//! What two sources call the same is the same: the first says what it is called, all say what is in it.

use rpmrepo_metadata::{CompsData, CompsEnvironment, CompsGroup};

use crate::dist::repodata::sound;

/// Adds what a later source has.
pub fn merge(all: &mut CompsData, other: CompsData) {
    for group in other.groups {
        match all.groups.iter_mut().find(|known| known.id == group.id) {
            Some(known) => merge_group(known, group),
            None => all.groups.push(group),
        }
    }
    for environment in other.environments {
        match all.environments.iter_mut().find(|known| known.id == environment.id) {
            Some(known) => merge_environment(known, environment),
            None => all.environments.push(environment),
        }
    }
    for category in other.categories {
        match all.categories.iter_mut().find(|known| known.id == category.id) {
            Some(known) => add_missing(&mut known.group_ids, category.group_ids),
            None => all.categories.push(category),
        }
    }
    for langpack in other.langpacks {
        if !all.langpacks.iter().any(|known| known.name == langpack.name) {
            all.langpacks.push(langpack);
        }
    }
}

fn merge_group(known: &mut CompsGroup, other: CompsGroup) {
    for package in other.packages {
        // Who is surer that it belongs there is right.
        let sure =
            |kind: &str| ["mandatory", "default", "conditional"].iter().position(|known| *known == kind).unwrap_or(3);
        match known.packages.iter_mut().find(|there| there.name == package.name) {
            Some(there) if sure(&package.reqtype) < sure(&there.reqtype) => *there = package,
            Some(_) => {}
            None => known.packages.push(package),
        }
    }
}

fn merge_environment(known: &mut CompsEnvironment, other: CompsEnvironment) {
    add_missing(&mut known.group_ids, other.group_ids);
    for option in other.option_ids {
        if !known.option_ids.iter().any(|there| there.group_id == option.group_id) {
            known.option_ids.push(option);
        }
    }
}

fn add_missing(known: &mut Vec<String>, other: Vec<String>) {
    for id in other {
        if !known.contains(&id) {
            known.push(id);
        }
    }
}

/// Reads a file of groups.
///
/// # Errors
/// It is none.
pub fn parse(text: &str) -> Result<CompsData, String> {
    sound::check(text.as_bytes(), false)?;
    CompsData::from_xml(text).map_err(|error| error.to_string())
}

/// Whether there is nothing in it.
pub fn is_empty(groups: &CompsData) -> bool {
    groups.groups.is_empty()
        && groups.environments.is_empty()
        && groups.categories.is_empty()
        && groups.langpacks.is_empty()
}

/// The group that a kickstart's `@NAME` means: by id, or by what people call it.
pub fn group<'g>(groups: &'g CompsData, name: &str) -> Option<&'g CompsGroup> {
    let by_id = groups.groups.iter().find(|group| group.id == name);
    by_id.or_else(|| groups.groups.iter().find(|group| group.name == name))
}

/// The environment that a kickstart's `@^NAME` means.
pub fn environment<'g>(groups: &'g CompsData, name: &str) -> Option<&'g CompsEnvironment> {
    let by_id = groups.environments.iter().find(|environment| environment.id == name);
    by_id.or_else(|| groups.environments.iter().find(|environment| environment.name == name))
}
