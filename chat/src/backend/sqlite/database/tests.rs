//! Files that are no chat databases, and those that somebody else uses.

use std::{fs, time::Instant};

use super::*;
use crate::backend::sqlite::migrations;

fn open(file: &Path) -> Result<Database, OpenError> {
    Database::open(file, 1 << 30, &migrations())
}

/// Opens a file whose last database was dropped. It may still be locked for a moment: while another test starts a
/// program, that program has a copy of all open files.
fn reopen(file: &Path) -> Database {
    let start = Instant::now();
    loop {
        match open(file) {
            Ok(database) => return database,
            Err(error) => assert!(start.elapsed() < testing::TEST_TIMEOUT, "{error}"),
        }
    }
}

fn error(file: &Path) -> String {
    let opened = open(file);
    opened.err().expect("an error").to_string()
}

#[test]
fn a_file_that_is_something_else_is_refused_and_left_as_it_is() {
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
    let version = "PRAGMA user_version = 3";
    Connection::open(&newer)
        .unwrap()
        .execute_batch(version)
        .unwrap();
    for (file, says) in [
        (&garbage, "is not a chat database"),
        (&other, "is not a chat database"),
        (&newer, "was made by a later version of the chat (3)"),
    ] {
        let before = fs::read(file).unwrap();
        let error = error(file);
        assert!(error.contains(says), "{error}");
        assert_eq!(fs::read(file).unwrap(), before);
    }
}

#[test]
fn a_second_server_on_the_same_file_is_refused_until_the_first_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let first = open(&file).unwrap();
    assert!(error(&file).contains("in use by another server"));
    let link = file.with_file_name("link.db");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(error(&link).contains("in use by another server"));
    drop(first);
    reopen(&file);
}

#[tokio::test]
async fn databases_in_memory_have_nothing_to_do_with_each_other() {
    let count = async |database: &Database| {
        let count = "SELECT count(*) FROM users";
        let count = database
            .reader
            .read(|log| log.query_row(count, [], |row| row.get::<_, i64>(0)));
        count.await.unwrap()
    };
    let [first, second] = [(); 2].map(|()| open(Path::new(":memory:")).unwrap());
    let add = "INSERT INTO users VALUES (1, 'A', 'a', x'00', 1)";
    assert_eq!(
        first
            .writer
            .write(0, |log| log.execute(add, []))
            .await
            .unwrap(),
        1
    );
    assert_eq!((count(&first).await, count(&second).await), (1, 0));
}

/// The tempting wrong answer refuses the whole batch.
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

/// A database of the first version: without indexes for private messages, and without `confirmed`.
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
