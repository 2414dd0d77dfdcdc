//! [`Backend`]: the trait that every store of messages and names implements.
//!
//! Readers, sessions and transports use the trait and do not know which store is behind it. A store has two tasks: it
//! answers the calls of the trait, and it passes every new message to [`Rooms::publish`]. A store that several servers
//! share also connects their rooms, through [`Cluster`](crate::room::Cluster).
//!
//! To add a store:
//!
//! 1. Implement the trait in `backend/NAME.rs` and a folder `backend/NAME/`, and add `mod NAME;` below.
//! 2. Add a flag to [`BackendFlags`] and an arm to [`open`].
//! 3. In `backend/NAME/tests.rs`, write a function that returns an empty `Store` with a `Control`.
//! 4. Call it in `stores_for` (`backend/tests.rs`). The tests in `backend/tests/` then run on the store, too.

mod outage;
mod redis;
mod sqlite;

use std::{path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;
use shared::error::Error;

use crate::input::{NewMessage, RoomName};
use crate::log::{Message, Page, Receipt, View};
use crate::room::Rooms;
use crate::user::{TokenHash, User, UserId};

/// The range of `--database-size`, in bytes. The smallest size is enough for a few rooms. The largest is far below the
/// limit of SQLite, which counts pages in 32 bits.
const MIN_DATABASE_SIZE: u64 = 8 << 20;
const MAX_DATABASE_SIZE: u64 = 1 << 40;

/// How many names can be taken at the same time. The limit keeps a flood of new users from filling the memory or the
/// disk.
const MAX_USERS: usize = 10_000;

/// A name is free for another user after this many seconds without use: a day.
const NAME_TTL: i64 = 24 * 60 * 60;

/// When `MAX_USERS` names are taken, a new name evicts another: an unconfirmed one if there is one that may be evicted,
/// otherwise the one that has not been used for the longest time, if that is at least this many seconds (an hour).
const EVICTABLE_AFTER: i64 = 60 * 60;

/// An unconfirmed name is free, and can be evicted, after this many seconds without use. A name is unconfirmed until
/// its token is used, and again after its holder has released it. A client uses its token within 10 s (`TIMEOUT` in
/// `static/requests.js`); three times that is safe. A flood of unconfirmed names keeps others out only if it takes hundreds of names a second.
const UNCONFIRMED_TTL: i64 = 30;

/// The text of the 409 for a name that another user holds.
const NAME_TAKEN: &str = "Somebody else has that name. Choose another.";

/// The text of the 503 for a new name when `MAX_USERS` names are taken and none can be evicted.
const TOO_MANY_USERS: &str = "There are too many people here. Come back later.";

/// The future that a call returns. It is boxed, because a trait object cannot have an `async fn`. The box costs little
/// compared with a write to a disk or a network.
pub(crate) type Reply<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// A store of messages and names.
///
/// A call fails with a 503 when the store does not respond. The call may have had its effect or not. Repeating it is
/// safe, but after a `claim_name` that failed the name may stay taken for `UNCONFIRMED_TTL`.
pub(crate) trait Backend: Send + Sync {
    /// Stores `message` durably and returns its receipt. If the author has sent the same idempotency key before,
    /// stores nothing and returns the first receipt. Every server passes a new message to `Rooms::publish`, in the
    /// order of the ids.
    ///
    /// Fails with 404 if the recipient of a private message does not exist, and with 401 if the author no longer holds
    /// the name (only in Redis, whose names expire).
    fn append<'a>(
        &'a self,
        room: &'a RoomName,
        author: &'a Arc<User>,
        message: NewMessage,
    ) -> Reply<'a, Receipt>;

    /// Checks that messages can be stored and read now. Fails with 503 and the reason.
    fn check(&self) -> Reply<'_, ()>;

    /// Returns the page of the log after `cursor`. Without a cursor, it starts at the first of the latest `PAGE_SIZE`
    /// messages. A cursor outside the log has the same effect, and then `Page::reset` is set.
    fn page_after(&self, view: View, cursor: Option<i64>) -> Reply<'_, Page>;

    /// Returns the latest messages before the one with this id, oldest first, at most one page.
    fn page_before(&self, view: View, id: i64) -> Reply<'_, Vec<Message>>;

    /// Makes `user` the holder of `user.name`. The name is unconfirmed until `user_by_token` is called.
    ///
    /// Fails with 409 if another user holds the name, and with 503 if there are too many users.
    fn claim_name(&self, user: Arc<User>) -> Reply<'_, ()>;

    /// Returns the user with this token, if the token is valid. This counts as a use of the name and confirms it.
    fn user_by_token(&self, token: TokenHash) -> Reply<'_, Option<Arc<User>>>;

    /// Returns the holder of this case-folded name, if there is one.
    fn find_holder(&self, case_folded: String) -> Reply<'_, Option<Holder>>;

    /// Makes the name of `user` unconfirmed, because `user` has taken another name. Using the token confirms it again.
    fn release_name(&self, user: Arc<User>) -> Reply<'_, ()>;

    /// Prepares for the end of this server, which takes no new connections any more. A store that several servers share
    /// reports the stop to the others, but does not wait longer than half a second for that.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// The user who holds a name.
pub(crate) struct Holder {
    pub(crate) id: UserId,
    pub(crate) name: String,
}

/// The flags that choose a store.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BackendFlags {
    /// Keep messages and names in this file; `:memory:` keeps them until the server stops
    #[arg(long, env, value_name = "FILE", default_value = "chat.db")]
    pub(crate) database: PathBuf,

    /// How large the database and its write-ahead log may grow; a full database deletes old messages
    #[arg(long, env, value_name = "BYTES", default_value = "4GiB", value_parser = parse_size)]
    pub(crate) database_size: u64,

    /// Keep messages and names in this Redis instead, which any number of servers may share: `redis://127.0.0.1/`, or
    /// with TLS `rediss://USER:PASSWORD@HOST/`; put a password only into the variable, because others can see a flag
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    pub(crate) redis: Option<String>,

    /// Trust a `rediss://` Redis only if an authority in this PEM file has signed its certificate
    #[arg(long, env, value_name = "FILE", requires = "redis")]
    pub(crate) redis_ca: Option<PathBuf>,
}

/// Parses a size such as `4GiB`, `512MiB` or `1000000`.
fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = if let Some(number) = text.strip_suffix("GiB") {
        (number, 1 << 30)
    } else if let Some(number) = text.strip_suffix("MiB") {
        (number, 1 << 20)
    } else {
        (text, 1)
    };
    let size = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit));
    match size {
        Some(size) if (MIN_DATABASE_SIZE..=MAX_DATABASE_SIZE).contains(&size) => Ok(size),
        _ => Err(
            "a size is a number of bytes, MiB or GiB, such as 512MiB, from 8MiB to 1024GiB".into(),
        ),
    }
}

/// An error that says in one sentence why a store cannot be used, and what to do.
pub(crate) type OpenError = Box<dyn std::error::Error>;

/// Opens the store that the flags choose. Returns the store and `rooms`. A store that several servers can share has
/// connected these rooms to those of the other servers.
pub(crate) async fn open(
    flags: &BackendFlags,
    rooms: Rooms,
) -> Result<(Arc<dyn Backend>, Rooms), OpenError> {
    match &flags.redis {
        Some(url) => redis::open(url, flags.redis_ca.as_deref(), rooms).await,
        None => sqlite::open(&flags.database, flags.database_size, rooms).await,
    }
}

#[cfg(test)]
pub(crate) mod tests;
