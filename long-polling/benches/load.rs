//! What long polling costs: `cargo bench -p long-polling`
//!
//! Each client asks once and waits; when the answer comes, with news or without, it asks again at once.

use std::{process::ExitCode, time::Duration};

use testing::bench::headers::{FETCH_NO_STORE, get};
use testing::bench::{self, Technique, Then};

/// As in `static/client.js`, in seconds.
const WAIT: u64 = 25;

fn main() -> ExitCode {
    bench::main(Technique {
        lesson: env!("CARGO_PKG_NAME"),
        binary: env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))),
        request,
        then: Then::AskAtOnce,
        silence: Duration::from_secs(WAIT),
    })
}

fn request(seen: Option<u64>) -> String {
    let seen = seen.map_or(String::new(), |version| format!("&version={version}"));
    get(&format!("/users?wait={WAIT}{seen}"), FETCH_NO_STORE)
}
