//! An independent JSON parser checks the escaping, and a paused clock the document.

use std::{future::poll_fn, pin::Pin};

use actix_web::body::{BoxBody, MessageBody as _};
use proptest::prelude::*;

use super::*;

/// The characters that mean something in a script in HTML.
const UNSAFE: [char; 5] = ['<', '>', '&', '\u{2028}', '\u{2029}'];

/// Returns a call of `setUsers`.
fn set_users(json: &str) -> ScriptCall {
    ScriptCall {
        function: "setUsers",
        argument: json.into(),
    }
}

proptest! {
    /// Many of the generated names contain what an attacker would use to get out of the string.
    #[test]
    fn an_escaped_name_keeps_its_meaning_and_ends_no_script(
        name in "(</script>|<!--|<script|]]>|[<>&\"'\\\\/\u{2028}\u{2029}\u{1f600}]|\\\\u003c|\\PC){0,20}",
    ) {
        let value = serde_json::json!({ "users": [{ "username": name }] });
        let json = value.to_string();
        let escaped = escape_for_script(&json);
        prop_assert!(!escaped.contains(UNSAFE), "{}", escaped);
        let parsed: serde_json::Value = serde_json::from_str(&escaped).expect("still JSON");
        prop_assert_eq!(parsed, value);

        let element = script("0", &set_users(&json));
        let element = std::str::from_utf8(&element).expect("UTF-8");
        prop_assert_eq!(element.matches('<').count(), 2, "its own two tags: {}", element);
    }
}

#[test]
fn json_without_special_characters_is_not_changed() {
    let json = r#"{"version":7,"users":[{"id":1,"username":"张三 \\ \" / ' \u0000"}]}"#;
    assert_eq!(escape_for_script(json), json);
}

#[test]
fn the_document_starts_with_a_kibibyte_of_html() {
    let start = document_start();
    assert_eq!(start.len(), START_LENGTH);
    assert!(start.starts_with(b"<!DOCTYPE html>"));
    assert!(start.ends_with(b"--></head><body>"));
}

/// Returns the next chunk of the document; `None` at its end.
async fn next(body: &mut BoxBody) -> Option<String> {
    let chunk = poll_fn(|context| Pin::new(&mut *body).poll_next(context)).await?;
    Some(String::from_utf8(chunk.unwrap().to_vec()).unwrap())
}

/// Time is paused: when all tasks wait, tokio's clock jumps to the end of the next wait.
#[tokio::test(start_paused = true)]
async fn a_document_starts_at_once_and_sends_heartbeats_until_cut() {
    let cut = Cut::default();
    let heartbeat = Duration::from_secs(15);
    let mut body = document(stream::pending(), heartbeat, "'self'", &cut).into_body();
    let start = Instant::now();

    assert_eq!(next(&mut body).await.unwrap().as_bytes(), document_start());
    assert_eq!(start.elapsed(), Duration::ZERO, "at once");
    for count in 1..=20 {
        let script = next(&mut body).await.unwrap();
        assert!(script.ends_with(";parent.alive()</script>"), "{script}");
        assert_eq!(start.elapsed().as_secs(), heartbeat.as_secs() * count);
    }
    cut.cut_now();
    assert_eq!(next(&mut body).await, None);
}

/// With tokio's default, the client would get all ten in one burst.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_for_ten_heartbeats_gets_one() {
    let heartbeat = Duration::from_secs(15);
    let mut heartbeats = Box::pin(heartbeats(heartbeat));
    assert!(heartbeats.next().await.is_some());
    time::advance(10 * heartbeat).await;

    let start = Instant::now();
    assert!(heartbeats.next().await.is_some());
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(heartbeats.next().await.is_some());
    assert_eq!(start.elapsed(), heartbeat);
}

/// The page restarts its timer with each script, but a heartbeat must come in time even if updates
/// come without a pause.
#[tokio::test(start_paused = true)]
async fn updates_and_heartbeats_do_not_wait_for_each_other() {
    let flood = stream::repeat_with(|| set_users("{}"));
    let mut body =
        document(flood, Duration::from_millis(50), "'self'", &Cut::default()).into_body();
    assert!(next(&mut body).await.is_some(), "the start");
    assert!(next(&mut body).await.unwrap().contains("setUsers"));
    time::advance(Duration::from_millis(50)).await;
    let scripts = [next(&mut body).await, next(&mut body).await];
    let alive = scripts
        .iter()
        .flatten()
        .any(|script| script.contains("alive"));
    assert!(alive, "{scripts:?}");
}
