//! Distributions, from packages to what dnf makes of the tree: with real rpm, createrepo_c and dnf, and without them.
#![cfg(feature = "dist")]
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod build;
mod check;
mod damage;
mod interruption;
mod made;
mod metadata;
mod mirror;
mod shipped;
mod versions;
mod web;
