//! [`Secret`]: 128 random bits that nobody can guess.

use std::fmt;

/// The length of a secret on the wire, in hexadecimal digits.
const DIGITS: usize = 32;

/// The id of a ticket, or the secret that identifies a browser. On the wire it has 32 hexadecimal
/// digits.
///
/// A secret is stored and compared as a number, because comparing two numbers always takes the same
/// time. A comparison of texts stops at the first digit that differs, and an attacker who measures
/// the time can guess a secret digit by digit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Secret(u128);

impl Secret {
    /// Creates a new secret, with a generator that is made for secrets (`rand::rngs::ThreadRng`).
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    /// Parses what `Display` writes and nothing else, so that there is one way to write a secret.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != DIGITS || !text.bytes().all(is_digit) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:0DIGITS$x}", self.0)
    }
}

/// Hides the number, so that no secret gets into a log.
impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_is_parsed_only_in_the_form_that_is_written() {
        for number in [0, 1, 0xabc, u128::MAX, rand::random()] {
            let text = Secret(number).to_string();
            assert_eq!(text.len(), 32);
            assert!(Secret::parse(&text) == Some(Secret(number)), "{text}");
        }
        for text in [
            "",
            "0",
            "+0000000000000000000000000000001",
            "0000000000000000000000000000000g",
            "ABCDEF00000000000000000000000000",
            " 000000000000000000000000000000a",
            "000000000000000000000000000000000",
            "三三三三三三三三三三ab",
        ] {
            assert!(Secret::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_not_in_the_log() {
        let secret = Secret::random();
        assert!(!format!("{secret:?}").contains(&secret.to_string()));
    }
}
