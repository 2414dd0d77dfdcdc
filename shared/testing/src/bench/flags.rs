//! [`Flags`]: the flags of `cargo bench -p LESSON -- …`.

use std::path::PathBuf;

use clap::Parser;

/// Measures what a technique costs.
///
/// "× baseline" is the server's processor time as a multiple of a program that only writes the same bytes. The line below
/// the table has the same multiple and the memory of a bare hub, a plain actix-web server without the code of the lessons.
#[derive(Debug, Clone, Parser)]
#[command(bin_name = "cargo bench -p LESSON --")]
pub(super) struct Flags {
    /// How many clients watch the list
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=28_000))]
    pub(super) clients: u32,

    /// How many changes are made, one at a time
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) updates: u32,

    /// For how many seconds at least no changes are made after that; 0 skips this part
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(super) idle: u64,

    /// Also write the row to this file, a JSON array with one row for each lesson; a relative path starts at the
    /// workspace
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Polling: how long a client waits before its next request [default: as long as a browser]
    #[arg(long, value_name = "MILLISECONDS")]
    pub(super) pause: Option<u64>,

    /// (Only the trial does not wait until a server is idle before it is measured.)
    #[arg(skip = true)]
    pub(super) settles: bool,

    /// (`cargo bench` adds this flag)
    #[arg(long, hide = true)]
    bench: bool,
}

impl Flags {
    /// Reads the command line. A wrong flag ends the process with a message.
    pub(super) fn read() -> Self {
        Self::parse()
    }

    /// Returns the flags for `cargo test`. There are so few clients and updates that the run takes less than a second.
    pub(super) fn trial() -> Self {
        Self {
            clients: 20,
            updates: 3,
            idle: 0,
            json: None,
            pause: Some(50),
            settles: false,
            bench: false,
        }
    }
}
