//! Each exercise has a text, a test and a solution, and they agree. `tests/exercises.rs` runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use shared::catalog::LESSONS;

use crate::{read, workspace};

/// The number of an exercise → its title.
type Titles = BTreeMap<u32, String>;

#[test]
fn each_exercise_has_a_text_a_test_a_solution_and_an_answer() {
    for lesson in LESSONS.iter().map(|lesson| lesson.name) {
        // The other lessons have no exercises yet that check themselves.
        if workspace().join(lesson).join("solutions").is_dir() {
            check_lesson(lesson);
        }
    }
}

fn check_lesson(lesson: &str) {
    let titles = titles_in_readme(&read(&format!("{lesson}/README.md")), lesson);
    let tested = titles_of_tests(&read(&format!("{lesson}/tests/exercises.rs")));
    for (number, title) in &tested {
        assert_eq!(titles.get(number), Some(title), "{lesson}: the test");
    }
    let mut solved = BTreeSet::new();
    for file in fs::read_dir(workspace().join(lesson).join("solutions")).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_name().unwrap().to_string_lossy();
        let patch = fs::read_to_string(&file).unwrap();
        let (number, title) = titles_after(&patch, "Exercise ").pop_first().unwrap();
        assert!(name.starts_with(&format!("{number}.")), "{lesson}: {name}");
        assert_eq!(titles.get(&number), Some(&title), "{lesson}: {name}");
        let breaks_something = patch.lines().any(|line| line.starts_with("Breaks: "));
        assert!(
            tested.contains_key(&number) || breaks_something,
            "{lesson}: exercise {number} has no test, and {name} has no line `Breaks: `"
        );
        if name == format!("{number}.patch") {
            solved.insert(number);
        }
    }
    let numbers: BTreeSet<_> = titles.keys().copied().collect();
    let expected = 1..=u32::try_from(titles.len()).unwrap();
    assert_eq!(numbers, expected.collect(), "{lesson}: the numbers");
    assert_eq!(numbers, solved, "{lesson}: each exercise has a solution");
}

/// Returns the titles of `### N. Title` below `## Exercises`. Checks that each exercise and each `### Question: …` has
/// an answer that can be unfolded.
fn titles_in_readme(readme: &str, lesson: &str) -> Titles {
    let (_, part) = readme.split_once("\n## Exercises\n").unwrap();
    let part = part.split("\n## ").next().unwrap();
    let mut titles = Titles::new();
    for section in part.split("\n### ").skip(1) {
        let heading = section.lines().next().unwrap();
        let mut needed = vec!["<summary>Answer</summary>"];
        if !heading.starts_with("Question: ") {
            let (number, title) = heading.split_once(". ").unwrap();
            titles.insert(number.parse().unwrap(), title.to_owned());
            needed = vec![
                "<summary>Hint</summary>",
                "<summary>You should see</summary>",
            ];
        }
        for summary in needed {
            assert!(section.contains(summary), "{lesson}: {heading}: {summary}");
        }
        assert_eq!(
            section.matches("<details>").count(),
            section.matches("</details>").count(),
            "{lesson}: {heading}"
        );
    }
    titles
}

/// Returns the titles in the comments of tests, and checks that each test has one.
fn titles_of_tests(code: &str) -> Titles {
    let titles = titles_after(code, "/// Exercise ");
    let tests = code.matches("fn exercise_").count();
    assert_eq!(
        titles.len(),
        tests,
        "each test begins with `/// Exercise N: Title`"
    );
    for number in titles.keys() {
        assert!(code.contains(&format!("fn exercise_{number}_")));
    }
    titles
}

/// Returns number and title of each line that begins with `start`, such as `Exercise 1: Title`.
fn titles_after(text: &str, start: &str) -> Titles {
    let lines = text.lines().filter_map(|line| line.strip_prefix(start));
    let pairs = lines.filter_map(|line| line.split_once(": "));
    pairs
        .filter_map(|(number, title)| Some((number.parse().ok()?, title.to_owned())))
        .collect()
}
