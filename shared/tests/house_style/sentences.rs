//! What the pages say is in the files in `sentences/`, in both languages, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::{crates, files_below, files_of_crates, workspace};

/// A sentence, by its language.
type Sentence = BTreeMap<String, String>;

/// The files of sentences, with their paths. Everything that is not a sentence in two languages is a mistake.
fn files() -> Vec<(PathBuf, BTreeMap<String, Sentence>)> {
    let mut paths = Vec::new();
    for name in crates() {
        let folder = workspace().join(name);
        files_below(&folder, &["json"], &mut paths);
    }
    paths.sort();
    paths.dedup();
    paths.retain(|path| {
        path.iter().any(|part| part == "sentences") || path.ends_with("sentences.json")
    });
    let with_sentences = |path: PathBuf| {
        let json = fs::read_to_string(&path).unwrap();
        let sentences = serde_json::from_str(&json);
        let sentences = sentences.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, sentences)
    };
    paths.into_iter().map(with_sentences).collect()
}

/// Returns the names in braces: `{seconds}`.
fn placeholders(text: &str) -> BTreeSet<&str> {
    let parts = text.split('{').skip(1);
    parts.filter_map(|part| part.split('}').next()).collect()
}

/// Returns the tags: `<kbd>`.
fn tags(text: &str) -> Vec<&str> {
    let parts = text.split('<').skip(1);
    let mut tags: Vec<_> = parts.filter_map(|part| part.split('>').next()).collect();
    tags.sort_unstable();
    tags
}

#[test]
fn each_sentence_is_there_in_both_languages() {
    let mut count = 0;
    let mut keys = BTreeSet::new();
    for (path, sentences) in files() {
        for (key, sentence) in sentences {
            count += 1;
            let name = format!("{}: {key}", path.display());
            let languages: Vec<_> = sentence.keys().collect();
            assert_eq!(languages, ["en", "zh-CN"], "{name}");
            let (english, chinese) = (&sentence["en"], &sentence["zh-CN"]);
            assert!(!english.is_empty() && !chinese.is_empty(), "{name}");
            assert_eq!(placeholders(english), placeholders(chinese), "{name}");
            assert_eq!(tags(english), tags(chinese), "{name}");
            assert!(keys.insert(key), "{name} is there twice");
        }
    }
    assert!(count > 5, "only {count} sentences are found");
}

/// A key is a text in quotes, in a template, a script or Rust: `sentences.text("wire.clear")`.
#[test]
fn each_sentence_is_used_and_each_key_has_a_sentence() {
    let folders = ["src", "static", "templates"];
    let paths = folders.map(|part| files_of_crates(part, &["rs", "js", "html"]));
    let defined: BTreeSet<String> = files()
        .into_iter()
        .flat_map(|(_, sentences)| sentences.into_keys())
        .collect();
    let mut used = BTreeSet::new();
    for path in paths.concat() {
        let code = fs::read_to_string(&path).unwrap();
        // In unit tests there are other catalogs.
        let code = code.split("#[cfg(test)]").next().unwrap();
        let quoted: BTreeSet<_> = code.split('"').collect();
        used.extend(
            defined
                .iter()
                .filter(|key| quoted.contains(key.as_str()))
                .cloned(),
        );
        for call in ["sentence(\"", "sentences.text(\"", "sentences.markup(\""] {
            for rest in code.split(call).skip(1) {
                let key = rest.split('"').next().unwrap();
                assert!(
                    defined.contains(key),
                    "{}: there is no sentence {key}",
                    path.display()
                );
            }
        }
    }
    let unused: Vec<_> = defined.difference(&used).collect();
    assert!(
        unused.is_empty(),
        "nothing shows these sentences: {unused:?}"
    );
}

/// Between the tags of a template there is nothing to read, except names that are the same in every language.
#[test]
fn a_template_has_no_words_of_its_own() {
    let paths = files_of_crates("templates", &["html"]);
    assert!(paths.len() > 5);
    for path in paths {
        let template = fs::read_to_string(&path).unwrap();
        if let Some(word) = word_between_tags(&template) {
            panic!("{}: {word}", path.display());
        }
    }
}

/// Returns the first word of a template that is neither in a tag, nor in `<code>` or `<kbd>`, nor code of the template.
fn word_between_tags(template: &str) -> Option<String> {
    let mut rest = template.to_owned();
    for (start, end) in [
        ("{#", "#}"),
        ("{%", "%}"),
        ("{{", "}}"),
        ("<!--", "-->"),
        ("<code", "</code>"),
        ("<kbd", "</kbd>"),
        ("<", ">"),
    ] {
        let mut without = String::new();
        let mut parts = rest.split(start);
        without.push_str(parts.next().unwrap_or_default());
        for part in parts {
            without.push(' ');
            without.push_str(part.split_once(end).map_or("", |(_, after)| after));
        }
        rest = without;
    }
    let mut words = rest.split_whitespace();
    let word = words.find(|word| word.chars().filter(|letter| letter.is_alphabetic()).count() > 1);
    word.map(str::to_owned)
}

#[test]
fn words_between_tags_are_found() {
    let word = |template| word_between_tags(template);
    assert_eq!(
        word("<p>{{ sentences.text(\"a\") }} <code>cargo run</code> ← 1</p>"),
        None
    );
    assert_eq!(
        word("<p title=\"{% if a > b %}x{% endif %}\">{{ a }}</p> {# a comment #}"),
        None
    );
    assert_eq!(
        word("<button type=\"button\">Add</button>").as_deref(),
        Some("Add")
    );
    assert_eq!(placeholders("{a} and {b}"), BTreeSet::from(["a", "b"]));
    assert_eq!(tags("<b>a</b>"), ["/b", "b"]);
}
