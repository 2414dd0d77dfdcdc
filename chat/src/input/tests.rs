//! What is let in and what is not.

use proptest::prelude::*;

use super::*;

impl Draft {
    pub(crate) fn test(key: &str, text: &str, to: Option<&Arc<User>>) -> Self {
        let (key, text, to) = (key.into(), text.into(), to.cloned());
        Self { key, text, to }
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

fn draft(key: &str, text: &str) -> Result<Draft, u16> {
    let (key, text, to) = (key.to_owned(), text.to_owned(), None);
    let draft = NewMessage { key, text, to }.parse(|_| None);
    draft.map_err(|error| status(&error))
}

/// A message of 2,000 characters of four bytes each is as good as one of 2,000 letters.
#[test]
fn lengths_are_counted_in_characters_not_bytes() {
    assert!(draft(&"三".repeat(64), &"🦀".repeat(2_000)).is_ok());
    assert!(draft("k", " ").is_ok());
    for (key, text) in [
        ("", "text"),
        (&"k".repeat(65), "text"),
        ("key", ""),
        ("key", &"x".repeat(2_001)),
    ] {
        assert_eq!(draft(key, text).unwrap_err(), 422);
    }
}

#[test]
fn a_message_to_nobody_is_refused() {
    let (key, text, to) = ("k".into(), "x".into(), Some("Nobody".into()));
    let error = NewMessage { key, text, to }.parse(|_| None).unwrap_err();
    assert_eq!(status(&error), 404);
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
