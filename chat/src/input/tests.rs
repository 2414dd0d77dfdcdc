//! What is let in and what is not.

use proptest::prelude::*;

use super::*;
use crate::user::User;

impl NewMessage {
    pub(crate) fn test(key: &str, text: &str, to: Option<&Arc<User>>) -> Self {
        Self {
            idempotency_key: key.into(),
            text: text.into(),
            to: to.map(|to| to.name.case_folded.clone()),
        }
    }
}

fn status(error: &Error) -> u16 {
    use actix_web::ResponseError as _;
    error.status_code().as_u16()
}

#[test]
fn a_room_has_a_plain_name() {
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
    };
    body.parse().map_err(|error| status(&error))
}

/// A message of 2,000 characters of four bytes each is as good as one of 2,000 letters.
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

/// Each of them makes a name that looks like "Ann", or like nothing at all.
#[test]
fn a_name_has_no_letter_without_a_glyph() {
    let unseen = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\
                  \u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{206f}\u{2800}\u{3164}\u{fe00}\
                  \u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{1d173}\u{e0001}\u{e0041}\u{e0100}\
                  \u{378}\u{e000}\u{10ffff}";
    for letter in unseen.chars() {
        for name in [format!("A{letter}nn"), letter.into()] {
            let error = UserName::parse(&name).expect_err(&format!("{name:?}"));
            assert_eq!(status(&error), 422);
        }
    }
    for good in [
        "Zoë",
        "Zoe\u{308}",
        "نور",
        "नमस्ते",
        "ไทย",
        "山田\u{3000}太郎",
        "🦀",
        "O'Neil-Ann 2",
    ] {
        assert_eq!(UserName::parse(good).unwrap().text, good);
    }
}

proptest! {
    #[test]
    fn a_cursor_is_read_back_as_it_was_written(id in 0..i64::MAX, roster in any::<Option<u64>>()) {
        let cursor = Cursor { id: Some(id), roster };
        prop_assert_eq!(Cursor::parse(&cursor.to_string()).unwrap(), cursor);
    }

    /// Whatever is accepted is written in one way only, so nothing else is hidden in it.
    #[test]
    fn anything_else_is_no_cursor(text in "[-+0-9. x]{0,22}|\\PC{0,5}") {
        if let Ok(cursor) = Cursor::parse(&text) {
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
            prop_assert!(cursor.id >= Some(0));
        }
    }
}
