//! [`Socket`]: one open WebSocket, from the handshake to the end of its connection.

use std::{ops::AsyncFn, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    error::PayloadError,
    http::header,
    rt,
    web::{self, Bytes},
};
use actix_ws::{
    AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, ProtocolError, Session,
};
use bytestring::ByteString;
use futures_util::{SinkExt as _, Stream, StreamExt as _};
use shared::{Connection, Settings, cut::Cut, error::Error};
use tokio::{
    pin, select,
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};

use crate::frames::Frames;

/// The largest message in bytes unless a flag says otherwise. A username needs a five-hundredth.
pub(crate) const MAX_MESSAGE: usize = 64 * 1024;

/// For how many heartbeats a peer may be silent, or not take what it is sent.
const PATIENCE: u32 = 2;

/// How long the peer has to answer a Close frame before the connection is cut.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);

/// A message from the client, or to it.
pub(crate) enum Message {
    /// UTF-8.
    Text(ByteString),
    /// Anything.
    Binary(Bytes),
}

/// How a conversation ends.
enum End {
    /// The connection is gone.
    Gone,
    /// The peer is silent or does not read: no Close frame would reach it.
    Dead,
    /// With a Close frame, after the peer's or on our own account.
    Close(Option<CloseReason>),
}

/// One open WebSocket.
pub(crate) struct Socket {
    session: Session,
    messages: AggregatedMessageStream,
    /// To be rid of a peer that does not read.
    connection: Connection,
    cut: Cut,
    heartbeat: Duration,
}

impl Socket {
    /// Answers the handshake. `max_message` is in bytes.
    ///
    /// # Errors
    /// 426 if the request does not ask for a WebSocket, 400 if it asks wrongly.
    pub(crate) fn open(
        request: &HttpRequest,
        body: web::Payload,
        max_message: usize,
    ) -> Result<(HttpResponse, Self), Error> {
        let is = |name, expected: &[u8]| {
            let value = request.headers().get(name);
            value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(expected))
        };
        if !is(header::UPGRADE, b"websocket") || !is(header::SEC_WEBSOCKET_VERSION, b"13") {
            return Err(Error::UpgradeRequired);
        }
        let connection = request
            .conn_data::<Connection>()
            .ok_or(Error::Internal)?
            .clone();
        let cut = request
            .app_data::<web::Data<Cut>>()
            .ok_or(Error::Internal)?;
        let settings = request
            .app_data::<web::Data<Settings>>()
            .ok_or(Error::Internal)?;
        let body = Frames::guard(request, body, max_message).ok_or(Error::Internal)?;
        let (response, session, messages) = actix_ws::handle(request, body)
            .map_err(|error| Error::BadRequest(format!("No WebSocket handshake: {error}.")))?;
        let messages = messages
            .max_frame_size(max_message)
            .aggregate_continuations()
            .max_continuation_size(max_message);
        let (cut, heartbeat) = (Cut::clone(cut), settings.heartbeat);
        let socket = Self {
            session,
            messages,
            connection,
            cut,
            heartbeat,
        };
        Ok((response, socket))
    }

    /// Sends the `news` as it comes and what `answer` makes of each message, in a task of its own. The
    /// task ends with the connection, with a peer that is silent or does not read, and on `Cut`.
    pub(crate) fn run(
        self,
        news: impl Stream<Item = ByteString> + 'static,
        answer: impl AsyncFn(Message) -> Option<Message> + 'static,
    ) {
        rt::spawn(async move {
            let Self {
                mut session,
                mut messages,
                connection,
                cut,
                heartbeat,
            } = self;
            let talk = talk(&mut session, &mut messages, news, answer, heartbeat);
            let end = select! {
                end = talk => end,
                () = cut.wait() => End::Close(Some(CloseCode::Away.into())),
            };
            match end {
                End::Gone => {}
                End::Dead => connection.shut_down(),
                End::Close(reason) => close(session, reason, &connection).await,
            }
        });
    }
}

/// Talks until there is a reason to stop. One thing is sent at a time, and a peer that does not take it
/// in time is given up: nothing queues for it but what its connection buffers.
async fn talk(
    session: &mut Session,
    messages: &mut AggregatedMessageStream,
    news: impl Stream<Item = ByteString>,
    answer: impl AsyncFn(Message) -> Option<Message>,
    heartbeat: Duration,
) -> End {
    pin!(news);
    let patience = heartbeat * PATIENCE;
    let mut heard = Instant::now();
    let mut pings = interval_at(heard + heartbeat, heartbeat);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let frame = select! {
            text = news.next() => match text {
                Some(text) => Some(actix_ws::Message::Text(text)),
                None => return End::Close(Some(CloseCode::Away.into())),
            },
            message = messages.next() => {
                heard = Instant::now();
                match reply(message, &answer).await {
                    Ok(frame) => frame,
                    Err(end) => return end,
                }
            }
            _ = pings.tick() => {
                if heard.elapsed() >= patience {
                    return End::Dead;
                }
                Some(actix_ws::Message::Ping(Bytes::new()))
            }
        };
        let Some(frame) = frame else { continue };
        match timeout(patience, session.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Gone,
            Err(_) => return End::Dead,
        }
    }
}

/// The frame that answers what was read, if any, or how the conversation ends.
async fn reply(
    message: Option<Result<AggregatedMessage, ProtocolError>>,
    answer: &impl AsyncFn(Message) -> Option<Message>,
) -> Result<Option<actix_ws::Message>, End> {
    let message = match message {
        None => return Err(End::Gone),
        Some(Err(error)) => return Err(end_of(&error)),
        Some(Ok(AggregatedMessage::Close(reason))) => return Err(End::Close(reason)),
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
    let code = match error {
        ProtocolError::Overflow => CloseCode::Size,
        ProtocolError::Io(error) => {
            let cause = error
                .get_ref()
                .and_then(|cause| cause.downcast_ref::<PayloadError>());
            match cause {
                Some(PayloadError::Overflow) => CloseCode::Size,
                Some(_) => return End::Gone,
                None => code_of(error),
            }
        }
        _ => CloseCode::Protocol,
    };
    End::Close(Some(code.into()))
}

/// The close code for what actix-ws 0.4 tells apart only by its words.
fn code_of(error: &std::io::Error) -> CloseCode {
    let words = error.to_string();
    if words.contains("utf-8") {
        CloseCode::Invalid
    } else if words.contains("continuation size") {
        CloseCode::Size
    } else {
        CloseCode::Protocol
    }
}

/// Sends a Close frame and lets the peer answer it. Afterwards the connection is cut in any case: the
/// frame may be stuck behind what the peer does not read.
async fn close(session: Session, reason: Option<CloseReason>, connection: &Connection) {
    let sent = timeout(CLOSE_TIMEOUT, session.close(reason)).await;
    if matches!(sent, Ok(Ok(()))) {
        sleep(CLOSE_TIMEOUT).await;
    }
    connection.shut_down();
}
