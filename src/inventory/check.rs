//! What is wrong between the entries of an inventory: the same thing twice, an address in the wrong network.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::network::{Dhcp, Network};
use crate::inventory::platform::Used;
use crate::inventory::{Host, Interface, Inventory, actions};
use crate::name::{ApplianceName, DistributionName, NetworkName, suggestion};
use crate::source::Span;

/// Reports every clash, with both places, and every name that is used and not declared.
pub fn check(inventory: &Inventory, used: &Used, diagnostics: &mut Diagnostics) {
    overlapping_networks(inventory, diagnostics);
    for (name, network) in &inventory.networks {
        check_network((name, network), inventory, diagnostics);
    }
    unknown_distributions(inventory, used, diagnostics);
    actions::check(inventory, &used.actions, diagnostics);
    let mut seen = Seen::default();
    for host in inventory.hosts.values() {
        seen.host(inventory, host, diagnostics);
        check_interfaces(host, diagnostics);
        for interface in &host.interfaces {
            let network = interface.network.as_ref().and_then(|name| inventory.networks.get_key_value(name.as_str()));
            if let Some(network) = network {
                interface.ips().for_each(|ip| check_address(host, (interface, ip), network, diagnostics));
            }
        }
        let pattern = inventory.appliances.get(host.appliance.as_str()).and_then(|found| found.pattern.as_ref());
        if let Some(pattern) = pattern {
            check_name(host, pattern, diagnostics);
        }
    }
}

/// An address that its interface cannot have.
fn check_address(
    host: &Host,
    (interface, ip): (&Interface, IpAddr),
    (name, network): (&NetworkName, &Network),
    diagnostics: &mut Diagnostics,
) {
    let told = |message: String| Diagnostic::error(interface.ip_span, message);
    let subnet = network.subnet_for(ip);
    let whose = &host.name;
    if !network.contains(ip) {
        let is = subnet.map_or_else(|| network.subnet.to_string(), |subnet| subnet.to_string());
        let fault = told(format!("the address {ip} of `{whose}` is not in the network `{name}`, which is {is}"));
        diagnostics.push(fault.related(network.span, "the network"));
    } else if subnet.is_some_and(|subnet| subnet.reserves(ip)) {
        let message = format!("the address {ip} of `{whose}` is the network `{name}` itself, or its broadcast address");
        diagnostics.push(told(message));
    } else if let Some((_, place)) = network.pools.iter().find(|(pool, _)| pool.contains(ip)) {
        let message = format!("the address {ip} of `{whose}` is in a pool of `{name}`, which is for unknown machines");
        diagnostics.push(told(message).related(*place, "the pool"));
    } else if network.gateway == Some(ip) && network.server.map(IpAddr::V4) != Some(ip) && host.boot.as_str() != "local"
    {
        let message = format!("the address {ip} of `{whose}` is the gateway of the network `{name}`");
        diagnostics
            .push(Diagnostic::warning(interface.ip_span, message).related(network.place("gateway"), "the gateway"));
    }
}

/// What of a network is not in it.
fn check_network((name, network): (&NetworkName, &Network), inventory: &Inventory, diagnostics: &mut Diagnostics) {
    let v6 = |address: Option<std::net::Ipv6Addr>| address.map(IpAddr::V6);
    let own = [
        ("gateway", "the gateway", network.gateway),
        ("gateway6", "the gateway", v6(network.gateway6)),
        ("server", "the server's address", network.server.map(IpAddr::V4)),
        ("server6", "the server's address", v6(network.server6)),
    ];
    for (key, what, address) in own {
        // A network that is reached through a relay has a server in another.
        let elsewhere = |address: &IpAddr| {
            key.starts_with("server") && inventory.networks.values().any(|other| other.contains(*address))
        };
        if let Some(address) = address.filter(|address| !network.contains(*address) && !elsewhere(address)) {
            let of = if key.starts_with("gateway") { "of" } else { "in" };
            let subnet = network.subnet_for(address).unwrap_or(network.subnet);
            let message = format!("{what} {address} {of} `{name}` is not in {subnet}");
            diagnostics.push(Diagnostic::error(network.place(key), message));
        }
    }
    if network.subnet6.is_some_and(|subnet6| subnet6.first.is_ipv4() || network.subnet.first.is_ipv6()) {
        let message = "`subnet6` is an IPv6 subnet beside a `subnet` of IPv4";
        diagnostics.push(Diagnostic::error(network.place("subnet6"), message));
    }
    for (index, (pool, place)) in network.pools.iter().enumerate() {
        if !network.contains(pool.first) || !network.contains(pool.last) {
            let subnet = network.subnet_for(pool.first).unwrap_or(network.subnet);
            diagnostics.push(Diagnostic::error(*place, format!("the pool is not in `{name}`, which is {subnet}")));
        }
        let earlier =
            network.pools[..index].iter().find(|(other, _)| other.contains(pool.first) || pool.contains(other.first));
        if let Some((_, other)) = earlier {
            diagnostics.push(Diagnostic::error(*place, "the pool overlaps another").related(*other, "the other"));
        }
        let reserved = [network.gateway, network.server.map(IpAddr::V4)];
        for address in reserved.into_iter().flatten().filter(|address| pool.contains(*address)) {
            let message = format!("the pool holds {address}, which is the gateway or the server of `{name}`");
            diagnostics.push(Diagnostic::error(*place, message));
        }
    }
    if network.dhcp == Dhcp::Proxy && !network.pools.is_empty() {
        let message =
            format!("in `{name}` another server gives addresses (`dhcp = \"proxy\"`), so its pools are not used");
        diagnostics.push(Diagnostic::warning(network.span, message));
    }
    for relay in network.relays.iter().filter(|relay| {
        inventory.networks.values().any(|other| !std::ptr::eq(other, network) && other.contains(**relay))
    }) {
        let message =
            format!("the relay {relay} of `{name}` has an address of another network, whose answers it would get");
        diagnostics.push(Diagnostic::error(network.span, message));
    }
}

fn unknown_distributions(inventory: &Inventory, used: &Used, diagnostics: &mut Diagnostics) {
    let known = || inventory.distributions.keys().map(DistributionName::as_str).collect::<Vec<_>>();
    for (name, span) in used.distributions.iter().filter(|(name, _)| !inventory.distributions.contains_key(name)) {
        let fault = Diagnostic::error(*span, format!("there is no distribution `{name}`"));
        diagnostics.push(fault.maybe_hint(suggestion(name.as_str(), known())));
    }
}

fn overlapping_networks(inventory: &Inventory, diagnostics: &mut Diagnostics) {
    let networks: Vec<_> = inventory.networks.iter().collect();
    for (index, (name, network)) in networks.iter().enumerate() {
        for (other_name, other) in &networks[index + 1..] {
            let both = [network.ipv4().zip(other.ipv4()), network.ipv6().zip(other.ipv6())];
            for (one, two) in both.into_iter().flatten().filter(|(one, two)| one.overlaps(*two)) {
                let message = format!("the networks `{name}` ({one}) and `{other_name}` ({two}) overlap");
                diagnostics.push(Diagnostic::error(other.span, message).related(network.span, "the other"));
            }
        }
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
    /// DNS knows no case (RFC 4343).
    names: BTreeMap<String, (String, Span)>,
}

impl Seen {
    fn host(&mut self, inventory: &Inventory, host: &Host, diagnostics: &mut Diagnostics) {
        let name = host.name.as_str().to_lowercase();
        once(&mut self.names, name, "the name, which has no case in DNS,", (host, host.span), diagnostics);
        for interface in &host.interfaces {
            if interface.ips().next().is_some()
                && let Some(name) = inventory.other_name(host, interface)
            {
                let what = format!("the name `{name}`");
                once(&mut self.names, name.to_lowercase(), &what, (host, interface.ip_span), diagnostics);
            }
            if let Some(address) = interface.address {
                let what = format!("the hardware address {address}");
                once(&mut self.hardware, address.octets().to_vec(), &what, (host, interface.address_span), diagnostics);
            }
            for ip in interface.ips() {
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
