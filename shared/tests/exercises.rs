//! The exercises of all lessons: none is solved in this checkout, each solution solves its exercise, and a tempting
//! wrong solution does not.
//!
//! ```sh
//! cargo test -p shared --test exercises -- --ignored               # all lessons
//! LESSON=chat cargo test -p shared --test exercises -- --ignored   # one lesson
//! ```
//!
//! A lesson has exercises if it has a folder `solutions/`. Nothing has to be added here. `shared/README.md` says how to
//! write an exercise.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "an exercise that breaks a rule ends the test"
)]

#[path = "exercises/cargo.rs"]
mod cargo;
#[path = "exercises/check.rs"]
mod check;
#[path = "exercises/patch.rs"]
mod patch;
#[path = "exercises/scratch.rs"]
mod scratch;
#[path = "exercises/toy.rs"]
mod toy;

use std::path::Path;
use std::{env, fs};

use scratch::Scratch;

#[test]
#[ignore = "builds each lesson several times"]
fn every_exercise_is_unsolved_and_its_solution_solves_it() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let lessons = lessons_with_solutions(workspace);
    let wanted = env::var("LESSON").unwrap_or_default();
    let lessons: Vec<_> = lessons
        .iter()
        .filter(|name| wanted.is_empty() || **name == wanted)
        .collect();
    assert!(!lessons.is_empty(), "no lesson {wanted:?} has exercises");

    // target/debug/deps/exercises-0123456789abcdef
    let test = env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let scratch = Scratch::new(workspace, &target.join("exercises"));
    let mut problems = Vec::new();
    for lesson in lessons {
        problems.extend(check::problems_of(&scratch, lesson));
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Returns the names of the lessons that have a folder `solutions/`.
fn lessons_with_solutions(workspace: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(workspace)
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().join("solutions").is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
