//! What a machine is known by, whatever its host is called: hardware addresses, DHCP client identifiers, its UUID.
//!
//! A record of the boot state belongs to a machine. [`crate::boot::taking`] compares these identities between one
//! generation and the next, so that a host that is renamed keeps its record and another machine under an old name
//! does not inherit it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::inventory::address::{HardwareAddress, colons};
use crate::inventory::{Host, Interface};

/// UUIDs that mainboards show whose maker did not set one; they identify nobody.
const PLACEHOLDERS: [&str; 3] = [
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "03000200-0400-0500-0006-000700080009",
];

/// Stands before an IP address.
const ADDRESS: &str = "ip:";

/// A UUID, whichever way firmware shows its first three fields (SMBIOS specification, section 7.2.1).
fn in_one_order(uuid: &str) -> String {
    let swapped = |field: &str| -> String {
        let pairs: Vec<&str> = field.as_bytes().chunks(2).rev().filter_map(|pair| str::from_utf8(pair).ok()).collect();
        pairs.concat()
    };
    let fields: Vec<&str> = uuid.split('-').collect();
    let other = fields.iter().enumerate().map(|(at, field)| if at < 3 { swapped(field) } else { (*field).to_owned() });
    let other = other.collect::<Vec<_>>().join("-");
    if other.as_str() < uuid { other } else { uuid.to_owned() }
}

/// The identities of one machine: sorted texts without blanks, `52:54:00:00:00:0a`, `client:ff:00:..`, `uuid:..`, or `ip:..`
/// of a host that declares nothing else. Empty for a host without any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities(BTreeSet<Arc<str>>);

impl Identities {
    /// The identities that a host declares. An InfiniBand port is known by the address that iPXE makes of its GUID,
    /// however the inventory writes it.
    pub fn of(host: &Host) -> Self {
        let mut all = BTreeSet::new();
        for port in &host.interfaces {
            let octets = port.address.map(|address| address.ethernet());
            let hardware = octets.as_ref().filter(|address| address.octets().iter().any(|octet| *octet != 0));
            all.extend(hardware.map(|address| Arc::from(address.to_string())));
            // An InfiniBand port may be declared by the client identifier that is made of its GUID.
            let ids = port.address.iter().flat_map(HardwareAddress::client_ids);
            all.extend(ids.map(|id| Arc::from(format!("client:{}", colons(&id)))));
            all.extend(port.client_id.as_ref().map(|id| Arc::from(format!("client:{}", colons(id)))));
        }
        let uuid = host.uuid.as_deref().filter(|uuid| !PLACEHOLDERS.contains(uuid));
        all.extend(uuid.map(|uuid| Arc::from(format!("uuid:{}", in_one_order(uuid)))));
        if all.is_empty() {
            // Of a host that declares nothing else, the address is what its machine boots by.
            let ips = host.interfaces.iter().flat_map(Interface::ips);
            all.extend(ips.map(|ip| Arc::from(format!("{ADDRESS}{ip}"))));
        }
        Self(all)
    }

    /// Reads what [`Identities`] prints: texts with blanks between them.
    pub fn parse(text: &str) -> Self {
        Self(text.split_whitespace().map(Arc::from).collect())
    }

    /// Whether a machine is known by more than an address that anybody may have.
    pub fn are_own(&self) -> bool {
        self.0.iter().any(|identity| !identity.starts_with(ADDRESS))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both have one in common.
    pub fn shares(&self, other: &Self) -> bool {
        self.0.iter().any(|identity| other.0.contains(identity))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|identity| &**identity)
    }

    /// Those that `keep` accepts.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|identity| keep(identity)).cloned().collect())
    }

    /// Those of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }
}

impl fmt::Display for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(|identity| &**identity).collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::Identities;

    #[test]
    fn identities_are_read_as_they_are_printed() {
        let all = Identities::parse("uuid:4c4c4544-0042-3510-8052-b4c04f4e4d32  52:54:00:00:00:0a");
        assert_eq!(all.to_string(), "52:54:00:00:00:0a uuid:4c4c4544-0042-3510-8052-b4c04f4e4d32");
        assert_eq!(Identities::parse(&all.to_string()), all);
        let uuid = "4c4c4544-0042-3510-8052-b4c04f4e4d32";
        assert_eq!(super::in_one_order("44454c4c-4200-1035-8052-b4c04f4e4d32"), super::in_one_order(uuid));
        assert!(!Identities::parse("ip:10.0.0.1").are_own() && all.are_own());
        assert!(all.shares(&Identities::parse("52:54:00:00:00:0a")) && !all.shares(&Identities::default()));
    }
}
