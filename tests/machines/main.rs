//! Records of the boot state belong to machines, and nothing arms a machine but an order: the table of what a new
//! generation means, and a model that plays renames, swaps, losses, rollbacks and people at random.
//!
//! The model plays 300 sequences of 200 steps in every run; `KGEN_SEEDS=10000` plays more.
#![cfg(feature = "serve")]
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

mod model;
mod table;
