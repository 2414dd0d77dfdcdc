//! The code that the top README shows is the code of the lessons.

use crate::{alike, read};

/// Stands in an excerpt for lines that are left out.
const OMITTED: &str = "// …";

#[test]
fn the_handlers_in_the_readme_are_those_of_the_lessons() {
    let readme = read("README.md");
    let (_, part) = readme
        .split_once("\n## The five `users` handlers\n")
        .unwrap();
    let part = part.split("\n## ").next().unwrap();
    for lesson in alike().map(|lesson| lesson.name) {
        let (_, text) = part.split_once(&format!("**`{lesson}`**")).unwrap();
        let (_, excerpt) = text.split_once("```rust\n").unwrap();
        let excerpt = excerpt.split("```").next().unwrap();
        let main = read(&format!("{lesson}/src/main.rs"));
        let problem = difference(excerpt, &main);
        assert_eq!(problem, None, "the excerpt of {lesson} in README.md");
    }
}

/// Returns the first line of the excerpt that the code does not have, or has in another order or not directly behind
/// the line before. Only where the excerpt says so, lines are left out.
fn difference<'a>(excerpt: &'a str, code: &str) -> Option<&'a str> {
    let mut rest = code.lines();
    let mut may_skip = true;
    for line in excerpt.lines() {
        if line.trim() == OMITTED {
            may_skip = true;
            continue;
        }
        let found = if may_skip {
            rest.any(|other| other == line)
        } else {
            rest.next() == Some(line)
        };
        if !found {
            return Some(line);
        }
        may_skip = false;
    }
    None
}

#[test]
fn a_changed_excerpt_is_found() {
    let code = "fn a() {\n    b();\n    c();\n    d();\n}\n";
    assert_eq!(difference("    b();\n    c();\n", code), None);
    assert_eq!(difference("fn a() {\n    // …\n    d();\n}", code), None);
    assert_eq!(difference("    b();\n    d();", code), Some("    d();"));
    assert_eq!(
        difference("    c();\n    // …\n    b();", code),
        Some("    b();")
    );
    assert_eq!(difference("    x();", code), Some("    x();"));
}
