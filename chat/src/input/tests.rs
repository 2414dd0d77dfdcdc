//! Tests of which input is accepted.

use proptest::prelude::*;

use super::*;
use crate::user::User;

impl NewMessage {
    pub(crate) fn test(key: &str, text: &str, to: Option<&Arc<User>>) -> Self {
        Self {
            idempotency_key: key.into(),
            text: text.into(),
            to: to.map(|to| Recipient {
                case_folded: to.name.case_folded.clone(),
                id: None,
            }),
        }
    }
}

fn status(error: &Error) -> u16 {
    use actix_web::ResponseError as _;
    error.status_code().as_u16()
}

#[test]
fn a_room_name_has_letters_digits_and_hyphens() {
    for good in ["lobby", "a", "-", "room-2", &"z".repeat(32)] {
        assert_eq!(RoomName::parse(good).unwrap().as_str(), good);
    }
    for bad in ["", "Lobby", "a b", "ä", "a/b", "a\n", "..", &"z".repeat(33)] {
        assert_eq!(status(&RoomName::parse(bad).unwrap_err()), 400, "{bad:?}");
    }
}

fn parse_message(key: &str, text: &str) -> Result<NewMessage, u16> {
    let body = MessageBody {
        key: key.to_owned(),
        text: text.to_owned(),
        to: None,
        to_id: None,
    };
    body.parse().map_err(|error| status(&error))
}

/// A text of 2,000 characters is accepted even if each character has four bytes.
#[test]
fn lengths_are_counted_in_characters_not_bytes() {
    assert!(parse_message(&"三".repeat(64), &"🦀".repeat(2_000)).is_ok());
    assert!(parse_message("k", " ").is_ok());
    for (key, text) in [
        ("", "text"),
        (&"k".repeat(65), "text"),
        ("key", ""),
        ("key", &"x".repeat(2_001)),
    ] {
        assert_eq!(parse_message(key, text).unwrap_err(), 422);
    }
}

#[test]
fn a_name_is_trimmed_and_short_and_has_no_control_characters() {
    assert_eq!(UserName::parse("  张三\n").unwrap().text, "张三");
    assert!(UserName::parse(&"三".repeat(24)).is_ok());
    for bad in ["", " \t", "a\nb", "a\0b", "a\u{85}b", &"x".repeat(25)] {
        assert_eq!(status(&UserName::parse(bad).unwrap_err()), 422, "{bad:?}");
    }
}

#[test]
fn names_that_differ_only_in_unicode_form_are_the_same() {
    let folded = |name| UserName::parse(name).unwrap().case_folded;
    for (first, second) in [("Zoë", "Zoe\u{308}"), ("Ａｎｎ", "ann"), ("ﬃ", "FFI")] {
        assert_eq!(folded(first), folded(second));
    }
    assert_ne!(folded("Zoe"), folded("Zoë"));
}

#[test]
fn a_name_has_no_invisible_characters() {
    for bad in ["A\u{200b}nn", "\u{301}", "Bob\u{fffc}"] {
        assert_eq!(status(&UserName::parse(bad).unwrap_err()), 422, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn a_cursor_is_read_back_as_it_was_written(id in 0..i64::MAX, roster in any::<Option<u64>>()) {
        let cursor = Cursor { id: Some(id), roster };
        prop_assert_eq!(Cursor::parse(&cursor.to_string()).unwrap(), cursor);
    }

    #[test]
    fn only_digits_and_a_dot_are_a_cursor(text in "[-+0-9. x]{0,22}|\\PC{0,5}") {
        if let Ok(cursor) = Cursor::parse(&text) {
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
            prop_assert!(cursor.id >= Some(0));
        }
    }
}
