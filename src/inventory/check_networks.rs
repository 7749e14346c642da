//! What is wrong with the networks of an inventory: what is not in them, what overlaps, what no DHCP server can have.

use std::net::IpAddr;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::Inventory;
use crate::inventory::network::{Dhcp, Network};
use crate::name::NetworkName;

/// Reports every fault of networks, of two with both places.
pub fn check_networks(inventory: &Inventory, diagnostics: &mut Diagnostics) {
    overlapping_networks(inventory, diagnostics);
    for named in &inventory.networks {
        own_addresses(named, inventory, diagnostics);
        families(named.1, diagnostics);
        pools(named, diagnostics);
        relays(named, inventory, diagnostics);
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

/// The addresses of a router and a server that are not in their network.
fn own_addresses((name, network): (&NetworkName, &Network), inventory: &Inventory, diagnostics: &mut Diagnostics) {
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
            let message = match network.subnet_for(address) {
                Some(subnet) => format!("{what} {address} {of} `{name}` is not in {subnet}"),
                None => format!("{what} {address} {of} `{name}` is of a family of which `{name}` has no subnet"),
            };
            diagnostics.push(Diagnostic::error(network.place(key), message));
        }
    }
}

/// Subnets of the wrong family or size.
fn families(network: &Network, diagnostics: &mut Diagnostics) {
    if network.subnet6.is_some_and(|subnet6| subnet6.first.is_ipv4() || network.subnet.first.is_ipv6()) {
        let message = "`subnet6` is an IPv6 subnet beside a `subnet` of IPv4";
        diagnostics.push(Diagnostic::error(network.place("subnet6"), message));
    }
    let too_long = network.ipv6().filter(|subnet| subnet.prefix < 64 && network.dhcp == Dhcp::Server);
    if let Some(subnet) = too_long {
        let message =
            format!("{subnet} is larger than a network of IPv6 can be for DHCP, whose prefix has at least 64 bits");
        diagnostics
            .push(Diagnostic::error(network.place("subnet6"), message).hint("write `dhcp = \"none\"`, or its part"));
    }
}

/// Pools that are outside, overlap, or hold an address that is somebody's.
fn pools((name, network): (&NetworkName, &Network), diagnostics: &mut Diagnostics) {
    for (index, (pool, place)) in network.pools.iter().enumerate() {
        let ends = network
            .subnet_for(pool.first)
            .is_some_and(|subnet| subnet.reserves(pool.first) || subnet.reserves(pool.last));
        if ends {
            let message =
                format!("the pool holds the address of the network `{name}` itself, or its broadcast address");
            diagnostics.push(Diagnostic::error(*place, message));
        }
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
}

/// Relays that are there twice, or in a network of their own, whose answers they would get.
fn relays((name, network): (&NetworkName, &Network), inventory: &Inventory, diagnostics: &mut Diagnostics) {
    for (index, relay) in network.relays.iter().enumerate() {
        let place = network.place("relays");
        if network.relays[..index].contains(relay) {
            diagnostics.push(Diagnostic::error(place, format!("the relay {relay} is there twice")));
        }
        let mut others = inventory.networks.values().filter(|other| !std::ptr::eq(*other, network));
        if let Some(other) = others.find(|other| other.contains(*relay)) {
            let message =
                format!("the relay {relay} of `{name}` has an address of another network, whose answers it would get");
            diagnostics.push(Diagnostic::error(place, message).related(other.span, "the other network"));
        }
    }
}
