//! What only a store in a file promises.

use std::time::Instant;

use futures_util::future::BoxFuture;

use super::*;
use crate::backend::tests::{Control, Store};
use crate::backend::{NAME_TTL, UNCONFIRMED_TTL};
use crate::input::{Cursor, UserName};
use crate::reader::Reader;
use crate::room::EVENT_BUFFER;

/// Returns an empty store in memory.
pub(crate) async fn store(max_users: usize, event_buffer: usize) -> Store {
    open_store(Path::new(":memory:"), max_users, event_buffer).await
}

async fn store_in(file: &Path) -> Store {
    open_store(file, MAX_USERS, EVENT_BUFFER).await
}

/// Opens the store. A file may still be locked for a moment after its last store was dropped: while another test starts
/// a program, that program has a copy of all open files.
async fn open_store(file: &Path, max_users: usize, event_buffer: usize) -> Store {
    let rooms = Rooms::new(20, event_buffer);
    let open = async || Sqlite::open(file, rooms.clone(), max_users).await;
    let start = Instant::now();
    let mut opened = open().await;
    while opened.is_err() && start.elapsed() < testing::TEST_TIMEOUT {
        tokio::task::yield_now().await;
        opened = open().await;
    }
    let sqlite = Arc::new(opened.unwrap());
    Store {
        name: "SQLite",
        backend: Arc::clone(&sqlite) as Arc<dyn Backend>,
        rooms,
        control: Box::new(SqliteControl(sqlite)),
    }
}

struct SqliteControl(Arc<Sqlite>);

impl SqliteControl {
    async fn execute(&self, sql: &'static str) {
        let job = move |connection: &Connection| connection.execute_batch(sql);
        self.0.database.writer.run(job).await.unwrap();
    }
}

impl Control for SqliteControl {
    fn let_time_pass(&self, seconds: i64) -> BoxFuture<'_, ()> {
        self.0.names.let_time_pass(seconds);
        Box::pin(async {})
    }

    fn remove_user<'a>(&'a self, user: &'a User) -> BoxFuture<'a, ()> {
        let id = user.id;
        let delete = move |connection: &Connection| {
            connection.execute("DELETE FROM users WHERE id = ?", [id])
        };
        Box::pin(async move {
            self.0.database.writer.run(delete).await.unwrap();
        })
    }

    fn clear(&self) -> BoxFuture<'_, ()> {
        self.0.names.clear();
        Box::pin(self.execute("DELETE FROM messages; DELETE FROM users"))
    }
}

fn lobby() -> RoomName {
    RoomName::parse("lobby").unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let store = store_in(&file).await;
    let (ann, bob) = (store.add_user("Ann").await, store.add_user("Bob").await);
    let message = NewMessage::test("k", "秘密\n<b>", Some(&bob));
    let receipt = store.append(&lobby(), &ann, message.clone()).await;
    let before = store.all_after(&lobby(), &bob, 0).await;
    drop(store);

    let store = store_in(&file).await;
    assert_eq!(store.all_after(&lobby(), &bob, 0).await, before);
    let repeat = store.append(&lobby(), &ann, message).await;
    assert_eq!((repeat.id, repeat.time), (receipt.id, receipt.time));
    assert!(!repeat.created);
    let next = NewMessage::test("l", "x", None);
    let next = store.append(&lobby(), &ann, next).await;
    assert_eq!(next.id, receipt.id + 1);
}

/// A full disk, and one that has room again. What could not be stored is neither acknowledged nor published.
#[tokio::test]
async fn a_full_database_refuses_and_publishes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let rooms = Rooms::new(20, 1_000);
    let sqlite = Sqlite::open(&file, rooms.clone(), MAX_USERS).await.unwrap();
    // 1 MiB, as if that were all there is.
    let shrink = |connection: &Connection| {
        connection.pragma_update_and_check(None, "max_page_count", 256, |_| Ok(()))
    };
    sqlite.database.writer.run(shrink).await.unwrap();
    let ann = User::test(1, "Ann");
    let mut observer = rooms.join(&lobby(), &ann).await.unwrap();
    let text = "x".repeat(2_000);
    let message = |number: usize| NewMessage::test(&number.to_string(), &text, None);
    let mut stored = 0;
    let refused = loop {
        match sqlite.append(&lobby(), &ann, message(stored)).await {
            Ok(_) => stored += 1,
            Err(refused) => break refused,
        }
        assert!(stored < 1_000, "1 MiB holds no 2 MB");
    };
    assert!(refused.status() == 503);
    drop(sqlite);
    let mut published = 0;
    while let Some(Ok(event)) = futures_util::FutureExt::now_or_never(observer.events.recv()) {
        published += usize::from(event.json.contains("xxx"));
    }
    assert_eq!(published, stored);

    let store = store_in(&file).await;
    let still_there = store.all_after(&lobby(), &ann, 0).await;
    assert_eq!(still_there.len(), stored);
    let receipt = store.append(&lobby(), &ann, message(stored)).await;
    assert!(receipt.created, "now there is room");
}

#[tokio::test]
async fn a_restart_changes_nothing_for_those_who_have_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let store = store_in(&file).await;
    let token = "a token that is found nowhere in the file";
    let name = UserName::parse("Ann").unwrap();
    let ann = User::new(1, name, TokenHash::of(token));
    store.backend.claim_name(Arc::clone(&ann)).await.unwrap();
    drop(store);
    let stored = std::fs::read(&file).unwrap();
    let has = |text: &str| {
        let mut windows = stored.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    };
    assert!(has("Ann") && !has(token));

    let store = store_in(&file).await;
    let same = store.backend.user_by_token(ann.token).await.unwrap();
    assert_eq!(same.unwrap().id, ann.id);
    let other = User::test(2, "ANN");
    let claim = || store.backend.claim_name(Arc::clone(&other));
    assert!(claim().await.is_err());
    // A name is not free too early; the restart counts as a use.
    store.control.let_time_pass(NAME_TTL + 1).await;
    claim().await.unwrap();
}

/// On Redis the server refreshes the names of those who are connected instead; see `tests/chat/redis.rs`.
#[tokio::test]
async fn nobody_loses_a_name_while_connected() {
    let store = store(MAX_USERS, EVENT_BUFFER).await;
    let ann = store.add_user("Ann").await;
    let membership = store.rooms.join(&lobby(), &ann).await.unwrap();
    let claim = || store.backend.claim_name(User::test(2, "Ann"));
    store.control.let_time_pass(NAME_TTL + 1).await;
    assert!(claim().await.is_err());
    store.backend.release_name(Arc::clone(&ann)).await.unwrap();
    store.control.let_time_pass(UNCONFIRMED_TTL + 1).await;
    assert!(claim().await.is_err(), "in another tab");
    drop(membership);
    assert!(claim().await.is_err(), "she was here until now");
    store.control.let_time_pass(UNCONFIRMED_TTL + 1).await;
    claim().await.unwrap();
}

/// The tempting wrong answer ends the connection: then all readers come back at the same moment.
#[tokio::test]
async fn a_reader_waits_for_a_store_that_fails_and_then_goes_on() {
    let rooms = Rooms::new(20, EVENT_BUFFER);
    let file = Path::new(":memory:");
    let sqlite = Sqlite::open(file, rooms.clone(), MAX_USERS).await.unwrap();
    let control = SqliteControl(Arc::new(sqlite));
    let backend = Arc::clone(&control.0) as Arc<dyn Backend>;
    let ann = User::test(1, "Ann");
    let message = NewMessage::test("k", "hello", None);
    backend.append(&lobby(), &ann, message).await.unwrap();

    control
        .execute("ALTER TABLE messages RENAME TO broken")
        .await;
    let membership = rooms.join(&lobby(), &ann).await.unwrap();
    let mut reader = Reader::new(backend, membership, Cursor::default());
    assert!(reader.next().await.json.contains("roster"));
    let failed = reader.drain_ready().await;
    assert!(
        failed.is_err_and(|error| error.status() == 503),
        "a poll ends"
    );
    let (event, ()) = futures_util::join!(reader.next(), async {
        control
            .execute("ALTER TABLE broken RENAME TO messages")
            .await;
    });
    assert!(event.json.contains("hello"), "{}", event.json);
}
