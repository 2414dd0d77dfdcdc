//! Three ways to read a room from a cursor, and the POST that two of them need to say something.

pub(crate) mod long_poll;
pub(crate) mod sse;
pub(crate) mod websocket;

use std::sync::Arc;

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::StatusCode, web};
use futures_util::{Stream, future::LocalBoxFuture, stream};
use serde::Deserialize;
use shared::{Object, Settings, cut::Cut, error::Error};
use tokio::select;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::event::Event;
use crate::input::{Cursor, NewMessage, RoomName};
use crate::log::Receipt;
use crate::reader::Reader;
use crate::session::{Session, User};
use crate::{Answer, Chat, data};

/// `?after=17`, what the reader has seen already; the other two are for `GET messages`.
#[derive(Deserialize)]
struct Query {
    after: Option<String>,
    before: Option<String>,
    wait: Option<u64>,
}

/// Who wants what of which room, read from where: checked, and not yet begun. Every handler below
/// `/rooms/{room}` takes one.
pub(crate) struct Asked {
    chat: web::Data<Chat>,
    settings: web::Data<Settings>,
    cut: web::Data<Cut>,
    user: Arc<User>,
    room: RoomName,
    cursor: Cursor,
    query: Query,
}

impl FromRequest for Asked {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(Self::parse(request.clone()))
    }
}

impl Asked {
    /// `Last-Event-ID` is what a browser's `EventSource` says when it comes back by itself; then the
    /// address says what was true when it came first.
    async fn parse(request: HttpRequest) -> Result<Self, Error> {
        let chat: web::Data<Chat> = data(&request)?;
        let Session { user, .. } = chat.session(&request).await?;
        let room = RoomName::parse(request.match_info().query("room"))?;
        let query = web::Query::<Query>::from_query(request.query_string());
        let query = query.map_err(|error| Error::BadRequest(format!("The query: {error}.")))?;
        let last_event = request.headers().get("Last-Event-ID");
        let last_event = last_event.map(|id| id.to_str().unwrap_or("no ASCII"));
        let last_event = last_event.filter(|id| !id.is_empty()); // No event yet.
        let cursor = last_event.or(query.after.as_deref());
        Ok(Self {
            chat,
            settings: data(&request)?,
            cut: data(&request)?,
            user,
            room,
            cursor: cursor.map_or(Ok(Cursor::default()), Cursor::parse)?,
            query: query.into_inner(),
        })
    }

    /// Puts a message into the log, whichever way it came.
    async fn say(&self, Object(new): Object<NewMessage>) -> Result<Receipt, Error> {
        self.user.may_send(self.chat.rate)?;
        let draft = new.parse()?;
        self.chat.log.append(&self.room, &self.user, draft).await
    }

    async fn begin(&self) -> Result<Reader, Error> {
        let visit = self.chat.rooms.enter(&self.room, &self.user)?;
        #[cfg(feature = "redis")]
        let visit = visit.knows_who_is_here().await?;
        Ok(Reader::new(self.chat.log.clone(), visit, self.cursor))
    }

    /// What a reader gets, and a ping every heartbeat. It ends if the log cannot be read.
    async fn follow(&self) -> Result<impl Stream<Item = Arc<Event>> + use<>, Error> {
        let heartbeat = self.settings.heartbeat;
        let mut pings = interval_at(Instant::now() + heartbeat, heartbeat);
        // After a stall, send one ping and not one for each period that was missed.
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reader = (self.begin().await?, pings);
        Ok(stream::unfold(reader, async |(mut reader, mut pings)| {
            let event = select! {
                // News first: a ping that is due can wait for what is ready.
                biased;
                event = reader.next() => event.ok()?,
                _ = pings.tick() => Event::ping(),
            };
            Some((event, (reader, pings)))
        }))
    }
}

/// `POST /rooms/{room}/messages` with `{"key","text","to"?}`: 201 and `{"id","time"}` when the message
/// is stored; 200 and the same if it was already.
pub(crate) async fn message(asked: Asked, new: web::Json<Object<NewMessage>>) -> Answer {
    let receipt = asked.say(new.into_inner()).await?;
    let mut answer = HttpResponse::Created();
    if !receipt.fresh {
        answer.status(StatusCode::OK);
    }
    Ok(answer.json(receipt))
}

/// `POST /rooms/{room}/typing`: 204. Only those who are in the room are heard.
pub(crate) async fn typing(asked: Asked) -> HttpResponse {
    asked.chat.rooms.typing(&asked.room, &asked.user);
    HttpResponse::NoContent().finish()
}
