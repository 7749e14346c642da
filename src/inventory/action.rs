//! `[distributions.NAME]`, `[boot.NAME]` and `[loaders]`: what a machine can do when it boots, still as templates.
//!
//! What a host does is a chain of steps, each of which may replace what an earlier one says: the action, then what it
//! says for the host's distribution, architecture, appliance, and for the host. [`crate::boot`] fills the templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::inventory::distribution::Build;
use crate::name::ActionName;
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
    /// How its tree of packages is built, where kgen builds it.
    pub build: Option<Build>,
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

    /// The one of this word.
    pub fn named(name: &str) -> Option<Self> {
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
    /// What it says for a host, the last to win: the names of its distribution, architecture, appliance, and its own.
    pub fn steps_for(&self, names: [Option<&str>; 4]) -> Vec<&Steps> {
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
    pub fn replace_with(&mut self, other: Steps) {
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

/// `[loaders]`: the files that firmware loads, relative to the directory of boot files.
#[derive(Debug, Default)]
pub struct Loaders {
    /// `bios`, `x86_64`, `aarch64`, `i386`.
    pub files: BTreeMap<&'static str, (String, Option<Span>)>,
}

impl Loaders {
    /// The words, and the files of iPXE that sites have most.
    pub const DEFAULTS: [(&'static str, &'static str); 4] = [
        ("bios", "undionly.kpxe"),
        ("x86_64", "snponly.efi"),
        ("aarch64", "snponly-arm64.efi"),
        ("i386", "snponly-i386.efi"),
    ];

    /// The file of one of the words.
    pub fn file(&self, word: &str) -> &str {
        self.files.get(word).map_or("", |(file, _)| file)
    }
}

/// A path that firmware, DHCP and TFTP all take as it is.
pub fn is_plain_path(path: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+/".contains(&byte);
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.len() <= 120 && path.bytes().all(inside) && path.split('/').all(part)
}
