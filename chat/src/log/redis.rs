//! The same log on Redis Streams.

use std::collections::HashMap;
use std::{sync::LazyLock, time::Duration};

use redis::{Script, pipe};
use shared::error::Error;
use tokio::time::sleep;

use super::{KEPT, Log, Message, NOBODY, PAGE, Page, Receipt, View, start};
use crate::input::{Draft, RoomName};
use crate::redis::Redis;
use crate::session::User;

/// How long a reader waits before it reads again what could not be read.
const TRY_AGAIN: Duration = Duration::from_secs(1);

static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("append.lua")));

static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("page.lua")));

/// An entry of a stream: its id, then names and values by turns.
pub(crate) type Entry = (String, Vec<String>);
type Entries = Vec<Entry>;

impl Redis {
    /// Adds a message to the log, or finds out what its key got the first time.
    pub(super) async fn append(
        &self,
        room: &RoomName,
        author: &User,
        draft: &Draft,
    ) -> Result<Receipt, Error> {
        let mut script = APPEND.arg(room.as_str());
        script
            .arg(author.id)
            .arg(&author.name.folded)
            .arg(author.name());
        script
            .arg(&draft.key)
            .arg(&draft.text)
            .arg(KEPT)
            .arg(&draft.to);
        let (outcome, id, time): (String, i64, i64) = self.run(&script).await?;
        match outcome.as_str() {
            "nobody" => Err(NOBODY),
            "gone" => Err(Error::Unauthorized(
                "Your name is not yours any more: POST /session.",
            )),
            _ => Ok(Receipt {
                id,
                time,
                fresh: outcome == "new",
            }),
        }
    }

    pub(super) async fn after(&self, view: &View, cursor: Option<i64>) -> Result<Page, Error> {
        let next = cursor.unwrap_or_default().saturating_add(1);
        let mut script = READ.arg(view.0.as_str());
        let (first, last, page): (Entries, Entries, Entries) =
            self.run(script.arg(next).arg(PAGE)).await?;
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
            let key = format!("chat:log:{}", view.0.as_str());
            let mut reading = pipe();
            reading.cmd("XREVRANGE").arg(key).arg(end).arg(after + 1);
            reading.arg("COUNT").arg(PAGE);
            let (page,): (Entries,) = self.ask(&reading).await?;
            end = id_of(page.last(), after + 1) - 1;
            messages.extend(visible(page, view).take(most - messages.len()));
        }
        messages.reverse();
        Ok(messages)
    }
}

impl Log {
    /// A reader who is connected is not ended when Redis does not answer: that would end all at once, and all would come
    /// back at once. It waits and reads again.
    pub(crate) async fn try_again(&self, read: Result<(), Error>) -> Result<(), Error> {
        if self.database.redis.is_some() && matches!(read, Err(Error::Unavailable(_))) {
            sleep(TRY_AGAIN).await;
            return Ok(());
        }
        read
    }
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
