//! Files that are no chat databases, and those that somebody else uses.

use std::{fs, path::Path, time::Instant};

use super::*;
use crate::backend::sqlite::names::SCHEMA;

fn error(file: &Path) -> String {
    let opened = Database::open(file, SCHEMA);
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
    drop(Database::open(&newer, SCHEMA).unwrap());
    let version = "PRAGMA user_version = 2";
    Connection::open(&newer)
        .unwrap()
        .execute_batch(version)
        .unwrap();
    for (file, says) in [
        (&garbage, "is not a chat database"),
        (&other, "is not a chat database"),
        (&newer, "was made by another version of the chat (2)"),
    ] {
        let before = fs::read(file).unwrap();
        let error = error(file);
        assert!(error.contains(says), "{error}");
        assert_eq!(fs::read(file).unwrap(), before);
    }
}

#[test]
fn a_second_server_on_the_same_file_is_refused_until_the_first_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let first = Database::open(&file, SCHEMA).unwrap();
    assert!(error(&file).contains("in use by another server"));
    let link = file.with_file_name("link.db");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(error(&link).contains("in use by another server"));
    drop(first);
    // While another test starts a program, that program has a copy of all open files for a moment, and so the lock.
    let start = Instant::now();
    while let Err(error) = Database::open(&file, SCHEMA) {
        assert!(start.elapsed() < testing::TEST_TIMEOUT, "{error}");
    }
}

#[tokio::test]
async fn databases_in_memory_have_nothing_to_do_with_each_other() {
    let count = async |database: &Database| {
        let count = "SELECT count(*) FROM users";
        let count = database
            .reader
            .run(|log| log.query_row(count, [], |row| row.get::<_, i64>(0)));
        count.await.unwrap()
    };
    let [first, second] = [(); 2].map(|()| Database::open(Path::new(":memory:"), SCHEMA).unwrap());
    let add = "INSERT INTO users VALUES (1, 'A', 'a', x'00')";
    assert_eq!(
        first.writer.run(|log| log.execute(add, [])).await.unwrap(),
        1
    );
    assert_eq!((count(&first).await, count(&second).await), (1, 0));
}

/// One bad write must not take down the writer, and nobody waits for an answer that will not come.
#[tokio::test]
async fn a_batch_that_fails_is_refused_as_a_whole_and_the_next_one_is_written() {
    let database = Database::open(Path::new(":memory:"), SCHEMA).unwrap();
    let insert = |id: i64| {
        move |log: &Connection| {
            let token = id.to_be_bytes().to_vec();
            let row = rusqlite::params![id, token];
            let rows = log.execute("INSERT INTO users VALUES (?1, ?1, ?1, ?2)", row)?;
            Ok((rows, || ()))
        }
    };
    let bad = |log: &Connection| {
        let rows = log.execute("INSERT INTO nowhere VALUES (1)", [])?;
        Ok((rows, || panic!("published")))
    };
    let together = futures_util::join!(
        database.writer.run_with_callback(insert(1)),
        database.writer.run_with_callback(bad),
    );
    assert!(together.1.is_err_and(|error| error.status() == 503));
    let there = "SELECT count(*) FROM users WHERE id = 1";
    let there: isize = database
        .reader
        .run(|log| log.query_row(there, [], |row| row.get(0)))
        .await
        .unwrap();
    assert_eq!(
        together.0.map_or(0, |rows| isize::try_from(rows).unwrap()),
        there,
        "stored if and only if acknowledged"
    );
    assert_eq!(
        database.writer.run_with_callback(insert(2)).await.unwrap(),
        1
    );
}
