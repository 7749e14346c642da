//! `[distributions.NAME]`, `[boot.NAME]` and `[loaders]`: what a machine can do when it boots, still as templates.
//!
//! What a host does is a chain of steps, each of which may replace what an earlier one says: the action, then what it
//! says for the host's distribution, architecture, appliance, and for the host. [`crate::boot`] fills the templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::hosts::target;
use crate::inventory::network::within;
use crate::inventory::table::{Table, named};
use crate::inventory::value::word;
use crate::inventory::{Host, Inventory, Loaders};
use crate::name::{ActionName, DistributionName, suggestion};
use crate::source::Span;
use crate::text::TemplateText;

/// The actions that kgen brings, in the language of an inventory.
pub const BUILT_IN: &str = include_str!("actions.toml");

/// The action of hosts that say nothing: it destroys nothing.
pub fn local() -> ActionName {
    ActionName::new("local").unwrap_or_else(|| unreachable!("`local` is a name"))
}

/// `[distributions.NAME]`: where an installer and its packages are.
#[derive(Debug)]
pub struct Distribution {
    /// The version that kickstarts are for, where it says one.
    pub target: Option<Arc<str>>,
    /// For all architectures.
    pub media: Media,
    /// What differs, by architecture.
    pub by_arch: BTreeMap<String, Media>,
    /// Where it is declared.
    pub span: Span,
}

/// Where the parts of a distribution are: paths relative to the boot files, or URLs.
#[derive(Debug, Default)]
pub struct Media {
    /// The tree that is installed from.
    pub url: Option<TemplateText>,
    /// The installer's kernel.
    pub kernel: Option<TemplateText>,
    /// Its initial RAM disks, in order.
    pub initrds: Option<Vec<TemplateText>>,
    /// The installer itself.
    pub stage2: Option<TemplateText>,
    /// The packages.
    pub packages: Option<TemplateText>,
}

impl Distribution {
    /// A part for an architecture, where the site says where it is.
    pub fn part<'d, T>(&'d self, arch: &str, pick: impl Fn(&'d Media) -> Option<&'d T>) -> Option<&'d T> {
        self.by_arch.get(arch).and_then(&pick).or_else(|| pick(&self.media))
    }
}

/// How an action starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A Linux kernel.
    Kernel,
    /// A program that is loaded as a kernel is, and no Linux: a memory test.
    Program,
    /// What is on the machine's own disk, or next in its firmware's list.
    Local,
    /// A disk of the network.
    Iscsi,
    /// A Linux kernel with its root on an NFS server, and what it writes in memory.
    Diskless,
}

impl Way {
    /// The words for them in an inventory.
    pub const NAMES: [&'static str; 5] = ["kernel", "program", "local", "iscsi", "diskless"];
    const ALL: [Way; 5] = [Way::Kernel, Way::Program, Way::Local, Way::Iscsi, Way::Diskless];

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(|index| Self::ALL[index])
    }
}

/// `[boot.NAME]`.
#[derive(Debug)]
pub struct BootAction {
    /// How it starts.
    pub way: Way,
    /// For all hosts.
    pub steps: Steps,
    /// What differs, by distribution, architecture, appliance and host: the later wins.
    pub scopes: [BTreeMap<String, Steps>; 4],
    /// Where it is declared.
    pub span: Span,
}

/// The keys of the tables in an action that hold what differs.
const SCOPES: [&str; 4] = ["distribution", "arch", "appliance", "host"];

/// What an action says, in one scope.
#[derive(Debug, Default)]
pub struct Steps {
    /// What people call it.
    pub title: Option<String>,
    /// The kernel.
    pub kernel: Option<TemplateText>,
    /// Initial RAM disks, in order.
    pub initrds: Option<Words>,
    /// More of them, after the others: drivers of a first stage.
    pub more_initrds: Option<Words>,
    /// The kernel's arguments.
    pub arguments: Option<Words>,
    /// More of them, after the others.
    pub more_arguments: Option<Words>,
    /// The iSCSI disk (RFC 4173).
    pub target: Option<TemplateText>,
    /// The directory on the NFS server that is the root.
    pub root: Option<TemplateText>,
    /// The most memory that changes to the root may take.
    pub overlay_mib: Option<u32>,
    /// The directories that can be written to.
    pub writable: Option<Vec<(String, Span)>>,
}

/// Words, as a list or as one text that is cut at its spaces.
#[derive(Debug)]
pub struct Words {
    /// The elements.
    pub templates: Vec<TemplateText>,
    /// Whether each is cut at its spaces when it is filled in.
    pub is_cut: bool,
}

impl BootAction {
    /// What it says for a host, the last to win; for no host, what it says for all.
    pub fn steps_for<'a>(&'a self, host: Option<&Host>, distribution: Option<&DistributionName>) -> Vec<&'a Steps> {
        let names = [
            distribution.map(DistributionName::as_str),
            host.map(|host| &*host.arch),
            host.map(|host| host.appliance.as_str()),
            host.map(|host| host.name.as_str()),
        ];
        let scoped = self.scopes.iter().zip(names).filter_map(|(scope, name)| scope.get(name?));
        std::iter::once(&self.steps).chain(scoped).collect()
    }

    /// All that it says, in every scope.
    pub fn all_steps(&self) -> impl Iterator<Item = &Steps> {
        std::iter::once(&self.steps).chain(self.scopes.iter().flat_map(BTreeMap::values))
    }
}

impl Steps {
    /// All templates.
    pub fn templates(&self) -> impl Iterator<Item = &TemplateText> {
        let words = [&self.initrds, &self.more_initrds, &self.arguments, &self.more_arguments];
        let lists = words.into_iter().flatten().flat_map(|words| &words.templates);
        [&self.kernel, &self.target, &self.root].into_iter().flatten().chain(lists)
    }

    /// Takes what another says instead of what this one says.
    fn replace_with(&mut self, other: Steps) {
        fn take<T>(own: &mut Option<T>, other: Option<T>) {
            if other.is_some() {
                *own = other;
            }
        }
        take(&mut self.title, other.title);
        take(&mut self.kernel, other.kernel);
        take(&mut self.initrds, other.initrds);
        take(&mut self.more_initrds, other.more_initrds);
        take(&mut self.arguments, other.arguments);
        take(&mut self.more_arguments, other.more_arguments);
        take(&mut self.target, other.target);
        take(&mut self.root, other.root);
        take(&mut self.overlay_mib, other.overlay_mib);
        take(&mut self.writable, other.writable);
    }
}

fn template((source, span): (String, Span)) -> TemplateText {
    TemplateText { source, span }
}

fn words(table: &mut Table, key: &'static str, diagnostics: &mut Diagnostics) -> Option<Words> {
    let is_cut = table.get(key).is_some_and(|value| value.text().is_some());
    let templates = table.texts(key, diagnostics)?.into_iter().map(template).collect();
    Some(Words { templates, is_cut })
}

/// Reads `[distributions]`.
pub fn distributions(table: &mut Table, diagnostics: &mut Diagnostics) -> BTreeMap<DistributionName, Distribution> {
    let Some(section) = table.section("distributions", diagnostics) else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for (key, span, value) in section.entries() {
        let Some(name) = named(key, span, diagnostics) else { continue };
        let Some(mut table) = value.table(&format!("[distributions.{key}]"), diagnostics) else { continue };
        let target = table.text("target", diagnostics).and_then(|found| target(found, diagnostics)).map(Arc::from);
        let all = media(&mut table, diagnostics);
        let mut by_arch = BTreeMap::new();
        if let Some(arches) = table.table("arch", diagnostics) {
            for (arch, _, value) in arches.entries() {
                let title = format!("[distributions.{key}.arch.{arch}]");
                let Some(mut table) = value.table(&title, diagnostics) else { continue };
                by_arch.insert(arch.to_owned(), media(&mut table, diagnostics));
                table.finish(diagnostics);
            }
        }
        table.finish(diagnostics);
        read.insert(name, Distribution { target, media: all, by_arch, span });
    }
    read
}

fn media(table: &mut Table, diagnostics: &mut Diagnostics) -> Media {
    let mut part = |key| table.text(key, diagnostics).map(template);
    let (url, kernel, stage2, packages) = (part("url"), part("kernel"), part("stage2"), part("packages"));
    let initrds = table.texts("initrds", diagnostics).map(|texts| texts.into_iter().map(template).collect());
    Media { url, kernel, initrds, stage2, packages }
}

/// Reads `[boot]`, over what is there already.
pub fn actions(table: &mut Table, actions: &mut BTreeMap<ActionName, BootAction>, diagnostics: &mut Diagnostics) {
    let Some(section) = table.section("boot", diagnostics) else { return };
    for (key, span, value) in section.entries() {
        let Some(name) = named(key, span, diagnostics) else { continue };
        let title = format!("[boot.{key}]");
        let Some(mut table) = value.table(&title, diagnostics) else { continue };
        let way = word(&mut table, "kind", &Way::NAMES, diagnostics).and_then(|word| Way::named(&word));
        let own = steps(&mut table, diagnostics);
        let scopes = SCOPES.map(|scope| {
            let Some(entries) = table.table(scope, diagnostics) else { return BTreeMap::new() };
            let mut read = BTreeMap::new();
            for (name, _, value) in entries.entries() {
                let title = format!("[boot.{key}.{scope}.{name}]");
                let Some(mut table) = value.table(&title, diagnostics) else { continue };
                read.insert(name.to_owned(), steps(&mut table, diagnostics));
                table.finish(diagnostics);
            }
            read
        });
        table.finish(diagnostics);
        let action = actions.entry(name).or_insert_with(|| BootAction {
            way: Way::Kernel,
            steps: Steps::default(),
            scopes: Default::default(),
            span,
        });
        action.way = way.unwrap_or(action.way);
        action.span = span;
        action.steps.replace_with(own);
        action.scopes = scopes;
    }
}

fn steps(table: &mut Table, diagnostics: &mut Diagnostics) -> Steps {
    let writable = table.texts("writable", diagnostics);
    for (path, span) in writable.iter().flatten() {
        let plain = path.starts_with('/')
            && !path.contains("..")
            && path.bytes().all(|byte| byte.is_ascii_graphic() && !b",\"'$\\".contains(&byte));
        if !plain {
            let fault =
                Diagnostic::error(*span, format!("`{path}` is not the path of a directory that can be writable"));
            diagnostics.push(fault.hint("an absolute path without spaces, such as `/var`"));
        }
    }
    Steps {
        title: table.text("title", diagnostics).and_then(|found| title(found, diagnostics)),
        kernel: table.text("kernel", diagnostics).map(template),
        initrds: words(table, "initrds", diagnostics),
        more_initrds: words(table, "more_initrds", diagnostics),
        arguments: words(table, "arguments", diagnostics),
        more_arguments: words(table, "more_arguments", diagnostics),
        target: table.text("target", diagnostics).map(template),
        root: table.text("root", diagnostics).map(template),
        overlay_mib: within(table, "overlay_mib", 16..=4_194_304, diagnostics),
        writable,
    }
}

/// A title stands in menus and messages of every loader.
fn title((text, span): (String, Span), diagnostics: &mut Diagnostics) -> Option<String> {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || " .,_-+/()".contains(c));
    if !plain {
        let fault = Diagnostic::error(span, format!("`{}` cannot be shown by every boot loader", text.escape_debug()));
        diagnostics.push(fault.hint("letters, digits, spaces and `.,_-+/()`"));
    }
    plain.then_some(text)
}

/// Reads `[loaders]`.
pub fn loaders(table: &mut Table, diagnostics: &mut Diagnostics) -> Loaders {
    let mut loaders = Loaders::default();
    for (key, file) in Loaders::DEFAULTS {
        loaders.files.insert(key, (file.to_owned(), None));
    }
    let Some(mut table) = table.section("loaders", diagnostics) else { return loaders };
    for (key, _) in Loaders::DEFAULTS {
        let Some((path, span)) = table.text(key, diagnostics) else { continue };
        if is_plain_path(&path) {
            loaders.files.insert(key, (path, Some(span)));
        } else {
            let fault = Diagnostic::error(span, format!("`{}` is not the path of a loader", path.escape_debug()));
            diagnostics.push(fault.hint("relative to the boot files: letters, digits and `._-+/`"));
        }
    }
    table.finish(diagnostics);
    loaders
}

/// A path that firmware, DHCP and TFTP all take as it is.
pub fn is_plain_path(path: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+/".contains(&byte);
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.len() <= 120 && path.bytes().all(inside) && path.split('/').all(part)
}

/// Reports names in actions, hosts, appliances and the site that are declared nowhere.
pub fn check(inventory: &Inventory, used: &[(ActionName, Span)], diagnostics: &mut Diagnostics) {
    for (name, span) in used {
        if !inventory.actions.contains_key(name) {
            let known = inventory.actions.keys().map(ActionName::as_str);
            let fault = Diagnostic::error(*span, format!("there is no boot action `{name}`"));
            diagnostics.push(fault.maybe_hint(suggestion(name.as_str(), known.collect::<Vec<_>>())));
        }
    }
    for (name, action) in &inventory.actions {
        let [distributions, _, appliances, hosts] = &action.scopes;
        let unknown = |what: &str, key: &str, known: Vec<&str>| {
            let fault = Diagnostic::error(
                action.span,
                format!("[boot.{name}] speaks of the {what} `{key}`, but there is none"),
            );
            fault.maybe_hint(suggestion(key, known))
        };
        for key in distributions.keys().filter(|key| !inventory.distributions.contains_key(key.as_str())) {
            diagnostics.push(unknown(
                "distribution",
                key,
                inventory.distributions.keys().map(|name| name.as_str()).collect(),
            ));
        }
        for key in appliances.keys().filter(|key| !inventory.appliances.contains_key(key.as_str())) {
            diagnostics.push(unknown(
                "appliance",
                key,
                inventory.appliances.keys().map(|name| name.as_str()).collect(),
            ));
        }
        for key in hosts.keys().filter(|key| !inventory.hosts.contains_key(key.as_str())) {
            diagnostics.push(unknown("host", key, inventory.hosts.keys().map(|name| name.as_str()).collect()));
        }
    }
}
