//! iPXE scripts: of a host, and the entry for any machine. The language is that of <https://ipxe.org/scripting>.
//!
//! A word of a command ends at a space, `${` begins a setting, and `;`, `&&`, `||` and `#` alone end a command: a
//! [`BootEntry`] holds none of these. Nothing is given up: a script tries again until it is switched off.

use crate::boot::{BootEntry, Start};
use crate::emit::lines::Lines;

/// Seconds until the next attempt; the last for all that follow. Each host waits some more of its own.
const PAUSES: [u32; 5] = [3, 6, 12, 25, 50];

/// The entry for any machine: its own script by hardware address, else by IP address, else that for unknown machines.
pub fn entry() -> String {
    let mut script = start();
    script.line("# For any machine: its own script, or that of machines that are not in the inventory.");
    script.line("set attempt:int32 1");
    script.line(":start");
    script.line("echo kgen: ${netX/mac} ${netX/ip} asks for its boot script, attempt ${attempt}");
    // Twice, so that a server that was busy for a moment does not make a known machine an unknown one.
    for name in ["${netX/mac:hexhyp}", "${netX/ip}", "${uuid}", "", "${netX/mac:hexhyp}", "${netX/ip}", "unknown"] {
        script.line(match name {
            "" => "sleep 2".to_owned(),
            name => format!("chain --autofree --replace ipxe/{name}.ipxe ||"),
        });
    }
    script.line("echo kgen: the server has no script, or does not answer");
    again(&mut script, 0);
    script.text
}

fn start() -> Lines {
    let mut script = Lines::default();
    script.line("#!ipxe");
    script
}

/// Waits longer each time, and starts over. `jitter` keeps machines apart that were switched on together.
fn again(script: &mut Lines, jitter: u32) {
    let (last, pauses) = PAUSES.split_last().unwrap_or((&50, &[]));
    script.line(format!("set pause:int32 {}", last + last * jitter / 100));
    for (index, pause) in pauses.iter().enumerate() {
        script.line(format!("iseq ${{attempt}} {} && set pause:int32 {} ||", index + 1, pause + pause * jitter / 100));
    }
    script.line("echo kgen: trying again in ${pause} seconds");
    script.line("sleep ${pause}");
    script.line("inc attempt");
    script.line("goto start");
}

/// Up to a hundred, the same for the same name: there is no chance in an output (FNV-1a).
fn jitter(name: &str) -> u32 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % 101
}

/// A path from the script of a host to another boot file.
fn from_script(file: &str) -> String {
    if file.contains("://") { file.to_owned() } else { format!("../{file}") }
}

/// The script of a host, or of unknown machines.
pub fn script(name: &str, entry: &BootEntry) -> String {
    let mut script = start();
    let title = &entry.title;
    script.line(format!("# {name}: {title}"));
    script.line("set attempt:int32 1");
    script.line(":start");
    script.line(format!("echo kgen: {name}: {title}, attempt ${{attempt}}"));
    match &entry.start {
        Start::Local => {
            // A UEFI goes on to its next boot entry when a program ends with an error, and to its menu when without.
            script.line("iseq ${platform} efi || sanboot --no-describe --drive 0x80 ||");
            script.line("exit 1");
            return script.text;
        }
        Start::San { target } => script.line(format!("sanboot {target} || goto failed")),
        Start::Kernel { kernel, initrds, arguments, tells_interface } => {
            script.line("imgfree");
            let mut line = format!("kernel {}", from_script(kernel));
            for number in 0..initrds.len() {
                line.push_str(&format!(" initrd=initrd{number}"));
            }
            for argument in arguments {
                line.push_str(&word(argument));
            }
            if *tells_interface {
                line.push_str(" BOOTIF=01-${netX/mac:hexhyp}");
            }
            script.line(line + " || goto failed");
            for (number, initrd) in initrds.iter().enumerate() {
                script.line(format!("initrd --name initrd{number} {} || goto failed", from_script(initrd)));
            }
            script.line("boot || goto failed");
        }
    }
    script.line(":failed");
    script.line(format!("echo kgen: {name}: {title} did not start"));
    again(&mut script, jitter(name));
    script.text
}

/// What a machine does for which there is no room now: it says so, waits, and asks for the same script again.
pub fn busy(name: &str, position: usize, seconds: u32) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let name: String = name.chars().filter(plain).collect();
    let mut script = start();
    script.line(format!("set pause:int32 {seconds}"));
    script.line(format!("echo kgen: busy, position {position}"));
    script.line(":start");
    script.line("echo kgen: asking again in ${pause} seconds");
    script.line("sleep ${pause}");
    script.line(format!("chain --autofree --replace {name} ||"));
    script.line(format!("set pause:int32 {}", seconds + 10));
    script.line("goto start");
    script.text
}

/// An argument with a space before it; the kernel takes one with spaces in it if it stands in quotes.
pub fn word(argument: &str) -> String {
    if argument.contains(' ') { format!(" \"{argument}\"") } else { format!(" {argument}") }
}
