//! The declared site: networks, appliances, hosts and their attributes. The checked form; knows no modules.
//!
//! Read by [`mod@file`] from one file or several, in any of the forms that [`document`] knows. What it makes is
//! consistent: every name that it holds is declared, no address is twice.

pub mod action;
pub mod actions;
pub mod address;
pub mod attributes;
pub mod check;
pub mod check_distributions;
pub mod check_networks;
pub mod context;
pub mod distribution;
pub mod distributions;
pub mod document;
pub mod export;
pub mod file;
pub mod guards;
pub mod hostfile;
pub mod hosts;
pub mod interface;
pub mod intrinsic;
pub mod network;
pub mod networks;
pub mod platform;
pub mod range;
pub mod serve;
pub mod site;
pub mod subnet;
pub mod table;
pub mod value;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::attribute::Layer;
use crate::inventory::action::{BootAction, Distribution, Loaders};
use crate::inventory::address::HardwareAddress;
use crate::inventory::network::Network;
use crate::inventory::platform::Platform;
use crate::inventory::serve::Serve;
use crate::name::{ActionName, ApplianceName, DistributionName, HostName, ModuleName, NetworkName, RollName};
use crate::source::Span;
use crate::syntax::Language;

/// A site.
#[derive(Debug, Default)]
pub struct Inventory {
    /// What holds for all of it.
    pub site: Site,
    /// How descriptions are read.
    pub language: Language,
    /// Attributes of all hosts.
    pub attributes: Arc<Layer>,
    /// Attributes by operating system.
    pub os: BTreeMap<String, Arc<Layer>>,
    /// By name.
    pub networks: BTreeMap<NetworkName, Network>,
    /// By name.
    pub appliances: BTreeMap<ApplianceName, Appliance>,
    /// Where installers and packages are, by name.
    pub distributions: BTreeMap<DistributionName, Distribution>,
    /// What machines can do when they boot, by name: kgen's own, and those of the site.
    pub actions: BTreeMap<ActionName, BootAction>,
    /// The programs that firmware loads first.
    pub loaders: Loaders,
    /// How the site is served; none where it does not say.
    pub serve: Option<Serve>,
    /// By name.
    pub hosts: BTreeMap<HostName, Host>,
    /// SHA-256 over the files that it was read from.
    pub digest: [u8; 32],
}

/// `[site]`.
#[derive(Debug, Default)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// The DNS domain of its hosts.
    pub domain: Option<String>,
    /// The directory of the description, relative to the inventory; `.` where the file says nothing.
    pub description: PathBuf,
    /// Where machines reach kgen: a URL.
    pub server: Option<String>,
    /// The directory of secrets, relative to the inventory.
    pub secrets: PathBuf,
    /// The rolls that count, in order; all in name order if there is no list.
    pub rolls: Option<Vec<(RollName, Span)>>,
    /// What machines do that are not in the inventory.
    pub unknown: Option<(ActionName, Span)>,
    /// The architecture of machines that say nothing else.
    pub arch: Option<Arc<str>>,
    /// The distribution of machines that say nothing else.
    pub distribution: Option<DistributionName>,
    /// What hosts do at boot that say nothing else.
    pub boot: Option<ActionName>,
    /// A directory, relative to the inventory, whose files are copied beside the boot scripts.
    pub boot_files: Option<(PathBuf, Span)>,
    /// Whether machines that appear in a commit, and that nothing is recorded of, are armed by it.
    pub install_new: bool,
    /// Where the boot files lie on the server, for the TFTP server of dnsmasq.
    pub tftp_root: Option<String>,
    /// Where it is declared.
    pub span: Option<Span>,
}

/// `[appliances.NAME]`.
#[derive(Debug)]
pub struct Appliance {
    /// The module at which the traversal of its hosts starts.
    pub module: ModuleName,
    /// The module's name in the file.
    pub module_span: Span,
    /// Attributes of its hosts.
    pub attributes: Arc<Layer>,
    /// What its hosts are that say nothing else.
    pub platform: Platform,
    /// Whether orders for its hosts need a word more.
    pub protect: bool,
    /// How its hosts are called: `compute-{rack}-{rank}`.
    pub pattern: Option<(String, Span)>,
    /// Where it is declared.
    pub span: Span,
}

/// `[hosts.NAME]`, or one of a range.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its short name.
    pub name: HostName,
    /// Its role.
    pub appliance: ApplianceName,
    /// `x86_64`, `aarch64`, ..
    pub arch: Arc<str>,
    /// `linux`.
    pub os: Arc<str>,
    /// The version that its kickstart is for: `RHEL9`, as pykickstart names it.
    pub target: Arc<str>,
    /// Cabinet.
    pub rack: Option<u32>,
    /// Position in the cabinet.
    pub rank: Option<u32>,
    /// What is installed on it.
    pub distribution: Option<DistributionName>,
    /// What it does when it boots.
    pub boot: ActionName,
    /// Whether an order to do something else than boot from its own disk needs a word more.
    pub protect: bool,
    /// Groups that it is in, beside its appliance and rack.
    pub groups: Vec<String>,
    /// What people want to remember of it.
    pub comment: Option<String>,
    /// The number that its firmware shows (SMBIOS), in lower case: some loaders ask with it.
    pub uuid: Option<Arc<str>>,
    /// Its network ports.
    pub interfaces: Vec<Interface>,
    /// Its own attributes.
    pub attributes: Arc<Layer>,
    /// Whether its own entry says its arch, os, target or distribution.
    pub says_platform: bool,
    /// Its position among the hosts of the inventory, by name.
    pub number: usize,
    /// Where it is declared.
    pub span: Span,
}

/// One network port of a host, or what is made of several.
#[derive(Clone, Debug)]
pub struct Interface {
    /// `eth0`.
    pub name: String,
    /// The network that it is in.
    pub network: Option<NetworkName>,
    /// Its hardware address.
    pub address: Option<HardwareAddress>,
    /// Its IP address.
    pub ip: Option<IpAddr>,
    /// Its second IP address, of the other family.
    pub ip6: Option<Ipv6Addr>,
    /// The host's name in this network, where it has another there.
    pub hostname: Option<HostName>,
    /// Whether the host is to boot from it.
    pub default: bool,
    /// What it is.
    pub link: Link,
    /// Options for whoever sets it up.
    pub options: Option<String>,
    /// The DHCP client identifier, where it is none that follows from the address.
    pub client_id: Option<Vec<u8>>,
    /// Where the hardware address is written, else the interface.
    pub address_span: Span,
    /// Where the IP address is written, else the interface.
    pub ip_span: Span,
    /// Where the second IP address is written, else the first.
    pub ip6_span: Span,
}

/// What an interface is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// A port.
    #[default]
    Port,
    /// Several ports that act as one.
    Bond(Vec<String>),
    /// A switch inside the host, and what is plugged into it.
    Bridge(Vec<String>),
    /// A network of its own on another interface (IEEE 802.1Q).
    Vlan {
        /// From 1 to 4094.
        id: u32,
        /// The other interface.
        parent: String,
    },
}

impl Interface {
    /// Its IPv4 address.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        match self.ip {
            Some(IpAddr::V4(ip)) => Some(ip),
            _ => None,
        }
    }

    /// Its IPv6 address.
    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        match self.ip {
            Some(IpAddr::V6(ip)) => Some(ip),
            _ => self.ip6,
        }
    }

    /// Where one of its IP addresses is written.
    pub fn place_of(&self, ip: IpAddr) -> Span {
        if self.ip == Some(ip) { self.ip_span } else { self.ip6_span }
    }

    /// All its IP addresses.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> + use<> {
        self.ip.into_iter().chain(self.ip6.map(IpAddr::V6))
    }
}

impl Host {
    /// The interface that the host boots from: the one that says so, else the first in a network, else the first.
    pub fn boot_interface(&self) -> Option<&Interface> {
        let chosen = self.interfaces.iter().find(|interface| interface.default);
        let first = || self.interfaces.iter().find(|interface| interface.network.is_some());
        chosen.or_else(first).or_else(|| self.interfaces.first())
    }

    /// The hardware addresses that an interface shows: those of the ports that it is made of, else its own.
    pub fn hardware(&self, interface: &Interface) -> Vec<HardwareAddress> {
        let parts = parts_of(&self.interfaces, interface);
        let ports = parts.iter().filter(|part| part.link == Link::Port);
        let shown: Vec<_> = ports.filter_map(|port| port.address).collect();
        if shown.is_empty() { interface.address.into_iter().collect() } else { shown }
    }
}

/// All that an interface is made of, itself left out, each once even where something is made of itself.
pub fn parts_of<'i>(interfaces: &'i [Interface], interface: &'i Interface) -> Vec<&'i Interface> {
    let mut found = vec![interface];
    let mut at = 0;
    while let Some(next) = found.get(at) {
        let members: &[String] = match &next.link {
            Link::Bond(members) | Link::Bridge(members) => members,
            Link::Vlan { parent, .. } => std::slice::from_ref(parent),
            Link::Port => &[],
        };
        for part in members.iter().filter_map(|name| interfaces.iter().find(|other| other.name == *name)) {
            if !found.iter().any(|known| known.name == part.name) {
                found.push(part);
            }
        }
        at += 1;
    }
    found.split_off(1)
}

impl Inventory {
    /// Whether kickstarts report to the server how far they are.
    pub fn reports(&self) -> bool {
        self.serve.as_ref().is_some_and(|serve| serve.report)
    }

    /// The network of an interface.
    pub fn network(&self, interface: &Interface) -> Option<&Network> {
        self.networks.get(interface.network.as_ref()?.as_str())
    }

    /// The network that a host boots from.
    pub fn boot_network(&self, host: &Host) -> Option<&Network> {
        self.network(host.boot_interface()?)
    }

    /// Where machines of a network reach kgen, a URL without a slash at its end.
    pub fn server(&self, network: Option<&Network>) -> Option<String> {
        network.and_then(|network| network.url.clone()).or_else(|| self.site.server.clone())
    }

    /// The name of a host in the network of an interface, where it is not the host's own: what the interface says, else
    /// `HOST-NETWORK`. `None` for the interface that it boots from, and others in that network.
    pub fn other_name(&self, host: &Host, interface: &Interface) -> Option<String> {
        let boot = host.boot_interface()?;
        let other = interface.hostname.as_ref().filter(|name| boot.name != interface.name && **name != host.name);
        if let Some(name) = other {
            return Some(name.to_string());
        }
        let network = interface.network.as_ref()?;
        let label = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let network_label: String = network.as_str().chars().map(label).collect();
        let other = boot.network.as_ref() != Some(network);
        other.then(|| format!("{}-{}", host.name, network_label.trim_matches('-')))
    }

    /// The DNS domain of names in a network.
    pub fn domain<'i>(&'i self, network: Option<&'i Network>) -> Option<&'i str> {
        network.and_then(|network| network.domain.as_deref()).or(self.site.domain.as_deref())
    }

    /// What hosts of an appliance do at boot that say nothing else.
    pub fn default_boot(&self, appliance: &ApplianceName) -> ActionName {
        let of_appliance =
            self.appliances.get(appliance.as_str()).and_then(|appliance| appliance.platform.boot.clone());
        of_appliance.or_else(|| self.site.boot.clone()).unwrap_or_else(action::local)
    }

    /// Whether a host is what its appliance and the site say, and says nothing of its own.
    pub fn has_platform_of_appliance(&self, host: &Host) -> bool {
        !host.says_platform
    }
}
