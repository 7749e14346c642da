//! What a machine is known by, whatever its host is called: hardware addresses, DHCP client identifiers, its UUID.
//!
//! A record of the boot state belongs to a machine. [`crate::boot::taking`] compares these identities between one
//! generation and the next, so that a host that is renamed keeps its record and another machine under an old name
//! does not inherit it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::inventory::Host;
use crate::inventory::address::colons;

/// UUIDs that mainboards show whose maker did not set one; they identify nobody.
const PLACEHOLDERS: [&str; 3] = [
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "03000200-0400-0500-0006-000700080009",
];

/// The identities of one machine: sorted texts without blanks, `52:54:00:00:00:0a`, `client:ff:00:..`, `uuid:..`. Empty
/// for a host that declares none.
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
            all.extend(port.client_id.as_ref().map(|id| Arc::from(format!("client:{}", colons(id)))));
        }
        let uuid = host.uuid.as_deref().filter(|uuid| !PLACEHOLDERS.contains(uuid));
        all.extend(uuid.map(|uuid| Arc::from(format!("uuid:{uuid}"))));
        Self(all)
    }

    /// Reads what [`Identities`] prints: texts with blanks between them.
    pub fn parse(text: &str) -> Self {
        Self(text.split_whitespace().map(Arc::from).collect())
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
        assert!(all.shares(&Identities::parse("52:54:00:00:00:0a")) && !all.shares(&Identities::default()));
    }
}
