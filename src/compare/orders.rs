//! What a new generation means for orders: which machines have other names, which boot actions change, who would be told to
//! install. Made of the declared alone; who is installed only a server knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use serde::Serialize;

use crate::assemble::Assembled;
use crate::boot::matching::{Candidate, Match, Records, matched};
use crate::boot::state::Record;
use crate::files::candidate;
use crate::inventory::Host;
use crate::inventory::guards::Guards;
use crate::name::{ActionName, HostName};
use crate::nodeset::nodeset;

/// What changes for orders.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Orders {
    /// Machines under new names: the old, the new.
    pub renamed: Vec<(HostName, HostName)>,
    /// Hosts that have what another host is known by: which machine is which is not sure.
    pub doubtful: Vec<HostName>,
    /// Hosts all of whose identities are others.
    pub replaced: Vec<HostName>,
    /// Boot actions that change.
    pub actions: Vec<Action>,
    /// New hosts whose action builds.
    pub new: Vec<HostName>,
    /// What the new generation loosens of what guards against commits: sentences.
    pub loosens: Vec<String>,
}

/// A boot action that changes for some hosts.
#[derive(Clone, Debug, Serialize)]
pub struct Action {
    /// What they did.
    pub from: ActionName,
    /// What they are to do.
    pub to: ActionName,
    /// Whether that installs them: not if the machine is another one.
    pub builds: bool,
    /// Names now.
    pub hosts: Vec<HostName>,
    /// Names before.
    pub were: Vec<HostName>,
}

/// Names of hosts now, and those of before.
type Names = (Vec<HostName>, Vec<HostName>);

/// What a generation means for orders after another one.
pub fn orders(old: &Assembled, new: &Assembled) -> Orders {
    let (before, after) = (&old.generation.inventory, &new.generation.inventory);
    let record = |host: &Host| {
        let Candidate { name, machine, declared, .. } = candidate(before, old.plan.as_ref(), host);
        (name, Arc::new(Record { machine, declared: Some(declared), ..Record::default() }))
    };
    let records: Records = before.hosts.values().map(record).collect();
    let hosts: Vec<Candidate> = after.hosts.values().map(|host| candidate(after, new.plan.as_ref(), host)).collect();
    let mut found = Orders::default();
    let mut actions: BTreeMap<(ActionName, ActionName, bool), Names> = BTreeMap::new();
    for (host, machine) in hosts.iter().zip(matched(&records, &hosts)) {
        let is_replaced = matches!(machine, Match::Replaced);
        let was = match machine {
            Match::Kept => host.name.clone(),
            Match::Moved(from) => {
                found.renamed.push((from.clone(), host.name.clone()));
                from
            }
            Match::Replaced => {
                found.replaced.push(host.name.clone());
                host.name.clone()
            }
            Match::Doubtful(_) => {
                found.doubtful.push(host.name.clone());
                continue;
            }
            Match::New { .. } => {
                found.new.extend(host.declared.builds.then(|| host.name.clone()));
                continue;
            }
        };
        let Some(then) = records.get(&was).and_then(|record| record.declared.as_ref()) else { continue };
        if *then != host.declared {
            let builds = host.declared.builds && !is_replaced;
            let key = (then.action.clone(), host.declared.action.clone(), builds);
            let (hosts, were) = actions.entry(key).or_default();
            hosts.push(host.name.clone());
            were.push(was);
        }
    }
    found.actions = actions
        .into_iter()
        .map(|((from, to, builds), (hosts, were))| Action { from, to, builds, hosts, were })
        .collect();
    let (before, after) = (Guards::of(before), Guards::of(after));
    found.loosens = before.tightened(&after).pending(&after);
    found
}

fn folded<'h>(hosts: impl IntoIterator<Item = &'h HostName>) -> String {
    nodeset(hosts.into_iter().map(HostName::as_str))
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// The same for people, a line each; `installed` are the hosts that reported success, where a server was asked.
pub fn lines(orders: &Orders, installed: Option<&BTreeSet<String>>) -> String {
    let mut text = String::new();
    if !orders.renamed.is_empty() {
        let (old, new) = (orders.renamed.iter().map(|pair| &pair.0), orders.renamed.iter().map(|pair| &pair.1));
        let what = match orders.renamed.len() {
            1 => "the same machine under a new name".to_owned(),
            count => format!("the same {count} machines under new names"),
        };
        let _ = writeln!(text, "{what}: {}, before {}", folded(new), folded(old));
    }
    if !orders.doubtful.is_empty() {
        let count = plural(orders.doubtful.len(), "doubtful host");
        let hosts = folded(&orders.doubtful);
        let _ = writeln!(text, "{count}, with what others are known by; they boot from their own disk: {hosts}");
    }
    if !orders.replaced.is_empty() {
        let count = plural(orders.replaced.len(), "host");
        let _ = writeln!(text, "{count} with another machine, which this does not arm: {}", folded(&orders.replaced));
    }
    for action in &orders.actions {
        let count = plural(action.hosts.len(), "host");
        let _ = writeln!(text, "boot of {count}: {} to {}: {}", action.from, action.to, folded(&action.hosts));
    }
    text.push_str(&who_installs(orders, installed));
    if !orders.new.is_empty() {
        let count = plural(orders.new.len(), "new host");
        let _ = writeln!(text, "{count} would wait, or install with `install_new`: {}", folded(&orders.new));
    }
    for loose in &orders.loosens {
        let _ = writeln!(text, "loosens what guards against commits, until `kgen revision accept`: {loose}");
    }
    text
}

/// Who would be told to install; a bound or a protection may still keep them from it.
fn who_installs(orders: &Orders, installed: Option<&BTreeSet<String>>) -> String {
    let ordered = orders.actions.iter().filter(|action| action.builds);
    let all: Vec<(&HostName, &HostName)> = ordered.flat_map(|action| action.hosts.iter().zip(&action.were)).collect();
    let Some(installed) = installed.filter(|_| !all.is_empty()) else {
        let count = plural(all.len(), "host");
        let hosts = folded(all.iter().map(|(host, _)| *host));
        let line = format!("{count} would install, also if installed (--served asks the server): {hosts}\n");
        return if all.is_empty() { String::new() } else { line };
    };
    let there: Vec<&HostName> =
        all.iter().filter(|(_, was)| installed.contains(was.as_str())).map(|(host, _)| *host).collect();
    let mut text = String::new();
    if !there.is_empty() {
        let hosts = folded(there.iter().copied());
        let _ = writeln!(text, "{} would install: {hosts}", plural(there.len(), "installed host"));
    }
    if all.len() > there.len() {
        let others = plural(all.len() - there.len(), "host");
        let _ = writeln!(text, "{others} that never reported success would install");
    }
    text
}
