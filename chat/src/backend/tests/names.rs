//! Tests of names: which user gets a name, and for how long.

use super::*;
use crate::backend::{EVICTABLE_AFTER, NAME_TTL, UNCONFIRMED_TTL};

/// Claims a name. Returns its new holder, or `None` if another user has the name.
async fn try_claim(store: &Store, name: &str) -> Option<Arc<User>> {
    let user = new_user(name);
    match store.backend.claim_name(Arc::clone(&user)).await {
        Ok(()) => Some(user),
        Err(error) if error.status() == 409 => None,
        Err(error) => panic!("{}: {error}", store.name),
    }
}

/// In some of these names the lower case has another length than the upper case.
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
async fn only_a_valid_token_finds_its_user() {
    for store in stores().await {
        let ann = store.add_user("Ann").await;
        let same = store.use_token(&ann).await.unwrap();
        assert_eq!((same.id, same.name()), (ann.id, "Ann"));
        assert!(
            Arc::ptr_eq(&same, &ann),
            "one `User` for all requests, because the limits count them together"
        );
        for wrong in ["", "Ann", &ann.id.to_string()] {
            let user = store.backend.user_by_token(TokenHash::of(wrong)).await;
            assert!(user.unwrap().is_none(), "{wrong:?}");
        }
    }
}

#[tokio::test]
async fn a_name_unused_for_a_day_is_free_for_others() {
    for store in stores().await {
        let first = store.add_user("Ann").await;
        store.control.let_time_pass(NAME_TTL - 5).await;
        assert!(try_claim(&store, "ann").await.is_none(), "too early");
        store.control.let_time_pass(6).await;
        let second = try_claim(&store, "ann").await.expect(store.name);
        assert_ne!(
            first.id, second.id,
            "private messages of the first user stay private"
        );
        let old_token = store.use_token(&first).await;
        assert!(old_token.is_none(), "the old token is no longer valid");
    }
}

/// The response with the token may have been lost. Otherwise nobody could use the name for a day.
#[tokio::test]
async fn an_unconfirmed_name_is_free_after_half_a_minute() {
    for store in stores().await {
        let lost = try_claim(&store, "Ann").await.unwrap();
        store.control.let_time_pass(UNCONFIRMED_TTL - 5).await;
        assert!(try_claim(&store, "Ann").await.is_none(), "too early");
        store.control.let_time_pass(6).await;
        let second = try_claim(&store, "Ann").await.expect(store.name);
        assert!(store.use_token(&lost).await.is_none());
        store.use_token(&second).await.unwrap();
        store.control.let_time_pass(UNCONFIRMED_TTL + 1).await;
        assert!(try_claim(&store, "Ann").await.is_none(), "confirmed");
    }
}

#[tokio::test]
async fn a_released_name_is_free_unless_its_token_is_used() {
    for store in stores().await {
        let ann = store.add_user("Ann").await;
        let release = || store.backend.release_name(Arc::clone(&ann));
        release().await.unwrap();
        store.control.let_time_pass(UNCONFIRMED_TTL - 5).await;
        assert!(try_claim(&store, "Ann").await.is_none(), "too early");
        store.use_token(&ann).await.unwrap();
        store.control.let_time_pass(UNCONFIRMED_TTL + 1).await;
        assert!(try_claim(&store, "Ann").await.is_none(), "confirmed again");
        release().await.unwrap();
        store.control.let_time_pass(UNCONFIRMED_TTL + 1).await;
        assert!(try_claim(&store, "Ann").await.is_some(), "{}", store.name);
        assert!(store.use_token(&ann).await.is_none());
    }
}

#[tokio::test]
async fn only_one_of_fifty_simultaneous_claims_gets_a_name() {
    for store in stores().await {
        let asking = (0..50).map(|_| try_claim(&store, "Ann"));
        let claimed = futures_util::future::join_all(asking).await;
        assert_eq!(claimed.into_iter().flatten().count(), 1, "{}", store.name);
    }
}

#[tokio::test]
async fn a_flood_of_names_evicts_only_the_longest_idle() {
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
        let holder = store.use_token(&ann).await;
        assert!(holder.is_none(), "Ann was idle for longest");

        store.control.let_time_pass(UNCONFIRMED_TTL + 1).await;
        store.add_user("Kim").await;
        assert!(
            store.use_token(&unconfirmed).await.is_none(),
            "an unconfirmed name is evicted before the others"
        );

        store.control.let_time_pass(10 * MINUTE).await;
        store.add_user("Lee").await;
        assert!(store.use_token(&bob).await.is_none(), "Bob is next");
        assert!(store.use_token(&eve).await.is_some(), "Eve stays");
    }
}
