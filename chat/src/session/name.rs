//! [`Name`]: what somebody is called.

use shared::error::Error;

/// A name: trimmed, 1 to 24 characters, no control characters. It may hold anything printable,
/// `<script>` too: put it on a page as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// The most Unicode scalar values in a name: it has to fit beside each message.
    const MAX_CHARS: usize = 24;

    /// Trims `text` and checks it.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let name = text.trim();
        let length = 1..=Self::MAX_CHARS;
        if length.contains(&name.chars().count()) && !name.chars().any(char::is_control) {
            return Ok(Self(name.to_owned()));
        }
        let sentence = format!(
            "A name has 1 to {} characters, and no control characters such as line breaks.",
            Self::MAX_CHARS
        );
        Err(Error::Unprocessable(sentence))
    }

    /// A name that was checked before it was stored.
    pub(super) fn stored(name: String) -> Self {
        Self(name)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Without case: two names that differ only in it are the same.
    pub(crate) fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}
