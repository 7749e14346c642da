//! An inventory as JSON, every range as its hosts and every default said at the host: what `inventory export` gives.
//!
//! It has the keys of the TOML form, so that what is written can be read.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::attribute::{Layer, Value as AttributeValue};
use crate::inventory::action::{Distribution, Media};
use crate::inventory::address::colons;
use crate::inventory::distribution::{Build, Origin, PackageSource, Pattern, Pin};
use crate::inventory::network::Network;
use crate::inventory::{Host, Interface, Inventory, Link};
use crate::source::Span;
use crate::text::TemplateText;

/// An object of those members that there are.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

fn text(text: impl ToString) -> Value {
    Value::String(text.to_string())
}

/// The list, where it has elements.
fn list<T: ToString>(elements: impl IntoIterator<Item = T>) -> Option<Value> {
    let elements: Vec<Value> = elements.into_iter().map(text).collect();
    (!elements.is_empty()).then_some(Value::Array(elements))
}

fn attributes(layer: &Layer) -> Option<Value> {
    let value = |value: &AttributeValue| match value {
        AttributeValue::Plain(plain) => text(plain),
        AttributeValue::Secret { name, .. } => json!({ "secret": &**name }),
    };
    let members: Map<_, _> = layer.iter().map(|(name, entry)| (name.to_string(), value(&entry.value))).collect();
    (!members.is_empty()).then_some(Value::Object(members))
}

/// A network with the keys of its table.
pub fn network(network: &Network) -> Value {
    object([
        ("subnet", Some(text(network.subnet))),
        ("subnet6", network.subnet6.map(text)),
        ("gateway", network.gateway.map(text)),
        ("gateway6", network.gateway6.map(text)),
        ("nameservers", list(&network.nameservers)),
        ("domain", network.domain.as_ref().map(text)),
        ("vlan", network.vlan.map(Value::from)),
        ("mtu", network.mtu.map(Value::from)),
        ("dhcp", Some(text(network.dhcp.name()))),
        ("pxe", Some(Value::from(network.pxe))),
        ("pools", list(network.pools.iter().map(|(pool, _)| format!("{}-{}", pool.first, pool.last)))),
        ("relays", list(&network.relays)),
        ("lease_seconds", Some(Value::from(network.lease_seconds))),
        ("server", network.server.map(text)),
        ("server6", network.server6.map(text)),
        ("interface", network.interface.as_ref().map(text)),
    ])
}

fn interface(interface: &Interface) -> Value {
    let (mut bond, mut bridge, mut vlan, mut above) = (None, None, None, None);
    match &interface.link {
        Link::Port => {}
        Link::Bond(members) => bond = list(members),
        Link::Bridge(members) => bridge = list(members),
        Link::Vlan { id, parent } => (vlan, above) = (Some(Value::from(*id)), Some(text(parent))),
    }
    object([
        ("name", Some(text(&interface.name))),
        ("network", interface.network.as_ref().map(text)),
        ("address", interface.address.map(text)),
        ("ip", interface.ip.map(text)),
        ("ip6", interface.ip6.map(text)),
        ("hostname", interface.hostname.as_ref().map(text)),
        ("default", interface.default.then_some(Value::Bool(true))),
        ("bond", bond),
        ("bridge", bridge),
        ("vlan", vlan),
        ("parent", above),
        ("options", interface.options.as_ref().map(text)),
        ("client_id", interface.client_id.as_ref().map(|octets| text(colons(octets)))),
    ])
}

/// A host with the keys of its table.
pub fn host(host: &Host) -> Value {
    object([
        ("appliance", Some(text(&host.appliance))),
        ("arch", Some(text(&host.arch))),
        ("os", Some(text(&host.os))),
        ("target", Some(text(&host.target))),
        ("distribution", host.distribution.as_ref().map(text)),
        ("boot", Some(text(&host.boot))),
        ("protect", host.protect.then_some(Value::Bool(true))),
        ("rack", host.rack.map(Value::from)),
        ("rank", host.rank.map(Value::from)),
        ("groups", list(&host.groups)),
        ("comment", host.comment.as_ref().map(text)),
        ("uuid", host.uuid.as_ref().map(text)),
        ("interfaces", Some(Value::Array(host.interfaces.iter().map(interface).collect()))),
        ("attributes", attributes(&host.attributes)),
    ])
}

fn media(media: &Media) -> Map<String, Value> {
    let source = |template: &Option<TemplateText>| template.as_ref().map(|template| text(&template.source));
    let initrds = media.initrds.as_ref().and_then(|all| list(all.iter().map(|template| &template.source)));
    let parts = object([
        ("url", source(&media.url)),
        ("kernel", source(&media.kernel)),
        ("initrds", initrds),
        ("stage2", source(&media.stage2)),
        ("packages", source(&media.packages)),
    ]);
    parts.as_object().cloned().unwrap_or_default()
}

/// An empty list says that nothing fits, none that all do.
fn all_of(patterns: &[Pattern]) -> Value {
    Value::Array(patterns.iter().map(text).collect())
}

fn paths(paths: &[(PathBuf, Span)]) -> Option<Value> {
    list(paths.iter().map(|(path, _)| path.display()))
}

fn package_source(source: &PackageSource) -> Value {
    let origin = |key: &str| match (&source.origin, key) {
        (Origin::Repository(url), "url") => Some(text(url)),
        (Origin::Directory(path), "directory") => Some(text(path.display())),
        (Origin::Distribution(name), "distribution") => Some(text(name)),
        (Origin::Roll(name), "roll") => Some(text(name)),
        _ => None,
    };
    object([
        ("name", Some(text(&source.name))),
        ("url", origin("url")),
        ("directory", origin("directory")),
        ("distribution", origin("distribution")),
        ("roll", origin("roll")),
        ("priority", Some(Value::from(source.priority))),
        ("exclude", list(&source.exclude)),
        ("only", source.only.as_deref().map(all_of)),
    ])
}

fn pin(pin: &Pin) -> Value {
    object([("source", pin.source.as_ref().map(text)), ("version", pin.version.as_ref().map(text))])
}

/// How the tree of a distribution is built.
fn build(build: &Build) -> Value {
    let several = build.several.iter().map(|(pattern, number)| (pattern.to_string(), Value::from(*number)));
    let pins = build.pins.iter().map(|found| (found.packages.to_string(), pin(found)));
    let some = |members: Map<String, Value>| (!members.is_empty()).then_some(Value::Object(members));
    object([
        ("sources", Some(Value::Array(build.sources.iter().map(package_source).collect()))),
        ("arches", list(build.arches.iter().map(|(arch, _)| arch))),
        ("tree", Some(text(build.tree.display()))),
        ("mirror", Some(text(build.mirror.display()))),
        ("exclude", list(&build.exclude)),
        ("several", some(several.collect())),
        ("multilib", list(&build.multilib)),
        ("pins", some(pins.collect())),
        ("streams", build.streams.as_deref().map(all_of)),
        ("groups", paths(&build.groups)),
        ("keys", paths(&build.keys)),
        ("faulty", Some(text(build.faulty.name()))),
        ("links", Some(text(build.links.name()))),
        ("compression", Some(text(build.compression.name()))),
    ])
}

fn distribution(distribution: &Distribution) -> Value {
    let mut members = media(&distribution.media);
    members.extend(distribution.target.as_ref().map(|target| ("target".to_owned(), text(target))));
    let by_arch: Map<_, _> =
        distribution.by_arch.iter().map(|(arch, parts)| (arch.clone(), Value::Object(media(parts)))).collect();
    if !by_arch.is_empty() {
        members.insert("arch".to_owned(), Value::Object(by_arch));
    }
    if let Some(Value::Object(keys)) = distribution.build.as_ref().map(build) {
        members.extend(keys);
    }
    Value::Object(members)
}

/// Networks, distributions, attributes, appliances and hosts: what describes machines. What says how the site is run,
/// `[site]`, `[language]`, `[boot]` and `[loaders]`, is nobody else's, and stays in the file.
pub fn json(inventory: &Inventory) -> Value {
    let networks: Map<_, _> =
        inventory.networks.iter().map(|(name, found)| (name.to_string(), network(found))).collect();
    let distributions: Map<_, _> =
        inventory.distributions.iter().map(|(name, found)| (name.to_string(), distribution(found))).collect();
    let appliances = inventory.appliances.iter().map(|(name, appliance)| {
        let found = object([
            ("module", Some(text(&appliance.module))),
            ("name", appliance.pattern.as_ref().map(|(pattern, _)| text(pattern))),
            ("boot", appliance.platform.boot.as_ref().map(text)),
            ("protect", appliance.protect.then_some(Value::Bool(true))),
            ("attributes", attributes(&appliance.attributes)),
        ]);
        (name.to_string(), found)
    });
    let os: Map<_, _> =
        inventory.os.iter().map(|(name, layer)| (name.clone(), object([("attributes", attributes(layer))]))).collect();
    let hosts: Map<_, _> = inventory.hosts.values().map(|found| (found.name.to_string(), host(found))).collect();
    let some = |members: Map<String, Value>| (!members.is_empty()).then_some(Value::Object(members));
    object([
        ("attributes", attributes(&inventory.attributes)),
        ("os", some(os)),
        ("networks", some(networks)),
        ("distributions", some(distributions)),
        ("appliances", some(appliances.collect())),
        ("hosts", some(hosts)),
    ])
}
