//! POST, for the transports that only read.

use actix_web::{HttpResponse, web};
use shared::JsonObject;

use super::request::RoomRequest;
use crate::input::MessageBody;
use crate::state::HandlerResult;

/// `POST /rooms/{room}/messages` with `{"key","text","to"?}`: 201 and `{"id","time"}` when the message is stored; 200
/// and the same if it was stored before.
pub(crate) async fn message(
    request: RoomRequest,
    body: web::Json<JsonObject<MessageBody>>,
) -> HandlerResult {
    let JsonObject(body) = body.into_inner();
    let receipt = request.post_message(body).await?;
    let mut response = if receipt.created {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(response.json(receipt))
}

/// `POST /rooms/{room}/typing`: 204. It has no effect for a user who is not in the room.
pub(crate) async fn typing(request: RoomRequest) -> HttpResponse {
    request.post_typing();
    HttpResponse::NoContent().finish()
}
