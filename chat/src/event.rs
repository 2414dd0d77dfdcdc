//! The named events that a server sends. Every transport has the same events, in its own encoding.
//!
//! ```text
//! WebSocket:  {"event":"message","data":{"id":17,"from":"Ann","text":"Hi","time":"2020-09-24 22:51:02"}}
//! SSE:        id: 17
//!             event: message
//!             data: {"id":17,"from":"Ann","text":"Hi","time":"2020-09-24 22:51:02"}
//! long poll:  {"events":[{"event":"message","data":{"id":17,…}}],"cursor":"17.4"}
//! ```
//!
//! A new event needs a constructor here, an [`EventKind`] if readers must decide about it in a new way, and a handler
//! of its name in `static/`.

use std::sync::{Arc, OnceLock};

use actix_http::ws::{OpCode, Parser};
use actix_web::web::{Bytes, BytesMut};
use chrono::Local;
use serde::Serialize;
use serde_json::{Value, json};
use shared::{clock, error::Error};

use crate::log::{Message, Receipt};
use crate::user::UserId;

/// What a reader needs to know about an event to decide whether to deliver it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A message of the log. `between` has the author and the recipient if the message is private.
    Message {
        id: i64,
        between: Option<[UserId; 2]>,
    },
    /// The whole roster.
    Roster { version: u64 },
    /// Somebody joined or left, which made this version of the roster.
    PresenceChange { version: u64 },
    /// This user is typing.
    Typing { user: UserId },
    /// An event that one reader makes for itself, such as `ping`.
    Direct,
}

/// An event from the server. Each encoding is made once for all readers, when the first of them needs it.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    name: &'static str,
    /// The data as JSON.
    data: String,
    json: OnceLock<String>,
    frame: OnceLock<Bytes>,
    sse: OnceLock<Bytes>,
}

impl Event {
    fn new(kind: EventKind, name: &'static str, data: &impl Serialize) -> Arc<Self> {
        Arc::new(Self {
            kind,
            name,
            // This cannot fail, because the data are strings and numbers.
            data: serde_json::to_string(data).unwrap_or_default(),
            json: OnceLock::new(),
            frame: OnceLock::new(),
            sse: OnceLock::new(),
        })
    }

    /// Returns the number of bytes of the data, which is about the size of each encoding.
    pub(crate) fn data_len(&self) -> usize {
        self.data.len()
    }

    /// Returns `{"event":"NAME","data":{…}}`, on one line.
    pub(crate) fn json(&self) -> &str {
        let encode = || format!(r#"{{"event":"{}","data":{}}}"#, self.name, self.data);
        self.json.get_or_init(encode)
    }

    /// Returns that JSON as a WebSocket text frame.
    pub(crate) fn frame(&self) -> Bytes {
        self.frame.get_or_init(|| text_frame(self.json())).clone()
    }

    /// Returns the event as it is in an event stream (WHATWG HTML, 9.2.6).
    pub(crate) fn sse(&self) -> Bytes {
        let encode = || {
            let id_line = match self.kind {
                EventKind::Message { id, .. } => format!("id: {id}\n"),
                _ => String::new(),
            };
            let event = format!("{id_line}event: {}\ndata: {}\n\n", self.name, self.data);
            event.into()
        };
        self.sse.get_or_init(encode).clone()
    }

    /// Returns the event `message` for a message of the log.
    pub(crate) fn message(message: &Message) -> Arc<Self> {
        let kind = EventKind::Message {
            id: message.id,
            between: message.to_id.map(|to| [message.from_id, to]),
        };
        Self::new(kind, "message", message)
    }

    /// Returns the event `joined` for a user who has joined the room.
    pub(crate) fn joined(version: u64, name: &str) -> Arc<Self> {
        Self::presence_change("joined", version, name)
    }

    /// Returns the event `left` for a user who has left the room.
    pub(crate) fn left(version: u64, name: &str) -> Arc<Self> {
        Self::presence_change("left", version, name)
    }

    fn presence_change(event: &'static str, version: u64, name: &str) -> Arc<Self> {
        let data = json!({ "name": name, "time": clock::format(Local::now()) });
        Self::new(EventKind::PresenceChange { version }, event, &data)
    }

    /// Returns the event `roster`, with the names of all members of the room.
    pub(crate) fn roster(version: u64, names: &[&str]) -> Arc<Self> {
        let data = json!({ "names": names });
        Self::new(EventKind::Roster { version }, "roster", &data)
    }

    /// Returns the event `typing` for a user who is typing.
    pub(crate) fn typing(user: UserId, name: &str) -> Arc<Self> {
        let data = json!({ "name": name });
        Self::new(EventKind::Typing { user }, "typing", &data)
    }

    /// Returns the event `reset`, for a client whose cursor is not valid. The client removes all messages from its
    /// page. The next messages follow the message `after`.
    pub(crate) fn reset(after: i64) -> Arc<Self> {
        let data = json!({ "after": after.to_string() });
        Self::new(EventKind::Direct, "reset", &data)
    }

    /// Returns the event `ping`, which shows a page that the connection is alive. A page cannot see the pings of the
    /// WebSocket protocol.
    pub(crate) fn ping() -> Arc<Self> {
        let data = json!({ "time": clock::format(Local::now()) });
        Self::new(EventKind::Direct, "ping", &data)
    }
}

/// Returns the reply to a client's frame as JSON: `ack` with the receipt of the message, or `error`. It has the number
/// `ack` of that frame.
pub(crate) fn encode_reply(ack: Option<u64>, outcome: &Result<Receipt, Error>) -> String {
    let (event, data) = match outcome {
        Ok(receipt) => ("ack", json!(receipt)),
        Err(error) => ("error", encode_error(error)),
    };
    let ack = ack.map_or(String::new(), |ack| format!(r#""ack":{ack},"#));
    format!(r#"{{"event":"{event}",{ack}"data":{data}}}"#)
}

/// Returns the data of an `error` event, with the seconds to wait after a 429.
fn encode_error(error: &Error) -> Value {
    let message = error.to_string();
    match error.retry_after() {
        Some(wait) => json!({ "error": message, "retry_after": wait.as_secs_f64() }),
        None => json!({ "error": message }),
    }
}

/// Encodes `text` as a WebSocket frame (RFC 6455 §5.2). A frame from a server has no mask, so all clients get the same
/// bytes.
fn text_frame(text: &str) -> Bytes {
    let mut frame = BytesMut::new();
    Parser::write_message(&mut frame, text, OpCode::Text, true, false);
    frame.freeze()
}
