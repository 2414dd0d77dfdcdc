//! The promises of the users store, without a server.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::timeout;

use super::*;

pub(super) fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

pub(super) fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot
        .users
        .iter()
        .map(|user| user.username.as_str())
        .collect()
}

#[tokio::test]
async fn a_new_list_has_a_name_that_is_not_ascii() {
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
async fn each_change_increases_the_version_by_one() {
    let users = Users::in_memory().unwrap();
    let begin = users.snapshot().version;
    let user = users.add(name("Bob")).await.unwrap();
    assert_eq!(users.snapshot().version, begin + 1);
    assert_eq!(users.remove(user.id).await.unwrap(), Some(user));
    assert_eq!(users.snapshot().version, begin + 2);
    assert_eq!(users.remove(4711).await.unwrap(), None);
    assert_eq!(users.snapshot().version, begin + 2);
}

/// A version that is only a count of the users fails here: there are two users before and after.
#[tokio::test]
async fn a_change_that_keeps_the_count_is_noticed() {
    let users = Users::in_memory().unwrap();
    let before = users.snapshot();
    users.remove(1).await.unwrap();
    users.add(name("Bob")).await.unwrap();
    let after = users.changed_since(before.version).now_or_never().unwrap();
    assert_eq!(after.users.len(), before.users.len());
    assert_eq!(names(&after), ["Alice", "Bob"]);
}

#[tokio::test]
async fn changed_since_waits_until_the_next_change() {
    let users = Users::in_memory().unwrap();
    let version = users.snapshot().version;
    let mut waiting = Box::pin(users.changed_since(version));
    assert!(waiting.as_mut().now_or_never().is_none());
    users.add(name("Bob")).await.unwrap();
    let news = timeout(Duration::from_secs(5), waiting).await.unwrap();
    assert_eq!(news.version, version + 1);
    // A larger version is also another version. Perhaps the wall clock was set back before a restart.
    assert!(users.changed_since(version + 100).now_or_never().is_some());
}

#[tokio::test]
async fn a_slow_watcher_skips_to_the_latest_list() {
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
async fn concurrent_changes_are_all_made() {
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
async fn a_full_list_refuses_another_user() {
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
