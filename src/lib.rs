//! kgen compiles descriptions of clusters into what machines install from.
//!
//! A *description* is a tree of small XML modules joined by an inheritance graph; an *inventory* is one TOML file
//! that names networks, appliances, hosts and attributes. kgen gives each host the modules that its appliance
//! inherits under the host's conditions, and writes its kickstart. Every fault of every file is told in one run, at
//! its place; the same input gives the same bytes; every line of output knows the line of input that caused it.
//!
//! # The steps
//!
//! ```text
//! SourceTree --syntax--> ModuleFile*, GraphFile* --description--> Description     once per revision
//! file --inventory--> Inventory                                                  once per revision
//! Description + answers of a host --resolve--> Resolution --expand--> Profile    once per variant
//! Profile --emit::kickstart--> Kickstart --emit::prepare--> Prepared             once per cohort
//! Prepared + the host's own values --generation--> bytes --write--> files        per host: look up and copy
//! ```
//!
//! Hosts that start at the same module and answer every condition alike are one *variant* and share a profile. Hosts
//! of a variant with the same appliance, platform and boot network are one *cohort*: all values but a host's own
//! (name, addresses, position) are bytes of its text already.
//!
//! # The modules, in reading order
//!
//! Each stands above all that it uses; `tests/layering.rs` has the table and fails on anything else.
//!
//! Ground: [`source`] (files, spans), [`name`], [`diagnostic`] (what is wrong, and where), [`attribute`] (values by
//! scope, secrets), [`text`] (literal runs and references, with origins), [`condition`], [`profile`] (what a host is
//! to become: all that the two ends share), [`command`] (kickstart commands by target version).
//!
//! Front end: [`syntax`] ([`syntax::xml`], [`syntax::items`], [`syntax::module`], [`syntax::graph`]), [`graph`],
//! [`description`], [`resolve`], [`expand`].
//!
//! The site: [`inventory`].
//!
//! Back end: [`emit`] ([`emit::kickstart`], [`emit::script`], [`emit::shell`], [`emit::prepare`], [`emit::template`],
//! [`emit::svg`], [`emit::dot`]), [`mod@write`].
//!
//! The whole: [`compile`] (the passes in order), [`cohort`] (what hosts share), [`generation`] (what answers for
//! every host), [`explain`], [`lint`], [`picture`], [`shipped`] (the description inside the binary), [`eval`] (the
//! only file that runs programs), [`cli`].
//!
//! # Paths to read
//!
//! | follow | open, in order |
//! |---|---|
//! | one `<package>` to the kickstart | [`syntax::items`], [`resolve`], [`expand`], [`profile`], [`emit::kickstart`], [`generation`] |
//! | one `<edge arch="..">` | [`syntax::graph`], [`graph`], [`resolve`], [`condition`] |
//! | one `&hostname;` | [`syntax::xml`], [`syntax::content`], [`expand`], [`attribute`], [`emit::prepare`], [`generation`] |
//! | one fault to the screen | the pass that found it, [`diagnostic`], [`cli`] |

pub mod attribute;
pub mod boot;
pub mod cli;
pub mod cohort;
pub mod command;
pub mod compile;
pub mod condition;
pub mod description;
pub mod dhcp;
pub mod diagnostic;
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
pub mod picture;
pub mod profile;
pub mod readers;
pub mod resolve;
pub mod shipped;
pub mod simulate;
pub mod source;
pub mod syntax;
pub mod text;
pub mod write;
