//! The interfaces of a host: ports, bonds, bridges, VLANs.

use std::net::IpAddr;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::address::HardwareAddress;
use crate::inventory::context::Context;
use crate::inventory::platform::plain_word;
use crate::inventory::table::{Table, Value};
use crate::inventory::value::{ip_address, parsed, within};
use crate::inventory::{Interface, Link, parts_of};
use crate::name::{HostKind, NetworkName, suggestion};
use crate::source::Span;

/// Reads `interfaces` of a host.
pub fn interfaces(table: &mut Table, context: Context, diagnostics: &mut Diagnostics) -> Vec<Interface> {
    let mut read = Vec::new();
    for value in table.list("interfaces", diagnostics).unwrap_or_default() {
        let Some(mut table) = value.table("an interface", diagnostics) else { continue };
        let interface = interface(&mut table, &value, context, diagnostics);
        table.finish(diagnostics);
        read.extend(interface);
    }
    check_links(&read, diagnostics);
    read
}

/// Reads one interface.
pub fn interface(
    table: &mut Table,
    value: &Value,
    context: Context,
    diagnostics: &mut Diagnostics,
) -> Option<Interface> {
    let span = value.span;
    let name = table.text("name", diagnostics).and_then(|found| plain_word("name", found, diagnostics));
    let network = table.text("network", diagnostics).and_then(|found| known_network(found, context, diagnostics));
    let address = table.text("address", diagnostics);
    let ip = table.text("ip", diagnostics);
    let ip6 = table.text("ip6", diagnostics);
    let place = |found: &Option<(String, Span)>| found.as_ref().map_or(span, |(_, place)| *place);
    let (address_span, ip6_span) = (place(&address), place(&ip6));
    let ip_span = if ip.is_some() { place(&ip) } else { ip6_span };
    let address = address.and_then(|(text, place)| parsed(HardwareAddress::parse(&text), place, diagnostics));
    let ip = ip.and_then(|found| ip_address(&found, diagnostics));
    let ip6 = ip6.and_then(|found| Some((ip_address(&found, diagnostics)?, found.1)));
    let hostname = table.name::<HostKind>("hostname", diagnostics).map(|(name, _)| name);
    let default = table.truth("default", diagnostics).unwrap_or_default();
    let options = table.text("options", diagnostics).map(|(text, _)| text);
    let client_id = table.text("client_id", diagnostics).and_then(|found| client_id(found, diagnostics));
    let link = link(table, name.as_ref().map(|(name, _)| name.as_str()), diagnostics);
    let Some((name, _)) = name else {
        if !table.has("name") {
            let fault = Diagnostic::error(span, "an interface has no `name`");
            diagnostics.push(fault.hint("for example `name = \"eth0\"`"));
        }
        return None;
    };
    let ip6 = match ip6 {
        Some((IpAddr::V6(ip6), _)) if ip.is_none_or(|ip| ip.is_ipv4()) => Some(ip6),
        Some((_, place)) => {
            diagnostics.push(Diagnostic::error(place, "`ip6` is an IPv6 address beside an `ip` of IPv4"));
            None
        }
        None => None,
    };
    Some(Interface {
        name,
        network,
        address,
        ip,
        ip6,
        hostname,
        default,
        link,
        options,
        client_id,
        address_span,
        ip_span,
        ip6_span,
    })
}

/// A DHCP client identifier: octets in hexadecimal, at most as many as the option holds (RFC 2132, section 9.14).
fn client_id((text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<Vec<u8>> {
    let octet = |pair: &str| u8::from_str_radix(pair, 16).ok().filter(|_| (1..=2).contains(&pair.len()));
    let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
    let octets = octets.filter(|octets| (2..=255).contains(&octets.len()));
    if octets.is_none() {
        let fault = Diagnostic::error(span, format!("`{text}` is not a DHCP client identifier"));
        diagnostics.push(fault.hint("2 to 255 octets in hexadecimal: `ff:00:00:00:00:..`"));
    }
    octets
}

/// What the interface is made of.
fn link(table: &mut Table, name: Option<&str>, diagnostics: &mut Diagnostics) -> Link {
    let mut members =
        |key| table.texts(key, diagnostics).map(|texts| texts.into_iter().map(|(text, _)| text).collect());
    let (bond, bridge): (Option<Vec<String>>, Option<Vec<String>>) = (members("bond"), members("bridge"));
    let vlan = within(table, "vlan", 1..=4094, diagnostics);
    let parent = table.text("parent", diagnostics).map(|(text, _)| text);
    if usize::from(bond.is_some()) + usize::from(bridge.is_some()) + usize::from(vlan.is_some()) > 1 {
        let message = "an interface is one of `bond`, `bridge` and `vlan`, not several";
        diagnostics.push(Diagnostic::error(table.span(), message));
    }
    if bond.as_ref().or(bridge.as_ref()).is_some_and(Vec::is_empty) {
        diagnostics.push(Diagnostic::error(table.span(), "a bond or a bridge of nothing is none"));
    }
    if parent.is_some() && vlan.is_none() {
        diagnostics
            .push(Diagnostic::error(table.span(), "`parent` is of a VLAN, and this is none: there is no `vlan`"));
    }
    match (bond, bridge, vlan) {
        (Some(members), ..) => Link::Bond(members),
        (_, Some(members), _) => Link::Bridge(members),
        (_, _, Some(id)) => {
            // `eth0.100` is on `eth0`.
            let above = name.and_then(|name| name.rsplit_once('.')).map(|(above, _)| above.to_owned());
            let Some(parent) = parent.or(above) else {
                let fault = Diagnostic::error(table.span(), "a VLAN has no `parent`");
                diagnostics.push(fault.hint("the interface that it is on, such as `parent = \"eth0\"`"));
                return Link::Port;
            };
            Link::Vlan { id, parent }
        }
        (None, None, None) => Link::Port,
    }
}

/// Reports what is made of interfaces that are not there, of itself, or of one that another has.
pub fn check_links(interfaces: &[Interface], diagnostics: &mut Diagnostics) {
    let mut defaults = interfaces.iter().filter(|interface| interface.default);
    if let (Some(first), Some(second)) = (defaults.next(), defaults.next()) {
        let message = format!("both `{}` and `{}` are the one that the host boots from", first.name, second.name);
        diagnostics.push(Diagnostic::error(second.address_span, message).related(first.address_span, "the first"));
    }
    let mut taken: Vec<(&str, &Interface)> = Vec::new();
    for (index, interface) in interfaces.iter().enumerate() {
        let (members, of_one): (&[String], bool) = match &interface.link {
            Link::Port => continue,
            Link::Bond(members) | Link::Bridge(members) => (members, true),
            Link::Vlan { parent, .. } => (std::slice::from_ref(parent), false),
        };
        for member in members {
            let found = interfaces.iter().position(|other| other.name == *member);
            let place = interface.address_span;
            // What comes later may not be a part: so there are no circles.
            let Some(position) = found.filter(|position| *position != index) else {
                let fault = Diagnostic::error(
                    place,
                    format!("`{}` is made of `{member}`, which is no other interface of the host", interface.name),
                );
                let names = interfaces.iter().map(|other| other.name.as_str()).filter(|name| *name != interface.name);
                diagnostics.push(fault.maybe_hint(suggestion(member, names.collect::<Vec<_>>())));
                continue;
            };
            let parts = parts_of(interfaces, &interfaces[position]);
            if parts.iter().any(|part| part.name == interface.name) {
                let message =
                    format!("`{}` is made of `{member}`, which is made of `{}`", interface.name, interface.name);
                diagnostics.push(Diagnostic::error(place, message));
            }
            if let Some((_, other)) = taken.iter().find(|(name, _)| of_one && name == member) {
                let message = format!("`{member}` is a part of `{}` and of `{}`", other.name, interface.name);
                diagnostics.push(Diagnostic::error(place, message));
            }
            if let Some(port) = interfaces.get(position).filter(|port| of_one && port.ips().next().is_some()) {
                let message = format!("`{member}` is a part of `{}`, and has an IP address of its own", interface.name);
                diagnostics.push(
                    Diagnostic::error(port.ip_span, message).hint("the whole has the address, its parts have none"),
                );
            }
            if of_one {
                taken.push((member, interface));
            }
        }
    }
}

fn known_network((text, span): (String, Span), context: Context, diagnostics: &mut Diagnostics) -> Option<NetworkName> {
    let networks = &context.inventory.networks;
    if let Some((name, _)) = networks.get_key_value(text.as_str()) {
        return Some(name.clone());
    }
    if context.defaults.declared.contains(&format!("network {text}")) {
        return None;
    }
    let fault = Diagnostic::error(span, format!("there is no network `{text}`"));
    diagnostics.push(fault.maybe_hint(suggestion(&text, networks.keys().map(NetworkName::as_str))));
    None
}
