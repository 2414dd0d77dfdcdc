//! The two servers that every lesson is compared with in the same run: the baseline and the bare hub.
//!
//! Each of them is the benchmark's own program, started a second time with an argument.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::process::{self, ExitCode};
use std::{env, thread};

use serde::{Deserialize, Serialize};

use super::technique::Pattern;
use super::{bare_hub, baseline};
use crate::server::{Server, server_command};

/// A server that a lesson is compared with.
#[derive(Debug, Clone, Copy)]
pub enum Comparison {
    /// A program that only writes: `baseline.rs`.
    Baseline,
    /// actix-web without the code of a lesson: `bare_hub.rs`.
    BareHub,
}

/// What these servers send besides updates, recorded from a lesson.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Responses {
    /// The response to a new client, up to the end of the first list.
    pub(super) first: Vec<u8>,
    /// The response to a client that polls and has the latest update.
    pub(super) unchanged: Vec<u8>,
}

impl Comparison {
    const ALL: [Self; 2] = [Self::Baseline, Self::BareHub];

    /// Returns the name for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Baseline => "the baseline",
            Self::BareHub => "the bare hub",
        }
    }

    /// Returns the argument with which a benchmark's program runs as this server.
    fn argument(self) -> &'static str {
        match self {
            Self::Baseline => "--baseline",
            Self::BareHub => "--bare-hub",
        }
    }

    /// Starts this server for a benchmark that records no lesson, such as the chat's. It responds to each new client with `first`, which begins with
    /// the headers of a response, and sends each posted update to all clients. The `main` of the calling program must
    /// begin with [`serve_comparison`].
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start(self, first: &[u8]) -> io::Result<Server> {
        self.start_with(&Responses {
            first: first.to_vec(),
            unchanged: Vec::new(),
        })
    }

    /// Starts this program a second time, as this server.
    pub(super) fn start_with(self, responses: &Responses) -> io::Result<Server> {
        let program = env::current_exe()?;
        let mut command = server_command(&program.to_string_lossy(), &[self.argument()]);
        let (reader, mut writer) = io::pipe()?;
        command.stdin(reader);
        let line = serde_json::to_string(responses)? + "\n";
        // A thread writes the line, because the line may be longer than the pipe's buffer. The thread keeps the pipe
        // open until this process ends.
        thread::spawn(move || {
            let written = writer.write_all(line.as_bytes());
            written.expect("a server that reads");
            loop {
                thread::park();
            }
        });
        Ok(Server::spawn(command))
    }

    /// Runs this server. Reads the [`Responses`] as JSON from the first line of stdin.
    fn serve(self, pattern: Pattern) -> io::Result<()> {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        let responses = serde_json::from_str(&line)?;
        thread::spawn(|| {
            // Stdin ends when the process that has started this one ends.
            io::stdin().read_to_end(&mut Vec::new()).ok();
            process::exit(0);
        });
        match self {
            Self::Baseline => baseline::serve(pattern, responses),
            Self::BareHub => bare_hub::serve(pattern, &responses),
        }
    }
}

/// Runs as a server to compare with if the command line has the argument for it, until the process that has started
/// this one ends. Returns `None` if there is no such argument.
#[must_use]
pub fn serve_comparison(pattern: Pattern) -> Option<ExitCode> {
    let is_wanted = |server: &Comparison| env::args().any(|argument| argument == server.argument());
    let server = Comparison::ALL.into_iter().find(is_wanted)?;
    let outcome = server.serve(pattern);
    let outcome = outcome.inspect_err(|error| eprintln!("{}: {error}.", server.name()));
    Some(outcome.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

/// Prints the address of a server as a lesson does.
pub(super) fn print_address(address: std::net::SocketAddr) -> io::Result<()> {
    println!("comparison: http://{address}/");
    io::stdout().flush()
}
