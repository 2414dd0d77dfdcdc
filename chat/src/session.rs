//! Who you are: a name, and a token that proves it.

mod bucket;
mod name;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use rusqlite::params;
use sha2::{Digest as _, Sha256};
use shared::error::Error;

use tokio::time::Instant;

use bucket::Bucket;
pub(crate) use name::Name;

use crate::database::Database;

/// How many names can be taken at the same time, so that a flood of them fills neither the memory nor
/// the disk. When there is no place left, who was away for longest goes, after `AWAY` at least.
const MAX_USERS: usize = 10_000;

/// After so many seconds without any use a name is free for somebody else.
const UNUSED: i64 = 24 * 60 * 60;

/// After so many seconds without any use a name may have to go when there is no place for a new one.
const AWAY: i64 = 60 * 60;

/// Who holds a name. Random and never used again, unlike the name: what was private to the holder
/// before must not be shown to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct UserId(pub(crate) i64);

/// 128 random bits, as 32 hexadecimal digits. Whoever has them is the user.
pub(crate) struct Token(String);

impl Token {
    fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of it. The token itself is not in the database; and how long it takes to look up a
    /// hash tells nothing about the token, so that no comparison has to take the same time always.
    fn hash(&self) -> Hash {
        Sha256::digest(&self.0).into()
    }
}

type Hash = [u8; 32];

/// Somebody with a name.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) name: Name,
    /// How fast the user may send.
    bucket: Mutex<Bucket>,
    token: Hash,
    /// How many connections are open.
    connections: AtomicUsize,
    /// When the user was last here, in Unix seconds. It is not stored: a restart counts as a use.
    used: AtomicI64,
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

    /// Counts a message, unless there were too many of late; `rate` is how many a second are not.
    pub(crate) fn may_send(&self, rate: u32) -> Result<(), Error> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let sentence = "You send too many messages. Wait a moment.";
        let too_many = |wait| Error::TooMany(sentence, wait);
        bucket.take(rate, Instant::now()).map_err(too_many)
    }

    /// Counts a connection, unless there are `most` already. It is counted until the guard is dropped.
    pub(crate) fn connect(self: &Arc<Self>, most: usize) -> Option<Connected> {
        let one_more = |count| (count < most).then_some(count + 1);
        self.connections
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()?;
        Some(Connected(Arc::clone(self)))
    }

    /// Whether the user has not been here for so many seconds.
    fn away_for(&self, seconds: i64, now: i64) -> bool {
        self.connections.load(Ordering::Relaxed) == 0
            && self.used.load(Ordering::Relaxed) + seconds < now
    }
}

/// A connection of a user.
#[derive(Debug)]
pub(crate) struct Connected(pub(crate) Arc<User>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.used.store(now(), Ordering::Relaxed);
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Everybody who has a name.
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

    /// Makes place for somebody called `name`; returns who has to go for that.
    fn make_place(&mut self, name: &Name, now: i64) -> Result<Option<Arc<User>>, Error> {
        let holder = self.by_name.get(&name.folded()).cloned();
        let gone = match holder {
            Some(holder) if holder.away_for(UNUSED, now) => Some(holder),
            Some(_) => {
                return Err(Error::Conflict(
                    "Somebody else has that name. Choose another.",
                ));
            }
            None if self.by_token.len() < MAX_USERS => None,
            None => {
                let away = self
                    .by_token
                    .values()
                    .filter(|user| user.away_for(AWAY, now));
                let longest = away.min_by_key(|user| user.used.load(Ordering::Relaxed));
                let full = Error::Unavailable("There are too many people here. Come back later.");
                Some(longest.cloned().ok_or(full)?)
            }
        };
        if let Some(gone) = &gone {
            self.remove(gone);
        }
        Ok(gone)
    }
}

impl Sessions {
    /// Everybody in the database.
    pub(crate) fn load(database: Arc<Database>) -> rusqlite::Result<Self> {
        let mut users = Users::default();
        database.read_now(|stored| {
            let mut select = stored.prepare("SELECT id, name, token FROM users")?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let (id, name) = (UserId(row.get(0)?), Name::stored(row.get(1)?));
                users.add(&Arc::new(User::new(id, name, row.get(2)?, now())));
            }
            Ok(())
        })?;
        let users = Mutex::new(users);
        Ok(Self { database, users })
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user whose token this is.
    pub(crate) fn user(&self, token: &Token) -> Option<Arc<User>> {
        let user = self.users().by_token.get(&token.hash()).cloned()?;
        user.used.store(now(), Ordering::Relaxed);
        Some(user)
    }

    /// Who has this name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<User>> {
        let name = Name::parse(name).ok()?;
        self.users().by_name.get(&name.folded()).cloned()
    }

    /// Gives `name` to somebody new, and stores that. The token is the only proof.
    pub(crate) async fn take(&self, name: Name, now: i64) -> Result<(Arc<User>, Token), Error> {
        let token = Token::random();
        let user = Arc::new(User::new(UserId(rand::random()), name, token.hash(), now));
        let gone = {
            let mut users = self.users();
            let gone = users.make_place(&user.name, now)?;
            // Before it is stored, so that nobody else can take it meanwhile.
            users.add(&user);
            gone
        };
        let stored = Arc::clone(&user);
        let save = move |users: &rusqlite::Transaction<'_>| {
            if let Some(gone) = &gone {
                users.execute("DELETE FROM users WHERE id = ?", [gone.id.0])?;
            }
            let (name, folded) = (stored.name.as_str(), stored.name.folded());
            users.execute(
                "INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)",
                params![stored.id.0, name, folded, stored.token],
            )
        };
        if let Err(error) = self.database.write(save, drop).await {
            self.users().remove(&user);
            return Err(error.into());
        }
        Ok((user, token))
    }
}

/// The time in Unix seconds.
pub(crate) fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

#[cfg(test)]
mod tests;
