//! [`ClientCode`]: a lesson's `client.js` as the page shows it: the idea first, then what makes it robust, and what differs
//! from the lesson before.

use std::{io, iter, path::Path};

use crate::catalog::{LESSONS, Lesson, LessonInfo};

/// The start of the comment that ends the idea in each `client.js`.
const ROBUST_PART: &str = "// What makes it robust";

/// What the page shows of a `client.js`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ClientCode {
    /// The technique itself; the whole file if it does not have the comment.
    pub(super) idea: Vec<Line>,
    /// Time limits, back-off and the like.
    pub(super) robust: Vec<Line>,
    /// The lesson before, if its file could be read.
    pub(super) previous: Option<LessonInfo>,
    /// How the idea differs from that of the lesson before: code only, without comments and empty lines.
    pub(super) changes: Vec<(Change, String)>,
}

/// A line of code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    /// Whether the line is nothing but a comment.
    pub(super) is_comment: bool,
}

/// What happened to a line from one lesson to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Same,
    Removed,
    Added,
}

impl Change {
    /// Returns the sign that a diff has in front of the line.
    pub(super) fn sign(self) -> char {
        match self {
            Self::Same => ' ',
            Self::Removed => '−',
            Self::Added => '+',
        }
    }

    /// Returns the name of the line's class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Removed => "removed",
            Self::Added => "added",
        }
    }
}

impl ClientCode {
    /// Reads the file of the lesson and that of the lesson before, which is in the folder beside it.
    pub(super) fn read(lesson: &Lesson) -> Self {
        let text = read_client(&lesson.static_folder())
            .unwrap_or_else(|error| format!("// static/client.js could not be read: {error}"));
        let number = lesson.info().number;
        let before = LESSONS.iter().find(|other| other.number + 1 == number);
        let previous = before.and_then(|before| {
            let folder = Path::new(lesson.folder).join("..").join(before.name);
            let text = read_client(&folder.join("static")).ok()?;
            Some((*before, text))
        });
        Self::new(&text, previous)
    }

    fn new(text: &str, previous: Option<(LessonInfo, String)>) -> Self {
        let (idea, robust) = split(text);
        let changes = previous.as_ref().map(|(_, text)| {
            let (old_idea, _) = split(text);
            diff(&code_of(&old_idea), &code_of(&idea))
        });
        Self {
            changes: changes.unwrap_or_default(),
            previous: previous.map(|(info, _)| info),
            idea,
            robust,
        }
    }
}

/// The file is read at each request: a student edits it while the server runs.
fn read_client(static_folder: &Path) -> io::Result<String> {
    std::fs::read_to_string(static_folder.join("client.js"))
}

/// Splits a file into the idea and what makes it robust.
fn split(text: &str) -> (Vec<Line>, Vec<Line>) {
    let lines: Vec<_> = text.lines().map(Line::new).collect();
    let end = lines
        .iter()
        .position(|line| line.text.starts_with(ROBUST_PART));
    let mut idea = lines;
    let robust = idea.split_off(end.unwrap_or(idea.len()));
    (idea, robust)
}

impl Line {
    fn new(text: &str) -> Self {
        let start = text.trim_start();
        let is_comment = ["//", "/*", "*"].iter().any(|mark| start.starts_with(mark));
        Self {
            text: text.to_owned(),
            is_comment,
        }
    }
}

/// Returns the lines that are neither comment nor empty.
fn code_of(lines: &[Line]) -> Vec<&str> {
    let is_code = |line: &&Line| !line.is_comment && !line.text.trim().is_empty();
    lines
        .iter()
        .filter(is_code)
        .map(|line| &*line.text)
        .collect()
}

/// Returns the shortest list of changes from `old` to `new`: the lines of a longest common subsequence stay.
fn diff(old: &[&str], new: &[&str]) -> Vec<(Change, String)> {
    // `common[i][j]` is the length of a longest common subsequence of `old[i..]` and `new[j..]`.
    let mut common: Vec<Vec<usize>> = vec![vec![0; new.len() + 1]];
    for old_line in old.iter().rev() {
        let below = common.last().map_or(&[][..], |row| row);
        let mut row = vec![0];
        let neighbours = below.iter().rev().zip(below.iter().rev().skip(1));
        for (new_line, (diagonal, down)) in new.iter().rev().zip(neighbours) {
            let right = row.last().copied().unwrap_or_default();
            row.push(if old_line == new_line {
                diagonal + 1
            } else {
                right.max(*down)
            });
        }
        row.reverse();
        common.push(row);
    }
    common.reverse();
    let length = |i: usize, j: usize| common.get(i).and_then(|row| row.get(j)).copied();
    let (mut i, mut j) = (0, 0);
    iter::from_fn(|| {
        let (change, line) = match (old.get(i), new.get(j)) {
            (Some(line), Some(other)) if line == other => (Change::Same, line),
            (Some(line), _) if length(i + 1, j) >= length(i, j + 1) => (Change::Removed, line),
            (_, Some(line)) => (Change::Added, line),
            (Some(line), None) => (Change::Removed, line),
            (None, None) => return None,
        };
        i += usize::from(change != Change::Added);
        j += usize::from(change != Change::Removed);
        Some((change, (*line).to_owned()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> String {
        let (old, new): (Vec<_>, Vec<_>) = (old.split(' ').collect(), new.split(' ').collect());
        let changes = diff(&old, &new);
        let changes: Vec<_> = changes
            .iter()
            .map(|(change, line)| format!("{}{line}", change.sign()))
            .collect();
        changes.join("")
    }

    #[test]
    fn a_diff_keeps_as_many_lines_as_possible() {
        assert_eq!(shown("a b c", "a b c"), " a b c");
        assert_eq!(shown("a b c", "a c"), " a−b c");
        assert_eq!(shown("a c", "a b c"), " a+b c");
        assert_eq!(shown("a b c d e", "b x d y"), "−a b−c+x d−e+y");
        assert_eq!(shown("x a", "a x"), "−x a+x");
        assert_eq!(diff(&[], &["a"]), [(Change::Added, "a".to_owned())]);
        assert_eq!(diff(&["a"], &[]), [(Change::Removed, "a".to_owned())]);
        assert_eq!(diff(&[], &[]), []);
    }

    #[test]
    fn the_idea_ends_where_the_comment_says_so() {
        let text = "// Title\nask();\n\n// What makes it robust: a limit.\nlimit();\n";
        let code = ClientCode::new(text, None);
        let texts = |lines: &[Line]| {
            lines
                .iter()
                .map(|line| line.text.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(&code.idea), ["// Title", "ask();", ""]);
        assert_eq!(
            texts(&code.robust),
            ["// What makes it robust: a limit.", "limit();"]
        );
        assert_eq!(code.changes, []);
        // A student's own file may not have the comment.
        let own = ClientCode::new("ask();", None);
        assert_eq!((own.idea.len(), own.robust.len()), (1, 0));
    }

    #[test]
    fn comments_are_no_changes() {
        let previous = (
            LESSONS[0],
            "/** Old */\nask();\n// What makes it robust\nold();".to_owned(),
        );
        let code = ClientCode::new("/** New */\nask();\nwait();", Some(previous));
        let expected = [
            (Change::Same, "ask();".to_owned()),
            (Change::Added, "wait();".to_owned()),
        ];
        assert_eq!(code.changes, expected);
    }
}
