//! What Server-Sent Events cost: `cargo bench -p sse`
//!
//! Each client sends one request, and the response never ends. An event ends with an empty line.

use std::{process::ExitCode, time::Duration};

use testing::bench::headers::{EVENT_SOURCE, get};
use testing::bench::{self, Pattern, Technique};

/// How often the server sends a ping, unless a flag sets another time.
const HEARTBEAT: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    bench::main(Technique {
        lesson: env!("CARGO_PKG_NAME"),
        binary: env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))),
        request: |_| get("/users", EVENT_SOURCE),
        pattern: Pattern::Stream("\n\n"),
        idle_period: HEARTBEAT,
    })
}
