//! Tests of the events of a room, over every transport.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::header;
use serde_json::{Value, json};
use testing::{Server, TEST_TIMEOUT};

use crate::client::{Client, LOBBY, Person, Socket, TRANSPORTS, Transport, start};

/// Returns whether `time` has the form `2020-09-24 22:51:02`.
fn is_time(time: &Value) -> bool {
    let digits = time
        .as_str()
        .unwrap()
        .replace(|letter: char| letter.is_ascii_digit(), "0");
    digits == "0000-00-00 00:00:00"
}

/// Calls `act` again and again until `event` arrives. A long poll gets `joined` and `typing` only if it is waiting at
/// that moment.
async fn repeat_until(
    event: impl Future<Output = Value>,
    mut act: impl AsyncFnMut(usize),
) -> Value {
    let mut event = pin!(event);
    for number in 0.. {
        let pause = tokio::time::sleep(Duration::from_millis(200));
        tokio::select! {
            event = &mut event => return event,
            () = pause => act(number).await,
        }
    }
    unreachable!()
}

#[tokio::test]
async fn every_named_event_arrives_on_every_transport() {
    let watching = TRANSPORTS.map(async |transport| {
        let server = start(&[]);
        let (ann, bob) = (
            Person::join(&server, "Ann").await,
            Person::join(&server, "Bob").await,
        );
        let mut client = Client::open(transport, &server, &ann, None).await;
        assert_eq!(client.event("roster").await, json!({ "names": ["Ann"] }));

        let mut visits = Vec::new();
        let joined = repeat_until(client.event("joined"), async |number| {
            let name = format!("Guest {number}");
            let guest = Person::join(&server, &name).await;
            visits.push(Client::open(Transport::Sse, &server, &guest, None).await);
        });
        let joined = joined.await;
        let guest = joined["name"].as_str().unwrap();
        assert!(
            guest.starts_with("Guest ") && is_time(&joined["time"]),
            "{joined}"
        );

        let mut socket = Socket::open(&server, &bob, &format!("{LOBBY}/ws")).await;
        let typing = repeat_until(client.event("typing"), async |_| {
            socket.send(r#"{"event":"typing"}"#).await;
        });
        assert_eq!(typing.await, json!({ "name": "Bob" }));

        socket
            .send(r#"{"event":"message","ack":7,"data":{"key":"k","text":"Hi"}}"#)
            .await;
        let ack = socket.event("ack").await;
        assert!(ack["ack"] == 7 && is_time(&ack["data"]["time"]), "{ack}");
        let message = client.event("message").await;
        let expected = json!({
            "id": ack["data"]["id"], "from": "Bob", "text": "Hi", "time": ack["data"]["time"],
        });
        assert_eq!(message, expected);

        let left_at = Instant::now();
        drop(socket);
        let left = client.event("left").await;
        assert!(left["name"] == "Bob" && is_time(&left["time"]), "{left}");
        let after = left_at.elapsed();
        assert!((4_900..6_500).contains(&after.as_millis()), "{after:?}");

        let mut late = Client::open(transport, &server, &ann, Some("5")).await;
        let reset = late.event("reset").await;
        assert_eq!(
            reset["after"],
            (ack["data"]["id"].as_u64().unwrap() - 1).to_string()
        );
        assert_eq!(late.event("message").await, expected);
    });
    join_all(watching).await;
}

#[tokio::test]
async fn a_post_does_what_a_frame_does() {
    let server = start(&[]);
    let (ann, bob) = (
        Person::join(&server, "Ann").await,
        Person::join(&server, "Bob").await,
    );
    let mut socket = Socket::open(&server, &bob, &format!("{LOBBY}/ws")).await;
    let _ann = Client::open(TRANSPORTS[1], &server, &ann, None).await;
    let typing = ann
        .post(&server, &format!("{LOBBY}/typing"), &json!({}))
        .await;
    assert_eq!(typing.status(), 204);
    assert_eq!(socket.event("typing").await["data"]["name"], "Ann");

    let body = json!({ "key": "k", "text": "Hi" });
    let path = format!("{LOBBY}/messages");
    let first = ann.post(&server, &path, &body).await;
    assert_eq!(first.status(), 201);
    let first: Value = first.json().await.unwrap();
    let again = ann
        .post(&server, &path, &json!({ "key": "k", "text": "other" }))
        .await;
    assert_eq!(again.status(), 200, "a repeat");
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    ann.post_text(&server, "end", None).await;
    assert_eq!(socket.event("message").await["data"]["id"], first["id"]);
    assert_eq!(
        socket.event("message").await["data"]["text"],
        "end",
        "posted once"
    );
}

/// Three users write over HTTP and WebSocket at the same time. There is a reader of each transport, and a late one.
#[tokio::test]
async fn all_readers_get_the_same_order() {
    let server = start(&["--rate", "0"]);
    let names = ["Ann", "Bob", "Eve"];
    let people = join_all(names.map(|name| Person::join(&server, name))).await;
    let mut readers = Vec::new();
    for (transport, person) in TRANSPORTS.into_iter().zip(&people) {
        readers.push(Client::open(transport, &server, person, Some("0")).await);
    }
    let writing = people.iter().enumerate().map(async |(writer, person)| {
        let mut socket = Socket::open(&server, person, &format!("{LOBBY}/ws")).await;
        for number in 0..100 {
            let text = format!("{writer}.{number}");
            if number % 2 == 0 {
                person.post_text(&server, &text, None).await;
            } else {
                let data = json!({ "key": text, "text": text });
                socket
                    .send(json!({ "event": "message", "data": data }).to_string())
                    .await;
                socket.event("ack").await;
            }
        }
    });
    join_all(writing).await;
    people[0].post_text(&server, "end", None).await;
    let mut lists = Vec::new();
    for reader in &mut readers {
        lists.push(reader.texts_to("end").await);
    }
    let mut late = Client::open(TRANSPORTS[2], &server, &people[1], Some("0")).await;
    lists.push(late.texts_to("end").await);
    assert_eq!(lists[0].len(), 301);
    assert!(lists.iter().all(|list| *list == lists[0]));
    for writer in 0..3 {
        let own = |text: &&String| text.starts_with(&format!("{writer}."));
        let numbers: Vec<_> = lists[0].iter().filter(own).collect();
        let sent: Vec<_> = (0..100)
            .map(|number| format!("{writer}.{number}"))
            .collect();
        assert_eq!(
            numbers,
            sent.iter().collect::<Vec<_>>(),
            "the messages of one author stay in order"
        );
    }
}

#[tokio::test]
async fn a_private_message_reaches_no_third_person() {
    let server = start(&[]);
    let names = ["Ann", "Bob", "Eve"];
    let people = join_all(names.map(|name| Person::join(&server, name))).await;
    let [ann, bob, eve] = &people[..] else {
        panic!()
    };
    let mut live = Vec::new();
    for transport in TRANSPORTS {
        for person in &people {
            live.push(Client::open(transport, &server, person, Some("0")).await);
            // After the roster, the client gets live events.
            live.last_mut().unwrap().event("roster").await;
        }
    }
    ann.post_text(&server, "secret", Some("bOB")).await;
    bob.post_text(&server, "answer", Some("Ann")).await;
    ann.post_text(&server, "note to self", Some("Ann")).await;
    let id = eve.post_text(&server, "end", None).await;
    let seen: [&[&str]; 3] = [
        &["secret", "answer", "note to self", "end"],
        &["secret", "answer", "end"],
        &["end"],
    ];
    for (number, client) in live.iter_mut().enumerate() {
        assert_eq!(client.texts_to("end").await, seen[number % 3], "{number}");
    }
    for transport in TRANSPORTS {
        for (person, seen) in people.iter().zip(seen) {
            for after in [None, Some("0")] {
                let mut client = Client::open(transport, &server, person, after).await;
                assert_eq!(client.texts_to("end").await, seen, "{transport:?}");
            }
        }
    }
    for (person, seen) in people.iter().zip(seen) {
        let path = format!("{LOBBY}/messages?before={}", id + 1);
        let history = person.get(&server, &path).await.text().await.unwrap();
        assert_eq!(
            history.matches(r#""event":"message""#).count(),
            seen.len(),
            "{history}"
        );
        assert_eq!(
            history.contains(r#""text":"secret","time""#),
            seen.len() > 1
        );
        assert_eq!(
            history.contains(r#""to":"Bob""#),
            seen.len() > 1,
            "the name as Bob has typed it"
        );
    }
}

/// A cursor from one transport is valid for every other.
#[tokio::test]
async fn a_client_continues_from_its_cursor_over_any_transport() {
    let server = start(&["--rate", "0"]);
    let ann = Person::join(&server, "Ann").await;
    let response = ann.get(&server, &format!("{LOBBY}/messages?wait=0")).await;
    let response: Value = response.json().await.unwrap();
    assert!(
        response["cursor"].as_str().unwrap().starts_with("0."),
        "an empty room: {response}"
    );
    let mut ids = Vec::new();
    for number in 0..120 {
        ids.push(ann.post_text(&server, &number.to_string(), None).await);
    }
    for transport in TRANSPORTS {
        let mut client = Client::open(transport, &server, &ann, None).await;
        assert_eq!(
            client.texts_to("119").await.len(),
            50,
            "a newcomer gets the latest messages"
        );
        let mut client = Client::open(transport, &server, &ann, Some("0")).await;
        assert_eq!(
            client.texts_to("119").await.len(),
            120,
            "the cursor 0 gets all messages"
        );
        for cursor in [ids[30].to_string(), format!("{}.17", ids[30])] {
            let mut client = Client::open(transport, &server, &ann, Some(&cursor)).await;
            let texts = client.texts_to("119").await;
            assert_eq!(
                (texts.len(), texts[0].as_str()),
                (89, "31"),
                "{transport:?} {cursor}"
            );
        }
    }
    let request = server
        .client
        .get(server.url(&format!("{LOBBY}/events?after=0")));
    let request = ann
        .authorize(request)
        .header("Last-Event-ID", ids[118].to_string());
    let mut response = request.send().await.unwrap();
    let mut text = String::new();
    while !text.contains(r#""text":"119""#) {
        text += str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap();
    }
    assert_eq!(
        text.matches("event: message").count(),
        1,
        "the header comes before the address: {text}"
    );
    assert!(text.starts_with("retry: "), "{text}");

    let path = format!("{LOBBY}/messages?before={}", ids[30]);
    let history: Value = ann.get(&server, &path).await.json().await.unwrap();
    let texts: Vec<_> = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["data"]["text"])
        .collect();
    assert_eq!(texts.len(), 30);
    assert_eq!((texts[0], texts[29]), (&json!("0"), &json!("29")));
}

async fn poll(server: &Server, person: &Person, query: &str) -> Value {
    let response = person
        .get(server, &format!("{LOBBY}/messages?{query}"))
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    response.json().await.unwrap()
}

/// Between two polls a client gets no `joined` and no `left`. The next poll has the new roster, once.
#[tokio::test]
async fn a_poll_has_the_roster_if_it_has_changed() {
    let server = start(&[]);
    let (ann, bob) = (
        Person::join(&server, "Ann").await,
        Person::join(&server, "Bob").await,
    );
    let first = poll(&server, &ann, "wait=0").await;
    assert_eq!(first["events"][0]["data"]["names"], json!(["Ann"]));
    let cursor = first["cursor"].as_str().unwrap();
    let quiet = poll(&server, &ann, &format!("wait=0&after={cursor}")).await;
    assert_eq!(quiet, json!({ "events": [], "cursor": cursor }));

    let _bob = Client::open(TRANSPORTS[0], &server, &bob, None).await;
    let news = poll(&server, &ann, &format!("wait=20&after={cursor}")).await;
    assert_eq!(
        news["events"],
        json!([{ "event": "roster", "data": { "names": ["Ann", "Bob"] } }])
    );
    let cursor = news["cursor"].as_str().unwrap();
    let start = Instant::now();
    let waited = poll(&server, &ann, &format!("wait=1&after={cursor}")).await;
    assert_eq!(waited["events"], json!([]));
    assert!(start.elapsed() >= Duration::from_secs(1));
}

/// The test lasts longer than the 5 s after which a user leaves.
#[tokio::test]
async fn a_reconnect_or_another_poll_is_no_leave_and_join() {
    let server = start(&[]);
    let (ann, bob, eve) = (
        Person::join(&server, "Ann").await,
        Person::join(&server, "Bob").await,
        Person::join(&server, "Eve").await,
    );
    let mut watch = Socket::open(&server, &ann, &format!("{LOBBY}/ws")).await;
    watch.event("roster").await;
    let begun = Instant::now();
    let mut after = String::new();
    let _first = Client::open(TRANSPORTS[0], &server, &bob, None).await;
    while begun.elapsed() < Duration::from_secs(6) {
        let pause = tokio::time::sleep(Duration::from_millis(600));
        let bob = Client::open(TRANSPORTS[0], &server, &bob, None).await;
        let polled = poll(&server, &eve, &format!("wait=0{after}")).await;
        after = format!("&after={}", polled["cursor"].as_str().unwrap());
        pause.await;
        drop(bob);
    }
    ann.post_text(&server, "end", None).await;
    let mut received = Vec::new();
    loop {
        let event = watch.next().await;
        if event["event"] == "message" {
            break;
        }
        received.push(format!("{} {}", event["event"], event["data"]["name"]).replace('"', ""));
    }
    assert_eq!(received, ["joined Bob", "joined Eve"]);
    assert!(begun.elapsed() < TEST_TIMEOUT);
}

#[tokio::test]
async fn a_quiet_connection_pings_so_that_a_page_can_notice_silence() {
    let server = start(&["--heartbeat", "0.05"]);
    let ann = Person::join(&server, "Ann").await;
    let mut socket = Socket::open(&server, &ann, &format!("{LOBBY}/ws")).await;
    let mut pings = [0, 0];
    while pings.contains(&0) {
        let frame = socket.next_frame().await;
        pings[0] += usize::from(frame.is_ping());
        if let Ok(text) = frame.to_text() {
            pings[1] += usize::from(text.starts_with(r#"{"event":"ping","data":{"time":"2"#));
        }
    }
    let mut response = ann.get(&server, &format!("{LOBBY}/events")).await;
    let mut text = String::new();
    while text.matches("event: ping\ndata: {\"time\":\"2").count() < 3 {
        text += str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap();
    }
    assert!(!text.contains("id: "), "a ping changes no cursor: {text}");
}

#[tokio::test]
async fn a_thousand_clients_all_receive_one_message() {
    let server = start(&["--connections", "1000"]);
    let ann = Person::join(&server, "Ann").await;
    let mut clients = Vec::new();
    for number in 0..1_000 {
        clients.push(Client::open(TRANSPORTS[number % 2], &server, &ann, None).await);
    }
    ann.post_text(&server, "hello", None).await;
    for client in &mut clients {
        assert_eq!(client.texts_to("hello").await, ["hello"]);
    }
}
