//! The users store: a list that changes, and a way to hear of each change.
//!
//! The list is published as immutable [`Snapshot`]s: through a [`FanOut`] to those who follow it, and
//! through a [`watch`] channel to those who wait for one change. A reader that is slow skips to the
//! newest snapshot; nothing queues up for it, so it costs nobody anything.

mod file;
mod new_user;
mod username;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::http::StatusCode;
use bytestring::ByteString;
use futures_util::{Stream, StreamExt as _, future, stream};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task};

use crate::error::Error;
use crate::fan_out::FanOut;
pub use file::LoadError;
use file::UsersFile;
pub use new_user::NewUser;
pub use username::{Username, UsernameError};

/// The most users that the store holds. A snapshot of that many full names is about 150 KB, and
/// every reader is sent one with each change.
pub const MAX_USERS: usize = 1_000;

/// The largest id or version: what a JavaScript number can hold exactly (`Number.MAX_SAFE_INTEGER`).
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// One user, on the wire `{"id":1,"username":"张三"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Given out once and never again, not even after the user is removed.
    pub id: u64,
    /// What the user is called; two users may share a name.
    pub username: Username,
}

/// The list at one moment, on the wire `{"version":7,"users":[{"id":1,"username":"张三"}]}`.
///
/// Clones share the list and its JSON.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Grows by one with each change. It starts from the wall clock in milliseconds, so that a client that
    /// outlives a restart of the server never takes an old version for a new one.
    pub version: u64,
    /// The users in the order of their ids.
    pub users: Arc<[User]>,
    json: ByteString,
    /// What was made of it for the first client.
    encoded: Arc<OnceLock<ByteString>>,
}

impl Snapshot {
    /// The snapshot as JSON, made once per change and shared by all who send it.
    #[must_use]
    pub fn json(&self) -> ByteString {
        self.json.clone()
    }

    /// What `encode` makes of this snapshot, such as an event: made for the first client that needs it, and
    /// the same bytes for all others. So all of a server's clients have to want the same.
    pub fn encoded(&self, encode: impl FnOnce(&Self) -> ByteString) -> ByteString {
        self.encoded.get_or_init(|| encode(self)).clone()
    }
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There are [`MAX_USERS`] already.
    #[error("The list is full: {MAX_USERS} users at most. Remove one first.")]
    Full,
    /// The users file could not be written; nothing has changed.
    #[error("The change could not be saved, so it was not made.")]
    NotSaved(#[from] io::Error),
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Self {
        if let ChangeError::NotSaved(cause) = &error {
            log::error!("cannot save the users: {cause}");
            return Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
        }
        Self::conflict(error.to_string())
    }
}

/// The users store. Clones are handles to the same list.
#[derive(Debug, Clone)]
pub struct Users {
    store: Arc<Store>,
}

#[derive(Debug)]
struct Store {
    newest: watch::Sender<Snapshot>,
    /// The same for streams, which wait again and again: with thousands of them it is cheaper.
    changes: FanOut<Snapshot>,
    /// The list that the next change starts from. Whoever changes it holds the lock until the
    /// change is on disk and published, so that both happen in one order.
    list: Mutex<List>,
    file: Option<UsersFile>,
}

/// The list as it is changed, and as it stands in the users file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    version: u64,
    #[serde(default)]
    next_id: u64,
    users: Vec<User>,
}

impl Users {
    /// The two default users, kept in memory.
    ///
    /// # Errors
    /// When the first snapshot cannot be written as JSON.
    pub fn in_memory() -> Result<Self, LoadError> {
        Self::with(List::default_users(), None)
    }

    /// The users in the file at `path`, or the default users if there is no such file. Each change
    /// is on disk before [`Users::add`] or [`Users::remove`] returns.
    ///
    /// # Errors
    /// When the file cannot be read, is not a users file, or is in use by another server. The file is
    /// left as it is.
    pub fn in_file(path: &Path) -> Result<Self, LoadError> {
        let file = UsersFile::open(path)?;
        let list = file.load()?.unwrap_or_else(List::default_users);
        Self::with(list, Some(file))
    }

    fn with(mut list: List, file: Option<UsersFile>) -> Result<Self, LoadError> {
        list.version = now_in_milliseconds().max(list.version + 1);
        let newest = watch::Sender::new(list.snapshot()?);
        Ok(Self {
            store: Arc::new(Store {
                newest,
                // Only the newest matters.
                changes: FanOut::new(1),
                list: Mutex::new(list),
                file,
            }),
        })
    }

    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.store.newest.borrow().clone()
    }

    /// The newest snapshot as soon as its version is not `version`: at once if it already differs,
    /// else after the next change.
    pub async fn changed_since(&self, version: u64) -> Snapshot {
        let mut newest = self.store.newest.subscribe();
        // Waiting fails only when the sender is dropped, and `self` holds it.
        match newest
            .wait_for(|snapshot| snapshot.version != version)
            .await
        {
            Ok(snapshot) => snapshot.clone(),
            Err(_) => self.snapshot(),
        }
    }

    /// The newest snapshot at once, then the newest one after each change. It does not end.
    ///
    /// # Panics
    /// When it is called outside a tokio runtime.
    pub fn watch(&self) -> impl Stream<Item = Snapshot> + use<> {
        // First listen, then look: a change in between comes twice and is told once.
        let changes = self.store.changes.listen();
        let newest = self.snapshot();
        let mut told = newest.version;
        let newer = changes.filter_map(move |change| {
            // Whoever is behind has the newest snapshot next.
            let newer = change.ok().filter(|snapshot| snapshot.version > told);
            told = newer.as_ref().map_or(told, |snapshot| snapshot.version);
            future::ready(newer)
        });
        stream::once(future::ready(newest)).chain(newer)
    }

    /// Adds a user at the end of the list.
    ///
    /// # Errors
    /// When the list is full or the change cannot be saved. Nothing has changed then.
    pub async fn add(&self, username: Username) -> Result<User, ChangeError> {
        self.change(|list| {
            if list.users.len() >= MAX_USERS {
                return Err(ChangeError::Full);
            }
            let user = User {
                id: list.next_id,
                username,
            };
            list.next_id += 1;
            list.users.push(user.clone());
            Ok(user)
        })
        .await
    }

    /// Removes the user `id`; `None` if there is none, which is no change.
    ///
    /// # Errors
    /// When the change cannot be saved. Nothing has changed then.
    pub async fn remove(&self, id: u64) -> Result<Option<User>, ChangeError> {
        self.change(move |list| {
            let place = list.users.iter().position(|user| user.id == id);
            Ok(place.map(|place| list.users.remove(place)))
        })
        .await
    }

    /// Makes one change on a thread that may block on the disk. It runs to its end even when the
    /// caller has gone away in the meantime: what is on disk is also published.
    async fn change<T: Send + 'static>(
        &self,
        edit: impl FnOnce(&mut List) -> Result<T, ChangeError> + Send + 'static,
    ) -> Result<T, ChangeError> {
        let store = Arc::clone(&self.store);
        let change = task::spawn_blocking(move || store.change(edit));
        change.await.map_err(io::Error::other)?
    }
}

impl Store {
    fn change<T>(
        &self,
        edit: impl FnOnce(&mut List) -> Result<T, ChangeError>,
    ) -> Result<T, ChangeError> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let mut edited = list.clone();
        let outcome = edit(&mut edited)?;
        if edited.users == list.users {
            return Ok(outcome);
        }
        edited.version += 1;
        let snapshot = edited.snapshot().map_err(io::Error::from)?;
        if let Some(file) = &self.file {
            file.save(&edited)?;
        }
        *list = edited;
        self.newest.send_replace(snapshot.clone());
        self.changes.send(&snapshot);
        Ok(outcome)
    }
}

impl List {
    /// Two users to begin with. One is not ASCII, so that a wrong charset shows at once.
    fn default_users() -> Self {
        let names = [Username::parse("张三"), Username::parse("Alice")];
        let users: Vec<User> = (1..)
            .zip(names.into_iter().flatten())
            .map(|(id, username)| User { id, username })
            .collect();
        Self {
            version: 0,
            next_id: 3,
            users,
        }
    }

    fn snapshot(&self) -> serde_json::Result<Snapshot> {
        #[derive(Serialize)]
        struct OnTheWire<'list> {
            version: u64,
            users: &'list [User],
        }
        let on_the_wire = OnTheWire {
            version: self.version,
            users: &self.users,
        };
        let json = serde_json::to_string(&on_the_wire)?.into();
        Ok(Snapshot {
            version: self.version,
            users: self.users.as_slice().into(),
            json,
            encoded: Arc::default(),
        })
    }
}

fn now_in_milliseconds() -> u64 {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_1970.as_millis())
        .unwrap_or(u64::MAX)
        .min(MAX_SAFE_INTEGER)
}

#[cfg(test)]
mod tests;
