//! How to say something without a WebSocket: one request for each message.

use actix_web::{HttpResponse, web};
use shared::error::Error;

use super::Asked;
use crate::input::NewMessage;

/// `POST /rooms/{room}/messages` with `{"key","text","to"?}`: 201 and `{"id","time"}` when the message
/// is stored; 200 and the same if it was already.
pub(crate) async fn message(
    asked: Asked,
    new: web::Json<NewMessage>,
) -> Result<HttpResponse, Error> {
    let receipt = asked.say(new.into_inner()).await?;
    let mut answer = if receipt.fresh {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(answer.json(receipt))
}

/// `POST /rooms/{room}/typing`: 204. Only those who are in the room are heard.
pub(crate) async fn typing(asked: Asked) -> HttpResponse {
    asked.chat.rooms.typing(&asked.room, &asked.user);
    HttpResponse::NoContent().finish()
}
