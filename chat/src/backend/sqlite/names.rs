//! The names in SQLite: who holds which name, and who has to give one up.
//!
//! All users are in memory, too, because whether a name is free depends on who is connected. The table has what
//! must survive a restart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use shared::error::Error;

use super::connection::SqlResult;
use super::database::Database;
use crate::backend::{EVICTABLE_AFTER, NAME_TAKEN, NAME_TTL, TOO_MANY_USERS, UNCONFIRMED_TTL};
use crate::input::UserName;
use crate::user::{TokenHash, User, UserId, unix_now};

/// The users who hold a name. `folded` is the name for comparisons, `token` the hash of the session token.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS users (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE,
        token BLOB NOT NULL UNIQUE
    ) STRICT;";

/// Everybody who holds a name.
pub(super) struct Names {
    database: Arc<Database>,
    /// How many names can be taken at the same time.
    max_users: usize,
    /// By the hash of the token. A new name is compared with all of them: 10,000 comparisons are little beside the
    /// write that follows.
    holders: Mutex<HashMap<TokenHash, Holder>>,
}

/// A user and the state of the user's name.
struct Holder {
    user: Arc<User>,
    /// Whether the token was used since the name was claimed or released.
    is_confirmed: bool,
}

impl Holder {
    /// Returns whether the user was not here for `seconds`, or for less if the name is unconfirmed.
    fn is_idle(&self, seconds: i64, now: i64) -> bool {
        let seconds = if self.is_confirmed {
            seconds
        } else {
            UNCONFIRMED_TTL
        };
        self.user.is_idle(seconds, now)
    }

    /// Returns the order of eviction, smallest first: unconfirmed names, then those that were idle for longest.
    fn eviction_order(&self) -> (bool, i64) {
        (self.is_confirmed, self.user.last_seen())
    }
}

impl Names {
    /// Loads everybody from the database. A restart counts as a use of each name.
    pub(super) async fn load(database: Arc<Database>, max_users: usize) -> Result<Self, Error> {
        let users = database.reader.run(read_users).await?;
        let holder = |user: Arc<User>| {
            let holder = Holder {
                user: Arc::clone(&user),
                is_confirmed: true,
            };
            (user.token, holder)
        };
        let holders = users.into_iter().map(holder).collect();
        Ok(Self {
            database,
            max_users,
            holders: Mutex::new(holders),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, Holder>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the name of `user` to `user`, and stores that.
    pub(super) async fn claim(&self, user: Arc<User>) -> Result<(), Error> {
        // Reserved before it is stored, so that nobody else can take the name meanwhile.
        let evicted = self.reserve(&user)?;
        let stored = Arc::clone(&user);
        let save = move |connection: &Connection| replace_user(connection, evicted, &stored);
        let saved = self.database.writer.run(save).await;
        if saved.is_err() {
            self.lock().remove(&user.token);
        }
        saved
    }

    /// Reserves the name in memory. Returns the token of the user who was evicted for it, if any.
    fn reserve(&self, user: &Arc<User>) -> Result<Option<TokenHash>, Error> {
        let (mut holders, now) = (self.lock(), unix_now());
        let has_same_name =
            |holder: &&Holder| holder.user.name.case_folded == user.name.case_folded;
        let evicted = match holders.values().find(has_same_name) {
            Some(holder) if holder.is_idle(NAME_TTL, now) => Some(holder.user.token),
            Some(_) => return Err(Error::conflict(NAME_TAKEN)),
            None if holders.len() < self.max_users => None,
            None => {
                let evictable = holders
                    .values()
                    .filter(|holder| holder.is_idle(EVICTABLE_AFTER, now));
                let next = evictable.min_by_key(|holder| holder.eviction_order());
                let next = next.ok_or_else(|| Error::service_unavailable(TOO_MANY_USERS))?;
                Some(next.user.token)
            }
        };
        if let Some(token) = &evicted {
            holders.remove(token);
        }
        let holder = Holder {
            user: Arc::clone(user),
            is_confirmed: false,
        };
        holders.insert(user.token, holder);
        Ok(evicted)
    }

    /// Returns whose token this is, and counts that as a use of the name.
    pub(super) fn user_by_token(&self, token: TokenHash) -> Option<Arc<User>> {
        // Under the lock, so that nobody else can get the name between the look-up and the use.
        let mut holders = self.lock();
        let holder = holders.get_mut(&token)?;
        holder.is_confirmed = true;
        holder.user.touch();
        Some(Arc::clone(&holder.user))
    }

    /// Makes the name of `user` unconfirmed.
    pub(super) fn release(&self, user: &User) {
        if let Some(holder) = self.lock().get_mut(&user.token) {
            holder.is_confirmed = false;
        }
    }
}

fn read_users(connection: &Connection) -> SqlResult<Vec<Arc<User>>> {
    connection
        .prepare("SELECT id, name, token FROM users")?
        .query_map([], |row| {
            let (id, name, token): (UserId, String, [u8; 32]) = row.try_into()?;
            Ok(User::new(id, UserName::from_store(name), TokenHash(token)))
        })?
        .collect()
}

fn replace_user(connection: &Connection, evicted: Option<TokenHash>, user: &User) -> SqlResult<()> {
    if let Some(TokenHash(token)) = evicted {
        connection.execute("DELETE FROM users WHERE token = ?", [token])?;
    }
    let row = params![user.id, user.name.text, user.name.case_folded, user.token.0];
    // OR REPLACE: a holder who was evicted while the disk failed may still be in the table.
    connection.execute("INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)", row)?;
    Ok(())
}

#[cfg(test)]
mod tests;
