//! [`User`]: a user of the chat, and the limits of what one user may do at a time.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use shared::error::Error;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::input::UserName;
use crate::rate_limit::RateLimiter;

/// The id of a user: a random number that is never used again. A name can get another holder, who must not see the
/// private messages of the first. So private messages belong to ids, not to names.
pub(crate) type UserId = i64;

/// The shortest time between two `typing` events of one user, who may press ten keys a second.
pub(crate) const TYPING_INTERVAL: Duration = Duration::from_secs(1);

/// The SHA-256 hash of a session token. Only the hash is stored, so nobody can log in with a copy of the store. The
/// time of a look-up depends on hashes and reveals nothing about a token, so no constant-time comparison is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash(pub(crate) [u8; 32]);

impl TokenHash {
    /// Hashes a session token.
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// A user who holds a name. A server has one `User` for each user that it knows. All connections of the user share it,
/// so that the limits count them together.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) name: UserName,
    pub(crate) token: TokenHash,
    /// Limits how many messages and polls the user may send in a second.
    rate_limiter: RateLimiter,
    /// When this server last accepted a `typing` event of the user.
    last_typing: Mutex<Option<Instant>>,
    /// One permit: a user reads the log for one connection at a time. Even a user with twenty connections then does
    /// not delay others.
    reads: Semaphore,
    /// How many connections are open, in all rooms of this server.
    pub(crate) connections: AtomicUsize,
    /// When the user last sent a request or closed a connection, in Unix seconds. It is not stored.
    last_seen: AtomicI64,
}

impl User {
    /// Creates a user without connections, last seen now.
    pub(crate) fn new(id: UserId, name: UserName, token: TokenHash) -> Arc<Self> {
        Arc::new(Self {
            id,
            name,
            token,
            rate_limiter: RateLimiter::default(),
            last_typing: Mutex::default(),
            reads: Semaphore::new(1),
            connections: AtomicUsize::new(0),
            last_seen: AtomicI64::new(unix_now()),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name.text
    }

    /// Counts a message, a poll, or a look-up of a name. Returns a 429 if there are more than `rate` a second for too
    /// long.
    pub(crate) fn check_rate(&self, rate: u32) -> Result<(), Error> {
        let message = "You send too many messages or requests. Wait a moment.";
        let too_many = |wait| Error::too_many_requests(message, wait);
        self.rate_limiter.try_acquire(rate).map_err(too_many)
    }

    /// Counts a `typing` event. Returns false if the last one was less than `TYPING_INTERVAL` ago.
    pub(crate) fn try_typing(&self) -> bool {
        let mut last = self
            .last_typing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < TYPING_INTERVAL) {
            return false;
        }
        *last = Some(Instant::now());
        true
    }

    /// Waits until no other read of this user is running, and then runs `read`.
    pub(crate) async fn read_in_turn<T>(
        &self,
        read: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let _permit = self.reads.acquire().await.map_err(|_| Error::internal())?;
        read.await
    }

    /// Records that the user is here now.
    pub(crate) fn touch(&self) {
        self.last_seen.store(unix_now(), Ordering::Relaxed);
    }

    /// Returns when the user was last seen, in Unix seconds.
    pub(crate) fn last_seen(&self) -> i64 {
        self.last_seen.load(Ordering::Relaxed)
    }

    /// Returns whether the user has no connection and was last seen more than `seconds` before `now`.
    pub(crate) fn is_idle(&self, seconds: i64, now: i64) -> bool {
        // Read `connections` first: a connection that closes stores `last_seen` before it decrements the count.
        let connections = self.connections.load(Ordering::Acquire);
        connections == 0 && self.last_seen() + seconds < now
    }
}

/// Returns the time in Unix seconds.
pub(crate) fn unix_now() -> i64 {
    chrono::Utc::now().timestamp()
}

#[cfg(test)]
impl User {
    /// Creates a user whose token depends on the id only.
    pub(crate) fn test(id: UserId, name: &str) -> Arc<Self> {
        let token = TokenHash::of(&format!("token of {id}"));
        Self::new(id, UserName::parse(name).unwrap(), token)
    }

    /// Changes `last_seen` as if the last request had been `seconds` earlier.
    pub(crate) fn age(&self, seconds: i64) {
        self.last_seen.fetch_sub(seconds, Ordering::Relaxed);
    }
}
