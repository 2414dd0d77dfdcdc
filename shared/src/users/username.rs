//! [`Username`]: a name that has been checked.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A username: trimmed, 1 to 32 Unicode scalar values, no control characters.
///
/// The only way to create one is [`Username::parse`], so code that has one need not check it again. It may still
/// contain anything printable, `<script>` too: put it on a page as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Username(String);

/// Why a text is not a username.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// Nothing is left after trimming.
    #[error("A username needs at least one character that is not a space.")]
    Empty,
    /// It is longer than [`Username::MAX_CHARS`].
    #[error("A username has at most {} characters.", Username::MAX_CHARS)]
    TooLong,
    /// It contains a character of Unicode's category Cc, such as a line break.
    #[error("A username has no control characters such as line breaks or tabs.")]
    ControlCharacter,
}

impl Username {
    /// The most Unicode scalar values in a username: enough for a full name, and short enough that
    /// [`super::MAX_USERS`] of them fit into one response.
    pub const MAX_CHARS: usize = 32;

    /// Trims `text` and checks it.
    ///
    /// # Errors
    /// When `text` is empty, too long or contains a control character.
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        let name = text.trim();
        if name.is_empty() {
            return Err(UsernameError::Empty);
        }
        if name.chars().count() > Self::MAX_CHARS {
            return Err(UsernameError::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(UsernameError::ControlCharacter);
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
    fn a_name_is_trimmed_and_its_length_counted_in_characters_not_bytes() {
        assert_eq!(Username::parse("  张三\n").unwrap().as_str(), "张三");
        assert!(Username::parse(&"三".repeat(32)).is_ok());
        assert_eq!(
            Username::parse(&"三".repeat(33)),
            Err(UsernameError::TooLong)
        );
    }

    #[test]
    fn a_name_without_a_visible_character_or_with_a_control_character_is_refused() {
        for blank in ["", "   ", "\t\r\n", "\u{3000}"] {
            assert_eq!(
                Username::parse(blank),
                Err(UsernameError::Empty),
                "{blank:?}"
            );
        }
        for control in ["a\nb", "a\tb", "a\0b", "a\u{7f}b", "a\u{85}b"] {
            assert_eq!(
                Username::parse(control),
                Err(UsernameError::ControlCharacter),
                "{control:?}"
            );
        }
    }
}
