//! Tests of the store in SQLite only, and the control of that store for the tests of all stores.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::*;
use crate::backend::tests::{Control, Store};
use crate::backend::{NAME_TTL, UNCONFIRMED_TTL};
use crate::input::{Cursor, UserName};
use crate::metrics::OpenConnection;
use crate::reader::Reader;
use crate::room::EVENT_BUFFER;

/// How many bytes a test's database may take.
const SIZE: u64 = 1 << 30;

/// Returns an empty store in memory.
pub(crate) async fn store(max_users: usize, event_buffer: usize) -> Store {
    open_store(Path::new(":memory:"), SIZE, max_users, event_buffer).await
}

async fn store_in(file: &Path) -> Store {
    open_store(file, SIZE, MAX_USERS, EVENT_BUFFER).await
}

/// Opens the store. A file may still be locked for a moment after its last store was dropped, because a program that
/// another test starts has a copy of all open files at first.
async fn open_store(file: &Path, size: u64, max_users: usize, event_buffer: usize) -> Store {
    let rooms = Rooms::new(20, event_buffer);
    let open = async || Sqlite::open(file, size, rooms.clone(), max_users).await;
    let start = Instant::now();
    let mut opened = open().await;
    while opened.is_err() && start.elapsed() < testing::TEST_TIMEOUT {
        tokio::task::yield_now().await;
        opened = open().await;
    }
    store_of(Arc::new(opened.unwrap()), rooms)
}

fn store_of(sqlite: Arc<Sqlite>, rooms: Rooms) -> Store {
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
        self.0.database.writer.write(0, job).await.unwrap();
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
            self.0.database.writer.write(0, delete).await.unwrap();
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
async fn acknowledged_messages_are_still_there_after_a_restart() {
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

#[tokio::test]
async fn a_user_keeps_the_name_after_a_restart() {
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
    // The restart counted as a use of the name.
    store.control.let_time_pass(NAME_TTL + 1).await;
    claim().await.unwrap();
}

/// With Redis a server renews the names of connected users instead: see `tests/chat/redis.rs`.
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
    assert!(claim().await.is_err(), "Ann is still connected");
    drop(membership);
    assert!(claim().await.is_err(), "Ann was connected until now");
    store.control.let_time_pass(UNCONFIRMED_TTL + 1).await;
    claim().await.unwrap();
}

/// The most likely mistake is to note the first use before it is on disk. Then it is never stored.
#[tokio::test]
async fn a_first_use_that_cannot_be_stored_is_stored_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let rooms = Rooms::new(20, EVENT_BUFFER);
    let sqlite = Sqlite::open(&file, SIZE, rooms, MAX_USERS).await;
    let control = SqliteControl(Arc::new(sqlite.unwrap()));
    let store = Arc::clone(&control.0);
    let ann = User::test(1, "Ann");
    store.claim_name(Arc::clone(&ann)).await.unwrap();
    control.execute("ALTER TABLE users RENAME TO broken").await;
    assert!(store.user_by_token(ann.token).await.is_err());
    control.execute("ALTER TABLE broken RENAME TO users").await;
    assert!(store.user_by_token(ann.token).await.unwrap().is_some());
    drop((store, control));

    let store = store_in(&file).await;
    store.control.let_time_pass(UNCONFIRMED_TTL + 1).await;
    let claimed = store.backend.claim_name(User::test(2, "Ann")).await;
    assert!(claimed.is_err(), "Ann keeps her name");
}

/// The tempting wrong answer ends the connection. Then all clients reconnect at the same moment.
#[tokio::test]
async fn a_reader_waits_while_the_store_fails() {
    let rooms = Rooms::new(20, EVENT_BUFFER);
    let file = Path::new(":memory:");
    let sqlite = Sqlite::open(file, SIZE, rooms.clone(), MAX_USERS)
        .await
        .unwrap();
    let control = SqliteControl(Arc::new(sqlite));
    let backend = Arc::clone(&control.0) as Arc<dyn Backend>;
    let ann = User::test(1, "Ann");
    let message = NewMessage::test("k", "hello", None);
    backend.append(&lobby(), &ann, message).await.unwrap();

    control
        .execute("ALTER TABLE messages RENAME TO broken")
        .await;
    let membership = rooms.join(&lobby(), &ann).await.unwrap();
    let connection = OpenConnection::test();
    let mut reader = Reader::new(backend, membership, Cursor::default(), connection);
    assert!(reader.next().await.json().contains("roster"));
    let failed = reader.drain_ready().await;
    assert!(
        failed.is_err_and(|error| error.status() == 503),
        "a poll gets an error"
    );
    let (event, ()) = futures_util::join!(reader.next(), async {
        control
            .execute("ALTER TABLE broken RENAME TO messages")
            .await;
    });
    assert!(event.json().contains("hello"), "{}", event.json());
}

#[tokio::test]
async fn a_full_database_deletes_from_the_longest_silent_room() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let store = small_store(&file).await;
    let ann = store.add_user("Ann").await;
    let silent = RoomName::parse("silent").unwrap();
    let first = store
        .append(&silent, &ann, NewMessage::test("first", "x", None))
        .await;
    fill_with(&store, &silent, &ann, 0..100).await;
    // Times are in whole seconds, and those of the two rooms must differ.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    fill_with(&store, &lobby(), &ann, 100..1_500).await;
    let in_silent = store.all_after(&silent, &ann, 0).await;
    assert!(in_silent.len() < 101, "{}", in_silent.len());
    let in_lobby = store.all_after(&lobby(), &ann, 0).await;
    assert!(in_lobby.len() > 100, "{}", in_lobby.len());
    let view = View {
        room: silent.clone(),
        reader: ann.id,
    };
    let page = store.backend.page_after(view, Some(first.id)).await;
    assert!(
        page.unwrap().reset.is_some(),
        "a cursor before the deletion"
    );
    drop(store);

    let store = small_store(&file).await;
    fill_with(&store, &lobby(), &ann, 1_500..1_600).await;
    drop(store);
    let bytes = std::fs::metadata(&file).unwrap().len();
    assert!(bytes <= SMALL, "{bytes}");
}

/// The ids of a busy room may be ahead of the clock. If a deleted room began again at the clock, its readers would wait
/// for ids that they have passed, and a cursor of the old room would be valid in the new one.
#[tokio::test]
async fn a_deleted_room_begins_again_after_its_last_id() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let rooms = Rooms::new(20, EVENT_BUFFER);
    let sqlite = Sqlite::open(&file, SMALL, rooms.clone(), MAX_USERS).await;
    let sqlite = Arc::new(sqlite.unwrap());
    let control = SqliteControl(Arc::clone(&sqlite));
    let store = store_of(sqlite, rooms);
    let ann = store.add_user("Ann").await;
    let silent = RoomName::parse("silent").unwrap();
    let append = async |key: &str| {
        let message = NewMessage::test(key, "x", None);
        store.append(&silent, &ann, message).await.id
    };
    append("first").await;
    control
        .execute("UPDATE messages SET id = id + 1000000")
        .await;
    let last = append("last").await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    fill_with(&store, &lobby(), &ann, 0..1_000).await;
    assert_eq!(store.all_after(&silent, &ann, 0).await, []);
    assert_eq!(append("new").await, last + 1);
}

/// How many bytes a small database may take: it is full after a thousand long messages.
const SMALL: u64 = 8 << 20;

async fn small_store(file: &Path) -> Store {
    open_store(file, SMALL, MAX_USERS, EVENT_BUFFER).await
}

/// Appends messages of 8,000 bytes with these keys.
async fn fill_with(store: &Store, room: &RoomName, author: &Arc<User>, keys: Range<usize>) {
    let text = "x".repeat(2_000 * 4);
    let append = |key: &usize| {
        let message = NewMessage::test(&key.to_string(), &text, None);
        store.append(room, author, message)
    };
    for batch in keys.collect::<Vec<_>>().chunks(50) {
        futures_util::future::join_all(batch.iter().map(append)).await;
    }
}

/// SQLite can begin the write-ahead log again only at a moment when nobody reads.
#[tokio::test]
async fn constant_reads_do_not_grow_the_write_ahead_log() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let wal = folder.path().join("chat.db-wal");
    let store = small_store(&file).await;
    let ann = store.add_user("Ann").await;
    let mut readers = Vec::new();
    for _ in 0..16 {
        let (backend, ann) = (Arc::clone(&store.backend), Arc::clone(&ann));
        readers.push(tokio::spawn(async move {
            loop {
                let view = View {
                    room: lobby(),
                    reader: ann.id,
                };
                backend.page_after(view, Some(0)).await.unwrap();
            }
        }));
    }
    let mut largest = 0;
    for batch in 0..100 {
        fill_with(&store, &lobby(), &ann, batch * 20..(batch + 1) * 20).await;
        largest = largest.max(std::fs::metadata(&wal).unwrap().len());
    }
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(largest <= SMALL / 4, "{largest}");
}

#[tokio::test]
async fn a_flood_of_rooms_deletes_the_room_silent_for_longest() {
    let store = store(MAX_USERS, EVENT_BUFFER).await;
    let ann = store.add_user("Ann").await;
    let oldest = RoomName::parse("oldest").unwrap();
    store
        .append(&oldest, &ann, NewMessage::test("oldest", "x", None))
        .await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let append = async |number: usize| {
        let number = number.to_string();
        let room = RoomName::parse(&number).unwrap();
        store
            .append(&room, &ann, NewMessage::test(&number, "x", None))
            .await;
    };
    // As many as one transaction can begin are kept free.
    let rooms = rooms::MAX_STORED_ROOMS - connection::QUEUE_CAPACITY;
    let mut numbers: Vec<_> = (1..rooms).collect();
    while !numbers.is_empty() {
        let batch = numbers.split_off(numbers.len().saturating_sub(1_000));
        futures_util::future::join_all(batch.into_iter().map(append)).await;
    }
    assert_eq!(store.all_after(&oldest, &ann, 0).await.len(), 1);
    append(rooms).await;
    append(rooms + 1).await;
    assert_eq!(store.all_after(&oldest, &ann, 0).await.len(), 0);
}

/// A flood of names before a restart must not keep other users out for longer than without the restart.
#[tokio::test]
async fn a_restart_does_not_confirm_an_unconfirmed_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let (used, unused, released) = (
        User::test(1, "used"),
        User::test(2, "unused"),
        User::test(3, "released"),
    );
    let store = store_in(&file).await;
    for user in [&used, &unused, &released] {
        store.backend.claim_name(Arc::clone(user)).await.unwrap();
    }
    for user in [&used, &released] {
        store
            .backend
            .user_by_token(user.token)
            .await
            .unwrap()
            .unwrap();
    }
    store
        .backend
        .release_name(Arc::clone(&released))
        .await
        .unwrap();
    drop(store);

    let store = store_in(&file).await;
    store.control.let_time_pass(UNCONFIRMED_TTL + 1).await;
    for (id, name, is_free) in [
        (4, "used", false),
        (5, "unused", true),
        (6, "released", true),
    ] {
        let claimed = store.backend.claim_name(User::test(id, name)).await;
        assert_eq!(claimed.is_ok(), is_free, "{name}");
    }
}

/// A flood of requests whose clients disconnect must not delay other clients.
#[tokio::test]
async fn a_read_that_nobody_waits_for_is_not_run() {
    let store = Sqlite::open(Path::new(":memory:"), SIZE, Rooms::new(20, 1), 1).await;
    let reader = &store.unwrap().database.reader;
    let (block, unblock) = std::sync::mpsc::sync_channel::<()>(1);
    let ran = Arc::new(AtomicUsize::new(0));
    let count = || {
        let ran = Arc::clone(&ran);
        move |_: &Connection| {
            ran.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    };
    let first = reader.read(move |_: &Connection| {
        unblock.recv().ok();
        Ok(())
    });
    let mut first = Box::pin(first);
    assert!((&mut first).now_or_never().is_none());
    for _ in 0..100 {
        assert!(reader.read(count()).now_or_never().is_none());
    }
    block.send(()).unwrap();
    first.await.unwrap();
    reader.read(count()).await.unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 1, "only the last job");
}
