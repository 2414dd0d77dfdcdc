//! Clients of the chat, which do not use actix: one API for the three transports.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use eventsource_stream::Eventsource as _;
use futures_util::{SinkExt as _, Stream, StreamExt as _};
use reqwest::{RequestBuilder, Response, header};
use serde_json::{Value, json};
use testing::{Server, TEST_TIMEOUT};
use tokio::net::TcpStream;
use tokio::time::{Duration, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// The chat itself, as `cargo run` starts it.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_chat");

/// The room of most tests.
pub(crate) const LOBBY: &str = "/rooms/lobby";

/// Starts a server with a database in memory.
pub(crate) fn start(flags: &[&str]) -> Server {
    Server::start(BINARY, &[&["--database", ":memory:"], flags].concat())
}

/// Returns the path of a database in `folder`.
pub(crate) fn database(folder: &tempfile::TempDir) -> String {
    folder.path().join("chat.db").to_str().unwrap().to_owned()
}

/// A user with a name.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) token: String,
}

impl Person {
    /// Takes a name that is free.
    pub(crate) async fn join(server: &Server, name: &str) -> Self {
        let response = take_name(server, name, None).await;
        assert_eq!(response.status(), 201, "{name}");
        let session: Value = response.json().await.unwrap();
        assert_eq!(session["name"], name);
        let token = session["token"].as_str().unwrap().to_owned();
        Self { token }
    }

    /// Adds the token to a request.
    pub(crate) fn authorize(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, server: &Server, path: &str) -> Response {
        let request = self.authorize(server.client.get(server.url(path)));
        timeout(TEST_TIMEOUT * 2, request.send())
            .await
            .unwrap()
            .unwrap()
    }

    /// Posts `body` to `url`, and returns the response if there is one.
    pub(crate) async fn try_post(
        &self,
        url: String,
        client: &reqwest::Client,
        body: &Value,
    ) -> Option<Response> {
        self.authorize(client.post(url))
            .json(body)
            .send()
            .await
            .ok()
    }

    pub(crate) async fn post(&self, server: &Server, path: &str, body: &Value) -> Response {
        let posting = self.try_post(server.url(path), &server.client, body);
        timeout(TEST_TIMEOUT, posting)
            .await
            .unwrap()
            .expect("a response")
    }

    /// Posts a message in the lobby, under a key of its own, and returns its id.
    pub(crate) async fn post_text(&self, server: &Server, text: &str, to: Option<&str>) -> u64 {
        static KEY: AtomicU64 = AtomicU64::new(0);
        let key = format!("text {}", KEY.fetch_add(1, Ordering::Relaxed));
        let mut body = json!({ "key": key, "text": text });
        if let Some(to) = to {
            body["to"] = to.into();
        }
        let response = self.post(server, &format!("{LOBBY}/messages"), &body).await;
        assert_eq!(response.status(), 201);
        let receipt: Value = response.json().await.unwrap();
        receipt["id"].as_u64().unwrap()
    }
}

/// Sends `POST /session`, with the token if there is one.
pub(crate) async fn take_name(server: &Server, name: &str, token: Option<&str>) -> Response {
    let request = server
        .client
        .post(server.url("/session"))
        .json(&json!({ "name": name }));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    timeout(TEST_TIMEOUT, request.send())
        .await
        .unwrap()
        .unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Sse,
    LongPoll,
}

pub(crate) const TRANSPORTS: [Transport; 3] =
    [Transport::WebSocket, Transport::Sse, Transport::LongPoll];

/// The connection of a user to the lobby.
pub(crate) enum Client {
    WebSocket(Socket),
    Sse(Pin<Box<dyn Stream<Item = eventsource_stream::Event> + Send>>),
    LongPoll(Poller),
}

/// Sends one long poll after the other.
pub(crate) struct Poller {
    http: reqwest::Client,
    url: String,
    person: Person,
    cursor: Option<String>,
    events: VecDeque<Value>,
}

impl Client {
    pub(crate) async fn open(
        transport: Transport,
        server: &Server,
        person: &Person,
        after: Option<&str>,
    ) -> Self {
        let query = after.map_or(String::new(), |after| format!("?after={after}"));
        match transport {
            Transport::WebSocket => {
                let path = format!("{LOBBY}/ws{query}");
                Self::WebSocket(Socket::open(server, person, &path).await)
            }
            Transport::Sse => {
                let response = person.get(server, &format!("{LOBBY}/events{query}")).await;
                assert_eq!(response.status(), 200);
                assert_eq!(
                    response.headers()[header::CONTENT_TYPE],
                    "text/event-stream"
                );
                let events = response.bytes_stream().eventsource();
                Self::Sse(Box::pin(
                    events.map(|event| event.expect("no broken connection")),
                ))
            }
            Transport::LongPoll => Self::LongPoll(Poller {
                http: server.client.clone(),
                url: server.url(&format!("{LOBBY}/messages")),
                person: person.clone(),
                cursor: after.map(str::to_owned),
                events: VecDeque::new(),
            }),
        }
    }

    /// Waits for the next event except `ping`, and returns it as `{"event":…,"data":…}`.
    pub(crate) async fn next(&mut self) -> Value {
        let next = async {
            match self {
                Self::WebSocket(socket) => socket.next().await,
                Self::Sse(events) => loop {
                    let event = events.next().await.expect("the stream is open");
                    if event.event != "ping" {
                        let data: Value = serde_json::from_str(&event.data).unwrap();
                        if event.event == "message" {
                            assert_eq!(event.id, data["id"].to_string());
                        }
                        break json!({ "event": event.event, "data": data });
                    }
                },
                Self::LongPoll(poller) => poller.next().await,
            }
        };
        timeout(TEST_TIMEOUT, next).await.expect("an event in time")
    }

    /// Waits for the next event with this name, and returns its data.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            let event = self.next().await;
            if event["event"] == name {
                return event["data"].clone();
            }
        }
    }

    /// Reads events up to the message `last`, and returns the texts of the messages.
    pub(crate) async fn texts_to(&mut self, last: &str) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.last().is_none_or(|text| text != last) {
            let message = self.event("message").await;
            texts.push(message["text"].as_str().unwrap().to_owned());
        }
        texts
    }
}

impl Poller {
    async fn next(&mut self) -> Value {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let after = self.cursor.iter().map(|cursor| format!("?after={cursor}"));
            let url = self.url.clone() + &after.collect::<String>();
            let request = self.person.authorize(self.http.get(url));
            let response = request.send().await.unwrap();
            if let Some(seconds) = response.headers().get(header::RETRY_AFTER) {
                let seconds = seconds.to_str().unwrap().parse().unwrap();
                sleep(Duration::from_secs(seconds)).await;
                continue;
            }
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
            let body: Value = response.json().await.unwrap();
            self.cursor = Some(body["cursor"].as_str().unwrap().to_owned());
            self.events
                .extend(body["events"].as_array().unwrap().iter().cloned());
        }
    }
}

/// A WebSocket client. It answers pings only while it waits for an event.
pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(server: &Server, person: &Person, path: &str) -> Self {
        Self::try_open(server, person, path)
            .await
            .expect("a handshake")
    }

    pub(crate) async fn try_open(
        server: &Server,
        person: &Person,
        path: &str,
    ) -> Result<Self, Box<tungstenite::Error>> {
        Self::dial(&format!("ws://{}{path}", server.address()), person).await
    }

    pub(crate) async fn dial(
        address: &str,
        person: &Person,
    ) -> Result<Self, Box<tungstenite::Error>> {
        let mut request = address.into_client_request().unwrap();
        let cookie = format!("other=1; chat-session={}", person.token);
        request
            .headers_mut()
            .insert("Cookie", cookie.parse().unwrap());
        let opening = timeout(TEST_TIMEOUT, connect_async(request)).await.unwrap();
        Ok(Self(opening.map_err(Box::new)?.0))
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    pub(crate) async fn next_frame(&mut self) -> Message {
        let frame = timeout(TEST_TIMEOUT, self.0.next())
            .await
            .expect("a frame in time");
        frame
            .expect("the connection is open")
            .expect("a well-formed frame")
    }

    pub(crate) async fn next(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.next_frame().await {
                let event: Value = serde_json::from_str(&text).unwrap();
                if event["event"] != "ping" {
                    return event;
                }
            }
        }
    }

    /// Waits for the next event with this name, and returns all of it.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            let event = self.next().await;
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Sends a number as a message, and waits until it is acknowledged. Returns `None` if the connection ends first.
    pub(crate) async fn acknowledge(&mut self, number: u64) -> Option<()> {
        let data = json!({ "key": number.to_string(), "text": number.to_string() });
        let frame = json!({ "event": "message", "ack": number, "data": data });
        let exchange = async {
            self.0.send(Message::text(frame.to_string())).await.ok()?;
            while let Some(Ok(frame)) = self.0.next().await {
                let Message::Text(text) = frame else { continue };
                let event: Value = serde_json::from_str(&text).unwrap();
                assert_ne!(event["event"], "error", "{event}");
                if event["event"] == "ack" {
                    assert_eq!(event["ack"], number);
                    return Some(());
                }
            }
            None
        };
        timeout(TEST_TIMEOUT, exchange)
            .await
            .expect("a reply in time")
    }

    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next_frame().await {
                return frame.expect("a close code").code.into();
            }
        }
    }
}

/// Checks that `response` is an error with this status and a sentence. `request` describes the request.
pub(crate) async fn expect_error(response: Response, status: u16, request: &str) {
    assert_eq!(response.status(), status, "{request}");
    let error: Value = response.json().await.unwrap();
    assert!(
        error["error"].as_str().unwrap().len() > 20,
        "{request}: {error}"
    );
}
