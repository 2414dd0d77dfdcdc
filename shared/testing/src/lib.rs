//! Starts a lesson's binary, talks to it and measures it, for the lessons' own tests.
//!
//! Everything here panics when it fails, as a test should.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    reason = "a broken promise ends the test"
)]

pub mod bench;
pub mod browser;
pub mod conformance;
mod measure;
mod proc;
pub mod redis;
mod server;

pub use server::{Exit, PATIENCE, Server, Signal, eventually, read_until, run};
