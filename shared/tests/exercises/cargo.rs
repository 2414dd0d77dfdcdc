//! Runs cargo in the copy of the workspace, and reads which tests have passed and which have failed.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::scratch::Scratch;

/// How long one call of cargo may take. The tests of a lesson need a few minutes at most, even on a slow machine with
/// everything to build. Some mistakes make a test wait forever.
const RUN_LIMIT: Duration = Duration::from_secs(20 * 60);

/// How often to look whether cargo has ended.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// What cargo has done.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) is_success: bool,
    pub(crate) passed: BTreeSet<String>,
    pub(crate) failed: BTreeSet<String>,
    /// All that cargo and the tests have written.
    pub(crate) output: String,
}

/// Runs cargo with these arguments. Panics if it takes too long.
pub(crate) fn run(scratch: &Scratch, arguments: &[&str]) -> Run {
    let log = scratch.target.with_file_name("output.txt");
    let file = File::create(&log).unwrap();
    let mut child = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(&scratch.workspace)
        .env("CARGO_TARGET_DIR", &scratch.target)
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        // A group of its own, so that the tests and their servers can be ended with cargo.
        .process_group(0)
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > RUN_LIMIT {
            kill_process_group(Pid::from_child(&child), Signal::KILL).unwrap();
            panic!("`cargo {}` did not end", arguments.join(" "));
        }
        sleep(CHECK_INTERVAL);
    };
    let output = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
    Run {
        is_success: status.success(),
        passed: tests_with(&output, "ok"),
        failed: tests_with(&output, "FAILED"),
        output,
    }
}

/// Returns the names of the tests whose line `test NAME ... RESULT` has this result.
fn tests_with(output: &str, result: &str) -> BTreeSet<String> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("test "));
    let results = lines.filter_map(|line| line.rsplit_once(" ... "));
    results
        .filter(|(_, one)| *one == result)
        .map(|(name, _)| name.trim_end_matches(" - should panic").to_owned())
        .collect()
}

#[test]
fn the_results_of_tests_are_read() {
    let output = "test a::b ... ok\ntest c - should panic ... FAILED\ntest d ... ignored, exercise 1\n\
        test result: ok. 1 passed";
    assert_eq!(tests_with(output, "ok"), ["a::b".to_owned()].into());
    assert_eq!(tests_with(output, "FAILED"), ["c".to_owned()].into());
}
