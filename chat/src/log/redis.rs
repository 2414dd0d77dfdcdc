//! The same log on Redis Streams.

use std::collections::HashMap;
use std::sync::LazyLock;

use redis::{Cmd, Script, cmd, pipe};
use shared::error::Error;

use super::{KEPT, Message, PAGE, Page, Receipt, View, start};
use crate::input::{Draft, RoomName};
use crate::redis::Redis;
use crate::session::User;

static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("append.lua")));

/// An entry of a stream: its id, then names and values by turns.
pub(crate) type Entry = (String, Vec<String>);
type Entries = Vec<Entry>;

impl Redis {
    /// Adds a message to the log, or finds out what its key got the first time. `None` if nobody has the
    /// name that it is for.
    pub(super) async fn append(
        &self,
        room: &RoomName,
        author: &User,
        draft: &Draft,
    ) -> Result<Option<Receipt>, Error> {
        let mut script = APPEND.arg(room.as_str());
        script
            .arg(author.id)
            .arg(author.name())
            .arg(&draft.key)
            .arg(&draft.text)
            .arg(KEPT);
        let receipt: Option<(i64, i64, bool)> = self.run(script.arg(&draft.to)).await?;
        Ok(receipt.map(|(id, time, fresh)| Receipt { id, time, fresh }))
    }

    pub(super) async fn after(&self, view: &View, cursor: Option<i64>) -> Result<Page, Error> {
        let room = &view.0;
        let next = cursor.unwrap_or_default().saturating_add(1).to_string();
        // As one transaction, so that all three see the same moment.
        let mut reading = pipe();
        reading.atomic();
        reading.add_command(range("XRANGE", room, ("-", "+"), 1));
        reading.add_command(range("XREVRANGE", room, ("+", "-"), 1));
        reading.add_command(range("XRANGE", room, (&next, "+"), PAGE));
        let (first, last, page): (Entries, Entries, Entries) = self.ask(&reading).await?;
        let (first, last) = (id_of(first.first(), 1), id_of(last.first(), 0));
        if start(cursor, first, last).is_none() {
            let messages = self.newest(view, (0, last)).await?;
            let new_start = messages.first().map_or(last, |message| message.id - 1);
            return Ok(Page {
                reset: cursor.map(|_| new_start),
                messages,
                cursor: last,
                more: false,
            });
        }
        let end = id_of(page.last(), last);
        Ok(Page {
            reset: None,
            messages: visible(page, view).collect(),
            cursor: end,
            more: end < last,
        })
    }

    /// The newest messages after one id and up to another, a page of them, in their order.
    pub(super) async fn newest(
        &self,
        view: &View,
        (after, until): (i64, i64),
    ) -> Result<Vec<Message>, Error> {
        let most = usize::try_from(PAGE).unwrap_or_default();
        let (mut end, mut messages) = (until, Vec::new());
        // Page by page, because some may be private to others.
        while messages.len() < most && end > after {
            let ids = (end.to_string(), (after + 1).to_string());
            let mut reading = pipe();
            reading.add_command(range("XREVRANGE", &view.0, (&ids.0, &ids.1), PAGE));
            let (page,): (Entries,) = self.ask(&reading).await?;
            end = id_of(page.last(), after + 1) - 1;
            messages.extend(visible(page, view).take(most - messages.len()));
        }
        messages.reverse();
        Ok(messages)
    }
}

/// The command for a part of a room's log, `most` entries of it.
fn range(command: &str, room: &RoomName, (start, end): (&str, &str), most: i64) -> Cmd {
    let mut range = cmd(command);
    range
        .arg(key(room))
        .arg(start)
        .arg(end)
        .arg("COUNT")
        .arg(most);
    range
}

fn key(room: &RoomName) -> String {
    format!("chat:log:{}", room.as_str())
}

/// Those of the messages that are for the reader.
fn visible(page: Entries, (_, reader): &View) -> impl Iterator<Item = Message> {
    let messages = page.into_iter().filter_map(message);
    messages.filter(|message| {
        message
            .to_id
            .is_none_or(|to| [message.from_id, to].contains(reader))
    })
}

/// The first half of a stream's id is the message's.
fn number(id: &str) -> Option<i64> {
    id.split_once('-')?.0.parse().ok()
}

fn id_of(entry: Option<&Entry>, otherwise: i64) -> i64 {
    entry.and_then(|(id, _)| number(id)).unwrap_or(otherwise)
}

/// An entry as the message that was stored.
pub(crate) fn message((id, fields): Entry) -> Option<Message> {
    let mut fields = fields.into_iter();
    let mut values = HashMap::new();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        values.insert(name, value);
    }
    Some(Message {
        id: number(&id)?,
        from_id: values.get("from_id")?.parse().ok()?,
        from: values.remove("from")?,
        text: values.remove("text")?,
        time: values.get("time")?.parse().ok()?,
        to_id: values.get("to_id").and_then(|id| id.parse().ok()),
        to: values.remove("to"),
    })
}
