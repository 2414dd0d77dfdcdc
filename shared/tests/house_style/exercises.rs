//! Each exercise has a text, a test and a solution, and they agree. `tests/exercises.rs` runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use shared::catalog::LESSONS;

use crate::{read, workspace};

/// The number of an exercise → its title.
type Titles = BTreeMap<u32, String>;

#[test]
fn each_exercise_has_a_text_a_test_a_solution_and_an_answer() {
    for lesson in LESSONS {
        let solutions = workspace().join(lesson.name).join("solutions");
        if !solutions.is_dir() {
            continue; // This lesson has no exercises yet that check themselves.
        }
        let readme = read(&format!("{}/README.md", lesson.name));
        let texts = titles_in_readme(&readme, lesson.name);
        let tests = titles_of_tests(&read(&format!("{}/tests/exercises.rs", lesson.name)));
        let mut solved = BTreeSet::new();
        for file in fs::read_dir(&solutions).unwrap().flatten() {
            let name = file.file_name().into_string().unwrap();
            let patch = fs::read_to_string(file.path()).unwrap();
            let (number, title) = titles_after(&patch, "Exercise ")
                .into_iter()
                .next()
                .unwrap();
            assert!(
                name.starts_with(&format!("{number}.")),
                "{}: {name}",
                lesson.name
            );
            assert_eq!(texts.get(&number), Some(&title), "{}: {name}", lesson.name);
            let breaks_something = patch.lines().any(|line| line.starts_with("Breaks: "));
            assert!(
                tests.contains_key(&number) || breaks_something,
                "{}: exercise {number} has no test, and {name} has no line `Breaks: `",
                lesson.name
            );
            if name == format!("{number}.patch") {
                solved.insert(number);
            }
        }
        for (number, title) in &tests {
            assert_eq!(
                texts.get(number),
                Some(title),
                "{}: the test of {number}",
                lesson.name
            );
        }
        let numbers: BTreeSet<_> = texts.keys().copied().collect();
        assert_eq!(
            numbers,
            (1..=u32::try_from(texts.len()).unwrap()).collect(),
            "{}",
            lesson.name
        );
        assert_eq!(
            numbers, solved,
            "{}: each exercise has a solution",
            lesson.name
        );
    }
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
