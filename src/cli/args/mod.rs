//! The command line, as clap reads it. Help texts are the manual's texts.

#[cfg(feature = "dist")]
pub mod dist;
pub mod printed;
#[cfg(feature = "serve")]
pub mod server;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

#[cfg(feature = "dist")]
use crate::cli::args::dist::DistCommand;
use crate::cli::args::printed::Printed;

#[cfg(feature = "serve")]
use crate::cli::args::server::{
    Boot, Events, Operator, Pin, Remote, RevisionCommand, Rollback, Serve, StateCommand, Status, Storm, Unpin,
};

/// A compiler for clusters: from XML modules and an inventory to kickstart files.
#[derive(Debug, Parser)]
#[command(name = "kgen", version, propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 good, 1 faults in the description or the inventory, 2 wrong use, 3 the world (disk, permissions), 4 `kgen diff` or `kgen dist diff` found changes."
)]
pub struct Cli {
    /// What all commands have.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The inventory: a file, a directory that holds cluster.toml, or a git repository (a bare one, or URL[//FOLDER])
    /// [default: cluster.toml here or above]
    #[arg(long, global = true, value_name = "FILE|DIR|URL", value_hint = ValueHint::AnyPath)]
    pub site: Option<PathBuf>,
    /// A branch, tag or commit of the site's git repository, instead of the files as they are
    #[arg(long, global = true, value_name = "REVISION")]
    pub revision: Option<String>,
    /// What paths of the inventory are relative to: secrets, boot files [default: the directory of the inventory]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub local: Option<PathBuf>,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Fail on warnings too
    #[arg(long, global = true)]
    pub strict: bool,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write kickstarts, boot scripts, DHCP, DNS and other files of the site to a directory
    Compile(Compile),
    /// Report everything that is wrong, without writing anything
    Check(Check),
    /// Print what one host, or one module, is to become
    Profile(Profile),
    /// Tell where a line, a package, an attribute or a module of a host comes from
    Explain(Explain),
    /// Tell what would change on machines from one state of the site to another, and why
    Diff(Diff),
    /// Build distributions of packages, and hold them against what hosts ask for
    #[cfg(feature = "dist")]
    #[command(subcommand)]
    Dist(DistCommand),
    /// Show what a machine would get when it boots, stage by stage
    Simulate(Simulate),
    /// Write the inventory in another form, or read one in another form
    #[command(subcommand)]
    Inventory(InventoryCommand),
    /// Draw the inheritance graph
    Graph(Graph),
    /// List hosts, appliances, modules, attributes or rolls
    List(List),
    /// Write a starter site into a new directory
    Init(Init),
    /// Serve boot scripts, kickstarts and files to machines, and follow the site's source
    #[cfg(feature = "serve")]
    Serve(Serve),
    /// Say what hosts do at their next boot
    #[cfg(feature = "serve")]
    Boot(Boot),
    /// Show what is served, and where every host is between its order and its disk
    #[cfg(feature = "serve")]
    Status(Status),
    /// Show what happened to hosts
    #[cfg(feature = "serve")]
    Events(Events),
    /// Have the server look at its source now
    #[cfg(feature = "serve")]
    Refresh(Remote),
    /// Have the server go back to what it served before, or to a revision, and stay there
    #[cfg(feature = "serve")]
    Rollback(Rollback),
    /// Have the server follow its source again
    #[cfg(feature = "serve")]
    Follow(Remote),
    /// Give a host or an appliance a revision of its own
    #[cfg(feature = "serve")]
    Pin(Pin),
    /// Remove a pin: the host or appliance follows the current revision again
    #[cfg(feature = "serve")]
    Unpin(Unpin),
    /// What the server knows of machines: copy it, put a copy back, forget a host that is gone
    #[cfg(feature = "serve")]
    #[command(subcommand)]
    State(StateCommand),
    /// The revision that is served: accept what it loosens
    #[cfg(feature = "serve")]
    #[command(subcommand)]
    Revision(RevisionCommand),
    /// Make a token for an operator
    #[cfg(feature = "serve")]
    Operator(Operator),
    /// Have many machines boot and install at once from a running server, and tell what each of them got; the server
    /// takes them for the machines of the site
    #[cfg(feature = "serve")]
    Storm(Storm),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// The directory
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
}

/// `kgen compile`.
#[derive(Debug, Args)]
pub struct Compile {
    /// The hosts to compile [default: all]
    pub hosts: Vec<String>,
    /// Where to write; only files that differ are written, each whole or not at all
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output: PathBuf,
    /// Remove kickstarts of hosts that are no longer in the inventory; their boot scripts are always removed
    #[arg(long, conflicts_with = "hosts")]
    pub prune: bool,
    /// Have every output read by its real reader first, where that is installed; write nothing if one refuses
    #[arg(long)]
    pub check_with_readers: bool,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// `kgen check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Say also what the site means for machines after this branch, tag or commit: new names, boot actions that change,
    /// who would install
    #[arg(long, value_name = "REVISION")]
    pub against: Option<String>,
    /// The same after what a server serves now, which also knows who is installed
    #[cfg(feature = "serve")]
    #[arg(long)]
    pub served: bool,
    /// The server.
    #[cfg(feature = "serve")]
    #[command(flatten)]
    pub remote: Remote,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// `kgen profile`.
#[derive(Debug, Args)]
pub struct Profile {
    /// A host of the inventory
    #[arg(required_unless_present = "module", conflicts_with = "module")]
    pub host: Option<String>,
    /// The module to start at; needs no inventory
    #[arg(long, value_name = "NAME")]
    pub module: Option<String>,
    /// The description [default: the inventory's; with --module, the current directory]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub description: Option<PathBuf>,
    /// Attributes: a JSON object of texts
    #[arg(long, value_name = "FILE.json", value_hint = ValueHint::FilePath)]
    pub attributes: Option<PathBuf>,
    /// One more attribute; wins over the file
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    pub attribute: Vec<String>,
    /// What `<eval>` does [default: the inventory's, else error]
    #[arg(long, value_name = "POLICY", value_parser = ["error", "off", "on"])]
    pub eval: Option<String>,
    /// How to treat an attribute without a value in text [default: the inventory's, else error]
    #[arg(long, value_name = "STRICTNESS", value_parser = ["error", "warn"])]
    pub undefined: Option<String>,
    /// How to treat unknown elements and attributes of elements [default: the inventory's, else error]
    #[arg(long, value_name = "STRICTNESS", value_parser = ["error", "warn"])]
    pub unknown: Option<String>,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// `kgen explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The host
    pub host: String,
    /// A line of its kickstart
    #[arg(conflicts_with_all = ["package", "attribute", "module"])]
    pub line: Option<usize>,
    /// A package: who asks for it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["attribute", "module"])]
    pub package: Option<String>,
    /// An attribute: its value, and where that was set
    #[arg(long, value_name = "NAME", conflicts_with = "module")]
    pub attribute: Option<String>,
    /// A module: the edges that bring it in, or keep it out
    #[arg(long, value_name = "NAME")]
    pub module: Option<String>,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// `kgen diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// A..B, A B, or A, each a branch, tag or commit of the site's git repository, or a directory with a site
    /// [default: A is HEAD, B the site as the other options name it]
    #[arg(num_args = 0..=2, value_names = ["A", "B"])]
    pub states: Vec<String>,
    /// Compare with what a server serves now: its commit stands in the place of the first state
    #[cfg(feature = "serve")]
    #[arg(long)]
    pub served: bool,
    /// The server.
    #[cfg(feature = "serve")]
    #[command(flatten)]
    pub remote: Remote,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// `kgen simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// The hardware address that the machine shows: Ethernet, InfiniBand or a GUID
    #[arg(long, value_name = "ADDRESS")]
    pub address: String,
    /// Its client architecture (DHCP option 93): 0 BIOS, 7 or 9 UEFI, 11 that of ARM, 16 and 19 their HTTP boot
    #[arg(long, value_name = "NUMBER", value_parser = architecture)]
    pub arch: Option<u16>,
    /// Its user class (DHCP option 77), such as iPXE
    #[arg(long, value_name = "CLASS")]
    pub user_class: Option<String>,
    /// Its DHCP client identifier: octets in hexadecimal
    #[arg(long, value_name = "OCTETS")]
    pub client_id: Option<String>,
    /// The network that it asks in [default: that of its host, else the first with a pool]
    #[arg(long, value_name = "NAME")]
    pub network: Option<String>,
    /// The loader that it has [default: what DHCP names]
    #[arg(long, value_enum)]
    pub loader: Option<Loader>,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// A number as people write it: 7, 0x10, 00:10.
fn architecture(text: &str) -> Result<u16, String> {
    let hexadecimal =
        text.strip_prefix("0x").map(str::to_owned).or_else(|| text.contains(':').then(|| text.replace(':', "")));
    let number = match hexadecimal {
        Some(digits) => u16::from_str_radix(&digits, 16).ok(),
        None => text.parse().ok(),
    };
    number.ok_or_else(|| "a number such as 7, 0x10 or 00:10".to_owned())
}

/// Loaders that read boot scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Loader {
    /// iPXE
    Ipxe,
    /// PXELINUX
    Pxelinux,
    /// GRUB
    Grub,
    /// Firmware that loads by HTTP, then the loader that it is given
    Httpboot,
}

/// `kgen inventory`.
#[derive(Debug, Subcommand)]
pub enum InventoryCommand {
    /// Print the inventory as JSON, or its hosts as a table (CSV with Stacki's columns)
    Export {
        /// The form
        #[arg(long, value_enum, default_value_t = TableFormat::Json)]
        format: TableFormat,
    },
    /// Read a JSON inventory or a table of hosts, check it with the site, and write it to cluster.d beside cluster.toml
    Import {
        /// A file that ends in .json or .csv
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Replace what an earlier import of a file of this name wrote
        #[arg(long)]
        replace: bool,
    },
}

/// Forms of inventories that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// Networks, distributions, appliances, attributes and hosts, every range as its hosts
    Json,
    /// Hosts, a line for each interface
    Csv,
}

/// `kgen graph`.
#[derive(Debug, Args)]
pub struct Graph {
    /// An appliance or a host: what it has is drawn against what it has not [default: the whole graph]
    pub subject: Option<String>,
    /// The format of the picture
    #[arg(long, value_enum, default_value_t = Picture::Svg)]
    pub format: Picture,
}

/// Formats of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Picture {
    /// A picture for a browser
    Svg,
    /// Text for Graphviz
    Dot,
    /// Modules and edges
    Json,
}

/// `kgen list`.
#[derive(Debug, Args)]
pub struct List {
    /// What to list
    #[arg(value_enum)]
    pub what: Listed,
    /// With `attributes`: those of this host
    pub host: Option<String>,
    /// How it is printed.
    #[command(flatten)]
    pub printed: Printed,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Listed {
    /// Hosts with appliance, arch, target and address
    Hosts,
    /// Appliances with module and number of hosts
    Appliances,
    /// Modules with roll and description
    Modules,
    /// Attributes with scope and value
    Attributes,
    /// Rolls with numbers of modules and edges
    Rolls,
}

/// `kgen init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The directory, new or empty
    #[arg(value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
}
