//! The table of lessons: number, crate, title, port and what the technique is in one line.

/// One lesson of the course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the course, from the oldest technique to the newest.
    pub number: u8,
    /// The crate: `cargo run -p NAME`.
    pub name: &'static str,
    /// The technique's usual name.
    pub title: &'static str,
    /// The TCP port that it listens on unless told otherwise.
    pub port: u16,
    /// The technique in one line.
    pub technique: &'static str,
    /// A further page of the lesson: its path and what it shows.
    pub see_also: Option<(&'static str, &'static str)>,
    /// Whether curl can show the news: `GET /users` answers it without an upgrade.
    pub curl: bool,
}

/// Every lesson that there is, in the order of the course.
pub const LESSONS: &[Entry] = &[
    Entry {
        number: 1,
        name: "polling",
        title: "Polling",
        port: 8001,
        technique: "ask again every second",
        see_also: Some((
            "/login",
            "Where polling is still right: log in with a phone",
        )),
        curl: true,
    },
    Entry {
        number: 2,
        name: "long-polling",
        title: "Long polling",
        port: 8002,
        technique: "ask once, the server answers when there is news",
        see_also: None,
        curl: true,
    },
    Entry {
        number: 3,
        name: "iframe-stream",
        title: "iframe streaming",
        port: 8003,
        technique: "Comet: a hidden iframe that never finishes loading",
        see_also: None,
        curl: true,
    },
    Entry {
        number: 4,
        name: "sse",
        title: "Server-Sent Events",
        port: 8004,
        technique: "one response that never ends, read by EventSource",
        see_also: None,
        curl: true,
    },
    Entry {
        number: 5,
        name: "websocket",
        title: "WebSocket",
        port: 8005,
        technique: "one connection, both directions",
        see_also: None,
        curl: false,
    },
    Entry {
        number: 6,
        name: "chat",
        title: "Chat",
        port: 8006,
        technique: "a real chat room, built on 2, 4 and 5",
        see_also: None,
        curl: false,
    },
];

/// The entry of the crate `name`; a crate that is not in the table (a student's copy of a lesson)
/// gets number 0 and port 8000.
#[must_use]
pub fn find(name: &'static str) -> Entry {
    let own = Entry {
        number: 0,
        name,
        title: name,
        port: 8000,
        technique: "your own lesson",
        see_also: None,
        curl: false,
    };
    LESSONS
        .iter()
        .copied()
        .find(|entry| entry.name == name)
        .unwrap_or(own)
}
