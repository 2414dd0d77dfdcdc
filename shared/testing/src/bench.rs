//! What a technique costs: `cargo bench -p sse`, and for all lessons side by side `cargo bench`.
//!
//! A lesson's `benches/load.rs` says what its browser does on the wire. Here that is done for a thousand
//! clients at once, by sockets in one thread, which costs the machine little besides the server itself:
//!
//! 1. The lesson's binary starts on a free port, and the clients come, each until it has the list.
//! 2. As many clients come to the limit (`limit.rs`), a server that only writes the same bytes.
//! 3. Changes are made one at a time, by turns `POST /users` and `DELETE /users/{id}`, so that the list
//!    stays as short as it is. Each change is awaited by all. A **delay** is the time from the moment in which
//!    the request for the change is about to be written to the moment in which a client has read the news.
//!    After each tenth of the changes, or each 20, the limit says what the lesson's first client has received.
//!    Processor time is also given as a multiple of the limit's, a message for a message, because a busy or slow
//!    machine slows down both; it is the median of these turns.
//! 4. The limit goes, and nothing happens for a while, in whole periods of what the technique does in silence.
//!
//! The binary is that of `cargo build --release`, except that cargo also turns on what the tests want of
//! tokio (its clock that can be stopped). Memory is what a client adds after the first tenth of them, in
//! which a server sets up what it has once.
//!
//! Processor time and memory come from Linux's `/proc`, so that this runs on Linux only.
#![allow(
    clippy::cast_precision_loss,
    reason = "nothing here is counted up to 2^53"
)]

mod baseline;
mod change_maker;
mod clients;
mod decoder;
pub mod headers;
mod recording;
mod report;
mod run;

pub use crate::proc::ThreadTimes;
pub use report::median;

use std::{env, io, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;

use super::Server;

/// How a lesson's browser learns of news, as far as it can be seen on the wire.
#[derive(Debug, Clone, Copy)]
pub struct Technique {
    /// The crate's name.
    pub lesson: &'static str,
    /// The lesson's binary.
    pub binary: &'static str,
    /// The request for the list. It is told the version that the client has, if it has one.
    pub request: fn(seen: Option<u64>) -> String,
    /// What the client does then.
    pub then: Then,
    /// In silence everything repeats after this time. It is zero for none.
    pub silence: Duration,
}

/// What a client does after its request.
#[derive(Debug, Clone, Copy)]
pub enum Then {
    /// It reads the answer and asks again after this time.
    AskAfter(Duration),
    /// It reads the answer, whenever it comes, and asks again at once.
    AskAtOnce,
    /// It reads an answer that does not end. Each event ends with this text; in WebSocket frames, which
    /// say how long they are, with none.
    Listen(&'static str),
}

impl Then {
    /// What an event ends with.
    fn ending(self) -> &'static str {
        match self {
            Self::Listen(ending) => ending,
            Self::AskAfter(_) | Self::AskAtOnce => "",
        }
    }
}

/// Measures what a technique costs.
#[derive(Debug, Clone, Parser)]
#[command(bin_name = "cargo bench -p LESSON --")]
struct Flags {
    /// How many clients watch the list
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=28_000))]
    clients: u32,

    /// How many changes are made, one at a time
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    updates: u32,

    /// For how long nothing happens after that, at least; 0 leaves this part out
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    idle: u64,

    /// Also write the figures to this file, in which relative paths begin at the workspace
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Polling: how long a client waits before it asks again, if not as long as a browser
    #[arg(long, value_name = "MILLISECONDS")]
    pause: Option<u64>,

    /// How many milliseconds everything has to come to rest before it is measured (for the trial)
    #[arg(long, hide = true, default_value_t = 200)]
    rest: u64,

    /// Be the limit (for the program itself)
    #[arg(long, hide = true)]
    limit: bool,

    /// (`cargo bench` says so)
    #[arg(long, hide = true)]
    bench: bool,
}

/// What `cargo test` does instead, to see that nothing is broken: it takes less than a second.
const TRIAL: [&str; 7] = [
    "trial",
    "--bench",
    "--clients=20",
    "--updates=3",
    "--idle=0",
    "--pause=50",
    "--rest=0",
];

/// The argument that makes a program the limit.
const LIMIT: &str = "--limit";

/// The limit for a benchmark of another kind: a server that answers each request with `first`, and sends to all its
/// clients whatever somebody posts to it, as it is. The program that calls this has to call [`be_the_limit`] before it
/// does anything else.
///
/// # Errors
/// When it cannot be started.
pub fn limit(first: &[u8]) -> io::Result<Server> {
    baseline::start(&baseline::Answers {
        first: first.to_vec(),
        nothing: Vec::new(),
    })
}

/// Is the limit until whoever has started it ends, if that is what the command line asks for.
#[must_use]
pub fn be_the_limit() -> Option<ExitCode> {
    if !env::args().any(|argument| argument == LIMIT) {
        return None;
    }
    let outcome = baseline::serve(Then::Listen(""));
    let failed = outcome.inspect_err(|error| eprintln!("the limit: {error}."));
    Some(failed.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

/// Does what the command line asks for: it is the whole `main` of a lesson's `benches/load.rs`.
///
/// `cargo bench` measures. `cargo test` runs the same with a few clients and does not print a table.
/// Whoever gives the test runner arguments wants certain tests, which this is not.
#[must_use]
pub fn main(technique: Technique) -> ExitCode {
    let arguments: Vec<_> = env::args().collect();
    let is_test = !arguments.iter().any(|a| a == "--bench" || a == LIMIT);
    if is_test && (arguments.len() > 1 || !cfg!(target_os = "linux")) {
        return ExitCode::SUCCESS;
    }
    let flags = if is_test {
        Flags::parse_from(TRIAL)
    } else {
        Flags::parse_from(arguments)
    };
    let outcome = if flags.limit {
        baseline::serve(technique.then).map_err(|error| error.to_string())
    } else {
        run::run(technique, &flags).and_then(|row| {
            if is_test {
                println!(
                    "{}: {} clients heard of all changes",
                    row.lesson, row.clients
                );
                return Ok(());
            }
            report::publish(&row, technique.binary, flags.json.as_deref())
        })
    };
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    eprintln!("{}: {error}.", technique.lesson);
    ExitCode::FAILURE
}
