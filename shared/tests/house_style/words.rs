//! Names are the field's standard terms, as the glossary in `shared/README.md` has them.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use proc_macro2::{TokenStream, TokenTree};

use crate::files_of_crates;

/// Words that no name may have. Each of them once had up to six meanings here, and each meaning has a standard term
/// (sent, received, stored, closed, position, …).
const BANNED: [&str; 8] = [
    "told", "hear", "heard", "said", "whoever", "place", "gone", "obey",
];

#[test]
fn names_in_rust_are_standard_terms() {
    let mut files = files_of_crates("src", &["rs"]);
    files.extend(files_of_crates("tests", &["rs"]));
    files.extend(files_of_crates("benches", &["rs"]));
    files.extend(files_of_crates("examples", &["rs"]));
    let names = |code: &str| {
        let mut names = Vec::new();
        collect_identifiers(TokenStream::from_str(code).unwrap(), &mut names);
        names
    };
    refuse_banned(&files, names);
}

#[test]
fn names_in_javascript_are_standard_terms() {
    refuse_banned(&files_of_crates("static", &["js"]), |code| {
        let code = without_comments_and_strings(code);
        let is_part_of_name = |c: char| c.is_alphanumeric() || c == '_';
        let names = code.split(|c| !is_part_of_name(c));
        names.map(str::to_owned).collect()
    });
}

fn refuse_banned<P: AsRef<Path>>(files: &[P], names: impl Fn(&str) -> Vec<String>) {
    let mut found = Vec::new();
    for path in files {
        for name in names(&fs::read_to_string(path).unwrap()) {
            if words(&name).iter().any(|word| BANNED.contains(&&**word)) {
                found.push(format!("{}: {name}", path.as_ref().display()));
            }
        }
    }
    found.dedup();
    assert!(
        found.is_empty(),
        "a word that no name may have:\n{}",
        found.join("\n")
    );
}

/// Adds every identifier of Rust code. Comments and texts are no identifiers.
fn collect_identifiers(tokens: TokenStream, names: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => names.push(name.to_string()),
            TokenTree::Group(group) => collect_identifiers(group.stream(), names),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Returns JavaScript code without what is no code. A text in back-quotes is left out whole, with the expressions in it.
fn without_comments_and_strings(code: &str) -> String {
    let mut rest = code;
    let mut code_only = String::new();
    while let Some(first) = rest.chars().next() {
        let end = if rest.starts_with("//") {
            Some("\n")
        } else if rest.starts_with("/*") {
            Some("*/")
        } else {
            ["\"", "'", "`"]
                .into_iter()
                .find(|quote| rest.starts_with(quote))
        };
        let Some(end) = end else {
            code_only.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code_only.push(' ');
        rest = after(&rest[1..], end);
    }
    code_only
}

/// Returns what follows `end`, which a backslash in front of it does not make the end.
fn after<'a>(text: &'a str, end: &str) -> &'a str {
    let mut is_escaped = false;
    for (index, c) in text.char_indices() {
        if !is_escaped && text[index..].starts_with(end) {
            return &text[index + end.len()..];
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    ""
}

/// Splits `camelCase`, `PascalCase`, `snake_case` and `CONSTANT_CASE` into words in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase();
        if let Some(word) = words.last_mut().filter(|_| c != '_') {
            word.extend(c.to_lowercase());
        }
    }
    words
}

#[test]
fn a_banned_word_is_found_where_it_is_a_word_of_a_name() {
    assert_eq!(words("lastHeardAt"), ["last", "heard", "at"]);
    assert_eq!(words("WAS_TOLD"), ["was", "told"]);
    assert_eq!(words("replace_all"), ["replace", "all"]);

    let mut names = Vec::new();
    let code = "/// told\nfn a() { b!(heard, \"said\"); } // gone";
    collect_identifiers(TokenStream::from_str(code).unwrap(), &mut names);
    assert_eq!(names, ["doc", "fn", "a", "b", "heard"]);

    let code = "/* told */ const heard = \"sa\\\"id\" + `gone` + 'place'; // obey\nnow";
    let code = without_comments_and_strings(code);
    let found: Vec<_> = code
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    assert_eq!(found, ["const", "heard", "now"]);
}
