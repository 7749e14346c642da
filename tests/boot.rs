//! Machines that start over the network from what kgen wrote and serves: QEMU, real firmware, real loaders, a real
//! kernel.
//!
//! Each asks a real DHCP server that has the compiled configuration, fetches its kickstart like an installer, runs
//! what that says is to be run, and tells what it got. HTTP is `kgen serve` alone; but two machines boot from what
//! `kgen compile` wrote under another web server, because sites do that too. Three of them start in every run, all of
//! them where `KGEN_ALL_BOOTS` or `CI` is set.
#![allow(clippy::pedantic)] // pedantry is for what ships
// tests read files and run programs
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;
use sha2::{Digest, Sha256};
use support::{all_boots, files, found, program, root, run, write};
use tempfile::TempDir;

const SERVER: &str = "http://10.55.0.1:8000";

/// A machine of `tests/boot/lab.py`, and what it finds on the network.
#[derive(Clone, Copy)]
struct Machine {
    /// What starts first in it.
    start: &'static str,
    /// The site's loader for machines of this kind: of a BIOS, or of a UEFI.
    loader: &'static str,
    /// The DHCP server: `dnsmasq`, `kea` or `isc`.
    dhcp: &'static str,
    /// Whether it takes its script over HTTP, and so the token of its build: a compiled script has none.
    has_token: bool,
}

const BIOS: Machine = Machine { start: "bios-rom", loader: "pxelinux.0", dhcp: "dnsmasq", has_token: false };
const BIOS_IPXE: Machine = Machine { start: "bios-ipxe", loader: "undionly.kpxe", has_token: true, ..BIOS };
const BIOS_GRUB: Machine = Machine { loader: "grub/i386-pc/core.0", ..BIOS };
const UEFI: Machine = Machine { start: "uefi-pxe", loader: "snponly.efi", ..BIOS_IPXE };
const UEFI_GRUB: Machine = Machine { loader: "grub/x86_64-efi/core.efi", has_token: false, ..UEFI };
const UEFI_HTTP: Machine = Machine { start: "uefi-http", ..UEFI };
const SECURE: Machine = Machine { start: "uefi-secure", loader: "shimx64.efi", ..UEFI_GRUB };

const ADDRESS: &str = "52:54:00:aa:00:01";

/// Who answers HTTP.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Http {
    /// `kgen serve`.
    Kgen,
    /// A web server that knows nothing but the compiled files.
    Files,
}

/// The compiled site, and what a machine said that started from it.
struct Run {
    out: TempDir,
    result: Value,
}

/// Starts a machine. None where something is missing that the boot needs.
fn start(machine: Machine, http: Http, address: &str, options: &[&str]) -> Option<Run> {
    let server = match machine.dhcp {
        "kea" => "kea-dhcp4",
        "isc" => "dhcpd",
        other => other,
    };
    program(server)?;
    let prepared = prepared()?;
    let directory = tempfile::tempdir().unwrap();
    write_site(directory.path(), machine, prepared);
    let out = tempfile::tempdir().unwrap();
    support::compile(directory.path(), out.path());
    let mut lab = lab("boot");
    lab.arg(machine.start).arg(out.path()).arg(prepared).args(["--dhcp", machine.dhcp, "--mac", address]);
    lab.args(["--limit", "120"]).args(options);
    if http == Http::Kgen {
        lab.args(["--serve", env!("CARGO_BIN_EXE_kgen")]).arg(directory.path());
    }
    let (content, said) = {
        let _one_at_a_time = lock();
        run(&mut lab)
    };
    let result = said.lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
    let result = result.filter(|_| content).unwrap_or_else(|| panic!("{}", said.replace("\", \"", "\",\n\"")));
    Some(Run { out, result })
}

/// A machine takes all that two processors have.
fn lock() -> impl Drop {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lab(command: &str) -> Command {
    let mut lab = Command::new("python3");
    lab.arg(root().join("tests/boot/lab.py")).arg(command);
    lab
}

/// The site of the test with the loader of a machine, and the boot files where they are.
fn write_site(directory: &Path, machine: Machine, prepared: &Path) {
    let (key, loader) =
        if machine.start.starts_with("bios") { ("bios", "undionly.kpxe") } else { ("x86_64", "snponly.efi") };
    let boot_files = prepared.join("tftp");
    let values = [(key, loader, machine.loader), ("boot_files", "boot", boot_files.to_str().unwrap())];
    for (name, content) in files(&root().join("tests/boot/site")) {
        let mut text = String::from_utf8(content).unwrap();
        if name.as_os_str() == "cluster.toml" {
            for (key, old, new) in values {
                let line = format!("\n{key} = \"{old}\"\n");
                assert!(text.contains(&line), "{key} has moved");
                text = text.replace(&line, &format!("\n{key} = \"{new}\"\n"));
            }
        }
        write(&directory.join(name), text);
    }
}

/// The directory with a kernel, loaders and firmware, which is filled once.
fn prepared() -> Option<&'static Path> {
    static PREPARED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let programs = ["python3", "unshare", "ip", "dnsmasq", "qemu-system-x86_64", "grub-mknetdir", "apt-get"];
    if !programs.into_iter().all(|name| program(name).is_some()) {
        return None;
    }
    if !found("the superuser", fs::metadata("/proc/self").unwrap().uid() == 0) {
        return None;
    }
    let prepared = PREPARED.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("boot");
        let (content, said) = run(lab("prepare").arg(&directory));
        if content { Ok(directory) } else { Err(said) }
    });
    let required = std::env::var_os("KGEN_REQUIRE_ALL").is_some();
    assert!(prepared.is_ok() || !required, "{prepared:?}");
    found("what the machines start", prepared.is_ok()).then_some(prepared.as_deref().ok()).flatten()
}

/// The machine fetches the kickstart that kgen wrote for it, and was told so by the kernel line of that host.
fn installs(machine: Machine, http: Http) {
    let Some(Run { out, result }) = start(machine, http, ADDRESS, &[]) else { return };
    is_told(&out, &result, machine.has_token && http == Http::Kgen);
    // Without a token in its kernel line, it asks for it.
    assert_eq!(states(&result).last().copied(), (http == Http::Kgen).then_some("installed"));
}

/// The machine installs itself once: it reports how far it is, starts again by itself, and starts from its own disk from
/// then on. Nobody else in its network gets anything of it.
fn installs_once(machine: Machine) {
    let options = ["--install", "install-0"];
    let Some(Run { out, result }) = start(machine, Http::Kgen, ADDRESS, &options) else { return };
    is_told(&out, &result, true);
    assert_eq!(result["kickstart"], result["sha256"], "an operator gets the same");
    let install = ["script-served", "kickstart-fetched", "installing", "installing", "installed", "local"];
    assert_eq!(states(&result), install);
    let events = result["events"].as_array().unwrap();
    let progress = events.iter().filter(|event| event["state"] == "installing").map(|event| &event["text"]);
    assert_eq!(progress.collect::<Vec<_>>(), ["installation begins", "packages are installed"]);
    assert!(events.iter().all(|event| event["host"] == "install-0" && event["client"] == "10.55.0.11"), "{events:?}");
    assert_eq!(result["disks"], 2);
    let requests: Vec<&str> = result["requests"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let count = |request: &str| requests.iter().filter(|asked| **asked == request).count();
    // A UEFI that is to go on to its disk tries its other ways to the network before.
    assert!(count("GET /boot/ipxe/52-54-00-aa-00-01.ipxe 200") >= 3, "{requests:?}");
    // The machine's, and the operator's.
    assert_eq!(count("GET /ks/install-0.ks 200"), 2, "{requests:?}");
    assert_eq!(result["strange"], serde_json::json!([403, 403, 403, 403]));
    let reasons = ["foreign-address", "wrong-token", "unknown-host", "foreign-address"];
    assert_eq!(result["refused"], serde_json::json!(reasons));
}

/// What the server saw machines do, in order.
fn states(result: &Value) -> Vec<&str> {
    let events = result["events"].as_array().into_iter().flatten();
    events.filter_map(|event| event["state"].as_str()).collect()
}

/// The installer got the compiled kickstart by its kernel line, and ran all of its sections that it can run.
fn is_told(out: &TempDir, result: &Value, with_token: bool) {
    let kickstart = fs::read(out.path().join("ks/install-0.ks")).unwrap();
    let sum: String = Sha256::digest(&kickstart).iter().map(|octet| format!("{octet:02x}")).collect();
    let facts = ["status", "host", "mac", "bytes", "sha256", "ran"].map(|fact| result[fact].as_str().unwrap());
    assert_eq!(facts, ["ok", "install-0", ADDRESS, &kickstart.len().to_string(), &sum, "3"]);
    let line = result["cmdline"].as_str().unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let url = words.iter().find_map(|word| word.strip_prefix(&format!("inst.ks={SERVER}/ks/install-0.ks"))).unwrap();
    match url.strip_prefix("?token=") {
        Some(token) => assert!(with_token && token.len() == 32, "{line}"),
        None => assert!(!with_token && url.is_empty(), "{line}"),
    }
    let interface = words.iter().find_map(|word| word.strip_prefix("BOOTIF=01-")).unwrap();
    assert_eq!(interface.replace('-', ":"), ADDRESS);
}

/// The machine asks, and starts from its own disk. Gives what it fetched over HTTP.
fn starts_from_its_disk(machine: Machine, address: &str) -> Option<String> {
    let Run { result, .. } = start(machine, Http::Kgen, address, &["--disk"])?;
    assert_eq!(result["status"], "disk");
    Some(result["requests"].to_string())
}

#[test]
fn a_machine_installs_itself_once_and_reports_it() {
    installs_once(BIOS_IPXE);
}

// Its disk would be wiped if its record were that of its name.
#[test]
fn a_machine_that_is_renamed_after_it_installed_itself_starts_from_its_disk() {
    let options = ["--install", "install-0", "--rename", "other-7"];
    let Some(Run { result, .. }) = start(BIOS_IPXE, Http::Kgen, ADDRESS, &options) else { return };
    assert_eq!((result["status"].as_str(), result["disks"].as_u64()), (Some("ok"), Some(2)));
    let events = result["events"].as_array().unwrap();
    let last = events.last().unwrap();
    assert_eq!(last["host"], "other-7", "{events:?}");
    assert!(last["text"].as_str().unwrap().contains("renamed from install-0"), "{events:?}");
    let requests = result["requests"].to_string();
    assert_eq!(
        requests.matches("GET /ks/install-0.ks 200").count(),
        2,
        "the machine's, and the operator's: {requests}"
    );
    assert!(!requests.contains("/ks/other-7.ks"), "{requests}");
}

#[test]
fn a_uefi_machine_installs_itself_once_and_reports_it() {
    if all_boots() {
        [UEFI, UEFI_HTTP].into_iter().for_each(installs_once);
    }
}

// Its scripts are compiled ones in any case, so that this is the machine that finds all of the compiled tree.
#[test]
fn a_machine_boots_through_pxelinux_and_fetches_its_kickstart() {
    installs(BIOS, Http::Files);
}

#[test]
fn a_uefi_machine_boots_through_ipxe_and_fetches_its_kickstart() {
    installs(UEFI, Http::Kgen);
}

#[test]
fn a_machine_with_ipxe_in_its_card_boots_with_every_dhcp_server() {
    if all_boots() {
        ["dnsmasq", "kea", "isc"].into_iter().for_each(|dhcp| installs(Machine { dhcp, ..BIOS_IPXE }, Http::Kgen));
    }
}

// iPXE finds its way through the compiled tree too, by relative paths.
#[test]
fn a_machine_boots_through_ipxe_that_it_loads_first() {
    if all_boots() {
        installs(Machine { start: "bios-rom", ..BIOS_IPXE }, Http::Files);
    }
}

#[test]
fn a_machine_boots_through_grub() {
    if all_boots() {
        installs(Machine { dhcp: "isc", ..BIOS_GRUB }, Http::Kgen);
    }
}

#[test]
fn a_uefi_machine_boots_through_grub() {
    if all_boots() {
        installs(Machine { dhcp: "kea", ..UEFI_GRUB }, Http::Kgen);
    }
}

#[test]
fn a_uefi_machine_boots_over_http_from_the_start_with_every_dhcp_server() {
    if all_boots() {
        ["dnsmasq", "kea", "isc"].into_iter().for_each(|dhcp| installs(Machine { dhcp, ..UEFI_HTTP }, Http::Kgen));
    }
}

#[test]
fn a_machine_with_secure_boot_boots_through_the_signed_grub() {
    if all_boots() {
        installs(SECURE, Http::Kgen);
    }
}

#[test]
fn a_machine_without_a_disk_runs_from_its_root_on_the_server_and_configures_itself_in_memory() {
    if !all_boots() || program("ganesha.nfsd").is_none() {
        return;
    }
    let options = ["--nfs", "/export/el9-x86_64"];
    for machine in [BIOS, UEFI, SECURE] {
        let Some(Run { result, .. }) = start(machine, Http::Kgen, "52:54:00:aa:00:02", &options) else { return };
        let facts = ["status", "host", "root", "motd"].map(|fact| result[fact].as_str().unwrap());
        assert_eq!(facts, ["ok", "diskless-0", "writable", "diskless-0_of_boot"]);
        assert!(!prepared().unwrap().join("root/written").exists(), "the root on the server was written to");
    }
}

#[test]
fn a_machine_that_shall_start_from_its_disk_does_so_with_every_loader() {
    if all_boots() {
        for machine in [BIOS, BIOS_IPXE, BIOS_GRUB, UEFI, UEFI_GRUB, SECURE] {
            starts_from_its_disk(machine, "52:54:00:aa:00:03");
        }
    }
}

#[test]
fn an_unknown_machine_starts_from_its_disk_with_every_loader() {
    if !all_boots() {
        return;
    }
    let unknown = "52:54:00:aa:00:09";
    for machine in [BIOS, BIOS_GRUB, UEFI_GRUB] {
        starts_from_its_disk(machine, unknown);
    }
    let Some(requests) = starts_from_its_disk(BIOS_IPXE, unknown) else { return };
    assert!(requests.contains("/boot/ipxe/unknown.ipxe 200"), "{requests}");
}
