//! The Chinese edition of a text says the same as the English one: what a machine can compare is the same.

use std::collections::BTreeSet;

use shared::catalog::LESSONS;

use crate::{CHAT, read};

/// How the table of words begins, which is longer in the Chinese edition: it has the words in the code, too.
const GLOSSARY: [&str; 2] = ["| word |", "| 英文 |"];

/// The texts with two editions: the path of the English one.
fn texts() -> Vec<String> {
    let lessons = LESSONS
        .iter()
        .map(|lesson| format!("{}/README.md", lesson.name));
    let others = ["README.md".to_owned(), format!("{CHAT}/PROTOCOL.md")];
    lessons.chain(others).collect()
}

/// Returns the path of the Chinese edition.
fn chinese(path: &str) -> String {
    path.replace(".md", ".zh-CN.md")
}

/// Checks that `parts` returns the same for both editions of each text.
fn compare<T: PartialEq + std::fmt::Debug>(parts: impl Fn(&Text) -> Vec<T>) {
    for path in texts() {
        let (english, chinese) = (
            Text::parse(&read(&path)),
            Text::parse(&read(&chinese(&path))),
        );
        let (english, chinese) = (parts(&english), parts(&chinese));
        for (number, (one, other)) in english.iter().zip(&chinese).enumerate() {
            assert_eq!(one, other, "{path}, number {number}");
        }
        assert_eq!(english.len(), chinese.len(), "{path}");
    }
}

#[test]
fn each_edition_links_to_the_other_in_its_first_line() {
    for path in texts() {
        let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        let to_chinese = format!("[简体中文]({})\n\n# ", name(&chinese(&path)));
        assert!(read(&path).starts_with(&to_chinese), "{path}");
        let to_english = format!("[English]({})\n\n# ", name(&path));
        assert!(read(&chinese(&path)).starts_with(&to_english), "{path}");
    }
}

#[test]
fn both_editions_have_the_same_headings() {
    compare(|text| text.sections.iter().map(|section| section.level).collect());
}

#[test]
fn both_editions_have_the_same_code_blocks() {
    compare(|text| text.blocks.clone());
}

#[test]
fn both_editions_have_the_same_links() {
    compare(|text| text.links.clone());
}

#[test]
fn both_editions_have_the_same_figures_in_their_tables() {
    compare(|text| {
        text.sections
            .iter()
            .map(|section| section.rows.clone())
            .collect()
    });
}

/// Names, routes, headers and commands are in code: `GET /users`. What the page says is not compared.
#[test]
fn both_editions_name_the_same_code_in_each_section() {
    for path in texts() {
        let english = Text::parse(&read(&path));
        let chinese = Text::parse(&read(&chinese(&path)));
        let sections = english.sections.iter().zip(&chinese.sections);
        let anywhere = read(&path);
        for (number, (one, other)) in sections.enumerate() {
            let missing: Vec<_> = one.code.difference(&other.code).collect();
            assert!(
                missing.is_empty(),
                "{path}, section {number}: without {missing:?}"
            );
            // A sentence may repeat a name that the English one calls "it".
            let is_new = |code: &&String| !anywhere.contains(code.as_str());
            let new: Vec<_> = other.code.iter().filter(is_new).collect();
            assert!(
                new.is_empty(),
                "{path}, section {number}: only there is {new:?}"
            );
        }
    }
}

/// What can be compared of a text.
#[derive(Debug, Default)]
struct Text {
    sections: Vec<Section>,
    /// The lines of each code block, without comments. Of a diagram, without the words.
    blocks: Vec<Vec<String>>,
    /// The files of all links, of the English edition, without the headings in them.
    links: Vec<String>,
}

/// A heading and what is below it.
#[derive(Debug, Default)]
struct Section {
    /// The number of `#`.
    level: usize,
    /// The number of columns of each row of its tables, and the numbers in the row.
    rows: Vec<(usize, Vec<String>)>,
    code: BTreeSet<String>,
}

impl Text {
    fn parse(text: &str) -> Self {
        let mut parsed = Self {
            sections: vec![Section::default()],
            ..Self::default()
        };
        let mut block: Option<&str> = None;
        let mut is_glossary = false;
        for line in text.lines().skip(1) {
            match (line.strip_prefix("```"), block) {
                (Some(_), Some(_)) => block = None,
                (Some(language), None) => {
                    parsed.blocks.push(vec![language.to_owned()]);
                    block = Some(language);
                }
                (None, Some(language)) => {
                    let lines = parsed.blocks.last_mut().unwrap();
                    lines.push(comparable(line, language));
                }
                (None, None) => {
                    let begins = GLOSSARY.iter().any(|header| line.starts_with(header));
                    is_glossary = begins || (is_glossary && line.starts_with('|'));
                    if !is_glossary {
                        parsed.add_line(line);
                    }
                }
            }
        }
        parsed
    }

    /// Adds a line that is not in a code block.
    fn add_line(&mut self, line: &str) {
        if line.starts_with('#') {
            let level = line.len() - line.trim_start_matches('#').len();
            self.sections.push(Section {
                level,
                ..Section::default()
            });
        }
        self.links.extend(links(line));
        let section = self.sections.last_mut().unwrap();
        section.code.extend(code(line));
        if line.starts_with('|') {
            let columns = line.matches('|').count();
            section.rows.push((columns, numbers(line)));
        }
    }
}

/// Returns a line of a code block without its comment, and a line of a diagram without its words.
fn comparable(line: &str, language: &str) -> String {
    if language == "mermaid" {
        let words = [": ", " as ", "loop ", "[", "{"];
        let end = words.iter().filter_map(|word| line.find(word)).min();
        return line
            .split_at(end.unwrap_or(line.len()))
            .0
            .trim_end()
            .to_owned();
    }
    if line.starts_with("# ") || line.trim_start().starts_with("// ") {
        return String::new();
    }
    line.split(" # ")
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_owned()
}

/// Returns the files of the links, as the English edition names them.
fn links(line: &str) -> Vec<String> {
    let targets = line.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split(')').next());
    let file = |target: &str| match target.split_once('#') {
        Some((file, _)) if !target.contains("://") => file.replace(".zh-CN.md", ".md"),
        _ => target.replace(".zh-CN.md", ".md"),
    };
    targets.map(file).collect()
}

/// Returns what stands between backquotes, or as `<code>`, and has no space, and the commands.
fn code(line: &str) -> Vec<String> {
    let line = line.replace("<code>", "`").replace("</code>", "`");
    let parts = line.split('`').skip(1).step_by(2);
    let is_compared = |part: &&str| {
        !part.contains(' ') || part.starts_with("cargo ") || part.starts_with("curl ")
    };
    parts.filter(is_compared).map(str::to_owned).collect()
}

/// Returns the numbers of a line, such as `1,000` or `5.6`, sorted: the order of words differs.
fn numbers(line: &str) -> Vec<String> {
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.' || letter == ',';
    let parts = line.split(|letter| !is_number(letter));
    let numbers = parts.map(|part| part.trim_matches(['.', ',']).to_owned());
    let mut numbers: Vec<_> = numbers.filter(|part| !part.is_empty()).collect();
    numbers.sort();
    numbers
}

#[test]
fn a_difference_between_editions_is_found() {
    let english = "[a](b)\n\n# A\n\nSee `users` and [B](x/README.md#b).\n\n| a | 5.6 ms |\n\n```sh\n# run\ncargo run  # it\n```\n\n```mermaid\nB->>S: ask\n```\n";
    let parse = |from: &str, to: &str| Text::parse(&english.replace(from, to));
    let original = parse("", "");
    let same = parse("README.md#b", "README.zh-CN.md#乙");
    assert_eq!(original.links, same.links);
    assert_ne!(original.links, parse("x/README.md", "y/README.md").links);
    assert_eq!(original.blocks, parse("# run", "# 运行").blocks);
    assert_eq!(original.blocks, parse(": ask", ": 问").blocks);
    assert_ne!(original.blocks, parse("B->>S", "S->>B").blocks);
    assert_ne!(original.blocks, parse("cargo run", "cargo test").blocks);
    let rows = |text: &Text| text.sections[1].rows.clone();
    assert_eq!(rows(&original), rows(&parse("| a |", "| 甲 |")));
    assert_ne!(rows(&original), rows(&parse("5.6", "5.7")));
    let code = |text: &Text| text.sections[1].code.clone();
    assert_ne!(code(&original), code(&parse("`users`", "`clock`")));
    assert_ne!(original.sections.len(), parse("# A", "A").sections.len());
}
