//! The configuration of dnsmasq 2.90, `dnsmasq(8)`: DHCP for both families, beside another server, and TFTP; and names.

use std::net::IpAddr;

use crate::dhcp::{
    FIRMWARE, HTTP_CLIENT, IPXE, PXE_CLIENT, Reservation, first_file, first_file6, ipxe_script, networks, next_server,
    reservations, server6,
};
use crate::emit::hosts::entries;
use crate::emit::lines::Lines;
use crate::inventory::Inventory;
use crate::inventory::address::colons;
use crate::inventory::network::{Dhcp, Network};
use crate::inventory::subnet::Subnet;
use crate::name::NetworkName;

/// dnsmasq's own tag for a request is the name of the interface on which it arrived; a network may be called so too.
fn tag(name: &NetworkName) -> String {
    format!("network-{name}")
}

/// All networks in which we give addresses.
pub fn dnsmasq(inventory: &Inventory) -> Lines {
    let mut lines = start(inventory);
    for (name, network) in networks(inventory) {
        lines.because(network.span);
        lines.line(format!("# {name}"));
        served(&mut lines, inventory, (name, network));
    }
    for (name, _) in networks(inventory) {
        reservations(inventory, name).for_each(|own| host(&mut lines, &own));
    }
    lines
}

/// All networks in which we answer beside another server; `None` where there are none. It is for a dnsmasq of its own:
/// one that offers services of PXE anywhere tells every client of it.
pub fn beside(inventory: &Inventory) -> Option<Lines> {
    let mut lines = start(inventory);
    let proxies: Vec<_> = inventory.networks.iter().filter(|(_, network)| network.dhcp == Dhcp::Proxy).collect();
    for (name, network) in &proxies {
        lines.because(network.span);
        lines.line(format!("# {name}"));
        proxy(&mut lines, inventory, (name, network));
    }
    (!proxies.is_empty()).then_some(lines)
}

/// What does not depend on the network.
fn start(inventory: &Inventory) -> Lines {
    let mut lines = Lines::default();
    for line in [
        "# DHCP and TFTP",
        "dhcp-authoritative",
        "# The file of names of the server itself is none of its clients' business.",
        "no-hosts",
        "# Without this the thousand-and-first machine gets no address.",
        "dhcp-lease-max=200000",
    ] {
        lines.line(line);
    }
    if let Some(root) = &inventory.site.tftp_root {
        lines.line("enable-tftp");
        lines.line(format!("tftp-root={root}"));
    }
    lines.line(format!("dhcp-userclass=set:ipxe,{IPXE}"));
    lines.line(format!("dhcp-vendorclass=set:pxe,{PXE_CLIENT}"));
    for kind in &FIRMWARE {
        for number in kind.architectures {
            lines.line(format!("dhcp-match=set:{},option:client-arch,{number}", kind.name));
            lines.line(format!("dhcp-match=set:{},option6:61,{}", kind.name, colons(&number.to_be_bytes())));
        }
    }
    lines.line("dhcp-match=set:arch,option:client-arch");
    lines
}

/// A network in which we give addresses.
fn served(lines: &mut Lines, inventory: &Inventory, (name, network): (&NetworkName, &Network)) {
    let tag = tag(name);
    for subnet in [network.ipv4(), network.ipv6()].into_iter().flatten() {
        ranges(lines, &tag, network, subnet);
        for relay in network.relays.iter().filter(|relay| relay.is_ipv4() == subnet.first.is_ipv4()) {
            lines.line(format!("shared-network={relay},{}", subnet.first));
        }
    }
    options(lines, &tag, inventory, network);
    if !network.pxe {
        return;
    }
    // iPXE need not wait for another server that tells it more.
    lines.line(format!("dhcp-option=tag:{tag},encap:175,176,1b"));
    let server = next_server(inventory, network).map(|ip| format!(",,{ip}")).unwrap_or_default();
    let own6 = network.ipv6().is_some();
    if let Some(script) = ipxe_script(inventory, network) {
        lines.line(format!("dhcp-boot=tag:{tag},tag:ipxe,{script}{server}"));
        if own6 {
            let script = server6(inventory, network).map_or(script, |server| format!("{server}/boot/boot.ipxe"));
            lines.line(format!("dhcp-option=tag:{tag},tag:ipxe,option6:bootfile-url,{script}"));
        }
    }
    for kind in &FIRMWARE {
        let Some(file) = first_file(inventory, network, kind) else { continue };
        lines.line(format!("dhcp-boot=tag:{tag},tag:!ipxe,tag:{},{file}{server}", kind.name));
        if kind.http {
            lines.line(format!("dhcp-option-force=tag:{tag},tag:!ipxe,tag:{},60,{HTTP_CLIENT}", kind.name));
        }
        if kind.name == "bios" {
            lines.line(format!("dhcp-boot=tag:{tag},tag:!ipxe,tag:!arch,tag:pxe,{file}{server}"));
        }
        if let Some(url) = first_file6(inventory, network, kind).filter(|_| own6) {
            lines.line(format!("dhcp-option=tag:{tag},tag:!ipxe,tag:{},option6:bootfile-url,{url}", kind.name));
        }
    }
}

fn ranges(lines: &mut Lines, tag: &str, network: &Network, subnet: Subnet) {
    let lease = network.lease_seconds;
    let mask = match subnet.netmask() {
        IpAddr::V4(mask) => mask.to_string(),
        IpAddr::V6(_) => subnet.prefix.to_string(),
    };
    let pools: Vec<_> =
        network.pools.iter().filter(|(pool, _)| pool.first.is_ipv4() == subnet.first.is_ipv4()).collect();
    for (pool, place) in &pools {
        lines.because(*place);
        lines.line(format!("dhcp-range=set:{tag},{},{},{mask},{lease}", pool.first, pool.last));
    }
    lines.because(network.span);
    if pools.is_empty() {
        lines.line(format!("dhcp-range=set:{tag},{},static,{mask},{lease}", subnet.first));
    }
}

fn options(lines: &mut Lines, tag: &str, inventory: &Inventory, network: &Network) {
    let of = |v4: bool| -> Vec<String> {
        network.nameservers.iter().filter(|ip| ip.is_ipv4() == v4).map(ToString::to_string).collect()
    };
    if network.ipv4().is_some() {
        // An option without a value is not sent; without the line, dnsmasq would name itself.
        let router = network.router().map(|ip| format!(",{ip}")).unwrap_or_default();
        lines.line(format!("dhcp-option=tag:{tag},option:router{router}"));
        let nameservers = [vec![String::new()], of(true)].concat().join(",");
        lines.line(format!("dhcp-option=tag:{tag},option:dns-server{nameservers}"));
        if let Some(domain) = inventory.domain(Some(network)) {
            lines.line(format!("dhcp-option=tag:{tag},option:domain-name,{domain}"));
        }
    }
    if network.ipv6().is_some() {
        let bracketed: Vec<String> = of(false).iter().map(|ip| format!("[{ip}]")).collect();
        // Here an option without a value is sent, and firmware refuses the answer.
        if !bracketed.is_empty() {
            lines.line(format!("dhcp-option=tag:{tag},option6:dns-server,{}", bracketed.join(",")));
        }
        if let Some(domain) = inventory.domain(Some(network)) {
            lines.line(format!("dhcp-option=tag:{tag},option6:domain-search,{domain}"));
        }
    }
    if let Some(mtu) = network.mtu {
        lines.line(format!("dhcp-option=tag:{tag},option:mtu,{mtu}"));
    }
}

/// A network in which another server gives addresses: we only name files, to firmware that asks (proxyDHCP).
fn proxy(lines: &mut Lines, inventory: &Inventory, (name, network): (&NetworkName, &Network)) {
    let Some(subnet) = network.ipv4() else { return };
    let tag = tag(name);
    lines.line(format!("dhcp-range=set:{tag},{},proxy,{}", subnet.first, subnet.netmask()));
    let server = network.server.map(|ip| format!(",{ip},{ip}")).unwrap_or_default();
    if let Some(script) = ipxe_script(inventory, network) {
        lines.line(format!("dhcp-boot=tag:{tag},tag:ipxe,{script}{server}"));
    }
    let at = network.server.map(|ip| format!(",{ip}")).unwrap_or_default();
    // Of the words for architectures of pxe-service these have our kinds; firmware that loads by HTTP asks for none.
    for (word, loader) in [
        ("x86PC", "bios"),
        ("IA32_EFI", "i386"),
        ("BC_EFI", "x86_64"),
        ("X86-64_EFI", "x86_64"),
        ("ARM64_EFI", "aarch64"),
    ] {
        let file = inventory.loaders.file(loader);
        lines.line(format!("pxe-service=tag:{tag},tag:!ipxe,{word},\"kgen\",{file}{at}"));
    }
}

/// A machine. dnsmasq takes one identifier for an address, the likeliest, beside any number of hardware addresses.
fn host(lines: &mut Lines, own: &Reservation) {
    lines.because(own.span);
    let mut fields: Vec<String> = own.hardware.iter().map(ToString::to_string).collect();
    fields.dedup();
    fields.extend(own.client_ids.first().map(|id| format!("id:{}", colons(id))));
    fields.extend(own.ipv4.map(|ip| ip.to_string()));
    fields.extend(own.ipv6.map(|ip| format!("[{ip}]")));
    if own.ipv4.is_some() || own.ipv6.is_some() {
        fields.push(own.name.clone());
        lines.line(format!("dhcp-host={}", fields.join(",")));
    }
}

/// The names of all hosts, for dnsmasq as a name server.
pub fn names(inventory: &Inventory) -> Lines {
    let mut lines = Lines::default();
    lines.line("# Names");
    if let Some(domain) = &inventory.site.domain {
        lines.line(format!("local=/{domain}/"));
    }
    for entry in entries(inventory) {
        lines.because(entry.span);
        lines.line(format!("host-record={},{}", entry.names().join(","), entry.ip));
    }
    lines
}
