//! How to say something without a WebSocket: one request for each message.

use actix_web::{HttpRequest, HttpResponse, web};
use shared::error::Error;

use super::RoomPath;
use crate::{
    Chat, event,
    input::{NewMessage, RoomName},
};

/// `POST /rooms/{room}/messages` with `{"key","text","to"?}`: 201 and `{"id","time"}` when the message
/// is stored; 200 and the same if it was already.
pub(crate) async fn message(
    request: HttpRequest,
    chat: web::Data<Chat>,
    room: RoomPath,
    new: web::Json<NewMessage>,
) -> Result<HttpResponse, Error> {
    let user = chat.user(&request)?;
    let room = RoomName::parse(&room)?;
    let receipt = chat.say(&room, &user, new.into_inner()).await?;
    let mut answer = if receipt.fresh {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(answer.json(event::receipt(receipt)))
}

/// `POST /rooms/{room}/typing`: 204. Only those who are in the room are heard.
pub(crate) async fn typing(
    request: HttpRequest,
    chat: web::Data<Chat>,
    room: RoomPath,
) -> Result<HttpResponse, Error> {
    let user = chat.user(&request)?;
    chat.rooms.typing(&RoomName::parse(&room)?, &user);
    Ok(HttpResponse::NoContent().finish())
}
