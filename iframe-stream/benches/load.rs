//! What iframe streaming costs: `cargo bench -p iframe-stream`
//!
//! Each client sends one request, and the document never ends. Each update is a script.

use std::{process::ExitCode, time::Duration};

use testing::bench::headers::{IFRAME, get};
use testing::bench::{self, Pattern, Technique};

/// How often the server sends a heartbeat, unless a flag sets another time.
const HEARTBEAT: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    bench::main(Technique {
        lesson: env!("CARGO_PKG_NAME"),
        binary: env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))),
        request: |_| get("/users", IFRAME),
        pattern: Pattern::Stream("</script>"),
        idle_period: HEARTBEAT,
    })
}
