//! The log on Redis Streams: one stream a room.

use std::collections::HashMap;
use std::sync::LazyLock;

use redis::{Script, pipe};
use shared::error::Error;

use super::connection::Redis;
use crate::input::{NewMessage, RoomName};
use crate::log::{
    MAX_MESSAGES_PER_ROOM, Message, NO_SUCH_RECIPIENT, PAGE_SIZE, Page, Receipt, View,
    resolve_cursor,
};
use crate::user::User;

/// The 401 for a message whose author has lost the name since the request began.
const NAME_LOST: &str = "Your name is not yours any more: POST /session.";

static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("append.lua")));
static PAGE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("page.lua")));

/// An entry of a stream: its id, then the names and values of its fields in turn.
pub(super) type Entry = (String, Vec<String>);

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
    script.arg(&message.to); // `None` adds no argument.
    let (outcome, id, time): (String, i64, i64) = redis.run_script(&script).await?;
    let created = match outcome.as_str() {
        "created" => true,
        "repeated" => false,
        "no recipient" => return Err(Error::not_found(NO_SUCH_RECIPIENT)),
        _ => return Err(Error::unauthorized(NAME_LOST)),
    };
    Ok(Receipt { id, time, created })
}

pub(super) async fn page_after(
    redis: &Redis,
    view: View,
    cursor: Option<i64>,
) -> Result<Page, Error> {
    let next = cursor.unwrap_or_default().saturating_add(1);
    let mut script = PAGE.arg(view.room.as_str());
    script.arg(next).arg(PAGE_SIZE);
    let entries: (Vec<Entry>, Vec<Entry>, Vec<Entry>) = redis.run_script(&script).await?;
    let (first, last, page) = entries;
    // An empty room has the ids 1 and 0, so that its only valid cursor is 0.
    let first_id = first.first().and_then(message_id).unwrap_or(1);
    let last_id = last.first().and_then(message_id).unwrap_or(0);
    let is_valid = |cursor| resolve_cursor(cursor, first_id, last_id).is_some();
    if !cursor.is_some_and(is_valid) {
        let messages = latest_until(redis, &view, last_id).await?;
        let before_page = messages.first().map_or(last_id, |message| message.id - 1);
        return Ok(Page {
            reset: cursor.map(|_| before_page),
            messages,
            cursor: last_id,
            has_more: false,
        });
    }
    let until = page.last().and_then(message_id).unwrap_or(last_id);
    Ok(Page {
        reset: None,
        messages: visible_messages(page, &view).collect(),
        cursor: until,
        has_more: until < last_id,
    })
}

pub(super) async fn page_before(redis: &Redis, view: View, id: i64) -> Result<Vec<Message>, Error> {
    latest_until(redis, &view, id - 1).await
}

/// Returns the latest messages with an id up to `until`, oldest first, a page at most.
async fn latest_until(redis: &Redis, view: &View, until: i64) -> Result<Vec<Message>, Error> {
    let page_size = usize::try_from(PAGE_SIZE).unwrap_or_default();
    let mut end = until;
    let mut messages = Vec::new();
    // Page by page, because some messages may be private to others.
    while messages.len() < page_size && end > 0 {
        let mut reading = pipe();
        reading
            .cmd("XREVRANGE")
            .arg(format!("chat:log:{}", view.room.as_str()))
            .arg(end)
            .arg("-");
        reading.arg("COUNT").arg(PAGE_SIZE);
        let (page,): (Vec<Entry>,) = redis.query(&reading).await?;
        end = page.last().and_then(message_id).unwrap_or(1) - 1;
        let missing = page_size - messages.len();
        messages.extend(visible_messages(page, view).take(missing));
    }
    messages.reverse();
    Ok(messages)
}

fn visible_messages(page: Vec<Entry>, view: &View) -> impl Iterator<Item = Message> {
    let messages = page.into_iter().filter_map(parse_message);
    messages.filter(|message| message.is_visible_to(view.reader))
}

/// Returns the id of the message in an entry: the first half of the entry's own id, `17-0`.
fn message_id((entry_id, _): &Entry) -> Option<i64> {
    let (message_id, _) = entry_id.split_once('-')?;
    message_id.parse().ok()
}

/// Parses an entry of a stream. `None` if it was not written by `append.lua`.
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
