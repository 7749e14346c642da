//! What a host does at its next boot. Pure; no loader's language.
//!
//! [`fill`] makes a [`BootEntry`] of an action of the inventory; the emitters of boot scripts take it as it is: what it
//! holds stands in a script of every loader and cannot end anything there, which is what [`fit`] looks at.

pub mod fill;
pub mod fit;
pub mod happening;
pub mod machine;
pub mod matching;
pub mod order;
pub mod state;
pub mod taking;
pub mod token;

use std::net::Ipv4Addr;

use crate::inventory::action::{self, Way};
use crate::inventory::{Host, Inventory};
use crate::name::ActionName;

/// The file that makes the root of a diskless host writable; beside the other boot files.
pub const OVERLAY_INITRD: &str = "kgen-overlay.img";

/// How machines come to their kickstarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handing {
    /// From files, which anybody can fetch who reaches them.
    #[default]
    Files,
    /// From kgen's own server, with the token of the build in the URL.
    Server,
}

/// Stands in a [`BootEntry`] where the token of a build is put when its script is served.
pub const TOKEN: &str = "KGEN_BUILD_TOKEN";

/// What a machine does at its next boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootEntry {
    /// The action's name.
    pub action: ActionName,
    /// What people call it: letters, digits, spaces and a few signs.
    pub title: String,
    /// How it starts.
    pub start: Start,
}

/// How a boot starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what is on the machine, or next in its firmware's list.
    Local,
    /// With a kernel, or a program that is loaded like one.
    Kernel {
        /// URL, or path relative to the boot files.
        kernel: String,
        /// The same, in order.
        initrds: Vec<String>,
        /// Words without quotes, backslashes and control characters; some hold single spaces.
        arguments: Vec<String>,
        /// Whether it is a Linux that is to be told from which interface it was booted.
        tells_interface: bool,
    },
    /// With a disk of the network: an iSCSI URI (RFC 4173).
    San {
        /// The URI.
        target: String,
    },
}

impl Handing {
    fn url(self, inventory: &Inventory, host: &Host, end: &str) -> Option<String> {
        let server = inventory.server(inventory.boot_network(host))?;
        let token = if self == Handing::Server { format!("?token={TOKEN}") } else { String::new() };
        Some(format!("{server}/ks/{}{end}{token}", host.name))
    }
}

/// The URL of a host's kickstart.
pub fn kickstart_url(inventory: &Inventory, host: &Host, handing: Handing) -> Option<String> {
    handing.url(inventory, host, ".ks")
}

/// The URL of what configures a diskless host when it boots.
pub fn configure_url(inventory: &Inventory, host: &Host, handing: Handing) -> Option<String> {
    handing.url(inventory, host, ".sh")
}

impl BootEntry {
    /// The machine's own disk, whatever the inventory makes of its actions.
    pub fn local() -> Self {
        Self { action: action::local(), title: "local disk".to_owned(), start: Start::Local }
    }

    /// Whether it tells the machine the token of its build.
    pub fn has_token(&self) -> bool {
        matches!(&self.start, Start::Kernel { arguments, .. } if arguments.iter().any(|word| word.contains(TOKEN)))
    }

    /// The same with the token in place.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        if let Start::Kernel { arguments, .. } = &mut self.start {
            arguments.iter_mut().for_each(|word| *word = word.replace(TOKEN, token));
        }
        self
    }
}

/// Whether an entry installs a machine with its kickstart: what it does may destroy what is on the machine's disks.
pub fn builds(inventory: &Inventory, host: &Host, entry: &BootEntry) -> bool {
    let Start::Kernel { arguments, .. } = &entry.start else { return false };
    // However a template writes the URL, and also if it is that of another server: nobody here hears when that is done.
    let path = format!("/ks/{}.", host.name);
    let starts_installer = |word: &String| {
        let lower = word.to_ascii_lowercase();
        lower.contains(&path.to_ascii_lowercase()) || lower.starts_with("inst.ks=") || lower.starts_with("ks=")
    };
    let has_kickstart = entry.has_token() || arguments.iter().any(starts_installer);
    has_kickstart && inventory.actions.get(&entry.action).is_some_and(|action| action.way == Way::Kernel)
}

/// Whether a host runs from a root that it shares.
pub fn is_diskless(inventory: &Inventory, host: &Host) -> bool {
    inventory.actions.get(&host.boot).is_some_and(|action| action.way == Way::Diskless)
}

/// The names under which loaders look for what is a host's: for each hardware address and IPv4 address.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Hardware addresses with `-` between octets.
    pub hyphenated: Vec<String>,
    /// The same after the hardware type.
    pub typed: Vec<String>,
    /// IPv4 addresses as people write them.
    pub ips: Vec<String>,
    /// IPv4 addresses as eight hexadecimal digits.
    pub hexadecimal: Vec<String>,
    /// The UUID of the machine.
    pub uuids: Vec<String>,
}

/// The names for one host: of all its ports that are in a network that machines boot from.
pub fn keys(inventory: &Inventory, host: &Host) -> Keys {
    let uuids = host.uuid.iter().map(ToString::to_string).collect();
    let mut keys = Keys { uuids, ..Keys::default() };
    let mut add = |list: fn(&mut Keys) -> &mut Vec<String>, name: String| {
        let list = list(&mut keys);
        if !list.contains(&name) {
            list.push(name);
        }
    };
    for port in host.interfaces.iter().filter(|port| inventory.network(port).is_some_and(|network| network.pxe)) {
        for address in host.hardware(port) {
            add(|keys| &mut keys.hyphenated, address.hyphenated());
            add(|keys| &mut keys.typed, address.file_name());
            if address.is_infiniband() {
                // What iPXE makes of the GUID is what it asks with.
                add(|keys| &mut keys.hyphenated, address.ethernet().hyphenated());
            }
        }
        if let Some(ip) = port.ipv4() {
            add(|keys| &mut keys.ips, ip.to_string());
            add(|keys| &mut keys.hexadecimal, hexadecimal(ip));
        }
    }
    keys
}

/// An IPv4 address as PXELINUX and GRUB write it in the names of files.
pub fn hexadecimal(ip: Ipv4Addr) -> String {
    format!("{:08X}", ip.to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_names_that_loaders_look_for() {
        assert_eq!(hexadecimal("10.55.0.11".parse().unwrap()), "0A37000B");
    }
}
