//! The rules of exercises, and what a lesson does against them.
//!
//! A failed test is not yet a proof. Cargo also fails when the code does not compile, and it succeeds when a filter
//! matches no test. So the checks build first, look at the names of the tests that ran, and expect the message of the
//! exercise itself: `exercise 2: …`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::Path;

use crate::cargo::{self, Run};
use crate::patch::Patch;
use crate::scratch::Scratch;

/// The names of the tests of each exercise.
type Exercises = BTreeMap<u32, BTreeSet<String>>;

/// How often a test that has failed is run again before it counts as broken.
const REPEATS: usize = 5;

/// Checks the exercises of one lesson.
struct Checker<'a> {
    scratch: &'a Scratch,
    lesson: &'a str,
}

/// Returns what is wrong with the exercises of a lesson, one sentence for each exercise or patch.
pub(crate) fn problems_of(scratch: &Scratch, lesson: &str) -> Vec<String> {
    let checker = Checker { scratch, lesson };
    let problems = checker.problems().unwrap_or_else(|problem| vec![problem]);
    scratch.reset();
    problems
        .iter()
        .map(|problem| format!("{lesson}: {problem}"))
        .collect()
}

impl Checker<'_> {
    fn problems(&self) -> Result<Vec<String>, String> {
        self.scratch.reset();
        let solutions = self.scratch.workspace.join(self.lesson).join("solutions");
        let patches = Patch::read_all(&solutions)?;
        self.build()?;
        let exercises = self.exercises()?;
        let mut problems = Vec::new();
        for number in exercises.keys() {
            report(&format!("{}: exercise {number}", self.lesson));
            if let Err(problem) = self.check_unsolved(*number, &patches) {
                problems.push(format!("exercise {number} {problem}"));
            }
        }
        for patch in patches {
            let file = patch.path.file_name().unwrap().to_string_lossy();
            report(&format!("{}: {file}", self.lesson));
            if let Err(problem) = self.check_patch(&patch, &exercises) {
                problems.push(format!("{file} {problem}"));
            }
        }
        Ok(problems)
    }

    /// Builds the tests of the lesson, because a test that does not compile must not count as one that fails.
    fn build(&self) -> Result<(), String> {
        let run = self.cargo(&["test", "--no-run", "-p", self.lesson]);
        if !run.is_success {
            return Err(format!("does not compile:\n{}", run.output));
        }
        if run.output.contains("warning: ") {
            return Err(format!("compiles with warnings:\n{}", run.output));
        }
        Ok(())
    }

    fn exercises(&self) -> Result<Exercises, String> {
        let list = self.cargo(&[
            "test",
            "-p",
            self.lesson,
            "--test",
            "exercises",
            "--",
            "--list",
            "--ignored",
        ]);
        let names = list
            .output
            .lines()
            .filter_map(|line| line.strip_suffix(": test"));
        let mut exercises = Exercises::new();
        for name in names {
            let number = number_of(name)
                .ok_or_else(|| format!("the test {name} is not named exercise_N_…"))?;
            exercises.entry(number).or_default().insert(name.to_owned());
        }
        Ok(exercises)
    }

    /// Runs the tests of an exercise with the command that the README gives a student.
    fn run_exercise(&self, number: u32) -> Run {
        let filter = format!("exercise_{number}");
        self.cargo(&[
            "test",
            "-p",
            self.lesson,
            "--test",
            "exercises",
            &filter,
            "--",
            "--ignored",
        ])
    }

    fn check_unsolved(&self, number: u32, patches: &[Patch]) -> Result<(), String> {
        let is_solution = |patch: &Patch| patch.number == number && !patch.is_wrong;
        if !patches.iter().any(is_solution) {
            return Err("has no solution".into());
        }
        let run = self.run_exercise(number);
        if run.failed.is_empty() {
            return Err("is solved already".into());
        }
        expect_message(&run, number)
    }

    fn check_patch(&self, patch: &Patch, exercises: &Exercises) -> Result<(), String> {
        self.scratch.reset();
        let own = ["tests/exercises.rs", "solutions"].map(|path| Path::new(self.lesson).join(path));
        if let Some(file) = patch
            .files
            .iter()
            .find(|file| own.iter().any(|own| file.starts_with(own)))
        {
            return Err(format!("changes the exercise itself: {}", file.display()));
        }
        self.scratch.apply(patch)?;
        self.build()?;
        let tests = exercises.get(&patch.number);
        if patch.is_wrong {
            return match tests {
                None => Err("is for an exercise without a test".into()),
                Some(_) => self.check_still_unsolved(patch.number),
            };
        }
        let format = self.cargo(&["fmt", "--check", "-p", self.lesson]);
        if !format.is_success {
            return Err(format!("is not formatted:\n{}", format.output));
        }
        match tests {
            Some(tests) => self.check_solved(patch.number, tests)?,
            None if patch.breaks.is_empty() => {
                return Err("is for an exercise without a test, and has no line `Breaks: `".into());
            }
            None => {}
        }
        self.check_other_tests(patch)
    }

    fn check_solved(&self, number: u32, tests: &BTreeSet<String>) -> Result<(), String> {
        let run = self.run_exercise(number);
        if run.passed != *tests {
            return Err(format!("does not solve the exercise:\n{}", run.output));
        }
        Ok(())
    }

    fn check_still_unsolved(&self, number: u32) -> Result<(), String> {
        let run = self.run_exercise(number);
        if run.failed.is_empty() {
            return Err("is wrong, but the exercise accepts it".into());
        }
        expect_message(&run, number)
    }

    /// Checks that exactly the tests fail that the patch announces.
    fn check_other_tests(&self, patch: &Patch) -> Result<(), String> {
        let run = self.cargo(&["test", "--no-fail-fast", "-p", self.lesson]);
        if run.passed.is_empty() {
            return Err(format!("no test of the lesson ran:\n{}", run.output));
        }
        let missing: Vec<_> = patch.breaks.difference(&run.failed).collect();
        if !missing.is_empty() {
            let failed = &run.failed;
            return Err(format!(
                "announces `Breaks: ` with {missing:?}, but only {failed:?} fail"
            ));
        }
        let is_unexpected =
            |name: &&String| !patch.breaks.contains(*name) && !patch.may_break(name);
        let mut unexpected: BTreeSet<_> =
            run.failed.iter().filter(is_unexpected).cloned().collect();
        // On a busy machine a test can fail that waits for something. A test that the patch breaks fails every time.
        for _ in 0..REPEATS {
            if unexpected.is_empty() {
                return Ok(());
            }
            unexpected = self.run_again(&unexpected).failed;
        }
        Err(format!(
            "breaks {unexpected:?}, but no line `Breaks: ` says so"
        ))
    }

    fn run_again(&self, tests: &BTreeSet<String>) -> Run {
        let mut arguments = vec!["test", "--no-fail-fast", "-p", self.lesson, "--", "--exact"];
        arguments.extend(tests.iter().map(String::as_str));
        self.cargo(&arguments)
    }

    fn cargo(&self, arguments: &[&str]) -> Run {
        cargo::run(self.scratch, arguments)
    }
}

/// Says on stderr what is checked now, because it takes long. The macros for that write nothing while a test runs.
fn report(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}

/// Returns 2 for `exercise_2_leave_out_a_check`.
fn number_of(test: &str) -> Option<u32> {
    let (number, _) = test.strip_prefix("exercise_")?.split_once('_')?;
    // One digit, because the filter `exercise_1` would also match `exercise_10`.
    number
        .parse()
        .ok()
        .filter(|number| (1..=9).contains(number))
}

/// Checks that the test has failed by its own assertion, whose message says what to do.
fn expect_message(run: &Run, number: u32) -> Result<(), String> {
    let message = format!("exercise {number}: ");
    if run.output.contains(&message) {
        return Ok(());
    }
    let output = &run.output;
    Err(format!("fails without the message {message:?}:\n{output}"))
}
