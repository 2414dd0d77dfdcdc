//! [`Secret`]: 128 random bits that nobody can guess.

use std::fmt;

/// How many hexadecimal digits make a secret.
const DIGITS: usize = 32;

/// The id of a ticket, or what a browser is known by. On the wire it has 32 hexadecimal digits.
///
/// It is kept and compared as a number: one comparison takes the same time wherever two numbers
/// differ, so that nobody can feel their way to a secret digit by digit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Secret(u128);

impl Secret {
    /// A new one, from a generator that is fit for secrets (`rand::rngs::ThreadRng`).
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    /// Reads what `Display` writes and nothing else: each secret is written in one way only.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let whole = text.len() == DIGITS && text.bytes().all(digit);
        let number = u128::from_str_radix(text, 16).ok();
        number.filter(|_| whole).map(Self)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:0DIGITS$x}", self.0)
    }
}

/// Without the number, so that it does not end up in a log.
impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_is_read_back_as_it_was_written_and_in_no_other_way() {
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
