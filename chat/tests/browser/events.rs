//! Tests of the names of events: one list for all transports.

use serde_json::json;
use testing::Server;
use testing::browser::Browser;

use super::{BINARY, IN_MEMORY, join};

/// Evaluates `code` with a socket of the page's own module, and returns the message of the error that it throws.
fn error_of(code: &str) -> String {
    format!(
        "(async () => {{ const {{ connect }} = await import('/static/socket.js');
            const socket = connect('lobby');
            try {{ {code}; return 'no error'; }} catch (error) {{ return error.message; }}
            finally {{ socket.close(); }} }})()"
    )
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn an_event_without_a_name_in_the_list_is_an_error_and_not_a_message() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    for wrong in [
        "socket.emit('mesage', { text: 'Hi' })",
        "socket.emit('roster')",
        "socket.on('mesage', () => {})",
    ] {
        let error = ann.evaluate(&error_of(wrong)).await;
        let error = error.as_str().unwrap();
        assert!(error.starts_with("There is no event"), "{wrong}: {error}");
        assert!(error.contains("events.js"), "{wrong}: {error}");
    }
    let right = "socket.on('message', () => {}); socket.emit('typing')";
    assert_eq!(ann.evaluate(&error_of(right)).await, json!("no error"));
    assert_eq!(ann.text("messages").await, "");
}
