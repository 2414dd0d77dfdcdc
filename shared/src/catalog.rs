//! The catalog of the course: number, name, title and port of each lesson.

use std::path::PathBuf;

use crate::language::Bilingual;

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
    pub title: Bilingual,
    /// The default TCP port.
    pub port: u16,
    /// The technique in one line.
    pub technique: Bilingual,
    /// Another page of the lesson: its path and its title.
    pub see_also: Option<(&'static str, Bilingual)>,
    /// Whether `curl` can show the updates, which needs a `GET /users` without an upgrade.
    pub works_with_curl: bool,
}

/// All lessons, in the order of the course.
pub const LESSONS: &[LessonInfo] = &[
    LessonInfo {
        number: 1,
        name: "polling",
        title: Bilingual::new("Polling", "轮询"),
        port: 8001,
        technique: Bilingual::new("ask again every second", "每秒再问一次"),
        see_also: Some((
            "/login",
            Bilingual::new(
                "Where polling is still right: log in with a phone",
                "轮询仍然合适的地方：用手机扫码登录",
            ),
        )),
        works_with_curl: true,
    },
    LessonInfo {
        number: 2,
        name: "long-polling",
        title: Bilingual::new("Long polling", "长轮询"),
        port: 8002,
        technique: Bilingual::new(
            "ask once, the server answers when there is news",
            "问一次，有更新时服务器才回答",
        ),
        see_also: None,
        works_with_curl: true,
    },
    LessonInfo {
        number: 3,
        name: "iframe-stream",
        title: Bilingual::new("iframe streaming", "iframe 流"),
        port: 8003,
        technique: Bilingual::new(
            "Comet: a hidden iframe that never finishes loading",
            "Comet：一个永远加载不完的隐藏 iframe",
        ),
        see_also: None,
        works_with_curl: true,
    },
    LessonInfo {
        number: 4,
        name: "sse",
        title: Bilingual::new("Server-Sent Events", "服务器发送事件（SSE）"),
        port: 8004,
        technique: Bilingual::new(
            "one response that never ends, read by EventSource",
            "一个永不结束的响应，由 EventSource 读取",
        ),
        see_also: None,
        works_with_curl: true,
    },
    LessonInfo {
        number: 5,
        name: "websocket",
        title: Bilingual::new("WebSocket", "WebSocket"),
        port: 8005,
        technique: Bilingual::new("one connection, both directions", "一条连接，两个方向"),
        see_also: None,
        works_with_curl: false,
    },
    LessonInfo {
        number: 6,
        name: "chat",
        title: Bilingual::new("Chat", "聊天室"),
        port: 8006,
        technique: Bilingual::new(
            "a real chat room, built on 2, 4 and 5",
            "一个真正的聊天室，建立在第 2、4、5 课之上",
        ),
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
        title: Bilingual::new(name, name),
        port: 8000,
        technique: Bilingual::new("your own lesson", "你自己的课"),
        see_also: None,
        works_with_curl: false,
    })
}
