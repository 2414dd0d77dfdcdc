//! [`Patch`]: a file of `solutions/`. It is the output of `git diff`, with a text before it that git ignores:
//!
//! ```text
//! Exercise 2: Leave out a check
//!
//! Why the solution is as it is, for who has solved the exercise.
//!
//! Breaks: a_test_that_fails_now, another::one
//! May break: a_test_that_fails_sometimes, reader::tests::*
//!
//! diff --git a/chat/src/reader.rs b/chat/src/reader.rs
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A solution of an exercise, or a wrong one.
pub(crate) struct Patch {
    pub(crate) path: PathBuf,
    /// The number of the exercise.
    pub(crate) number: u32,
    /// `N.wrong.patch`: it is tempting, and does not solve the exercise.
    pub(crate) is_wrong: bool,
    /// The files that it changes.
    pub(crate) files: BTreeSet<PathBuf>,
    /// The tests of the lesson that fail with it.
    pub(crate) breaks: BTreeSet<String>,
    /// The tests of the lesson that may fail with it; `reader::*` is all tests of a module.
    may_break: BTreeSet<String>,
}

impl Patch {
    /// Reads all patches of a lesson, sorted by their names.
    pub(crate) fn read_all(solutions: &Path) -> Result<Vec<Self>, String> {
        let mut paths: Vec<_> = fs::read_dir(solutions)
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        paths.sort();
        paths.into_iter().map(Self::read).collect()
    }

    /// Returns whether this test may fail with the patch.
    pub(crate) fn may_break(&self, test: &str) -> bool {
        self.may_break
            .iter()
            .any(|name| match name.strip_suffix('*') {
                Some(start) => test.starts_with(start),
                None => test == name,
            })
    }

    fn read(path: PathBuf) -> Result<Self, String> {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let parts: Vec<_> = name.split('.').collect();
        let (number, is_wrong) = match parts[..] {
            [number, "patch"] => (number.parse(), false),
            [number, "wrong", "patch"] => (number.parse(), true),
            _ => return Err(format!("{name}: the name is not N.patch or N.wrong.patch")),
        };
        let number =
            number.map_err(|_| format!("{name}: the name does not begin with a number"))?;
        if !text.starts_with(&format!("Exercise {number}: ")) {
            return Err(format!(
                "{name}: does not begin with \"Exercise {number}: \""
            ));
        }
        let header = text.split("\ndiff --git ").next().unwrap();
        Ok(Self {
            number,
            is_wrong,
            files: changed_files(&text),
            breaks: names_after(header, "Breaks: "),
            may_break: names_after(header, "May break: "),
            path,
        })
    }
}

/// Returns `b/path` of each `diff --git a/path b/path`.
fn changed_files(text: &str) -> BTreeSet<PathBuf> {
    let heads = text
        .lines()
        .filter_map(|line| line.strip_prefix("diff --git a/"));
    heads
        .filter_map(|head| head.split_once(" b/"))
        .map(|(_, path)| path.into())
        .collect()
}

fn names_after(header: &str, label: &str) -> BTreeSet<String> {
    let lines = header.lines().filter_map(|line| line.strip_prefix(label));
    lines
        .flat_map(|names| names.split(','))
        .map(|name| name.trim().to_owned())
        .collect()
}
