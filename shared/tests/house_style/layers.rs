//! A file can be understood with what is below it alone: no crate has a circle of imports.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use proc_macro2::{TokenStream, TokenTree};

use crate::{files_below, is_test_file, read, workspace};

/// The modules of `shared`, lowest first. A module may use those before it, and no other. The four groups are the
/// layers in `shared/README.md`.
const SHARED: [&str; 17] = [
    // What knows nothing of users, servers and pages.
    "error",
    "language",
    "sentences",
    "catalog",
    "clock",
    "cut",
    "broadcast",
    "file_lock",
    "host",
    "visible_text",
    "json_object",
    "settings",
    // What the lessons are about.
    "users",
    "websocket",
    // The server around every lesson.
    "serve",
    // The page, and the app that a lesson starts.
    "page",
    "lesson",
];

/// The modules of the chat, lowest first.
const CHAT: [&str; 13] = [
    "rate_limit",
    "input",
    "user",
    "log",
    "metrics",
    "event",
    "room",
    "backend",
    "reader",
    "state",
    "session",
    "page",
    "transport",
];

/// The modules of the comparison, lowest first.
const COMPARE: [&str; 4] = ["error", "programs", "lessons", "page"];

#[test]
fn the_modules_of_shared_are_layers() {
    refuse_imports_upwards("shared", &SHARED);
}

#[test]
fn the_modules_of_the_chat_are_layers() {
    refuse_imports_upwards("chat", &CHAT);
}

#[test]
fn the_modules_of_the_comparison_are_layers() {
    refuse_imports_upwards("shared/compare", &COMPARE);
}

/// Which store the chat has is decided when it starts (`--redis`), behind `backend.rs`, not when it is compiled.
#[test]
fn the_chat_is_one_program() {
    let mut files = Vec::new();
    files_below(&workspace().join("chat"), &["rs"], &mut files);
    for path in files {
        let code = fs::read_to_string(&path).unwrap();
        let has_feature = code.contains("cfg(feature") || code.contains("cfg(not(feature");
        assert!(!has_feature, "{}", path.display());
    }
    assert!(!read("chat/Cargo.toml").contains("[features]"));
}

fn refuse_imports_upwards(name: &str, layers: &[&str]) {
    let source = workspace().join(name).join("src");
    let height_of = |module: &str| layers.iter().position(|layer| *layer == module);
    let mut files = Vec::new();
    files_below(&source, &["rs"], &mut files);
    for path in files.iter().filter(|path| !is_test_file(path)) {
        let module = top_module(path.strip_prefix(&source).unwrap());
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let Some(height) = height_of(&module) else {
            panic!("{name}: `{module}` has no layer yet");
        };
        for used in used_modules(&fs::read_to_string(path).unwrap()) {
            let Some(below) = height_of(&used) else {
                panic!("{}: `crate::{used}` is no module", path.display());
            };
            assert!(
                below <= height,
                "{}: `{module}` is below `{used}` and may not use it",
                path.display()
            );
        }
    }
}

/// Returns `serve` for `serve.rs` and for `serve/sockets.rs`.
fn top_module(path: &Path) -> String {
    let first = path.iter().next().map(Path::new);
    let name = first.and_then(Path::file_stem).unwrap();
    name.to_string_lossy().into_owned()
}

/// Returns each `a` of `crate::a` and of `crate::{a, …}`. What is compiled for tests alone does not count: a unit
/// test may use whatever makes it short.
fn used_modules(code: &str) -> Vec<String> {
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut used = Vec::new();
    collect_modules(TokenStream::from_str(code).unwrap(), &mut used);
    used
}

fn collect_modules(tokens: TokenStream, used: &mut Vec<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for window in tokens.windows(4) {
        let [TokenTree::Ident(start), _, _, next] = window else {
            continue;
        };
        if start != "crate" {
            continue;
        }
        match next {
            TokenTree::Ident(module) => used.push(module.to_string()),
            TokenTree::Group(group) => used.extend(first_names(group.stream())),
            _ => {}
        }
    }
    for token in tokens {
        if let TokenTree::Group(group) = token {
            collect_modules(group.stream(), used);
        }
    }
}

/// Returns `a` and `b` of `{a::{c, d}, b}`.
fn first_names(group: TokenStream) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_first = true;
    for token in group {
        match token {
            TokenTree::Ident(name) if is_first => {
                names.push(name.to_string());
                is_first = false;
            }
            TokenTree::Punct(mark) if mark.as_char() == ',' => is_first = true,
            _ => {}
        }
    }
    names
}

#[test]
fn every_way_to_name_a_module_is_found() {
    let code = "use crate::{a::{x, y}, b};\nuse crate::c::z;\nfn f() { crate::d::g(crate::e); }\npub(crate) fn h() {}";
    assert_eq!(used_modules(code), ["a", "b", "c", "d", "e"]);
}
