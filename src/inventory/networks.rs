//! Reads `[networks]`, and finds where each network reaches the server.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::context::Defaults;
use crate::inventory::network::{Dhcp, Network, parts};
use crate::inventory::platform::plain_word;
use crate::inventory::subnet::{IpRange, Subnet};
use crate::inventory::table::{Table, named};
use crate::inventory::value::{ip_address, ip_addresses, parsed, within, word};
use crate::inventory::{Host, Interface, Inventory};
use crate::name::{HostKind, NetworkName};
use crate::source::Span;

/// Leases where a network says nothing.
const LEASE_SECONDS: u32 = 3600;

/// Reads `[networks]`.
pub fn networks(
    table: &mut Table,
    defaults: &mut Defaults,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<NetworkName, Network> {
    let Some(networks) = table.section("networks", diagnostics) else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for (key, span, value) in networks.entries() {
        defaults.declared.insert(format!("network {key}"));
        let Some(name) = named(key, span, diagnostics) else { continue };
        let Some(table) = value.table(&format!("[networks.{key}]"), diagnostics) else { continue };
        read.extend(network(table, (key, span), diagnostics).map(|network| (name, network)));
    }
    read
}

fn network(mut table: Table, (key, span): (&str, Span), diagnostics: &mut Diagnostics) -> Option<Network> {
    if !table.has("subnet") {
        diagnostics.push(Diagnostic::error(span, format!("the network `{key}` has no `subnet`")));
    }
    let mut places = BTreeMap::new();
    let mut subnet = |key, table: &mut Table, diagnostics: &mut Diagnostics| {
        let (text, place) = table.text(key, diagnostics)?;
        places.insert(key, place);
        parsed(Subnet::parse(&text), place, diagnostics)
    };
    let main = subnet("subnet", &mut table, diagnostics);
    let subnet6 = subnet("subnet6", &mut table, diagnostics);
    let gateway = table.text("gateway", diagnostics);
    places.extend(gateway.as_ref().map(|(_, place)| ("gateway", *place)));
    let gateway = gateway.and_then(|found| ip_address(&found, diagnostics));
    let (v4, v6) = ("an IPv4 address", "an IPv6 address");
    let gateway6 = of_family((&mut table, "gateway6", v6), &mut places, diagnostics);
    let server = of_family((&mut table, "server", v4), &mut places, diagnostics);
    let server6 = of_family((&mut table, "server6", v6), &mut places, diagnostics);
    for key in ["vlan", "mtu", "lease_seconds", "relays"] {
        places.extend(table.get(key).map(|value| (key, value.span)));
    }
    let network = Network {
        subnet: main.unwrap_or(Subnet { first: Ipv4Addr::UNSPECIFIED.into(), prefix: 32 }),
        subnet6,
        gateway,
        gateway6,
        nameservers: ip_addresses(&mut table, "nameservers", diagnostics),
        domain: table.name::<HostKind>("domain", diagnostics).map(|(name, _)| name.as_str().to_lowercase()),
        vlan: within(&mut table, "vlan", 1..=4094, diagnostics),
        mtu: within(&mut table, "mtu", 68..=65535, diagnostics),
        dhcp: word(&mut table, "dhcp", &Dhcp::NAMES, diagnostics)
            .and_then(|word| Dhcp::named(&word))
            .unwrap_or_default(),
        pxe: table.truth("pxe", diagnostics).unwrap_or(true),
        pools: pools(&mut table, diagnostics),
        relays: ip_addresses(&mut table, "relays", diagnostics),
        lease_seconds: within(&mut table, "lease_seconds", 60..=31_536_000, diagnostics).unwrap_or(LEASE_SECONDS),
        server,
        server6,
        interface: table
            .text("interface", diagnostics)
            .and_then(|found| plain_word("interface", found, diagnostics))
            .map(|(name, _)| name),
        url: None,
        places,
        span,
    };
    table.finish(diagnostics);
    main.map(|_| network)
}

/// An address of one family, `words` being what that is called.
fn of_family<A: FromStr>(
    (table, key, words): (&mut Table, &'static str, &str),
    places: &mut BTreeMap<&'static str, Span>,
    diagnostics: &mut Diagnostics,
) -> Option<A> {
    let (text, place) = table.text(key, diagnostics)?;
    places.insert(key, place);
    parsed(text.parse().map_err(|_| format!("`{key}` is `{text}`, but has to be {words}")), place, diagnostics)
}

fn pools(table: &mut Table, diagnostics: &mut Diagnostics) -> Vec<(IpRange, Span)> {
    let texts = table.texts("pools", diagnostics).unwrap_or_default();
    let read = |(text, span): (String, Span)| Some((parsed(IpRange::parse(&text), span, diagnostics)?, span));
    texts.into_iter().filter_map(read).collect()
}

/// Finds the server's address in each network that does not say it: the site's own where it is in the network, else
/// that of the host which has the site's, and one in the network.
pub fn find_servers(inventory: &mut Inventory) {
    let Some(site) = inventory.site.server.clone() else { return };
    let (before, address, after) = parts(&site);
    let own: Option<IpAddr> = address.trim_matches(['[', ']']).parse().ok();
    let serves = |host: &&Host| host.interfaces.iter().any(|port| port.ips().any(|ip| Some(ip) == own));
    let host = own.and_then(|_| inventory.hosts.values().find(serves));
    for (name, network) in &mut inventory.networks {
        let ports = host.into_iter().flat_map(|host| &host.interfaces);
        let there = ports.filter(|port| port.network.as_ref() == Some(name)).flat_map(Interface::ips);
        if network.interface.is_none() {
            let here = host.and_then(|host| host.interfaces.iter().find(|port| port.network.as_ref() == Some(name)));
            network.interface = here.map(|port| port.name.clone());
        }
        let known: Vec<IpAddr> = own.into_iter().chain(there).filter(|ip| network.contains(*ip)).collect();
        for ip in known {
            match ip {
                IpAddr::V4(ip) => network.server = network.server.or(Some(ip)),
                IpAddr::V6(ip) => network.server6 = network.server6.or(Some(ip)),
            }
        }
        let v4 = network.server.map(|ip| ip.to_string());
        let v6 = network.server6.map(|ip| format!("[{ip}]"));
        let here = if network.ipv4().is_some() { v4.or(v6) } else { v6 };
        network.url = Some(here.map_or_else(|| site.clone(), |here| format!("{before}{here}{after}")));
    }
}
