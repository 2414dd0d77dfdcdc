//! The encoder against an independent decoder, and the stream under a paused clock.

use actix_web::{body::MessageBody as _, web::Bytes};
use eventsource_stream::Eventsource as _;
use futures_util::{FutureExt as _, stream};
use proptest::{option, prelude::*};

use super::*;

/// What an independent decoder makes of `wire`.
fn decode(wire: Bytes) -> Vec<eventsource_stream::Event> {
    let bytes = stream::iter([Ok::<_, Infallible>(wire)]);
    let events = bytes
        .eventsource()
        .map(|event| event.expect("a well-formed stream"));
    events
        .collect::<Vec<_>>()
        .now_or_never()
        .expect("nothing to wait for")
}

/// A line break as the browser gives it back: whichever of the three was sent, `\n` arrives.
fn with_plain_line_breaks(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

proptest! {
    /// Line breaks, colons and leading spaces all mean something in the format, so they are made
    /// often here.
    #[test]
    fn whatever_is_sent_arrives(
        data in "([a-z\u{e9}\u{5f20}\0: \r\n]|\r\n|\r\r\n|data: |id: 9\n|\n\n|\\PC){0,40}",
        id in option::of(any::<u64>()),
        name in prop_oneof![Just(Name::Message), Just(Name::Users), Just(Name::Ping)],
    ) {
        let events = decode(event(name, id, &data).into_bytes());
        prop_assert_eq!(events.len(), 1, "one event and no more");
        prop_assert_eq!(&events[0].data, &with_plain_line_breaks(&data));
        prop_assert_eq!(&events[0].id, &id.map_or(String::new(), |id| id.to_string()));
        let heard_by = match name {
            Name::Message => "message",
            Name::Users => "users",
            Name::Ping => "ping",
        };
        prop_assert_eq!(&events[0].event, heard_by);
    }

    #[test]
    fn events_in_a_row_stay_apart(texts in prop::collection::vec("[ab\r\n]{0,5}", 0..8)) {
        let wire: Vec<u8> =
            texts.iter().flat_map(|data| event(Name::Message, None, data).into_bytes()).collect();
        let arrived: Vec<_> = decode(wire.into()).into_iter().map(|event| event.data).collect();
        let sent: Vec<_> = texts.iter().map(|text| with_plain_line_breaks(text)).collect();
        prop_assert_eq!(arrived, sent);
    }
}

/// Time is paused: it moves only while everything waits, and then at once.
#[tokio::test(start_paused = true)]
async fn a_quiet_stream_opens_with_its_retry_time_and_pings_each_heartbeat_until_it_is_cut() {
    let cut = Cut::default();
    let heartbeat = Duration::from_secs(15);
    let mut body = event_stream(stream::pending(), heartbeat, &cut).into_body();
    let start = Instant::now();
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
        RETRY.contains(&retry) && first.ends_with("\n\n"),
        "{first:?}"
    );
    assert_eq!(start.elapsed(), Duration::ZERO, "at once");
    for ping in 1..=20 {
        let event = next().await.unwrap();
        assert!(
            event.starts_with("event: ping\ndata: {\"time\":\"20"),
            "{event:?}"
        );
        assert_eq!(start.elapsed().as_secs(), heartbeat.as_secs() * ping);
    }
    cut.now();
    assert_eq!(next().await, None);
}
