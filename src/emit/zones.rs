//! DNS zones for BIND 9, forward and reverse (RFC 1035, 3596), and the list of them for its configuration.

use std::collections::BTreeMap;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::emit::hosts::entries;
use crate::emit::lines::Lines;
use crate::inventory::Inventory;
use crate::inventory::network::parts;
use crate::source::Span;

/// A zone: its name, and its file's lines.
pub type Zone = (String, Lines);

/// All zones of a site, by name; none where it has no domain, or its server no known address.
pub fn zones(inventory: &Inventory) -> Vec<Zone> {
    let Some(domain) = inventory.site.domain.as_deref() else { return Vec::new() };
    let mut zones: BTreeMap<String, Vec<(String, Span)>> = BTreeMap::new();
    let mut domains: Vec<&str> = inventory.networks.values().filter_map(|network| network.domain.as_deref()).collect();
    domains.push(domain);
    // `ib.example.org` is a zone of its own, and not a part of `example.org`: the longest fits first.
    domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
    domains.dedup();
    let Some(server) = name_server(inventory, domain) else { return Vec::new() };
    for entry in entries(inventory) {
        let kind = if entry.ip.is_ipv4() { "A" } else { "AAAA" };
        for short in &entry.short {
            let full = entry.domain.as_ref().map_or_else(|| short.clone(), |domain| format!("{short}.{domain}"));
            let zone = domains.iter().find(|domain| full.strip_suffix(*domain).is_some_and(|rest| rest.ends_with('.')));
            let Some(zone) = zone else { continue };
            let label = &full[..full.len() - zone.len() - 1];
            let record = format!("{label} IN {kind} {}", entry.ip);
            zones.entry((*zone).to_owned()).or_default().push((record, entry.span));
        }
        let (zone, label) = reverse(entry.ip);
        zones.entry(zone).or_default().push((format!("{label} IN PTR {}.", entry.full()), entry.span));
    }
    zones.into_iter().map(|(name, records)| (name.clone(), zone((&name, domain), &server, records))).collect()
}

/// The zone of an address and its label there: of an IPv4 address its /24, of an IPv6 address its /64.
fn reverse(ip: IpAddr) -> (String, String) {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            (format!("{c}.{b}.{a}.in-addr.arpa"), d.to_string())
        }
        IpAddr::V6(ip) => {
            let digits: Vec<String> = format!("{:032x}", ip.to_bits()).chars().rev().map(|c| c.to_string()).collect();
            (format!("{}.ip6.arpa", digits[16..].join(".")), digits[..16].join("."))
        }
    }
}

fn zone(
    (name, domain): (&str, &str),
    (server, glue): &(String, Option<IpAddr>),
    records: Vec<(String, Span)>,
) -> Lines {
    let mut lines = Lines::default();
    lines.line(format!("; {name}"));
    lines.line("$TTL 3600");
    // There is no clock in an output: the number follows from the content.
    let content = records.iter().fold(Sha256::new(), |all, (record, _)| all.chain_update(record).chain_update("\n"));
    let hash = content.finalize();
    let serial = u32::from_be_bytes([hash[0] & 0x7f, hash[1], hash[2], hash[3]]).max(1);
    lines.line(format!("@ IN SOA {server}. hostmaster.{domain}. ( {serial} 3600 600 604800 600 )"));
    lines.line(format!("@ IN NS {server}."));
    // A zone that is its own server's has to have its address.
    if let Some(ip) = glue.filter(|_| server.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))) {
        let label = &server[..server.len() - name.len() - 1];
        let kind = if ip.is_ipv4() { "A" } else { "AAAA" };
        let known = records.iter().any(|(record, _)| record.starts_with(&format!("{label} IN ")));
        if !known {
            lines.line(format!("{label} IN {kind} {ip}"));
        }
    }
    for (record, span) in records {
        lines.because(span);
        lines.line(record);
    }
    lines
}

/// The name server and its address: the host that has the server's, else a name that no host has. `None` where the
/// address is not known: a zone without it is one that no name server loads.
fn name_server(inventory: &Inventory, domain: &str) -> Option<(String, Option<IpAddr>)> {
    let host = parts(inventory.site.server.as_deref()?).1.trim_matches(['[', ']']);
    let named = || entries(inventory).find(|entry| entry.full() == host).map(|entry| entry.ip);
    let of_network = || inventory.networks.values().find_map(|network| network.server).map(IpAddr::V4);
    let address = host.parse::<IpAddr>().ok().or_else(named).or_else(of_network)?;
    let own = entries(inventory).find(|entry| entry.ip == address && entry.domain.is_some()).map(|entry| entry.full());
    let free = || ["ns", "ns-kgen"].into_iter().find(|name| !inventory.hosts.contains_key(*name)).unwrap_or("ns-1");
    Some((own.unwrap_or_else(|| format!("{}.{domain}", free())), Some(address)))
}

/// The zones for `named.conf`.
pub fn named(zones: &[Zone]) -> Lines {
    let mut lines = Lines::default();
    lines.line("// The zones of this directory, to be included; `directory` of `options` says where it is.");
    for (name, _) in zones {
        lines.line(format!("zone \"{name}\" {{ type master; file \"{name}.zone\"; }};"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::reverse;

    #[test]
    fn addresses_are_backwards_in_their_zone() {
        let (zone, label) = reverse("10.1.255.254".parse().unwrap());
        assert_eq!((zone.as_str(), label.as_str()), ("255.1.10.in-addr.arpa", "254"));
        let (zone, label) = reverse("fd00:1::12".parse().unwrap());
        assert_eq!(zone, "0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa");
        assert_eq!(label, "2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0");
    }
}
