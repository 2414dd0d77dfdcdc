//! The house rules that a machine can check.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a file that breaks a rule, or cannot be read, ends the test"
)]

#[path = "house_style/editions.rs"]
mod editions;
#[path = "house_style/excerpts.rs"]
mod excerpts;
#[path = "house_style/exercises.rs"]
mod exercises;
#[path = "house_style/layers.rs"]
mod layers;
#[path = "house_style/sentences.rs"]
mod sentences;
#[path = "house_style/texts.rs"]
mod texts;
#[path = "house_style/words.rs"]
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use shared::catalog::{LESSONS, LessonInfo};
use shared::language::Language;

/// The lesson that is an app of its own: it has no list of users, and more than one file to read.
const CHAT: &str = "chat";

/// The crates that are no lessons: what lessons link, what shows them side by side, and what only their tests use.
const OTHER_CRATES: [&str; 3] = ["shared", "shared/compare", "shared/testing"];

/// Code lines of any source file: what one reading can hold. There is no limit for a crate as a whole, because
/// such a limit is met by squeezing out names, line breaks and files.
const FILE_LINES: usize = 300;
/// Code lines of the `main.rs` of lessons 1 to 5: what is read in 25 minutes, at six lines a minute.
const MAIN_LINES: usize = 150;
/// Code lines of the `client.js` of lessons 1 to 5: two functions and what they share.
const CLIENT_LINES: usize = 60;
/// Code lines of `socket.js`: what a page needs to talk to the chat over three transports.
const SOCKET_LINES: usize = 200;
/// Code lines of the small chat, its page included: what everybody writes first fits on one screen.
const SMALL_CHAT_LINES: usize = 60;
/// Lines of a lesson's text, which fits on two screens.
const README_LINES: usize = 150;

/// What every lesson's text tells, in this order.
const HEADINGS: [&str; 7] = [
    "## Try it",
    "## On the wire",
    "## Read the code",
    "## What it costs",
    "## What goes wrong",
    "## Exercises",
    "## Next",
];

/// What the chat's text tells, in this order.
const CHAT_HEADINGS: [&str; 9] = [
    "## Try it",
    "## From the small chat to this one",
    "## The way of one message",
    "## Why nothing is lost",
    "## Read the code",
    "## If you know socket.io",
    "## What it costs",
    "## What goes wrong",
    "## Exercises",
];

/// What each of lessons 1 to 5 is made of.
const FILES: [&str; 9] = [
    "Cargo.toml",
    "README.md",
    "README.zh-CN.md",
    "benches/load.rs",
    "src/main.rs",
    "static/client.js",
    "tests/browser.rs",
    "tests/exercises.rs",
    "tests/lesson.rs",
];

/// What the chat is made of.
const CHAT_FILES: [&str; 18] = [
    "Cargo.toml",
    "PROTOCOL.md",
    "PROTOCOL.zh-CN.md",
    "README.md",
    "README.zh-CN.md",
    "SCALING.md",
    "deploy/nginx.conf",
    "examples/small.rs",
    "src/backend.rs",
    "src/main.rs",
    "static/chat.css",
    "static/chat.js",
    "static/events.js",
    "static/messages.js",
    "static/socket.js",
    "templates/index.html",
    "tests/browser.rs",
    "tests/exercises.rs",
];

/// Lessons 1 to 5, which differ in their technique only.
fn alike() -> impl Iterator<Item = &'static LessonInfo> {
    LESSONS.iter().filter(|lesson| lesson.name != CHAT)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap()
}

/// Lines that are neither empty nor comment, without what is there for unit tests only.
fn code_lines(code: &str) -> usize {
    let is_comment = |line: &str| {
        ["//", "/*", "* ", "*/"]
            .iter()
            .any(|mark| line.starts_with(mark))
    };
    let (mut count, mut lines) = (0, code.lines());
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            skip_item(&mut lines);
        } else if !line.trim().is_empty() && !is_comment(line.trim()) {
            count += 1;
        }
    }
    count
}

/// Takes an item away: one line, or all lines up to the brace that closes it, which rustfmt puts below
/// the item's first letter.
fn skip_item<'a>(lines: &mut impl Iterator<Item = &'a str>) {
    let first = lines.next().unwrap_or_default();
    if first.ends_with('{') {
        let end = format!("{}}}", &first[..first.len() - first.trim_start().len()]);
        lines.find(|line| *line == end);
    }
}

#[test]
fn what_comes_after_a_test_item_counts_too() {
    let code =
        "fn a() {}\n\n    #[cfg(test)]\n    fn b() {\n        c();\n    }\n// no\nfn d() {}\n";
    assert_eq!(code_lines(code), 2);
    assert_eq!(code_lines("#[cfg(test)]\nmod tests;\nfn d() {}"), 1);
}

/// All files below `folder` with one of the `extensions`.
fn files_below(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_below(&path, extensions, found);
        } else if path
            .extension()
            .is_some_and(|extension| extensions.iter().any(|e| extension == *e))
        {
            found.push(path);
        }
    }
}

fn is_test_file(path: &Path) -> bool {
    path.iter()
        .any(|part| part == "tests" || part == "tests.rs")
}

/// The folder of each crate, seen from the workspace.
fn crates() -> impl Iterator<Item = &'static str> {
    let lessons = LESSONS.iter().map(|lesson| lesson.name);
    lessons.chain(OTHER_CRATES)
}

/// The files with one of the `extensions` in `part` of each crate.
fn files_of_crates(part: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in crates() {
        let folder = workspace().join(name).join(part);
        if folder.is_dir() {
            files_below(&folder, extensions, &mut found);
        }
    }
    assert!(!found.is_empty(), "there is something to check");
    found
}

#[test]
fn each_lesson_has_the_same_files() {
    let of_lessons = alike().flat_map(|lesson| FILES.map(|file| (lesson.name, file)));
    for (name, file) in of_lessons.chain(CHAT_FILES.map(|file| (CHAT, file))) {
        let path = workspace().join(name).join(file);
        assert!(path.is_file(), "{name}/{file}");
    }
}

#[test]
fn the_code_of_a_lesson_can_be_read_in_one_go() {
    for name in alike().map(|lesson| lesson.name) {
        let main = code_lines(&read(&format!("{name}/src/main.rs")));
        assert!(
            main <= MAIN_LINES,
            "{name}/src/main.rs has {main} code lines"
        );
        let client = code_lines(&read(&format!("{name}/static/client.js")));
        assert!(
            client <= CLIENT_LINES,
            "{name}/static/client.js has {client} code lines"
        );
    }
}

#[test]
fn no_source_file_is_long() {
    let sources = files_of_crates("src", &["rs"]);
    let scripts = files_of_crates("static", &["js"]);
    for path in sources.iter().chain(&scripts) {
        if is_test_file(path) {
            continue;
        }
        let lines = code_lines(&fs::read_to_string(path).unwrap());
        assert!(
            lines <= FILE_LINES,
            "{} has {lines} code lines",
            path.display()
        );
    }
    let socket = code_lines(&read("chat/static/socket.js"));
    assert!(socket <= SOCKET_LINES, "socket.js has {socket} code lines");
    let small = code_lines(&read("chat/examples/small.rs"));
    assert!(
        small <= SMALL_CHAT_LINES,
        "examples/small.rs has {small} code lines"
    );
}

#[test]
fn each_readme_has_the_fixed_headings_in_their_order() {
    for lesson in LESSONS {
        let readme = read(&format!("{}/README.md", lesson.name));
        // The first line leads to the Chinese edition.
        let text: Vec<_> = readme.lines().skip(2).collect();
        let title = format!("# Lesson {}: ", lesson.number);
        assert!(text[0].starts_with(&title), "{}: {title}", lesson.name);
        let headings = readme.lines().filter(|line| line.starts_with("## "));
        // The chat has more to tell, and tells it in its own order.
        let expected: &[&str] = if lesson.name == CHAT {
            &CHAT_HEADINGS
        } else {
            &HEADINGS
        };
        assert_eq!(headings.collect::<Vec<_>>(), expected, "{}", lesson.name);
        assert!(text.len() <= README_LINES, "{}", lesson.name);
        assert!(
            readme.contains(&format!("cargo run -p {}", lesson.name)),
            "{}",
            lesson.name
        );
        assert!(
            readme.contains(&format!("http://127.0.0.1:{}/", lesson.port)),
            "{}",
            lesson.name
        );
    }
}

#[test]
fn there_is_a_text_for_maintainers() {
    let readme = read("shared/README.md");
    let headings: Vec<_> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    assert_eq!(
        headings,
        [
            "What is where",
            "The layers of `shared`",
            "Threads",
            "How to add",
            "Rules of the house",
            "Glossary"
        ]
    );
    let (_, glossary) = readme.split_once("## Glossary").unwrap();
    let terms: Vec<_> = glossary
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .skip(1)
        .collect();
    assert!(terms.is_sorted(), "{terms:?}");
}

#[test]
fn the_table_in_the_readme_is_the_catalog() {
    for (file, language) in [
        ("README.md", Language::English),
        ("README.zh-CN.md", Language::Chinese),
    ] {
        let readme = read(file);
        let is_row = |line: &&str| line.starts_with("| ") && line.contains(&format!("{file})"));
        let rows: Vec<_> = readme.lines().filter(is_row).collect();
        let row_of = |lesson: &LessonInfo| {
            let (number, name, port) = (lesson.number, lesson.name, lesson.port);
            let technique = lesson.technique.in_language(language);
            format!("| {number} | [`{name}`]({name}/{file}) | {port} | {technique} |")
        };
        let catalog: Vec<_> = LESSONS.iter().map(row_of).collect();
        assert_eq!(rows, catalog, "{file}");
    }
    assert!(LESSONS.is_sorted_by_key(|lesson| lesson.number));
}

#[test]
fn each_crate_takes_lints_and_dependencies_from_the_workspace() {
    let members = read("Cargo.toml");
    for name in crates() {
        assert!(
            members.contains(&format!("\"{name}\"")),
            "{name} is a member"
        );
        let manifest = read(&format!("{name}/Cargo.toml"));
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{name}: lints"
        );
        let dependencies = manifest
            .lines()
            .skip_while(|line| !line.contains("dependencies]"));
        for line in dependencies
            .take_while(|line| *line != "[lints]")
            .filter(|line| line.contains('='))
        {
            assert!(
                line.contains("workspace = true") || line.starts_with("name ="),
                "{name}: {line}"
            );
        }
    }
}

/// A lesson that needed another one could not be read alone.
#[test]
fn no_lesson_depends_on_another() {
    for lesson in LESSONS {
        let manifest = read(&format!("{}/Cargo.toml", lesson.name));
        for other in LESSONS.iter().filter(|other| other.name != lesson.name) {
            let dependency = format!("\n{}", other.name);
            let found = manifest
                .split(&dependency)
                .skip(1)
                .any(|rest| rest.starts_with(['.', ' ']));
            assert!(!found, "{} depends on {}", lesson.name, other.name);
        }
    }
}

/// What only tests need is not linked into any server, nor built by `cargo run`.
#[test]
fn only_tests_depend_on_the_testing_crate() {
    for name in crates().filter(|name| *name != "shared/testing") {
        let manifest = read(&format!("{name}/Cargo.toml"));
        let dependencies = manifest.split("[dev-dependencies]").next();
        assert!(!dependencies.unwrap().contains("\ntesting"), "{name}");
    }
    // The tests of `testing` need `shared`, so those of `shared` do without it, and no feature switches tests on.
    let shared = read("shared/Cargo.toml");
    assert!(!shared.contains("\ntesting") && !shared.contains("[features]"));
}

/// What a user typed is only ever put on a page as text, and a classroom has no internet.
#[test]
fn pages_put_no_text_in_as_html_and_load_nothing_from_elsewhere() {
    let mut files = files_of_crates("static", &["js", "css", "html", "svg"]);
    files.extend(files_of_crates("templates", &["html"]));
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "|safe",
            "| safe",
        ] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
        assert!(
            !text.contains("https://"),
            "{} names a foreign address",
            path.display()
        );
        for host in text.split("http://").skip(1) {
            // The page's own host, and the name of the SVG format, which nobody loads.
            let known = ["{{ host }}", "www.w3.org/2000/svg\""];
            assert!(
                known.iter().any(|name| host.starts_with(name)),
                "{}",
                path.display()
            );
        }
    }
}
