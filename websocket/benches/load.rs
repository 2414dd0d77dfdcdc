//! What a WebSocket costs: `cargo bench -p websocket`
//!
//! Each client makes a handshake and then reads frames; it answers pings, as every browser does.

use std::{process::ExitCode, time::Duration};

use testing::bench::{self, Pattern, Technique, headers::WEB_SOCKET};

/// How often the server sends a ping, unless a flag sets another time.
const HEARTBEAT: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    bench::main(Technique {
        lesson: env!("CARGO_PKG_NAME"),
        binary: env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))),
        request: |_| WEB_SOCKET.to_owned(),
        pattern: Pattern::Stream(""),
        idle_period: HEARTBEAT,
    })
}
