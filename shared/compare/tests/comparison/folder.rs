//! A folder with `compare` and programs that stand in for the lessons beside it.
#![allow(
    dead_code,
    reason = "each of the two test programs uses a part of this"
)]
#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{fs, io};

use tempfile::TempDir;
use testing::{Signal, TEST_TIMEOUT, eventually};

use crate::started::{BINARY, LESSONS, in_time};

/// The folder of the programs that stand in for others.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs");

/// A folder like `target/debug`.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// Creates a folder in which every lesson is `listens.sh`, except for `others`: names, and the programs that are
    /// behind them.
    pub(crate) fn with(others: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        // A link, because a file that was just written can be busy and then does not start.
        fs::hard_link(BINARY, folder.path("compare")).unwrap();
        let lessons = LESSONS.iter().map(|name| (*name, "listens.sh"));
        let is_replaced = |name| others.iter().any(|(other, _)| *other == name);
        let lessons = lessons.filter(|(name, _)| !is_replaced(*name));
        for (name, program) in lessons.chain(others.iter().copied()) {
            symlink(Path::new(PROGRAMS).join(program), folder.path(name)).unwrap();
        }
        folder
    }

    /// Returns the path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Returns the number of the process that stands in for a lesson, if it has started.
    pub(crate) fn process(&self, lesson: &str) -> Option<u32> {
        let number = fs::read_to_string(self.path(&format!("{lesson}.process"))).ok()?;
        number.trim_end().parse().ok()
    }

    /// Starts `compare` with these environment variables, and does not wait for it.
    pub(crate) fn spawn(&self, environment: &[(&str, &str)]) -> Starting {
        let mut command = Command::new(self.path("compare"));
        command.env_clear().envs(environment.iter().copied());
        command.args(["--port", "0"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Starting(command.stderr(Stdio::piped()).spawn().unwrap())
    }
}

/// A process that may not have printed its address yet. Dropping it kills the process.
pub(crate) struct Starting(Child);

impl Starting {
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), signal).unwrap();
    }

    /// Waits until the process has ended, and returns its exit code and what it has written to stderr.
    pub(crate) async fn wait(mut self) -> (Option<i32>, String) {
        let child = &mut self.0;
        let has_ended = || child.try_wait().unwrap().is_some();
        eventually("the process has ended", TEST_TIMEOUT, has_ended).await;
        let stderr = child.stderr.take().unwrap();
        let stderr = in_time(|| io::read_to_string(stderr).unwrap());
        (child.wait().unwrap().code(), stderr)
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // Both fail if the process has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
