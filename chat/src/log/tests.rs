//! The log against a simple model, and what it promises at its ends.

#[cfg(feature = "redis")]
mod redis;

use std::{collections::HashSet, path::Path, sync::Mutex};

use futures_util::future::join_all;
use proptest::prelude::*;

use super::*;

impl Log {
    /// Makes users somebody to whom a message can be addressed.
    pub(crate) async fn knows(&self, users: impl IntoIterator<Item = &Arc<User>>) {
        for user in users {
            let user = Arc::clone(user);
            #[cfg(feature = "redis")]
            if let Some(redis) = &self.database.redis {
                redis.take(&user).await.unwrap();
                continue;
            }
            let add = "INSERT OR IGNORE INTO users VALUES (?, ?, ?, randomblob(32))";
            let row = move |log: &Connection| {
                log.execute(add, params![user.id, user.name.text, user.name.folded])
            };
            self.database.writer.run(row).await.unwrap();
        }
    }
}

/// A log, and what it has published.
struct Probe {
    log: Log,
    published: Arc<Mutex<Vec<(RoomName, Message)>>>,
}

impl Probe {
    fn open(file: &Path) -> Self {
        let published = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&published);
        let publish = move |room: &RoomName, message: &Message| {
            seen.lock().unwrap().push((room.clone(), message.clone()));
        };
        let database = Arc::new(Database::open(file).unwrap());
        let publish = Arc::new(publish);
        let log = Log { database, publish };
        Self { log, published }
    }

    fn in_memory() -> Self {
        Self::open(Path::new(":memory:"))
    }
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message.text.as_str())
        .collect()
}

/// Everything after `cursor`, page by page.
async fn all_after(log: &Log, room: &RoomName, reader: UserId, cursor: i64) -> Vec<Message> {
    let (mut cursor, mut messages) = (cursor, Vec::new());
    loop {
        let page = log
            .after((room.clone(), reader), Some(cursor))
            .await
            .unwrap();
        assert_eq!(page.reset, None);
        assert!(page.cursor >= cursor, "a cursor never goes back");
        cursor = page.cursor;
        messages.extend(page.messages);
        if !page.more {
            return messages;
        }
    }
}

/// One thing that somebody says: who, where, under which key, to whom.
#[derive(Debug, Clone)]
struct Said {
    author: usize,
    room: usize,
    key: u8,
    to: Option<usize>,
}

fn said() -> impl Strategy<Value = Said> {
    let to = prop::option::weighted(0.4, 0..3_usize);
    (0..3_usize, 0..2_usize, 0..8_u8, to).prop_map(|(author, room, key, to)| Said {
        author,
        room,
        key,
        to,
    })
}

/// What the model says: the messages in the order of their first arrival, each (author, key) once.
fn model(said: &[Said]) -> Vec<(usize, &Said)> {
    let mut keys = HashSet::new();
    let first = |(_, said): &(usize, &Said)| keys.insert((said.author, said.key));
    said.iter().enumerate().filter(first).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// All at once, so that repeats meet in one batch, and then one after the other.
    #[test]
    fn the_log_is_what_a_list_would_be(
        together in prop::collection::vec(said(), 0..24),
        later in prop::collection::vec(said(), 0..6),
        cursor in 0..40_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let Probe { log, published } = Probe::in_memory();
        let said = [together.clone(), later].concat();
        let order = runtime.block_on(check(&log, &said, together.len(), cursor));
        // Who is told first is the author; the writer has told everybody when it has ended.
        drop(log);
        let published = published.lock().unwrap();
        let published: Vec<_> = published.iter().map(|(_, message)| message.text.clone()).collect();
        assert_eq!(published, order, "published once and in order");
    }
}

/// Says all of it, `together` of them at once, and compares the log with the model. Returns what it holds.
#[allow(clippy::too_many_lines, reason = "what happens, and what should")]
async fn check(log: &Log, said: &[Said], together: usize, cursor: usize) -> Vec<String> {
    let users = [1, 2, 3].map(|id| User::test(id, &format!("user {id}")));
    log.knows(&users).await;
    let rooms = [room("a"), room("b")];
    let append = |(number, said): (usize, &Said)| {
        let to = said.to.map(|to| &users[to]);
        let draft = Draft::test(&said.key.to_string(), &number.to_string(), to);
        log.append(&rooms[said.room], &users[said.author], draft)
    };
    let (first, rest) = said.split_at(together);
    // Polled in this order, so sent in this order.
    let mut receipts = join_all(first.iter().enumerate().map(append)).await;
    for (number, said) in rest.iter().enumerate() {
        receipts.push(append((number + together, said)).await);
    }
    let receipts: Vec<_> = receipts.into_iter().map(Result::unwrap).collect();

    let model = model(said);
    for (number, said) in said.iter().enumerate() {
        let same =
            |(_, other): &&(usize, &Said)| (other.author, other.key) == (said.author, said.key);
        let (first, _) = model.iter().find(same).unwrap();
        assert_eq!(
            receipts[number].id, receipts[*first].id,
            "a repeat gets the first answer"
        );
        assert_eq!(receipts[number].fresh, *first == number);
    }
    let order: Vec<_> = model.iter().map(|(number, _)| number.to_string()).collect();
    for (index, room) in rooms.iter().enumerate() {
        let here = || model.iter().filter(move |(_, said)| said.room == index);
        let ids: Vec<_> = here().map(|(number, _)| receipts[*number].id).collect();
        assert!(
            ids.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "without gaps: {ids:?}"
        );
        for (reader, user) in users.iter().enumerate() {
            let sees = |said: &Said| said.author == reader || said.to.is_none_or(|to| to == reader);
            let expected = |after: i64| -> Vec<String> {
                let visible =
                    here().filter(|(number, said)| sees(said) && receipts[*number].id > after);
                visible.map(|(number, _)| number.to_string()).collect()
            };
            let all = all_after(log, room, user.id, 0).await;
            assert_eq!(texts(&all), expected(0));
            if let Some(id) = ids.get(cursor % ids.len().max(1)) {
                assert_eq!(
                    texts(&all_after(log, room, user.id, *id).await),
                    expected(*id)
                );
                let before = log.before((room.clone(), user.id), *id + 1).await.unwrap();
                let until: Vec<_> = all
                    .iter()
                    .filter(|message| message.id <= *id)
                    .cloned()
                    .collect();
                assert_eq!(before, until);
            }
        }
    }
    order
}

/// Says `count` things as quickly as it can, in order.
async fn fill(log: &Log, room: &RoomName, author: &Arc<User>, count: usize) {
    let numbers: Vec<_> = (0..count).collect();
    for part in numbers.chunks(1_000) {
        let says = part.iter().map(|number| {
            log.append(
                room,
                author,
                Draft::test(&number.to_string(), &number.to_string(), None),
            )
        });
        join_all(says)
            .await
            .into_iter()
            .for_each(|receipt| assert!(receipt.is_ok()));
    }
}

#[tokio::test]
async fn ten_thousand_messages_of_a_room_are_kept_and_an_older_cursor_starts_again() {
    keeps_ten_thousand(&Probe::in_memory().log).await;
}

async fn keeps_ten_thousand(log: &Log) {
    let (lobby, ann) = (room("lobby"), User::test(1, "Ann"));
    log.knows([&ann]).await;
    fill(log, &lobby, &ann, 10_100).await;
    let all = all_after(log, &lobby, ann.id, 0).await;
    assert_eq!(all.len(), 10_000);
    assert_eq!(all[0].text, "100");

    let first = all[0].id;
    let page = log
        .after((lobby.clone(), ann.id), Some(first - 1))
        .await
        .unwrap();
    assert_eq!(
        (page.reset, page.messages[0].id),
        (None, first),
        "this one has missed nothing"
    );
    for bad in [first - 2, 1, all[9_999].id + 1, i64::MAX] {
        let page = log.after((lobby.clone(), ann.id), Some(bad)).await.unwrap();
        assert_eq!(page.reset, Some(all[9_950].id - 1), "{bad}");
        assert_eq!(
            page.messages,
            all[9_950..],
            "the newest 50, as for somebody new"
        );
        assert_eq!((page.cursor, page.more), (all[9_999].id, false));
    }
    let new = log.after((lobby.clone(), ann.id), None).await.unwrap();
    assert_eq!((new.reset, &new.messages[..]), (None, &all[9_950..]));

    // A key goes with its message: by then nobody sends it again.
    let again = log
        .append(&lobby, &ann, Draft::test("0", "again", None))
        .await
        .unwrap();
    assert!(again.fresh && again.id == all[9_999].id + 1);
}

#[tokio::test]
async fn a_cursor_passes_what_the_reader_may_not_see() {
    passes_what_is_private(&Probe::in_memory().log).await;
}

async fn passes_what_is_private(log: &Log) {
    let (lobby, ann, bob) = (room("lobby"), User::test(1, "Ann"), User::test(2, "Bob"));
    log.knows([&ann, &bob]).await;
    for number in 0..450 {
        let draft = Draft::test(&number.to_string(), "secret", Some(&bob));
        log.append(&lobby, &ann, draft).await.unwrap();
    }
    let eve = User::test(3, "Eve");
    let (mut cursor, mut pages) = (0, 0);
    loop {
        let page = log
            .after((lobby.clone(), eve.id), Some(cursor))
            .await
            .unwrap();
        assert_eq!(page.messages, []);
        cursor = page.cursor;
        pages += 1;
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, 9);
    let last = log.after((lobby.clone(), bob.id), None).await.unwrap();
    assert_eq!((last.cursor, last.messages.len()), (cursor, 50));
    assert_eq!(
        log.before((lobby.clone(), eve.id), i64::MAX).await.unwrap(),
        []
    );
}

#[tokio::test]
async fn an_empty_room_has_the_cursor_0_and_any_other_is_from_another_log() {
    knows_an_empty_room(&Probe::in_memory().log).await;
}

async fn knows_an_empty_room(log: &Log) {
    let (lobby, ann) = (room("lobby"), User::test(1, "Ann"));
    for cursor in [None, Some(0)] {
        let page = log.after((lobby.clone(), ann.id), cursor).await.unwrap();
        assert_eq!(page, Page::default());
    }
    let page = log.after((lobby.clone(), ann.id), Some(7)).await.unwrap();
    assert_eq!((page.reset, page.cursor), (Some(0), 0));
    let later = all_after(log, &lobby, ann.id, 0).await;
    assert_eq!(later, []);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let (lobby, ann, bob) = (room("lobby"), User::test(1, "Ann"), User::test(2, "Bob"));
    let log = Probe::open(&file).log;
    log.knows([&bob]).await;
    let draft = Draft::test("k", "秘密\n<b>", Some(&bob));
    let receipt = log.append(&lobby, &ann, draft.clone()).await.unwrap();
    let before = all_after(&log, &lobby, bob.id, 0).await;
    drop(log);

    let log = Probe::open(&file).log;
    assert_eq!(all_after(&log, &lobby, bob.id, 0).await, before);
    let repeat = log.append(&lobby, &ann, draft).await.unwrap();
    assert_eq!(
        (repeat.id, repeat.time, repeat.fresh),
        (receipt.id, receipt.time, false)
    );
    let next = log
        .append(&lobby, &ann, Draft::test("l", "x", None))
        .await
        .unwrap();
    assert_eq!(next.id, receipt.id + 1);
}

/// The tempting wrong answer looks for the addressee first: then the author of a message that is stored is
/// told that it is not.
#[tokio::test]
async fn a_repeat_gets_the_first_answer_though_its_addressee_has_gone() {
    let log = Probe::in_memory().log;
    let (lobby, ann, bob) = (room("lobby"), User::test(1, "Ann"), User::test(2, "Bob"));
    log.knows([&bob]).await;
    let draft = Draft::test("k", "psst", Some(&bob));
    let first = log.append(&lobby, &ann, draft.clone()).await.unwrap();
    let gone = |log: &Connection| log.execute("DELETE FROM users", []);
    log.database.writer.run(gone).await.unwrap();
    let repeat = log.append(&lobby, &ann, draft).await.unwrap();
    assert_eq!((repeat.id, repeat.fresh), (first.id, false));

    let new = Draft::test("l", "psst", Some(&bob));
    let refused = log.append(&lobby, &ann, new).await;
    assert!(matches!(refused, Err(Error::Missing(_))));
    assert_eq!(all_after(&log, &lobby, ann.id, 0).await.len(), 1);
}

/// A full disk, and one that has room again. What could not be stored is neither acknowledged nor
/// told to anybody.
#[tokio::test]
async fn a_full_database_refuses_and_publishes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let published = Arc::new(Mutex::new(0));
    let count = Arc::clone(&published);
    let database = Arc::new(Database::open(&file).unwrap());
    // 1 MiB, as if that were all there is.
    let full = |database: &Connection| {
        database.pragma_update_and_check(None, "max_page_count", 256, |_| Ok(()))
    };
    database.writer.run(full).await.unwrap();
    let publish = Arc::new(move |_: &_, _: &_| *count.lock().unwrap() += 1);
    let log = Log { database, publish };
    let (lobby, ann) = (room("lobby"), User::test(1, "Ann"));
    let text = "x".repeat(2_000);
    let mut stored = 0;
    let refused = loop {
        match log
            .append(&lobby, &ann, Draft::test(&stored.to_string(), &text, None))
            .await
        {
            Ok(_) => stored += 1,
            Err(refused) => break refused,
        }
        assert!(stored < 1_000, "1 MiB holds no 2 MB");
    };
    assert!(matches!(refused, Error::Unavailable(_)));
    assert_eq!(
        all_after(&log, &lobby, ann.id, 0).await.len(),
        stored,
        "still to be read"
    );
    drop(log);
    assert_eq!(*published.lock().unwrap(), stored);

    let log = Probe::open(&file).log;
    assert_eq!(all_after(&log, &lobby, ann.id, 0).await.len(), stored);
    let draft = Draft::test(&stored.to_string(), &text, None);
    assert!(
        log.append(&lobby, &ann, draft).await.unwrap().fresh,
        "now there is room"
    );
}
