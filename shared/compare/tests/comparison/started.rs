//! Starts the comparison with the real lessons.
#![allow(
    dead_code,
    reason = "each of the two test programs uses a part of this"
)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a failure ends the test"
)]

use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::sync::{Once, mpsc};
use std::thread;

use testing::{Exit, Server, Signal, TEST_TIMEOUT};

/// The program, as `cargo run -p compare` starts it.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_compare");

/// The lessons that are compared.
pub(crate) const LESSONS: [&str; 5] = [
    "polling",
    "long-polling",
    "iframe-stream",
    "sse",
    "websocket",
];

/// A running comparison. Dropping it ends it as Ctrl-C does: a killed one could not end its lessons.
pub(crate) struct Comparison(Option<Server>);

impl Comparison {
    /// Starts the comparison with the real lessons.
    pub(crate) fn start(flags: &[&str]) -> Self {
        build_missing_lessons();
        Self::of(BINARY, flags)
    }

    /// Starts the comparison that is at `path`, with what is beside it.
    pub(crate) fn of(path: &str, flags: &[&str]) -> Self {
        Self(Some(Server::start(path, flags)))
    }

    /// Sends a signal, and waits for the end.
    pub(crate) fn end(mut self, signal: Signal) -> Exit {
        let server = self.0.take().unwrap();
        server.signal(signal);
        in_time(move || server.wait())
    }
}

impl Deref for Comparison {
    type Target = Server;

    fn deref(&self) -> &Server {
        self.0.as_ref().unwrap()
    }
}

impl Drop for Comparison {
    fn drop(&mut self) {
        if let Some(server) = self.0.take() {
            server.signal(Signal::TERM);
            drop(in_time(move || server.wait()));
        }
    }
}

/// Returns the result of `work`. Panics if that takes too long: the lessons have the same stderr as the process, so a
/// test that reads stderr to its end would wait for ever if the process ended without ending its lessons.
pub(crate) fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || sender.send(work()));
    receiver
        .recv_timeout(TEST_TIMEOUT)
        .expect("the comparison ends, and all lessons with it")
}

/// Returns the origins of the lessons that the page shows.
pub(crate) async fn lesson_origins(server: &Server) -> Vec<String> {
    let page = server.get("/").await.text().await.unwrap();
    let frames = page.split("data-src=\"").skip(1);
    let origins = frames.map(|frame| frame.split_once("/?view=timeline\"").unwrap().0);
    origins.map(str::to_owned).collect()
}

/// Returns the path of a lesson's program.
pub(crate) fn program_of(lesson: &str) -> String {
    build_missing_lessons();
    let program = Path::new(BINARY).with_file_name(lesson);
    program.to_str().unwrap().to_owned()
}

/// Builds the lessons, unless all are there. `cargo test` has built them, and `cargo test -p compare` has not.
fn build_missing_lessons() {
    static BUILD: Once = Once::new();
    BUILD.call_once(|| {
        let folder = Path::new(BINARY).parent().unwrap();
        if LESSONS.iter().all(|name| folder.join(name).is_file()) {
            return;
        }
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--target-dir"]);
        command.arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            command.arg("--release");
        }
        command.args(LESSONS.iter().flat_map(|name| ["-p", name]));
        assert!(command.status().unwrap().success(), "the lessons are built");
    });
}
