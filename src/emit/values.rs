//! What templates see of an inventory: hosts, networks, the site. Looked at where a template asks, not copied.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};

use crate::emit::lines::Lines;
use crate::emit::{dnsmasq, groups, hosts, zones};
use crate::inventory::network::Network;
use crate::inventory::{Host, Interface, Inventory, Link};
use crate::name::NetworkName;

/// `site`.
pub fn site(inventory: &Inventory) -> Value {
    let site = &inventory.site;
    let pairs = [
        ("name", site.name.clone()),
        ("domain", site.domain.clone().unwrap_or_default()),
        ("server", site.server.clone().unwrap_or_default()),
    ];
    Value::from(BTreeMap::from(pairs))
}

/// `networks`.
pub fn networks(inventory: &Inventory) -> Value {
    inventory.networks.iter().map(|(name, found)| network(inventory, (name, found))).collect()
}

/// `network`: one of them.
pub fn network(inventory: &Inventory, (name, network): (&NetworkName, &Network)) -> Value {
    let list =
        |addresses: &[std::net::IpAddr]| addresses.iter().map(|ip| Value::from(ip.to_string())).collect::<Value>();
    Value::from(BTreeMap::from([
        ("name", Value::from(name.to_string())),
        ("subnet", Value::from(network.subnet.to_string())),
        ("subnet6", optional(network.ipv6())),
        ("netmask", Value::from(network.subnet.netmask().to_string())),
        ("prefix", Value::from(network.subnet.prefix)),
        ("gateway", optional(network.gateway)),
        ("gateway6", optional(network.gateway6)),
        ("nameservers", list(&network.nameservers)),
        ("domain", optional(inventory.domain(Some(network)))),
        ("vlan", network.vlan.map_or(Value::from(()), Value::from)),
        ("mtu", network.mtu.map_or(Value::from(()), Value::from)),
        ("server", optional(network.server)),
        ("server6", optional(network.server6)),
    ]))
}

/// What may not be there, as a text or nothing.
fn optional(value: Option<impl ToString>) -> Value {
    value.map_or(Value::from(()), |value| Value::from(value.to_string()))
}

/// `files`: the files of the site that machines have too, each made when it is first asked for. Without the last line
/// end, which the template has.
#[derive(Debug)]
pub struct FilesValue {
    inventory: Arc<Inventory>,
    made: [OnceLock<Value>; FILES.len()],
    /// The zones of DNS, a list of names and texts.
    zones: OnceLock<Value>,
}

/// What makes one of them.
type Make = fn(&Inventory) -> Lines;

/// Their names, and what makes each.
const FILES: [(&str, Make); 7] = [
    ("hosts", hosts::hosts),
    ("ethers", hosts::ethers),
    ("genders", groups::genders),
    ("ansible", groups::ansible),
    ("clustershell", groups::clustershell),
    ("named", named),
    ("dnsmasq", dnsmasq::names),
];

fn named(inventory: &Inventory) -> Lines {
    zones::named(&zones::zones(inventory))
}

impl FilesValue {
    /// Of an inventory.
    pub fn new(inventory: Arc<Inventory>) -> Self {
        Self { inventory, made: [const { OnceLock::new() }; FILES.len()], zones: OnceLock::new() }
    }
}

impl Object for FilesValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if key.as_str() == Some("zones") {
            return Some(self.zones.get_or_init(|| zone_values(&self.inventory)).clone());
        }
        let index = FILES.iter().position(|(name, _)| Some(*name) == key.as_str())?;
        let make = || Value::from((FILES[index].1)(&self.inventory).text.trim_end_matches('\n').to_owned());
        Some(self.made[index].get_or_init(make).clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = FILES.iter().map(|(name, _)| *name).chain(["zones"]);
        Enumerator::Values(names.map(Value::from).collect())
    }
}

fn zone_values(inventory: &Inventory) -> Value {
    let value = |(name, lines): zones::Zone| {
        let text = lines.text.trim_end_matches('\n').to_owned();
        Value::from(BTreeMap::from([("name", Value::from(name)), ("text", Value::from(text))]))
    };
    zones::zones(inventory).into_iter().map(value).collect()
}

/// The list `hosts`. Hosts are looked at one by one: ten thousand are not copied for one template.
#[derive(Debug)]
pub struct HostsValue(pub Arc<Inventory>);

impl Object for HostsValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let host = self.0.hosts.values().nth(key.as_usize()?)?;
        Some(Value::from_object(HostValue { inventory: Arc::clone(&self.0), name: host.name.to_string() }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let this = Arc::clone(self);
        let names: Vec<_> = this.0.hosts.keys().map(ToString::to_string).collect();
        Enumerator::Iter(Box::new(
            names.into_iter().map(move |name| Value::from_object(HostValue { inventory: Arc::clone(&this.0), name })),
        ))
    }
}

/// One host.
#[derive(Debug)]
pub struct HostValue {
    /// Where it is declared.
    pub inventory: Arc<Inventory>,
    /// Its name.
    pub name: String,
}

impl Object for HostValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let host = self.inventory.hosts.get(self.name.as_str())?;
        let inventory = &self.inventory;
        let text = |name: &str| inventory.intrinsic(host, name).map(Value::from);
        match key.as_str()? {
            "name" => text("hostname"),
            "address" => Some(text("hostaddr").unwrap_or(Value::from(()))),
            "mac" => Some(text("ksmac").unwrap_or(Value::from(()))),
            "rack" => Some(host.rack.map_or(Value::from(()), Value::from)),
            "rank" => Some(host.rank.map_or(Value::from(()), Value::from)),
            "interfaces" => Some(host.interfaces.iter().map(interface).collect()),
            "groups" => Some(host.groups.iter().map(|group| Value::from(group.clone())).collect()),
            "comment" => Some(optional(host.comment.as_ref())),
            "uuid" => Some(optional(host.uuid.as_ref())),
            "boot" => Some(Value::from(host.boot.to_string())),
            "distribution" => Some(optional(host.distribution.as_ref())),
            "attributes" => Some(shown_attributes(inventory, host)),
            name @ ("fqdn" | "appliance" | "arch" | "os" | "target") => text(name),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&[
            "name",
            "fqdn",
            "appliance",
            "arch",
            "os",
            "target",
            "rack",
            "rank",
            "address",
            "mac",
            "interfaces",
            "groups",
            "comment",
            "uuid",
            "boot",
            "distribution",
            "attributes",
        ])
    }
}

fn interface(interface: &Interface) -> Value {
    let (mut kind, mut members, mut id) = ("port", Vec::new(), None);
    match &interface.link {
        Link::Port => {}
        Link::Bond(ports) => (kind, members) = ("bond", ports.clone()),
        Link::Bridge(ports) => (kind, members) = ("bridge", ports.clone()),
        Link::Vlan { id: number, parent } => (kind, members, id) = ("vlan", vec![parent.clone()], Some(*number)),
    }
    Value::from(BTreeMap::from([
        ("name", Value::from(interface.name.clone())),
        ("network", optional(interface.network.as_ref())),
        ("mac", optional(interface.address)),
        ("address", optional(interface.ip)),
        ("address6", optional(interface.ipv6())),
        ("hostname", optional(interface.hostname.as_ref())),
        ("options", optional(interface.options.as_ref())),
        ("kind", Value::from(kind)),
        ("members", Value::from(members)),
        ("vlan", id.map_or(Value::from(()), Value::from)),
    ]))
}

/// Another host's secrets are nobody's business: they are not there, and asking for one is an error.
pub fn shown_attributes(inventory: &Inventory, host: &Host) -> Value {
    let attributes = inventory.attributes(host);
    let plain = attributes.all().into_iter().filter(|(_, (_, entry))| !entry.value.is_secret());
    let values = plain.map(|(name, (_, entry))| (name.to_string(), entry.value.shown().to_owned()));
    Value::from(values.collect::<BTreeMap<String, String>>())
}
