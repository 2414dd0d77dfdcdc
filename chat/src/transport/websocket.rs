//! WebSocket, as in lesson 5: one connection, both directions.
//!
//! What happens in the room does not go through the connection's task: its frames, encoded once for all,
//! are merged into the response's body. The task reads what the client says, and answers.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    rt,
    web::{self, Bytes},
};
use actix_ws::{AggregatedMessage, CloseCode, CloseReason, Message, ProtocolError, Session};
use futures_util::{SinkExt as _, Stream, StreamExt as _, stream};
use serde::Deserialize;
use serde_json::Value;
use shared::{
    error::Error,
    websocket::{self, CLOSE_TIMEOUT, close_code},
};
use tokio::{
    select,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout},
};

use super::{After, Request, RoomPath};
use crate::{
    Chat, MAX_BODY,
    event::{self, Event},
    input::RoomName,
    log::Receipt,
    reader::Reader,
    session::User,
};

/// For how many heartbeats a peer may be silent, or an answer wait until the peer takes it.
const PATIENCE: u32 = 2;

/// A Close frame that says 1011, something went wrong here (RFC 6455 §7.4.1).
const INTERNAL_ERROR: Bytes = Bytes::from_static(&[0x88, 2, 0x03, 0xF3]);

/// `GET /rooms/{room}/ws?after=17`, upgraded.
pub(crate) async fn open(
    request: HttpRequest,
    body: web::Payload,
    chat: web::Data<Chat>,
    room: RoomPath,
    query: web::Query<After>,
) -> Result<HttpResponse, Error> {
    let asked = Request::parse(&chat, &request, &room, query.after.as_deref())?;
    let (response, opened) = websocket::open(&request, body, MAX_BODY)?;
    let talk = Talk {
        user: Arc::clone(&asked.user),
        room: asked.room.clone(),
        session: opened.session,
        heard: opened.heard,
        heartbeat: opened.settings.heartbeat,
        chat: chat.clone(),
    };
    let news = Box::pin(frames(asked.begin(&chat)?));
    // Now, before the client knows that it is connected: a cut that comes before the task has begun
    // must end it, too.
    let cut = opened.cut.wait();
    rt::spawn(async move {
        let (mut talk, mut messages) = (talk, opened.messages);
        let end = select! {
            end = talk.run(&mut messages) => end,
            () = cut => End::Close(Some(CloseCode::Away.into()), CLOSE_TIMEOUT),
        };
        if let End::Close(reason, grace) = end {
            Box::pin(websocket::close(talk.session, messages, reason, grace)).await;
        }
        opened.connection.shut_down();
    });
    Ok(response.map_body(|_, answers| BoxBody::new(Merged { answers, news })))
}

/// What `reader` gets, as frames. If the log cannot be read, the last one says so.
fn frames(reader: Reader) -> impl Stream<Item = Bytes> {
    stream::unfold(Some(reader), async |reader| {
        let mut reader = reader?;
        match reader.next().await {
            Ok(event) => Some((event.frame(), Some(reader))),
            Err(_) => Some((INTERNAL_ERROR, None)),
        }
    })
}

/// The body of the response: the frames that actix-ws makes for this client, and those that all
/// clients get. It ends with the first that ends; actix-ws ends after a Close frame.
struct Merged<News> {
    answers: BoxBody,
    news: Pin<Box<News>>,
}

impl<News: Stream<Item = Bytes>> MessageBody for Merged<News> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match Pin::new(&mut self.answers).poll_next(context) {
            Poll::Pending => self.news.poll_next_unpin(context).map(|news| news.map(Ok)),
            answer @ Poll::Ready(_) => answer,
        }
    }
}

/// How a conversation ends.
enum End {
    /// The connection is gone, or the peer is silent or does not read: no Close frame would reach it.
    Gone,
    /// With a Close frame, after the peer's or on our own account, and so much time to read it.
    Close(Option<CloseReason>, Duration),
}

/// `{"event":"message","ack":1,"data":{…}}`: what a client says. It may number what it says, and the
/// answer has the same number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(default)]
    event: String,
    ack: Option<u64>,
    #[serde(default)]
    data: Value,
}

/// The server's side of a conversation.
struct Talk {
    user: Arc<User>,
    room: RoomName,
    session: Session,
    /// When the last bytes came from the peer.
    heard: Rc<Cell<Instant>>,
    heartbeat: Duration,
    chat: web::Data<Chat>,
}

impl Talk {
    /// Listens and answers until there is a reason to stop. One message is dealt with at a time: a peer
    /// that does not read its answers is not listened to, and given up in the end.
    async fn run(&mut self, messages: &mut actix_ws::AggregatedMessageStream) -> End {
        let mut pings = interval_at(Instant::now() + self.heartbeat, self.heartbeat);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let patience = self.heartbeat * PATIENCE;
        loop {
            let silent = self.heard.get() + patience;
            let answer = select! {
                // In this order: whoever has something to say is not silent.
                biased;
                message = messages.next() => match self.reply(message).await {
                    Ok(answer) => answer,
                    Err(end) => return end,
                },
                () = sleep_until(silent) => {
                    if self.heard.get() + patience <= Instant::now() {
                        return End::Gone;
                    }
                    None // A part of a long frame has come in the meantime.
                }
                // The protocol's ping makes the peer answer; the event is for the page to see.
                _ = pings.tick() => {
                    if !self.send(Message::Ping(Bytes::new())).await {
                        return End::Gone;
                    }
                    Some(Message::Text(Event::ping().json().into()))
                }
            };
            if let Some(answer) = answer
                && !self.send(answer).await
            {
                return End::Gone;
            }
        }
    }

    /// Whether the peer took a frame in time.
    async fn send(&mut self, frame: Message) -> bool {
        let sent = timeout(self.heartbeat * PATIENCE, self.session.send(frame)).await;
        matches!(sent, Ok(Ok(())))
    }

    /// The frame that answers what was read, if any, or how the conversation ends.
    async fn reply(
        &self,
        message: Option<Result<AggregatedMessage, ProtocolError>>,
    ) -> Result<Option<Message>, End> {
        let message = match message {
            None => return Err(End::Gone),
            Some(Err(error)) => {
                let close = |code: CloseCode| End::Close(Some(code.into()), CLOSE_TIMEOUT);
                return Err(close_code(&error).map_or(End::Gone, close));
            }
            Some(Ok(message)) => message,
        };
        let answer = match message {
            AggregatedMessage::Close(reason) => {
                return Err(End::Close(reason, self.heartbeat * PATIENCE));
            }
            AggregatedMessage::Ping(bytes) => return Ok(Some(Message::Pong(bytes))),
            AggregatedMessage::Pong(_) => None,
            // In a box: most readers say nothing most of the time.
            AggregatedMessage::Text(text) => Box::pin(self.hear(&text)).await,
            AggregatedMessage::Binary(_) => {
                let error = Error::BadRequest("Send text, not bytes.".into());
                Some(event::error(None, &error))
            }
        };
        Ok(answer.map(|answer| Message::Text(answer.into())))
    }

    /// Does what the client says; the answer, if there is one.
    async fn hear(&self, text: &str) -> Option<String> {
        let said: Said = match serde_json::from_str(text) {
            Ok(said) => said,
            Err(error) => return Some(event::error(None, &not_json(&error))),
        };
        let ack = said.ack;
        match said.event.as_str() {
            "typing" => self.chat.rooms.typing(&self.room, &self.user),
            "message" => {
                let stored = self.say(said.data).await;
                return Some(stored.map_or_else(
                    |error| event::error(ack, &error),
                    |receipt| event::ack(ack, receipt),
                ));
            }
            _ => {
                let sentence = r#"The event must be "message" or "typing"."#;
                return Some(event::error(ack, &Error::BadRequest(sentence.into())));
            }
        }
        None
    }

    async fn say(&self, data: Value) -> Result<Receipt, Error> {
        let new = serde_json::from_value(data).map_err(|error| not_json(&error))?;
        self.chat.say(&self.room, &self.user, new).await
    }
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::BadRequest(format!("The text is not as expected: {error}."))
}
