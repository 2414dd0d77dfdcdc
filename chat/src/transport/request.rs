//! [`RoomRequest`]: what every request to a room has in common.

use std::sync::Arc;

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use futures_util::{Stream, future::LocalBoxFuture, stream};
use serde::Deserialize;
use shared::{Settings, cut::Cut, error::Error};
use tokio::select;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::event::Event;
use crate::input::{Cursor, MessageBody, RoomName};
use crate::log::Receipt;
use crate::metrics::Transport;
use crate::reader::Reader;
use crate::session::Session;
use crate::state::{ChatState, app_data};
use crate::user::User;

/// The query of a request. `after` is the cursor. Only long polling has `before` and `wait`.
#[derive(Deserialize)]
pub(super) struct RoomQuery {
    after: Option<String>,
    pub(super) before: Option<String>,
    pub(super) wait: Option<u64>,
}

/// A request to a room that has been checked: its user, its room, and the cursor from which it reads. Every handler
/// below `/rooms/{room}` takes one as an argument.
pub(crate) struct RoomRequest {
    pub(super) chat: web::Data<ChatState>,
    settings: web::Data<Settings>,
    pub(super) cut: web::Data<Cut>,
    pub(super) user: Arc<User>,
    pub(super) room: RoomName,
    cursor: Cursor,
    pub(super) query: RoomQuery,
}

impl FromRequest for RoomRequest {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(Self::parse(request.clone()))
    }
}

impl RoomRequest {
    async fn parse(request: HttpRequest) -> Result<Self, Error> {
        let chat: web::Data<ChatState> = app_data(&request)?;
        let session = Session::of(&request, &chat).await?;
        let room = RoomName::parse(request.match_info().query("room"))?;
        let query = web::Query::<RoomQuery>::from_query(request.query_string());
        let query = query.map_err(|error| Error::bad_request(format!("The query: {error}.")))?;
        let cursor = cursor_of(&request, query.after.as_deref())?;
        Ok(Self {
            chat,
            settings: app_data(&request)?,
            cut: app_data(&request)?,
            user: session.user,
            room,
            cursor,
            query: query.into_inner(),
        })
    }

    /// Stores a message that has arrived over any transport.
    pub(super) async fn post_message(&self, body: MessageBody) -> Result<Receipt, Error> {
        self.user.check_rate(self.chat.rate)?;
        let message = body.parse()?;
        let start = Instant::now();
        let backend = &self.chat.backend;
        let receipt = backend.append(&self.room, &self.user, message).await?;
        let metrics = &self.chat.metrics;
        metrics.count_acknowledgement(&receipt, start.elapsed());
        Ok(receipt)
    }

    /// Sends `typing` to the room.
    pub(super) fn post_typing(&self) {
        self.chat.rooms.typing(&self.room, &self.user);
    }

    /// Joins the room and returns a reader at the cursor.
    pub(super) async fn open_reader(&self, transport: Transport) -> Result<Reader, Error> {
        let membership = self.chat.rooms.join(&self.room, &self.user).await?;
        let backend = Arc::clone(&self.chat.backend);
        let connection = self.chat.metrics.open_connection(transport);
        Ok(Reader::new(backend, membership, self.cursor, connection))
    }

    /// Joins the room and returns the events of a reader, with a `ping` every heartbeat. The stream never ends by
    /// itself.
    pub(super) async fn event_stream(
        &self,
        transport: Transport,
    ) -> Result<impl Stream<Item = Arc<Event>> + use<>, Error> {
        let reader = self.open_reader(transport).await?;
        let heartbeat = self.settings.heartbeat;
        let mut pings = interval_at(Instant::now() + heartbeat, heartbeat);
        // After a stall, send one ping and not one for each period that was missed.
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let state = (reader, pings);
        Ok(stream::unfold(state, async |(mut reader, mut pings)| {
            let event = select! {
                // In this order, because a `ping` is not needed while there are other events.
                biased;
                event = reader.next() => event,
                _ = pings.tick() => Event::ping(),
            };
            Some((event, (reader, pings)))
        }))
    }
}

/// Returns the cursor of a request. When `EventSource` reconnects, it sends `Last-Event-ID`. The header comes before
/// the `after` in the URL, which is from the first connection and out of date.
fn cursor_of(request: &HttpRequest, after: Option<&str>) -> Result<Cursor, Error> {
    let header = request.headers().get("Last-Event-ID");
    let header = header.filter(|value| !value.is_empty()); // Empty if there was no event yet.
    let text = match header {
        Some(value) => value.to_str().unwrap_or("not ASCII"),
        None => match after {
            Some(after) => after,
            None => return Ok(Cursor::default()),
        },
    };
    Cursor::parse(text)
}
