//! An independent decoder checks the encoder, and a paused clock the stream.

use actix_web::{body::MessageBody as _, web::Bytes};
use eventsource_stream::Eventsource as _;
use futures_util::{FutureExt as _, stream};
use proptest::{option, prelude::*};

use super::*;

/// Decodes `bytes` with a library that is not ours.
fn decode(bytes: Bytes) -> Vec<eventsource_stream::Event> {
    let bytes = stream::iter([Ok::<_, Infallible>(bytes)]);
    let events = bytes
        .eventsource()
        .map(|event| event.expect("a well-formed stream"));
    events
        .collect::<Vec<_>>()
        .now_or_never()
        .expect("nothing to wait for")
}

/// Replaces each of the three line breaks with `\n`, as the browser does.
fn with_plain_line_breaks(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

proptest! {
    /// Line breaks, colons and leading spaces have a meaning in the format, so many of the generated
    /// texts contain them.
    #[test]
    fn any_text_arrives_as_it_was_sent(
        data in "([a-z\u{e9}\u{5f20}\0: \r\n]|\r\n|\r\r\n|data: |id: 9\n|\n\n|\\PC){0,40}",
        id in option::of(any::<u64>()),
        name in prop_oneof![Just(EventName::Message), Just(EventName::Users), Just(EventName::Ping)],
    ) {
        let events = decode(encode_event(name, id, &data).into_bytes());
        prop_assert_eq!(events.len(), 1, "one event and no more");
        prop_assert_eq!(&events[0].data, &with_plain_line_breaks(&data));
        prop_assert_eq!(&events[0].id, &id.map_or(String::new(), |id| id.to_string()));
        let listener = match name {
            EventName::Message => "message",
            EventName::Users => "users",
            EventName::Ping => "ping",
        };
        prop_assert_eq!(&events[0].event, listener);
    }

    #[test]
    fn consecutive_events_stay_separate(texts in prop::collection::vec("[ab\r\n]{0,5}", 0..8)) {
        let encoded = texts.iter().map(|data| encode_event(EventName::Message, None, data));
        let bytes: Vec<u8> = encoded.flat_map(ByteString::into_bytes).collect();
        let arrived: Vec<_> = decode(bytes.into()).into_iter().map(|event| event.data).collect();
        let sent: Vec<_> = texts.iter().map(|text| with_plain_line_breaks(text)).collect();
        prop_assert_eq!(arrived, sent);
    }
}

/// Time is paused: when all tasks wait, tokio's clock jumps to the end of the next wait.
#[tokio::test(start_paused = true)]
async fn a_stream_sends_its_retry_time_and_then_pings() {
    let cut = Cut::default();
    let heartbeat = Duration::from_secs(15);
    let mut body = event_stream(stream::pending(), heartbeat, &cut).into_body();
    let start = Instant::now();
    // An async closure. Unlike a closure that returns an `async` block, it may borrow `body` mutably, and
    // lend it to the future that it returns.
    let mut next = async || {
        let chunk =
            std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_next(context));
        chunk
            .await
            .map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap())
    };

    let first = next().await.unwrap();
    let retry: u32 = first
        .trim_end()
        .strip_prefix("retry: ")
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        RETRY_MILLISECONDS.contains(&retry) && first.ends_with("\n\n"),
        "{first:?}"
    );
    assert_eq!(start.elapsed(), Duration::ZERO, "at once");
    for count in 1..=20 {
        let event = next().await.unwrap();
        assert!(
            event.starts_with("event: ping\ndata: {\"time\":\"20"),
            "{event:?}"
        );
        assert_eq!(start.elapsed().as_secs(), heartbeat.as_secs() * count);
    }
    cut.cut_now();
    assert_eq!(next().await, None);
}
