//! What a log of messages is, in any store.
//!
//! The ids of a room's messages count up. A reader remembers the id of the last message that it has read, its
//! *cursor*. With that number it can continue later and misses nothing.
//!
//! Only the oldest messages are ever deleted. So a log is one range of ids from the first to the last, and a cursor is
//! valid as long as no message after it has been deleted. No id is given twice, even if a store loses messages. SQLite
//! loses none: its ids begin with the time in milliseconds and have no gaps. A Redis may lose the latest messages, so
//! there each id is the time in microseconds, and the ids of lost messages leave a gap. If a whole log is lost and a new
//! one begins, a cursor of the lost log is too old, and its reader gets a `reset`.

use chrono::{DateTime, Local};
use serde::{Serialize, Serializer};
use shared::clock;

use crate::input::RoomName;
use crate::user::UserId;

/// How many messages of a room are kept, so that a busy room does not fill the disk. The oldest are deleted first,
/// with their idempotency keys.
pub(crate) const MAX_MESSAGES_PER_ROOM: i64 = 10_000;

/// How many messages a page of the log has at most. A newcomer gets as many: they fill a screen, and load quickly.
pub(crate) const PAGE_SIZE: usize = 50;

/// A page ends when its texts together are longer than this, in bytes of JSON; the last message is still in the page. The
/// server holds one page in memory for each client that does not read.
pub(crate) const PAGE_BYTES: usize = 32 * 1024;

/// The text of the 404 for a private message whose recipient does not exist, or no longer has the name.
pub(crate) const NO_SUCH_RECIPIENT: &str =
    "Nobody here has the recipient's name, or somebody else has it now. Nothing was sent.";

/// The text of the 503 for the first message of a room while too many rooms have messages.
pub(crate) const TOO_MANY_ROOMS: &str = "Too many rooms have messages. Try again later.";

/// A message in the log. Its JSON is the data of a `message` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    pub(crate) id: i64,
    #[serde(skip)]
    pub(crate) from_id: UserId,
    pub(crate) from: String,
    pub(crate) text: String,
    /// In Unix seconds.
    #[serde(serialize_with = "serialize_unix_as_local_time")]
    pub(crate) time: i64,
    /// The recipient of a private message.
    #[serde(skip)]
    pub(crate) to_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
}

/// The acknowledgement of a message: where it is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Receipt {
    pub(crate) id: i64,
    /// In Unix seconds.
    #[serde(serialize_with = "serialize_unix_as_local_time")]
    pub(crate) time: i64,
    /// Whether this request stored the message. `false` for a repeat, which gets the receipt of the first request.
    #[serde(skip)]
    pub(crate) created: bool,
}

/// A room as one of its readers sees it: without the messages that are private to others.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) room: RoomName,
    pub(crate) reader: UserId,
}

/// A part of the log, without the messages that are private to others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// Set if the reader's cursor was not valid: the cursor to use instead.
    pub(crate) reset: Option<i64>,
    /// The messages that the reader may see, oldest first.
    pub(crate) messages: Vec<Message>,
    /// The id up to which the log was read. The message with this id may be private to others.
    pub(crate) cursor: i64,
    /// Whether there are messages after the cursor.
    pub(crate) has_more: bool,
}

/// Collects the messages of a page until it is full.
#[derive(Debug, Default)]
pub(crate) struct PageBuilder {
    pub(crate) messages: Vec<Message>,
    bytes: usize,
}

impl PageBuilder {
    pub(crate) fn push(&mut self, message: Message) {
        self.bytes += encoded_len(&message.text);
        self.messages.push(message);
    }

    /// Returns whether the page has `PAGE_SIZE` messages, or the JSON of its texts more than `PAGE_BYTES`.
    pub(crate) fn is_full(&self) -> bool {
        self.messages.len() >= PAGE_SIZE || self.bytes > PAGE_BYTES
    }
}

/// Returns how many bytes a text has in JSON at most, where a control character is `\u0001` and a quote `\"`.
fn encoded_len(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

/// Returns the id after which a reader with this cursor continues. Returns `None` if the cursor is outside the log,
/// which has the messages `first_id` to `last_id`. Cursor 0 means the beginning of the log.
pub(crate) fn resolve_cursor(cursor: i64, first_id: i64, last_id: i64) -> Option<i64> {
    let before_first = first_id - 1;
    if cursor == 0 {
        return Some(before_first);
    }
    (before_first..=last_id).contains(&cursor).then_some(cursor)
}

/// Serializes Unix seconds as a local time, `2020-09-24 22:51:02`.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes every field by reference"
)]
fn serialize_unix_as_local_time<S: Serializer>(
    seconds: &i64,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let time = DateTime::from_timestamp(*seconds, 0).unwrap_or_default();
    serializer.serialize_str(&clock::format(time.with_timezone(&Local)))
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn a_cursor_outside_the_log_is_not_valid() {
        assert_eq!(resolve_cursor(0, 100, 200), Some(99));
        for valid in [99, 100, 150, 200] {
            assert_eq!(resolve_cursor(valid, 100, 200), Some(valid));
        }
        for invalid in [1, 98, 201, i64::MAX] {
            assert_eq!(resolve_cursor(invalid, 100, 200), None);
        }
    }

    #[test]
    fn unix_seconds_are_serialized_as_local_time() {
        let time = Local.with_ymd_and_hms(2020, 9, 24, 22, 51, 2).unwrap();
        let json = serialize_unix_as_local_time(&time.timestamp(), serde_json::value::Serializer);
        assert_eq!(json.unwrap(), "2020-09-24 22:51:02");
    }
}
