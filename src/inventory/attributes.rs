//! The attributes of a host: those that are set, by scope, and over them those that follow from the host.

use std::io::Write;
use std::sync::Arc;

use crate::attribute::{Attributes, Entry, Layer, Scope};
use crate::inventory::intrinsic::{INTRINSIC, Own};
use crate::inventory::{Host, Inventory};
use crate::name::AttributeName;

impl Inventory {
    /// Appends the value of an attribute of the host's own, and gives whether it has one.
    pub fn write_own(&self, host: &Host, own: Own, out: &mut Vec<u8>) -> bool {
        let boot = host.boot_interface();
        let written = match own {
            Own::Name => return push(out, host.name.as_str()),
            Own::Fqdn => {
                push(out, host.name.as_str());
                return self.site.domain.as_ref().is_none_or(|domain| push(out, ".") && push(out, domain));
            }
            Own::Address => boot.and_then(|boot| boot.ip).map(|ip| write!(out, "{ip}")),
            Own::Hardware => {
                let shown = boot.and_then(|boot| host.hardware(boot).into_iter().next());
                shown.map(|address| write!(out, "{address}"))
            }
            Own::Rack => host.rack.map(|rack| write!(out, "{rack}")),
            Own::Rank => host.rank.map(|rank| write!(out, "{rank}")),
        };
        written.is_some_and(|written| written.is_ok())
    }

    /// The value of an intrinsic attribute; `None` where the host has none.
    pub fn intrinsic(&self, host: &Host, name: &str) -> Option<String> {
        if let Some(own) = Own::named(name) {
            let mut value = Vec::new();
            return self.write_own(host, own, &mut value).then(|| String::from_utf8_lossy(&value).into_owned());
        }
        let boot = host.boot_interface();
        let network = self.boot_network(host);
        let family = || host.target.trim_end_matches(|c: char| c.is_ascii_digit());
        Some(match name {
            "appliance" => host.appliance.to_string(),
            "arch" => host.arch.to_string(),
            "domain" => self.site.domain.clone()?,
            "gateway" => network?.gateway?.to_string(),
            "ksdevice" => boot?.name.clone(),
            "nameservers" => {
                let servers: Vec<_> = network?.nameservers.iter().map(ToString::to_string).collect();
                if servers.is_empty() {
                    return None;
                }
                servers.join(",")
            }
            "netmask" => network?.subnet.netmask().to_string(),
            "os" => host.os.to_string(),
            "prefix" => network?.subnet.prefix.to_string(),
            "server" => self.server(network)?,
            "site" => self.site.name.clone(),
            "target" => host.target.to_string(),
            "target_family" => family().to_owned(),
            "target_major" => host.target[family().len()..].to_owned(),
            _ => return None,
        })
    }

    /// All attributes of a host, LANGUAGE section 6: site, os, appliance, host; intrinsic ones win over all.
    pub fn attributes(&self, host: &Host) -> Attributes {
        let mut layers = vec![(Scope::Site, Arc::clone(&self.attributes))];
        layers.extend(self.os.get(&*host.os).map(|layer| (Scope::Os, Arc::clone(layer))));
        layers.extend(
            self.appliances
                .get(host.appliance.as_str())
                .map(|appliance| (Scope::Appliance, Arc::clone(&appliance.attributes))),
        );
        if !host.attributes.is_empty() {
            layers.push((Scope::Host, Arc::clone(&host.attributes)));
        }
        layers.push((Scope::Intrinsic, Arc::new(self.intrinsic_layer(host))));
        Attributes::new(layers)
    }

    fn intrinsic_layer(&self, host: &Host) -> Layer {
        let names = INTRINSIC.iter().map(|(name, _)| *name);
        names.filter_map(|name| Some((AttributeName::new(name)?, Entry::plain(self.intrinsic(host, name)?)))).collect()
    }
}

fn push(out: &mut Vec<u8>, text: &str) -> bool {
    out.extend_from_slice(text.as_bytes());
    true
}
