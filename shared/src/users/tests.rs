//! What the store promises, without a server around it.

use std::{fs, path::PathBuf, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot
        .users
        .iter()
        .map(|user| user.username.as_str())
        .collect()
}

#[tokio::test]
async fn it_begins_with_two_users_of_whom_one_is_not_ascii() {
    let snapshot = Users::in_memory().unwrap().snapshot();
    assert_eq!(snapshot.users.len(), 2);
    assert!(
        snapshot
            .users
            .iter()
            .any(|user| !user.username.as_str().is_ascii())
    );
    let json: serde_json::Value = serde_json::from_str(&snapshot.json()).unwrap();
    assert_eq!(json["version"], snapshot.version);
    assert_eq!(
        json["users"][0],
        serde_json::json!({"id": 1, "username": "张三"})
    );
}

#[tokio::test]
async fn the_version_grows_by_one_a_change_and_only_by_a_change() {
    let users = Users::in_memory().unwrap();
    let begin = users.snapshot().version;
    let user = users.add(name("Bob")).await.unwrap();
    assert_eq!(users.snapshot().version, begin + 1);
    assert_eq!(users.remove(user.id).await.unwrap(), Some(user));
    assert_eq!(users.snapshot().version, begin + 2);
    assert_eq!(users.remove(4711).await.unwrap(), None);
    assert_eq!(users.snapshot().version, begin + 2);
}

/// A count is not a version: it is the same after one user left and another came.
#[tokio::test]
async fn one_removed_and_one_added_is_noticed_though_the_count_is_the_same() {
    let users = Users::in_memory().unwrap();
    let before = users.snapshot();
    users.remove(1).await.unwrap();
    users.add(name("Bob")).await.unwrap();
    let after = users.changed_since(before.version).now_or_never().unwrap();
    assert_eq!(after.users.len(), before.users.len());
    assert_eq!(names(&after), ["Alice", "Bob"]);
}

#[tokio::test]
async fn who_waits_for_a_change_is_told_of_it_and_not_before() {
    let users = Users::in_memory().unwrap();
    let version = users.snapshot().version;
    let mut waiting = Box::pin(users.changed_since(version));
    assert!(waiting.as_mut().now_or_never().is_none());
    users.add(name("Bob")).await.unwrap();
    let news = timeout(Duration::from_secs(5), waiting).await.unwrap();
    assert_eq!(news.version, version + 1);
    // A version from the future: the server was restarted under the client.
    assert!(users.changed_since(version + 100).now_or_never().is_some());
}

#[tokio::test]
async fn a_watcher_gets_the_newest_at_once_and_skips_what_it_was_too_slow_for() {
    let users = Users::in_memory().unwrap();
    let mut watcher = Box::pin(users.watch());
    assert_eq!(
        watcher.next().await.unwrap().version,
        users.snapshot().version
    );
    for number in 0..100 {
        users.add(name(&format!("user {number}"))).await.unwrap();
    }
    assert_eq!(watcher.next().await.unwrap().users.len(), 102);
    assert!(
        watcher.next().now_or_never().is_none(),
        "nothing was queued"
    );
}

#[tokio::test]
async fn changes_made_at_once_are_all_made() {
    let users = Users::in_memory().unwrap();
    let adding: Vec<_> = (0..50)
        .map(|number| {
            let users = users.clone();
            tokio::spawn(async move { users.add(name(&format!("user {number}"))).await })
        })
        .collect();
    let mut ids = Vec::new();
    for user in adding {
        ids.push(user.await.unwrap().unwrap().id);
    }
    ids.sort_unstable();
    assert_eq!(ids, (3..53).collect::<Vec<u64>>());
}

#[tokio::test]
async fn the_user_after_the_last_that_fits_is_refused() {
    let users = Users::in_memory().unwrap();
    for number in 2..MAX_USERS {
        users.add(name(&format!("user {number}"))).await.unwrap();
    }
    assert!(matches!(
        users.add(name("one too many")).await,
        Err(ChangeError::Full)
    ));
    assert_eq!(users.snapshot().users.len(), MAX_USERS);
}

/// A folder for one users file; removed when the test ends.
fn users_file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.json");
    (folder, path)
}

#[tokio::test]
async fn a_restart_keeps_the_list_and_uses_no_id_or_version_again() {
    let (_folder, path) = users_file();
    let users = Users::in_file(&path).unwrap();
    assert_eq!(
        names(&users.snapshot()),
        ["张三", "Alice"],
        "no file means the default users"
    );
    let removed = users.add(name("Bob")).await.unwrap();
    users.remove(removed.id).await.unwrap();
    let before = users.snapshot();
    drop(users);

    let users = Users::in_file(&path).unwrap();
    assert_eq!(names(&users.snapshot()), ["张三", "Alice"]);
    assert!(users.snapshot().version > before.version);
    assert!(users.add(name("Carol")).await.unwrap().id > removed.id);
}

#[tokio::test]
async fn a_version_is_new_even_if_the_wall_clock_was_set_back() {
    let (_folder, path) = users_file();
    let future = now_in_milliseconds() + 1_000_000_000;
    fs::write(&path, format!(r#"{{"version":{future},"users":[]}}"#)).unwrap();
    assert_eq!(
        Users::in_file(&path).unwrap().snapshot().version,
        future + 1
    );
}

#[tokio::test]
async fn a_users_file_that_does_not_parse_stops_the_start_and_is_left_as_it_is() {
    for (content, expected) in [
        ("", "line 1 column 0"),
        ("{\n  \"users\": [,]\n}", "line 2 column 13"),
        (
            r#"{"users":[{"id":1,"username":"  "}]}"#,
            "at least one character",
        ),
        (
            r#"{"users":[{"id":2,"username":"a"},{"id":2,"username":"b"}]}"#,
            "id 2 follows id 2",
        ),
        (
            r#"{"users":[{"id":9007199254740991,"username":"a"}]}"#,
            "is larger than",
        ),
        (
            r#"{"version":18446744073709551615,"users":[]}"#,
            "is larger than",
        ),
        (r#"{"names":[]}"#, "unknown field `names`"),
    ] {
        let (_folder, path) = users_file();
        fs::write(&path, content).unwrap();
        let error = Users::in_file(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{content:?}: {error}");
        assert!(error.contains("users.json"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[tokio::test]
async fn two_servers_do_not_share_a_file() {
    let (_folder, path) = users_file();
    let first = Users::in_file(&path).unwrap();
    assert!(matches!(
        Users::in_file(&path),
        Err(LoadError::InUse { .. })
    ));
    drop(first);
    assert!(Users::in_file(&path).is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_a_users_file_stays_a_link() {
    let (folder, path) = users_file();
    fs::write(&path, r#"{"users":[]}"#).unwrap();
    let link = folder.path().join("link.json");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    Users::in_file(&link)
        .unwrap()
        .add(name("Bob"))
        .await
        .unwrap();
    assert!(link.is_symlink());
    assert!(fs::read_to_string(&path).unwrap().contains("Bob"));
}

#[tokio::test]
async fn a_change_that_cannot_be_saved_is_not_made() {
    let (folder, path) = users_file();
    let users = Users::in_file(&path).unwrap();
    let before = users.snapshot();
    // A folder where the new file is written before it is renamed.
    fs::create_dir(folder.path().join("users.json.new")).unwrap();
    assert!(matches!(
        users.add(name("Bob")).await,
        Err(ChangeError::NotSaved(_))
    ));
    assert_eq!(users.snapshot().version, before.version);
    assert_eq!(names(&users.snapshot()), ["张三", "Alice"]);

    fs::remove_dir(folder.path().join("users.json.new")).unwrap();
    assert_eq!(
        users.add(name("Bob")).await.unwrap().id,
        3,
        "the store goes on"
    );
}
