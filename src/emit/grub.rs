//! GRUB configurations: of a host, and the one for any machine, which looks for a host's by itself where GRUB does not.
//!
//! A signed GRUB of a distribution reads one file only, so that one looks for the others. Words are in single quotes,
//! in which only a single quote means something, and none is in a [`BootEntry`].

use crate::boot::{BootEntry, Start};
use crate::emit::lines::Lines;
use crate::inventory::network::parts;

/// The loaders that distributions leave on a disk, for a machine that boots from it.
const ON_DISK: [&str; 8] = [
    "/EFI/redhat/shim",
    "/EFI/rocky/shim",
    "/EFI/almalinux/shim",
    "/EFI/centos/shim",
    "/EFI/fedora/shim",
    "/EFI/debian/shim",
    "/EFI/ubuntu/shim",
    "/EFI/BOOT/BOOT",
];

/// The configuration of a host.
pub fn configuration(name: &str, entry: &BootEntry) -> String {
    let mut lines = Lines::default();
    lines.line(format!("# {name}: {}", entry.title));
    menu(&mut lines, name, entry);
    lines.text
}

/// The configuration for any machine: it reads the host's where there is one, else does what unknown machines do.
pub fn any(unknown: &BootEntry) -> String {
    let mut lines = Lines::default();
    lines.line("# For any machine: its own configuration, or that of machines that are not in the inventory.");
    let names: Vec<String> = (1..=6).map(|number| format!("--set={number}:kgen_{number}")).collect();
    let octet = ["([0-9a-fA-F]{2})"; 6].join(":");
    lines.line(format!("if regexp {} '^{octet}' \"$net_default_mac\"; then", names.join(" ")));
    let octets: Vec<String> = (1..=6).map(|number| format!("$kgen_{number}")).collect();
    lines.line(format!("  set kgen_own=\"/grub/grub.cfg-01-{}\"", octets.join("-")));
    lines.line("fi");
    lines.line("if [ -n \"$kgen_own\" -a -s \"$kgen_own\" ]; then");
    lines.line("  source \"$kgen_own\"");
    lines.line("else");
    menu(&mut lines, "unknown machine", unknown);
    lines.line("fi");
    lines.text
}

/// For a GRUB that looks beside itself: where the other one is.
pub fn beside_loader() -> String {
    "# For a GRUB that looks beside itself.\nsource /grub/grub.cfg\n".to_owned()
}

fn menu(lines: &mut Lines, name: &str, entry: &BootEntry) {
    let title = &entry.title;
    lines.line("set timeout=0");
    lines.line("set default=kgen");
    lines.line(format!("menuentry '{title}' --id kgen {{"));
    lines.line(format!("  echo 'kgen: {name}: {title}'"));
    match &entry.start {
        Start::Local => local(lines),
        Start::San { .. } => {
            lines.line("  echo 'kgen: GRUB cannot boot from iSCSI; this machine needs iPXE as its loader'");
            lines.line("  sleep 30");
            lines.line("  exit");
        }
        Start::Kernel { kernel, initrds, arguments, tells_interface } => {
            let mut line = format!("  linux '{}'", path(kernel));
            for argument in arguments {
                line.push_str(&format!(" '{argument}'"));
            }
            if *tells_interface {
                line.push_str(" BOOTIF=01-$net_default_mac");
            }
            lines.line(line);
            if !initrds.is_empty() {
                let initrds: Vec<String> = initrds.iter().map(|initrd| format!("'{}'", path(initrd))).collect();
                lines.line(format!("  initrd {}", initrds.join(" ")));
            }
        }
    }
    lines.line("}");
}

/// What is on a disk: of a UEFI, a distribution's loader, else the firmware's next entry; of a BIOS, its first disk.
fn local(lines: &mut Lines) {
    // An image for the network has no driver of disks in it.
    lines.line("  if [ \"$grub_platform\" = efi ]; then");
    for module in ["part_gpt", "part_msdos", "fat"] {
        lines.line(format!("    insmod {module}"));
    }
    for (arch, end) in [("x86_64", "x64"), ("arm64", "aa64")] {
        lines.line(format!("    if [ \"$grub_cpu\" = {arch} ]; then"));
        for start in ON_DISK {
            let file = if start.ends_with("BOOT") {
                format!("{start}{}.EFI", end.to_uppercase())
            } else {
                format!("{start}{end}.efi")
            };
            lines.line(format!(
                "      if search --no-floppy --set=root --file {file}; then chainloader {file}; boot; fi"
            ));
        }
        lines.line("    fi");
    }
    lines.line("  else");
    lines.line("    insmod biosdisk");
    lines.line("    set root=(hd0)");
    lines.line("    chainloader +1");
    lines.line("    boot");
    lines.line("  fi");
    lines.line("  exit");
}

/// A file as GRUB names it: on the device that it came from, or on a server.
fn path(file: &str) -> String {
    match parts(file) {
        (scheme, host, path) if !scheme.is_empty() => {
            let (port, path) = path.split_at(path.find('/').unwrap_or(path.len()));
            format!("({},{host}{port}){path}", scheme.trim_end_matches("://"))
        }
        _ => format!("/{file}"),
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn files_are_on_grub_s_own_device_or_on_a_server() {
        assert_eq!(path("images/vmlinuz"), "/images/vmlinuz");
        assert_eq!(path("http://10.1.1.1:8080/install/vmlinuz"), "(http,10.1.1.1:8080)/install/vmlinuz");
        assert_eq!(path("http://[fd00::1]/vmlinuz"), "(http,[fd00::1])/vmlinuz");
    }
}
