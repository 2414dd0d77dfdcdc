//! The backend in one SQLite file, for a server that is alone: the default.

mod connection;
mod database;
mod messages;
mod names;

use std::{path::Path, sync::Arc};

use rusqlite::Connection;
use shared::error::Error;

use super::{Backend, MAX_USERS, OpenError, Reply};
use crate::input::{NewMessage, RoomName};
use crate::log::{Message, NO_SUCH_RECIPIENT, Page, Receipt, View};
use crate::room::Rooms;
use crate::user::{TokenHash, User};
use database::Database;
use names::Names;

/// The chat's store in a SQLite file.
struct Sqlite {
    database: Arc<Database>,
    names: Names,
    rooms: Rooms,
}

/// Opens `file`, or creates it.
pub(super) async fn open(
    file: &Path,
    rooms: Rooms,
) -> Result<(Arc<dyn Backend>, Rooms), OpenError> {
    let sqlite = Sqlite::open(file, rooms.clone(), MAX_USERS).await?;
    Ok((Arc::new(sqlite), rooms))
}

/// Returns the SQL that creates all tables.
fn schema() -> String {
    [messages::SCHEMA, names::SCHEMA].concat()
}

impl Sqlite {
    async fn open(file: &Path, rooms: Rooms, max_users: usize) -> Result<Self, OpenError> {
        let database = Database::open(file, &schema()).map_err(|error| {
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
        let append = move |connection: &Connection| {
            let appended = messages::append(connection, &room, &author, &message)?;
            let receipt = appended.as_ref().map(|appended| appended.receipt);
            // The writer's thread calls this after the commit, so readers get messages in the order of the log.
            let publish = move || {
                if let Some(new) = appended.filter(|appended| appended.receipt.created) {
                    rooms.publish(&room, &new.message);
                }
            };
            Ok((receipt, publish))
        };
        Box::pin(async move {
            let receipt = self.database.writer.run_with_callback(append).await?;
            receipt.ok_or_else(|| Error::not_found(NO_SUCH_RECIPIENT))
        })
    }

    fn page_after(&self, view: View, cursor: Option<i64>) -> Reply<'_, Page> {
        let read = move |connection: &_| messages::page_after(connection, &view, cursor);
        Box::pin(self.database.reader.run(read))
    }

    fn page_before(&self, view: View, id: i64) -> Reply<'_, Vec<Message>> {
        let read = move |connection: &_| messages::page_before(connection, &view, id);
        Box::pin(self.database.reader.run(read))
    }

    fn claim_name(&self, user: Arc<User>) -> Reply<'_, ()> {
        Box::pin(self.names.claim(user))
    }

    fn user_by_token(&self, token: TokenHash) -> Reply<'_, Option<Arc<User>>> {
        let user = self.names.user_by_token(token);
        Box::pin(async move { Ok(user) })
    }

    fn release_name(&self, user: Arc<User>) -> Reply<'_, ()> {
        self.names.release(&user);
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
pub(super) mod tests;
