//! Who gets a name, and for how long.

use std::path::Path;
use std::sync::Barrier;
use std::thread;

use actix_web::{http::header, test::TestRequest, web};

use super::*;
use crate::{Chat, Flags, take_name};

impl User {
    pub(crate) fn test(id: i64, name: &str) -> Arc<Self> {
        Self::new(id, Name::parse(name).unwrap(), [0; 32], true)
    }
}

impl Sessions {
    fn find(&self, name: &str) -> Option<Arc<User>> {
        let users = self.users();
        let mut users = users.values();
        users.find(|user| user.name.text == name).cloned()
    }
}

/// As if the user had not been here for so many seconds.
fn away(user: &User, seconds: i64) {
    user.used.store(now() - seconds, Ordering::Relaxed);
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
    assert_eq!(name("  张三\n").text, "张三");
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
        ("ΝΊΚΟΣ", "νίκοσ"),
        ("Straße", "STRASSE"),
    ] {
        let Session { user, .. } = sessions.take(name(first)).await.unwrap();
        assert!(
            matches!(sessions.take(name(second)).await, Err(Error::Conflict(_))),
            "{second}"
        );
        assert_eq!(sessions.find(first).unwrap().id, user.id);
    }
    assert!(sessions.find("Bob").is_none());
}

#[tokio::test]
async fn only_the_token_proves_who_somebody_is() {
    let sessions = in_memory().await;
    let Session { user: ann, token } = sessions.take(name("Ann")).await.unwrap();
    assert_eq!(sessions.user(&token).unwrap().id, ann.id);
    assert_eq!(token.len(), 32);
    for wrong in ["", "0", &token.to_uppercase(), &format!("{token}0")] {
        assert!(sessions.user(wrong).is_none(), "{wrong}");
    }
}

#[tokio::test]
async fn a_name_is_free_after_a_day_without_use_and_the_next_holder_is_somebody_else() {
    let sessions = in_memory().await;
    let Session { token, .. } = sessions.take(name("Ann")).await.unwrap();
    let first = sessions.user(&token).unwrap();
    away(&first, UNUSED - 5);
    assert!(sessions.take(name("ann")).await.is_err(), "too early");
    away(&first, UNUSED + 1);
    first.connections.store(1, Ordering::Relaxed);
    let here = sessions.take(name("ann")).await;
    assert!(here.is_err(), "the holder is here");
    first.connections.store(0, Ordering::Relaxed);
    let Session { user: second, .. } = sessions.take(name("ann")).await.unwrap();
    assert_ne!(
        first.id, second.id,
        "what was private to the first stays so"
    );
    assert!(
        sessions.user(&token).is_none(),
        "and the token is worth nothing"
    );
}

/// The answer with the token may have got lost, and then nobody could be this user for a day.
#[tokio::test]
async fn a_name_whose_token_was_never_used_is_free_after_half_a_minute() {
    let sessions = in_memory().await;
    let Session { user: lost, token } = sessions.take(name("Ann")).await.unwrap();
    away(&lost, UNPROVEN - 5);
    assert!(sessions.take(name("Ann")).await.is_err(), "too early");
    away(&lost, UNPROVEN + 1);
    let Session {
        user: second,
        token: second_token,
    } = sessions.take(name("Ann")).await.unwrap();
    assert!(second.id != lost.id && sessions.user(&token).is_none());
    sessions.user(&second_token).unwrap();
    away(&second, UNPROVEN + 1);
    assert!(sessions.take(name("Ann")).await.is_err(), "used once");
}

#[tokio::test]
async fn a_name_that_was_given_up_is_free_half_a_minute_after_its_last_use() {
    let sessions = in_memory().await;
    let Session { token, .. } = sessions.take(name("Ann")).await.unwrap();
    let ann = sessions.user(&token).unwrap();
    ann.give_up();
    away(&ann, UNPROVEN - 5);
    assert!(sessions.take(name("Ann")).await.is_err(), "too early");
    away(&ann, UNPROVEN + 1);
    ann.connections.store(1, Ordering::Relaxed);
    assert!(sessions.take(name("Ann")).await.is_err(), "in another tab");
    ann.connections.store(0, Ordering::Relaxed);
    sessions.take(name("Ann")).await.unwrap();
    assert!(sessions.user(&token).is_none());
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
    let Session { user: ann, token } = sessions.take(name("Ann")).await.unwrap();
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
    assert!(sessions.take(name("ANN")).await.is_err());
    // A name is not freed too early; the restart counts as a use.
    away(&sessions.find("Ann").unwrap(), UNUSED + 10);
    let Session { user: next, .. } = sessions.take(name("ann")).await.unwrap();
    assert_ne!(next.id, ann.id);
}

#[tokio::test]
async fn a_flood_of_names_ends_at_the_limit_and_takes_only_from_those_who_are_away() {
    let sessions = in_memory().await;
    let mut flood = Vec::new();
    for number in 0..MAX_USERS {
        let token = hash(&number.to_string());
        let user = User::new(rand::random(), name(&number.to_string()), token, true);
        sessions.users().insert(token, Arc::clone(&user));
        flood.push(user);
    }
    let full = sessions.take(name("one too many")).await;
    assert!(matches!(full, Err(Error::Unavailable(_))));

    away(&flood[4_711], AWAY + 9);
    away(&flood[815], AWAY + 5);
    // The only one who never came.
    flood[42].proven.store(false, Ordering::Relaxed);
    away(&flood[42], UNPROVEN + 1);
    for gone in ["42", "4711", "815"] {
        assert!(sessions.find(gone).is_some());
        let Session { user: new, .. } = sessions.take(name(&format!("not {gone}"))).await.unwrap();
        new.proven.store(true, Ordering::Relaxed);
        assert!(sessions.find(gone).is_none(), "{gone} was the next to go");
        assert_eq!(sessions.users().len(), MAX_USERS);
    }
    assert!(sessions.take(name("one too many")).await.is_err());
}

#[tokio::test]
async fn of_two_who_want_a_name_at_the_same_moment_one_gets_it() {
    let sessions = in_memory().await;
    let wanting = (0..50).map(|_| sessions.take(name("Ann")));
    let taken = futures_util::future::join_all(wanting).await;
    assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count(), 1);
}

/// One thread comes with the token and another wants the name, many times in the same moment.
#[tokio::test]
async fn nobody_gets_a_name_whose_holder_was_just_let_in() {
    let sessions = Arc::new(in_memory().await);
    let both = Arc::new(Barrier::new(2));
    for round in 0..5_000 {
        let old = User::new(1, name("Ann"), hash("old"), true);
        away(&old, UNUSED + 1);
        *sessions.users() = HashMap::from([(old.token, old)]);
        let (holder, ready) = (Arc::clone(&sessions), Arc::clone(&both));
        let holder = thread::spawn(move || {
            ready.wait();
            holder.user("old")
        });
        both.wait();
        let taken = sessions.admit(&User::new(2, name("Ann"), hash("new"), false));
        let let_in = holder.join().unwrap();
        assert!(let_in.is_none() || taken.is_err(), "in round {round}");
    }
}

/// Through the handler, because half a minute is long for a test over HTTP.
#[tokio::test]
async fn who_asks_for_another_name_gives_the_old_one_up() {
    let flags = Flags {
        database: ":memory:".into(),
        #[cfg(feature = "redis")]
        redis: None,
        rate: 0,
        connections: 1,
    };
    let chat = Chat::open(&flags).await.unwrap();
    let Session { user: ann, token } = chat.sessions.take(name("Ann")).await.unwrap();
    let request = TestRequest::default()
        .app_data(chat.clone())
        .insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
    let bob = serde_json::from_str(r#"{"name":"Bob"}"#).unwrap();
    let answer = take_name(request.to_http_request(), web::Json(bob)).await;
    assert_eq!(answer.unwrap().status(), 201);
    away(&ann, UNPROVEN + 1);
    chat.sessions.take(name("Ann")).await.unwrap();
}
