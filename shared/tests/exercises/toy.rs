//! A small course that the checks are tried on: with each mistake, they must refuse it, and say why.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::check::problems_of;
use crate::scratch::Scratch;

/// The lesson. It cannot add yet.
const LESSON: &str = "/// Adds.\npub fn add(_: u32, _: u32) -> u32 {\n    0\n}\n";

/// The tests of the lesson. A solution must not break them.
const TESTS: &str = r"#[test]
fn zero_is_zero() {
    assert_eq!(toy::add(0, 0), 0);
}

#[test]
fn nothing_is_nothing() {}
";

const EXERCISE: &str = r#"#[test]
#[ignore = "exercise 1"]
fn exercise_1_add() {
    assert_eq!(toy::add(2, 3), 5, "exercise 1: add both numbers");
}
"#;

/// The course, with some of its files replaced.
struct Toy {
    folder: TempDir,
}

impl Toy {
    fn new() -> Self {
        let toy = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let status = Command::new("git")
            .args(["init", "--quiet"])
            .current_dir(toy.folder.path())
            .status();
        assert!(status.unwrap().success());
        toy.write(".gitignore", "target\nexercises\n");
        toy.write(
            "Cargo.toml",
            "[workspace]\nmembers = [\"toy\"]\nresolver = \"3\"\n",
        );
        let manifest = "[package]\nname = \"toy\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
        toy.write("toy/Cargo.toml", manifest);
        toy.write("toy/src/lib.rs", LESSON);
        toy.write("toy/tests/lesson.rs", TESTS);
        toy.write("toy/tests/exercises.rs", EXERCISE);
        toy.solution("1.patch", "", "    0", "    a + b");
        toy
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a patch that makes `add` return `body`.
    fn solution(&self, name: &str, header: &str, old: &str, body: &str) {
        let parameters = if body.contains('a') {
            "a: u32, b: u32"
        } else {
            "_: u32, _: u32"
        };
        let patch = format!(
            "Exercise 1: Add\n\n{header}\n\ndiff --git a/toy/src/lib.rs b/toy/src/lib.rs\n--- a/toy/src/lib.rs\n\
            +++ b/toy/src/lib.rs\n@@ -1,4 +1,4 @@\n /// Adds.\n-pub fn add(_: u32, _: u32) -> u32 {{\n-{old}\n\
            +pub fn add({parameters}) -> u32 {{\n+{body}\n }}\n"
        );
        self.write(&format!("toy/solutions/{name}"), &patch);
    }

    /// Checks the course, in an ignored folder of its own repository as the real ones.
    fn problems(&self) -> Vec<String> {
        let root = self.folder.path();
        problems_of(&Scratch::new(root, &root.join("target/exercises")), "toy")
    }

    /// Checks that there is one problem, with this text.
    fn expect_problem(&self, text: &str) {
        let problems = self.problems();
        assert!(
            matches!(&problems[..], [problem] if problem.contains(text)),
            "expected {text:?}, got {problems:#?}"
        );
    }
}

#[test]
#[ignore = "calls cargo many times"]
fn a_good_exercise_is_accepted() {
    let toy = Toy::new();
    toy.solution("1.wrong.patch", "", "    0", "    a * b");
    assert_eq!(toy.problems(), [""; 0]);
    assert!(fs::read_to_string(toy.folder.path().join("toy/src/lib.rs")).unwrap() == LESSON);
}

#[test]
#[ignore = "calls cargo many times"]
fn an_exercise_that_is_solved_already_is_refused() {
    let toy = Toy::new();
    toy.write(
        "toy/tests/exercises.rs",
        &EXERCISE.replace(", 5", ", 0").replace("2, 3", "0, 0"),
    );
    toy.expect_problem("exercise 1 is solved already");
}

#[test]
#[ignore = "calls cargo many times"]
fn an_exercise_that_does_not_compile_is_refused() {
    let toy = Toy::new();
    toy.write(
        "toy/tests/exercises.rs",
        &EXERCISE.replace("toy::add", "toy::sum"),
    );
    toy.expect_problem("does not compile");
}

#[test]
#[ignore = "calls cargo many times"]
fn an_exercise_that_fails_for_another_reason_is_refused() {
    let toy = Toy::new();
    toy.write(
        "toy/tests/exercises.rs",
        &EXERCISE.replace("exercise 1: add", "add"),
    );
    toy.expect_problem("exercise 1 fails without the message");
}

#[test]
#[ignore = "calls cargo many times"]
fn an_exercise_without_a_solution_is_refused() {
    let toy = Toy::new();
    toy.write(
        "toy/tests/exercises.rs",
        &format!("{EXERCISE}{}", EXERCISE.replace("exercise_1", "exercise_2")),
    );
    toy.expect_problem("exercise 2 has no solution");
}

#[test]
#[ignore = "calls cargo many times"]
fn a_solution_that_does_not_solve_the_exercise_is_refused() {
    let toy = Toy::new();
    toy.solution("1.patch", "", "    0", "    a * b");
    toy.expect_problem("1.patch does not solve the exercise");
}

#[test]
#[ignore = "calls cargo many times"]
fn a_solution_that_does_not_compile_is_refused() {
    let toy = Toy::new();
    toy.solution("1.patch", "", "    0", "    a + c");
    toy.expect_problem("1.patch does not compile");
}

#[test]
#[ignore = "calls cargo many times"]
fn a_solution_that_does_not_apply_is_refused() {
    let toy = Toy::new();
    toy.solution("1.patch", "", "    1", "    a + b");
    toy.expect_problem("1.patch does not apply");
}

#[test]
#[ignore = "calls cargo many times"]
fn a_solution_that_changes_nothing_is_refused() {
    let toy = Toy::new();
    toy.write("toy/solutions/1.patch", "Exercise 1: Add\n");
    toy.expect_problem("1.patch does not apply");
}

#[test]
#[ignore = "calls cargo many times"]
fn a_solution_that_changes_its_own_test_is_refused() {
    let toy = Toy::new();
    let patch = fs::read_to_string(toy.folder.path().join("toy/solutions/1.patch")).unwrap();
    let patch = patch.replace("toy/src/lib.rs", "toy/tests/exercises.rs");
    toy.write("toy/solutions/1.patch", &patch);
    toy.expect_problem("1.patch changes the exercise itself");
}

#[test]
#[ignore = "calls cargo many times"]
fn a_broken_test_that_is_not_announced_is_refused() {
    let toy = Toy::new();
    toy.solution("1.patch", "", "    0", "    5 + 0 * (a + b)");
    toy.expect_problem("1.patch breaks {\"zero_is_zero\"}");
    toy.solution(
        "1.patch",
        "Breaks: zero_is_zero",
        "    0",
        "    5 + 0 * (a + b)",
    );
    assert_eq!(toy.problems(), [""; 0]);
}

#[test]
#[ignore = "calls cargo many times"]
fn a_test_that_is_announced_and_does_not_break_is_refused() {
    let toy = Toy::new();
    toy.solution("1.patch", "Breaks: zero_is_zero", "    0", "    a + b");
    toy.expect_problem("with [\"zero_is_zero\"], but only {} fail");
}

#[test]
#[ignore = "calls cargo many times"]
fn a_wrong_solution_that_passes_is_refused() {
    let toy = Toy::new();
    toy.solution("1.wrong.patch", "", "    0", "    5 + 0 * (a + b)");
    toy.expect_problem("1.wrong.patch is wrong, but the exercise accepts it");
}

#[test]
#[ignore = "calls cargo many times"]
fn an_exercise_without_a_test_must_break_something() {
    let toy = Toy::new();
    toy.write("toy/tests/exercises.rs", "//! No tests.\n");
    toy.expect_problem("has no line `Breaks: `");
    toy.solution(
        "1.patch",
        "Breaks: zero_is_zero",
        "    0",
        "    5 + 0 * (a + b)",
    );
    assert_eq!(toy.problems(), [""; 0]);
}
