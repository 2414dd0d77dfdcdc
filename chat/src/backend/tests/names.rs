//! Who gets a name, and for how long.

use super::*;
use crate::backend::{EVICTABLE_AFTER, NAME_TTL, UNCONFIRMED_TTL};

/// Asks for a name. Returns its new holder, or `None` if somebody else has the name.
async fn try_claim(store: &Store, name: &str) -> Option<Arc<User>> {
    let user = new_user(name);
    match store.backend.claim_name(Arc::clone(&user)).await {
        Ok(()) => Some(user),
        Err(error) if error.status() == 409 => None,
        Err(error) => panic!("{}: {error}", store.name),
    }
}

/// Also where the lower case has another length than the upper case.
#[tokio::test]
async fn names_that_differ_only_in_case_are_the_same() {
    for store in stores().await {
        for (first, second) in [
            ("Ann", "aNN"),
            ("ÉMILE", "émile"),
            ("İ", "i̇"),
            ("ΌΣΟΣ", "όσος"),
            ("ΝΊΚΟΣ", "νίκοσ"),
            ("Straße", "STRASSE"),
        ] {
            assert!(try_claim(&store, first).await.is_some(), "{first}");
            assert!(try_claim(&store, second).await.is_none(), "{second}");
        }
    }
}

#[tokio::test]
async fn only_the_token_proves_who_somebody_is() {
    for store in stores().await {
        let ann = store.add_user("Ann").await;
        let same = store.use_token(&ann).await.unwrap();
        assert_eq!((same.id, same.name()), (ann.id, "Ann"));
        assert!(
            Arc::ptr_eq(&same, &ann),
            "one `User`, or each request would have limits of its own"
        );
        for wrong in ["", "Ann", &ann.id.to_string()] {
            let user = store.backend.user_by_token(TokenHash::of(wrong)).await;
            assert!(user.unwrap().is_none(), "{wrong:?}");
        }
    }
}

#[tokio::test]
async fn a_name_is_free_after_a_day_without_use_and_the_next_holder_is_somebody_else() {
    for store in stores().await {
        let first = store.add_user("Ann").await;
        store.control.let_time_pass(NAME_TTL - 5).await;
        assert!(try_claim(&store, "ann").await.is_none(), "too early");
        store.control.let_time_pass(6).await;
        let second = try_claim(&store, "ann").await.expect(store.name);
        assert_ne!(
            first.id, second.id,
            "what was private to the first stays so"
        );
        let old_token = store.use_token(&first).await;
        assert!(old_token.is_none(), "the old token is not valid any more");
    }
}

/// The response with the token may have been lost. Then nobody could be this user for a day.
#[tokio::test]
async fn a_name_whose_token_was_never_used_is_free_after_half_a_minute() {
    for store in stores().await {
        let lost = try_claim(&store, "Ann").await.unwrap();
        store.control.let_time_pass(UNCONFIRMED_TTL - 5).await;
        assert!(try_claim(&store, "Ann").await.is_none(), "too early");
        store.control.let_time_pass(6).await;
        let second = try_claim(&store, "Ann").await.expect(store.name);
        assert!(store.use_token(&lost).await.is_none());
        store.use_token(&second).await.unwrap();
        store.control.let_time_pass(UNCONFIRMED_TTL + 1).await;
        assert!(try_claim(&store, "Ann").await.is_none(), "used once");
    }
}

#[tokio::test]
async fn a_released_name_is_free_after_half_a_minute_unless_its_token_is_used_again() {
    for store in stores().await {
        let ann = store.add_user("Ann").await;
        let release = || store.backend.release_name(Arc::clone(&ann));
        release().await.unwrap();
        store.control.let_time_pass(UNCONFIRMED_TTL - 5).await;
        assert!(try_claim(&store, "Ann").await.is_none(), "too early");
        store.use_token(&ann).await.unwrap();
        store.control.let_time_pass(UNCONFIRMED_TTL + 1).await;
        assert!(try_claim(&store, "Ann").await.is_none(), "taken back");
        release().await.unwrap();
        store.control.let_time_pass(UNCONFIRMED_TTL + 1).await;
        assert!(try_claim(&store, "Ann").await.is_some(), "{}", store.name);
        assert!(store.use_token(&ann).await.is_none());
    }
}

#[tokio::test]
async fn of_fifty_who_ask_for_a_name_at_the_same_moment_one_gets_it() {
    for store in stores().await {
        let asking = (0..50).map(|_| try_claim(&store, "Ann"));
        let claimed = futures_util::future::join_all(asking).await;
        assert_eq!(claimed.into_iter().flatten().count(), 1, "{}", store.name);
    }
}

#[tokio::test]
async fn a_flood_of_names_ends_at_the_limit_and_takes_only_from_those_who_were_idle_for_longest() {
    const MINUTE: i64 = 60;
    for store in stores_for(3).await {
        let ann = store.add_user("Ann").await;
        store.control.let_time_pass(10 * MINUTE).await;
        let bob = store.add_user("Bob").await;
        store.control.let_time_pass(10 * MINUTE).await;
        let eve = store.add_user("Eve").await;
        let full = store.backend.claim_name(new_user("one too many")).await;
        assert_eq!(full.unwrap_err().status(), 503, "{}", store.name);

        store
            .control
            .let_time_pass(EVICTABLE_AFTER - 15 * MINUTE)
            .await;
        let unconfirmed = try_claim(&store, "Joe").await.expect(store.name);
        assert!(store.use_token(&ann).await.is_none(), "idle for longest");

        store.control.let_time_pass(UNCONFIRMED_TTL + 1).await;
        store.add_user("Kim").await;
        assert!(
            store.use_token(&unconfirmed).await.is_none(),
            "a name that was never used goes before any other"
        );

        store.control.let_time_pass(10 * MINUTE).await;
        store.add_user("Lee").await;
        assert!(store.use_token(&bob).await.is_none(), "the next");
        assert!(store.use_token(&eve).await.is_some(), "not her");
    }
}
