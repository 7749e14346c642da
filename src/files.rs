//! All files that a site is made of, by path below the output directory: what `kgen compile` writes, `kgen simulate`
//! looks up and the real readers read.
//!
//! `ks/` has kickstarts; `boot/` lies as it is under a TFTP and an HTTP server; `dhcp/`, `dns/` and `site/` are for
//! the programs of the server and of its administrators.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::boot::fill::{Boot, fault};
use crate::boot::happening::Declared;
use crate::boot::machine::Identities;
use crate::boot::matching::Candidate;
use crate::boot::{BootEntry, Handing, OVERLAY_INITRD, Start, builds, is_diskless, keys};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::emit::lines::Lines;
use crate::emit::{dhcpd, diskless, dnsmasq, groups, grub, hosts, ipxe, kea, pxelinux, template, zones};
use crate::generation::{Generation, HostFaults};
use crate::inventory::action::{BootAction, Steps};
use crate::inventory::hosts::is_uuid;
use crate::inventory::{Host, Inventory};
use crate::name::ActionName;
use crate::source::Span;

/// What every machine does at its next boot.
#[derive(Debug)]
pub struct BootPlan {
    /// By the numbers of hosts; a host whose entry is faulty has none, and that was told.
    entries: Vec<Option<BootEntry>>,
    /// Of machines that are not in the inventory.
    pub unknown: Option<BootEntry>,
    boot: Option<Boot>,
}

impl BootPlan {
    /// Fills in the actions of all hosts. Reports what cannot be filled in; a site that has no server has no plan.
    pub fn new(inventory: &Arc<Inventory>, handing: Handing, diagnostics: &mut Diagnostics) -> Option<Self> {
        inventory.site.server.as_ref()?;
        let before = diagnostics.count(Severity::Error);
        check_templates(inventory, diagnostics);
        if diagnostics.count(Severity::Error) > before {
            return Some(Self { entries: Vec::new(), unknown: None, boot: None });
        }
        let boot = Boot::new(inventory, handing);
        let all: Vec<&Host> = inventory.hosts.values().collect();
        let filled: Vec<_> = all.par_iter().map(|host| boot.entry(Some(host))).collect();
        let mut faults = HostFaults::default();
        let entries =
            all.iter().zip(filled).map(|(host, entry)| entry.map_err(|fault| faults.add(*fault, &host.name)).ok());
        let entries = entries.collect();
        faults.report(diagnostics);
        let unknown = boot.entry(None).map_err(|mut fault| {
            fault.message.push_str(", for machines that are not in the inventory");
            diagnostics.push(*fault);
        });
        Some(Self { entries, unknown: unknown.ok(), boot: Some(boot) })
    }

    /// What a host does if it does this action.
    ///
    /// # Errors
    /// The site has no such action for this host: a sentence.
    pub fn entry_of(&self, host: &Host, action: &ActionName) -> Result<Cow<'_, BootEntry>, String> {
        if host.boot == *action
            && let Some(entry) = self.entry(host)
        {
            return Ok(Cow::Borrowed(entry));
        }
        let boot = self.boot.as_ref().ok_or("the boot actions of this site are faulty")?;
        let entry = boot.entry_of(Some(host), action.clone());
        entry.map(Cow::Owned).map_err(|fault| fault.message)
    }

    /// What a host does.
    pub fn entry(&self, host: &Host) -> Option<&BootEntry> {
        self.entries.get(host.number)?.as_ref()
    }
}

/// Reports templates whose syntax is wrong, also of actions that no host has now.
fn check_templates(inventory: &Inventory, diagnostics: &mut Diagnostics) {
    for template in inventory.actions.values().flat_map(BootAction::all_steps).flat_map(Steps::templates) {
        if let Err(error) = template::check(template) {
            diagnostics.push(fault(template, &error));
        }
    }
}

/// The kickstart of a host.
pub fn kickstart_path(host: &Host) -> String {
    format!("ks/{}.ks", host.name)
}

/// The script that configures a diskless host, made of its kickstart.
pub fn configure_file(inventory: &Inventory, host: &Host, kickstart: &[u8]) -> Option<(String, Vec<u8>)> {
    is_diskless(inventory, host).then(|| {
        let script = diskless::configure(host.name.as_str(), &String::from_utf8_lossy(kickstart));
        (format!("ks/{}.sh", host.name), script.into_bytes())
    })
}

/// Programs that read boot scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    /// iPXE.
    Ipxe,
    /// PXELINUX.
    Pxelinux,
    /// GRUB.
    Grub,
}

impl Loader {
    /// The loader that a file of this name is.
    pub fn of_file(file: &str) -> Self {
        let name = file.rsplit('/').next().unwrap_or(file);
        if name.contains("pxelinux") {
            Self::Pxelinux
        } else if ["grub", "shim", "core."].iter().any(|start| name.starts_with(start)) {
            Self::Grub
        } else {
            Self::Ipxe
        }
    }

    /// The script of a host for it.
    pub fn script(self, name: &str, entry: &BootEntry) -> String {
        match self {
            Self::Ipxe => ipxe::script(name, entry),
            Self::Pxelinux => pxelinux::configuration(name, entry),
            Self::Grub => grub::configuration(name, entry),
        }
    }
}

/// Every name under which a loader may look for the script of a host.
pub fn script_names(inventory: &Inventory, host: &Host) -> Vec<(Loader, Vec<String>)> {
    let keys = keys(inventory, host);
    let named = |folder: &str, names: &[&[String]], end: &str| -> Vec<String> {
        names.iter().copied().flatten().map(|name| format!("boot/{folder}{name}{end}")).collect()
    };
    vec![
        (Loader::Ipxe, named("ipxe/", &[&keys.hyphenated, &keys.ips, &keys.uuids], ".ipxe")),
        (Loader::Pxelinux, named("pxelinux.cfg/", &[&keys.typed, &keys.hexadecimal, &keys.uuids], "")),
        (Loader::Grub, named("grub/grub.cfg-", &[&keys.typed, &keys.hexadecimal], "")),
    ]
}

/// The boot scripts of a host, under every name that a loader may look for.
pub fn boot_scripts(inventory: &Inventory, plan: &BootPlan, host: &Host) -> Vec<(String, Arc<str>)> {
    let Some(entry) = plan.entry(host) else { return Vec::new() };
    let mut files = Vec::new();
    for (loader, names) in script_names(inventory, host) {
        let script: Arc<str> = loader.script(host.name.as_str(), entry).into();
        files.extend(names.into_iter().map(|name| (name, Arc::clone(&script))));
    }
    files
}

/// Whether a file of this name is one that kgen gives.
pub type IsOurs = fn(&str) -> bool;

/// The folders of boot scripts, and whether a name in them is one that we give. What is there and no host's any more
/// would boot a machine that is none.
pub const SCRIPT_FOLDERS: [(&str, IsOurs); 3] = [
    ("boot/ipxe", |name| name.ends_with(".ipxe")),
    ("boot/pxelinux.cfg", is_key),
    ("boot/grub", |name| name.strip_prefix("grub.cfg-").is_some_and(is_key)),
];

const DHCP_FILES: [&str; 5] = ["dhcpd.conf", "dnsmasq-proxy.conf", "dnsmasq.conf", "kea-dhcp4.json", "kea-dhcp6.json"];

/// The same for the files of the site, of which it may have had more.
pub const SITE_FOLDERS: [(&str, IsOurs); 4] = [
    ("boot", |name| name == OVERLAY_INITRD || name == "boot.ipxe"),
    ("dhcp", |name| DHCP_FILES.contains(&name)),
    ("dns", |name| name.ends_with(".zone") || ["dnsmasq.conf", "named.conf"].contains(&name)),
    ("site", |name| name == "exports"),
];

/// Hardware type and address, an IP address in hexadecimal, or a UUID.
fn is_key(name: &str) -> bool {
    let octets = name.split('-').collect::<Vec<_>>();
    let is_octet = |octet: &&str| octet.len() == 2 && octet.bytes().all(|byte| byte.is_ascii_hexdigit());
    octets.len() > 6 && octets.iter().all(is_octet)
        || is_uuid(name)
        || name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A file of the whole site.
#[derive(Debug)]
pub struct SiteFile {
    /// Below the output directory.
    pub path: String,
    /// What it says.
    pub content: Content,
}

/// What a file of the site holds.
#[derive(Debug)]
pub enum Content {
    /// Lines that know what caused them.
    Lines(Lines),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl SiteFile {
    fn lines(path: impl Into<String>, lines: Lines) -> Self {
        Self { path: path.into(), content: Content::Lines(lines) }
    }

    fn text(path: impl Into<String>, text: String) -> Self {
        Self { path: path.into(), content: Content::Bytes(text.into_bytes()) }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Lines(lines) => lines.text.as_bytes(),
            Content::Bytes(bytes) => bytes,
        }
    }

    /// What caused one of its lines, from 1.
    pub fn cause(&self, line: usize) -> Option<Span> {
        match &self.content {
            Content::Lines(lines) => lines.cause(line),
            Content::Bytes(_) => None,
        }
    }
}

/// The files of the whole site. Those of boot and DHCP only where it says where its server is.
pub fn site_files(inventory: &Inventory, plan: Option<&BootPlan>) -> Vec<SiteFile> {
    let mut files = vec![
        SiteFile::lines("site/hosts", hosts::hosts(inventory)),
        SiteFile::lines("site/ethers", hosts::ethers(inventory)),
        SiteFile::lines("site/genders", groups::genders(inventory)),
        SiteFile::lines("site/ansible.ini", groups::ansible(inventory)),
        SiteFile::lines("site/clustershell.yaml", groups::clustershell(inventory)),
    ];
    let zones = zones::zones(inventory);
    if !zones.is_empty() {
        files.push(SiteFile::lines("dns/named.conf", zones::named(&zones)));
        files.push(SiteFile::lines("dns/dnsmasq.conf", dnsmasq::names(inventory)));
    }
    files.extend(zones.into_iter().map(|(name, lines)| SiteFile::lines(format!("dns/{name}.zone"), lines)));
    let Some(plan) = plan else { return files };
    files.extend(boot_files(inventory, plan));
    files.push(SiteFile::lines("dhcp/dhcpd.conf", dhcpd::dhcpd(inventory)));
    files.push(SiteFile::lines("dhcp/kea-dhcp4.json", kea::kea4(inventory)));
    files.push(SiteFile::lines("dhcp/kea-dhcp6.json", kea::kea6(inventory)));
    files.push(SiteFile::lines("dhcp/dnsmasq.conf", dnsmasq::dnsmasq(inventory)));
    files.extend(dnsmasq::beside(inventory).map(|lines| SiteFile::lines("dhcp/dnsmasq-proxy.conf", lines)));
    files
}

/// The folders in which a GRUB may look beside itself: the top, and those of shims, each with a slash at its end.
fn grub_folders(inventory: &Inventory) -> BTreeSet<String> {
    let shims = inventory.loaders.files.values().filter_map(|(file, _)| file.rsplit_once('/'));
    let folders = shims.filter(|(_, name)| name.starts_with("shim")).map(|(folder, _)| format!("{folder}/"));
    folders.chain([String::new()]).collect()
}

/// The boot files that are nobody's own.
pub fn boot_files(inventory: &Inventory, plan: &BootPlan) -> Vec<SiteFile> {
    let mut files = vec![SiteFile::text("boot/boot.ipxe", ipxe::entry())];
    if let Some(unknown) = &plan.unknown {
        let name = "unknown machine";
        files.push(SiteFile::text("boot/ipxe/unknown.ipxe", ipxe::script(name, unknown)));
        files.push(SiteFile::text("boot/pxelinux.cfg/default", pxelinux::configuration(name, unknown)));
        files.push(SiteFile::text("boot/grub/grub.cfg", grub::any(unknown)));
        for folder in grub_folders(inventory) {
            files.push(SiteFile::text(format!("boot/{folder}grub.cfg"), grub::beside_loader()));
        }
    }
    if inventory.hosts.values().any(|host| is_diskless(inventory, host)) {
        let bytes = diskless::overlay();
        files.push(SiteFile { path: format!("boot/{OVERLAY_INITRD}"), content: Content::Bytes(bytes) });
        let all = inventory.hosts.values().filter_map(|host| Some((host.name.as_str(), plan.entry(host)?)));
        files.push(SiteFile::lines("site/exports", diskless::exports(inventory, all)));
    }
    files
}

/// Reports files that loaders load from beside the boot scripts, and that are not among the boot files of the site.
pub fn check_boot_files(
    inventory: &Inventory,
    plan: &BootPlan,
    there: &BTreeSet<String>,
    diagnostics: &mut Diagnostics,
) {
    let Some((directory, place)) = &inventory.site.boot_files else {
        for (what, file, span) in loaders(inventory).into_iter().filter(|(_, file, _)| file.contains("shim")) {
            let message = format!("whether the loader of {what}, `{file}`, is there is not known");
            let fault = span.map(|span| Diagnostic::warning(span, message));
            diagnostics.extend(fault.map(|fault| {
                fault.hint("write `boot_files = \"DIRECTORY\"` under [site]: where it is, with its GRUB")
            }));
        }
        return;
    };
    let directory = directory.display();
    for file in there.iter().filter(|file| is_generated(file)) {
        let message = format!("{directory} has `{file}`, which kgen itself writes");
        diagnostics.push(Diagnostic::error(*place, message).hint("take it away there, or give it another name"));
    }
    for (what, file, span) in loaders(inventory) {
        if !there.contains(&file) {
            let message = format!("the loader of {what} is `{file}`, which is not in {directory}");
            let fault = match span {
                Some(span) => Diagnostic::error(span, message),
                None => Diagnostic::warning(*place, message).hint("put it there, or name another under [loaders]"),
            };
            diagnostics.push(fault);
        }
    }
    let mut missing: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for host in inventory.hosts.values() {
        let Some(Start::Kernel { kernel, initrds, .. }) = plan.entry(host).map(|entry| &entry.start) else { continue };
        let own = |file: &&String| !file.contains("://") && *file != OVERLAY_INITRD && !there.contains(*file);
        for file in [kernel].into_iter().chain(initrds).filter(own) {
            missing.entry(file).or_default().push(host);
        }
    }
    for (file, hosts) in missing {
        let names: Vec<_> = hosts.iter().map(|host| host.name.clone()).collect();
        let action = inventory.actions.get(&hosts[0].boot).map_or(*place, |action| action.span);
        let who = crate::generation::counted(&names);
        diagnostics.push(
            Diagnostic::error(action, format!("`{file}` is not in {directory}; it is loaded by {who}"))
                .related(*place, "the boot files"),
        );
    }
}

/// Whether a file below `boot/` is one that kgen writes.
pub fn is_generated(file: &str) -> bool {
    let of_host = |(folder, is_ours): &(&str, IsOurs)| {
        let folder = folder.trim_start_matches("boot/");
        file.strip_prefix(folder).and_then(|name| name.strip_prefix('/')).is_some_and(is_ours)
    };
    let of_all = ["boot.ipxe", "grub.cfg", "grub/grub.cfg", "pxelinux.cfg/default", OVERLAY_INITRD];
    of_all.contains(&file) || SCRIPT_FOLDERS.iter().any(of_host)
}

/// The loaders that machines of the inventory need: for whom, the file, and where it is named. A shim needs the GRUB
/// beside it that it is built to start.
fn loaders(inventory: &Inventory) -> Vec<(&'static str, String, Option<Span>)> {
    let has = |arch: &str| inventory.hosts.values().any(|host| &*host.arch == arch);
    let mut loaders = Vec::new();
    for (word, arch, end) in
        [("bios", "x86_64", ""), ("x86_64", "x86_64", "x64"), ("aarch64", "aarch64", "aa64"), ("i386", "i386", "ia32")]
    {
        let Some((file, span)) = inventory.loaders.files.get(word) else { continue };
        if span.is_none() && !has(arch) {
            continue;
        }
        let (folder, name) = file.rsplit_once('/').map_or(("", file.as_str()), |(folder, name)| (folder, name));
        loaders.push((word, file.clone(), *span));
        if name.starts_with("shim") {
            let grub = format!("{folder}/grub{end}.efi");
            loaders.push((word, grub.trim_start_matches('/').to_owned(), *span));
        }
    }
    loaders
}

/// The boot action that an inventory names for a host; without a plan nothing builds.
pub fn declared(inventory: &Inventory, plan: Option<&BootPlan>, host: &Host) -> Declared {
    let entry = plan.and_then(|plan| plan.entry(host));
    Declared { action: host.boot.clone(), builds: entry.is_some_and(|entry| builds(inventory, host, entry)) }
}

/// A host as the records of machines are compared with it.
pub fn candidate(inventory: &Inventory, plan: Option<&BootPlan>, host: &Host) -> Candidate {
    Candidate {
        name: host.name.clone(),
        machine: Identities::of(host),
        declared: declared(inventory, plan, host),
        protect: host.protect,
    }
}

/// The kickstart of a host, and whether it holds a secret; `None` where it is faulty.
pub fn kickstart<'b>(generation: &Generation, host: &Host, buffer: &'b mut Vec<u8>) -> Option<(&'b [u8], bool)> {
    buffer.clear();
    let whole = generation.emit(host, buffer, &mut HostFaults::default());
    whole.then_some((buffer.as_slice(), generation.holds_secret(host)))
}
