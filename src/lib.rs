//! kgen compiles descriptions of clusters into what machines boot and install from.
//!
//! A *description* is a tree of small XML modules joined by an inheritance graph; an *inventory* names networks,
//! appliances, hosts, attributes and boot actions, in one file or many. kgen gives each host the modules that its
//! appliance inherits under the host's conditions, and writes its kickstart, its boot scripts, and the DHCP, DNS and
//! other files of the site. Every fault of every file is told in one run, at its place; the same input gives the same
//! bytes; every line of output knows the line of input that caused it.
//!
//! # The steps
//!
//! ```text
//! Revision --source--> files of the inventory, SourceTree                        a directory, or a commit in git
//! SourceTree --syntax--> ModuleFile*, GraphFile* --description--> Description     once per revision
//! files --inventory--> Inventory                                                 once per revision
//! Description + answers of a host --resolve--> Resolution --expand--> Profile    once per variant
//! Profile --emit::kickstart--> Kickstart --emit::prepare--> Prepared             once per cohort
//! Prepared + the host's own values --generation--> bytes                         per host: look up and copy
//! Inventory --boot--> BootEntry --emit::{ipxe,pxelinux,grub}--> scripts          per host
//! Inventory --dhcp--> who gets what --emit::{dhcpd,kea,dnsmasq}--> text          per site; so are names and groups
//! all of these --files--> paths and bytes --readers--> nothing refused --write--> files
//! all of these --assemble--> one generation --server--> machines                 BootState --store--> disk
//! packages --dist::{collect, select}--> Selection --dist::tree--> a tree          per distribution and architecture
//! Profile + index of the tree --dist::{universe, solve, check}--> what hosts install, and what they cannot
//! ```
//!
//! Hosts that start at the same module and answer every condition alike are one *variant* and share a profile. Hosts
//! of a variant with the same appliance, platform and boot network are one *cohort*: all values but a host's own
//! (name, addresses, position) are bytes of its text already.
//!
//! # The modules, in reading order
//!
//! Each stands above all that it uses; `tests/layering/tables.rs` says what that is, and a test fails on anything else.
//!
//! Ground: [`nodeset`] (many names in few words), [`source`] (files, spans; [`source::revision`], a directory or a commit of [`source::git`]), [`name`], [`diagnostic`] (what is wrong, and where), [`attribute`] (values by
//! scope, secrets), [`text`] (literal runs and references, with origins), [`condition`], [`profile`] (what a host is
//! to become: all that the two ends share), [`command`] (kickstart commands by target version).
//!
//! Front end: [`syntax`] ([`syntax::xml`], [`syntax::items`], [`syntax::module`], [`syntax::graph`]), [`graph`],
//! [`description`], [`resolve`], [`expand`].
//!
//! The site: [`inventory`] ([`inventory::document`], the forms of files; [`inventory::table`], what reads them;
//! [`mod@inventory::file`], the order in which they are read; [`inventory::check`]), [`boot`] (what a host does at its
//! next boot; [`boot::state`], from its order to its disk; [`boot::matching`], which record is that of which machine;
//! [`boot::taking`], what a new generation orders), [`inventory::guards`] (what a commit cannot loosen), [`dhcp`] (which machine gets which address and file).
//!
//! Back end: [`emit`] (a file for each format: [`emit::kickstart`] with [`emit::script`], [`emit::shell`] and
//! [`emit::prepare`]; [`emit::ipxe`], [`emit::pxelinux`], [`emit::grub`], [`emit::diskless`]; [`emit::dhcpd`],
//! [`emit::kea`], [`emit::dnsmasq`]; [`emit::hosts`], [`emit::zones`], [`emit::groups`]; [`emit::template`],
//! [`emit::svg`], [`emit::dot`]), [`mod@write`].
//!
//! The whole: [`compile`] (the passes in order), [`cohort`] (what hosts share), [`generation`] (what answers for
//! every host), [`files`] (all files of a site by path), [`mod@assemble`] (one revision, read, compiled and checked), [`simulate`] (a boot in mind), [`readers`] (the programs that
//! read our outputs), [`explain`], [`mod@compare`] (what changes from one generation to another), [`lint`], [`picture`],
//! [`shipped`] (the description inside the binary), [`eval`] (programs that a description asks for).
//!
//! Packages: [`dist`] ([`dist::collect`], the packages of all sources; [`dist::select`], which of them count; [`dist::tree`] and
//! [`dist::repodata`], the tree and its index; [`dist::mirror`], repositories from elsewhere; [`dist::universe`],
//! [`dist::formula`], [`dist::clauses`] and [`dist::solve`], what has to be installed together; [`dist::check`], what hosts ask for against it).
//!
//! The programs: [`store`] (states on disk), [`server`] ([`server::listen`], [`server::http`], [`server::route`], then a
//! file for each family of routes; [`server::access`], who gets what; [`server::follow`], new revisions; [`server::taken`], what they
//! order; [`server::orders`], what operators order), [`storm`] (machines by
//! the thousand that try a server), [`cli`].
//!
//! # Paths to read
//!
//! | follow | open, in order |
//! |---|---|
//! | one `<package>` to the kickstart | [`syntax::items`], [`resolve`], [`expand`], [`profile`], [`emit::kickstart`], [`generation`] |
//! | one `<edge arch="..">` | [`syntax::graph`], [`graph`], [`resolve`], [`condition`] |
//! | one `&hostname;` | [`syntax::xml`], [`syntax::content`], [`expand`], [`attribute`], [`emit::prepare`], [`generation`] |
//! | one host in the DHCP file | [`inventory::hosts`], [`inventory`], [`dhcp`], [`emit::kea`], [`files`], [`mod@write`] |
//! | one boot action to the script | [`inventory::actions`], [`inventory::action`], [`boot`], [`emit::ipxe`], [`files`] |
//! | one request to its answer | [`server::listen`], [`server::http`], [`server::route`], [`server::kickstart`], [`server::access`] |
//! | one git revision | [`source::git`], [`mod@assemble`], [`server::follow`], [`server::snapshot`] |
//! | one changed boot action to the machine | [`server::follow`], [`server::taken`], [`boot::taking`], [`boot::matching`], [`store`], [`server::script`] |
//! | one success to the next boot | [`emit::report`], [`server::kickstart`], [`boot::state`], [`store`] |
//! | one `.rpm` to a tree | [`inventory::distributions`], [`inventory::distribution`], [`dist::collect`], [`dist::header`], [`dist::select`], [`dist::build`], [`dist::repodata::write`], [`dist::tree`] |
//! | one `<package>` to what it requires | [`dist::check`], [`dist::wanted`], [`dist::universe`], [`dist::solve`], [`dist::explain`] |
//! | one fault to the screen | the pass that found it, [`diagnostic`], [`cli`] |

pub mod assemble;
pub mod attribute;
pub mod boot;
pub mod cli;
pub mod cohort;
pub mod command;
pub mod compare;
pub mod compile;
pub mod condition;
pub mod description;
pub mod dhcp;
pub mod diagnostic;
#[cfg(feature = "dist")]
pub mod dist;
pub mod emit;
pub mod eval;
pub mod expand;
pub mod explain;
pub mod files;
pub mod generation;
pub mod graph;
pub mod inventory;
pub mod lint;
pub mod name;
pub mod nodeset;
pub mod picture;
pub mod profile;
pub mod program;
pub mod readers;
pub mod resolve;
#[cfg(feature = "serve")]
pub mod server;
pub mod shipped;
pub mod simulate;
pub mod source;
#[cfg(feature = "serve")]
pub mod store;
#[cfg(feature = "serve")]
pub mod storm;
pub mod syntax;
pub mod text;
pub mod write;
