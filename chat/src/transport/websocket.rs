//! WebSocket, as in lesson 5: one connection, both directions.
//!
//! What happens in the room does not go through the connection's task: its frames, encoded once for all,
//! are merged into the response's body. The task reads what the client says, and answers.

use std::{pin::Pin, task::Poll};

use actix_web::{
    HttpRequest,
    body::{BodyStream, BoxBody, MessageBody as _},
    web::{self, Bytes},
};
use futures_util::{Stream, StreamExt as _, future, stream};
use serde::Deserialize;
use serde_json::Value;
use shared::{
    error::Error,
    websocket::{Message, Socket},
};

use super::Asked;
use crate::{Answer, MAX_BODY, event, log::Receipt};

/// A Close frame that says 1011, something went wrong here (RFC 6455 §7.4.1).
const INTERNAL_ERROR: Bytes = Bytes::from_static(&[0x88, 2, 0x03, 0xF3]);

/// `GET /rooms/{room}/ws?after=17`, upgraded.
pub(crate) async fn open(request: HttpRequest, body: web::Payload, asked: Asked) -> Answer {
    let (response, socket) = Socket::open(&request, body, MAX_BODY.into())?;
    let frames = asked
        .follow()?
        .map(|event| event.frame.clone())
        // It ends only if the log cannot be read.
        .chain(stream::once(future::ready(INTERNAL_ERROR)));
    // In a box: most readers say nothing most of the time.
    socket.run(stream::pending(), async move |message| {
        Box::pin(hear(&asked, message)).await
    });
    Ok(response.map_body(|_, answers| merge(answers, frames)))
}

/// The body of the response: the frames that actix-ws makes for this client, and those that all
/// clients get. It ends with the first that ends; actix-ws ends after a Close frame.
fn merge(mut answers: BoxBody, frames: impl Stream<Item = Bytes> + 'static) -> BoxBody {
    let mut frames = Box::pin(frames);
    BoxBody::new(BodyStream::new(stream::poll_fn(
        move |context| match Pin::new(&mut answers).poll_next(context) {
            Poll::Pending => frames.poll_next_unpin(context).map(|frame| frame.map(Ok)),
            answer @ Poll::Ready(_) => answer,
        },
    )))
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

/// Does what the client says; the answer, if there is one.
async fn hear(asked: &Asked, message: Message) -> Option<Message> {
    let said = match message {
        Message::Text(text) => serde_json::from_str(&text).map_err(Error::from),
        Message::Binary(_) => Err(Error::BadRequest("Send text, not bytes.".into())),
    };
    let ack = said.as_ref().map_or(None, |said: &Said| said.ack);
    let outcome = obey(asked, said).await.transpose()?;
    Some(Message::Text(event::answer(ack, &outcome).into()))
}

async fn obey(asked: &Asked, said: Result<Said, Error>) -> Result<Option<Receipt>, Error> {
    let Said { event, data, .. } = said?;
    match event.as_str() {
        "message" => asked.say(serde_json::from_value(data)?).await.map(Some),
        "typing" => {
            asked.chat.rooms.typing(&asked.room, &asked.user);
            Ok(None)
        }
        _ => {
            let sentence = r#"The event must be "message" or "typing"."#;
            Err(Error::BadRequest(sentence.into()))
        }
    }
}
