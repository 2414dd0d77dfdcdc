//! [`Username`]: a name that has been checked.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::visible_text::is_visible;

/// A username: trimmed, 1 to 32 Unicode scalar values, all of them visible (see [`is_visible`]).
///
/// Only [`Username::parse`] creates usernames, so code that has one need not check it again. A username may contain
/// `<script>`, so a page must show it as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Username(String);

/// Why a text is not a username.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// Nothing is left after trimming.
    #[error("A username needs at least one character that is not a space.")]
    Empty,
    /// The text is longer than [`Username::MAX_CHARS`].
    #[error("A username has at most {} characters.", Username::MAX_CHARS)]
    TooLong,
    /// The text contains something invisible, such as a line break.
    #[error(
        "A username has no line breaks, no invisible characters, and no marks without a letter."
    )]
    NotVisible,
}

impl Username {
    /// The most Unicode scalar values in a username. A full name fits, and [`super::MAX_USERS`] names fit into one
    /// response.
    pub const MAX_CHARS: usize = 32;

    /// Trims `text` and checks it.
    ///
    /// # Errors
    /// If `text` is blank, too long, or partly invisible.
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        let name = text.trim();
        if name.is_empty() {
            return Err(UsernameError::Empty);
        }
        if name.chars().count() > Self::MAX_CHARS {
            return Err(UsernameError::TooLong);
        }
        if !is_visible(name) {
            return Err(UsernameError::NotVisible);
        }
        Ok(Self(name.to_owned()))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<UsernameError> for Error {
    fn from(error: UsernameError) -> Self {
        Self::unprocessable(error.to_string())
    }
}

impl TryFrom<String> for Username {
    type Error = UsernameError;

    fn try_from(text: String) -> Result<Self, UsernameError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Username, UsernameError};

    #[test]
    fn a_name_is_trimmed_and_measured_in_characters() {
        assert_eq!(Username::parse("  张三\n").unwrap().as_str(), "张三");
        assert!(Username::parse(&"三".repeat(32)).is_ok());
        assert_eq!(
            Username::parse(&"三".repeat(33)),
            Err(UsernameError::TooLong)
        );
    }

    #[test]
    fn a_blank_or_invisible_name_is_refused() {
        for blank in ["", "   ", "\t\r\n", "\u{3000}"] {
            assert_eq!(
                Username::parse(blank),
                Err(UsernameError::Empty),
                "{blank:?}"
            );
        }
        for invisible in ["a\nb", "a\tb", "a\0b", "a\u{200b}b", "\u{301}"] {
            assert_eq!(
                Username::parse(invisible),
                Err(UsernameError::NotVisible),
                "{invisible:?}"
            );
        }
    }
}
