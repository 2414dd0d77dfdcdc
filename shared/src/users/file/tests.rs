//! The promises of the users file.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::super::tests::{name, names};
use super::super::{ChangeError, LoadError, Users, unix_millis};

/// Returns a folder, which is removed when it is dropped, and the path of a users file in it.
fn users_file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.json");
    (folder, path)
}

#[tokio::test]
async fn a_restart_keeps_the_list_and_repeats_no_id() {
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
async fn a_clock_that_was_set_back_repeats_no_version() {
    let (_folder, path) = users_file();
    let future = unix_millis() + 1_000_000_000;
    fs::write(&path, format!(r#"{{"version":{future},"users":[]}}"#)).unwrap();
    assert_eq!(
        Users::in_file(&path).unwrap().snapshot().version,
        future + 1
    );
}

#[tokio::test]
async fn an_unparsable_file_is_refused_and_not_changed() {
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
            "is too large",
        ),
        (
            r#"{"version":18446744073709551615,"users":[]}"#,
            "is too large",
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

#[tokio::test]
async fn a_folder_or_huge_file_is_refused_and_not_changed() {
    let (folder, path) = users_file();
    let error = Users::in_file(folder.path()).unwrap_err().to_string();
    assert!(error.contains("it is not a file"), "{error}");
    fs::write(&path, " ".repeat(2_000_000)).unwrap();
    let error = Users::in_file(&path).unwrap_err().to_string();
    assert!(error.contains("larger than"), "{error}");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no lock file was left"
    );
    let lock = folder.path().join("other.lock");
    fs::write(&lock, "somebody's").unwrap();
    Users::in_file(&folder.path().join("other")).unwrap();
    assert_eq!(fs::read_to_string(lock).unwrap(), "somebody's");
}

#[cfg(unix)]
#[tokio::test]
async fn a_saved_file_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path) = users_file();
    fs::write(&path, r#"{"users":[]}"#).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    Users::in_file(&path)
        .unwrap()
        .add(name("Bob"))
        .await
        .unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
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
    let dangling = folder.path().join("dangling.json");
    std::os::unix::fs::symlink(folder.path().join("none"), &dangling).unwrap();
    assert!(matches!(
        Users::in_file(&dangling),
        Err(LoadError::Unreadable { .. })
    ));
    assert!(fs::read_to_string(&path).unwrap().contains("Bob"));
}

#[tokio::test]
async fn a_change_that_cannot_be_saved_is_not_made() {
    let (folder, path) = users_file();
    let users = Users::in_file(&path).unwrap();
    let before = users.snapshot();
    // This folder has the name of the new file, so the new file cannot be created.
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
        "the store still works"
    );
}
