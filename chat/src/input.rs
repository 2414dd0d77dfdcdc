//! What clients send, parsed into types: whoever holds one need not check it again.

use std::{fmt, ops::RangeInclusive, sync::Arc};

use serde::Deserialize;
use shared::error::Error;

use crate::session::User;

/// How many characters a message has. More is a file and not a message.
const TEXT_CHARS: RangeInclusive<usize> = 1..=2_000;

/// How many characters a key has: enough for a UUID in any spelling.
const KEY_CHARS: RangeInclusive<usize> = 1..=64;

/// How many letters the name of a room has.
const ROOM_CHARS: RangeInclusive<usize> = 1..=32;

/// The name of a room: 1 to 32 of `a` to `z`, `0` to `9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RoomName(Arc<str>);

impl RoomName {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if ROOM_CHARS.contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.into()));
        }
        let sentence = "A room's name has 1 to 32 of the letters a to z, digits and hyphens.";
        Err(Error::BadRequest(sentence.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the author calls a message, to send it again without saying it twice.
#[derive(Debug, Clone)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is said: any characters, line breaks too. Put it on a page as text.
#[derive(Debug, Clone)]
pub(crate) struct Text(String);

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

/// `{"key":"…","text":"…","to":"…"}`, as it comes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMessage {
    key: String,
    text: String,
    to: Option<String>,
}

/// A message that may go into the log.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) key: Key,
    pub(crate) text: Text,
    pub(crate) to: Option<Arc<User>>,
}

impl NewMessage {
    /// Checks everything; `find` knows who has a name.
    pub(crate) fn parse(
        self,
        find: impl FnOnce(&str) -> Option<Arc<User>>,
    ) -> Result<Draft, Error> {
        let key = Key(of_length("A key", KEY_CHARS, self.key)?);
        let text = Text(of_length("A message", TEXT_CHARS, self.text)?);
        let nobody = Error::Missing("Nobody here has the name that the message is addressed to.");
        let to = match self.to {
            None => None,
            Some(name) => Some(find(&name).ok_or(nobody)?),
        };
        Ok(Draft { key, text, to })
    }
}

fn of_length(what: &str, chars: RangeInclusive<usize>, text: String) -> Result<String, Error> {
    if chars.contains(&text.chars().count()) {
        return Ok(text);
    }
    let (least, most) = chars.into_inner();
    let sentence = format!("{what} has {least} to {most} characters.");
    Err(Error::Unprocessable(sentence))
}

/// How far a reader has come. For clients a text that they send back as it is: `17`, the id of the last
/// message that was looked at, or `17.4` with the version of the roster that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The id of a message; 0 stands before all of them.
    pub(crate) id: i64,
    pub(crate) roster: Option<u64>,
}

impl Cursor {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (id, roster) = match text.split_once('.') {
            Some((id, roster)) => (id, Some(roster)),
            None => (text, None),
        };
        let parse = || {
            let roster = match roster {
                Some(roster) => Some(roster.parse().ok().filter(|_| digits(roster))?),
                None => None,
            };
            let id = id.parse().ok().filter(|_| digits(id))?;
            Some(Self { id, roster })
        };
        parse().ok_or_else(|| {
            let sentence =
                "A cursor is a text that this server has sent, or 0 for all that is kept.";
            Error::BadRequest(sentence.into())
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.id)?;
        self.roster
            .map_or(Ok(()), |roster| write!(formatter, ".{roster}"))
    }
}

#[cfg(test)]
mod tests;
