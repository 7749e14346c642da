//! What a machine would get when it boots, stage by stage, from the same code that writes the files.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::boot::{BootEntry, Handing, Start, configure_url, hexadecimal, keys, kickstart_url};
use crate::dhcp::{Answer, HTTP_CLIENT, IPXE, PXE_CLIENT, Request, answer};
use crate::emit::ipxe::word;
use crate::files::{BootPlan, Loader, boot_files, boot_scripts, kickstart, kickstart_path};
use crate::generation::Generation;
use crate::inventory::address::HardwareAddress;
use crate::inventory::network::Dhcp;
use crate::inventory::{Host, Interface, Inventory};
use crate::name::NetworkName;

/// The machine, and how it asks.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its hardware address.
    pub address: HardwareAddress,
    /// What it shows in DHCP.
    pub request: Request,
    /// The network in which it asks.
    pub network: Option<NetworkName>,
    /// The loader that it has, whatever DHCP names.
    pub loader: Option<Loader>,
}

/// One stage of a boot.
#[derive(Debug, Serialize)]
pub struct Stage {
    /// What it is: `DHCP`, `loader`, `script`, `kernel`, `kickstart`.
    pub stage: &'static str,
    /// What it comes to, in a line each.
    pub says: Vec<String>,
    /// What is loaded, where it is a text of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// A boot.
#[derive(Debug, Serialize)]
pub struct Simulation {
    /// The host that the machine is, where it is one of the inventory.
    pub host: Option<String>,
    /// The stages in their order; it ends where the machine would get no further.
    pub stages: Vec<Stage>,
}

/// Boots a machine in mind.
pub fn simulate(generation: &Generation, plan: &BootPlan, machine: &Machine) -> Simulation {
    let inventory = &generation.inventory;
    let mut stages = Vec::new();
    let mut request = machine.request.clone();
    let mut host = owner(inventory, machine).map(|(host, _)| host.name.to_string());
    let loader = loop {
        let answered = answer(inventory, &request, machine.network.as_ref());
        host = host.or_else(|| answered.as_ref()?.reservation.as_ref().map(|own| own.host.name.to_string()));
        stages.push(dhcp_stage(inventory, (machine, &request), answered.as_ref()));
        let Some(answered) = answered else { return Simulation { host, stages } };
        let Some((file, class)) = &answered.file else { return Simulation { host, stages } };
        if *class == "ipxe" {
            break (Loader::Ipxe, answered);
        }
        let loader = machine.loader.unwrap_or_else(|| Loader::of_file(file));
        stages.push(loader_stage(file, (loader, machine.loader), &answered));
        if loader != Loader::Ipxe {
            break (loader, answered);
        }
        request.user_class = Some(IPXE.to_owned());
    };
    let (loader, answered) = loader;
    let (script, owner) = script_stage(generation, plan, (machine, loader), &answered);
    stages.push(script);
    let entry = match owner {
        Some(owner) => plan.entry(owner),
        None => plan.unknown.as_ref(),
    };
    if let Some(entry) = entry {
        stages.push(start_stage(entry, machine));
        stages.extend(owner.and_then(|owner| kickstart_stage(generation, entry, owner)));
    }
    Simulation { host: owner.map(|owner| owner.name.to_string()).or(host), stages }
}

/// The host and the interface of a hardware address, whatever DHCP says.
fn owner<'g>(inventory: &'g Inventory, machine: &Machine) -> Option<(&'g Host, &'g Interface)> {
    let ports = inventory.hosts.values().flat_map(|host| host.interfaces.iter().map(move |port| (host, port)));
    let asked = machine.address.ethernet();
    ports.into_iter().find(|(_, port)| port.address.is_some_and(|address| address.ethernet() == asked))
}

fn dhcp_stage(inventory: &Inventory, (machine, request): (&Machine, &Request), answered: Option<&Answer>) -> Stage {
    let shown = [
        request.hardware.map(|address| format!("address {address}")),
        request.client_id.as_ref().map(|id| format!("client id {}", crate::inventory::address::colons(id))),
        request.architecture.map(|number| format!("architecture {number}")),
        request.user_class.as_ref().map(|class| format!("user class {class}")),
    ];
    let mut says = vec![format!("asks with {}", shown.into_iter().flatten().collect::<Vec<_>>().join(", "))];
    let known = owner(inventory, machine).map(|(host, port)| format!("it is {} ({})", host.name, port.name));
    let who = known.unwrap_or_else(|| "it is not in the inventory".to_owned());
    let Some(answer) = answered else {
        says.push(format!(
            "{who}; nobody of ours answers: no network with DHCP has it, and none that is asked has a pool"
        ));
        return Stage { stage: "DHCP", says, content: None };
    };
    let (name, network) = answer.network;
    let place = match (&answer.reservation, &machine.network) {
        (Some(_), _) => "",
        (None, Some(_)) => ", which does not know it",
        (None, None) => ", as is assumed without --network",
    };
    says.push(format!("{who}, and asks in the network {name}{place}"));
    says.push(match (&answer.address, network.dhcp) {
        (_, Dhcp::Proxy) => "gets its address from another server; ours, beside it, names a file".to_owned(),
        (Some(address), _) => format!("gets the address {address}"),
        (None, _) => "gets no address".to_owned(),
    });
    says.extend(answer.next_server.map(|server| format!("next server {server}")));
    says.push(match (&answer.file, request.architecture) {
        (Some((file, class)), _) => format!("file {file} (class {class})"),
        (None, _) if !network.pxe => "no file: nobody boots from this network (`pxe = false`)".to_owned(),
        (None, Some(number)) => format!("no file: {number} is no architecture that has a loader here"),
        (None, None) => "no file: it does not say what it is".to_owned(),
    });
    says.extend(answer.vendor_class.map(|class| format!("vendor class {class}")));
    Stage { stage: "DHCP", says, content: None }
}

fn loader_stage(file: &str, (loader, given): (Loader, Option<Loader>), answered: &Answer) -> Stage {
    let by = if file.contains("://") {
        "HTTP".to_owned()
    } else {
        let from = answered.next_server.map(|ip| format!(" from {ip}")).unwrap_or_default();
        format!("TFTP{from}")
    };
    let (what, then) = match loader {
        Loader::Ipxe => ("iPXE", "asks DHCP again"),
        Loader::Pxelinux => ("PXELINUX", "looks for its configuration"),
        Loader::Grub => ("GRUB", "looks for its configuration"),
    };
    let says = match given.filter(|given| *given != Loader::of_file(file)) {
        Some(_) => vec![format!("is told to load {file}, but is taken to have {what}, which {then}")],
        None => vec![format!("loads {file} by {by}"), format!("it is {what}, which {then}")],
    };
    Stage { stage: "loader", says, content: None }
}

/// The names that a loader asks for, in its order.
fn names(machine: &Machine, loader: Loader, answered: &Answer) -> Vec<String> {
    let mut addresses = vec![machine.address];
    if machine.address.is_infiniband() {
        addresses.push(machine.address.ethernet());
    }
    let ip = answered.reservation.as_ref().and_then(|own| own.interface.ips().next());
    let mut hexadecimal = match ip {
        Some(IpAddr::V4(ip)) => hexadecimal(ip),
        _ => String::new(),
    };
    let mut shortened = Vec::new();
    while !hexadecimal.is_empty() {
        shortened.push(hexadecimal.clone());
        hexadecimal.pop();
    }
    match loader {
        Loader::Ipxe => {
            let own = addresses.iter().map(HardwareAddress::hyphenated);
            let ip = ip.filter(IpAddr::is_ipv4).map(|ip| ip.to_string());
            own.chain(ip).chain(["unknown".to_owned()]).map(|name| format!("boot/ipxe/{name}.ipxe")).collect()
        }
        Loader::Pxelinux => {
            let own = addresses[..1].iter().map(HardwareAddress::file_name).chain(shortened);
            own.chain(["default".to_owned()]).map(|name| format!("boot/pxelinux.cfg/{name}")).collect()
        }
        Loader::Grub => {
            let own = addresses[..1].iter().map(HardwareAddress::file_name).chain(shortened);
            let mut names: Vec<String> = own.map(|name| format!("boot/grub/grub.cfg-{name}")).collect();
            names.push("boot/grub/grub.cfg".to_owned());
            names
        }
    }
}

/// The script that the loader finds, and whose it is.
fn script_stage<'g>(
    generation: &'g Generation,
    plan: &BootPlan,
    (machine, loader): (&Machine, Loader),
    answered: &Answer,
) -> (Stage, Option<&'g Host>) {
    let inventory = &generation.inventory;
    let names = names(machine, loader, answered);
    // Only hosts that have one of these keys can have one of these files.
    let mut own: BTreeMap<String, (&Host, std::sync::Arc<str>)> = BTreeMap::new();
    for host in inventory.hosts.values() {
        let keys = keys(inventory, host);
        let lists = [&keys.hyphenated, &keys.typed, &keys.ips, &keys.hexadecimal];
        if lists.into_iter().flatten().any(|key| names.iter().any(|name| name.contains(key.as_str()))) {
            own.extend(boot_scripts(inventory, plan, host).into_iter().map(|(path, script)| (path, (host, script))));
        }
    }
    let site = boot_files(inventory, plan);
    let mut says = Vec::new();
    if let (Loader::Ipxe, Some((file, _))) = (loader, &answered.file) {
        says.push(format!("loads {file}, which looks for the machine's own"));
    }
    for name in names {
        if let Some((host, script)) = own.get(&name) {
            says.push(format!("asks for {name}: there it is, of {}", host.name));
            return (Stage { stage: "script", says, content: Some(script.to_string()) }, Some(host));
        }
        if let Some(file) = site.iter().find(|file| file.path == name) {
            says.push(format!("asks for {name}: there it is, for machines that are not in the inventory"));
            let content = String::from_utf8_lossy(file.bytes()).into_owned();
            return (Stage { stage: "script", says, content: Some(content) }, None);
        }
        says.push(format!("asks for {name}: not there"));
    }
    (Stage { stage: "script", says, content: None }, None)
}

fn start_stage(entry: &BootEntry, machine: &Machine) -> Stage {
    let mut says = vec![format!("boot action {} ({})", entry.action, entry.title)];
    match &entry.start {
        Start::Local => says.push("boots what is on it, or next in its firmware's list".to_owned()),
        Start::San { target } => says.push(format!("boots the disk {target}")),
        Start::Kernel { kernel, initrds, arguments, tells_interface } => {
            says.push(format!("kernel {kernel}"));
            says.extend(initrds.iter().map(|initrd| format!("initrd {initrd}")));
            let mut line: String = arguments.iter().map(|argument| word(argument)).collect();
            if *tells_interface {
                line.push_str(&format!(" BOOTIF={}", machine.address.ethernet().file_name()));
            }
            says.push(format!("arguments{line}"));
        }
    }
    Stage { stage: "kernel", says, content: None }
}

fn kickstart_stage(generation: &Generation, entry: &BootEntry, host: &Host) -> Option<Stage> {
    let Start::Kernel { arguments, .. } = &entry.start else { return None };
    let fetches = |url: &String| arguments.iter().any(|argument| argument.contains(url));
    let configures = configure_url(&generation.inventory, host, Handing::Files).filter(fetches);
    let url =
        configures.clone().or_else(|| kickstart_url(&generation.inventory, host, Handing::Files).filter(fetches))?;
    let mut buffer = Vec::new();
    let (text, secret) = kickstart(generation, host, &mut buffer)?;
    let mut says = vec![
        format!("fetches {url}"),
        match configures {
            None => format!("gets {}, {} bytes, generation {}", kickstart_path(host), text.len(), generation.id),
            Some(_) => format!("gets ks/{}.sh, which is its kickstart without the installation", host.name),
        },
    ];
    if secret {
        says.push("it holds secrets: only this machine is to get it".to_owned());
    }
    Some(Stage { stage: "kickstart", says, content: None })
}

/// What firmware with this architecture says of itself in option 60.
pub fn vendor_class(architecture: u16) -> String {
    let http = crate::dhcp::FIRMWARE.iter().any(|kind| kind.http && kind.architectures.contains(&architecture));
    format!("{}:Arch:{architecture:05}", if http { HTTP_CLIENT } else { PXE_CLIENT })
}
