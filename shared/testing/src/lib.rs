//! The tools for the tests and benchmarks of the lessons. They start a lesson's binary, send requests to it, and
//! measure it.
//!
//! | module | content |
//! |---|---|
//! | [`Server`] | a running server under test |
//! | [`conformance`] | the promises of every server, over HTTP |
//! | [`browser`] | a real browser, and the promises of every page |
//! | [`mod@bench`] | what a technique costs: the `main` of each lesson's `benches/load.rs` |
//! | [`redis`] | a Redis server for one test |
//!
//! Every function panics if something fails, because that makes the test fail.
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
mod example;
mod proc;
pub mod redis;
mod server;
mod wait;

pub use example::{build_example, build_programs};
pub use proc::ThreadTimes;
pub use server::{Exit, Server, Signal, run, run_with};
pub use wait::{TEST_TIMEOUT, eventually, read_until};
