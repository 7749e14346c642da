//! PXELINUX configurations: of a host, and the default. A line is a keyword and its value, to the line's end.

use crate::boot::{BootEntry, Start};
use crate::emit::ipxe::word;
use crate::emit::lines::Lines;

/// The configuration of a host, or the default for all others.
pub fn configuration(name: &str, entry: &BootEntry) -> String {
    let mut lines = Lines::default();
    let title = &entry.title;
    lines.line(format!("# {name}: {title}"));
    lines.line("DEFAULT kgen");
    lines.line("PROMPT 0");
    lines.line("LABEL kgen");
    lines.line(format!("  SAY kgen: {name}: {title}"));
    match &entry.start {
        Start::Local => lines.line("  LOCALBOOT 0"),
        Start::San { .. } => {
            // What PXELINUX cannot do, iPXE can, which is a kernel to it.
            lines.line("  KERNEL ipxe.lkrn");
            lines.line("  APPEND dhcp && chain boot.ipxe");
        }
        Start::Kernel { kernel, initrds, arguments, tells_interface } => {
            lines.line(format!("  KERNEL {kernel}"));
            if !initrds.is_empty() {
                lines.line(format!("  INITRD {}", initrds.join(",")));
            }
            if !arguments.is_empty() {
                let words: String = arguments.iter().map(|argument| word(argument)).collect();
                lines.line(format!("  APPEND{words}"));
            }
            if *tells_interface {
                lines.line("  IPAPPEND 2");
            }
        }
    }
    lines.text
}
