//! The server from outside: the real program, requests of which every byte is chosen here, machines that have any
//! address of 127.0.0.0/8. What it gives to whom, what it does with requests that are none, with broken revisions,
//! with a kill at any moment, and in storms.
#![cfg(feature = "serve")]
#![allow(clippy::pedantic)] // pedantry is for what ships
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)] // a test may
#![allow(clippy::print_stdout, clippy::print_stderr)] // its figures are for who reads them

mod access;
mod admission;
mod clock;
mod crash;
mod files;
mod framing;
mod generations;
mod git;
mod guards;
mod lab;
mod life;
mod limits;
mod operators;
mod orders;
mod page;
mod reports;
mod routes;
mod secrets;
mod state;
#[path = "../support/mod.rs"]
mod support;
mod wire;
