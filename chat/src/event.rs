//! The named events on the wire, the same for every transport.
//!
//! ```text
//! WebSocket:  {"event":"message","data":{"id":17,"from":"Ann","text":"Hi","time":"2020-09-24 22:51:02"}}
//! SSE:        id: 17
//!             event: message
//!             data: {"id":17,"from":"Ann","text":"Hi","time":"2020-09-24 22:51:02"}
//! long poll:  {"events":[{"event":"message","data":{"id":17,…}}],"cursor":"17.4"}
//! ```

use std::sync::Arc;

use actix_web::web::Bytes;
use chrono::Local;
use serde::Serialize;
use serde_json::json;
use shared::{clock, error::Error};

use crate::log::{Message, Receipt};
use crate::session::UserId;
use crate::transport::websocket::text_frame;

/// What an event is about, for a reader who has to know whether it is news to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// A message with this id, in the log. The two are its author and its addressee, if it is private.
    Message(i64, Option<(UserId, UserId)>),
    /// Who is here: the version of the roster that this leads to.
    Roster(u64),
    /// Somebody is typing.
    Typing(UserId),
    /// What this reader has to know, and nobody else.
    Reader,
    /// Nothing that is told: there may be something in the log that nobody was told of.
    #[cfg(feature = "redis")]
    Missed,
}

/// An event from the server, encoded once for all readers, whatever their transport.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) about: About,
    /// `{"event":"NAME","data":{…}}`, on one line.
    pub(crate) json: String,
    /// The same as a WebSocket's text frame.
    pub(crate) frame: Bytes,
    /// As an event of an event stream.
    pub(crate) sse: Bytes,
}

impl Event {
    fn new(about: About, name: &str, data: &impl Serialize) -> Arc<Self> {
        // None of the data can fail to be written as JSON: it is strings and numbers.
        let data = serde_json::to_string(data).unwrap_or_default();
        let id = match about {
            About::Message(id, _) => format!("id: {id}\n"),
            _ => String::new(),
        };
        let json = format!(r#"{{"event":"{name}","data":{data}}}"#);
        Arc::new(Self {
            about,
            frame: text_frame(&json),
            json,
            sse: format!("{id}event: {name}\ndata: {data}\n\n").into(),
        })
    }

    pub(crate) fn message(message: &Message) -> Arc<Self> {
        let private = message.to_id.map(|to| (message.from_id, to));
        Self::new(About::Message(message.id, private), "message", message)
    }

    /// `joined` or `left`: somebody came or went.
    pub(crate) fn moved(name: &str, version: u64, who: &str) -> Arc<Self> {
        let data = json!({ "name": who, "time": clock::format(Local::now()) });
        Self::new(About::Roster(version), name, &data)
    }

    pub(crate) fn roster(version: u64, names: &[&str]) -> Arc<Self> {
        Self::new(About::Roster(version), "roster", &json!({ "names": names }))
    }

    pub(crate) fn typing(user: UserId, name: &str) -> Arc<Self> {
        Self::new(About::Typing(user), "typing", &json!({ "name": name }))
    }

    /// The log does not have the reader's cursor: it forgets its messages, and what follows comes after
    /// this one.
    pub(crate) fn reset(cursor: i64) -> Arc<Self> {
        let data = json!({ "after": cursor.to_string() });
        Self::new(About::Reader, "reset", &data)
    }

    /// For the readers themselves, not for their clients.
    #[cfg(feature = "redis")]
    pub(crate) fn missed() -> Arc<Self> {
        Self::new(About::Missed, "", &())
    }

    /// The connection is alive. A page cannot see the pings of the protocol itself.
    pub(crate) fn ping() -> Arc<Self> {
        let data = json!({ "time": clock::format(Local::now()) });
        Self::new(About::Reader, "ping", &data)
    }
}

/// What is answered to a frame that had this `ack`: that its message is stored, or what is wrong.
pub(crate) fn answer(ack: Option<u64>, outcome: &Result<Receipt, Error>) -> String {
    let (event, data) = match outcome {
        Ok(receipt) => ("ack", json!(receipt)),
        Err(Error::TooMany(sentence, wait)) => {
            let wait = wait.as_secs_f64();
            ("error", json!({ "error": sentence, "retry_after": wait }))
        }
        Err(error) => ("error", json!({ "error": error.to_string() })),
    };
    let ack = ack.map_or(String::new(), |ack| format!(r#""ack":{ack},"#));
    format!(r#"{{"event":"{event}",{ack}"data":{data}}}"#)
}
