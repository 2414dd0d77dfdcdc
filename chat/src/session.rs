//! Who you are: a name, and a token that proves it.

#[cfg(feature = "redis")]
mod redis;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};
use shared::{Bucket, error::Error};

use crate::{database::Database, input::Name};

/// How many names can be taken at the same time, so that a flood of them fills neither the memory nor
/// the disk. When there is no place left, somebody who is away has to go: first who never came back with
/// the token, then who was away for longest.
const MAX_USERS: usize = 10_000;

/// After so many seconds without any use a name is free for somebody else.
const UNUSED: i64 = 24 * 60 * 60;

/// After so many seconds without any use a name may have to go when there is no place for a new one.
const AWAY: i64 = 60 * 60;

/// The same two for a name whose token was never used, or that was given up, in seconds. Whoever got
/// the token uses it at once, and whoever got no answer knows that after 10 s: three times that is safe.
/// And to keep the others out, a flood has to be of hundreds of names a second.
const UNPROVEN: i64 = 30;

/// Who holds a name. Random and never used again, unlike the name: what was private to the holder
/// before must not be shown to the next one.
pub(crate) type UserId = i64;

/// What is kept of a token. The token itself is not in the database; and the time that it takes to
/// look up a hash tells nothing of the token, so it need not be compared in constant time.
type Hash = [u8; 32];

fn hash(token: &str) -> Hash {
    Sha256::digest(token).into()
}

/// The time in Unix seconds.
pub(crate) fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

/// Somebody, and the token that proves it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) user: Arc<User>,
    pub(crate) token: String,
}

/// Somebody with a name.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) name: Name,
    token: Hash,
    /// How fast the user may send.
    bucket: Bucket,
    /// How many connections are open, in all rooms.
    pub(crate) connections: AtomicUsize,
    /// When the user was last here, in Unix seconds. It is not stored: a restart counts as a use.
    pub(crate) used: AtomicI64,
    /// Whether the token was used, or may have been before the restart; not any more once the name was
    /// given up.
    proven: AtomicBool,
}

impl User {
    fn new(id: UserId, name: Name, token: Hash, proven: bool) -> Arc<Self> {
        Arc::new(Self {
            id,
            name,
            token,
            bucket: Bucket::default(),
            connections: AtomicUsize::new(0),
            used: AtomicI64::new(now()),
            proven: AtomicBool::new(proven),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name.text
    }

    /// Counts a message, or refuses it if there were more than `rate` a second of late.
    pub(crate) fn may_send(&self, rate: u32) -> Result<(), Error> {
        let too_many = |wait| Error::TooMany("You send too many messages. Wait a moment.", wait);
        self.bucket.take(rate).map_err(too_many)
    }

    /// Who has to go first is the least: who never came, then who was away for longest.
    fn rank(&self) -> (bool, i64) {
        let proven = self.proven.load(Ordering::Relaxed);
        (proven, self.used.load(Ordering::Relaxed))
    }

    /// Whether nobody was here under this name for `seconds`, or for `UNPROVEN` if nobody may come back.
    fn away_for(&self, seconds: i64, now: i64) -> bool {
        // First, because a connection that closes says that it was here, and then that it is gone.
        let connections = self.connections.load(Ordering::Acquire);
        let (proven, last) = self.rank();
        let seconds = if proven { seconds } else { UNPROVEN };
        connections == 0 && last + seconds < now
    }

    /// Says that whoever has the token has another one now. If it is used all the same, the name is kept
    /// as before.
    pub(crate) fn give_up(&self) {
        self.proven.store(false, Ordering::Relaxed);
    }
}

/// Everybody who has a name: in the database, and here for as long as the server runs.
pub(crate) struct Sessions {
    database: Arc<Database>,
    /// By the hash of the token. A new name is compared with all of them: 10,000 comparisons are little
    /// beside the write that follows.
    users: Mutex<HashMap<Hash, Arc<User>>>,
}

impl Sessions {
    /// Everybody in the database.
    pub(crate) async fn load(database: Arc<Database>) -> Result<Self, Error> {
        let stored = database.reader.run(|users| {
            users
                .prepare("SELECT id, name, token FROM users")?
                .query_map([], |row| row.try_into())?
                .collect::<rusqlite::Result<Vec<(UserId, String, Hash)>>>()
        });
        let known = |(id, name, token)| (token, User::new(id, Name::new(name), token, true));
        let users = Mutex::new(stored.await?.into_iter().map(known).collect());
        Ok(Self { database, users })
    }

    fn users(&self) -> MutexGuard<'_, HashMap<Hash, Arc<User>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user whose token this is.
    pub(crate) fn user(&self, token: &str) -> Option<Arc<User>> {
        // Under the lock, or somebody else may get the name in between.
        let users = self.users();
        let user = users.get(&hash(token))?;
        user.used.store(now(), Ordering::Relaxed);
        user.proven.store(true, Ordering::Relaxed);
        Some(Arc::clone(user))
    }

    /// Gives `name` to somebody new, and stores that. The token, 128 random bits as 32 hexadecimal
    /// digits, is the only proof.
    pub(crate) async fn take(&self, name: Name) -> Result<Session, Error> {
        let token = format!("{:032x}", rand::random::<u128>());
        let user = User::new(rand::random(), name, hash(&token), false);
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.database.redis {
            redis.take(&user).await?;
            self.remember(&user);
            return Ok(Session { user, token });
        }
        // Before it is stored, so that nobody else can take it meanwhile.
        let gone = self.admit(&user)?;
        let stored = Arc::clone(&user);
        let save = move |database: &Connection| {
            database.execute("DELETE FROM users WHERE token = ?", [gone])?;
            let (id, name, token) = (stored.id, &stored.name, stored.token);
            let row = params![id, name.text, name.folded, token];
            // OR REPLACE: a holder who went while the disk failed may still be in the table.
            database.execute("INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)", row)?;
            Ok(())
        };
        let saved = self.database.writer.run(save).await;
        saved.inspect_err(|_| drop(self.users().remove(&user.token)))?;
        Ok(Session { user, token })
    }

    /// Lets somebody new in. Returns the token of who had to go for that: who had the name, or else a place.
    fn admit(&self, new: &Arc<User>) -> Result<Option<Hash>, Error> {
        let (now, mut users) = (now(), self.users());
        let taken = Error::Conflict("Somebody else has that name. Choose another.");
        let same_name = |user: &&Arc<User>| user.name.folded == new.name.folded;
        let gone = match users.values().find(same_name) {
            Some(holder) if holder.away_for(UNUSED, now) => Some(holder.token),
            Some(_) => return Err(taken),
            None if users.len() < MAX_USERS => None,
            None => {
                let away = users.values().filter(|user| user.away_for(AWAY, now));
                let next = away.min_by_key(|user| user.rank());
                let full = Error::Unavailable("There are too many people here. Come back later.");
                Some(next.ok_or(full)?.token)
            }
        };
        gone.inspect(|token| drop(users.remove(token)));
        users.insert(new.token, Arc::clone(new));
        Ok(gone)
    }
}

#[cfg(test)]
mod tests;
