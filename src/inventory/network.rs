//! `[networks.NAME]`: the networks of a site, and where each reaches the server.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::hosts::Defaults;
use crate::inventory::subnet::{IpRange, Subnet};
use crate::inventory::table::{Table, named};
use crate::inventory::value::{ip_address, ip_addresses, parsed, word};
use crate::inventory::{Host, Inventory};
use crate::name::{HostKind, NetworkName};
use crate::source::Span;

/// Leases of unknown machines, where a network says nothing: long enough for an installation to begin.
const LEASE_SECONDS: u32 = 600;

/// `[networks.NAME]`.
#[derive(Debug)]
pub struct Network {
    /// Its addresses, of either family.
    pub subnet: Subnet,
    /// Its IPv6 addresses, where `subnet` is IPv4.
    pub subnet6: Option<Subnet>,
    /// The router.
    pub gateway: Option<IpAddr>,
    /// The IPv6 router, beside one of IPv4.
    pub gateway6: Option<Ipv6Addr>,
    /// Name servers, in order.
    pub nameservers: Vec<IpAddr>,
    /// The DNS domain of names in it; the site's where there is none.
    pub domain: Option<String>,
    /// The VLAN that it is, as switches number them.
    pub vlan: Option<u32>,
    /// The largest packet, in octets.
    pub mtu: Option<u32>,
    /// Who answers DHCP in it.
    pub dhcp: Dhcp,
    /// Whether machines boot from it: whether DHCP answers name boot files.
    pub pxe: bool,
    /// Addresses for machines that are not in the inventory.
    pub pools: Vec<(IpRange, Span)>,
    /// Addresses of relays that are not in the subnet themselves.
    pub relays: Vec<IpAddr>,
    /// How long an address is lent.
    pub lease_seconds: u32,
    /// The boot server's address in it.
    pub server: Option<Ipv4Addr>,
    /// The boot server's IPv6 address in it.
    pub server6: Option<Ipv6Addr>,
    /// Where its machines reach kgen: the site's URL with the server's address in this network.
    pub url: Option<String>,
    /// Where single values are written, else the network.
    pub places: BTreeMap<&'static str, Span>,
    /// Where it is declared.
    pub span: Span,
}

/// Who answers DHCP in a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dhcp {
    /// Our server.
    #[default]
    Server,
    /// Another's gives addresses, and ours, beside it, names boot files (PXE specification 2.1, proxyDHCP).
    Proxy,
    /// Nobody of ours.
    None,
}

impl Dhcp {
    /// The words for them in an inventory.
    pub const NAMES: [&'static str; 3] = ["server", "proxy", "none"];

    fn named(name: &str) -> Option<Self> {
        Some([Dhcp::Server, Dhcp::Proxy, Dhcp::None][Self::NAMES.iter().position(|known| *known == name)?])
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Dhcp::Server => "server",
            Dhcp::Proxy => "proxy",
            Dhcp::None => "none",
        }
    }
}

impl Network {
    /// Its IPv4 addresses.
    pub fn ipv4(&self) -> Option<Subnet> {
        Some(self.subnet).filter(|subnet| subnet.first.is_ipv4())
    }

    /// Its IPv6 addresses.
    pub fn ipv6(&self) -> Option<Subnet> {
        Some(self.subnet).filter(|subnet| subnet.first.is_ipv6()).or(self.subnet6)
    }

    /// Its addresses of the family of `address`.
    pub fn subnet_for(&self, address: IpAddr) -> Option<Subnet> {
        if address.is_ipv4() { self.ipv4() } else { self.ipv6() }
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.subnet_for(address).is_some_and(|subnet| subnet.contains(address))
    }

    /// Where a value is written, else the network.
    pub fn place(&self, key: &str) -> Span {
        self.places.get(key).copied().unwrap_or(self.span)
    }

    /// The router of IPv4.
    pub fn router(&self) -> Option<Ipv4Addr> {
        match self.gateway {
            Some(IpAddr::V4(gateway)) => Some(gateway),
            _ => None,
        }
    }
}

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
    let mut address = |key, table: &mut Table, diagnostics: &mut Diagnostics| {
        let found = table.text(key, diagnostics)?;
        places.insert(key, found.1);
        ip_address(&found, diagnostics)
    };
    let gateway = address("gateway", &mut table, diagnostics);
    let gateway6 = address("gateway6", &mut table, diagnostics);
    let server = address("server", &mut table, diagnostics);
    let server6 = address("server6", &mut table, diagnostics);
    for key in ["vlan", "mtu", "lease_seconds"] {
        places.extend(table.get(key).map(|value| (key, value.span)));
    }
    let network = Network {
        subnet: main.unwrap_or(Subnet { first: Ipv4Addr::UNSPECIFIED.into(), prefix: 32 }),
        subnet6,
        gateway,
        gateway6: of_ipv6("gateway6", gateway6, &places, diagnostics),
        nameservers: ip_addresses(&mut table, "nameservers", diagnostics),
        domain: table.name::<HostKind>("domain", diagnostics).map(|(name, _)| name.to_string()),
        vlan: within(&mut table, "vlan", 1..=4094, diagnostics),
        mtu: within(&mut table, "mtu", 68..=65535, diagnostics),
        dhcp: word(&mut table, "dhcp", &Dhcp::NAMES, diagnostics)
            .and_then(|word| Dhcp::named(&word))
            .unwrap_or_default(),
        pxe: table.truth("pxe", diagnostics).unwrap_or(true),
        pools: pools(&mut table, diagnostics),
        relays: ip_addresses(&mut table, "relays", diagnostics),
        lease_seconds: within(&mut table, "lease_seconds", 60..=31_536_000, diagnostics).unwrap_or(LEASE_SECONDS),
        server: of_ipv4("server", server, &places, diagnostics),
        server6: of_ipv6("server6", server6, &places, diagnostics),
        url: None,
        places,
        span,
    };
    table.finish(diagnostics);
    main.map(|_| network)
}

fn wrong_family(key: &'static str, address: IpAddr, places: &BTreeMap<&str, Span>, diagnostics: &mut Diagnostics) {
    let family = if address.is_ipv4() { "an IPv4" } else { "an IPv6" };
    if let Some(place) = places.get(key) {
        diagnostics.push(Diagnostic::error(*place, format!("`{key}` is {address}, {family} address")));
    }
}

fn of_ipv4(
    key: &'static str,
    address: Option<IpAddr>,
    places: &BTreeMap<&str, Span>,
    diagnostics: &mut Diagnostics,
) -> Option<Ipv4Addr> {
    match address? {
        IpAddr::V4(address) => Some(address),
        other @ IpAddr::V6(_) => {
            wrong_family(key, other, places, diagnostics);
            None
        }
    }
}

fn of_ipv6(
    key: &'static str,
    address: Option<IpAddr>,
    places: &BTreeMap<&str, Span>,
    diagnostics: &mut Diagnostics,
) -> Option<Ipv6Addr> {
    match address? {
        IpAddr::V6(address) => Some(address),
        other @ IpAddr::V4(_) => {
            wrong_family(key, other, places, diagnostics);
            None
        }
    }
}

/// A number between two others.
pub fn within(
    table: &mut Table,
    key: &'static str,
    range: std::ops::RangeInclusive<u32>,
    diagnostics: &mut Diagnostics,
) -> Option<u32> {
    let number = table.number(key, diagnostics)?;
    if range.contains(&number) {
        return Some(number);
    }
    if let Some(value) = table.get(key) {
        let message = format!("`{key}` is {number}, but has to be from {} to {}", range.start(), range.end());
        diagnostics.push(Diagnostic::error(value.span, message));
    }
    None
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
        let there = ports.filter(|port| port.network.as_ref() == Some(name)).flat_map(|port| port.ips());
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

/// A URL up to its host, its host, and what comes after.
pub fn parts(url: &str) -> (&str, &str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let rest = &url[start..];
    let length = match rest.find(']') {
        Some(end) if rest.starts_with('[') => end + 1,
        _ => rest.find([':', '/']).unwrap_or(rest.len()),
    };
    (&url[..start], &rest[..length], &rest[length..])
}
