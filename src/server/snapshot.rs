//! What is served: one generation as a whole, and beside it those that single hosts are pinned to.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::assemble::Assembled;
use crate::boot::happening::{Declared, Time};
use crate::boot::matching::Candidate;
use crate::files::{BootPlan, Loader, boot_files, candidate, declared, script_names};
use crate::generation::Generation;
use crate::inventory::Host;
use crate::inventory::address::HardwareAddress;

/// Stands before the id of a generation that is of no commit.
pub const CONTENT: &str = "content:";

/// A generation that is ready for every question.
#[derive(Debug)]
pub struct Served {
    /// What is compiled, and what machines do.
    pub assembled: Assembled,
    /// The commit that it was made of; none of a directory.
    pub commit: Option<String>,
    /// The first line of that commit's message.
    pub summary: String,
    /// When it was made.
    pub made: Time,
    /// The scripts of hosts by path below `boot/`: the loader, and the host's number.
    scripts: HashMap<String, (Loader, usize)>,
    /// Files that are nobody's own, by the same.
    files: BTreeMap<String, Bytes>,
    by_ip: HashMap<IpAddr, usize>,
    by_address: HashMap<HardwareAddress, usize>,
    /// Names of hosts by number.
    names: Vec<crate::name::HostName>,
}

impl Served {
    /// Makes everything that is looked up later.
    pub fn new(assembled: Assembled, commit: Option<String>, summary: String, made: Time) -> Self {
        let inventory = &assembled.generation.inventory;
        let mut scripts = HashMap::new();
        let (mut by_ip, mut by_address) = (HashMap::new(), HashMap::new());
        for host in inventory.hosts.values() {
            for (loader, names) in script_names(inventory, host) {
                scripts.extend(names.into_iter().map(|name| (below_boot(&name), (loader, host.number))));
            }
            by_ip.extend(host.interfaces.iter().flat_map(crate::inventory::Interface::ips).map(|ip| (ip, host.number)));
            let own = host.interfaces.iter().flat_map(|port| host.hardware(port));
            by_address.extend(own.map(|address| (address, host.number)));
        }
        let plan = assembled.plan.as_ref();
        let files = plan.map(|plan| boot_files(inventory, plan)).unwrap_or_default();
        let files = files.into_iter().filter(|file| file.path.starts_with("boot/"));
        let files = files.map(|file| (below_boot(&file.path), Bytes::copy_from_slice(file.bytes()))).collect();
        let names = inventory.hosts.keys().cloned().collect();
        Self { assembled, commit, summary, made, scripts, files, by_ip, by_address, names }
    }

    /// The generation.
    pub fn generation(&self) -> &Generation {
        &self.assembled.generation
    }

    /// What machines do; none where the site does not say where its server is.
    pub fn plan(&self) -> Option<&BootPlan> {
        self.assembled.plan.as_ref()
    }

    /// What the generation names for one of its hosts.
    pub fn declared(&self, host: &Host) -> Declared {
        declared(&self.generation().inventory, self.plan(), host)
    }

    /// All hosts as the records of machines are compared with them.
    pub fn candidates(&self) -> Vec<Candidate> {
        let inventory = &self.generation().inventory;
        inventory.hosts.values().map(|host| candidate(inventory, self.plan(), host)).collect()
    }

    /// What the records of machines know its revision by: a commit, or the content of a directory.
    pub fn revision(&self) -> String {
        self.commit.clone().unwrap_or_else(|| format!("{CONTENT}{}", self.id()))
    }

    /// The id of the generation.
    pub fn id(&self) -> &str {
        &self.assembled.generation.id
    }

    /// Whether this is its id, or that of its commit, at least its first seven digits.
    pub fn is_called(&self, name: &str) -> bool {
        let is_id = name.len() >= 7 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut ids = [Some(self.id()), self.commit.as_deref()].into_iter().flatten();
        is_id && ids.any(|id| id.starts_with(name))
    }

    fn numbered(&self, number: usize) -> Option<&Host> {
        self.host(self.names.get(number)?.as_str())
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.assembled.generation.inventory.hosts.get(name)
    }

    /// The host that has this IP address.
    pub fn host_at(&self, ip: IpAddr) -> Option<&Host> {
        self.numbered(*self.by_ip.get(&ip)?)
    }

    /// The host that has this hardware address.
    pub fn host_with(&self, address: &HardwareAddress) -> Option<&Host> {
        self.numbered(*self.by_address.get(address)?)
    }

    /// Whose script is at a path below `boot/`, and in which language.
    pub fn script(&self, path: &str) -> Option<(Loader, &Host)> {
        let (loader, number) = self.scripts.get(path)?;
        Some((*loader, self.numbered(*number)?))
    }

    /// A file below `boot/` that is nobody's own.
    pub fn file(&self, path: &str) -> Option<&Bytes> {
        self.files.get(path)
    }
}

fn below_boot(path: &str) -> String {
    path.strip_prefix("boot/").unwrap_or(path).to_owned()
}

impl Broken {
    /// What is wrong, in one sentence.
    pub fn sentence(&self) -> &'static str {
        if self.is_unreachable {
            "the source cannot be read, so nothing new is served"
        } else {
            "the newest revision is broken and not served"
        }
    }
}

/// Hosts that are to have another revision than the others.
#[derive(Clone, Debug)]
pub struct Pin {
    /// The name of a host, or `@` and that of an appliance.
    pub target: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// Made of it; none where it cannot be made, and then the hosts get nothing.
    pub served: Option<Arc<Served>>,
    /// Why it cannot be made.
    pub fault: String,
}

/// A revision that is not served, and why.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Whether there is no telling what the newest revision is, because the source cannot be read.
    pub is_unreachable: bool,
    /// The commit; empty of a directory.
    pub revision: String,
    /// What is wrong with it, as `kgen check` says it.
    pub report: String,
    /// When it was found.
    pub at: Time,
}

/// A line of the history of generations.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Past {
    /// The id.
    pub generation: String,
    /// The commit; none of a directory.
    pub commit: Option<String>,
    /// Of its message.
    pub summary: String,
    /// When it was taken.
    pub at: Time,
}

impl Past {
    /// That of what was taken at a time.
    pub fn of(served: &Served, at: Time) -> Self {
        Self { generation: served.id().to_owned(), commit: served.commit.clone(), summary: served.summary.clone(), at }
    }
}

/// What is served at one moment. A request takes one and keeps it to its end.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What all get that are not pinned.
    pub current: Option<Arc<Served>>,
    /// What they got before.
    pub previous: Option<Arc<Served>>,
    /// What changed on machines between the two.
    pub difference: Option<Arc<str>>,
    /// Who gets something else.
    pub pins: Vec<Pin>,
    /// The newest revision, if it is broken.
    pub broken: Option<Broken>,
    /// The revision that an operator went back to; none while the source is followed.
    pub held: Option<String>,
    /// What the current generation declares and what is not in force, because it guards against commits: sentences.
    pub pending: Vec<String>,
    /// What was taken, the newest first.
    pub history: Vec<Past>,
}

impl Snapshot {
    fn pin(&self, host: &Host) -> Option<&Pin> {
        let is_host = |pin: &&Pin| pin.target == host.name.as_str();
        let is_appliance = |pin: &&Pin| pin.target.strip_prefix('@') == Some(host.appliance.as_str());
        self.pins.iter().find(is_host).or_else(|| self.pins.iter().find(is_appliance))
    }

    /// Whether a host is pinned to what cannot be made: it gets nothing, because anything else is not what it is to have.
    pub fn lacks_pinned(&self, host: &Host) -> bool {
        self.pin(host).is_some_and(|pin| pin.served.is_none())
    }

    /// What a host gets: that of its own pin, else of its appliance's, else what all get. The host is looked up again,
    /// because it may be another there.
    pub fn of<'s>(&'s self, current: &'s Served, host: &'s Host) -> (&'s Served, &'s Host) {
        let pinned = self.pin(host).and_then(|pin| pin.served.as_deref());
        match pinned.and_then(|served| Some((served, served.host(host.name.as_str())?))) {
            Some(other) => other,
            None => (current, host),
        }
    }
}
