//! Hosts that share: a variant shares the profile, a cohort all values but a host's own.
//!
//! Made by [`crate::compile`], used by [`crate::generation`].

use std::collections::{BTreeMap, BTreeSet};

use crate::attribute::{Attributes, Secrets, Value};
use crate::emit::kickstart::Kickstart;
use crate::emit::prepare::{Prepared, Slot};
use crate::emit::shell::{Reference, ends_in_backslash};
use crate::emit::template::reads_attributes;
use crate::inventory::intrinsic::Own;
use crate::inventory::{Host, Inventory};
use crate::name::{AttributeName, GraphName};
use crate::profile::Profile;
use crate::resolve::Resolution;
use crate::source::Span;
use crate::text::Segment;

/// A profile that hosts share, and their kickstart without their values.
#[derive(Debug)]
pub struct Variant {
    /// The name of the graph that was followed.
    pub graph: GraphName,
    /// The modules and how they came in.
    pub resolution: Resolution,
    /// What the hosts are to become.
    pub profile: Profile,
    /// Their kickstart.
    pub kickstart: Kickstart,
    /// References in scripts that a shell reads.
    pub references: Vec<Reference>,
}

/// Hosts of one variant that share all values but their own: same appliance, platform and boot network.
#[derive(Debug)]
pub struct Cohort {
    pub(crate) variant: usize,
    pub(crate) prepared: Prepared,
    /// Where the value of each slot comes from.
    pub(crate) values: Vec<SlotValue>,
    /// Whether a secret stands in the text.
    pub(crate) holds_secret: bool,
    pub(crate) hosts: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct SlotValue {
    /// One of the host's own, or else an attribute to be looked up.
    pub(crate) own: Option<Own>,
    /// Whether its value has to stay on its line.
    pub(crate) one_line: bool,
    /// Whether it stands at the end of a text that the shell expands, where a backslash would join lines.
    pub(crate) at_end: bool,
}

/// What hosts of one cohort have in common, beside their variant.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Common<'h> {
    appliance: &'h str,
    arch: &'h str,
    os: &'h str,
    network: Option<&'h str>,
    device: Option<&'h str>,
}

/// Divides the hosts of each variant into cohorts, and prepares the text of each.
pub fn cohorts(inventory: &Inventory, variants: &[Variant], members: &[Vec<&Host>], secrets: &Secrets) -> Vec<Cohort> {
    let mut cohorts = Vec::new();
    for (variant, members) in members.iter().enumerate() {
        let mut groups: BTreeMap<Common, Vec<&Host>> = BTreeMap::new();
        for host in members {
            let boot = host.boot_interface();
            let common = Common {
                appliance: host.appliance.as_str(),
                arch: &host.arch,
                os: &host.os,
                network: boot.and_then(|boot| Some(boot.network.as_ref()?.as_str())),
                device: boot.map(|boot| boot.name.as_str()),
            };
            groups.entry(common).or_default().push(host);
        }
        cohorts.extend(
            groups.into_values().map(|hosts| cohort(inventory, (variant, &variants[variant]), &hosts, secrets)),
        );
    }
    cohorts
}

fn cohort(inventory: &Inventory, (number, variant): (usize, &Variant), hosts: &[&Host], secrets: &Secrets) -> Cohort {
    let attributes = inventory.attributes(hosts[0]);
    let differing: BTreeSet<&AttributeName> = hosts.iter().flat_map(|host| host.attributes.keys()).collect();
    // A value that needs a look at the finished text stays a slot, so that the look is taken.
    let constant = |name: &AttributeName| {
        let differs = Own::named(name.as_str()).is_some() || differing.contains(name);
        let value = attributes.get(name.as_str()).filter(|_| !differs).and_then(|value| secrets.reveal(value));
        let joins = |value: &str| variant.kickstart.at_end.contains(name) && ends_in_backslash(value);
        value
            .filter(|value| !value.contains(['\n', '\r']) && !variant.kickstart.must_be_checked(value) && !joins(value))
    };
    let prepared = Prepared::new(&variant.kickstart.text, constant);
    let one_line = |slot: &Slot| variant.kickstart.on_one_line.iter().any(|(name, _)| *name == slot.name);
    let value = |slot: &Slot| SlotValue {
        own: Own::named(slot.name.as_str()),
        one_line: one_line(slot),
        at_end: variant.kickstart.at_end.contains(&slot.name),
    };
    let is_secret = |(name, _): (&AttributeName, Span)| {
        hosts.iter().any(|host| {
            let own = host.attributes.get(name.as_str()).map(|entry| &entry.value);
            own.or_else(|| attributes.get(name.as_str())).is_some_and(Value::is_secret)
        })
    };
    Cohort {
        variant: number,
        values: prepared.slots.iter().map(value).collect(),
        prepared,
        holds_secret: variant.kickstart.text.attributes().any(is_secret)
            || templates_hold_secrets(variant, &attributes, hosts),
        hosts: hosts.iter().map(|host| host.number).collect(),
    }
}

/// A template may write every attribute of its host.
fn templates_hold_secrets(variant: &Variant, attributes: &Attributes, hosts: &[&Host]) -> bool {
    let reads = |segment: &Segment| matches!(segment, Segment::Template(template) if reads_attributes(template));
    let shared = attributes.all().values().any(|(_, entry)| entry.value.is_secret());
    let own = hosts.iter().any(|host| host.attributes.values().any(|entry| entry.value.is_secret()));
    variant.kickstart.text.segments.iter().any(reads) && (shared || own)
}
