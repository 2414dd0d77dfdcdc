//! What a technique costs: `cargo bench -p sse`, or `cargo bench` for all lessons.
//!
//! A lesson's `benches/load.rs` describes what its browser sends and receives. Here a thousand sockets in one thread
//! do the same, which costs the machine little besides the server itself:
//!
//! 1. The lesson's binary starts on a free port. The clients connect, and each waits until it has the list.
//! 2. As many clients connect to the baseline (`baseline.rs`), a server that only writes the same bytes.
//! 3. Changes are made one at a time, alternately `POST /users` and `DELETE /users/{id}`, so that the list stays short.
//!    After each change the run waits until every client has it. A **delay** is the time from just before the request
//!    for the change is written until a client has read the update. The changes are made in rounds. At the end of a
//!    round the baseline sends what the lesson's first client has received. Processor time is also given as a multiple
//!    of the baseline's, for the same number of messages, because a busy or slow machine slows down both. It is the
//!    median of the rounds.
//! 4. Then nothing happens for some whole periods of what the technique does without updates.
//!
//! The binary is that of `cargo build --release`, except that cargo also switches on what the tests need of tokio (the
//! clock that can be paused). The memory of a client is measured after the first tenth of the clients, because for
//! these the server allocates what it needs only once.
//!
//! Processor time and memory come from Linux's `/proc`, so this runs on Linux only.
#![allow(
    clippy::cast_precision_loss,
    reason = "no number here is as large as 2^53"
)]

mod baseline;
mod change_maker;
mod clients;
mod decoder;
mod flags;
pub mod headers;
mod measurement;
mod recording;
mod report;
mod run;
mod technique;

pub use baseline::{serve_baseline, start_baseline};
pub use report::median;
pub use technique::{Pattern, Technique};

use std::{env, process::ExitCode};

use flags::Flags;
use report::Row;

/// Does what the command line asks for. It is the whole `main` of a lesson's `benches/load.rs`.
///
/// `cargo bench` measures. `cargo test` does the same with a few clients and prints no table. With arguments
/// (`cargo test NAME`), particular tests were asked for, and this does nothing.
#[must_use]
pub fn main(technique: Technique) -> ExitCode {
    if let Some(exit_code) = serve_baseline(technique.pattern) {
        return exit_code;
    }
    let is_bench = env::args().any(|argument| argument == "--bench");
    if !is_bench && (env::args().len() > 1 || !cfg!(target_os = "linux")) {
        return ExitCode::SUCCESS;
    }
    let outcome = if is_bench {
        measure(technique, &Flags::read())
    } else {
        try_out(technique)
    };
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    eprintln!("{}: {error}.", technique.lesson);
    ExitCode::FAILURE
}

/// Measures, prints the row of the table and writes it to the file that the flags name.
fn measure(technique: Technique, flags: &Flags) -> Result<(), String> {
    let row = Row::new(&run::run(technique, flags)?);
    row.print();
    let file = flags.json.as_deref();
    file.map_or(Ok(()), |file| row.write(file))
}

/// Checks in less than a second that every client receives every update.
fn try_out(technique: Technique) -> Result<(), String> {
    let measured = run::run(technique, &Flags::trial())?;
    let (lesson, clients) = (measured.lesson, measured.clients);
    println!("{lesson}: {clients} clients have received all updates");
    Ok(())
}
