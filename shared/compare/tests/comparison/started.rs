//! Starts the comparison with the real lessons.
#![allow(dead_code, reason = "each of the two test programs uses a part of it")]

use std::path::Path;
use std::process::Command;
use std::sync::Once;

use testing::Server;

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

/// Starts the comparison on a free port.
pub(crate) fn start(flags: &[&str]) -> Server {
    build_missing_lessons();
    Server::start(BINARY, flags)
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
