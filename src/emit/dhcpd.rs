//! The configuration of ISC dhcpd 4.4, for IPv4: `dhcpd.conf(5)`, `dhcp-options(5)`.

use std::collections::{BTreeMap, BTreeSet};

use crate::dhcp::{
    FIRMWARE, HTTP_CLIENT, IPXE, PXE_CLIENT, Reservation, first_file, has_identifiers, ipxe_script, networks,
    next_server, reservations,
};
use crate::emit::lines::Lines;
use crate::inventory::Inventory;
use crate::inventory::address::colons;
use crate::inventory::network::Network;
use crate::name::NetworkName;

/// All networks in which our server answers.
pub fn dhcpd(inventory: &Inventory) -> Lines {
    let mut lines = Lines::default();
    lines.line(format!("# DHCP of {}", inventory.site.name.escape_default()));
    for line in [
        "authoritative;",
        "ddns-update-style none;",
        "# A ping before each offer would cost unknown machines a second.",
        "ping-check off;",
        "option arch code 93 = unsigned integer 16;",
        "option space ipxe;",
        "option ipxe-encap code 175 = encapsulate ipxe;",
        "option ipxe.no-pxedhcp code 176 = unsigned integer 8;",
    ] {
        lines.line(line);
    }
    let all: Vec<_> = networks(inventory).filter(|(_, network)| network.ipv4().is_some()).collect();
    for (name, network) in &all {
        lines.because(network.span);
        lines.line("");
        shared(&mut lines, inventory, (name, network));
    }
    let mut declared = BTreeMap::new();
    for (name, _) in &all {
        lines.line("");
        reservations(inventory, name).for_each(|own| host(&mut lines, &own, &mut declared));
    }
    lines
}

/// A network, with the addresses of relays that are not in it.
fn shared(lines: &mut Lines, inventory: &Inventory, (name, network): (&NetworkName, &Network)) {
    let relays: Vec<_> = network.relays.iter().filter(|relay| relay.is_ipv4()).collect();
    if relays.is_empty() {
        return subnet(lines, inventory, (name, network));
    }
    lines.line(format!("shared-network \"{name}\" {{"));
    for relay in relays {
        lines.line(format!("subnet {relay} netmask 255.255.255.255 {{ }}"));
    }
    subnet(lines, inventory, (name, network));
    lines.line("}");
}

fn subnet(lines: &mut Lines, inventory: &Inventory, (name, network): (&NetworkName, &Network)) {
    let Some(subnet) = network.ipv4() else { return };
    lines.line(format!("subnet {} netmask {} {{", subnet.first, subnet.netmask()));
    for (pool, place) in network.pools.iter().filter(|(pool, _)| pool.first.is_ipv4()) {
        lines.because(*place);
        lines.line(format!("  pool {{ range {} {}; }}", pool.first, pool.last));
    }
    lines.because(network.span);
    lines.line(format!("  default-lease-time {0}; max-lease-time {0};", network.lease_seconds));
    if !has_identifiers(inventory, name) {
        // The loaders of one machine ask with other identifiers, and are all the machine; but over InfiniBand the
        // identifier is all that there is.
        lines.line("  ignore-client-uids true;");
    }
    if let Some(router) = network.router() {
        lines.line(format!("  option routers {router};"));
    }
    let nameservers: Vec<String> =
        network.nameservers.iter().filter(|ip| ip.is_ipv4()).map(ToString::to_string).collect();
    if !nameservers.is_empty() {
        lines.line(format!("  option domain-name-servers {};", nameservers.join(", ")));
    }
    if let Some(domain) = inventory.domain(Some(network)) {
        lines.line(format!("  option domain-name \"{domain}\";"));
    }
    if let Some(mtu) = network.mtu {
        lines.line(format!("  option interface-mtu {mtu};"));
    }
    if let Some(server) = next_server(inventory, network) {
        lines.line(format!("  next-server {server};"));
    }
    if network.pxe {
        files(lines, inventory, network);
    }
    lines.line("}");
}

/// What each kind of client loads.
fn files(lines: &mut Lines, inventory: &Inventory, network: &Network) {
    // iPXE need not wait for another server that tells it more.
    lines.line("  option ipxe.no-pxedhcp 1;");
    let mut word = "if";
    if let Some(script) = ipxe_script(inventory, network) {
        lines.line(format!("  if exists user-class and option user-class = \"{IPXE}\" {{"));
        lines.line(format!("    filename \"{script}\";"));
        word = "  } elsif";
    }
    for kind in &FIRMWARE {
        let Some(file) = first_file(inventory, network, kind) else { continue };
        let numbers =
            kind.architectures.iter().map(|number| format!("option arch = {}", colons(&number.to_be_bytes())));
        let mut tests: Vec<String> = numbers.collect();
        if kind.name == "bios" {
            let length = PXE_CLIENT.len();
            tests.push(format!(
                "(not exists arch and substring(option vendor-class-identifier, 0, {length}) = \"{PXE_CLIENT}\")"
            ));
        }
        lines.line(format!("{word} {} {{", tests.join(" or ")));
        if kind.http {
            lines.line(format!("    option vendor-class-identifier \"{HTTP_CLIENT}\";"));
        }
        lines.line(format!("    filename \"{file}\";"));
        word = "  } elsif";
    }
    lines.line("  }");
}

/// A declaration for each identity of a machine; no host's name holds the `_` that keeps their names apart.
fn host(lines: &mut Lines, own: &Reservation, declared: &mut BTreeMap<String, usize>) {
    let Some(ip) = own.ipv4 else { return };
    lines.because(own.span);
    let hardware: BTreeSet<String> =
        own.hardware.iter().map(|address| format!("hardware ethernet {address};")).collect();
    let identifiers = own.client_ids.iter().map(|id| format!("option dhcp-client-identifier = {};", colons(id)));
    for identity in hardware.into_iter().chain(identifiers) {
        let count = declared.entry(own.name.clone()).or_default();
        let number = std::mem::replace(count, *count + 1);
        let name = if number == 0 { own.name.clone() } else { format!("{}_{number}", own.name) };
        lines.line(format!("host {name} {{ {identity} fixed-address {ip}; option host-name \"{}\"; }}", own.name));
    }
}
