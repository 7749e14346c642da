//! Some hundred machines at once against a server with few slots, while one generation follows the other: each gets
//! what is its own, and none is lost.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use support::{kgen, write};

const MACHINES: usize = 150;

/// A server that ends with the test, and its URL.
struct Server(Child, String);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn site(directory: &Path) {
    let mut inventory = concat!(
        "[site]\nname = \"storm\"\ndomain = \"storm.example.org\"\nserver = \"http://127.0.0.1:1\"\n",
        "target = \"RHEL9\"\narch = \"x86_64\"\ndistribution = \"el9\"\nboot = \"install\"\nboot_files = \"boot\"\n",
        "[distributions.el9]\nurl = \"{{ server }}/install/el9\"\nkernel = \"vmlinuz\"\ninitrds = [\"initrd.img\"]\n",
        "[networks.private]\nsubnet = \"127.0.0.0/8\"\n[appliances.compute]\n[serve]\n",
        "boot_slots = { slots = 8, queue = 24, per_client = 4 }\n",
        "bulk_slots = { slots = 4, queue = 12, per_client = 4 }\n[serve.install]\nel9 = \"el9\"\n"
    )
    .to_owned();
    for host in 0..MACHINES {
        let (rack, rank) = (host / 100 + 1, host % 100 + 1);
        let _ = writeln!(
            inventory,
            "[hosts.compute-{rack}-{rank}]\nappliance = \"compute\"\ninterfaces = [{{ name = \"eth0\", \
             network = \"private\", address = \"52:54:00:00:{rack:02x}:{rank:02x}\", ip = \"127.9.{rack}.{rank}\" }}]"
        );
    }
    let module = "<kickstart roll=\"base\"><package>chrony</package><post>echo &hostname;</post></kickstart>\n";
    write(&directory.join("cluster.toml"), inventory);
    write(&directory.join("cluster.d/serial.toml"), "[attributes]\nserial = \"0\"\n");
    write(&directory.join("nodes/compute.xml"), module);
    write(&directory.join("graphs/default/base.xml"), "<graph roll=\"base\"></graph>\n");
    for file in ["boot/vmlinuz", "boot/initrd.img", "boot/undionly.kpxe", "boot/snponly.efi", "el9/package.rpm"] {
        write(&directory.join(file), vec![7; 50_000]);
    }
}

fn serve(directory: &Path) -> Server {
    let mut command = kgen();
    command.args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(directory.join("state"));
    let mut child = command.arg("--site").arg(directory).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    let url = loop {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "kgen does not serve");
        if let Some((_, rest)) = line.split_once("serving at ") {
            break rest.split_whitespace().next().unwrap().to_owned();
        }
    };
    // What it says from now on is nobody's concern, but has to go somewhere.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    let mut adopt = kgen();
    adopt.args(["boot", "--adopt", "--yes", "--socket"]).arg(directory.join("state/kgen.sock"));
    assert!(adopt.output().unwrap().status.success());
    Server(child, url)
}

/// Generations, one after the other, each with content that there never was.
fn reload(directory: &Path, ended: &AtomicBool) {
    for serial in 1.. {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        fs::write(directory.join("serial.new"), format!("[attributes]\nserial = \"{serial}\"\n")).unwrap();
        fs::rename(directory.join("serial.new"), directory.join("cluster.d/serial.toml")).unwrap();
        let mut refresh = kgen();
        let refresh = refresh.arg("refresh").arg("--socket").arg(directory.join("state/kgen.sock"));
        assert!(refresh.output().unwrap().status.success());
    }
}

fn storm(directory: &Path, server: &Server, more: &[&str]) -> (bool, Value) {
    let mut command: Command = kgen();
    command.args(["storm", "--within", "0", "--format", "json", "--server", &server.1]).args(more);
    let output = command.arg("--site").arg(directory).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout);
    (output.status.success(), report.unwrap_or(Value::String(said)))
}

#[test]
fn in_a_storm_with_reloads_every_machine_gets_its_own() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path();
    site(directory);
    let server = serve(directory);
    let socket = directory.join("state/kgen.sock");
    let ended = AtomicBool::new(false);
    let (is_good, report) = std::thread::scope(|scope| {
        scope.spawn(|| reload(directory, &ended));
        let more = ["--files", "/install/el9/package.rpm", "--operator-socket", socket.to_str().unwrap()];
        let came = storm(directory, &server, &more);
        ended.store(true, Ordering::Relaxed);
        came
    });
    assert!(is_good, "{report:#}");
    assert_eq!(report["finished"], MACHINES, "{report:#}");
    assert_eq!(report["without_kickstart"], 0);
    assert!(report["generations"].as_array().unwrap().len() > 1, "{report:#}");
    let deferred: u64 =
        report["stages"].as_array().unwrap().iter().map(|stage| stage["deferred"].as_u64().unwrap()).sum();
    assert!(deferred > 0, "the slots were not few: {report:#}");
    assert_eq!(report["operator"]["failed"], 0);
    // Whoever installed itself does not do it again.
    let (is_good, report) = storm(directory, &server, &["--machines", "5"]);
    assert!(is_good, "{report:#}");
    assert_eq!((report["finished"].as_u64(), report["without_kickstart"].as_u64()), (Some(5), Some(5)));
}

#[test]
fn machines_whose_addresses_are_not_here_are_not_played() {
    let scratch = tempfile::tempdir().unwrap();
    site(scratch.path());
    let file = scratch.path().join("cluster.toml");
    let text = fs::read_to_string(&file).unwrap().replace("127.9.", "192.0.2.").replace("127.0.0.0/8", "192.0.0.0/8");
    fs::write(&file, text.replace("192.0.2.1.", "192.0.2.").replace("192.0.2.2.", "192.0.3.")).unwrap();
    let nobody = Server(Command::new("true").spawn().unwrap(), "http://127.0.0.1:1".to_owned());
    let (is_good, said) = storm(scratch.path(), &nobody, &[]);
    assert!(!is_good);
    let said = said.as_str().unwrap();
    assert!(said.contains("does not have the address 192.0.2.1 of `compute-1-1`"), "{said}");
    assert!(said.contains("--forwarded"), "{said}");
}
