//! Which boot scripts change: by what they are made of, which is the same for every loader.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::assemble::Assembled;
use crate::boot::{BootEntry, Start, keys};
use crate::compare::fold::Changed;
use crate::compare::lines::{Difference, Line, differences};
use crate::compare::own::{OwnValues, Pair};
use crate::explain::Cause;
use crate::inventory::Host;

/// What a loader is told, a line each, before and after.
type Told = [Vec<String>; 2];

/// The changes of all hosts, those that are told alike as one.
pub fn changes(old: &Assembled, new: &Assembled, pairs: &[Pair]) -> Vec<Changed> {
    let told = pairs.par_iter().filter_map(|pair| Some((told(old, new, *pair)?, *pair)));
    let mut groups: BTreeMap<Told, Vec<Pair>> = BTreeMap::new();
    for (told, pair) in told.collect::<Vec<_>>() {
        groups.entry(told).or_default().push(pair);
    }
    groups.into_iter().map(|(told, members)| changed(old, new, &told, &members)).collect()
}

/// What a host's loader is told; none where that does not change.
fn told(old: &Assembled, new: &Assembled, pair: Pair) -> Option<Told> {
    let entry = |side: &Assembled, host: &Host| side.plan.as_ref().and_then(|plan| plan.entry(host)).cloned();
    let entries = [entry(old, pair.old), entry(new, pair.new)];
    let inventories = [&*old.generation.inventory, &*new.generation.inventory];
    let names = [keys(inventories[0], pair.old), keys(inventories[1], pair.new)];
    // What a host's addresses are changes nothing where it has no script at all.
    let moved = names[0] != names[1] && entries.iter().all(Option::is_some);
    let mut lines = entries.map(|entry| entry.as_ref().map(lines).unwrap_or_default());
    if moved {
        for (lines, names) in lines.iter_mut().zip(names) {
            lines.extend(names.hyphenated.iter().chain(&names.ips).map(|name| format!("for {name}")));
        }
    }
    if lines[0] == lines[1] {
        return None;
    }
    let own = OwnValues::in_text(pair, inventories);
    Some(lines.map(|lines| lines.iter().map(|line| own.replaced_in(line)).collect()))
}

/// An entry, a line for each part of it.
fn lines(entry: &BootEntry) -> Vec<String> {
    let mut lines = vec![format!("title {}", entry.title)];
    match &entry.start {
        Start::Local => lines.push("start what is on the machine".to_owned()),
        Start::San { target } => lines.push(format!("iscsi {target}")),
        Start::Kernel { kernel, initrds, arguments, tells_interface } => {
            lines.push(format!("kernel {kernel}"));
            lines.extend(initrds.iter().map(|initrd| format!("initrd {initrd}")));
            lines.extend(arguments.iter().map(|argument| format!("argument {argument}")));
            lines.extend(tells_interface.then(|| "argument BOOTIF= of the interface".to_owned()));
        }
    }
    lines
}

fn changed(old: &Assembled, new: &Assembled, told: &Told, members: &[Pair]) -> Changed {
    let texts = told.each_ref().map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
    let same = members.first().is_some_and(|pair| pair.old.boot == pair.new.boot);
    let line = |side: &Assembled, host: Option<&Host>, text: &str| {
        let cause = host.map(|host| cause(side, host, same && !text.starts_with("for "))).unwrap_or_default();
        Line { text: text.to_owned(), cause }
    };
    let hunk = |found: Difference| {
        let (before, after) = (members.first().map(|pair| pair.old), members.first().map(|pair| pair.new));
        found.hunk(|index| line(old, before, texts[0][index]), |index| line(new, after, texts[1][index]))
    };
    Changed {
        hosts: members.iter().map(|pair| pair.old.name.clone()).collect(),
        hunks: differences(&texts[0], &texts[1]).into_iter().map(hunk).collect(),
    }
}

/// The entry of a host in the inventory, which says what it does and where it is; of what it does in both generations,
/// the action.
fn cause(side: &Assembled, host: &Host, same_action: bool) -> Cause {
    let action = side.generation.inventory.actions.get(&host.boot).filter(|_| same_action);
    let place = action.map_or(host.span, |action| action.span);
    Cause { source: Some(side.generation.sources.location(place).into()), ..Cause::default() }
}
