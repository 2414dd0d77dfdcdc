//! WebSocket, as in lesson 5: one connection, both directions.
//!
//! What happens in the room does not go through the connection's task: its frames, encoded once for all readers,
//! are merged into the response's body. The task reads what the client sends, and answers.

mod body;

use actix_web::{HttpRequest, rt, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, Message, Session};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::websocket::{self, Beat, Ending, Heartbeat};
use shared::{Object, error::Error};
use tokio::{select, task::coop::consume_budget};

use super::Asked;
use crate::{Answer, MAX_BODY, event, log::Receipt};
use body::merge_into_body;
pub(crate) use body::text_frame;

/// `GET /rooms/{room}/ws?after=17`, upgraded.
pub(crate) async fn open(request: HttpRequest, body: web::Payload, asked: Asked) -> Answer {
    let max_message = MAX_BODY.into();
    let (body, heartbeat) = websocket::guard(&request, body, max_message)?;
    let (response, session, messages) = actix_ws::handle(&request, body)
        .map_err(|error| Error::BadRequest(format!("No WebSocket handshake: {error}.")))?;
    let messages = messages
        .max_frame_size(max_message)
        .aggregate_continuations()
        .max_continuation_size(max_message);
    let frames = asked.follow().await?.map(|event| event.frame.clone());
    let mut socket = (session, messages, heartbeat);
    let mut cut = Box::pin(asked.cut.wait());
    rt::spawn(async move {
        let ending = converse(&mut socket, &mut cut, &asked).await;
        if let Ending::Close(reason) = ending {
            let (session, _, heartbeat) = socket;
            heartbeat.limit(session.close(reason)).await.ok();
        }
    });
    Ok(merge_into_body(
        websocket::drop_without_close(response),
        frames,
    ))
}

/// Answers what one client sends, and pings it, until there is a reason to stop. `websocket/src/main.rs` explains
/// such a loop.
async fn converse(
    (session, messages, heartbeat): &mut (Session, AggregatedMessageStream, Heartbeat),
    mut cut: impl Future<Output = ()> + Unpin,
    asked: &Asked,
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
                // In a box: most readers say nothing most of the time.
                Some(Ok(message)) => Box::pin(hear(asked, message)).await,
                Some(Err(error)) => return Ending::from(error),
                None => return Ending::Gone,
            },
            beat = heartbeat.next() => match beat {
                Beat::Ping => Some(Message::Ping(web::Bytes::new())),
                Beat::Silent => return Ending::Gone,
            },
        };
        let Some(frame) = frame else { continue };
        if heartbeat.limit(session.send(frame)).await.is_err() {
            return Ending::Gone;
        }
    }
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
async fn hear(asked: &Asked, message: AggregatedMessage) -> Option<Message> {
    let said = match message {
        AggregatedMessage::Text(text) => serde_json::from_str(&text).map_err(Error::from),
        _ => Err(Error::BadRequest("Send text, not bytes.".into())),
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
