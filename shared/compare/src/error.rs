//! [`StartError`]: what can go wrong before the page is there.

use std::io;
use std::time::Duration;

/// Why the comparison could not start or had to end, and how to solve the problem.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(
        "port {0} is taken. Stop the program that uses it, or choose another port with --port (0 picks a free one)"
    )]
    PortTaken(u16),
    #[error("cannot listen on port {port}: {error}. Choose another port with --port")]
    Listen { port: u16, error: io::Error },
    #[error("cannot build the lessons with cargo: {0}")]
    Cargo(io::Error),
    #[error("the lessons cannot be built. Solve the problem that cargo reports above")]
    Build,
    #[error("cannot find the folder of this program: {0}")]
    Folder(io::Error),
    #[error("lesson {name} is not built. Run `cargo run -p compare`, which builds all lessons")]
    Missing { name: &'static str },
    #[error("cannot run the program of lesson {name}: {error}")]
    Spawn {
        name: &'static str,
        error: io::Error,
    },
    #[error(
        "lesson {name} has ended before it listened, so all lessons end. Start it alone to see the reason: cargo run -p {name}"
    )]
    Ended { name: &'static str },
    #[error("lesson {name} has not started in {} s, so all lessons end", .limit.as_secs())]
    Silent { name: &'static str, limit: Duration },
    #[error("the server failed: {0}")]
    Server(#[from] io::Error),
}
