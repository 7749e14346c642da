//! Which record is that of which host: by what machines are known by, between one generation and the next. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::boot::happening::Declared;
use crate::boot::machine::Identities;
use crate::boot::state::Record;
use crate::name::HostName;

/// The records of all machines, by the name of the host.
pub type Records = BTreeMap<HostName, Arc<Record>>;

/// A host as a generation declares it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its name.
    pub name: HostName,
    /// What its machine is known by.
    pub machine: Identities,
    /// What it is to do.
    pub declared: Declared,
    /// Whether orders need a word more.
    pub protect: bool,
}

/// Which machine a host is.
#[derive(Debug)]
pub enum Match {
    /// The one of this record.
    Kept,
    /// The one of a host that had this name.
    Moved(HostName),
    /// Another than before, which no record has.
    Replaced,
    /// One that no record has.
    New {
        /// The record that had one of its identities before.
        was: Option<HostName>,
    },
    /// It is not sure: the host whose identities it has.
    Doubtful(String),
}

/// The old name of a host that was renamed.
pub fn moved_from(found: &Match) -> Option<&HostName> {
    match found {
        Match::Moved(from) => Some(from),
        _ => None,
    }
}

/// Which machine each host of a generation is, in the same order.
pub fn matched(records: &Records, hosts: &[Candidate]) -> Vec<Match> {
    let mut owners: HashMap<&str, &HostName> = HashMap::new();
    let mut former: HashMap<&str, BTreeSet<&HostName>> = HashMap::new();
    for (name, record) in records {
        owners.extend(record.machine.iter().map(|identity| (identity, name)));
        for identity in record.former.iter() {
            former.entry(identity).or_default().insert(name);
        }
    }
    let names: HashMap<&HostName, usize> = hosts.iter().zip(0..).map(|(host, at)| (&host.name, at)).collect();
    let others = |host: &Candidate| -> BTreeSet<&HostName> {
        let all = host.machine.iter().filter_map(|identity| owners.get(identity).copied());
        all.filter(|owner| **owner != host.name).collect()
    };
    let mut found: Vec<Match> =
        hosts.iter().map(|host| one_match(host, records, &others(host), (&names, &former))).collect();
    // A record that two hosts have a part of is neither's, and neither is the host whose machine another has a part of.
    let mut claims: BTreeMap<&HostName, Vec<usize>> = BTreeMap::new();
    for (index, host) in hosts.iter().enumerate() {
        others(host).into_iter().for_each(|owner| claims.entry(owner).or_default().push(index));
    }
    for (owner, claimants) in claims {
        let owning = names.get(owner).copied();
        if owning.is_none() && claimants.len() == 1 {
            continue;
        }
        for index in &claimants {
            found[*index] = Match::Doubtful(owner.to_string());
        }
        if let Some(index) = owning
            && !matches!(found[index], Match::Doubtful(_))
        {
            found[index] = Match::Doubtful(hosts[claimants[0]].name.to_string());
        }
    }
    found
}

fn one_match<'r>(
    host: &Candidate,
    records: &'r Records,
    others: &BTreeSet<&'r HostName>,
    (names, former): (&HashMap<&HostName, usize>, &HashMap<&str, BTreeSet<&'r HostName>>),
) -> Match {
    let own = records.get(&host.name);
    let other = others.iter().next();
    match (own, other) {
        (None, None) => {
            let was = host.machine.iter().find_map(|identity| former.get(identity)?.first().copied());
            Match::New { was: was.cloned() }
        }
        (None, Some(other)) if others.len() == 1 && !names.contains_key(other) => {
            match had_before(host, other, records, former) {
                Some(owner) => Match::Doubtful(owner.to_string()),
                None => Match::Moved((*other).clone()),
            }
        }
        (_, Some(other)) => Match::Doubtful(other.to_string()),
        (Some(own), None) => match had_before(host, &host.name, records, former) {
            Some(owner) => Match::Doubtful(owner.to_string()),
            None if own.machine.is_empty() || host.machine.is_empty() || own.machine.shares(&host.machine) => {
                Match::Kept
            }
            None => Match::Replaced,
        },
    }
}

/// The record that had a port before which the machine of this record gets now: the port may still be in that machine.
fn had_before<'r>(
    host: &Candidate,
    owner: &HostName,
    records: &'r Records,
    former: &HashMap<&str, BTreeSet<&'r HostName>>,
) -> Option<&'r HostName> {
    let own = records.get(owner).map(|record| &record.machine);
    let is_new = |identity: &&str| !own.is_some_and(|own| own.iter().any(|known| known == *identity));
    let before = host.machine.iter().filter(is_new).filter_map(|identity| former.get(identity));
    before.flatten().find(|other| **other != owner).copied()
}
