//! `[networks.NAME]`: the networks of a site.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::inventory::subnet::{IpRange, Subnet};
use crate::source::Span;

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
    /// The boot server's own interface in it, which Kea has to know for IPv6.
    pub interface: Option<String>,
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

    /// The one of this word.
    pub fn named(name: &str) -> Option<Self> {
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
