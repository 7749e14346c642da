//! `/etc/hosts` and `/etc/ethers`, and the names of addresses that they and DNS have in common.

use std::net::IpAddr;

use crate::emit::lines::Lines;
use crate::inventory::Inventory;
use crate::source::Span;

/// An address and its names.
#[derive(Debug)]
pub struct Entry {
    /// The address.
    pub ip: IpAddr,
    /// The names without a domain, the host's own first.
    pub short: Vec<String>,
    /// The domain that they are in.
    pub domain: Option<String>,
    /// Where the address is declared.
    pub span: Span,
}

impl Entry {
    /// The host's own name, full where there is a domain.
    pub fn full(&self) -> String {
        let short = self.short.first().map(String::as_str).unwrap_or_default();
        self.domain.as_ref().map_or_else(|| short.to_owned(), |domain| format!("{short}.{domain}"))
    }

    /// All its names: the full one, then the short ones.
    pub fn names(&self) -> Vec<String> {
        let full = self.domain.is_some().then(|| self.full());
        full.into_iter().chain(self.short.iter().cloned()).collect()
    }
}

/// Every address of every host, in the order of the hosts' names.
pub fn entries(inventory: &Inventory) -> impl Iterator<Item = Entry> {
    let ports = inventory.hosts.values().flat_map(|host| host.interfaces.iter().map(move |port| (host, port)));
    ports.flat_map(|(host, port)| {
        let short = inventory.other_name(host, port).unwrap_or_else(|| host.name.to_string());
        let domain = inventory.domain(inventory.network(port)).map(str::to_owned);
        // The interface that a host boots from has the host's name, and may have another.
        let other = port.hostname.as_ref().map(ToString::to_string).filter(|other| *other != short);
        let short: Vec<String> = [short].into_iter().chain(other).collect();
        port.ips().map(move |ip| Entry { ip, short: short.clone(), domain: domain.clone(), span: port.ip_span })
    })
}

/// The file of names: `hosts(5)`.
pub fn hosts(inventory: &Inventory) -> Lines {
    let mut lines = Lines::default();
    lines.line("127.0.0.1 localhost localhost.localdomain localhost4 localhost4.localdomain4");
    lines.line("::1 localhost localhost.localdomain localhost6 localhost6.localdomain6");
    for entry in entries(inventory) {
        lines.because(entry.span);
        lines.line(format!("{} {}", entry.ip, entry.names().join(" ")));
    }
    lines
}

/// The hardware addresses of Ethernet: `ethers(5)`.
pub fn ethers(inventory: &Inventory) -> Lines {
    let mut lines = Lines::default();
    for host in inventory.hosts.values() {
        for port in host.interfaces.iter().filter(|port| port.ips().next().is_some()) {
            let name = inventory.other_name(host, port).unwrap_or_else(|| host.name.to_string());
            for address in host.hardware(port).iter().filter(|address| !address.is_infiniband()) {
                lines.because(port.address_span);
                lines.line(format!("{address} {name}"));
            }
        }
    }
    lines
}
