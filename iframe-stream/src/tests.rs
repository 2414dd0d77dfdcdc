//! The escaping against an independent JSON parser, and the document under a paused clock.

use std::{future::poll_fn, pin::Pin};

use actix_web::body::{BoxBody, MessageBody as _};
use proptest::prelude::*;

use super::*;

/// The characters that mean something in a script in HTML.
const UNSAFE: [char; 5] = ['<', '>', '&', '\u{2028}', '\u{2029}'];

proptest! {
    /// The names that somebody would try who wants to get out of the string are made often here.
    #[test]
    fn what_goes_into_a_script_comes_out_as_it_was_and_ends_nothing(
        name in "(</script>|<!--|<script|]]>|[<>&\"'\\\\/\u{2028}\u{2029}\u{1f600}]|\\\\u003c|\\PC){0,20}",
    ) {
        let value = serde_json::json!({ "users": [{ "username": name }] });
        let json = value.to_string();
        let safe = script_safe(&json);
        prop_assert!(!safe.contains(UNSAFE), "{}", safe);
        let parsed: serde_json::Value = serde_json::from_str(&safe).expect("still JSON");
        prop_assert_eq!(parsed, value);

        let element = script("0", "setUsers", &json);
        let element = std::str::from_utf8(&element).expect("UTF-8");
        prop_assert_eq!(element.matches('<').count(), 2, "its own two tags: {}", element);
    }
}

#[test]
fn what_needs_no_escape_is_left_alone() {
    let json = r#"{"version":7,"users":[{"id":1,"username":"张三 \\ \" / ' \u0000"}]}"#;
    assert_eq!(script_safe(json), json);
}

#[test]
fn the_head_is_a_kibibyte_of_html() {
    let head = head();
    assert_eq!(head.len(), HEAD_LENGTH);
    assert!(head.starts_with(b"<!DOCTYPE html>"));
    assert!(head.ends_with(b"--></head><body>"));
}

/// What the document says next; `None` at its end.
async fn next(body: &mut BoxBody) -> Option<String> {
    let chunk = poll_fn(|context| Pin::new(&mut *body).poll_next(context)).await?;
    Some(String::from_utf8(chunk.unwrap().to_vec()).unwrap())
}

/// Time is paused: it moves only while everything waits, and then at once.
#[tokio::test(start_paused = true)]
async fn a_quiet_document_starts_at_once_and_says_that_it_is_alive_until_it_is_cut() {
    let cut = Cut::default();
    let heartbeat = Duration::from_secs(15);
    let mut body = document(stream::pending(), heartbeat, &cut).into_body();
    let start = Instant::now();

    assert_eq!(next(&mut body).await.unwrap().as_bytes(), head());
    assert_eq!(start.elapsed(), Duration::ZERO, "at once");
    for beat in 1..=20 {
        let script = next(&mut body).await.unwrap();
        assert!(script.ends_with(";parent.alive()</script>"), "{script}");
        assert_eq!(start.elapsed().as_secs(), heartbeat.as_secs() * beat);
    }
    cut.now();
    assert_eq!(next(&mut body).await, None);
}

/// With tokio's default it would be sent all ten in one burst.
#[tokio::test(start_paused = true)]
async fn a_client_that_did_not_read_for_ten_heartbeats_is_owed_one() {
    let heartbeat = Duration::from_secs(15);
    let mut beats = Box::pin(heartbeats(heartbeat));
    assert!(beats.next().await.is_some());
    time::advance(10 * heartbeat).await;

    let back = Instant::now();
    assert!(beats.next().await.is_some());
    assert_eq!(back.elapsed(), Duration::ZERO);
    assert!(beats.next().await.is_some());
    assert_eq!(back.elapsed(), heartbeat);
}

/// However much news there is: a client may not count on the news for a sign of life.
#[tokio::test(start_paused = true)]
async fn news_and_heartbeats_do_not_wait_for_each_other() {
    let flood = stream::repeat_with(|| ("setUsers", ByteString::from("{}")));
    let mut body = document(flood, Duration::from_millis(50), &Cut::default()).into_body();
    assert!(next(&mut body).await.is_some(), "the head");
    assert!(next(&mut body).await.unwrap().contains("setUsers"));
    time::advance(Duration::from_millis(50)).await;
    let soon = [next(&mut body).await, next(&mut body).await];
    let alive = soon.iter().flatten().any(|script| script.contains("alive"));
    assert!(alive, "{soon:?}");
}
