//! What DHCP answers at a site, before it is written for any server: which machine gets which address and which file.
//!
//! The emitters of the three servers and `kgen simulate` all read this, so that they cannot differ.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::inventory::address::HardwareAddress;
use crate::inventory::network::{Dhcp, Network, parts};
use crate::inventory::{Host, Interface, Inventory};
use crate::name::NetworkName;
use crate::source::Span;

/// A kind of firmware, as DHCP tells it apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Firmware {
    /// The name of its class.
    pub name: &'static str,
    /// Its numbers in option 93 of DHCP and 61 of `DHCPv6` (RFC 4578, and the list of IANA).
    pub architectures: &'static [u16],
    /// The word of `[loaders]` for its file.
    pub loader: &'static str,
    /// Whether it loads by HTTP, and wants its vendor class back (UEFI 2.10, section 24.7).
    pub http: bool,
}

/// All kinds, in the order in which servers are told of them.
pub const FIRMWARE: [Firmware; 6] = [
    Firmware { name: "bios", architectures: &[0x00], loader: "bios", http: false },
    Firmware { name: "i386", architectures: &[0x06], loader: "i386", http: false },
    Firmware { name: "x86_64", architectures: &[0x07, 0x09], loader: "x86_64", http: false },
    Firmware { name: "aarch64", architectures: &[0x0b], loader: "aarch64", http: false },
    Firmware { name: "http-x86_64", architectures: &[0x10], loader: "x86_64", http: true },
    Firmware { name: "http-aarch64", architectures: &[0x13], loader: "aarch64", http: true },
];

/// The vendor class of firmware that loads by HTTP.
pub const HTTP_CLIENT: &str = "HTTPClient";
/// The vendor class of firmware that loads by TFTP starts with this (PXE specification 2.1, section 2.2.1).
pub const PXE_CLIENT: &str = "PXEClient";
/// The user class of iPXE.
pub const IPXE: &str = "iPXE";

/// The file that a kind of firmware loads first: a path for TFTP, a URL for HTTP; none where no server is known.
pub fn first_file(inventory: &Inventory, network: &Network, firmware: &Firmware) -> Option<String> {
    let file = inventory.loaders.file(firmware.loader);
    if firmware.http {
        return Some(format!("{}/boot/{file}", inventory.server(Some(network))?));
    }
    Some(file.to_owned())
}

/// The script that iPXE loads.
pub fn ipxe_script(inventory: &Inventory, network: &Network) -> Option<String> {
    Some(format!("{}/boot/boot.ipxe", inventory.server(Some(network))?))
}

/// The IPv4 address from which firmware loads: the server's in the network, else that in the URL that it has there.
pub fn next_server(inventory: &Inventory, network: &Network) -> Option<Ipv4Addr> {
    network.server.or_else(|| parts(&inventory.server(Some(network))?).1.parse().ok())
}

/// The URL of the server for clients that may have no IPv4 address: with its IPv6 address, where the network has one.
pub fn server6(inventory: &Inventory, network: &Network) -> Option<String> {
    let url = inventory.server(Some(network))?;
    let (before, _, after) = parts(&url);
    Some(network.server6.map_or_else(|| url.clone(), |ip| format!("{before}[{ip}]{after}")))
}

/// The file that a kind of firmware loads first over IPv6: always a URL (RFC 5970).
pub fn first_file6(inventory: &Inventory, network: &Network, firmware: &Firmware) -> Option<String> {
    let file = inventory.loaders.file(firmware.loader);
    if firmware.http {
        return Some(format!("{}/boot/{file}", server6(inventory, network)?));
    }
    Some(format!("tftp://[{}]/{file}", network.server6?))
}

/// The networks in which our server answers.
pub fn networks(inventory: &Inventory) -> impl Iterator<Item = (&NetworkName, &Network)> {
    inventory.networks.iter().filter(|(_, network)| network.dhcp == Dhcp::Server)
}

/// What a machine of the inventory is given in a network.
#[derive(Debug)]
pub struct Reservation<'i> {
    /// The machine.
    pub host: &'i Host,
    /// The interface that has the addresses.
    pub interface: &'i Interface,
    /// The addresses that it may ask with, of Ethernet's six octets; InfiniBand's is that of iPXE.
    pub hardware: Vec<HardwareAddress>,
    /// The identifiers that it may ask with, the likeliest first.
    pub client_ids: Vec<Vec<u8>>,
    /// Its IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// The name that it is told.
    pub name: String,
    /// Where the interface is declared.
    pub span: Span,
}

impl Reservation<'_> {
    /// Whether a client that shows these is the machine.
    pub fn is_for(&self, hardware: Option<HardwareAddress>, client_id: Option<&[u8]>) -> bool {
        hardware.is_some_and(|address| self.hardware.contains(&address))
            || client_id.is_some_and(|id| self.client_ids.iter().any(|own| own == id))
    }
}

/// The reservations of a network, in the order of the names of hosts.
pub fn reservations<'i>(
    inventory: &'i Inventory,
    name: &'i NetworkName,
) -> impl Iterator<Item = Reservation<'i>> + use<'i> {
    let ports = inventory.hosts.values().flat_map(|host| host.interfaces.iter().map(move |port| (host, port)));
    ports.filter(move |(_, port)| port.network.as_ref() == Some(name)).filter_map(|(host, interface)| {
        let shown = host.hardware(interface);
        let mut client_ids: Vec<Vec<u8>> = interface.client_id.iter().cloned().collect();
        client_ids.extend(shown.iter().flat_map(HardwareAddress::client_ids));
        let hardware: Vec<_> = shown.iter().map(HardwareAddress::ethernet).collect();
        let known = !hardware.is_empty() || !client_ids.is_empty();
        let name = inventory.other_name(host, interface).unwrap_or_else(|| host.name.to_string());
        known.then(|| Reservation {
            host,
            interface,
            hardware,
            client_ids,
            ipv4: interface.ipv4(),
            ipv6: interface.ipv6(),
            name,
            span: interface.address_span,
        })
    })
}

/// Whether machines of a network have to be known by their client identifiers, as over InfiniBand.
pub fn has_identifiers(inventory: &Inventory, name: &NetworkName) -> bool {
    reservations(inventory, name).any(|own| !own.client_ids.is_empty())
}

/// What a machine shows of itself when it asks.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Its hardware address.
    pub hardware: Option<HardwareAddress>,
    /// Its client identifier (option 61).
    pub client_id: Option<Vec<u8>>,
    /// Its architecture (option 93).
    pub architecture: Option<u16>,
    /// Its user class (option 77).
    pub user_class: Option<String>,
    /// Its vendor class (option 60).
    pub vendor_class: Option<String>,
}

/// What it is answered.
#[derive(Debug)]
pub struct Answer<'i> {
    /// The network.
    pub network: (&'i NetworkName, &'i Network),
    /// The machine, where it is one of the inventory.
    pub reservation: Option<Reservation<'i>>,
    /// Its address, or the pool from which it gets one.
    pub address: Option<String>,
    /// The server to load from.
    pub next_server: Option<IpAddr>,
    /// The file to load, and the class that it has it from.
    pub file: Option<(String, &'static str)>,
    /// The vendor class that is sent back.
    pub vendor_class: Option<&'static str>,
}

/// The class of a client: that of iPXE, or its firmware.
pub fn class(request: &Request) -> Option<Class> {
    if request.user_class.as_deref() == Some(IPXE) {
        return Some(Class::Ipxe);
    }
    let pxe = request.vendor_class.as_deref().is_some_and(|class| class.starts_with(PXE_CLIENT));
    // Firmware from before RFC 4578 does not say what it is, and is a BIOS.
    let architecture = request.architecture.or_else(|| pxe.then_some(0))?;
    FIRMWARE.iter().find(|kind| kind.architectures.contains(&architecture)).map(Class::Firmware)
}

/// What decides which file a client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A loader that reads scripts.
    Ipxe,
    /// Firmware, which loads a loader.
    Firmware(&'static Firmware),
}

/// What a client is answered in a network; in that of its host, where it is known and no network is named. `None`
/// where nobody answers it.
pub fn answer<'i>(inventory: &'i Inventory, request: &Request, on: Option<&NetworkName>) -> Option<Answer<'i>> {
    let asked =
        |(name, network): &(&NetworkName, &Network)| network.dhcp != Dhcp::None && on.is_none_or(|on| on == *name);
    let found = inventory.networks.iter().filter(asked).find_map(|(name, network)| {
        let mut all = reservations(inventory, name);
        let own = all.find(|own| own.is_for(request.hardware, request.client_id.as_deref()));
        own.filter(|own| own.ipv4.is_some() || own.ipv6.is_some()).map(|own| ((name, network), Some(own)))
    });
    let unknown = || {
        let lends = |(_, network): &(&NetworkName, &Network)| network.dhcp == Dhcp::Proxy || !network.pools.is_empty();
        // Most machines ask over Ethernet.
        let mut open: Vec<_> = inventory.networks.iter().filter(asked).filter(lends).collect();
        open.sort_by_key(|(name, _)| has_identifiers(inventory, name));
        open.first().map(|network| (*network, None))
    };
    let ((name, network), reservation) = found.or_else(unknown)?;
    let pool = network.pools.first().map(|(pool, _)| format!("{}-{}", pool.first, pool.last));
    let own = reservation.as_ref().and_then(|own| own.interface.ips().next()).map(|ip| ip.to_string());
    let class = class(request).filter(|_| network.pxe);
    let file = class.and_then(|class| match class {
        Class::Ipxe => Some((ipxe_script(inventory, network)?, "ipxe")),
        Class::Firmware(kind) if network.ipv4().is_none() => Some((first_file6(inventory, network, kind)?, kind.name)),
        Class::Firmware(kind) => Some((first_file(inventory, network, kind)?, kind.name)),
    });
    let http = matches!(class, Some(Class::Firmware(kind)) if kind.http);
    Some(Answer {
        network: (name, network),
        reservation,
        address: own.or(pool),
        next_server: next_server(inventory, network).map(IpAddr::V4).or(network.server6.map(IpAddr::V6)),
        file,
        vendor_class: http.then_some(HTTP_CLIENT),
    })
}
