//! Tests of opening files: other files, files in use, older versions, and memory. And of writes that fail.

use std::{fs, time::Instant};

use super::*;
use crate::backend::sqlite::migrations;

/// A part of the error for a file that another server has opened.
const IN_USE: &str = "in use by another server";

fn open(file: &Path) -> Result<Database, OpenError> {
    Database::open(file, 1 << 30, &migrations())
}

/// Tries to open a file after its last database was dropped. The file may still be locked for a moment, because a program
/// that another test starts has a copy of all open files at first.
fn try_reopen(file: &Path) -> Result<Database, OpenError> {
    let start = Instant::now();
    loop {
        match open(file) {
            Err(error) if error.to_string().contains(IN_USE) => {
                assert!(start.elapsed() < testing::TEST_TIMEOUT, "{error}");
            }
            opened => return opened,
        }
    }
}

fn reopen(file: &Path) -> Database {
    try_reopen(file).unwrap()
}

fn error(opened: Result<Database, OpenError>) -> String {
    opened.err().expect("an error").to_string()
}

#[test]
fn a_file_that_is_no_chat_database_stays_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.db");
    fs::write(&garbage, "this is no database at all, but long enough").unwrap();
    let other = folder.path().join("other.db");
    let tables = "CREATE TABLE cats (name TEXT)";
    Connection::open(&other)
        .unwrap()
        .execute_batch(tables)
        .unwrap();
    let newer = folder.path().join("newer.db");
    drop(open(&newer).unwrap());
    let version = "PRAGMA user_version = 99";
    Connection::open(&newer)
        .unwrap()
        .execute_batch(version)
        .unwrap();
    for (file, expected) in [
        (&garbage, "is not a chat database"),
        (&other, "is not a chat database"),
        (&newer, "was made by a later version of the chat (99)"),
    ] {
        let before = fs::read(file).unwrap();
        let error = error(try_reopen(file));
        assert!(error.contains(expected), "{error}");
        assert_eq!(fs::read(file).unwrap(), before);
    }
}

#[test]
fn two_servers_cannot_open_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let first = open(&file).unwrap();
    assert!(error(open(&file)).contains(IN_USE));
    let link = file.with_file_name("link.db");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(error(open(&link)).contains(IN_USE));
    drop(first);
    reopen(&file);
}

#[tokio::test]
async fn databases_in_memory_share_nothing() {
    let count = async |database: &Database| {
        let count = "SELECT count(*) FROM users";
        let count = database
            .reader
            .read(|connection| connection.query_row(count, [], |row| row.get::<_, i64>(0)));
        count.await.unwrap()
    };
    let [first, second] = [(); 2].map(|()| open(Path::new(":memory:")).unwrap());
    let add = "INSERT INTO users VALUES (1, 'A', 'a', x'00', 1)";
    assert_eq!(
        first
            .writer
            .write(0, |connection| connection.execute(add, []))
            .await
            .unwrap(),
        1
    );
    assert_eq!((count(&first).await, count(&second).await), (1, 0));
}

/// The tempting wrong answer fails all writes of the transaction.
#[tokio::test]
async fn a_write_that_fails_is_refused_alone_and_publishes_nothing() {
    let database = open(Path::new(":memory:")).unwrap();
    let insert = |id: i64| {
        move |connection: &Connection| {
            let token = id.to_be_bytes().to_vec();
            let row = rusqlite::params![id, token];
            connection.execute("INSERT INTO users VALUES (?1, ?1, ?1, ?2, 1)", row)
        }
    };
    let bad = |connection: &Connection| {
        let rows = connection.execute("INSERT INTO nowhere VALUES (1)", [])?;
        Ok((rows, || panic!("published")))
    };
    let (first, refused, second) = futures_util::join!(
        database.writer.write(0, insert(1)),
        database.writer.write_then(0, bad),
        database.writer.write(0, insert(2)),
    );
    assert_eq!((first.unwrap(), second.unwrap()), (1, 1));
    assert!(refused.is_err_and(|error| error.status() == 503));
}

/// The first version has no indexes for private messages, and no column `confirmed`.
#[tokio::test]
async fn a_database_of_an_older_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let old = Database::open(&file, 1 << 30, &migrations()[..1]).unwrap();
    let add = "INSERT INTO users VALUES (1, 'Ann', 'ann', x'00')";
    let add = old
        .writer
        .write(0, move |connection| connection.execute(add, []));
    assert_eq!(add.await.unwrap(), 1);
    drop(old);
    let new = reopen(&file);
    let confirmed = "SELECT confirmed FROM users WHERE name = 'Ann'";
    let confirmed = new
        .reader
        .read(move |connection| connection.query_row(confirmed, [], |row| row.get::<_, bool>(0)));
    assert!(confirmed.await.unwrap());
    drop(new);
    reopen(&file);
}
