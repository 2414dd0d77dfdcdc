//! The named events on the wire, the same for every transport.
//!
//! ```text
//! WebSocket:  {"event":"message","data":{"id":17,"from":"Ann","text":"Hi","time":"2020-09-24 22:51:02"}}
//! SSE:        id: 17
//!             event: message
//!             data: {"id":17,"from":"Ann","text":"Hi","time":"2020-09-24 22:51:02"}
//! long poll:  {"events":[{"event":"message","data":{"id":17,…}}],"cursor":"17.4"}
//! ```

use std::sync::OnceLock;

use actix_web::web::Bytes;
use chrono::{DateTime, Local, Utc};
use serde::Serialize;
use serde_json::json;
use shared::{clock, error::Error};

use crate::{
    log::{Message, Receipt},
    session::UserId,
};

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
}

/// An event from the server. It is made once, and encoded once for all readers of the same transport.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) about: About,
    name: &'static str,
    /// JSON, on one line.
    data: String,
    frame: OnceLock<Bytes>,
    sse: OnceLock<Bytes>,
}

/// The data of `message`.
#[derive(Serialize)]
struct MessageData<'a> {
    id: i64,
    from: &'a str,
    text: &'a str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
}

impl Event {
    fn new(about: About, name: &'static str, data: &impl Serialize) -> Self {
        // None of the data can fail to be written as JSON: no maps with odd keys, no floats.
        let data = serde_json::to_string(data).unwrap_or_default();
        Self {
            about,
            name,
            data,
            frame: OnceLock::new(),
            sse: OnceLock::new(),
        }
    }

    pub(crate) fn message(message: &Message) -> Self {
        let data = MessageData {
            id: message.id,
            from: &message.from.1,
            text: &message.text,
            time: local_time(message.time),
            to: message.to.as_ref().map(|(_, name)| name.as_str()),
        };
        let private = message.to.as_ref().map(|(to, _)| (message.from.0, *to));
        Self::new(About::Message(message.id, private), "message", &data)
    }

    pub(crate) fn joined(version: u64, name: &str) -> Self {
        let data = json!({ "name": name, "time": clock::format(Local::now()) });
        Self::new(About::Roster(version), "joined", &data)
    }

    pub(crate) fn left(version: u64, name: &str) -> Self {
        let data = json!({ "name": name, "time": clock::format(Local::now()) });
        Self::new(About::Roster(version), "left", &data)
    }

    pub(crate) fn roster(version: u64, names: &[&str]) -> Self {
        Self::new(About::Roster(version), "roster", &json!({ "names": names }))
    }

    pub(crate) fn typing(user: UserId, name: &str) -> Self {
        Self::new(About::Typing(user), "typing", &json!({ "name": name }))
    }

    /// What the reader has is from before what is kept; what follows comes after `cursor`.
    pub(crate) fn reset(cursor: i64) -> Self {
        let data = json!({ "after": cursor.to_string() });
        Self::new(About::Reader, "reset", &data)
    }

    /// The connection is alive. A page cannot see the pings of the protocol itself.
    pub(crate) fn ping() -> Self {
        let data = json!({ "time": clock::format(Local::now()) });
        Self::new(About::Reader, "ping", &data)
    }

    /// `{"event":"NAME","data":{…}}`
    pub(crate) fn json(&self) -> String {
        format!(r#"{{"event":"{}","data":{}}}"#, self.name, self.data)
    }

    /// As a WebSocket's text frame.
    pub(crate) fn frame(&self) -> Bytes {
        let frame = || text_frame(&self.json());
        self.frame.get_or_init(frame).clone()
    }

    /// As an event of an event stream. No line of JSON holds a line break.
    pub(crate) fn sse(&self) -> Bytes {
        let sse = || {
            let id = match self.about {
                About::Message(id, _) => format!("id: {id}\n"),
                _ => String::new(),
            };
            format!("{id}event: {}\ndata: {}\n\n", self.name, self.data).into()
        };
        self.sse.get_or_init(sse).clone()
    }
}

/// What is told to the author of a message, whatever the transport: `{"id":17,"time":"…"}`
pub(crate) fn receipt(receipt: Receipt) -> serde_json::Value {
    json!({ "id": receipt.id, "time": local_time(receipt.time) })
}

/// The answer over a WebSocket to a message with this `ack`.
pub(crate) fn ack(ack: Option<u64>, stored: Receipt) -> String {
    answer("ack", ack, &receipt(stored))
}

/// What is wrong with the frame that had this `ack`, if it had one.
pub(crate) fn error(ack: Option<u64>, error: &Error) -> String {
    let mut data = json!({ "error": error.to_string() });
    if let (Error::TooMany(_, wait), Some(data)) = (error, data.as_object_mut()) {
        data.insert("retry_after".into(), wait.as_secs_f64().into());
    }
    answer("error", ack, &data)
}

fn answer(event: &str, ack: Option<u64>, data: &serde_json::Value) -> String {
    match ack {
        Some(ack) => json!({ "event": event, "ack": ack, "data": data }).to_string(),
        None => json!({ "event": event, "data": data }).to_string(),
    }
}

fn local_time(seconds: i64) -> String {
    let time = DateTime::<Utc>::from_timestamp(seconds, 0).unwrap_or_default();
    clock::format(time.with_timezone(&Local))
}

/// A text frame as a server sends it: whole and without a mask, so the same for everybody
/// (RFC 6455 §5.2).
fn text_frame(text: &str) -> Bytes {
    /// The first byte of a frame that is a whole message of text.
    const WHOLE_TEXT: u8 = 0x81;
    let length = text.len();
    let mut frame = Vec::with_capacity(length + 10);
    frame.push(WHOLE_TEXT);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => frame.push(short),
        (_, Ok(medium)) => {
            frame.push(126);
            frame.extend(medium.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(text.as_bytes());
    frame.into()
}
