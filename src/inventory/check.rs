//! What is wrong between the entries of an inventory: the same thing twice, an address in the wrong network.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::{Host, Inventory, Network};
use crate::name::{ApplianceName, NetworkName};
use crate::source::Span;

/// Reports every clash, with both places. `patterns` are the host names that appliances want.
pub fn check(inventory: &Inventory, patterns: &BTreeMap<ApplianceName, (String, Span)>, diagnostics: &mut Diagnostics) {
    overlapping_networks(inventory, diagnostics);
    for (name, network) in &inventory.networks {
        gateway_outside(name, network, diagnostics);
    }
    let mut seen = Seen::default();
    for host in inventory.hosts.values() {
        seen.host(host, diagnostics);
        check_interfaces(host, diagnostics);
        for interface in &host.interfaces {
            let network =
                interface.network.as_ref().and_then(|name| Some((name, inventory.networks.get(name.as_str())?)));
            if let (Some(ip), Some((name, network))) = (interface.ip, network)
                && !network.subnet.contains(ip)
            {
                let message = format!(
                    "the address {ip} of `{}` is not in the network `{name}`, which is {}",
                    host.name, network.subnet
                );
                diagnostics.push(Diagnostic::error(interface.ip_span, message).related(network.span, "the network"));
            }
            if let (Some(ip), Some((name, network))) = (interface.ip, network)
                && network.subnet.reserves(ip)
            {
                let message = format!(
                    "the address {ip} of `{}` is the network `{name}` itself, or its broadcast address",
                    host.name
                );
                diagnostics.push(Diagnostic::error(interface.ip_span, message));
            }
        }
        if let Some(pattern) = patterns.get(host.appliance.as_str()) {
            check_name(host, pattern, diagnostics);
        }
    }
}

fn overlapping_networks(inventory: &Inventory, diagnostics: &mut Diagnostics) {
    let networks: Vec<_> = inventory.networks.iter().collect();
    for (index, (name, network)) in networks.iter().enumerate() {
        for (other_name, other) in &networks[index + 1..] {
            if network.subnet.overlaps(other.subnet) {
                let message =
                    format!("the networks `{name}` ({}) and `{other_name}` ({}) overlap", network.subnet, other.subnet);
                diagnostics.push(Diagnostic::error(other.span, message).related(network.span, "the other"));
            }
        }
    }
}

fn gateway_outside(name: &NetworkName, network: &Network, diagnostics: &mut Diagnostics) {
    if let Some(gateway) = network.gateway
        && !network.subnet.contains(gateway)
    {
        let message = format!("the gateway {gateway} of `{name}` is not in {}", network.subnet);
        diagnostics.push(Diagnostic::error(network.gateway_span, message));
    }
}

fn check_interfaces(host: &Host, diagnostics: &mut Diagnostics) {
    for (index, interface) in host.interfaces.iter().enumerate() {
        if host.interfaces[..index].iter().any(|earlier| earlier.name == interface.name) {
            let message = format!("the host `{}` has two interfaces `{}`", host.name, interface.name);
            diagnostics.push(Diagnostic::error(interface.address_span, message));
        }
        // The lowest bit of the first octet of an Ethernet address marks a group (IEEE 802, section 8.2).
        if interface.address.is_some_and(|address| address.octets().len() == 6 && address.octets()[0] & 1 == 1) {
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
    /// DNS knows no case (RFC 4343).
    names: BTreeMap<String, (String, Span)>,
}

impl Seen {
    fn host(&mut self, host: &Host, diagnostics: &mut Diagnostics) {
        let name = host.name.as_str().to_lowercase();
        once(&mut self.names, name, "the name, which has no case in DNS,", (host, host.span), diagnostics);
        for interface in &host.interfaces {
            if let Some(address) = interface.address {
                let what = format!("the hardware address {address}");
                once(&mut self.hardware, address.octets().to_vec(), &what, (host, interface.address_span), diagnostics);
            }
            if let Some(ip) = interface.ip {
                once(&mut self.addresses, ip, &format!("the address {ip}"), (host, interface.ip_span), diagnostics);
            }
        }
        if let (Some(rack), Some(rank)) = (host.rack, host.rank) {
            let what = format!("rack {rack}, rank {rank} of the appliance `{}`", host.appliance);
            once(&mut self.positions, (host.appliance.clone(), rack, rank), &what, (host, host.span), diagnostics);
        }
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
