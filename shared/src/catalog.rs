//! The catalog of the course: number, name, title and port of each lesson.

use std::path::PathBuf;

/// The identity of a lesson. Each lesson's `main.rs` has a constant of this type.
#[derive(Debug, Clone, Copy)]
pub struct Lesson {
    /// The name of the crate, `env!("CARGO_PKG_NAME")`. It is the key for the catalog.
    pub name: &'static str,
    /// The folder of the crate, `env!("CARGO_MANIFEST_DIR")`. The files of its `static/` are read for each request, so
    /// a reload shows an edit.
    pub folder: &'static str,
}

impl Lesson {
    /// Returns the folder with the lesson's files for the browser.
    #[must_use]
    pub fn static_folder(&self) -> PathBuf {
        static_folder(self.folder)
    }

    /// Returns the lesson's entry in the catalog.
    #[must_use]
    pub fn info(&self) -> LessonInfo {
        lookup(self.name)
    }
}

/// Returns the folder `static` of a crate.
pub(crate) fn static_folder(crate_folder: &str) -> PathBuf {
    [crate_folder, "static"].iter().collect()
}

/// An entry of the catalog. The pages and the command line show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LessonInfo {
    /// The position in the course, from the oldest technique to the newest.
    pub number: u8,
    /// The name of the crate, as in `cargo run -p NAME`.
    pub name: &'static str,
    /// The usual name of the technique.
    pub title: &'static str,
    /// The default TCP port.
    pub port: u16,
    /// The technique in one line.
    pub technique: &'static str,
    /// Another page of the lesson: its path and its title.
    pub see_also: Option<(&'static str, &'static str)>,
    /// Whether `curl` can show the updates, which needs a `GET /users` without an upgrade.
    pub works_with_curl: bool,
}

/// All lessons, in the order of the course.
pub const LESSONS: &[LessonInfo] = &[
    LessonInfo {
        number: 1,
        name: "polling",
        title: "Polling",
        port: 8001,
        technique: "ask again every second",
        see_also: Some((
            "/login",
            "Where polling is still right: log in with a phone",
        )),
        works_with_curl: true,
    },
    LessonInfo {
        number: 2,
        name: "long-polling",
        title: "Long polling",
        port: 8002,
        technique: "ask once, the server answers when there is news",
        see_also: None,
        works_with_curl: true,
    },
    LessonInfo {
        number: 3,
        name: "iframe-stream",
        title: "iframe streaming",
        port: 8003,
        technique: "Comet: a hidden iframe that never finishes loading",
        see_also: None,
        works_with_curl: true,
    },
    LessonInfo {
        number: 4,
        name: "sse",
        title: "Server-Sent Events",
        port: 8004,
        technique: "one response that never ends, read by EventSource",
        see_also: None,
        works_with_curl: true,
    },
    LessonInfo {
        number: 5,
        name: "websocket",
        title: "WebSocket",
        port: 8005,
        technique: "one connection, both directions",
        see_also: None,
        works_with_curl: false,
    },
    LessonInfo {
        number: 6,
        name: "chat",
        title: "Chat",
        port: 8006,
        technique: "a real chat room, built on 2, 4 and 5",
        see_also: None,
        works_with_curl: false,
    },
];

/// Returns the entry of the crate `name`. A crate that is not in the catalog, such as a student's copy of a lesson,
/// gets number 0 and port 8000.
#[must_use]
pub fn lookup(name: &'static str) -> LessonInfo {
    let known = LESSONS.iter().find(|lesson| lesson.name == name);
    known.copied().unwrap_or(LessonInfo {
        number: 0,
        name,
        title: name,
        port: 8000,
        technique: "your own lesson",
        see_also: None,
        works_with_curl: false,
    })
}
