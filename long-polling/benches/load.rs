//! What long polling costs: `cargo bench -p long-polling`
//!
//! Each client sends a request and waits. When the response comes, with an update or without, the client sends the next
//! request at once.

use std::{process::ExitCode, time::Duration};

use testing::bench::headers::{FETCH_NO_STORE, get};
use testing::bench::{self, Pattern, Technique};

/// As in `static/client.js`, in seconds.
const WAIT: u64 = 25;

fn main() -> ExitCode {
    bench::main(Technique {
        lesson: env!("CARGO_PKG_NAME"),
        binary: env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))),
        request,
        pattern: Pattern::LongPoll,
        idle_period: Duration::from_secs(WAIT),
    })
}

fn request(version: Option<u64>) -> String {
    let version = version.map_or(String::new(), |version| format!("&version={version}"));
    get(&format!("/users?wait={WAIT}{version}"), FETCH_NO_STORE)
}
