//! Who you are: a name, and a token that proves it.

mod bucket;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};
use shared::error::Error;
use tokio::time::Instant;

use crate::{database::Database, input::Name};
use bucket::Bucket;

/// How many names can be taken at the same time, so that a flood of them fills neither the memory nor
/// the disk. When there is no place left, who was away for longest goes, after `AWAY` at least.
const MAX_USERS: usize = 10_000;

/// After so many seconds without any use a name is free for somebody else.
const UNUSED: i64 = 24 * 60 * 60;

/// After so many seconds without any use a name may have to go when there is no place for a new one.
const AWAY: i64 = 60 * 60;

/// Who holds a name. Random and never used again, unlike the name: what was private to the holder
/// before must not be shown to the next one.
pub(crate) type UserId = i64;

/// What is kept of a token. The token itself is not in the database; and how long it takes to look up a
/// hash tells nothing about the token, so that no comparison has to take the same time always.
type Hash = [u8; 32];

fn hash(token: &str) -> Hash {
    Sha256::digest(token).into()
}

/// The time in Unix seconds.
pub(crate) fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

/// Somebody with a name.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) name: Name,
    token: Hash,
    /// How fast the user may send.
    bucket: Mutex<Bucket>,
    /// How many connections are open, in all rooms.
    pub(crate) connections: AtomicUsize,
    /// When the user was last here, in Unix seconds. It is not stored: a restart counts as a use.
    pub(crate) used: AtomicI64,
}

impl User {
    fn new(id: UserId, name: Name, token: Hash, now: i64) -> Self {
        Self {
            id,
            name,
            token,
            bucket: Mutex::default(),
            connections: AtomicUsize::new(0),
            used: AtomicI64::new(now),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name.0
    }

    /// Counts a message, unless there were too many of late; `rate` is how many a second are not.
    pub(crate) fn may_send(&self, rate: u32) -> Result<(), Error> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let sentence = "You send too many messages. Wait a moment.";
        let too_many = |wait| Error::TooMany(sentence, wait);
        bucket.take(rate, Instant::now()).map_err(too_many)
    }

    /// Whether the user has not been here for so many seconds.
    fn away_for(&self, seconds: i64, now: i64) -> bool {
        self.connections.load(Ordering::Relaxed) == 0
            && self.used.load(Ordering::Relaxed) + seconds < now
    }
}

/// Everybody who has a name: in the database, and here for as long as the server runs.
pub(crate) struct Sessions {
    database: Arc<Database>,
    users: Mutex<Users>,
}

/// Found by token or by name; both always hold the same users.
#[derive(Default)]
struct Users {
    by_token: HashMap<Hash, Arc<User>>,
    /// By the name without case.
    by_name: HashMap<String, Arc<User>>,
}

impl Users {
    fn add(&mut self, user: &Arc<User>) {
        self.by_name.insert(user.name.folded(), Arc::clone(user));
        self.by_token.insert(user.token, Arc::clone(user));
    }

    fn remove(&mut self, user: &User) {
        self.by_name.remove(&user.name.folded());
        self.by_token.remove(&user.token);
    }

    /// Makes place for somebody new, and returns who had to go for that.
    fn admit(&mut self, user: &Arc<User>, now: i64) -> Result<Option<UserId>, Error> {
        let gone = match self.by_name.get(&user.name.folded()) {
            Some(holder) if holder.away_for(UNUSED, now) => Some(Arc::clone(holder)),
            Some(_) => {
                let sentence = "Somebody else has that name. Choose another.";
                return Err(Error::Conflict(sentence));
            }
            None if self.by_token.len() < MAX_USERS => None,
            None => {
                let all = self.by_token.values();
                let away = all.filter(|user| user.away_for(AWAY, now));
                let longest = away.min_by_key(|user| user.used.load(Ordering::Relaxed));
                let full = Error::Unavailable("There are too many people here. Come back later.");
                Some(longest.cloned().ok_or(full)?)
            }
        };
        if let Some(gone) = &gone {
            self.remove(gone);
        }
        self.add(user);
        Ok(gone.map(|gone| gone.id))
    }
}

impl Sessions {
    /// Everybody in the database.
    pub(crate) async fn load(database: Arc<Database>) -> Result<Self, Error> {
        let stored = database.read(|log| {
            log.prepare("SELECT id, name, token FROM users")?
                .query_map([], |row| <(UserId, String, Hash)>::try_from(row))?
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        let mut users = Users::default();
        for (id, name, token) in stored.await? {
            users.add(&Arc::new(User::new(id, Name(name), token, now())));
        }
        let users = Mutex::new(users);
        Ok(Self { database, users })
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user whose token this is.
    pub(crate) fn user(&self, token: &str) -> Option<Arc<User>> {
        let user = self.users().by_token.get(&hash(token)).cloned()?;
        user.used.store(now(), Ordering::Relaxed);
        Some(user)
    }

    /// Who has this name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<User>> {
        let name = Name::parse(name).ok()?.folded();
        self.users().by_name.get(&name).cloned()
    }

    /// Gives `name` to somebody new, and stores that. The token, 128 random bits as 32 hexadecimal
    /// digits, is the only proof.
    pub(crate) async fn take(&self, name: Name, now: i64) -> Result<(Arc<User>, String), Error> {
        let token = format!("{:032x}", rand::random::<u128>());
        let user = Arc::new(User::new(rand::random(), name, hash(&token), now));
        // Before it is stored, so that nobody else can take it meanwhile.
        let gone = self.users().admit(&user, now)?;
        let stored = Arc::clone(&user);
        let save = move |users: &Connection| {
            users.execute("DELETE FROM users WHERE id = ?", [gone])?;
            let (name, folded) = (stored.name(), stored.name.folded());
            let row = params![stored.id, name, folded, stored.token];
            users.execute("INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)", row)?;
            Ok(((), || ()))
        };
        let saved = self.database.write(save).await;
        saved.inspect_err(|_| self.users().remove(&user))?;
        Ok((user, token))
    }
}

#[cfg(test)]
mod tests;
