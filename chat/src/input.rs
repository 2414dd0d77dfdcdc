//! What clients send, parsed into types: whoever holds one need not check it again.

use std::{fmt, ops::RangeInclusive, sync::Arc};

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategoryGroup as Is};
use icu_properties::{CodePointMapData, CodePointSetData};
use serde::Deserialize;
use shared::error::Error;

/// How many characters a message has. More is a file and not a message.
const TEXT_CHARS: RangeInclusive<usize> = 1..=2_000;

/// How many characters a key has: enough for a UUID in any spelling.
const KEY_CHARS: RangeInclusive<usize> = 1..=64;

/// How many characters the name of a room has.
const ROOM_CHARS: RangeInclusive<usize> = 1..=32;

/// How many characters the name of a user has: it has to fit beside each message.
const NAME_CHARS: RangeInclusive<usize> = 1..=24;

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

/// The name of a user, trimmed. It may hold anything that can be seen, `<script>` too: put it on a page
/// as text.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) text: String,
    /// Without case: two names that differ only in it are the same. In capitals first, which also makes `ß` one of
    /// `ss`, and the two small sigmas one.
    pub(crate) folded: String,
}

impl Name {
    /// A name that is somebody's already. One that somebody wants goes through `parse`.
    pub(crate) fn new(text: String) -> Self {
        let folded = text.to_uppercase().to_lowercase();
        Self { text, folded }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let text = of_length("A name", NAME_CHARS, text.trim().to_owned())?;
        if text.contains(is_unseen) {
            let sentence = "A name has no line breaks and no invisible characters.";
            return Err(Error::Unprocessable(sentence.into()));
        }
        Ok(Self::new(text))
    }
}

/// Whether a letter has no glyph of its own, so that a name with it looks like one without: controls, formats
/// such as U+200B and U+202E, line ends, what Unicode has not assigned (its general categories C, Zl, Zp), fillers
/// and variation selectors (`Default_Ignorable_Code_Point`), and the empty Braille pattern. So an emoji that is
/// joined of several, or that needs U+FE0F, is no letter for a name.
fn is_unseen(letter: char) -> bool {
    let category = CodePointMapData::new().get(letter);
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let line_ends = Is::LineSeparator.union(Is::ParagraphSeparator);
    let unseen = Is::Other.union(line_ends);
    unseen.contains(category) || ignorable.contains(letter) || letter == '\u{2800}'
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
    /// What the author calls it, to send it again without saying it twice.
    pub(crate) key: String,
    /// Any characters, line breaks too. Put it on a page as text.
    pub(crate) text: String,
    /// The name without case, if it is for one user only. Whether anybody has it is not known yet.
    pub(crate) to: Option<String>,
}

impl NewMessage {
    pub(crate) fn parse(self) -> Result<Draft, Error> {
        Ok(Draft {
            key: of_length("A key", KEY_CHARS, self.key)?,
            text: of_length("A message", TEXT_CHARS, self.text)?,
            to: self.to.map(|name| Name::new(name.trim().to_owned()).folded),
        })
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The id of a message; 0 stands before all of them, and `None` before the newest ones.
    pub(crate) id: Option<i64>,
    /// The version of the roster that the reader knows.
    pub(crate) roster: Option<u64>,
}

/// What is wrong with any other text.
const NO_CURSOR: &str = "A cursor is a text that this server has sent, or 0 for all that is kept.";

impl Cursor {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        // `parse` alone would take `+17`, too.
        let plain = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        let (id, roster) = match text.split_once('.') {
            Some((id, roster)) => (id, Some(roster.parse())),
            None => (text, None),
        };
        match (id.parse().map(Some), roster.transpose()) {
            (Ok(id), Ok(roster)) if text.bytes().all(plain) => Ok(Self { id, roster }),
            _ => Err(Error::BadRequest(NO_CURSOR.into())),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.id.unwrap_or_default())?;
        let write_roster = |roster| write!(formatter, ".{roster}");
        self.roster.map_or(Ok(()), write_roster)
    }
}

#[cfg(test)]
mod tests;
