//! `kgen simulate`: what a machine would get when it boots.

use crate::cli::args::printed::Format;
use crate::cli::args::{Loader as Chosen, Simulate};
use crate::cli::session::{Failure, Session, typed_name};
use crate::dhcp::Request;
use crate::files::Loader;
use crate::generation::Generation;
use crate::inventory::address::HardwareAddress;
use crate::name::{NetworkName, suggestion};
use crate::simulate::{Machine, Simulation, simulate, vendor_class};

/// Answers for one machine.
pub fn run(session: &mut Session, arguments: &Simulate) -> Result<(), Failure> {
    let address = HardwareAddress::parse(&arguments.address).map_err(Failure::Usage)?;
    let generation = session.generation(&[])?;
    let plan = session.boot_plan(&generation)?;
    session.stop_on_errors()?;
    let Some(plan) = plan else {
        return Err(Failure::Usage("the site does not say where its server is: [site] has no `server`".to_owned()));
    };
    let machine = machine(&generation, arguments, address)?;
    let simulation = simulate(&generation, &plan, &machine);
    if session.format == Format::Json {
        return session.print_json(&simulation);
    }
    session.print(&text(&simulation, address))
}

fn machine(generation: &Generation, arguments: &Simulate, address: HardwareAddress) -> Result<Machine, Failure> {
    let inventory = &generation.inventory;
    let network: Option<NetworkName> = arguments.network.as_deref().map(typed_name).transpose()?;
    if let Some(name) = network.as_ref().filter(|name| !inventory.networks.contains_key(name.as_str())) {
        let known: Vec<&str> = inventory.networks.keys().map(NetworkName::as_str).collect();
        let hint = suggestion(name.as_str(), known).map(|hint| format!("; {hint}")).unwrap_or_default();
        return Err(Failure::Usage(format!("there is no network `{name}`{hint}")));
    }
    let own = inventory.hosts.values().find(|host| host.interfaces.iter().any(|port| port.address == Some(address)));
    let is_arm = own.is_some_and(|host| &*host.arch == "aarch64");
    let architecture = arguments.arch.unwrap_or(match (arguments.loader, is_arm) {
        (Some(Chosen::Httpboot), false) => 16,
        (Some(Chosen::Httpboot), true) => 19,
        (Some(Chosen::Pxelinux), _) => 0,
        (_, true) => 11,
        (_, false) => 7,
    });
    let client_id = match &arguments.client_id {
        Some(text) => Some(octets(text)?),
        None => address.client_ids().into_iter().next(),
    };
    let request = Request {
        hardware: Some(address.ethernet()),
        client_id,
        architecture: Some(architecture),
        user_class: arguments.user_class.clone(),
        vendor_class: Some(vendor_class(architecture)),
    };
    let loader = arguments.loader.and_then(|loader| match loader {
        Chosen::Ipxe => Some(Loader::Ipxe),
        Chosen::Pxelinux => Some(Loader::Pxelinux),
        Chosen::Grub => Some(Loader::Grub),
        Chosen::Httpboot => None,
    });
    Ok(Machine { address, request, network, loader })
}

fn octets(text: &str) -> Result<Vec<u8>, Failure> {
    let octet = |pair: &str| u8::from_str_radix(pair, 16).ok().filter(|_| (1..=2).contains(&pair.len()));
    let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
    octets.ok_or_else(|| {
        Failure::Usage(format!("`{text}` is not a client identifier: octets in hexadecimal, `ff:00:..`"))
    })
}

fn text(simulation: &Simulation, address: HardwareAddress) -> String {
    let who = simulation.host.as_deref().unwrap_or("a machine that is not in the inventory");
    let mut text = format!("{address}: {who}\n");
    for (number, stage) in (1..).zip(&simulation.stages) {
        text.push_str(&format!("{number}. {}\n", stage.stage));
        for line in &stage.says {
            text.push_str(&format!("   {line}\n"));
        }
        for line in stage.content.iter().flat_map(|content| content.lines()) {
            text.push_str(&format!("   | {line}\n"));
        }
    }
    text
}
