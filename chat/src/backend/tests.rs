//! What every store promises. Each test runs on SQLite, and on Redis if `redis-server` is installed.

mod messages;
mod names;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Backend, MAX_USERS, redis, sqlite};
use crate::input::{RoomName, UserName};
use crate::room::{EVENT_BUFFER, Rooms};
use crate::user::{TokenHash, User};

/// A store that belongs to one test.
pub(crate) struct Store {
    /// The name of the store in the messages of failed assertions.
    pub(crate) name: &'static str,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) rooms: Rooms,
    pub(crate) control: Box<dyn Control>,
}

/// Changes a store directly, without the calls of [`Backend`].
pub(crate) trait Control {
    /// Makes everything in the store older by this many seconds.
    fn let_time_pass(&self, seconds: i64) -> BoxFuture<'_, ()>;

    /// Removes a user, as an eviction would.
    fn remove_user<'a>(&'a self, user: &'a User) -> BoxFuture<'a, ()>;

    /// Removes all messages and names.
    fn clear(&self) -> BoxFuture<'_, ()>;
}

/// Returns one empty store of each kind that this machine can run.
pub(crate) async fn stores() -> Vec<Store> {
    stores_for(MAX_USERS).await
}

/// Returns one empty store of each kind, for this many users.
async fn stores_for(max_users: usize) -> Vec<Store> {
    let mut stores = vec![sqlite::tests::store(max_users, EVENT_BUFFER).await];
    if testing::redis::is_installed() {
        stores.push(redis::tests::store(max_users).await);
    }
    stores
}

impl Store {
    /// Returns a store in SQLite whose receivers may be `event_buffer` events behind.
    pub(crate) async fn sqlite(event_buffer: usize) -> Self {
        sqlite::tests::store(MAX_USERS, event_buffer).await
    }

    /// Adds a user whose name is confirmed.
    pub(crate) async fn add_user(&self, name: &str) -> Arc<User> {
        let user = new_user(name);
        self.backend.claim_name(Arc::clone(&user)).await.unwrap();
        self.use_token(&user).await.unwrap()
    }

    /// Uses the token of `user`, and returns the user that the store finds.
    async fn use_token(&self, user: &User) -> Option<Arc<User>> {
        self.backend.user_by_token(user.token).await.unwrap()
    }
}

/// Returns a user that is in no store yet.
fn new_user(name: &str) -> Arc<User> {
    let token = TokenHash(rand::random());
    User::new(rand::random(), UserName::parse(name).unwrap(), token)
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}
