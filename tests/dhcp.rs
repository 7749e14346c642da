//! Exchanges with real DHCP servers that run with what kgen wrote: every kind of client asks each of them, and each has
//! to say what is expected and nothing else; so they all say the same.
//!
//! `tests/dhcp/ask.py` runs a server and its clients in network namespaces of their own. `tests/dhcp/site` is what is
//! compiled; `tests/dhcp/*.json` is who asks what, and the answer.
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)] // tests read files and run programs

mod support;

use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};
use support::{found, program, root, run, write};
use tempfile::TempDir;

/// A server, and the file of a compiled site that it reads.
#[derive(Clone, Copy)]
struct Server {
    kind: &'static str,
    program: &'static str,
    file: &'static str,
    version: u8,
}

const ISC: Server = Server { kind: "isc", program: "dhcpd", file: "dhcpd.conf", version: 4 };
const KEA: Server = Server { kind: "kea", program: "kea-dhcp4", file: "kea-dhcp4.json", version: 4 };
const DNSMASQ: Server = Server { kind: "dnsmasq", program: "dnsmasq", file: "dnsmasq.conf", version: 4 };
const KEA6: Server = Server { program: "kea-dhcp6", file: "kea-dhcp6.json", version: 6, ..KEA };
const DNSMASQ6: Server = Server { version: 6, ..DNSMASQ };

/// What a server does not say as the others do: with the case, the member of the offer and its value there.
const EXCEPTIONS: [(Server, &str, &str, Option<&str>); 8] = [
    // dnsmasq takes one identifier for an address: that of RFC 4390.
    (DNSMASQ, "InfiniBand by 21 octets: no PXE", "address", Some("pool")),
    (DNSMASQ, "InfiniBand by 21 octets: no PXE", "host", None),
    // Kea lends an address to a loader over InfiniBand for a second, or the system that it loads would not get it.
    (KEA, "InfiniBand by 21 octets: no PXE", "lease", Some("1")),
    (KEA, "InfiniBand as Ethernet: iPXE on UEFI", "lease", Some("1")),
    (KEA, "its neighbour as Ethernet: iPXE on UEFI", "lease", Some("1")),
    // Kea reads a MAC address from a client's link-local one only where it is one of hardware.
    (KEA6, "known, virtual, by UUID", "address", Some("pool")),
    // dnsmasq writes option 16 of DHCPv6 without the enterprise's number, which no firmware reads.
    (DNSMASQ6, "known, UEFI HTTP", "vendor_class", None),
    (DNSMASQ6, "unknown, UEFI HTTP aarch64", "vendor_class", None),
];

/// One lab at a time: figures are worth nothing with another beside it.
fn lock() -> impl Drop {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the lab can be built. If not, says what is missing.
fn lab_is_there(server: Server) -> bool {
    let programs = ["python3", "unshare", "ip", "mount", server.program];
    if !programs.into_iter().all(|name| program(name).is_some()) {
        return false;
    }
    let own = run(Command::new("unshare").args(["-r", "-n", "-m", "true"])).0;
    let required = std::env::var_os("KGEN_REQUIRE_ALL").is_some();
    assert!(own || !required, "there are no namespaces, and KGEN_REQUIRE_ALL is set");
    found("a network namespace", own)
}

/// Runs a server with a compiled site and gives what the lab prints: `wanted` are cases, or a command to run.
fn lab(server: Server, out: &Path, links: Value, (key, wanted): (&str, Value)) -> Vec<Value> {
    let directory = tempfile::tempdir().unwrap();
    let plan = json!({
        "server": server.kind,
        "version": server.version,
        "program": program(server.program),
        "configuration": out.join("dhcp").join(server.file),
        "links": links,
        key: wanted,
    });
    let path = directory.path().join("plan.json");
    write(&path, plan.to_string());
    let _one_at_a_time = lock();
    let output = Command::new("python3").arg(root().join("tests/dhcp/ask.py")).arg(path).output().unwrap();
    assert!(output.status.success(), "{}:\n{}", server.program, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The compiled site of this test.
fn compiled() -> TempDir {
    let out = tempfile::tempdir().unwrap();
    support::compile(&root().join("tests/dhcp/site"), out.path());
    out
}

/// The networks that a server is in, with its addresses there.
fn links() -> Value {
    json!({ "lab": ["10.55.0.1/24", "fd55::1/64"], "fabric": ["10.56.0.1/24"], "quiet": ["10.59.0.1/24"] })
}

fn read(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(root().join("tests/dhcp").join(name)).unwrap()).unwrap()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap()
}

/// One object with the members of several; of the later one where they differ.
fn merged<'v>(parts: impl IntoIterator<Item = &'v Value>) -> Value {
    let parts = parts.into_iter().filter_map(Value::as_object);
    parts.flat_map(|part| part.iter().map(|(key, value)| (key.clone(), value.clone()))).collect::<Map<_, _>>().into()
}

/// What a client asks, and what is to be offered to it; null where nothing is.
struct Case {
    question: Value,
    offer: Value,
}

/// Every machine of `cases.json` with all firmware that it is to ask with.
fn cases() -> Vec<Case> {
    let all = read("cases.json");
    let mut cases = Vec::new();
    for (machine, wanted) in all["asked"].as_object().unwrap() {
        for (firmware, facts) in all["firmware"].as_object().unwrap() {
            if wanted.as_array().unwrap().iter().any(|word| word == "*" || word == firmware) {
                cases.push(case(&all["networks"], &format!("{machine}: {firmware}"), &all["machines"][machine], facts));
            }
        }
    }
    cases
}

fn case(networks: &Value, name: &str, machine: &Value, firmware: &Value) -> Case {
    let question = merged([machine, firmware, &json!({ "case": name })]);
    if machine.get("offer").is_none() {
        return Case { question: merged([&question, &json!({ "patience": 0.5 })]), offer: Value::Null };
    }
    let network = &networks[text(machine, if machine.get("network").is_some() { "network" } else { "link" })];
    let nothing = json!({ "file": null, "vendor_class": null });
    let boots = network.get("pxe").is_none();
    let firmware = if boots { &firmware["offer"] } else { &nothing };
    let mut offer = merged([&nothing, &network["offer"], &machine["offer"], firmware]);
    if let Some(file) = offer["file"].as_str() {
        offer["file"] = json!(file.replace("SERVER", text(&network["offer"], "next_server")));
    }
    Case { question, offer }
}

/// Who is not in the inventory gets an address of a pool, and one is as good as another.
fn is_of_a_pool(address: &str) -> bool {
    match address.parse() {
        Ok(IpAddr::V4(ip)) => (100..=200).contains(&ip.octets()[3]),
        Ok(IpAddr::V6(ip)) => (0x1000..=0x2000).contains(&ip.segments()[7]),
        Err(_) => false,
    }
}

fn with_pool(mut offer: Value) -> Value {
    if offer["address"].as_str().is_some_and(is_of_a_pool) {
        offer["address"] = json!("pool");
    }
    offer
}

fn expected(case: &Case, server: Server) -> Value {
    let mut offer = case.offer.clone();
    for (of, name, member, value) in EXCEPTIONS {
        if (of.kind, of.version) == (server.kind, server.version) && name == text(&case.question, "case") {
            offer[member] =
                value.map_or(Value::Null, |word| word.parse::<u32>().map_or(json!(word), |word| json!(word)));
        }
    }
    offer
}

/// Asks a server everything, and tells all that is not as expected.
fn answers(server: Server, cases: &[Case]) {
    if !lab_is_there(server) {
        return;
    }
    let out = compiled();
    let questions: Vec<_> = cases.iter().map(|case| &case.question).collect();
    let offers = lab(server, out.path(), links(), ("cases", json!(questions)));
    assert_eq!(offers.len(), cases.len());
    let mut wrong = String::new();
    for (case, answer) in cases.iter().zip(offers) {
        let (offered, expected) = (with_pool(answer["offer"].clone()), expected(case, server));
        if offered != expected {
            writeln!(wrong, "{}\n  offered  {offered}\n  expected {expected}", case.question["case"]).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{}:\n{wrong}", server.program);
}

#[test]
fn dhcpd_answers_every_client_as_expected() {
    answers(ISC, &cases());
}

#[test]
fn kea_answers_every_client_as_expected() {
    answers(KEA, &cases());
}

#[test]
fn dnsmasq_answers_every_client_as_expected() {
    answers(DNSMASQ, &cases());
}

/// Cases of IPv6; what the network gives to everybody is the same.
fn cases6() -> Vec<Case> {
    let all = read("cases6.json");
    let common = json!({ "vendor_class": null, "dns": ["fd55::1"] });
    let case = |case: &Value| Case {
        question: merged([case, &json!({ "link": "lab" })]),
        offer: merged([&common, &case["offer"]]),
    };
    all.as_array().unwrap().iter().map(case).collect()
}

#[test]
fn kea_answers_every_client_of_ipv6_as_expected() {
    answers(KEA6, &cases6());
}

#[test]
fn dnsmasq_answers_every_client_of_ipv6_as_expected() {
    answers(DNSMASQ6, &cases6());
}

/// Firmware, loader, installer and system ask with identifiers of their own. Whatever one of them has taken, the next
/// has to get the address of the machine.
fn keeps_addresses_through_a_boot(server: Server) {
    if !lab_is_there(server) {
        return;
    }
    let (boots, machines) = (read("boots.json"), &read("cases.json")["machines"]);
    takes(server, &boots, |stage| &machines[text(stage, "machine")]);
}

/// Takes an address in each stage, one after the other.
fn takes<'m>(server: Server, stages: &Value, machine: impl Fn(&Value) -> &'m Value) {
    // Only Kea has leases that are to be over.
    let take = if server.kind == KEA.kind { json!({ "take": true }) } else { json!({ "take": true, "after": 0 }) };
    let stages = stages.as_array().unwrap();
    let questions: Vec<_> = stages.iter().map(|stage| merged([machine(stage), stage, &take])).collect();
    let leases = lab(server, compiled().path(), links(), ("cases", json!(questions)));
    assert_eq!(leases.len(), stages.len());
    let mut last = String::new();
    for (stage, lease) in stages.iter().zip(leases) {
        let address = lease["offer"]["address"].as_str().unwrap_or("none").to_owned();
        let right = match text(stage, "address") {
            "pool" => is_of_a_pool(&address),
            "same" => address == last,
            own => address == own,
        };
        assert!(right, "{} leased {address}, after {last}: {stage}", server.program);
        last = address;
    }
}

#[test]
fn dhcpd_gives_one_address_to_all_stages_of_a_boot() {
    keeps_addresses_through_a_boot(ISC);
}

#[test]
fn kea_gives_one_address_to_all_stages_of_a_boot() {
    keeps_addresses_through_a_boot(KEA);
}

#[test]
fn dnsmasq_gives_one_address_to_all_stages_of_a_boot() {
    keeps_addresses_through_a_boot(DNSMASQ);
}

/// Whether tests run that take long.
fn all_boots() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    found("KGEN_ALL_BOOTS", set("KGEN_ALL_BOOTS") || set("CI"))
}

#[test]
fn kea_gives_one_address_to_all_stages_of_a_boot_over_ipv6() {
    if all_boots() && lab_is_there(KEA6) {
        let machine = json!({ "link": "lab", "mac": "00:16:3e:aa:00:02" });
        takes(KEA6, &read("boots6.json"), |_| &machine);
    }
}

const HOSTS: usize = 5_000;

/// A site with many hosts, whose addresses of either kind are consecutive.
fn write_large_site(site: &Path) {
    write(&site.join("graphs/default/one.xml"), "<graph/>");
    write(&site.join("nodes/compute.xml"), "<kickstart/>");
    let mut inventory = String::from(
        "[site]\nname = \"large\"\ndomain = \"example.org\"\ndescription = \".\"\nserver = \"http://10.60.0.1\"\n\
         target = \"RHEL9\"\narch = \"x86_64\"\ndistribution = \"el9\"\nboot = \"install\"\n\
         [networks.lab]\nsubnet = \"10.60.0.0/16\"\ngateway = \"10.60.0.1\"\nserver = \"10.60.0.1\"\n\
         pools = [\"10.60.200.0-10.60.201.0\"]\n\
         [distributions.el9]\ntarget = \"RHEL9\"\nurl = \"{{ server }}/install\"\n[appliances.compute]\n",
    );
    for number in 0..HOSTS {
        let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
        write!(
            inventory,
            "[hosts.compute-{number}]\nappliance = \"compute\"\ninterfaces = [{{ name = \"eth0\", network = \"lab\", \
             address = \"52:54:00:10:{high:02x}:{low:02x}\", ip = \"10.60.{}.{low}\" }}]\n",
            high + 16
        )
        .unwrap();
    }
    write(&site.join("cluster.toml"), inventory);
}

/// The number after a word that `perfdhcp` says, of each half of an exchange: of DISCOVER, then of REQUEST.
fn figures(said: &str, word: &str) -> Vec<f64> {
    let lines = said.lines().filter_map(|line| line.trim().strip_prefix(word));
    lines.map(|rest| rest.trim().split(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn kea_answers_four_thousand_exchanges_a_second_with_five_thousand_hosts() {
    if !all_boots() || !lab_is_there(KEA) || program("perfdhcp").is_none() {
        return;
    }
    let (site, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_large_site(site.path());
    support::compile(site.path(), out.path());
    let file = fs::read_to_string(out.path().join("dhcp/kea-dhcp4.json")).unwrap();
    let configuration: Value = serde_json::from_str(&file).unwrap();
    let classes = configuration["Dhcp4"]["client-classes"].as_array().unwrap().len();
    assert!(classes <= 20, "{classes} classes: their number must not grow with that of hosts");
    const RATE: f64 = 4_000.0;
    const SECONDS: f64 = 5.0;
    let measure = format!(
        "ip addr add 10.60.255.250/16 dev c-lab && \
         perfdhcp -4 -l c-lab -r {RATE} -R {HOSTS} -b mac=52:54:00:10:00:00 -p {SECONDS} -W 1000000 10.60.0.1"
    );
    let links = json!({ "lab": ["10.60.0.1/16"] });
    let said = lab(KEA, out.path(), links, ("run", json!(["sh", "-c", measure])));
    let said = text(&said[0], "output");
    let (sent, answered) = (figures(said, "sent packets:"), figures(said, "received packets:"));
    let ([sent, _], [_, whole]) = (&sent[..], &answered[..]) else { panic!("{said}") };
    let summary = format!(
        "{classes} classes, {HOSTS} hosts: {} of {} exchanges a second answered",
        (whole / SECONDS).round(),
        (sent / SECONDS).round()
    );
    println!("{summary}");
    // Other work on the machine costs some of them; a configuration that is slow costs nearly all.
    assert!(whole / SECONDS >= RATE / 2.0, "{summary}\n{said}");
}
