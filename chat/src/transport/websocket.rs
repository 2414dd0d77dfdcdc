//! WebSocket, as in lesson 5: one connection for both directions.
//!
//! The events of the room do not go through the task of a connection. Their frames are encoded once for all readers and
//! merged into the body of the response. The task reads the frames of the client and replies to them.

mod body;

use actix_web::{HttpRequest, rt, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, Message, Session};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::websocket::{self, Beat, Ending, Heartbeat};
use shared::{JsonObject, error::Error};
use tokio::{select, task::coop::consume_budget};

use super::{MAX_BODY, request::RoomRequest};
use crate::event::encode_reply;
use crate::log::Receipt;
use crate::metrics::Transport;
use crate::state::HandlerResult;
use body::merge_into_body;

/// Handles `GET /rooms/{room}/ws?after=17`: turns the connection into a WebSocket.
pub(crate) async fn upgrade(
    request: HttpRequest,
    body: web::Payload,
    room_request: RoomRequest,
) -> HandlerResult {
    let max_message = MAX_BODY.into();
    let (body, heartbeat) = websocket::guard_request(&request, body, max_message)?;
    let (response, session, messages) = actix_ws::handle(&request, body)
        .map_err(|error| Error::bad_request(format!("No WebSocket handshake: {error}.")))?;
    let messages = messages
        .max_frame_size(max_message)
        .aggregate_continuations()
        .max_continuation_size(max_message);
    let events = room_request.event_stream(Transport::WebSocket).await?;
    let frames = events.map(|event| event.frame());
    let response = websocket::guard_response(response, &heartbeat);
    let mut socket = (session, messages, heartbeat);
    let mut cut = Box::pin(room_request.cut.cancelled());
    rt::spawn(async move {
        let ending = converse(&mut socket, &mut cut, &room_request).await;
        if let Ending::Close(reason) = ending {
            let (session, _, heartbeat) = socket;
            heartbeat.limit_send(session.close(reason)).await.ok();
        }
    });
    Ok(merge_into_body(response, frames))
}

/// Replies to the messages of one client, and pings the client, until the connection has to end.
/// `websocket/src/main.rs` explains such a loop.
async fn converse(
    (session, messages, heartbeat): &mut (Session, AggregatedMessageStream, Heartbeat),
    mut cut: impl Future<Output = ()> + Unpin,
    room_request: &RoomRequest,
) -> Ending {
    loop {
        consume_budget().await;
        let frame = select! {
            biased;
            () = &mut cut => return Ending::Close(Some(CloseCode::Away.into())),
            message = messages.next() => match message {
                Some(Ok(AggregatedMessage::Ping(bytes))) => Some(Message::Pong(bytes)),
                Some(Ok(AggregatedMessage::Pong(_))) => None,
                Some(Ok(AggregatedMessage::Close(reason))) => return Ending::Close(reason),
                // Boxed, so that a connection needs this memory only while it handles a message.
                Some(Ok(message)) => Box::pin(handle_message(room_request, message)).await,
                Some(Err(error)) => return Ending::from(error),
                None => return Ending::Disconnected,
            },
            beat = heartbeat.next() => match beat {
                Beat::Ping => Some(Message::Ping(web::Bytes::new())),
                Beat::Silent => return Ending::Disconnected,
            },
        };
        let Some(frame) = frame else { continue };
        if heartbeat.limit_send(session.send(frame)).await.is_err() {
            return Ending::Disconnected;
        }
    }
}

/// An event from a client: `{"event":"message","ack":1,"data":{…}}`. The client may give it a number, `ack`, and the
/// reply then has the same number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientEvent {
    /// Empty if the frame has no `event`. Such a frame still parses, so that the error can have its `ack`.
    #[serde(default)]
    event: String,
    ack: Option<u64>,
    /// JSON that is not parsed yet. It is parsed later as strictly as the body of a POST; a `Value` would accept two
    /// fields with the same name.
    data: Option<Box<RawValue>>,
}

/// Handles a text or binary message and returns the reply, if there is one.
async fn handle_message(request: &RoomRequest, message: AggregatedMessage) -> Option<Message> {
    let parsed: Result<ClientEvent, Error> = match message {
        AggregatedMessage::Text(text) => JsonObject::parse(&text),
        _ => Err(Error::bad_request("Send text, not bytes.")),
    };
    let (ack, outcome) = match parsed {
        Ok(event) => (event.ack, dispatch(request, event).await),
        Err(error) => (None, Err(error)),
    };
    let outcome = outcome.transpose()?;
    if let Err(error) = &outcome {
        request.chat.metrics.count_refusal(error.reason());
    }
    Some(Message::Text(encode_reply(ack, &outcome).into()))
}

/// Handles an event from a client. Returns a receipt if it is a message.
async fn dispatch(request: &RoomRequest, event: ClientEvent) -> Result<Option<Receipt>, Error> {
    match event.event.as_str() {
        "message" => {
            let data = event.data.as_deref().map_or("null", RawValue::get);
            let body = JsonObject::parse(data)?;
            request.post_message(body).await.map(Some)
        }
        "typing" => {
            request.post_typing();
            Ok(None)
        }
        _ => {
            let message = r#"The event must be "message" or "typing"."#;
            Err(Error::bad_request(message))
        }
    }
}
