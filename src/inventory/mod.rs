//! The declared site: networks, appliances, hosts and their attributes. The checked form; knows no modules.
//!
//! Read by [`mod@file`]; what it makes is consistent: every name that it holds is declared, no address is twice.

pub mod address;
pub mod check;
pub mod file;
pub mod hosts;
pub mod table;
pub mod value;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::attribute::{Attributes, Entry, Layer, Scope};
use crate::inventory::address::{HardwareAddress, Subnet};
use crate::name::{ApplianceName, AttributeName, HostName, ModuleName, NetworkName, RollName};
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
}

/// `[networks.NAME]`.
#[derive(Debug)]
pub struct Network {
    /// Its addresses.
    pub subnet: Subnet,
    /// The router.
    pub gateway: Option<IpAddr>,
    /// Where the router is written, else the network.
    pub gateway_span: Span,
    /// Name servers, in order.
    pub nameservers: Vec<IpAddr>,
    /// Where it is declared.
    pub span: Span,
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
    /// Where it is declared.
    pub span: Span,
}

/// `[hosts.NAME]`.
#[derive(Debug)]
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
    /// Its network ports; the first with a network is the one that it boots from.
    pub interfaces: Vec<Interface>,
    /// Its own attributes.
    pub attributes: Arc<Layer>,
    /// Its position among the hosts of the inventory, by name.
    pub number: usize,
    /// Where it is declared.
    pub span: Span,
}

/// One network port of a host.
#[derive(Debug)]
pub struct Interface {
    /// `eth0`.
    pub name: String,
    /// The network that it is in.
    pub network: Option<NetworkName>,
    /// Its hardware address.
    pub address: Option<HardwareAddress>,
    /// Its IP address.
    pub ip: Option<IpAddr>,
    /// Where the hardware address is written, else the interface.
    pub address_span: Span,
    /// Where the IP address is written, else the interface.
    pub ip_span: Span,
}

/// Attributes that are kgen's and cannot be set, with what they say.
pub const INTRINSIC: [(&str, &str); 20] = [
    ("appliance", "the host's appliance"),
    ("arch", "the host's architecture"),
    ("domain", "the site's DNS domain"),
    ("fqdn", "host name and domain"),
    ("gateway", "the router of the boot network"),
    ("hostaddr", "the IP address of the boot interface"),
    ("hostname", "the host's name"),
    ("ksdevice", "the name of the boot interface"),
    ("ksmac", "the hardware address of the boot interface"),
    ("nameservers", "the name servers of the boot network, comma-separated"),
    ("netmask", "the netmask of the boot network"),
    ("os", "the host's operating system"),
    ("prefix", "the prefix length of the boot network"),
    ("rack", "the host's cabinet"),
    ("rank", "the host's position in the cabinet"),
    ("server", "where machines reach kgen"),
    ("site", "the site's name"),
    ("target", "the version that the kickstart is for: RHEL9"),
    ("target_family", "its letters: RHEL"),
    ("target_major", "its number: 9"),
];

/// Whether an attribute is kgen's own.
pub fn is_intrinsic(name: &str) -> bool {
    INTRINSIC.iter().any(|(known, _)| *known == name)
}

/// The intrinsic attributes that differ from host to host; the others are those of its appliance and network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// `fqdn`
    Fqdn,
    /// `hostaddr`
    Address,
    /// `hostname`
    Name,
    /// `ksmac`
    Hardware,
    /// `rack`
    Rack,
    /// `rank`
    Rank,
}

impl Own {
    /// The attribute of this name, where it is one of a host's own.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "fqdn" => Own::Fqdn,
            "hostaddr" => Own::Address,
            "hostname" => Own::Name,
            "ksmac" => Own::Hardware,
            "rack" => Own::Rack,
            "rank" => Own::Rank,
            _ => return None,
        })
    }
}

impl Host {
    /// The interface that the host boots from: the first in a network, else the first.
    pub fn boot_interface(&self) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.network.is_some()).or_else(|| self.interfaces.first())
    }
}

impl Inventory {
    /// Appends the value of an attribute of the host's own, and gives whether it has one.
    pub fn write_own(&self, host: &Host, own: Own, out: &mut Vec<u8>) -> bool {
        let boot = host.boot_interface();
        let written = match own {
            Own::Name => return push(out, host.name.as_str()),
            Own::Fqdn => {
                push(out, host.name.as_str());
                return self.site.domain.as_ref().is_none_or(|domain| push(out, ".") && push(out, domain));
            }
            Own::Address => boot.and_then(|boot| boot.ip).map(|ip| write!(out, "{ip}")),
            Own::Hardware => boot.and_then(|boot| boot.address).map(|address| write!(out, "{address}")),
            Own::Rack => host.rack.map(|rack| write!(out, "{rack}")),
            Own::Rank => host.rank.map(|rank| write!(out, "{rank}")),
        };
        written.is_some_and(|written| written.is_ok())
    }

    /// The value of an intrinsic attribute; `None` where the host has none.
    pub fn intrinsic(&self, host: &Host, name: &str) -> Option<String> {
        if let Some(own) = Own::named(name) {
            let mut value = Vec::new();
            return self.write_own(host, own, &mut value).then(|| String::from_utf8_lossy(&value).into_owned());
        }
        let boot = host.boot_interface();
        let network = boot.and_then(|interface| self.networks.get(interface.network.as_ref()?.as_str()));
        let family = || host.target.trim_end_matches(|c: char| c.is_ascii_digit());
        Some(match name {
            "appliance" => host.appliance.to_string(),
            "arch" => host.arch.to_string(),
            "domain" => self.site.domain.clone()?,
            "gateway" => network?.gateway?.to_string(),
            "ksdevice" => boot?.name.clone(),
            "nameservers" => {
                let servers: Vec<_> = network?.nameservers.iter().map(ToString::to_string).collect();
                if servers.is_empty() {
                    return None;
                }
                servers.join(",")
            }
            "netmask" => network?.subnet.netmask().to_string(),
            "os" => host.os.to_string(),
            "prefix" => network?.subnet.prefix.to_string(),
            "server" => self.site.server.clone()?,
            "site" => self.site.name.clone(),
            "target" => host.target.to_string(),
            "target_family" => family().to_owned(),
            "target_major" => host.target[family().len()..].to_owned(),
            _ => return None,
        })
    }

    /// All attributes of a host, LANGUAGE section 6: site, os, appliance, host; intrinsic ones win over all.
    pub fn attributes(&self, host: &Host) -> Attributes {
        let mut layers = vec![(Scope::Site, Arc::clone(&self.attributes))];
        layers.extend(self.os.get(&*host.os).map(|layer| (Scope::Os, Arc::clone(layer))));
        layers.extend(
            self.appliances
                .get(host.appliance.as_str())
                .map(|appliance| (Scope::Appliance, Arc::clone(&appliance.attributes))),
        );
        if !host.attributes.is_empty() {
            layers.push((Scope::Host, Arc::clone(&host.attributes)));
        }
        layers.push((Scope::Intrinsic, Arc::new(self.intrinsic_layer(host))));
        Attributes::new(layers)
    }

    fn intrinsic_layer(&self, host: &Host) -> Layer {
        let names = INTRINSIC.iter().map(|(name, _)| *name);
        names.filter_map(|name| Some((AttributeName::new(name)?, Entry::plain(self.intrinsic(host, name)?)))).collect()
    }
}

fn push(out: &mut Vec<u8>, text: &str) -> bool {
    out.extend_from_slice(text.as_bytes());
    true
}
