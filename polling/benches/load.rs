//! What polling costs: `cargo bench -p polling`
//!
//! Each client sends a request every second, with the version that it has. Most responses are 304.

use std::{process::ExitCode, time::Duration};

use testing::bench::headers::{FETCH_NO_STORE, get};
use testing::bench::{self, Pattern, Technique};

/// As in `static/client.js`.
const INTERVAL: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    bench::main(Technique {
        lesson: env!("CARGO_PKG_NAME"),
        binary: env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))),
        request,
        pattern: Pattern::Poll(INTERVAL),
        idle_period: INTERVAL,
    })
}

fn request(version: Option<u64>) -> String {
    let Some(version) = version else {
        return get("/users", FETCH_NO_STORE);
    };
    let tag = format!("If-None-Match: \"{version}\"\r\n");
    get("/users", &(tag + FETCH_NO_STORE))
}
