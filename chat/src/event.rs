//! The named events on the wire, the same for every transport.
//!
//! ```text
//! WebSocket:  {"event":"message","data":{"id":17,"from":"Ann","text":"Hi","time":"2020-09-24 22:51:02"}}
//! SSE:        id: 17
//!             event: message
//!             data: {"id":17,"from":"Ann","text":"Hi","time":"2020-09-24 22:51:02"}
//! long poll:  {"events":[{"event":"message","data":{"id":17,…}}],"cursor":"17.4"}
//! ```

use std::sync::{Arc, OnceLock};

use actix_http::ws::{OpCode, Parser};
use actix_web::web::{Bytes, BytesMut};
use chrono::Local;
use serde::Serialize;
use serde_json::{Value, json};
use shared::{clock, error::Error};

use crate::log::{Message, Receipt};
use crate::user::UserId;

/// What a reader needs to know of an event to decide whether to deliver it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A message from the log. `between` has the author and the recipient of a private message.
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
    /// Something for one reader only, such as a ping.
    Direct,
}

/// An event from the server, encoded once for all readers of a transport, when the first of them needs it.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    name: &'static str,
    /// JSON.
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
            // This cannot fail: the data are strings and numbers.
            data: serde_json::to_string(data).unwrap_or_default(),
            json: OnceLock::new(),
            frame: OnceLock::new(),
            sse: OnceLock::new(),
        })
    }

    /// Returns about how many bytes the event takes, in each of its encodings.
    pub(crate) fn data_len(&self) -> usize {
        self.data.len()
    }

    /// Returns `{"event":"NAME","data":{…}}`, on one line.
    pub(crate) fn json(&self) -> &str {
        let encode = || format!(r#"{{"event":"{}","data":{}}}"#, self.name, self.data);
        self.json.get_or_init(encode)
    }

    /// Returns the same as a WebSocket text frame.
    pub(crate) fn frame(&self) -> Bytes {
        self.frame.get_or_init(|| text_frame(self.json())).clone()
    }

    /// Returns the same as an event of an event stream.
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

    /// Returns `message` for a message of the log.
    pub(crate) fn message(message: &Message) -> Arc<Self> {
        let kind = EventKind::Message {
            id: message.id,
            between: message.to_id.map(|to| [message.from_id, to]),
        };
        Self::new(kind, "message", message)
    }

    /// Returns `joined` for a user who has come into the room.
    pub(crate) fn joined(version: u64, name: &str) -> Arc<Self> {
        Self::presence_change("joined", version, name)
    }

    /// Returns `left` for a user who has gone from the room.
    pub(crate) fn left(version: u64, name: &str) -> Arc<Self> {
        Self::presence_change("left", version, name)
    }

    fn presence_change(event: &'static str, version: u64, name: &str) -> Arc<Self> {
        let data = json!({ "name": name, "time": clock::format(Local::now()) });
        Self::new(EventKind::PresenceChange { version }, event, &data)
    }

    /// Returns `roster`, with the names of all users in the room.
    pub(crate) fn roster(version: u64, names: &[&str]) -> Arc<Self> {
        let data = json!({ "names": names });
        Self::new(EventKind::Roster { version }, "roster", &data)
    }

    /// Returns `typing` for a user who is typing.
    pub(crate) fn typing(user: UserId, name: &str) -> Arc<Self> {
        let data = json!({ "name": name });
        Self::new(EventKind::Typing { user }, "typing", &data)
    }

    /// Returns `reset`, which tells the client that its cursor is no longer valid: it drops all messages, and the
    /// next ones follow the message `after`.
    pub(crate) fn reset(after: i64) -> Arc<Self> {
        let data = json!({ "after": after.to_string() });
        Self::new(EventKind::Direct, "reset", &data)
    }

    /// Returns `ping`, which shows a page that the connection is alive. A page cannot see the pings of the WebSocket
    /// protocol.
    pub(crate) fn ping() -> Arc<Self> {
        let data = json!({ "time": clock::format(Local::now()) });
        Self::new(EventKind::Direct, "ping", &data)
    }
}

/// Returns the reply to a frame that had this `ack`: `ack` with the receipt of the message, or `error`.
pub(crate) fn encode_reply(ack: Option<u64>, outcome: &Result<Receipt, Error>) -> String {
    let (event, data) = match outcome {
        Ok(receipt) => ("ack", json!(receipt)),
        Err(error) => ("error", encode_error(error)),
    };
    let ack = ack.map_or(String::new(), |ack| format!(r#""ack":{ack},"#));
    format!(r#"{{"event":"{event}",{ack}"data":{data}}}"#)
}

/// Returns the data of an `error` event; for a 429 with the seconds to wait.
fn encode_error(error: &Error) -> Value {
    let message = error.to_string();
    match error.retry_after() {
        Some(wait) => json!({ "error": message, "retry_after": wait.as_secs_f64() }),
        None => json!({ "error": message }),
    }
}

/// Encodes `text` as a WebSocket frame (RFC 6455 §5.2). A server's frames have no mask, so one serves all clients.
fn text_frame(text: &str) -> Bytes {
    let mut frame = BytesMut::new();
    Parser::write_message(&mut frame, text, OpCode::Text, true, false);
    frame.freeze()
}
