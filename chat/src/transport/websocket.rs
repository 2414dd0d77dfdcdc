//! WebSocket, as in lesson 5: one connection, both directions.
//!
//! What happens in the room does not go through the connection's task: its frames, encoded once for all,
//! are merged into the response's body. The task reads what the client says, and answers.

use actix_web::{HttpRequest, web};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use shared::websocket::{Message, Socket, merge};
use shared::{JsonObject, error::Error};

use super::MAX_BODY;
use super::request::RoomRequest;
use crate::event::encode_reply;
use crate::log::Receipt;
use crate::state::HandlerResult;

/// `GET /rooms/{room}/ws?after=17`, upgraded.
pub(crate) async fn upgrade(
    request: HttpRequest,
    body: web::Payload,
    room_request: RoomRequest,
) -> HandlerResult {
    let (response, socket) = Socket::open(&request, body, MAX_BODY.into())?;
    let events = room_request.event_stream().await?;
    let frames = events.map(|event| event.frame());
    // Boxed: most readers send nothing most of the time.
    socket.run(stream::pending(), async move |message| {
        Box::pin(handle_frame(&room_request, message)).await
    });
    Ok(merge(response, frames))
}

/// `{"event":"message","ack":1,"data":{…}}`: an event from a client. A client may number its events, and the reply
/// has the same number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientEvent {
    /// Defaults to empty, so that a frame without `event` still parses and its error can carry the `ack`.
    #[serde(default)]
    event: String,
    ack: Option<u64>,
    /// Not parsed yet, to be parsed as strictly as the body of a POST: a `Value` would accept two fields with the
    /// same name.
    data: Option<Box<RawValue>>,
}

/// Handles a frame and returns the reply, if there is one.
async fn handle_frame(request: &RoomRequest, message: Message) -> Option<Message> {
    let parsed: Result<JsonObject<ClientEvent>, Error> = match message {
        Message::Text(text) => parse_json(&text),
        Message::Binary(_) => Err(Error::bad_request("Send text, not bytes.")),
    };
    let (ack, outcome) = match parsed {
        Ok(JsonObject(event)) => (event.ack, dispatch(request, event).await),
        Err(error) => (None, Err(error)),
    };
    let outcome = outcome.transpose()?;
    Some(Message::Text(encode_reply(ack, &outcome).into()))
}

/// Does what an event asks for. Returns the receipt of a message.
async fn dispatch(request: &RoomRequest, event: ClientEvent) -> Result<Option<Receipt>, Error> {
    match event.event.as_str() {
        "message" => {
            let data = event.data.as_deref().map_or("null", RawValue::get);
            request.post_message(parse_json(data)?).await.map(Some)
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

fn parse_json<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::bad_json(&error))
}
