//! [`Socket`]: one open WebSocket, from the handshake to the end of its connection.
//!
//! This is what every WebSocket of a server needs, whatever it is for: the guard in front of the decoder,
//! pings, the end of a peer that is silent or does not read, and the right close codes.

mod broadcast;
mod close;
mod frames;

use std::{cell::Cell, ops::AsyncFn, rc::Rc, time::Duration};

use actix_web::http::header;
use actix_web::web::{self, Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse, rt};
use actix_ws::{
    AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, ProtocolError, Session,
};
use bytestring::ByteString;
use futures_util::{SinkExt as _, Stream, StreamExt as _};
use tokio::task::consume_budget;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio::{pin, select};

use crate::{Connection, Settings, cut::Cut, error::Error};
pub use broadcast::{merge, text_frame};
use close::{CLOSE_TIMEOUT, close, close_code};
use frames::Frames;

/// For how many heartbeats a peer may be silent, or a single frame wait until the peer takes it.
const PATIENCE: u32 = 2;

/// A timer that runs out by more than this part of a heartbeat too late says nothing about the peer.
const LATE: u32 = 4;

/// What a message says, from the client or to it; pings and the like are not for the lesson to see.
#[derive(Debug)]
pub enum Message {
    /// UTF-8.
    Text(ByteString),
    /// Anything.
    Binary(Bytes),
}

/// How a conversation ends.
enum End {
    /// The connection is gone, or the peer is silent or does not read: no Close frame would reach it.
    Gone,
    /// With a Close frame, after the peer's or on our own account, and so much time to read it.
    Close(Option<CloseReason>, Duration),
}

/// One open WebSocket.
pub struct Socket {
    session: Session,
    /// What comes, fragments put together.
    messages: AggregatedMessageStream,
    /// To be rid of a peer that does not read.
    connection: Connection,
    cut: web::Data<Cut>,
    heartbeat: Duration,
    /// When the last bytes came from the peer, also in the middle of a frame.
    heard: Rc<Cell<Instant>>,
}

impl Socket {
    /// Answers the handshake (RFC 6455 §4.2). No message of more than `max_message` bytes is let in, and
    /// no frame that announces more.
    ///
    /// # Errors
    /// 426 if the request does not ask for a WebSocket, 400 if it asks wrongly.
    pub fn open(
        request: &HttpRequest,
        body: Payload,
        max_message: u32,
    ) -> Result<(HttpResponse, Self), Error> {
        let is = |name, expected: &[u8]| {
            let value = request.headers().get(name);
            value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(expected))
        };
        if !is(header::UPGRADE, b"websocket") || !is(header::SEC_WEBSOCKET_VERSION, b"13") {
            return Err(Error::upgrade_required());
        }
        // A body before the frames, or chunks around them, is how requests are smuggled.
        let length = request.headers().get(header::CONTENT_LENGTH);
        let has_body = length.is_some_and(|length| length != "0");
        if has_body || request.headers().contains_key(header::TRANSFER_ENCODING) {
            return Err(Error::bad_request("An upgrade has no body."));
        }
        let connection: &Connection = request.conn_data().ok_or_else(Error::internal)?;
        let cut: &web::Data<Cut> = request.app_data().ok_or_else(Error::internal)?;
        let settings: &web::Data<Settings> = request.app_data().ok_or_else(Error::internal)?;
        let heard = Rc::new(Cell::new(Instant::now()));
        let max_message = usize::try_from(max_message).map_err(|_| Error::internal())?;
        let body = Frames::guard(request, body, max_message, Rc::clone(&heard))
            .ok_or_else(Error::internal)?;
        let (response, session, messages) = actix_ws::handle(request, body)
            .map_err(|error| Error::bad_request(format!("No WebSocket handshake: {error}.")))?;
        let messages = messages
            .max_frame_size(max_message)
            .aggregate_continuations()
            .max_continuation_size(max_message);
        let socket = Self {
            session,
            messages,
            connection: connection.clone(),
            cut: cut.clone(),
            heartbeat: settings.heartbeat,
            heard,
        };
        Ok((response, socket))
    }

    /// Sends the `news` as it comes and what `answer` makes of each message, in a task of its own. The
    /// task ends with the connection, with a peer that is silent or does not read, and on `Cut`.
    pub fn run(
        mut self,
        news: impl Stream<Item = ByteString> + 'static,
        answer: impl AsyncFn(Message) -> Option<Message> + 'static,
    ) {
        // Now, before the client knows that it is connected: a cut that comes before the task has begun
        // must end it, too.
        let cut = self.cut.wait();
        // In boxes, or the task would have room for each of them twice and for its end all the time.
        let mut news = Box::pin(news);
        rt::spawn(async move {
            let end = select! {
                end = self.talk(&mut news, answer) => end,
                () = cut => End::Close(Some(CloseCode::Away.into()), CLOSE_TIMEOUT),
            };
            if let End::Close(reason, grace) = end {
                // In a box: most of the time there is nothing to close.
                Box::pin(close(self.session, self.messages, reason, grace)).await;
            }
            self.connection.shut_down();
        });
    }

    /// The timer has run out, for which `due` was the time. When to look again, if the peer was not silent.
    fn silent_at(&self, due: Instant) -> Option<Instant> {
        let now = Instant::now();
        if due + self.heartbeat / LATE < now {
            // This server stood still, and has not read what was said meanwhile.
            self.heard.set(now);
        }
        let silent = self.heard.get() + self.heartbeat * PATIENCE;
        (silent > now).then_some(silent)
    }

    /// Talks until there is a reason to stop. One frame is sent at a time, and a peer that does not take
    /// it in time is given up: all that queues for it is the 32 messages that actix-ws holds, and what
    /// its connection buffers.
    async fn talk(
        &mut self,
        mut news: impl Stream<Item = ByteString> + Unpin,
        answer: impl AsyncFn(Message) -> Option<Message>,
    ) -> End {
        let (heartbeat, patience) = (self.heartbeat, self.heartbeat * PATIENCE);
        let mut pings = interval_at(Instant::now() + heartbeat, heartbeat);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Set anew only when it has run out: most often the peer was heard in the meantime, and to set a timer
        // for each frame would cost more than the frame.
        let silence = sleep_until(self.heard.get() + patience);
        pin!(silence);
        loop {
            // A peer may send thousands of tiny frames at once: now and then it is the others' turn.
            consume_budget().await;
            let frame = select! {
                // In this order: whoever has something to say is not silent.
                biased;
                message = self.messages.next() => match Box::pin(reply(message, &answer, patience)).await {
                    Ok(frame) => frame,
                    Err(end) => return end,
                },
                () = &mut silence => match self.silent_at(silence.deadline()) {
                    Some(later) => {
                        silence.as_mut().reset(later);
                        None
                    }
                    None => return End::Gone,
                },
                _ = pings.tick() => Some(actix_ws::Message::Ping(Bytes::new())),
                text = news.next() => match text {
                    Some(text) => Some(actix_ws::Message::Text(text)),
                    None => return End::Close(Some(CloseCode::Away.into()), CLOSE_TIMEOUT),
                },
            };
            let Some(frame) = frame else { continue };
            let sending = Instant::now();
            if !matches!(
                timeout(patience, self.session.send(frame)).await,
                Ok(Ok(()))
            ) {
                return End::Gone;
            }
            // What had to wait and was taken then shows that the peer is there, though it had no chance
            // to be heard meanwhile.
            if sending.elapsed() >= heartbeat {
                self.heard.set(Instant::now());
            }
        }
    }
}

/// The frame that answers what was read, if any, or how the conversation ends.
async fn reply(
    message: Option<Result<AggregatedMessage, ProtocolError>>,
    answer: &impl AsyncFn(Message) -> Option<Message>,
    patience: Duration,
) -> Result<Option<actix_ws::Message>, End> {
    let message = match message {
        None => return Err(End::Gone),
        Some(Err(error)) => return Err(end_of(&error)),
        Some(Ok(AggregatedMessage::Close(reason))) => return Err(End::Close(reason, patience)),
        Some(Ok(AggregatedMessage::Ping(bytes))) => {
            return Ok(Some(actix_ws::Message::Pong(bytes)));
        }
        Some(Ok(AggregatedMessage::Pong(_))) => return Ok(None),
        Some(Ok(AggregatedMessage::Text(text))) => Message::Text(text),
        Some(Ok(AggregatedMessage::Binary(bytes))) => Message::Binary(bytes),
    };
    Ok(answer(message).await.map(|message| match message {
        Message::Text(text) => actix_ws::Message::Text(text),
        Message::Binary(bytes) => actix_ws::Message::Binary(bytes),
    }))
}

/// What a protocol error leads to: the close code that RFC 6455 §7.4.1 has for it.
fn end_of(error: &ProtocolError) -> End {
    match close_code(error) {
        Some(code) => End::Close(Some(code.into()), CLOSE_TIMEOUT),
        None => End::Gone,
    }
}
