//! What a diskless host needs beside its kernel: `exports(5)` of the server, the initrd that makes its root writable,
//! and the script that configures it, which is its kickstart without the installation.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use flate2::{Compression, GzBuilder};

use crate::boot::{BootEntry, Start};
use crate::emit::lines::Lines;
use crate::inventory::Inventory;
use crate::source::Span;

/// The script of dracut's hook. It runs when the root is mounted, before the machine goes over to it.
const OVERLAY_SCRIPT: &str = include_str!("overlay.sh");
/// Where dracut looks for hooks: the path is a file of a directory that every initrd of dracut has.
const HOOK: &str = "lib/dracut/hooks/pre-pivot/90-kgen-overlay.sh";

/// An initrd for [`crate::boot::OVERLAY_INITRD`]: a `cpio` archive with one file (`initramfs buffer format` of the
/// kernel's documentation). The kernel unpacks it over the other initrds. It finds a plain archive only at a multiple of
/// four octets behind the one before it, and iPXE on UEFI leaves no gap; a compressed one it finds anywhere.
pub fn overlay() -> Vec<u8> {
    // Stored, not deflated: what deflates differs with the features that kgen is built with, and the bytes must not.
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::none());
    // Memory does not fail.
    let written = encoder.write_all(&archive()).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

fn archive() -> Vec<u8> {
    let mut archive = Vec::new();
    member(&mut archive, HOOK, 0o100_755, OVERLAY_SCRIPT.as_bytes());
    member(&mut archive, "TRAILER!!!", 0, b"");
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

fn member(archive: &mut Vec<u8>, name: &str, mode: usize, content: &[u8]) {
    let number = 1; // of the file; others of the archive have another
    let fields = [number, mode, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
    archive.extend_from_slice(b"070701");
    for field in fields {
        archive.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    for bytes in [&[name.as_bytes(), b"\0"].concat(), content] {
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
}

/// The directories that diskless hosts have as their roots, for the NFS server: read by the networks of these hosts.
pub fn exports<'e>(inventory: &Inventory, entries: impl Iterator<Item = (&'e str, &'e BootEntry)>) -> Lines {
    let mut roots: BTreeMap<String, (BTreeSet<String>, Span)> = BTreeMap::new();
    for (name, entry) in entries {
        let Start::Kernel { arguments, .. } = &entry.start else { continue };
        let root = arguments.iter().find_map(|word| word.strip_prefix("root=nfs4:"));
        // A server of IPv6 has colons of its own; the path begins with the first slash.
        let Some(path) = root.and_then(|root| Some(root[root.find('/')?..].split(':').next()?.to_owned())) else {
            continue;
        };
        let Some(host) = inventory.hosts.get(name) else { continue };
        let Some(network) = inventory.boot_network(host) else { continue };
        let (subnets, _) = roots.entry(path).or_insert_with(|| (BTreeSet::new(), host.span));
        for subnet in [network.ipv4(), network.ipv6()].into_iter().flatten() {
            subnets.insert(subnet.to_string());
        }
    }
    let mut lines = Lines::default();
    for (path, (subnets, span)) in roots {
        lines.because(span);
        let clients: Vec<String> =
            subnets.into_iter().map(|subnet| format!("{subnet}(ro,no_root_squash,no_subtree_check)")).collect();
        lines.line(format!("{path} {}", clients.join(" ")));
    }
    lines
}

/// The script that makes of a root that many hosts share the root of one: the `%post` scripts of its kickstart, in
/// their order. Those for the installer's own system (`--nochroot`) are left out, and so is all else of it.
pub fn configure(name: &str, kickstart: &str) -> String {
    let mut script = format!("#!/bin/bash\n# Configures {name}, which has no disk, when it boots.\n");
    script.push_str("kgen_script=$(mktemp) || exit 1\ntrap 'rm -f \"$kgen_script\"' EXIT\nkgen_failed=0\n");
    let mut lines = kickstart.lines();
    while let Some(line) = lines.next() {
        let Some(options) = line.strip_prefix("%post") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "%end").collect();
        if options.split_whitespace().any(|option| option == "--nochroot") {
            continue;
        }
        let interpreter = options.split_whitespace().find_map(|option| option.strip_prefix("--interpreter="));
        let interpreter = interpreter.unwrap_or("/bin/sh").replace('\'', "");
        let mut end = "KGEN-END".to_owned();
        while body.contains(&end.as_str()) {
            end.push('-');
        }
        script.push_str(&format!("\ncat >\"$kgen_script\" <<'{end}'\n"));
        body.iter().for_each(|line| script.push_str(&format!("{line}\n")));
        script.push_str(&format!("{end}\n'{interpreter}' \"$kgen_script\" || kgen_failed=1\n"));
    }
    script.push_str("\nexit $kgen_failed\n");
    script
}

#[cfg(test)]
mod tests {
    use super::{archive, configure, overlay};

    #[test]
    fn only_what_is_for_the_installed_system_is_left() {
        let kickstart = "lang en\n%pre\necho pre\n%end\n%post --nochroot\necho out\n%end\n%post --interpreter=/bin/bash\necho in\nKGEN-END\n%end\n";
        let script = configure("a", kickstart);
        assert!(script.contains("echo in\nKGEN-END\nKGEN-END-\n'/bin/bash' "), "{script}");
        assert!(!script.contains("echo pre") && !script.contains("echo out"), "{script}");
    }

    #[test]
    fn the_archive_is_of_the_kernel_s_format() {
        assert!(overlay().starts_with(&[0x1f, 0x8b]));
        let archive = archive();
        assert!(archive.starts_with(b"070701") && archive.len().is_multiple_of(512));
        assert!(archive.windows(10).any(|bytes| bytes == b"TRAILER!!!"));
    }
}
