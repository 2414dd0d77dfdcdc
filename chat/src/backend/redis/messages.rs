//! The log in Redis: one stream for each room.

use std::collections::HashMap;
use std::sync::LazyLock;

use redis::{RedisError, Script};
use shared::error::Error;

use super::connection::{Redis, unavailable};
use crate::input::{NewMessage, RoomName};
use crate::log::{
    MAX_MESSAGES_PER_ROOM, Message, NO_SUCH_RECIPIENT, PAGE_BYTES, PAGE_SIZE, Page, Receipt, View,
    resolve_cursor,
};
use crate::user::User;

/// The text of the 401 for a message whose author no longer holds the name, because Redis has lost data.
const NAME_LOST: &str = "You no longer have your name. Choose it again: POST /session.";

static APPEND: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("log.lua"), include_str!("append.lua"))));

/// The first line allows this script to run when Redis is out of memory.
static EVICT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        "#!lua flags=allow-oom\n",
        include_str!("log.lua"),
        include_str!("evict.lua")
    ))
});

static PAGE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("page.lua")));

/// How many messages of a room one call deletes when Redis is out of memory. Redis runs nothing else during the call.
const EVICT_BATCH: usize = 500;

/// How many rooms, those with the latest messages, always keep their latest page: Redis may be full of the data of other
/// programs, and then it does not help to delete more.
const KEPT_ROOMS: usize = 20;

/// How many messages one call deletes at least, in one room or in many small ones.
const EVICT_ENOUGH: usize = 50;

/// How many times messages are deleted to make space for a new one, before its author gets an error.
const MAX_EVICTIONS: usize = 4;

/// An entry of a stream: its id, and a list of its fields, where the value of each field follows its name.
pub(super) type Entry = (String, Vec<String>);

/// Appends a message. If Redis is out of memory, deletes old messages and tries again.
pub(super) async fn append(
    redis: &Redis,
    room: &RoomName,
    author: &User,
    message: NewMessage,
) -> Result<Receipt, Error> {
    let mut script = APPEND.arg(room.as_str());
    script.arg(author.id);
    script.arg(&author.name.case_folded);
    script.arg(author.name());
    script.arg(&message.idempotency_key);
    script.arg(&message.text);
    script.arg(MAX_MESSAGES_PER_ROOM);
    // Each of these adds no argument if it is `None`.
    script.arg(message.to.as_ref().map(|to| &to.case_folded));
    script.arg(message.to.as_ref().and_then(|to| to.id));
    let mut appended = redis.try_script(&script).await;
    for _ in 0..MAX_EVICTIONS {
        if !matches!(&appended, Err(error) if is_out_of_memory(error)) || !evict(redis).await? {
            break;
        }
        appended = redis.try_script(&script).await;
    }
    let (outcome, id, time): (String, i64, i64) = appended.map_err(|error| unavailable(&error))?;
    let created = match outcome.as_str() {
        "created" => true,
        "repeated" => false,
        "no recipient" => return Err(Error::not_found(NO_SUCH_RECIPIENT)),
        _ => return Err(Error::unauthorized(NAME_LOST)),
    };
    Ok(Receipt { id, time, created })
}

/// Deletes the oldest messages of the rooms that were silent for longest. Returns `false` if there are none that may be
/// deleted. A room keeps its latest page as long as another room has more than a page.
async fn evict(redis: &Redis) -> Result<bool, Error> {
    let mut script = EVICT.arg(EVICT_BATCH);
    let deleted: usize = redis
        .run_script(script.arg(PAGE_SIZE).arg(EVICT_ENOUGH).arg(KEPT_ROOMS))
        .await?;
    if deleted > 0 {
        log::warn!("Redis is out of memory: deleted {deleted} old messages");
    }
    Ok(deleted > 0)
}

fn is_out_of_memory(error: &RedisError) -> bool {
    error.code() == Some("OOM")
}

/// Returns the page after `cursor`. Without a valid cursor, the page begins with the latest `PAGE_SIZE` messages.
pub(super) async fn page_after(
    redis: &Redis,
    view: View,
    cursor: Option<i64>,
) -> Result<Page, Error> {
    let read = read_page(redis, &view, "after", cursor).await?;
    let is_valid = |cursor| resolve_cursor(cursor, read.first_id, read.last_id).is_some();
    if cursor.is_none_or(is_valid) {
        return Ok(read.into_page(None));
    }
    let latest = read_page(redis, &view, "after", None).await?;
    let reset = latest.after;
    Ok(latest.into_page(Some(reset)))
}

/// Returns the latest messages before the one with this id, oldest first, at most one page.
pub(super) async fn page_before(redis: &Redis, view: View, id: i64) -> Result<Vec<Message>, Error> {
    let mut read = read_page(redis, &view, "before", Some(id)).await?;
    read.messages.reverse();
    Ok(read.messages)
}

/// What `page.lua` returns.
struct ReadPage {
    first_id: i64,
    last_id: i64,
    /// The id after which the page begins.
    after: i64,
    messages: Vec<Message>,
    has_more: bool,
}

async fn read_page(
    redis: &Redis,
    view: &View,
    direction: &str,
    id: Option<i64>,
) -> Result<ReadPage, Error> {
    let mut script = PAGE.arg(view.room.as_str());
    script.arg(view.reader).arg(direction);
    match id {
        Some(id) => script.arg(id),
        None => script.arg(""),
    };
    script.arg(PAGE_SIZE).arg(PAGE_BYTES);
    let (first_id, last_id, after, entries, has_more): (i64, i64, i64, Vec<Entry>, bool) =
        redis.run_script(&script).await?;
    Ok(ReadPage {
        first_id,
        last_id,
        after,
        messages: entries.into_iter().filter_map(parse_message).collect(),
        has_more,
    })
}

impl ReadPage {
    fn into_page(self, reset: Option<i64>) -> Page {
        let last_read = self
            .messages
            .last()
            .map_or(self.after, |message| message.id);
        Page {
            reset,
            messages: self.messages,
            // Messages after the last page are private to others, so the cursor skips them.
            cursor: if self.has_more {
                last_read
            } else {
                self.last_id
            },
            has_more: self.has_more,
        }
    }
}

/// Returns the id of the message in an entry: 17 for the entry `17-0`.
fn message_id((entry_id, _): &Entry) -> Option<i64> {
    let (message_id, _) = entry_id.split_once('-')?;
    message_id.parse().ok()
}

/// Parses an entry of a stream. Returns `None` if `append.lua` cannot have written it.
pub(super) fn parse_message(entry: Entry) -> Option<Message> {
    let id = message_id(&entry)?;
    let (_, fields) = entry;
    let mut fields = fields.into_iter();
    let mut values = HashMap::new();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        values.insert(name, value);
    }
    Some(Message {
        id,
        from_id: values.get("from_id")?.parse().ok()?,
        from: values.remove("from")?,
        text: values.remove("text")?,
        time: values.get("time")?.parse().ok()?,
        to_id: values.get("to_id").and_then(|id| id.parse().ok()),
        to: values.remove("to"),
    })
}
