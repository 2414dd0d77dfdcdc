//! Names that are held in Redis, by the same rules as in the database.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};

use redis::{Script, ScriptInvocation};
use shared::error::Error;

use super::{AWAY, Hash, MAX_USERS, Sessions, UNPROVEN, UNUSED, User, UserId, hash};
use crate::input::Name;
use crate::redis::Redis;

static NAMES: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("names.lua")));

/// For how many names Redis is asked at a time: while it runs a script it does nothing else.
const KEPT_AT_ONCE: usize = 1_000;

impl Redis {
    /// Gives a name to somebody new.
    pub(crate) async fn take(&self, user: &User) -> Result<(), Error> {
        let mut script = names("take");
        script
            .arg(user.token.as_slice())
            .arg(&user.name.folded)
            .arg(&user.name.text);
        script.arg(user.id).arg(MAX_USERS).arg(AWAY);
        match self.run::<String>(&script).await?.as_str() {
            "taken" => Err(Error::Conflict(
                "Somebody else has that name. Choose another.",
            )),
            "full" => Err(Error::Unavailable(
                "There are too many people here. Come back later.",
            )),
            _ => Ok(()),
        }
    }

    /// Whose token this is, which is a use of it.
    async fn known(&self, token: &Hash) -> Result<Option<(UserId, String)>, Error> {
        self.run(names("known").arg(token.as_slice())).await
    }

    /// Keeps the names of those who are here from expiring.
    pub(crate) async fn keep(&self, here: &[&Arc<User>]) -> Result<(), Error> {
        for some in here.chunks(KEPT_AT_ONCE) {
            let mut script = names("keep");
            for user in some {
                script.arg(user.token.as_slice());
            }
            self.run::<()>(&script).await?;
        }
        Ok(())
    }
}

fn names(what: &str) -> ScriptInvocation<'static> {
    let mut script = NAMES.arg(what);
    script.arg(UNUSED).arg(UNPROVEN);
    script
}

impl Sessions {
    /// Asks Redis, if there is one, whose token this is. Here the users are only remembered, because
    /// somebody has one bucket and one count of connections however many requests there are.
    pub(crate) async fn ask_redis(&self, token: &str) -> Result<(), Error> {
        let Some(redis) = &self.database.redis else {
            return Ok(());
        };
        let hash = hash(token);
        match redis.known(&hash).await? {
            None => drop(self.users().remove(&hash)),
            Some((id, name)) => {
                if !self.users().contains_key(&hash) {
                    self.remember(&User::new(id, Name::new(name), hash, true));
                }
            }
        }
        Ok(())
    }

    /// Lets the name be free soon, unless the token is used all the same. If that fails, it is kept.
    pub(crate) async fn tell_redis_who_gives_up(&self, user: &User) {
        if let Some(redis) = &self.database.redis {
            redis
                .run::<()>(names("give").arg(user.token.as_slice()))
                .await
                .ok();
        }
    }

    pub(super) fn remember(&self, user: &Arc<User>) {
        let mut users = self.users();
        if users.len() >= MAX_USERS {
            users.retain(|_, user| user.connections.load(Ordering::Acquire) > 0);
        }
        users.entry(user.token).or_insert_with(|| Arc::clone(user));
    }
}
