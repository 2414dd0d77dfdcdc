//! Types for what clients send. Parsing checks the input, so code that gets such a value need not check it again.

use std::{fmt, ops::RangeInclusive, sync::Arc};

use icu_normalizer::ComposingNormalizer;
use serde::Deserialize;
use shared::{error::Error, is_visible};

/// How many characters the text of a message has. A longer text should be a file.
const TEXT_CHARS: RangeInclusive<usize> = 1..=2_000;

/// How many characters an idempotency key has: enough for a UUID in any spelling.
const KEY_CHARS: RangeInclusive<usize> = 1..=64;

/// How many characters the name of a room has, so that the address of a room stays short.
const ROOM_CHARS: RangeInclusive<usize> = 1..=32;

/// How many characters the name of a user has: it has to fit beside each message.
const NAME_CHARS: RangeInclusive<usize> = 1..=24;

/// The name of a room: 1 to 32 of `a` to `z`, `0` to `9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RoomName(Arc<str>);

impl RoomName {
    /// Parses the name of a room. A text that is not allowed is a 400.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if ROOM_CHARS.contains(&text.len()) && text.bytes().all(is_allowed) {
            return Ok(Self(text.into()));
        }
        let message = "A room's name has 1 to 32 of the letters a to z, digits and hyphens.";
        Err(Error::bad_request(message))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a user. It may contain any visible characters, also `<script>`. A page may show it only as text.
#[derive(Debug)]
pub(crate) struct UserName {
    /// The name as its user typed it, without spaces around it.
    pub(crate) text: String,
    /// The name for comparisons: see [`case_folded`].
    pub(crate) case_folded: String,
}

impl UserName {
    /// Creates a name without a check, because it was checked before it was stored.
    pub(crate) fn from_store(text: String) -> Self {
        let case_folded = case_folded(&text);
        Self { text, case_folded }
    }

    /// Parses and trims a name that a client asks for. A name that is not allowed is a 422.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        check_length("A name", &NAME_CHARS, text)?;
        if !is_visible(text) {
            let message = "A name has no line breaks, no invisible characters, and no marks without a letter.";
            return Err(Error::unprocessable(message));
        }
        Ok(Self::from_store(text.to_owned()))
    }
}

/// Returns the form of `text` for comparisons. Two texts have the same form if they differ only in case, in the width
/// of letters, or in `é` as one character or as two (normalization form KC, as in RFC 8266 §2.4). The text is
/// upper-cased first, so that `ß` equals `ss` and `ς` equals `σ`.
fn case_folded(text: &str) -> String {
    let normalizer = ComposingNormalizer::new_nfkc();
    let folded = normalizer.normalize(text).to_uppercase().to_lowercase();
    normalizer.normalize(&folded).into_owned()
}

/// The JSON of a new message, `{"key":"…","text":"…","to":"…","to_id":"…"}`, not checked yet. Only a private message
/// has `to`, and it may have `to_id` as well.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageBody {
    key: String,
    text: String,
    to: Option<String>,
    to_id: Option<String>,
}

/// A message that has been checked and may be stored.
#[derive(Debug, Clone)]
pub(crate) struct NewMessage {
    /// The idempotency key, chosen by the client. A repeat with the same key stores nothing.
    pub(crate) idempotency_key: String,
    /// The text may contain any characters, also line breaks. A page may show it only as text.
    pub(crate) text: String,
    /// The recipient of a private message. It may be a user who does not exist.
    pub(crate) to: Option<Recipient>,
}

/// The recipient of a private message.
#[derive(Debug, Clone)]
pub(crate) struct Recipient {
    pub(crate) case_folded: String,
    /// The user who must hold the name, if the client knows the id. The client may send a message late, and then a
    /// later holder of the name must not get it.
    pub(crate) id: Option<i64>,
}

impl MessageBody {
    /// Checks a new message. A text, key or `to_id` that is not allowed is a 422.
    pub(crate) fn parse(self) -> Result<NewMessage, Error> {
        check_length("A key", &KEY_CHARS, &self.key)?;
        check_length("A message", &TEXT_CHARS, &self.text)?;
        let id = self.to_id.map(|id| id.parse().map_err(|_| invalid_id()));
        let id = id.transpose()?;
        let recipient = |name: String| Recipient {
            case_folded: case_folded(name.trim()),
            id,
        };
        Ok(NewMessage {
            idempotency_key: self.key,
            text: self.text,
            to: self.to.map(recipient),
        })
    }
}

fn invalid_id() -> Error {
    Error::unprocessable("to_id must be the id of a user, as this server has sent it.")
}

fn check_length(subject: &str, allowed: &RangeInclusive<usize>, text: &str) -> Result<(), Error> {
    if allowed.contains(&text.chars().count()) {
        return Ok(());
    }
    let (min, max) = (allowed.start(), allowed.end());
    let message = format!("{subject} has {min} to {max} characters.");
    Err(Error::unprocessable(message))
}

/// How far a reader has read. A client gets it as a text and sends it back unchanged: `17`, the id of the last message
/// that the reader has read, or `17.4`, with the version of the roster that the client knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The id of a message. 0 is before all messages; `None` asks for the latest ones.
    pub(crate) id: Option<i64>,
    /// The version of the roster that the client knows.
    pub(crate) roster: Option<u64>,
}

impl Cursor {
    /// Parses the cursor that a client has sent. A text that no server can have sent is a 400.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        // Checked first, because `str::parse` alone would accept `+17`, too.
        let is_allowed = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        let cursor = if text.bytes().all(is_allowed) {
            Self::parse_numbers(text)
        } else {
            None
        };
        cursor.ok_or_else(|| {
            let message =
                "A cursor is a text that this server has sent, or 0 for all stored messages.";
            Error::bad_request(message)
        })
    }

    fn parse_numbers(text: &str) -> Option<Self> {
        let Some((id, roster)) = text.split_once('.') else {
            let id = text.parse().ok()?;
            return Some(Self {
                id: Some(id),
                roster: None,
            });
        };
        Some(Self {
            id: Some(id.parse().ok()?),
            roster: Some(roster.parse().ok()?),
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.unwrap_or_default();
        match self.roster {
            Some(roster) => write!(formatter, "{id}.{roster}"),
            None => write!(formatter, "{id}"),
        }
    }
}

#[cfg(test)]
mod tests;
