//! The POST requests of clients that read by SSE or long polling, which carry nothing from the client to the server.

use actix_web::{HttpResponse, web};
use shared::JsonObject;

use super::request::RoomRequest;
use crate::input::MessageBody;
use crate::state::HandlerResult;

/// Handles `POST /rooms/{room}/messages` with a [`MessageBody`]: returns 201 and `{"id","time"}` when the message is
/// stored, or 200 and the same if it was stored before.
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

/// Handles `POST /rooms/{room}/typing`: returns 204. It has no effect for a user who is not in the room.
pub(crate) async fn typing(request: RoomRequest) -> HttpResponse {
    request.post_typing();
    HttpResponse::NoContent().finish()
}
