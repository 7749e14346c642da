//! Actions of the inventory, which are templates, to entries, in which everything is filled in.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::boot::fit::{is_san, location, unfit_argument};
use crate::boot::{BootEntry, Handing, OVERLAY_INITRD, Start, configure_url, kickstart_url};
use crate::diagnostic::Diagnostic;
use crate::emit::template::{Context, Facts, TemplateError, Templates};
use crate::inventory::action::{self, BootAction, Steps, Way, Words, is_plain_path};
use crate::inventory::network::{Network, parts};
use crate::inventory::{Host, Inventory};
use crate::name::{ActionName, DistributionName, NetworkName};
use crate::source::Span;
use crate::text::TemplateText;

/// Fills in the boot actions of an inventory.
#[derive(Debug)]
pub struct Boot {
    inventory: Arc<Inventory>,
    handing: Handing,
    templates: Templates,
    /// By distribution, architecture and network: each is the same for all hosts there.
    media: BTreeMap<MediaKey, Result<Media, Diagnostic>>,
}

type MediaKey = (DistributionName, Arc<str>, Option<NetworkName>);

/// The parts of a distribution, filled in.
#[derive(Clone, Debug, Default)]
struct Media {
    facts: Facts,
}

impl Boot {
    /// For all hosts of an inventory.
    pub fn new(inventory: &Arc<Inventory>, handing: Handing) -> Self {
        let used: Vec<&TemplateText> =
            inventory.actions.values().flat_map(BootAction::all_steps).flat_map(Steps::templates).collect();
        let templates = Templates::prepared(Arc::clone(inventory), &used);
        let mut boot = Self { inventory: Arc::clone(inventory), handing, templates, media: BTreeMap::new() };
        for host in inventory.hosts.values() {
            boot.prepare(host.distribution.as_ref(), Some(host));
        }
        boot.prepare(inventory.site.distribution.as_ref(), None);
        boot
    }

    fn prepare(&mut self, distribution: Option<&DistributionName>, host: Option<&Host>) {
        let Some(key) = media_key(&self.inventory, distribution, host) else { return };
        if !self.media.contains_key(&key) {
            let network = host.and_then(|host| self.inventory.boot_network(host));
            let media = self.fill_media(&key, network);
            self.media.insert(key, media);
        }
    }

    /// What the next boot of a host is if it does its own action; of a machine that is in no inventory where there is
    /// none.
    ///
    /// # Errors
    /// A template does not work, or what it gives cannot stand in a boot script.
    pub fn entry(&self, host: Option<&Host>) -> Result<BootEntry, Box<Diagnostic>> {
        let unknown = || self.inventory.site.unknown.as_ref().map(|(name, _)| name.clone());
        let name = host.map_or_else(|| unknown().unwrap_or_else(action::local), |host| host.boot.clone());
        self.entry_of(host, name)
    }

    /// What the next boot of a host is if it does this action.
    ///
    /// # Errors
    /// The same.
    pub fn entry_of(&self, host: Option<&Host>, name: ActionName) -> Result<BootEntry, Box<Diagnostic>> {
        let site = &self.inventory.site;
        // A name that is not declared was told where it stands.
        let Some(action) = self.inventory.actions.get(&name) else {
            return Ok(BootEntry { title: name.to_string(), action: name, start: Start::Local });
        };
        let distribution = host.map_or(site.distribution.as_ref(), |host| host.distribution.as_ref());
        let place = match host {
            Some(host) => host.span,
            None => site.unknown.as_ref().map_or(action.span, |(_, place)| *place),
        };
        let filling = Filling { boot: self, host, distribution, action, name: &name, place };
        let steps = action.steps_for([
            distribution.map(DistributionName::as_str),
            host.map(|host| &*host.arch),
            host.map(|host| host.appliance.as_str()),
            host.map(|host| host.name.as_str()),
        ]);
        let title = steps.iter().rev().find_map(|steps| steps.title.clone()).unwrap_or_else(|| name.to_string());
        let start = match action.way {
            Way::Local => Start::Local,
            Way::Iscsi => filling.san(&steps)?,
            Way::Kernel | Way::Program | Way::Diskless => filling.kernel(&steps)?,
        };
        Ok(BootEntry { action: name.clone(), title, start })
    }

    /// Fills in the parts of a distribution for one architecture and network.
    fn fill_media(&self, (name, arch, _): &MediaKey, network: Option<&Network>) -> Result<Media, Diagnostic> {
        let Some(distribution) = self.inventory.distributions.get(name.as_str()) else { return Ok(Media::default()) };
        let mut facts = self.facts(network);
        facts.insert("name", name.to_string());
        facts.insert("arch", arch.to_string());
        facts.extend(distribution.target.as_ref().map(|target| ("target", target.to_string())));
        let fill = |template: &TemplateText, facts: &Facts| {
            self.templates.render_facts(template, facts).map_err(|error| fault(template, &error))
        };
        if let Some(url) = distribution.part(arch, |media| media.url.as_ref()) {
            let url = fill(url, &facts)?;
            facts.insert("url", url.trim_end_matches('/').to_owned());
        }
        if let Some(kernel) = distribution.part(arch, |media| media.kernel.as_ref()) {
            facts.insert("kernel", fill(kernel, &facts)?);
        } else if let Some(url) = facts.get("url") {
            facts.insert("kernel", format!("{url}/images/pxeboot/vmlinuz"));
        }
        if let Some(initrds) = distribution.part(arch, |media| media.initrds.as_ref()) {
            let filled: Result<Vec<String>, Diagnostic> = initrds.iter().map(|initrd| fill(initrd, &facts)).collect();
            facts.insert("initrds", filled?.join(" "));
        } else if let Some(url) = facts.get("url") {
            facts.insert("initrds", format!("{url}/images/pxeboot/initrd.img"));
        }
        for (key, template) in [
            ("stage2", distribution.part(arch, |media| media.stage2.as_ref())),
            ("packages", distribution.part(arch, |media| media.packages.as_ref())),
        ] {
            let filled = template.map(|template| fill(template, &facts)).transpose()?;
            let filled = filled.or_else(|| facts.get("url").cloned());
            facts.extend(filled.map(|filled| (key, filled)));
        }
        Ok(Media { facts })
    }

    /// What holds for a network.
    fn facts(&self, network: Option<&Network>) -> Facts {
        let server = self.inventory.server(network);
        let address = server.as_deref().map(|server| parts(server).1.to_owned());
        let mut facts = Facts::new();
        facts.extend(server.map(|server| ("server", server)));
        facts.extend(address.map(|address| ("server_address", address)));
        facts
    }
}

/// What decides where the parts of a distribution are; a machine that is not in the inventory is taken for the
/// architecture that most are.
fn media_key(inventory: &Inventory, distribution: Option<&DistributionName>, host: Option<&Host>) -> Option<MediaKey> {
    let arch = host.map(|host| Arc::clone(&host.arch)).or(inventory.site.arch.clone());
    let network = host.and_then(|host| host.boot_interface()?.network.clone());
    Some((distribution?.clone(), arch.unwrap_or_else(|| "x86_64".into()), network))
}

/// The fault of a template of an action or a distribution.
pub fn fault(template: &TemplateText, error: &TemplateError) -> Diagnostic {
    let fault = Diagnostic::error(template.span, format!("the template does not work: {}", error.message));
    if error.undefined {
        return fault.hint(
            "templates of boot actions see `host`, `attributes` (but no secrets), `site`, `network`, `distribution`, `server`, `server_address` and `kickstart`; those of distributions `server`, `server_address`, `name`, `arch`, `target` and `url`",
        );
    }
    fault
}

/// One action for one host.
struct Filling<'f> {
    boot: &'f Boot,
    host: Option<&'f Host>,
    distribution: Option<&'f DistributionName>,
    action: &'f BootAction,
    name: &'f ActionName,
    /// Where the host, or what unknown machines do, is declared.
    place: Span,
}

impl Filling<'_> {
    fn context(&self) -> Result<Context, Box<Diagnostic>> {
        let network = self.host.and_then(|host| self.boot.inventory.boot_network(host));
        let mut facts = self.boot.facts(network);
        let kickstart = self.host.and_then(|host| kickstart_url(&self.boot.inventory, host, self.boot.handing));
        facts.extend(kickstart.map(|kickstart| ("kickstart", kickstart)));
        let key = media_key(&self.boot.inventory, self.distribution, self.host);
        let media = match key.and_then(|key| self.boot.media.get(&key)) {
            Some(Ok(media)) => Some(&media.facts),
            Some(Err(fault)) => return Err(Box::new(fault.clone())),
            None => None,
        };
        let network = self.host.and_then(|host| host.boot_interface()?.network.as_ref());
        Ok(self.boot.templates.context(self.host, &facts, media, network))
    }

    fn fill(&self, template: &TemplateText, context: &Context) -> Result<String, Box<Diagnostic>> {
        let rendered = self.boot.templates.render_prepared(template, context);
        rendered.map_err(|error| Box::new(self.lacking(template, &error).unwrap_or_else(|| fault(template, &error))))
    }

    /// What is missing is most often what the site does not say, and that is no fault of the template.
    fn lacking(&self, template: &TemplateText, error: &TemplateError) -> Option<Diagnostic> {
        let asks = |word: &str| error.undefined && template.source.contains(word);
        let appliance = self.host.and_then(|host| self.boot.inventory.appliances.get(host.appliance.as_str()));
        let place = appliance.map_or(self.place, |appliance| appliance.span);
        if asks("kickstart") && self.host.is_none() {
            let message = format!("`{}` needs a kickstart, which machines have that are in the inventory", self.name);
            return Some(Diagnostic::error(place, message));
        }
        if !asks("distribution") {
            return None;
        }
        let Some(name) = self.distribution else {
            let message = format!("the boot action `{}` needs a distribution", self.name);
            let hint =
                "write `distribution = \"..\"` here, at the host or under [site], and declare it in [distributions]";
            return Some(Diagnostic::error(place, message).hint(hint).for_some_hosts());
        };
        let distribution = self.boot.inventory.distributions.get(name)?;
        let message = format!("the boot action `{}` needs to know where `{name}` is", self.name);
        let hint = "write its `url`, or `kernel`, `initrds` and `stage2`";
        Some(Diagnostic::error(distribution.span, message).hint(hint))
    }

    /// Words, filled in. Those that are empty then are left out.
    fn words(&self, words: &[&Words], context: &Context) -> Result<Vec<(String, Span)>, Box<Diagnostic>> {
        let mut filled = Vec::new();
        for words in words {
            for template in &words.templates {
                let text = self.fill(template, context)?;
                if words.is_cut {
                    filled.extend(text.split_whitespace().map(|word| (word.to_owned(), template.span)));
                } else if !text.is_empty() {
                    filled.push((text, template.span));
                }
            }
        }
        Ok(filled)
    }

    fn san(&self, steps: &[&Steps]) -> Result<Start, Box<Diagnostic>> {
        let Some(template) = steps.iter().rev().find_map(|steps| steps.target.as_ref()) else {
            let message = format!("the boot action `{}` has no `target`", self.name);
            let hint = "the iSCSI disk (RFC 4173): `target = \"iscsi:{{ server_address }}:::1:iqn.2026-01.org.example:{{ host.name }}\"`";
            return Err(Box::new(Diagnostic::error(self.action.span, message).hint(hint)));
        };
        let target = self.fill(template, &self.context()?)?;
        if !is_san(&target) {
            let message = format!("`{}` is not an iSCSI disk", target.escape_debug());
            return Err(Box::new(
                Diagnostic::error(template.span, message)
                    .hint("`iscsi:SERVER:PROTOCOL:PORT:LUN:TARGET` (RFC 4173): letters, digits and `-._:/[]%@+`"),
            ));
        }
        Ok(Start::San { target })
    }

    fn kernel(&self, steps: &[&Steps]) -> Result<Start, Box<Diagnostic>> {
        let context = self.context()?;
        let Some(template) = steps.iter().rev().find_map(|steps| steps.kernel.as_ref()) else {
            let message = format!("the boot action `{}` has no `kernel`", self.name);
            let hint = "write `kernel = \"..\"`, or `kind = \"local\"` for what is on the machine's own disk";
            return Err(Box::new(Diagnostic::error(self.action.span, message).hint(hint)));
        };
        let kernel = location(self.fill(template, &context)?, template.span)?;
        let initrds = last_and_more(steps, |steps| &steps.initrds, |steps| &steps.more_initrds);
        let arguments = last_and_more(steps, |steps| &steps.arguments, |steps| &steps.more_arguments);
        let initrds = self.words(&initrds, &context)?;
        let mut initrds =
            initrds.into_iter().map(|(text, span)| location(text, span)).collect::<Result<Vec<_>, _>>()?;
        let mut arguments = self.words(&arguments, &context)?;
        if self.action.way == Way::Diskless {
            initrds.push(OVERLAY_INITRD.to_owned());
            arguments.splice(0..0, self.diskless(steps, &context)?);
        }
        if let Some((text, span, why)) =
            arguments.iter().find_map(|(text, span)| Some((text, span, unfit_argument(text)?)))
        {
            let message = format!("the kernel's argument `{}` {why}", text.escape_debug());
            return Err(Box::new(Diagnostic::error(*span, message)));
        }
        let arguments = arguments.into_iter().map(|(text, _)| text).collect();
        Ok(Start::Kernel { kernel, initrds, arguments, tells_interface: self.tells_interface() })
    }

    /// Whether a Linux is to be told from which interface it was booted. One of InfiniBand has no name that `BOOTIF`
    /// could hold.
    fn tells_interface(&self) -> bool {
        let port = self.host.and_then(Host::boot_interface);
        let infiniband = port.and_then(|port| port.address).is_some_and(|address| address.is_infiniband());
        self.action.way != Way::Program && !infiniband
    }

    /// The arguments that make a root of a directory on an NFS server: dracut's, and those of the overlay's script.
    fn diskless(&self, steps: &[&Steps], context: &Context) -> Result<Vec<(String, Span)>, Box<Diagnostic>> {
        let Some(root) = steps.iter().rev().find_map(|steps| steps.root.as_ref()) else {
            let message = format!("the boot action `{}` has no `root`", self.name);
            return Err(Box::new(Diagnostic::error(self.action.span, message)));
        };
        let network = self.host.and_then(|host| self.boot.inventory.boot_network(host));
        let Some(server) = self.boot.facts(network).get("server_address").cloned() else {
            let message = format!("the boot action `{}` needs the server's address", self.name);
            let hint = "write `server = \"http://10.1.1.1:8080\"` under [site]";
            return Err(Box::new(Diagnostic::error(self.place, message).hint(hint)));
        };
        let place = root.span;
        let root = self.fill(root, context)?;
        if !root.starts_with('/') || !is_plain_path(&root[1..]) {
            let message = format!("`{}` is not the path of a root directory", root.escape_debug());
            return Err(Box::new(Diagnostic::error(place, message).hint("absolute: letters, digits and `._-+/`")));
        }
        // `nfs4:SERVER:PATH[:OPTIONS]` (dracut.cmdline(7)).
        let mut arguments = vec![format!("root=nfs4:{server}:{root}:ro,vers=4.2"), "ro".to_owned()];
        let overlay = steps.iter().rev().find_map(|steps| steps.overlay_mib).unwrap_or(1024);
        arguments.push(format!("kgen.overlay={overlay}"));
        let writable = steps.iter().rev().find_map(|steps| steps.writable.as_ref());
        let writable: Vec<&str> = writable.into_iter().flatten().map(|(path, _)| path.as_str()).collect();
        arguments.push(format!("kgen.writable={}", writable.join(",")));
        let configure = self.host.and_then(|host| configure_url(&self.boot.inventory, host, self.boot.handing));
        arguments.extend(configure.map(|url| format!("kgen.configure={url}")));
        Ok(arguments.into_iter().map(|argument| (argument, place)).collect())
    }
}

/// The words that the last step to say any says, and those that all steps add.
fn last_and_more<'s>(
    steps: &[&'s Steps],
    own: fn(&Steps) -> &Option<Words>,
    more: fn(&Steps) -> &Option<Words>,
) -> Vec<&'s Words> {
    let last = steps.iter().rev().find_map(|steps| own(steps).as_ref());
    last.into_iter().chain(steps.iter().filter_map(|steps| more(steps).as_ref())).collect()
}
