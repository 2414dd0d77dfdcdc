//! WebSocket, as in lesson 5: one connection, both directions.
//!
//! What happens in the room does not go through the connection's task: its frames, encoded once for all,
//! are merged into the response's body. The task reads what the client says, and answers.

use actix_web::{HttpRequest, web};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::websocket::{Message, Socket, merge};
use shared::{Object, error::Error};

use super::Asked;
use crate::{Answer, MAX_BODY, event, log::Receipt};

/// `GET /rooms/{room}/ws?after=17`, upgraded.
pub(crate) async fn open(request: HttpRequest, body: web::Payload, asked: Asked) -> Answer {
    let (response, socket) = Socket::open(&request, body, MAX_BODY.into())?;
    let frames = asked.follow().await?.map(|event| event.frame.clone());
    // In a box: most readers say nothing most of the time.
    socket.run(stream::pending(), async move |message| {
        Box::pin(hear(&asked, message)).await
    });
    Ok(merge(response, frames))
}

/// What is wrong with any other event.
const NO_SUCH_EVENT: &str = r#"The event must be "message" or "typing"."#;

/// `{"event":"message","ack":1,"data":{…}}`: what a client says. It may number what it says, and the
/// answer has the same number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// Empty if there is none, so that the answer has the `ack`.
    #[serde(default)]
    event: String,
    ack: Option<u64>,
    /// As it is, to be read as strictly as the body of a POST: a `Value` would keep the last of two equal names.
    data: Option<Box<RawValue>>,
}

/// Does what the client says; the answer, if there is one.
async fn hear(asked: &Asked, message: Message) -> Option<Message> {
    let said = match message {
        Message::Text(text) => serde_json::from_str(&text).map_err(Error::from),
        Message::Binary(_) => Err(Error::BadRequest("Send text, not bytes.".into())),
    };
    let ack = |Object(said): &Object<Said>| said.ack;
    let ack = said.as_ref().map_or(None, ack);
    let outcome = obey(asked, said).await.transpose()?;
    Some(Message::Text(event::answer(ack, &outcome).into()))
}

async fn obey(asked: &Asked, said: Result<Object<Said>, Error>) -> Result<Option<Receipt>, Error> {
    let Object(Said { event, data, .. }) = said?;
    match event.as_str() {
        "message" => {
            let data = data.as_deref().map_or("null", RawValue::get);
            asked.say(serde_json::from_str(data)?).await.map(Some)
        }
        "typing" => {
            asked.chat.rooms.typing(&asked.room, &asked.user);
            Ok(None)
        }
        _ => Err(Error::BadRequest(NO_SUCH_EVENT.into())),
    }
}
