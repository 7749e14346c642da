//! The attributes that follow from a host, and cannot be set.

/// Attributes that are kgen's and cannot be set, with what they say.
pub const INTRINSIC: [(&str, &str); 20] = [
    ("appliance", "the host's appliance"),
    ("arch", "the host's architecture"),
    ("domain", "the site's DNS domain"),
    ("fqdn", "host name and domain"),
    ("gateway", "the router of the boot network"),
    ("hostaddr", "the IP address of the boot interface"),
    ("hostname", "the host's name"),
    ("ksdevice", "the name of the boot interface"),
    ("ksmac", "the hardware address of the boot interface"),
    ("nameservers", "the name servers of the boot network, comma-separated"),
    ("netmask", "the netmask of the boot network"),
    ("os", "the host's operating system"),
    ("prefix", "the prefix length of the boot network"),
    ("rack", "the host's cabinet"),
    ("rank", "the host's position in the cabinet"),
    ("server", "where machines reach kgen"),
    ("site", "the site's name"),
    ("target", "the version that the kickstart is for: RHEL9"),
    ("target_family", "its letters: RHEL"),
    ("target_major", "its number: 9"),
];

/// Whether an attribute is kgen's own.
pub fn is_intrinsic(name: &str) -> bool {
    INTRINSIC.iter().any(|(known, _)| *known == name)
}

/// The intrinsic attributes that differ from host to host; the others are those of its appliance and network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// `fqdn`
    Fqdn,
    /// `hostaddr`
    Address,
    /// `hostname`
    Name,
    /// `ksmac`
    Hardware,
    /// `rack`
    Rack,
    /// `rank`
    Rank,
}

impl Own {
    /// All, with their names.
    pub const ALL: [(&str, Own); 6] = [
        ("fqdn", Own::Fqdn),
        ("hostaddr", Own::Address),
        ("hostname", Own::Name),
        ("ksmac", Own::Hardware),
        ("rack", Own::Rack),
        ("rank", Own::Rank),
    ];

    /// The attribute of this name, where it is one of a host's own.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, own)| *own)
    }
}
