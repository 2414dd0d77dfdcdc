//! [`User`]: somebody with a name, and the limits of what one user may do at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};
use shared::error::Error;
use tokio::sync::Semaphore;

use crate::input::UserName;
use crate::rate_limit::RateLimiter;

/// The number of a user. It is random and never used again, unlike the name: what was private to one holder of a
/// name must not be shown to the next one.
pub(crate) type UserId = i64;

/// The SHA-256 hash of a session token. Only the hash is stored, so a copy of the store lets nobody in. Looking a
/// hash up takes a time that says nothing about the token, so no constant-time comparison is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash(pub(crate) [u8; 32]);

impl TokenHash {
    /// Hashes a session token.
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// Somebody who holds a name. A server has one `User` for each user that it knows, shared by all connections of
/// that user, so that the limits count all of them together.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) name: UserName,
    pub(crate) token: TokenHash,
    /// Limits how fast the user may send and ask.
    rate_limiter: RateLimiter,
    /// One permit: a user reads the log for one connection at a time, so that twenty connections wait for each other
    /// and not for those of other users.
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
            reads: Semaphore::new(1),
            connections: AtomicUsize::new(0),
            last_seen: AtomicI64::new(unix_now()),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name.text
    }

    /// Counts a message that the user sends, or a page that the user asks for. Returns a 429 if there were more than
    /// `rate` a second for too long.
    pub(crate) fn check_rate(&self, rate: u32) -> Result<(), Error> {
        let message = "You send or ask too often. Wait a moment.";
        let too_many = |wait| Error::too_many_requests(message, wait);
        self.rate_limiter.try_acquire(rate).map_err(too_many)
    }

    /// Runs a read of the log when no other read of this user is running.
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
    /// A user with a token of their own.
    pub(crate) fn test(id: UserId, name: &str) -> Arc<Self> {
        let token = TokenHash::of(&format!("token of {id}"));
        Self::new(id, UserName::parse(name).unwrap(), token)
    }

    /// Sets the clock of this user back, as if the last request had been `seconds` earlier.
    pub(crate) fn age(&self, seconds: i64) {
        self.last_seen.fetch_sub(seconds, Ordering::Relaxed);
    }
}
