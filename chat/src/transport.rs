//! Three ways to read a room from a cursor, and the POST that two of them need to say something.

pub(crate) mod long_poll;
pub(crate) mod post;
pub(crate) mod sse;
pub(crate) mod websocket;

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use serde::Deserialize;
use shared::error::Error;

use crate::{
    Chat,
    input::{Cursor, RoomName},
    reader::Reader,
    session::User,
};

/// `?after=17`: what the reader has seen already.
#[derive(Deserialize)]
pub(crate) struct After {
    after: Option<String>,
}

/// Who wants to read what, from where: checked, and not yet begun.
struct Request {
    user: Arc<User>,
    room: RoomName,
    cursor: Option<Cursor>,
}

impl Request {
    /// `Last-Event-ID` is what a browser's `EventSource` says when it comes back by itself; then the
    /// address says what was true when it came first.
    fn parse(
        chat: &Chat,
        request: &HttpRequest,
        room: &str,
        after: Option<&str>,
    ) -> Result<Self, Error> {
        let last_event = request.headers().get("Last-Event-ID");
        let last_event = last_event.map(|id| id.to_str().unwrap_or("no ASCII"));
        Ok(Self {
            user: chat.user(request)?,
            room: RoomName::parse(room)?,
            cursor: last_event.or(after).map(Cursor::parse).transpose()?,
        })
    }

    fn begin(self, chat: &Chat) -> Result<Reader, Error> {
        let visit = chat.rooms.enter(&self.room, &self.user)?;
        Ok(Reader::new(chat.log.clone(), visit, self.cursor))
    }
}

/// What a handler gets of the address: the room and the query.
type RoomPath = web::Path<String>;
