//! The default backend: one SQLite file, for one server.
//!
//! - `database.rs` opens the file; `connection.rs` runs its transactions, and returns the 503 when one fails.
//! - `messages.rs` and `names.rs` have the two tables, and the SQL for the calls of [`Backend`].
//! - `rooms.rs` and `space.rs` limit the number of rooms and the size of the files, by deleting old messages.

mod connection;
mod database;
mod messages;
mod names;
mod rooms;
mod space;

use std::{path::Path, sync::Arc};

use rusqlite::Connection;
use shared::error::Error;

use super::{Backend, Holder, MAX_USERS, OpenError, Reply};
use crate::input::{NewMessage, RoomName};
use crate::log::{Message, NO_SUCH_RECIPIENT, Page, Receipt, TOO_MANY_ROOMS, View};
use crate::room::Rooms;
use crate::user::{TokenHash, User};
use database::Database;
use messages::Refusal;
use names::Names;

/// A store in a SQLite file.
struct Sqlite {
    database: Arc<Database>,
    names: Names,
    rooms: Rooms,
}

/// Opens `file`, or creates it. The file and its write-ahead log take at most `size` bytes.
pub(super) async fn open(
    file: &Path,
    size: u64,
    rooms: Rooms,
) -> Result<(Arc<dyn Backend>, Rooms), OpenError> {
    let sqlite = Sqlite::open(file, size, rooms.clone(), MAX_USERS).await?;
    Ok((Arc::new(sqlite), rooms))
}

/// Returns the SQL that leads from each version of the tables to the next. To change a table, add an entry. Leave the
/// existing ones as they are, because databases of users have been made with them.
fn migrations() -> [String; 3] {
    [
        [messages::TABLE, names::TABLE].concat(),
        [messages::INDEXES, names::CONFIRMED].concat(),
        messages::DELETED.to_owned(),
    ]
}

impl Sqlite {
    async fn open(
        file: &Path,
        size: u64,
        rooms: Rooms,
        max_users: usize,
    ) -> Result<Self, OpenError> {
        let database = Database::open(file, size, &migrations()).map_err(|error| {
            let file = file.display();
            format!("cannot use the database {file}: {error}. Choose another --database")
        })?;
        let database = Arc::new(database);
        Ok(Self {
            names: Names::load(Arc::clone(&database), max_users).await?,
            database,
            rooms,
        })
    }
}

impl Backend for Sqlite {
    fn append<'a>(
        &'a self,
        room: &'a RoomName,
        author: &'a Arc<User>,
        message: NewMessage,
    ) -> Reply<'a, Receipt> {
        let (room, author, rooms) = (room.clone(), Arc::clone(author), self.rooms.clone());
        let stored_rooms = Arc::clone(&self.database.rooms);
        let bytes = messages::max_bytes(&message);
        let append = move |connection: &Connection| {
            let appended = messages::append(connection, &stored_rooms, &room, &author, &message)?;
            let receipt = appended.as_ref().map(|appended| appended.receipt);
            let receipt = receipt.map_err(|refusal| *refusal);
            // The thread of the writer calls this after the commit, so readers get messages in the order of the log.
            let publish = move || {
                if let Ok(new) = appended
                    && new.receipt.created
                {
                    rooms.publish(&room, &new.message);
                }
            };
            Ok((receipt, publish))
        };
        Box::pin(async move {
            let writer = &self.database.writer;
            let receipt = writer.write_then(bytes, append).await?;
            receipt.map_err(|refusal| match refusal {
                Refusal::NoSuchRecipient => Error::not_found(NO_SUCH_RECIPIENT),
                Refusal::TooManyRooms => Error::service_unavailable(TOO_MANY_ROOMS).because("full"),
            })
        })
    }

    fn check(&self) -> Reply<'_, ()> {
        let read = |connection: &_| messages::check_reading(connection);
        let write = |connection: &_| messages::check_writing(connection);
        Box::pin(async move {
            self.database.reader.read(read).await?;
            self.database.writer.write(0, write).await
        })
    }

    fn page_after(&self, view: View, cursor: Option<i64>) -> Reply<'_, Page> {
        let read = move |connection: &_| messages::page_after(connection, &view, cursor);
        Box::pin(self.database.reader.read(read))
    }

    fn page_before(&self, view: View, id: i64) -> Reply<'_, Vec<Message>> {
        let read = move |connection: &_| messages::page_before(connection, &view, id);
        Box::pin(self.database.reader.read(read))
    }

    fn claim_name(&self, user: Arc<User>) -> Reply<'_, ()> {
        Box::pin(self.names.claim(user))
    }

    fn user_by_token(&self, token: TokenHash) -> Reply<'_, Option<Arc<User>>> {
        Box::pin(self.names.user_by_token(token))
    }

    fn find_holder(&self, case_folded: String) -> Reply<'_, Option<Holder>> {
        let holder = self.names.find_holder(&case_folded);
        Box::pin(async move { Ok(holder) })
    }

    fn release_name(&self, user: Arc<User>) -> Reply<'_, ()> {
        Box::pin(async move { self.names.release(&user).await })
    }
}

#[cfg(test)]
pub(super) mod tests;
