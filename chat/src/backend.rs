//! The seam between the chat and the store that keeps its messages and names.
//!
//! Everything above this file (rooms, readers, transports) works with [`Backend`] and does not know which store it
//! is. A backend has two tasks. It answers the calls below, and it delivers every new message to [`Rooms`]. One that
//! several servers share also connects their rooms, through [`Cluster`](crate::room::Cluster).
//!
//! A further backend is a folder beside the two, a flag, and a line in [`open`]. The tests in `backend/tests` run
//! against every backend.

mod redis;
mod sqlite;

use std::{path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;
use shared::error::Error;

use crate::input::{NewMessage, RoomName};
use crate::log::{Message, Page, Receipt, View};
use crate::room::Rooms;
use crate::user::{TokenHash, User, UserId};

/// The range of `--database-size`, in bytes: from what a few rooms need, to what SQLite can count in pages.
const MIN_DATABASE_SIZE: u64 = 8 << 20;
const MAX_DATABASE_SIZE: u64 = 1 << 40;

/// How many names can be taken at the same time, so that a flood of new users fills neither the memory nor the disk.
const MAX_USERS: usize = 10_000;

/// A name that was not used for this many seconds is free for somebody else: a day.
const NAME_TTL: i64 = 24 * 60 * 60;

/// When all names are taken, a newcomer gets the one that was unused for longest, if that is at least this many
/// seconds: an hour.
const EVICTABLE_AFTER: i64 = 60 * 60;

/// The same two times for an unconfirmed name, in seconds. A name is unconfirmed until its token is used, and again
/// once its holder has released it. A client that received its token uses it within 10 s; three times that is safe.
/// A flood that keeps others out has to take hundreds of names a second.
const UNCONFIRMED_TTL: i64 = 30;

/// The 409 for a name that somebody holds.
const NAME_TAKEN: &str = "Somebody else has that name. Choose another.";

/// The 503 for a new name while there are `MAX_USERS` that nobody has to give up.
const TOO_MANY_USERS: &str = "There are too many people here. Come back later.";

/// The result of a call, as soon as the store has it. The future is boxed, because a trait object cannot have
/// `async fn`; beside a write to a disk or a network that costs nothing.
pub(crate) type Reply<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// A store for messages and names. Every call may fail with a 503 when the store does not respond; the caller may
/// then repeat it.
pub(crate) trait Backend: Send + Sync {
    /// Stores `message` durably, or finds the receipt that its idempotency key got the first time. A new message
    /// then reaches `Rooms::publish` on every server, in the order of the ids. 404 if a private message has no
    /// recipient; 401 if the author has lost the name meanwhile.
    fn append<'a>(
        &'a self,
        room: &'a RoomName,
        author: &'a Arc<User>,
        message: NewMessage,
    ) -> Reply<'a, Receipt>;

    /// Returns the page of the log after `cursor`. Without a cursor, or with one that is outside the log, it is the
    /// latest page.
    fn page_after(&self, view: View, cursor: Option<i64>) -> Reply<'_, Page>;

    /// Returns the latest messages before the one with this id, oldest first, a page at most.
    fn page_before(&self, view: View, id: i64) -> Reply<'_, Vec<Message>>;

    /// Gives the name of `user` to `user`: 409 if somebody else has it, 503 if there are too many users. The name is
    /// unconfirmed until `user_by_token` is called.
    fn claim_name(&self, user: Arc<User>) -> Reply<'_, ()>;

    /// Returns whose token this is, and counts that as a use of the name.
    fn user_by_token(&self, token: TokenHash) -> Reply<'_, Option<Arc<User>>>;

    /// Returns who holds this case-folded name.
    fn find_holder(&self, case_folded: String) -> Reply<'_, Option<Holder>>;

    /// Makes the name of `user` unconfirmed, because its holder has taken another one. Using the token again takes
    /// that back.
    fn release_name(&self, user: Arc<User>) -> Reply<'_, ()>;
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

    /// How large the database may grow, with its write-ahead log; a full one gives up its oldest messages
    #[arg(long, env, value_name = "BYTES", default_value = "4GiB", value_parser = parse_size)]
    pub(crate) database_size: u64,

    /// Keep them in this Redis instead, which any number of servers may share: `redis://127.0.0.1/`
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    pub(crate) redis: Option<String>,
}

/// Parses a size such as `4GiB`, `512MiB` or `1000000`.
fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = match text {
        _ if text.ends_with("GiB") => (text.trim_end_matches("GiB"), 1 << 30),
        _ if text.ends_with("MiB") => (text.trim_end_matches("MiB"), 1 << 20),
        _ => (text, 1),
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

/// Why a store cannot be used, and what to do about it: one sentence.
pub(crate) type OpenError = Box<dyn std::error::Error>;

/// Opens the store that the flags name. It delivers to `rooms`. Returns it with the rooms to use from now on, which
/// are in a cluster if other servers share the store.
pub(crate) async fn open(
    flags: &BackendFlags,
    rooms: Rooms,
) -> Result<(Arc<dyn Backend>, Rooms), OpenError> {
    match &flags.redis {
        Some(url) => redis::open(url, rooms).await,
        None => sqlite::open(&flags.database, flags.database_size, rooms).await,
    }
}

#[cfg(test)]
pub(crate) mod tests;
