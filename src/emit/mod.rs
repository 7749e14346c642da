//! Profile and inventory to text: one file per format. Knows no XML.
//!
//! A format turns a profile into one [`crate::text::Text`]; [`prepare`] makes of it what a host is served from. Formats
//! of the inventory give [`lines::Lines`], which know what caused them.

pub mod dhcpd;
pub mod diskless;
pub mod dnsmasq;
pub mod dot;
pub mod groups;
pub mod grub;
pub mod hosts;
pub mod ipxe;
pub mod kea;
pub mod kickstart;
pub mod lines;
pub mod prepare;
pub mod pxelinux;
pub mod report;
pub mod script;
pub mod shell;
pub mod svg;
pub mod template;
pub mod values;
pub mod zones;
