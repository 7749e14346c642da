//! What is wrong between the entries of an inventory: the same thing twice, an address in the wrong network. Of the
//! networks alone: [`crate::inventory::check_networks`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::address::{HardwareAddress, colons};
use crate::inventory::network::Network;
use crate::inventory::platform::Used;
use crate::inventory::{Host, Interface, Inventory, Link, actions, check_networks};
use crate::name::{ApplianceName, DistributionName, HostKind, HostName, Kind, NetworkName, suggestion};
use crate::source::Span;

/// Reports every clash, with both places, and every name that is used and not declared.
pub fn check(inventory: &Inventory, used: &Used, diagnostics: &mut Diagnostics) {
    check_networks::check_networks(inventory, diagnostics);
    unknown_distributions(inventory, used, diagnostics);
    other_versions(inventory, diagnostics);
    without_server(inventory, diagnostics);
    actions::check(inventory, &used.actions, diagnostics);
    let mut seen = Seen::default();
    // What is wrong with one host of a range is wrong with those after it.
    let mut told = BTreeSet::new();
    for host in inventory.hosts.values() {
        seen.host(inventory, host, diagnostics);
        check_interfaces(host, diagnostics);
        for interface in &host.interfaces {
            let network = interface.network.as_ref().and_then(|name| inventory.networks.get_key_value(name.as_str()));
            let Some(network) = network else { continue };
            for ip in interface.ips() {
                let place = interface.place_of(ip);
                if !told.contains(&place)
                    && let Some(fault) = wrong_address(host, (ip, place), network)
                {
                    told.insert(place);
                    diagnostics.push(fault);
                }
            }
        }
        let pattern = inventory.appliances.get(host.appliance.as_str()).and_then(|found| found.pattern.as_ref());
        if let Some(pattern) = pattern {
            check_name(host, pattern, diagnostics);
        }
    }
}

/// What is wrong with an address that an interface cannot have.
fn wrong_address(
    host: &Host,
    (ip, place): (IpAddr, Span),
    (name, network): (&NetworkName, &Network),
) -> Option<Diagnostic> {
    let subnet = network.subnet_for(ip);
    let whose = &host.name;
    if !network.contains(ip) {
        let is = subnet.map_or_else(|| network.subnet.to_string(), |subnet| subnet.to_string());
        let message = format!("the address {ip} of `{whose}` is not in the network `{name}`, which is {is}");
        return Some(Diagnostic::error(place, message).related(network.span, "the network"));
    }
    if subnet.is_some_and(|subnet| subnet.reserves(ip)) {
        let message = format!("the address {ip} of `{whose}` is the network `{name}` itself, or its broadcast address");
        return Some(Diagnostic::error(place, message));
    }
    if let Some((_, pool)) = network.pools.iter().find(|(pool, _)| pool.contains(ip)) {
        let message = format!("the address {ip} of `{whose}` is in a pool of `{name}`, which is for unknown machines");
        return Some(Diagnostic::error(place, message).related(*pool, "the pool"));
    }
    let gateway =
        network.gateway == Some(ip) && network.server.map(IpAddr::V4) != Some(ip) && host.boot.as_str() != "local";
    gateway.then(|| {
        let message = format!("the address {ip} of `{whose}` is the gateway of the network `{name}`");
        Diagnostic::warning(place, message).related(network.place("gateway"), "the gateway")
    })
}

/// Hosts whose kickstart is for another version than what is installed on them.
fn other_versions(inventory: &Inventory, diagnostics: &mut Diagnostics) {
    for (name, distribution) in &inventory.distributions {
        let Some(target) = &distribution.target else { continue };
        let others = |host: &&Host| host.distribution.as_ref() == Some(name) && host.target != *target;
        let mut hosts = inventory.hosts.values().filter(others);
        let Some(first) = hosts.next() else { continue };
        let more = match hosts.count() {
            0 => String::new(),
            count => format!(", as {count} more"),
        };
        let message = format!(
            "the kickstart of `{}` is for {}{more}, but its distribution `{name}` is {target}",
            first.name, first.target
        );
        diagnostics.push(Diagnostic::warning(first.span, message).related(distribution.span, "the distribution"));
    }
}

/// A site that arms machines and does not say where they load from.
fn without_server(inventory: &Inventory, diagnostics: &mut Diagnostics) {
    let armed = inventory.hosts.values().find(|host| host.boot.as_str() != "local");
    if let (None, Some(host)) = (&inventory.site.server, armed) {
        let message = format!("`{}` has the boot action `{}`, but no boot scripts are written", host.name, host.boot);
        let fault = Diagnostic::warning(host.span, message);
        diagnostics
            .push(fault.hint("write `server = \"http://10.1.1.1:8080\"` under [site]: where machines load from"));
    }
}

fn unknown_distributions(inventory: &Inventory, used: &Used, diagnostics: &mut Diagnostics) {
    let known = || inventory.distributions.keys().map(DistributionName::as_str).collect::<Vec<_>>();
    for (name, span) in used.distributions.iter().filter(|(name, _)| !inventory.distributions.contains_key(name)) {
        let fault = Diagnostic::error(*span, format!("there is no distribution `{name}`"));
        diagnostics.push(fault.maybe_hint(suggestion(name.as_str(), known())));
    }
}

fn check_interfaces(host: &Host, diagnostics: &mut Diagnostics) {
    for (index, interface) in host.interfaces.iter().enumerate() {
        if host.interfaces[..index].iter().any(|earlier| earlier.name == interface.name) {
            let message = format!("the host `{}` has two interfaces `{}`", host.name, interface.name);
            diagnostics.push(Diagnostic::error(interface.address_span, message));
        }
        // The lowest bit of the first octet of an Ethernet address marks a group (IEEE 802, section 8.2).
        if interface.address.is_some_and(|address| !address.is_infiniband() && address.octets()[0] & 1 == 1) {
            let message = format!("the hardware address of `{}` is that of a group of machines, not of one", host.name);
            diagnostics.push(Diagnostic::error(interface.address_span, message));
        }
    }
}

/// What hosts had before: value to the place of its first owner.
#[derive(Default)]
struct Seen {
    hardware: BTreeMap<Vec<u8>, (String, Span)>,
    addresses: BTreeMap<std::net::IpAddr, (String, Span)>,
    positions: BTreeMap<(ApplianceName, u32, u32), (String, Span)>,
    uuids: BTreeMap<String, (String, Span)>,
    /// DNS knows no case (RFC 4343).
    names: BTreeMap<String, (String, Span)>,
}

impl Seen {
    /// The names that an interface has beside its host's: each is in `/etc/hosts`, DNS and DHCP.
    fn names_of(
        &mut self,
        inventory: &Inventory,
        (host, interface): (&Host, &Interface),
        diagnostics: &mut Diagnostics,
    ) {
        if interface.ips().next().is_none() {
            return;
        }
        let alias = interface.hostname.as_ref().filter(|name| **name != host.name).map(ToString::to_string);
        let other = inventory.other_name(host, interface).filter(|name| alias.as_ref() != Some(name));
        let domain = inventory.domain(inventory.network(interface));
        for name in alias.into_iter().chain(other) {
            let what = format!("the name `{name}` of the interface `{}`", interface.name);
            once(&mut self.names, name.to_lowercase(), &what, (host, interface.ip_span), diagnostics);
        }
        let short = inventory.other_name(host, interface).unwrap_or_else(|| host.name.to_string());
        let full = domain.map_or_else(|| short.clone(), |domain| format!("{short}.{domain}"));
        if HostName::new(&full).is_none() {
            let fault = Diagnostic::error(interface.ip_span, format!("`{full}` cannot be a host name"));
            let hint =
                format!("write another as `hostname` of the interface; a host name consists of {}", HostKind::RULE);
            diagnostics.push(fault.hint(hint));
        }
    }

    fn host(&mut self, inventory: &Inventory, host: &Host, diagnostics: &mut Diagnostics) {
        if let Some(why) = reserved_name(host.name.as_str()) {
            diagnostics.push(Diagnostic::error(host.span, format!("a host cannot be called `{}`: {why}", host.name)));
        }
        let name = host.name.as_str().to_lowercase();
        once(&mut self.names, name, "the name, which has no case in DNS,", (host, host.span), diagnostics);
        if let Some(uuid) = &host.uuid {
            once(&mut self.uuids, uuid.to_string(), &format!("the uuid {uuid}"), (host, host.span), diagnostics);
        }
        for interface in &host.interfaces {
            self.names_of(inventory, (host, interface), diagnostics);
            let place = (host, interface.address_span);
            let own: Vec<Vec<u8>> = interface.address.iter().flat_map(HardwareAddress::client_ids).collect();
            // A bond has the address of one of its ports.
            let of_part = |address: &HardwareAddress| {
                let mut others = host.interfaces.iter().filter(|other| other.name != interface.name);
                interface.link != Link::Port && others.any(|other| other.address == Some(*address))
            };
            if let Some(address) = interface.address.filter(|address| !of_part(address)) {
                // An InfiniBand port is also the address that iPXE makes of its GUID.
                let what = if address.is_infiniband() {
                    format!("the hardware address {}, by which iPXE asks for {address},", address.ethernet())
                } else {
                    format!("the hardware address {address}")
                };
                once(&mut self.hardware, address.ethernet().octets().to_vec(), &what, place, diagnostics);
            }
            if let Some(id) = interface.client_id.as_ref().filter(|id| !own.contains(id)) {
                let what = format!("the client identifier {}", colons(id));
                once(&mut self.hardware, id.clone(), &what, place, diagnostics);
            }
            for ip in interface.ips() {
                let place = (host, interface.place_of(ip));
                once(&mut self.addresses, ip, &format!("the address {ip}"), place, diagnostics);
            }
        }
        if let (Some(rack), Some(rank)) = (host.rack, host.rank) {
            let what = format!("rack {rack}, rank {rank} of the appliance `{}`", host.appliance);
            once(&mut self.positions, (host.appliance.clone(), rack, rank), &what, (host, host.span), diagnostics);
        }
    }
}

/// Why a name means something else to a program that reads our files.
fn reserved_name(name: &str) -> Option<&'static str> {
    let digits = name.trim_end_matches(['s', 'm', 'h', 'd', 'w']);
    match name.to_lowercase().as_str() {
        "localhost" => Some("every machine calls itself so"),
        "all" | "ungrouped" => Some("it is a group of Ansible"),
        "ignore" | "infinite" => Some("it is a word of dnsmasq"),
        _ if name.parse::<IpAddr>().is_ok() => Some("it is an address"),
        _ if !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && name.len() - digits.len() < 2 =>
        {
            Some("dnsmasq would take it for a time")
        }
        _ => None,
    }
}

fn once<K: Ord>(
    seen: &mut BTreeMap<K, (String, Span)>,
    key: K,
    what: &str,
    (host, span): (&Host, Span),
    diagnostics: &mut Diagnostics,
) {
    match seen.get(&key) {
        None => {
            seen.insert(key, (host.name.to_string(), span));
        }
        Some((owner, first)) => {
            let message = if owner.as_str() == host.name.as_str() {
                format!("{what} belongs to `{owner}` twice")
            } else {
                format!("{what} belongs to `{owner}` and to `{}`", host.name)
            };
            diagnostics.push(Diagnostic::error(span, message).related(*first, format!("`{owner}` has it here")));
        }
    }
}

/// `name = "compute-{rack}-{rank}"` of an appliance: hosts that are called otherwise were probably mistyped.
fn check_name(host: &Host, (pattern, place): &(String, Span), diagnostics: &mut Diagnostics) {
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let (Some(rack), Some(rank)) = (number(host.rack), number(host.rank)) else { return };
    let expected = pattern.replace("{rack}", &rack).replace("{rank}", &rank);
    if expected != host.name.as_str() {
        let message = format!(
            "the host `{}` is in rack {rack} at rank {rank}, so its appliance would call it `{expected}`",
            host.name
        );
        diagnostics.push(Diagnostic::warning(host.span, message).related(*place, "the appliance's pattern"));
    }
}
