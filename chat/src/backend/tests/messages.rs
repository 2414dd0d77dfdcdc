//! Tests of the log: a comparison with a simple model, and the limits.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use proptest::prelude::*;
use tokio::time::timeout;

use super::*;
use crate::backend::NAME_TTL;
use crate::event::EventKind;
use crate::input::{NewMessage, Recipient};
use crate::log::{Message, Page, Receipt, View};
use crate::room::Membership;
use crate::user::UserId;

/// How long a test waits for an event that should happen immediately.
const TEST_TIMEOUT: Duration = Duration::from_secs(10);

impl Store {
    pub(crate) async fn append(
        &self,
        room: &RoomName,
        author: &Arc<User>,
        message: NewMessage,
    ) -> Receipt {
        self.backend.append(room, author, message).await.unwrap()
    }

    async fn page_after(&self, room: &RoomName, reader: &User, cursor: Option<i64>) -> Page {
        let view = view(room, reader);
        self.backend.page_after(view, cursor).await.unwrap()
    }

    /// Reads page by page, and returns all messages after `cursor`.
    pub(crate) async fn all_after(
        &self,
        room: &RoomName,
        reader: &User,
        cursor: i64,
    ) -> Vec<Message> {
        let (mut cursor, mut messages) = (cursor, Vec::new());
        loop {
            let page = self.page_after(room, reader, Some(cursor)).await;
            assert_eq!(page.reset, None);
            assert!(page.cursor >= cursor, "a cursor never goes back");
            cursor = page.cursor;
            messages.extend(page.messages);
            if !page.has_more {
                return messages;
            }
        }
    }

    /// Appends `count` messages in order, many at the same time.
    async fn fill(&self, room: &RoomName, author: &Arc<User>, count: usize) {
        let numbers: Vec<_> = (0..count).map(|number| number.to_string()).collect();
        for batch in numbers.chunks(200) {
            let append =
                |number: &String| self.append(room, author, NewMessage::test(number, number, None));
            join_all(batch.iter().map(append)).await;
        }
    }
}

fn view(room: &RoomName, reader: &User) -> View {
    View {
        room: room.clone(),
        reader: reader.id,
    }
}

fn texts(messages: &[Message]) -> Vec<&str> {
    let texts = messages.iter().map(|message| message.text.as_str());
    texts.collect()
}

/// A message that a user sends. Authors, rooms and recipients are numbers.
#[derive(Debug, Clone)]
struct Sent {
    author: usize,
    room: usize,
    key: u8,
    to: Option<usize>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let to = prop::option::weighted(0.4, 0..3_usize);
    (0..3_usize, 0..2_usize, 0..8_u8, to).prop_map(|(author, room, key, to)| Sent {
        author,
        room,
        key,
        to,
    })
}

/// Returns the messages that the log should have, with their numbers: the first one for each author and key.
fn model(sent: &[Sent]) -> Vec<(usize, &Sent)> {
    let mut keys = HashSet::new();
    let is_first = |(_, sent): &(usize, &Sent)| keys.insert((sent.author, sent.key));
    sent.iter().enumerate().filter(is_first).collect()
}

/// Some messages are sent at the same moment, so that a message and its repeat are in one transaction. The others are
/// sent one after the other.
#[test]
fn the_log_behaves_like_a_list() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let many = || prop::collection::vec(sent(), 0..24);
    let few = || prop::collection::vec(sent(), 0..6);
    for store in runtime.block_on(stores()) {
        proptest!(ProptestConfig::with_cases(64), |(at_once in many(), later in few(), cursor in 0..40_usize)| {
            let all = [at_once.clone(), later].concat();
            runtime.block_on(compare_with_model(&store, &all, at_once.len(), cursor));
        });
    }
}

/// Sends all messages, the first `at_once` of them at the same moment, and compares the log with the model.
#[allow(clippy::too_many_lines, reason = "one comparison after the other")]
async fn compare_with_model(store: &Store, sent: &[Sent], at_once: usize, cursor: usize) {
    store.control.clear().await;
    let users = join_all(["user 0", "user 1", "user 2"].map(|name| store.add_user(name))).await;
    let rooms = [room("a"), room("b")];
    let observer = new_user("observer");
    let mut observers = Vec::new();
    for room in &rooms {
        observers.push(store.rooms.join(room, &observer).await.unwrap());
    }

    let append = |(number, sent): (usize, &Sent)| {
        let to = sent.to.map(|to| &users[to]);
        let message = NewMessage::test(&sent.key.to_string(), &number.to_string(), to);
        store.append(&rooms[sent.room], &users[sent.author], message)
    };
    let (first, rest) = sent.split_at(at_once);
    // `join_all` polls the calls in this order, so they are sent in this order.
    let mut receipts = join_all(first.iter().enumerate().map(append)).await;
    for (number, sent) in rest.iter().enumerate() {
        receipts.push(append((number + at_once, sent)).await);
    }

    let model = model(sent);
    for (number, sent) in sent.iter().enumerate() {
        let same =
            |(_, other): &&(usize, &Sent)| (other.author, other.key) == (sent.author, sent.key);
        let (first, _) = model.iter().find(same).unwrap();
        assert_eq!(
            (receipts[number].id, receipts[number].created),
            (receipts[*first].id, *first == number),
            "a repeat gets the first receipt"
        );
    }
    for (index, room) in rooms.iter().enumerate() {
        let here = || model.iter().filter(move |(_, sent)| sent.room == index);
        let ids: Vec<_> = here().map(|(number, _)| receipts[*number].id).collect();
        assert!(
            ids.windows(2).all(|pair| pair[0] < pair[1]),
            "not in order: {ids:?}"
        );
        for (reader, user) in users.iter().enumerate() {
            let sees = |sent: &Sent| sent.author == reader || sent.to.is_none_or(|to| to == reader);
            let expected = |after: i64| -> Vec<String> {
                let visible =
                    here().filter(|(number, sent)| sees(sent) && receipts[*number].id > after);
                visible.map(|(number, _)| number.to_string()).collect()
            };
            let all = store.all_after(room, user, 0).await;
            assert_eq!(texts(&all), expected(0));
            if let Some(id) = ids.get(cursor % ids.len().max(1)) {
                let rest = store.all_after(room, user, *id).await;
                assert_eq!(texts(&rest), expected(*id));
                let before = store.backend.page_before(view(room, user), *id + 1).await;
                let until = all.iter().filter(|message| message.id <= *id).cloned();
                assert_eq!(before.unwrap(), until.collect::<Vec<_>>());
            }
        }
        let published = published(store, room, &users[0], &mut observers[index]).await;
        assert_eq!(published, ids, "each published once and in order");
    }
}

/// Returns the ids of all messages that have been published in a room so far.
async fn published(
    store: &Store,
    room: &RoomName,
    author: &Arc<User>,
    observer: &mut Membership,
) -> Vec<i64> {
    let key = format!("the end of {}", room.as_str());
    let end = store.append(room, author, NewMessage::test(&key, "end", None));
    let end = end.await.id;
    let mut ids = Vec::new();
    while ids.last() != Some(&end) {
        let event = timeout(TEST_TIMEOUT, observer.events.recv()).await;
        if let EventKind::Message { id, .. } = event.expect("an event in time").unwrap().kind {
            ids.push(id);
        }
    }
    ids.pop();
    ids
}

#[tokio::test]
async fn a_room_keeps_ten_thousand_messages_and_resets_older_cursors() {
    for store in stores().await {
        let (lobby, ann) = (room("lobby"), store.add_user("Ann").await);
        store.fill(&lobby, &ann, 10_100).await;
        let all = store.all_after(&lobby, &ann, 0).await;
        assert_eq!(all.len(), 10_000);
        assert_eq!(all[0].text, "100");

        let (first_id, last_id) = (all[0].id, all[9_999].id);
        let page = store.page_after(&lobby, &ann, Some(first_id - 1)).await;
        assert_eq!(page.reset, None, "this reader has missed nothing");
        assert_eq!(page.messages[0].id, first_id);
        for invalid in [first_id - 2, 1, last_id + 1, i64::MAX] {
            let page = store.page_after(&lobby, &ann, Some(invalid)).await;
            assert_eq!(page.reset, Some(all[9_950].id - 1), "{invalid}");
            assert_eq!(
                page.messages,
                all[9_950..],
                "the latest 50, as for a newcomer"
            );
            assert_eq!((page.cursor, page.has_more), (last_id, false));
        }
        let new = store.page_after(&lobby, &ann, None).await;
        assert_eq!((new.reset, &new.messages[..]), (None, &all[9_950..]));

        // A key is deleted with its message, so this is no repeat.
        let again = NewMessage::test("0", "again", None);
        let again = store.append(&lobby, &ann, again).await;
        assert!(again.created && again.id > last_id);
    }
}

/// The tempting wrong answer returns empty pages, one for each fifty messages that are private to others.
#[tokio::test]
async fn private_messages_of_others_do_not_make_empty_pages() {
    for store in stores().await {
        let lobby = room("lobby");
        let (ann, bob) = (store.add_user("Ann").await, store.add_user("Bob").await);
        let public = NewMessage::test("public", "public", None);
        store.append(&lobby, &ann, public).await;
        for number in 0..450 {
            let message = NewMessage::test(&number.to_string(), "secret", Some(&bob));
            store.append(&lobby, &ann, message).await;
        }
        let eve = store.add_user("Eve").await;
        let bobs = store.page_after(&lobby, &bob, None).await;
        assert_eq!((bobs.messages.len(), bobs.has_more), (50, false));
        for cursor in [None, Some(0)] {
            let page = store.page_after(&lobby, &eve, cursor).await;
            assert_eq!(texts(&page.messages), ["public"], "{}", store.name);
            assert_eq!((page.cursor, page.has_more), (bobs.cursor, false));
        }
        let before = store.backend.page_before(view(&lobby, &eve), i64::MAX);
        assert_eq!(texts(&before.await.unwrap()), ["public"]);
    }
}

/// The server holds one page for each client that does not read. Fifty long messages would be 400 KB.
#[tokio::test]
async fn a_page_ends_after_32_kibibytes() {
    for store in stores().await {
        let (lobby, ann) = (room("lobby"), store.add_user("Ann").await);
        // In JSON each of these letters needs 8 bytes of UTF-8, or is `\u0001\u0001`.
        let texts = ["🦀".repeat(2_000), "\u{1}".repeat(2_000)];
        for number in 0..60 {
            let text = &texts[number % 2];
            let message = NewMessage::test(&number.to_string(), text, None);
            store.append(&lobby, &ann, message).await;
        }
        let (mut cursor, mut count) = (None, 0);
        loop {
            let page = store.page_after(&lobby, &ann, cursor).await;
            assert!((1..=4).contains(&page.messages.len()), "{}", store.name);
            count += page.messages.len();
            cursor = Some(page.cursor);
            if !page.has_more {
                break;
            }
        }
        assert_eq!(count, 50, "a newcomer gets the latest fifty, in pages");
        let before = store.backend.page_before(view(&lobby, &ann), i64::MAX);
        assert!(before.await.unwrap().len() <= 4);
    }
}

#[tokio::test]
async fn an_empty_room_resets_every_cursor_except_0() {
    for store in stores().await {
        let (lobby, ann) = (room("lobby"), new_user("Ann"));
        for cursor in [None, Some(0)] {
            let page = store.page_after(&lobby, &ann, cursor).await;
            assert_eq!(page, Page::default());
        }
        let page = store.page_after(&lobby, &ann, Some(7)).await;
        assert_eq!((page.reset, page.cursor), (Some(0), 0));
        assert_eq!(store.all_after(&lobby, &ann, 0).await, []);
    }
}

/// The tempting wrong answer looks for the recipient first. Then the author of a stored message gets an error.
#[tokio::test]
async fn a_repeat_gets_the_first_receipt_though_its_recipient_has_left() {
    for store in stores().await {
        let lobby = room("lobby");
        let (ann, bob) = (store.add_user("Ann").await, store.add_user("Bob").await);
        let message = NewMessage::test("k", "psst", Some(&bob));
        let first = store.append(&lobby, &ann, message.clone()).await;
        store.control.remove_user(&bob).await;
        let repeat = store.append(&lobby, &ann, message).await;
        assert_eq!((repeat.id, repeat.created), (first.id, false));

        let new = NewMessage::test("l", "psst", Some(&bob));
        let refused = store.backend.append(&lobby, &ann, new).await;
        assert_eq!(refused.unwrap_err().status(), 404, "{}", store.name);
        assert_eq!(store.all_after(&lobby, &ann, 0).await.len(), 1);
    }
}

/// A message may wait in the outbox of its author until another user has the name of the recipient.
#[tokio::test]
async fn a_private_message_is_not_stored_for_a_later_holder() {
    for store in stores().await {
        let lobby = room("lobby");
        let ann = store.add_user("Ann").await;
        let first = store.add_user("Bob").await;
        let found = store.backend.find_holder("bob".into()).await.unwrap();
        let found = found.expect(store.name);
        assert_eq!((found.id, found.name.as_str()), (first.id, "Bob"));
        let message = |key: &str, id: UserId| {
            let mut message = NewMessage::test(key, "psst", Some(&first));
            message.to = message.to.map(|to| Recipient { id: Some(id), ..to });
            message
        };
        let stored = store.append(&lobby, &ann, message("k", first.id)).await;
        assert!(stored.created);

        store.control.let_time_pass(NAME_TTL + 1).await;
        let ann = store.add_user("Ann 2").await;
        let second = store.add_user("Bob").await;
        assert_ne!(second.id, first.id);
        let late = message("l", first.id);
        let refused = store.backend.append(&lobby, &ann, late).await;
        assert_eq!(refused.unwrap_err().status(), 404, "{}", store.name);
        assert!(
            store
                .backend
                .find_holder("eve".into())
                .await
                .unwrap()
                .is_none()
        );
    }
}
