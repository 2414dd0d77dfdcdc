//! Who gets a name, and for how long.

use std::path::Path;

use super::*;

impl User {
    pub(crate) fn test(id: i64, name: &str) -> Arc<Self> {
        let name = Name::parse(name).unwrap();
        Arc::new(Self::new(id, name, [0; 32], now()))
    }
}

async fn in_memory() -> Sessions {
    let database = Database::open(Path::new(":memory:")).unwrap();
    Sessions::load(Arc::new(database)).await.unwrap()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[test]
fn a_name_is_trimmed_and_short_and_has_no_control_characters() {
    assert_eq!(name("  张三\n").0, "张三");
    assert!(Name::parse(&"三".repeat(24)).is_ok());
    for bad in ["", " \t", "a\nb", "a\0b", "a\u{85}b", &"x".repeat(25)] {
        assert!(
            matches!(Name::parse(bad), Err(Error::Unprocessable(_))),
            "{bad:?}"
        );
    }
}

/// Also where lower case has another length than upper case.
#[tokio::test]
async fn names_that_differ_only_in_case_are_the_same() {
    let sessions = in_memory().await;
    for (first, second) in [
        ("Ann", "aNN"),
        ("ÉMILE", "émile"),
        ("İ", "i̇"),
        ("ΌΣΟΣ", "όσος"),
    ] {
        let (user, _) = sessions.take(name(first), 0).await.unwrap();
        assert!(
            matches!(
                sessions.take(name(second), 0).await,
                Err(Error::Conflict(_))
            ),
            "{second}"
        );
        assert_eq!(sessions.find(second).unwrap().id, user.id);
    }
    assert!(sessions.find("Bob").is_none());
}

#[tokio::test]
async fn only_the_token_proves_who_somebody_is() {
    let sessions = in_memory().await;
    let (ann, token) = sessions.take(name("Ann"), now()).await.unwrap();
    assert_eq!(sessions.user(&token).unwrap().id, ann.id);
    assert_eq!(token.len(), 32);
    for wrong in ["", "0", &token.to_uppercase(), &format!("{token}0")] {
        assert!(sessions.user(wrong).is_none(), "{wrong}");
    }
}

#[tokio::test]
async fn a_name_is_free_after_a_day_without_use_and_the_next_holder_is_somebody_else() {
    let sessions = in_memory().await;
    let (first, token) = sessions.take(name("Ann"), 1_000).await.unwrap();
    let day = 1_000 + UNUSED;
    assert!(
        sessions.take(name("ann"), day).await.is_err(),
        "to the second"
    );
    first.connections.store(1, Ordering::Relaxed);
    assert!(
        sessions.take(name("ann"), day + 1).await.is_err(),
        "the holder is here"
    );
    first.connections.store(0, Ordering::Relaxed);
    first.used.store(1_000, Ordering::Relaxed);
    let (second, _) = sessions.take(name("ann"), day + 1).await.unwrap();
    assert_ne!(
        first.id, second.id,
        "what was private to the first stays so"
    );
    assert!(
        sessions.user(&token).is_none(),
        "and the token is worth nothing"
    );
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.db");
    let open = async || {
        let database = Arc::new(Database::open(&file).unwrap());
        Sessions::load(database).await.unwrap()
    };
    let sessions = open().await;
    let (ann, token) = sessions.take(name("Ann"), now()).await.unwrap();
    drop(sessions);
    let stored = std::fs::read(&file).unwrap();
    let has = |text: &str| {
        stored
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(
        has("Ann") && !has(&token),
        "the token itself is not in the file"
    );

    let sessions = open().await;
    assert_eq!(sessions.user(&token).unwrap().id, ann.id);
    assert!(sessions.take(name("ANN"), now()).await.is_err());
    // A name is not freed too early; the restart counts as a use.
    let later = now() + UNUSED + 10;
    let (next, _) = sessions.take(name("ann"), later).await.unwrap();
    assert_ne!(next.id, ann.id);
}

#[tokio::test]
async fn a_flood_of_names_ends_at_the_limit_and_takes_only_from_those_who_are_away() {
    let sessions = in_memory().await;
    let now = 1_000_000;
    let mut takes = Vec::new();
    for number in 0..i64::try_from(MAX_USERS).unwrap() {
        // One of them is away for longer than the others.
        let used = if number == 4_711 { now - 999 } else { now };
        takes.push(sessions.take(name(&number.to_string()), used));
    }
    futures_util::future::join_all(takes)
        .await
        .into_iter()
        .for_each(|taken| assert!(taken.is_ok()));
    assert!(matches!(
        sessions.take(name("one too many"), now).await,
        Err(Error::Unavailable(_))
    ));

    let later = now + AWAY - 990;
    let (user, _) = sessions
        .take(name("now there is place"), later)
        .await
        .unwrap();
    assert!(
        sessions.find("4711").is_none() && sessions.find("0").is_some(),
        "the longest away"
    );
    assert_eq!(sessions.find("now there is place").unwrap().id, user.id);
    assert_eq!(sessions.users().by_token.len(), MAX_USERS);
    assert_eq!(sessions.users().by_name.len(), MAX_USERS);
}

#[tokio::test]
async fn of_two_who_want_a_name_at_the_same_moment_one_gets_it() {
    let sessions = in_memory().await;
    let wanting = (0..50).map(|_| sessions.take(name("Ann"), 0));
    let taken = futures_util::future::join_all(wanting).await;
    assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count(), 1);
}
