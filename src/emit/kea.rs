//! The configurations of Kea 2: `kea-dhcp4` and `kea-dhcp6`.
//!
//! There is a class for each kind of firmware, and for each server whose URL differs, but none for a host: a Kea with a
//! class for each of five thousand hosts answers a few requests a second. Each reservation is a line of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::dhcp::{
    FIRMWARE, Firmware, HTTP_CLIENT, IPXE, PXE_CLIENT, Reservation, first_file, first_file6, has_identifiers,
    ipxe_script, networks, next_server, reservations, server6,
};
use crate::emit::lines::Lines;
use crate::inventory::Inventory;
use crate::inventory::address::colons;
use crate::inventory::network::Network;
use crate::name::NetworkName;

/// The class of a loader over InfiniBand, which asks with another identifier than the system that it loads. Its lease is
/// over when that asks, or the address would be another client's.
const BRIEF: &str = "brief";

/// What differs between the two servers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// Members of an object, written one after the other.
struct Members<'l> {
    lines: &'l mut Lines,
    indent: &'static str,
    open: bool,
}

impl Members<'_> {
    fn comma(&mut self) {
        if std::mem::replace(&mut self.open, true) {
            // The line before has no comma yet: only now is it known that something follows.
            self.lines.text.truncate(self.lines.text.len() - 1);
            self.lines.text.push_str(",\n");
        }
    }

    fn put(&mut self, key: &str, value: &Value) {
        self.comma();
        self.lines.line(format!("{}{}: {value}", self.indent, json!(key)));
    }

    /// Begins a list that is written line by line.
    fn begin(&mut self, key: &str) {
        self.comma();
        self.lines.line(format!("{}{}: [", self.indent, json!(key)));
    }
}

/// The configuration for IPv4.
pub fn kea4(inventory: &Inventory) -> Lines {
    kea(inventory, Family::V4)
}

/// The configuration for IPv6.
pub fn kea6(inventory: &Inventory) -> Lines {
    kea(inventory, Family::V6)
}

fn kea(inventory: &Inventory, family: Family) -> Lines {
    let mut lines = Lines::default();
    let is_v4 = family == Family::V4;
    lines.line(format!("{{ \"{}\": {{", if is_v4 { "Dhcp4" } else { "Dhcp6" }));
    let mut members = Members { lines: &mut lines, indent: "  ", open: false };
    // A server that starts before its interface has an address would be deaf for ever.
    let mut interfaces = json!({
        "interfaces": ["*"], "service-sockets-max-retries": 30, "service-sockets-retry-wait-time": 2000,
    });
    if is_v4 {
        interfaces["dhcp-socket-type"] = json!("raw");
    }
    members.put("interfaces-config", &interfaces);
    members.put("lease-database", &json!({ "type": "memfile" }));
    // A line of log for each answer costs half of them.
    let name = if is_v4 { "kea-dhcp4" } else { "kea-dhcp6" };
    members.put("loggers", &json!([{ "name": name, "severity": "WARN", "output_options": [{ "output": "stdout" }] }]));
    members.put("multi-threading", &json!({ "enable-multi-threading": true }));
    // No address that is reserved is in a pool; and a machine may have several identities.
    members.put("reservations-out-of-pool", &json!(true));
    members.put("ip-reservations-unique", &json!(false));
    let identifiers = if is_v4 { json!(["hw-address", "client-id"]) } else { json!(["hw-address", "duid"]) };
    members.put("host-reservation-identifiers", &identifiers);
    if is_v4 {
        members.put("authoritative", &json!(true));
        members.put(
            "option-def",
            &json!([
                { "space": "dhcp4", "name": "ipxe-encap", "code": 175, "type": "empty", "encapsulate": "ipxe" },
                { "space": "ipxe", "name": "no-pxedhcp", "code": 176, "type": "uint8" },
            ]),
        );
    }
    if !is_v4 {
        // A lease that has run out is another client's until it is taken away.
        let at_once =
            json!({ "reclaim-timer-wait-time": 1, "hold-reclaimed-time": 0, "flush-reclaimed-timer-wait-time": 1 });
        members.put("expired-leases-processing", &at_once);
    }
    let all: Vec<_> = networks(inventory).filter(|(_, network)| subnet_of(network, family).is_some()).collect();
    members.begin("client-classes");
    list(members.lines, "    ", classes(inventory, &all, family).iter().map(|class| (None, class.to_string())));
    members.lines.line("  ]");
    members.begin(if is_v4 { "subnet4" } else { "subnet6" });
    for (index, network) in all.iter().enumerate() {
        subnet(members.lines, inventory, (index + 1, *network), family);
        members.lines.line(if index + 1 < all.len() { "    }," } else { "    }" });
    }
    members.lines.line("  ]");
    lines.line("} }");
    lines
}

fn subnet_of(network: &Network, family: Family) -> Option<crate::inventory::subnet::Subnet> {
    if family == Family::V4 { network.ipv4() } else { network.ipv6() }
}

/// Elements of a list, a line each.
fn list(lines: &mut Lines, indent: &str, elements: impl Iterator<Item = (Option<crate::source::Span>, String)>) {
    let mut elements = elements.peekable();
    while let Some((cause, element)) = elements.next() {
        if let Some(cause) = cause {
            lines.because(cause);
        }
        lines.line(format!("{indent}{element}{}", if elements.peek().is_some() { "," } else { "" }));
    }
}

/// A test of Kea for a kind of firmware.
fn test(kind: &Firmware, family: Family) -> String {
    let option = if family == Family::V4 { 93 } else { 61 };
    let numbers = kind.architectures.iter().map(|number| format!("option[{option}].hex == 0x{number:04x}"));
    let mut tests: Vec<String> = numbers.collect();
    if kind.name == "bios" && family == Family::V4 {
        let length = PXE_CLIENT.len();
        tests.push(format!("(not option[93].exists and substring(option[60].hex, 0, {length}) == '{PXE_CLIENT}')"));
    }
    format!("not member('ipxe') and ({})", tests.join(" or "))
}

/// What makes a class load a file.
fn load(class: &mut Value, file: &str, family: Family) {
    if family == Family::V4 {
        class["boot-file-name"] = json!(file);
    } else {
        class["option-data"] = match class["option-data"].take() {
            Value::Array(mut options) => {
                options.push(json!({ "name": "bootfile-url", "data": file }));
                Value::Array(options)
            }
            _ => json!([{ "name": "bootfile-url", "data": file }]),
        };
    }
}

/// The file of a kind for a network; for IPv6 always a URL (RFC 5970).
fn file(inventory: &Inventory, network: &Network, kind: &Firmware, family: Family) -> Option<String> {
    match family {
        Family::V4 => first_file(inventory, network, kind),
        Family::V6 => first_file6(inventory, network, kind),
    }
}

fn script(inventory: &Inventory, network: &Network, family: Family) -> Option<String> {
    match family {
        Family::V4 => ipxe_script(inventory, network),
        Family::V6 => Some(format!("{}/boot/boot.ipxe", server6(inventory, network)?)),
    }
}

/// The classes: what a client is, and what it loads. What it loads is not for all networks, and where it holds the
/// server's address differs between them; networks say which they require.
fn classes(inventory: &Inventory, all: &[(&NetworkName, &Network)], family: Family) -> Vec<Value> {
    let user_class = if family == Family::V4 {
        format!("option[77].hex == '{IPXE}'")
    } else {
        format!("substring(option[15].hex, 2, {}) == '{IPXE}'", IPXE.len())
    };
    let mut classes = vec![json!({ "name": "ipxe", "test": user_class })];
    if family == Family::V4 && all.iter().any(|(name, _)| has_identifiers(inventory, name)) {
        classes.insert(0, json!({ "name": BRIEF, "valid-lifetime": 1 }));
    }
    if family == Family::V6 {
        // Only firmware and loaders tell their architecture.
        let brief = json!({ "name": BRIEF, "test": "option[61].exists", "valid-lifetime": 1, "preferred-lifetime": 1 });
        classes.insert(0, brief);
    }
    classes.extend(FIRMWARE.iter().map(|kind| json!({ "name": kind.name, "test": test(kind, family) })));
    let required =
        all.iter().filter(|(_, network)| network.pxe).flat_map(|(_, network)| required(inventory, network, family));
    let by_name: BTreeMap<String, (&'static str, String)> = required.collect();
    for (name, (of, file)) in by_name {
        let mut class = json!({ "name": name, "test": format!("member('{of}')"), "only-if-required": true });
        if FIRMWARE.iter().any(|kind| kind.name == of && kind.http) {
            class["option-data"] = json!([match family {
                Family::V4 => json!({ "name": "vendor-class-identifier", "data": HTTP_CLIENT, "always-send": true }),
                Family::V6 => json!({ "code": 16, "csv-format": false, "data": http_client6(), "always-send": true }),
            }]);
        }
        load(&mut class, &file, family);
        classes.push(class);
    }
    classes
}

/// A vendor class of `DHCPv6` (RFC 8415, section 21.16) as UEFI wants it: Intel's number, and the word.
fn http_client6() -> String {
    let length = u16::try_from(HTTP_CLIENT.len()).unwrap_or_default();
    let octets = [&343_u32.to_be_bytes()[..], &length.to_be_bytes(), HTTP_CLIENT.as_bytes()].concat();
    colons(&octets).replace(':', "")
}

/// The classes of a network whose file holds its server's address: name, kind and file.
fn required<'a>(
    inventory: &'a Inventory,
    network: &'a Network,
    family: Family,
) -> impl Iterator<Item = (String, (&'static str, String))> + use<'a> {
    let server = match family {
        Family::V4 => network.server.map(IpAddr::V4),
        Family::V6 => network.server6.map(IpAddr::V6),
    };
    let from = server.map_or_else(|| inventory.server(Some(network)).unwrap_or_default(), |ip| ip.to_string());
    let script = script(inventory, network, family).map(|script| ("ipxe", script));
    let files = FIRMWARE.iter().filter_map(move |kind| Some((kind.name, file(inventory, network, kind, family)?)));
    script.into_iter().chain(files).map(move |(name, file)| {
        // A path is the same in all networks.
        let everywhere = !file.contains("://");
        (if everywhere { format!("{name} loader") } else { format!("{name} from {from}") }, (name, file))
    })
}

fn subnet(
    lines: &mut Lines,
    inventory: &Inventory,
    (number, (name, network)): (usize, (&NetworkName, &Network)),
    family: Family,
) {
    let Some(subnet) = subnet_of(network, family) else { return };
    lines.because(network.span);
    lines.line("    {");
    let mut members = Members { lines, indent: "      ", open: false };
    members.put("id", &json!(number));
    members.put("subnet", &json!(subnet.to_string()));
    members.put("valid-lifetime", &json!(network.lease_seconds));
    if family == Family::V6 {
        members.put("preferred-lifetime", &json!(network.lease_seconds));
    }
    // Who asks over IPv6 has only an address of its link; the subnet is that of the interface where it arrives.
    if let Some(interface) = network.interface.as_ref().filter(|_| family == Family::V6 && network.relays.is_empty()) {
        members.put("interface", &json!(interface));
    }
    let own: Vec<Reservation> = reservations(inventory, name).collect();
    if family == Family::V4 {
        members.put("max-valid-lifetime", &json!(network.lease_seconds));
        // The loaders of one machine ask with other identifiers, and are all the machine; but over InfiniBand the
        // identifier is all that there is.
        members.put("match-client-id", &json!(own.iter().any(|own| !own.client_ids.is_empty())));
        if let Some(server) = next_server(inventory, network) {
            members.put("next-server", &json!(server.to_string()));
        }
    }
    let relays: Vec<String> =
        network.relays.iter().filter(|ip| ip.is_ipv4() == subnet.first.is_ipv4()).map(ToString::to_string).collect();
    if !relays.is_empty() {
        members.put("relay", &json!({ "ip-addresses": relays }));
    }
    if network.pxe {
        let required: BTreeSet<String> = required(inventory, network, family).map(|(name, _)| name).collect();
        members.put("require-client-classes", &json!(required));
    }
    members.put("option-data", &options(inventory, network, family));
    let pools = network.pools.iter().filter(|(pool, _)| pool.first.is_ipv4() == subnet.first.is_ipv4());
    let pools: Vec<Value> =
        pools.map(|(pool, _)| json!({ "pool": format!("{} - {}", pool.first, pool.last) })).collect();
    members.put("pools", &json!(pools));
    members.begin("reservations");
    list(members.lines, "        ", own.iter().flat_map(|own| reserved(own, family)));
    members.lines.line("      ]");
}

fn options(inventory: &Inventory, network: &Network, family: Family) -> Value {
    let mut options = Vec::new();
    let mut add = |name: &str, data: Option<String>| {
        options.extend(data.filter(|data| !data.is_empty()).map(|data| json!({ "name": name, "data": data })));
    };
    let nameservers: Vec<String> = network
        .nameservers
        .iter()
        .filter(|ip| ip.is_ipv4() == (family == Family::V4))
        .map(ToString::to_string)
        .collect();
    let domain = inventory.domain(Some(network)).map(str::to_owned);
    if family == Family::V4 {
        add("routers", network.router().map(|ip| ip.to_string()));
        add("domain-name-servers", Some(nameservers.join(", ")));
        add("domain-name", domain);
        add("interface-mtu", network.mtu.map(|mtu| mtu.to_string()));
        if network.pxe {
            options.push(json!({ "name": "ipxe-encap", "code": 175 }));
            options.push(json!({ "space": "ipxe", "name": "no-pxedhcp", "data": "1" }));
        }
    } else {
        add("dns-servers", Some(nameservers.join(", ")));
        add("domain-search", domain);
    }
    Value::Array(options)
}

/// A reservation for each identity of a machine.
fn reserved(own: &Reservation, family: Family) -> Vec<(Option<crate::source::Span>, String)> {
    let address = match family {
        Family::V4 => own.ipv4.map(|ip| ("ip-address", json!(ip.to_string()))),
        Family::V6 => own.ipv6.map(|ip| ("ip-addresses", json!([ip.to_string()]))),
    };
    let Some((key, address)) = address else { return Vec::new() };
    let hardware: BTreeSet<String> = own.hardware.iter().map(ToString::to_string).collect();
    let identifiers = own.client_ids.iter().filter(|_| family == Family::V4).map(|id| ("client-id", colons(id)));
    let identities = hardware.into_iter().map(|address| ("hw-address", address)).chain(identifiers);
    let made = identities.map(|(kind, identity)| {
        let mut reserved = json!({ kind: identity, key: address, "hostname": own.name });
        let last = own.client_ids.first().is_none_or(|id| colons(id) == identity);
        if !last && family == Family::V4 {
            reserved["client-classes"] = json!([BRIEF]);
        }
        (Some(own.span), reserved.to_string())
    });
    made.collect()
}
