//! Changes of many hosts, those that are the same told once.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::compare::lines::{Hunk, Line};
use crate::name::HostName;

/// A change that some hosts share.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// Where.
    #[serde(flatten)]
    pub output: Output,
    /// For whom, by name; nobody where it is a file of the site.
    pub hosts: Vec<HostName>,
    /// What, in the order of the output; at least one.
    pub hunks: Vec<Hunk>,
}

/// An output that can change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "output", rename_all = "kebab-case")]
pub enum Output {
    /// The kickstart of a host.
    Kickstart,
    /// What a host does at its next boot, and under which names its loader finds that.
    BootScript,
    /// A file of the site.
    File {
        /// Below the output directory.
        path: String,
    },
}

/// What changes for some hosts in one output, in its order.
pub struct Changed {
    /// At least one.
    pub hosts: Vec<HostName>,
    /// At least one.
    pub hunks: Vec<Hunk>,
}

/// The text of a hunk, and how many like it stand before it in the same output.
type Key = (Vec<String>, Vec<String>, usize);

fn texts(hunk: &Hunk) -> (Vec<String>, Vec<String>) {
    let texts = |lines: &[Line]| lines.iter().map(|line| line.text.clone()).collect();
    (texts(&hunk.removed), texts(&hunk.added))
}

/// Folds twice: hunks of the same lines are one hunk of all their hosts, hunks of the same hosts are one change. What is
/// told of a hunk's cause is that of its first host.
pub fn fold(output: &Output, mut changed: Vec<Changed>) -> Vec<Change> {
    changed.iter_mut().for_each(|changed| changed.hosts.sort());
    changed.sort_by(|one, other| one.hosts.cmp(&other.hosts));
    let hosts: Vec<Vec<HostName>> = changed.iter_mut().map(|changed| std::mem::take(&mut changed.hosts)).collect();
    let mut places: BTreeMap<Key, usize> = BTreeMap::new();
    let mut hunks: Vec<(Hunk, Vec<usize>)> = Vec::new();
    for (number, changed) in changed.into_iter().enumerate() {
        let mut seen = BTreeMap::new();
        for hunk in changed.hunks {
            let (removed, added) = texts(&hunk);
            let before: &mut usize = seen.entry((removed.clone(), added.clone())).or_default();
            let place = *places.entry((removed, added, *before)).or_insert_with(|| {
                hunks.push((hunk, Vec::new()));
                hunks.len() - 1
            });
            hunks[place].1.push(number);
            *before += 1;
        }
    }
    let mut changes: BTreeMap<Vec<usize>, Vec<Hunk>> = BTreeMap::new();
    for (hunk, members) in hunks {
        changes.entry(members).or_default().push(hunk);
    }
    let of = |(members, hunks): (Vec<usize>, Vec<Hunk>)| {
        let mut named: Vec<HostName> = members.iter().flat_map(|member| hosts[*member].iter().cloned()).collect();
        named.sort();
        Change { output: output.clone(), hosts: named, hunks }
    };
    let mut changes: Vec<Change> = changes.into_iter().map(of).collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.hosts.len()));
    changes
}
