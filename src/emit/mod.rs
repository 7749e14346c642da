//! Profile and inventory to text: one file per format. Knows no XML.
//!
//! A format turns a profile into one [`crate::text::Text`]; [`prepare`] makes of it what a host is served from.

pub mod dot;
pub mod kickstart;
pub mod prepare;
pub mod script;
pub mod shell;
pub mod svg;
pub mod template;
