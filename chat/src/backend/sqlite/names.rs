//! The names in SQLite: which user holds which name, and which name is evicted for a new one.
//!
//! All users are in memory, too, because a name is not free while its holder is connected. The table has what must
//! survive a restart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use shared::error::Error;

use super::connection::SqlResult;
use super::database::Database;
use super::space::SQLITE_PAGE_BYTES;
use crate::backend::{
    EVICTABLE_AFTER, Holder, NAME_TAKEN, NAME_TTL, TOO_MANY_USERS, UNCONFIRMED_TTL,
};
use crate::input::UserName;
use crate::user::{TokenHash, User, unix_now};

/// The users who hold a name. `folded` is the case-folded name, `token` the hash of the session token.
pub(super) const TABLE: &str = "
    CREATE TABLE users (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE,
        token BLOB NOT NULL UNIQUE
    ) STRICT;";

/// Adds the column that tells whether a name is confirmed. Names in an older database count as confirmed.
pub(super) const CONFIRMED: &str = "
    ALTER TABLE users ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 1;";

/// How many bytes a user may add to the database: one page for the row, and one for each of the two indexes.
const USER_BYTES: u64 = 3 * SQLITE_PAGE_BYTES;

/// All users who hold a name.
pub(super) struct Names {
    database: Arc<Database>,
    /// How many names can be taken at the same time.
    max_users: usize,
    /// The holders by the hash of their token. A new name is compared with all of them. That is fast, compared with
    /// the write that follows.
    holders: Mutex<HashMap<TokenHash, NameHolder>>,
}

/// A user and the state of the user's name.
struct NameHolder {
    user: Arc<User>,
    /// Whether the token was used since the name was claimed or released.
    is_confirmed: bool,
}

impl NameHolder {
    /// Returns whether the user has been idle for `seconds`, or for `UNCONFIRMED_TTL` if the name is unconfirmed.
    fn is_idle(&self, seconds: i64, now: i64) -> bool {
        let seconds = if self.is_confirmed {
            seconds
        } else {
            UNCONFIRMED_TTL
        };
        self.user.is_idle(seconds, now)
    }

    /// Returns a key for the order of eviction: first unconfirmed names, then those that were idle for longest.
    fn eviction_order(&self) -> (bool, i64) {
        (self.is_confirmed, self.user.last_seen())
    }
}

impl Names {
    /// Loads all users from the database. A restart counts as if each of them had just sent a request.
    pub(super) async fn load(database: Arc<Database>, max_users: usize) -> Result<Self, Error> {
        let holders = database.reader.read(read_holders).await?;
        let by_token = |holder: NameHolder| (holder.user.token, holder);
        let holders = holders.into_iter().map(by_token).collect();
        Ok(Self {
            database,
            max_users,
            holders: Mutex::new(holders),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, NameHolder>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `user` the holder of `user.name`, in memory and in the database.
    pub(super) async fn claim(&self, user: Arc<User>) -> Result<(), Error> {
        // In memory first, so that nobody else can take the name meanwhile.
        let evicted = self.reserve(&user)?;
        let stored = Arc::clone(&user);
        let save = move |connection: &Connection| replace_user(connection, evicted, &stored);
        let saved = self.database.writer.write(USER_BYTES, save).await;
        if saved.is_err() {
            self.lock().remove(&user.token);
        }
        saved
    }

    /// Makes `user` the holder in memory. Returns the token of the user who was evicted for that, if there is one.
    fn reserve(&self, user: &Arc<User>) -> Result<Option<TokenHash>, Error> {
        let (mut holders, now) = (self.lock(), unix_now());
        let has_same_name =
            |holder: &&NameHolder| holder.user.name.case_folded == user.name.case_folded;
        let evicted = match holders.values().find(has_same_name) {
            Some(holder) if holder.is_idle(NAME_TTL, now) => Some(holder.user.token),
            Some(_) => return Err(Error::conflict(NAME_TAKEN).because("name_taken")),
            None if holders.len() < self.max_users => None,
            None => {
                let evictable = holders
                    .values()
                    .filter(|holder| holder.is_idle(EVICTABLE_AFTER, now));
                let next = evictable.min_by_key(|holder| holder.eviction_order());
                let next =
                    next.ok_or_else(|| Error::service_unavailable(TOO_MANY_USERS).because("full"))?;
                Some(next.user.token)
            }
        };
        if let Some(token) = &evicted {
            holders.remove(token);
        }
        let holder = NameHolder {
            user: Arc::clone(user),
            is_confirmed: false,
        };
        holders.insert(user.token, holder);
        Ok(evicted)
    }

    /// Returns the user with this token, and counts that as a use of the name. The first use is stored.
    pub(super) async fn user_by_token(&self, token: TokenHash) -> Result<Option<Arc<User>>, Error> {
        let Some((user, is_first_use)) = self.use_token(token) else {
            return Ok(None);
        };
        if is_first_use && let Err(error) = self.store_confirmed(&user, true).await {
            // The next use tries again. Otherwise the name would be unconfirmed after a restart.
            if let Some(holder) = self.lock().get_mut(&token) {
                holder.is_confirmed = false;
            }
            return Err(error);
        }
        Ok(Some(user))
    }

    /// Returns the user with this token, and whether the name was unconfirmed until now.
    fn use_token(&self, token: TokenHash) -> Option<(Arc<User>, bool)> {
        // Under one lock, so that nobody else can get the name between the look-up and the use.
        let mut holders = self.lock();
        let holder = holders.get_mut(&token)?;
        let is_first_use = !std::mem::replace(&mut holder.is_confirmed, true);
        holder.user.touch();
        Some((Arc::clone(&holder.user), is_first_use))
    }

    /// Returns the holder of this name, if there is one.
    pub(super) fn find_holder(&self, case_folded: &str) -> Option<Holder> {
        let holders = self.lock();
        let mut users = holders.values().map(|holder| &holder.user);
        let user = users.find(|user| user.name.case_folded == case_folded)?;
        Some(Holder {
            id: user.id,
            name: user.name().to_owned(),
        })
    }

    /// Makes the name of `user` unconfirmed.
    pub(super) async fn release(&self, user: &User) -> Result<(), Error> {
        if let Some(holder) = self.lock().get_mut(&user.token) {
            holder.is_confirmed = false;
        }
        self.store_confirmed(user, false).await
    }

    async fn store_confirmed(&self, user: &User, is_confirmed: bool) -> Result<(), Error> {
        let id = user.id;
        let update = move |connection: &Connection| {
            let mut statement =
                connection.prepare_cached("UPDATE users SET confirmed = ? WHERE id = ?")?;
            statement.execute(params![is_confirmed, id])
        };
        self.database.writer.write(USER_BYTES, update).await?;
        Ok(())
    }
}

fn read_holders(connection: &Connection) -> SqlResult<Vec<NameHolder>> {
    connection
        .prepare("SELECT id, name, token, confirmed FROM users")?
        .query_map([], |row| {
            let (id, name, token, is_confirmed) = row.try_into()?;
            let user = User::new(id, UserName::from_store(name), TokenHash(token));
            Ok(NameHolder { user, is_confirmed })
        })?
        .collect()
}

/// Inserts `user`, and deletes the user who was evicted for that.
fn replace_user(connection: &Connection, evicted: Option<TokenHash>, user: &User) -> SqlResult<()> {
    let row = params![user.id, user.name.text, user.name.case_folded, user.token.0];
    // OR REPLACE deletes an earlier holder of the name, who may still be stored because the disk failed.
    connection.execute("INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?, 0)", row)?;
    if let Some(TokenHash(token)) = evicted {
        connection.execute("DELETE FROM users WHERE token = ?", [token])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
