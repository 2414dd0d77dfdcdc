//! What the texts name exists: the files of links, and the packages, tests, examples and flags of commands.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{crates, files_below, read, workspace};

/// The flags of the programs that cargo runs for tests (libtest).
const TEST_FLAGS: [&str; 6] = [
    "exact",
    "ignored",
    "include-ignored",
    "list",
    "nocapture",
    "test-threads",
];

/// The flags of cargo that the texts use.
const CARGO_FLAGS: [&str; 9] = [
    "all-features",
    "all-targets",
    "bins",
    "locked",
    "no-fail-fast",
    "no-run",
    "release",
    "workspace",
    "version",
];

/// The files in which flags of servers and benchmarks are defined.
const FLAG_FILES: [&str; 5] = [
    "shared/src/serve/flags.rs",
    "shared/src/lesson.rs",
    "shared/testing/src/bench/flags.rs",
    "chat/src/state.rs",
    "chat/src/backend.rs",
];

/// All texts of the workspace, with their paths.
fn texts() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<_> = fs::read_dir(workspace())
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    for name in crates() {
        files_below(&workspace().join(name), &["md"], &mut paths);
    }
    paths.sort();
    paths.dedup();
    let with_text = |path: PathBuf| (path.clone(), fs::read_to_string(path).unwrap());
    paths.into_iter().map(with_text).collect()
}

#[test]
fn links_lead_to_files_that_exist() {
    for (path, text) in texts() {
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            if file.contains("://") {
                continue;
            }
            let linked = if file.is_empty() {
                path.clone()
            } else {
                path.with_file_name(file)
            };
            assert!(linked.exists(), "{}: {target}", path.display());
            if !anchor.is_empty() {
                let headings = fs::read_to_string(&linked).unwrap();
                let mut anchors = headings
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(anchor_of);
                assert!(
                    anchors.any(|one| one == anchor),
                    "{}: {target}",
                    path.display()
                );
            }
        }
    }
}

/// Returns the anchor that GitHub gives a heading: `## What it costs` is `#what-it-costs`.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let characters = text
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    characters.collect::<String>().replace(' ', "-")
}

#[test]
fn commands_name_what_exists() {
    let mut count = 0;
    for (path, text) in texts() {
        for command in commands(&text) {
            count += 1;
            let check = Command::parse(&command).and_then(|parsed| parsed.check());
            if let Err(problem) = check {
                panic!("{}: `{command}`: {problem}", path.display());
            }
        }
    }
    assert!(count > 20, "only {count} commands are found");
}

/// Returns the commands of a text that begin with `cargo`, from code blocks and from code in a line.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_block = !is_block;
            continue;
        }
        let parts: Vec<&str> = if is_block {
            vec![line]
        } else {
            line.split('`').skip(1).step_by(2).collect()
        };
        for part in parts {
            let part = part.trim_start_matches("$ ");
            // What stands before cargo sets variables. What stands behind a `#` is a comment.
            let Some(start) = part.find("cargo ") else {
                continue;
            };
            let is_command = part[..start]
                .split_whitespace()
                .all(|word| word.contains('='));
            let command = part[start..].split(" #").next().unwrap_or_default();
            let command = command.split(" | ").next().unwrap_or_default();
            if is_command {
                found.push(command.trim().to_owned());
            }
        }
    }
    found
}

/// A command such as `cargo test -p chat --test chat redis -- --ignored`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Command {
    subcommand: String,
    package: Option<String>,
    test: Option<String>,
    example: Option<String>,
    filters: Vec<String>,
    /// The flags after `--`, without values.
    flags: Vec<String>,
}

impl Command {
    fn parse(command: &str) -> Result<Self, String> {
        let mut words = command.split_whitespace().skip(1);
        let mut parsed = Self {
            subcommand: words.next().unwrap_or_default().to_owned(),
            ..Self::default()
        };
        while let Some(word) = words.next() {
            match word {
                "--" => {
                    let flags = words.by_ref().filter_map(|word| word.strip_prefix("--"));
                    let names = flags.map(|flag| flag.split('=').next().unwrap_or_default());
                    parsed.flags = names.map(str::to_owned).collect();
                }
                "-p" => parsed.package = words.next().map(str::to_owned),
                "--test" => parsed.test = words.next().map(str::to_owned),
                "--example" => parsed.example = words.next().map(str::to_owned),
                _ => match word.strip_prefix("--") {
                    Some(flag) if CARGO_FLAGS.contains(&flag) => {}
                    Some(_) => return Err(format!("cargo has no flag {word}")),
                    None => parsed.filters.push(word.to_owned()),
                },
            }
        }
        Ok(parsed)
    }

    fn check(&self) -> Result<(), String> {
        let folders = self.folders()?;
        let exists = |file: &str| folders.iter().any(|folder| folder.join(file).is_file());
        if let Some(test) = &self.test
            && !exists(&format!("tests/{test}.rs"))
            && !exists(&format!("tests/{test}/main.rs"))
        {
            return Err(format!("there is no test {test}"));
        }
        if let Some(example) = &self.example
            && !exists(&format!("examples/{example}.rs"))
        {
            return Err(format!("there is no example {example}"));
        }
        let known = match self.subcommand.as_str() {
            "test" => TEST_FLAGS.map(str::to_owned).to_vec(),
            "run" | "bench" => defined_flags(),
            // What is installed or fetched is not in this workspace.
            _ => return Ok(()),
        };
        if let Some(flag) = self.flags.iter().find(|flag| !known.contains(flag)) {
            return Err(format!("there is no flag --{flag}"));
        }
        let missing = self
            .filters
            .iter()
            .find(|filter| !has_test(&folders, filter));
        missing.map_or(Ok(()), |filter| {
            Err(format!("no test has {filter} in its name"))
        })
    }

    /// Returns the folder of the package, or all folders if the command names no package.
    fn folders(&self) -> Result<Vec<PathBuf>, String> {
        let folders = crates().map(|name| workspace().join(name));
        let Some(package) = &self.package else {
            return Ok(folders.collect());
        };
        // `mine` is the copy of a lesson that the README tells a student to make.
        let known = |folder: &PathBuf| folder.file_name().is_some_and(|name| name == &**package);
        match folders.into_iter().find(known) {
            Some(folder) => Ok(vec![folder]),
            None if package == "mine" => Ok(Vec::new()),
            None => Err(format!("there is no package {package}")),
        }
    }
}

/// Returns whether the crates have a test whose path has this text. A part of a path is a module or a function.
fn has_test(folders: &[PathBuf], filter: &str) -> bool {
    let mut files = Vec::new();
    for folder in folders {
        files_below(folder, &["rs"], &mut files);
    }
    let code: String = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let mut parts = filter.split("::").filter(|part| !part.is_empty());
    parts.all(|part| {
        let is_start = |item: &str| {
            code.lines().any(|line| {
                let name = line.split(item).nth(1).unwrap_or_default();
                name.split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .is_some_and(|name| name.contains(part))
            })
        };
        is_start("fn ") || is_start("mod ")
    })
}

/// Returns the names of all flags that clap reads for the servers and the benchmarks, and `help`.
fn defined_flags() -> Vec<String> {
    let mut flags = vec!["help".to_owned()];
    for file in FLAG_FILES {
        let code = read(file);
        for part in code.split("#[arg(long").skip(1) {
            let field = part
                .lines()
                .skip(1)
                .find(|line| !line.trim().starts_with('#'));
            let name = field
                .and_then(|line| line.split(':').next())
                .unwrap_or_default();
            let name = name.split_whitespace().last().unwrap_or_default();
            flags.push(name.replace('_', "-"));
        }
    }
    flags
}

#[test]
fn a_command_is_taken_apart() {
    let readme = "See `PORT=9000 cargo run -p sse -- --port 0`.\n```sh\n$ cargo test -p chat --test chat redis -- --ignored  # slow\n```\n";
    let commands = commands(readme);
    assert_eq!(commands.len(), 2);
    let run = Command::parse(&commands[0]).unwrap();
    assert_eq!(
        (run.package.as_deref(), &run.flags[..]),
        (Some("sse"), &["port".to_owned()][..])
    );
    let test = Command::parse(&commands[1]).unwrap();
    assert_eq!(
        (test.test.as_deref(), &test.filters[..]),
        (Some("chat"), &["redis".to_owned()][..])
    );
    test.check().unwrap();
    for wrong in [
        "cargo run -p seven",
        "cargo run -p sse -- --speed 3",
        "cargo run -p chat --example large",
        "cargo test -p chat --test cat",
        "cargo test -p chat no_such_test_anywhere",
        "cargo test -p chat -- --ignore",
        "cargo test --no-fail",
    ] {
        let check = Command::parse(wrong).and_then(|parsed| parsed.check());
        assert!(check.is_err(), "{wrong}");
    }
    assert_eq!(
        anchor_of("## If you know socket.io"),
        "if-you-know-socketio"
    );
    assert!(Path::new(&workspace()).is_dir());
}
