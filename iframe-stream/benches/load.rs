//! What iframe streaming costs: `cargo bench -p iframe-stream`
//!
//! Each client asks once, and the document never ends. Each piece of news is a script.

use std::{process::ExitCode, time::Duration};

use testing::bench::headers::{IFRAME, get};
use testing::bench::{self, Technique, Then};

/// How often the server says that it is still there, unless a flag says otherwise.
const HEARTBEAT: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    bench::main(Technique {
        lesson: env!("CARGO_PKG_NAME"),
        binary: env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))),
        request: |_| get("/users", IFRAME),
        then: Then::Listen("</script>"),
        silence: HEARTBEAT,
    })
}
