//! The names in Redis. The rules are the same as in SQLite.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, atomic::Ordering};

use redis::{Script, ScriptInvocation, pipe};
use shared::error::Error;

use super::connection::Redis;
use crate::backend::{
    EVICTABLE_AFTER, Holder, MAX_USERS, NAME_TAKEN, NAME_TTL, TOO_MANY_USERS, UNCONFIRMED_TTL,
};
use crate::input::UserName;
use crate::user::{TokenHash, User, UserId};

static NAMES: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("names.lua")));

/// How many names are refreshed in one call, because Redis runs nothing else during a script.
const REFRESH_BATCH: usize = 1_000;

/// Returns a call of `names.lua`, to which the arguments of the command have to be added.
fn names_script(command: &str) -> ScriptInvocation<'static> {
    let mut script = NAMES.arg(command);
    script.arg(NAME_TTL).arg(UNCONFIRMED_TTL);
    script
}

/// Makes `user` the holder of `user.name`.
pub(super) async fn claim(redis: &Redis, user: &User, max_users: usize) -> Result<(), Error> {
    let mut script = names_script("claim");
    script.arg(user.token.0.as_slice());
    script.arg(&user.name.case_folded);
    script.arg(&user.name.text);
    script.arg(user.id).arg(max_users).arg(EVICTABLE_AFTER);
    match redis.run_script::<String>(&script).await?.as_str() {
        "taken" => Err(Error::conflict(NAME_TAKEN).because("name_taken")),
        "full" => Err(Error::service_unavailable(TOO_MANY_USERS).because("full")),
        _ => Ok(()),
    }
}

/// Returns the user with this token, and counts that as a use of the name.
pub(super) async fn resolve_token(
    redis: &Redis,
    token: TokenHash,
) -> Result<Option<Arc<User>>, Error> {
    let mut script = names_script("resolve");
    script.arg(token.0.as_slice());
    let holder: Option<(UserId, String)> = redis.run_script(&script).await?;
    Ok(holder.map(|(id, name)| User::new(id, UserName::from_store(name), token)))
}

/// Returns the holder of this name, if there is one.
pub(super) async fn find_holder(redis: &Redis, case_folded: &str) -> Result<Option<Holder>, Error> {
    let mut reading = pipe();
    let key = format!("chat:name:{case_folded}");
    reading.cmd("HMGET").arg(key).arg("id").arg("name");
    let ((id, name),): ((Option<UserId>, Option<String>),) = redis.query(&reading).await?;
    let holder = id.zip(name);
    Ok(holder.map(|(id, name)| Holder { id, name }))
}

/// Makes the name of `user` unconfirmed.
pub(super) async fn release(redis: &Redis, user: &User) -> Result<(), Error> {
    let mut script = names_script("release");
    redis.run_script(script.arg(user.token.0.as_slice())).await
}

/// Renews the expiry of the names of connected users.
pub(super) async fn refresh(redis: &Redis, users: &[Arc<User>]) -> Result<(), Error> {
    for batch in users.chunks(REFRESH_BATCH) {
        let mut script = names_script("refresh");
        for user in batch {
            script.arg(user.token.0.as_slice());
        }
        redis.run_script::<()>(&script).await?;
    }
    Ok(())
}

/// The users that this server knows. There is one `User` for each, because the limits count all requests of a user
/// together. Only Redis knows whether a user still holds the name.
#[derive(Default)]
pub(super) struct KnownUsers {
    by_token: Mutex<HashMap<TokenHash, Arc<User>>>,
}

impl KnownUsers {
    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, Arc<User>>> {
        self.by_token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the `User` that this server has with the same token, or inserts `user`.
    pub(super) fn get_or_insert(&self, user: &Arc<User>) -> Arc<User> {
        let mut users = self.lock();
        if let Some(known) = users.get(&user.token) {
            return Arc::clone(known);
        }
        if users.len() >= MAX_USERS {
            // A user without a connection is read from Redis again with the next request.
            users.retain(|_, user| user.connections.load(Ordering::Acquire) > 0);
        }
        users.insert(user.token, Arc::clone(user));
        Arc::clone(user)
    }

    /// Removes the user with this token, because the token is no longer valid.
    pub(super) fn forget(&self, token: TokenHash) {
        self.lock().remove(&token);
    }
}
