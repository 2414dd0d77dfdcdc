//! What a technique costs: `cargo bench -p sse`, or `cargo bench` for all lessons.
//!
//! A lesson's `benches/load.rs` describes the requests of a browser. Here one thread has a thousand sockets that do the
//! same as browsers, but need little processor time themselves:
//!
//! 1. The lesson's binary starts on a free port. The clients connect, and each waits until it has the list.
//! 2. The same number of clients connect to the baseline (`baseline.rs`), a server that only writes the same bytes, and
//!    to the bare hub (`bare_hub.rs`), a plain actix-web server that sends the same responses.
//! 3. Changes are made one at a time. `POST /users` and `DELETE /users/{id}` alternate, so that the list stays short.
//!    After each change the run waits until every client has the update. A **delay** is the time from just before the
//!    request for the change is written until a client has read the update. The changes are made in rounds. At the end
//!    of a round the baseline sends the same updates, and then the bare hub. A busy or slow machine slows down all
//!    servers, so the result is the processor time of the lesson and of the bare hub as a multiple of the baseline's,
//!    for the same number of messages. It is the median of the rounds.
//! 4. Then no changes are made for a time. It is a multiple of the technique's idle period, such as its heartbeat.
//!
//! The binary is the same as that of `cargo build --release`, except for one thing: cargo also enables a feature of
//! tokio that tests need (a clock that can be paused). The memory for each client is measured without the first tenth
//! of the clients, because during these the server allocates memory that it needs only once.
//!
//! Processor time and memory come from Linux's `/proc`, so this runs on Linux only.
#![allow(
    clippy::cast_precision_loss,
    reason = "no number here is as large as 2^53"
)]

mod bare_hub;
mod baseline;
mod change_maker;
mod clients;
mod comparison;
mod decoder;
mod flags;
pub mod headers;
mod measurement;
mod recording;
mod report;
mod run;
mod technique;

pub use comparison::{Comparison, serve_comparison};
pub use report::median;
pub use technique::{Pattern, Technique};

use std::{env, process::ExitCode};

use flags::Flags;
use report::Row;

/// Runs a lesson's benchmark. This is the whole `main` of its `benches/load.rs`.
///
/// `cargo bench` measures. `cargo test` does the same with a few clients and prints no table. `cargo test NAME` selects
/// particular tests, so with arguments this does nothing.
#[must_use]
pub fn main(technique: Technique) -> ExitCode {
    if let Some(exit_code) = serve_comparison(technique.pattern) {
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

/// Measures, prints the row of the table, and writes the row to the file that the flag `--json` names.
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
