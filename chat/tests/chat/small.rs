//! The small chat of `examples/small.rs` and the chat itself, side by side. Each test does the same in both.
//!
//! `cargo test -p chat small::`

use serde_json::json;
use tempfile::TempDir;
use testing::{Server, Signal, TEST_TIMEOUT, build_example};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{BINARY, LOBBY, Person, Socket, database};
use crate::events::is_time;

/// Which of the two chats a test uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Small,
    Real,
}

const KINDS: [Kind; 2] = [Kind::Small, Kind::Real];

/// A running chat, and the folder of its database.
struct Chat {
    kind: Kind,
    server: Server,
    folder: TempDir,
}

impl Chat {
    fn start(kind: Kind) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), kind)
    }

    fn start_in(folder: TempDir, kind: Kind) -> Self {
        let server = match kind {
            Kind::Small => {
                let small = build_example("chat", "small");
                Server::start_with(small.to_str().unwrap(), &[("PORT", "0")])
            }
            Kind::Real => Server::start(BINARY, &["--database", &database(&folder)]),
        };
        Self {
            kind,
            server,
            folder,
        }
    }

    /// Kills the server and starts another one with the same database.
    fn restart(self) -> Self {
        self.server.signal(Signal::KILL);
        assert_eq!(self.server.wait().code, None);
        Self::start_in(self.folder, self.kind)
    }
}

/// Somebody who uses one of the chats over WebSocket.
struct Visitor {
    name: &'static str,
    /// The name and token in the chat itself. The small chat knows neither.
    person: Option<Person>,
    /// The id of the last message. The small chat has no ids.
    last_id: Option<u64>,
    socket: Socket,
}

impl Visitor {
    async fn join(chat: &Chat, name: &'static str) -> Self {
        let person = match chat.kind {
            Kind::Small => None,
            Kind::Real => Some(Person::join(&chat.server, name).await),
        };
        let socket = connect(chat, person.as_ref(), None).await;
        Self {
            name,
            person,
            last_id: None,
            socket,
        }
    }

    /// Closes the connection, runs `absence`, and connects again.
    async fn leave_during(&mut self, chat: &Chat, absence: impl Future<Output = ()>) {
        self.socket.0.close(None).await.unwrap();
        absence.await;
        self.socket = connect(chat, self.person.as_ref(), self.last_id).await;
    }

    /// Sends a message. If `key` was used before, the message is a repeat.
    async fn say(&mut self, key: u32, text: &str) {
        let frame = if self.person.is_some() {
            let data = json!({ "key": key.to_string(), "text": text });
            json!({ "event": "message", "data": data }).to_string()
        } else {
            format!("{}: {text}", self.name)
        };
        self.socket.send(frame).await;
    }

    /// Waits for the next message, and returns its text. Checks the author and the time.
    async fn next_text(&mut self, author: &str) -> String {
        let [time, from, text] = if self.person.is_some() {
            self.next_message().await
        } else {
            self.next_line().await
        };
        assert!(is_time(&json!(time)), "{time}");
        assert_eq!(from, author);
        text
    }

    /// Returns time, author and text of the next message of the chat itself.
    async fn next_message(&mut self) -> [String; 3] {
        let message = timeout(TEST_TIMEOUT, self.socket.event("message")).await;
        let data = message.expect("a message in time")["data"].clone();
        self.last_id = data["id"].as_u64();
        ["time", "from", "text"].map(|field| data[field].as_str().unwrap().to_owned())
    }

    /// Returns time, author and text of the next line of the small chat.
    async fn next_line(&mut self) -> [String; 3] {
        let Message::Text(line) = self.socket.next_frame().await else {
            panic!("a line")
        };
        // Exercise 1 puts a number before the time.
        let number = |(start, _): &(&str, &str)| start.parse::<u64>().is_ok();
        let numbered = line.split_once(' ').filter(number);
        let line = numbered.map_or(line.as_str(), |(_, rest)| rest);
        let (time, rest) = line.split_at("2020-09-24 22:51:02".len());
        let (from, text) = rest.trim_start().split_once(": ").unwrap();
        [time, from, text].map(str::to_owned)
    }

    /// Reads the messages of `author` up to the text `last`.
    async fn texts_to(&mut self, author: &str, last: &str) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.last().is_none_or(|text| text != last) {
            texts.push(self.next_text(author).await);
        }
        texts
    }
}

async fn connect(chat: &Chat, person: Option<&Person>, last_id: Option<u64>) -> Socket {
    let Some(person) = person else {
        let address = format!("ws://{}/ws", chat.server.address());
        return Socket(connect_async(address).await.unwrap().0);
    };
    let after = last_id.map_or(String::new(), |id| format!("?after={id}"));
    Socket::open(&chat.server, person, &format!("{LOBBY}/ws{after}")).await
}

#[tokio::test]
async fn both_chats_work_for_two_people() {
    for kind in KINDS {
        let chat = Chat::start(kind);
        let mut ann = Visitor::join(&chat, "Ann").await;
        let mut bob = Visitor::join(&chat, "Bob").await;
        ann.say(1, "Hi, Bob").await;
        for visitor in [&mut ann, &mut bob] {
            assert_eq!(visitor.next_text("Ann").await, "Hi, Bob", "{kind:?}");
        }
        bob.say(1, "Hi, Ann").await;
        for visitor in [&mut ann, &mut bob] {
            assert_eq!(visitor.next_text("Bob").await, "Hi, Ann", "{kind:?}");
        }
    }
}

/// Returns what Bob reads after an absence in which Ann has sent `two`.
async fn texts_after_absence(kind: Kind) -> Vec<String> {
    let chat = Chat::start(kind);
    let mut ann = Visitor::join(&chat, "Ann").await;
    let mut bob = Visitor::join(&chat, "Bob").await;
    ann.say(1, "one").await;
    assert_eq!(bob.texts_to("Ann", "one").await, ["one"]);
    bob.leave_during(&chat, async {
        ann.say(2, "two").await;
        ann.texts_to("Ann", "two").await;
    })
    .await;
    ann.say(3, "three").await;
    bob.texts_to("Ann", "three").await
}

#[tokio::test]
async fn the_small_chat_loses_what_comes_while_somebody_is_away() {
    assert_eq!(texts_after_absence(Kind::Small).await, ["three"]);
    assert_eq!(texts_after_absence(Kind::Real).await, ["two", "three"]);
}

/// Returns what Bob reads when Ann sends a message again, because she does not know whether it has arrived.
async fn texts_after_repeat(kind: Kind) -> Vec<String> {
    let chat = Chat::start(kind);
    let mut ann = Visitor::join(&chat, "Ann").await;
    let mut bob = Visitor::join(&chat, "Bob").await;
    for (key, text) in [(1, "one"), (1, "one"), (2, "end")] {
        ann.say(key, text).await;
    }
    bob.texts_to("Ann", "end").await
}

#[tokio::test]
async fn the_small_chat_shows_a_message_twice_that_is_sent_again() {
    assert_eq!(texts_after_repeat(Kind::Small).await, ["one", "one", "end"]);
    assert_eq!(texts_after_repeat(Kind::Real).await, ["one", "end"]);
}

/// Returns what Bob reads when he comes after the server was killed.
async fn texts_after_restart(kind: Kind) -> Vec<String> {
    let chat = Chat::start(kind);
    let mut ann = Visitor::join(&chat, "Ann").await;
    ann.say(1, "one").await;
    ann.texts_to("Ann", "one").await;
    let chat = chat.restart();
    let mut bob = Visitor::join(&chat, "Bob").await;
    bob.say(1, "two").await;
    match kind {
        Kind::Small => bob.texts_to("Bob", "two").await,
        Kind::Real => {
            let mut texts = bob.texts_to("Ann", "one").await;
            texts.extend(bob.texts_to("Bob", "two").await);
            texts
        }
    }
}

#[tokio::test]
async fn the_small_chat_forgets_all_messages_when_it_restarts() {
    assert_eq!(texts_after_restart(Kind::Small).await, ["two"]);
    assert_eq!(texts_after_restart(Kind::Real).await, ["one", "two"]);
}

/// Returns in which order Ann and Bob see the messages of Ann, who sends `two` while Bob is away, and again when he is
/// back. A text that comes again counts only once.
async fn orders_after_absence(kind: Kind) -> [Vec<String>; 2] {
    let chat = Chat::start(kind);
    let mut ann = Visitor::join(&chat, "Ann").await;
    let mut bob = Visitor::join(&chat, "Bob").await;
    ann.say(1, "one").await;
    let mut texts_of_ann = ann.texts_to("Ann", "one").await;
    let mut texts_of_bob = bob.texts_to("Ann", "one").await;
    bob.leave_during(&chat, async {
        ann.say(2, "two").await;
        texts_of_ann.extend(ann.texts_to("Ann", "two").await);
    })
    .await;
    for (key, text) in [(3, "three"), (2, "two"), (4, "end")] {
        ann.say(key, text).await;
    }
    texts_of_ann.extend(ann.texts_to("Ann", "end").await);
    texts_of_bob.extend(bob.texts_to("Ann", "end").await);
    [texts_of_ann, texts_of_bob].map(without_repeats)
}

fn without_repeats(texts: Vec<String>) -> Vec<String> {
    let mut different = Vec::new();
    for text in texts {
        if !different.contains(&text) {
            different.push(text);
        }
    }
    different
}

#[tokio::test]
async fn the_small_chat_has_another_order_for_somebody_who_was_away() {
    let [ann, bob] = orders_after_absence(Kind::Small).await;
    assert_eq!(ann, ["one", "two", "three", "end"]);
    assert_eq!(bob, ["one", "three", "two", "end"]);

    let [ann, bob] = orders_after_absence(Kind::Real).await;
    assert_eq!(ann, ["one", "two", "three", "end"]);
    assert_eq!(bob, ann);
}
