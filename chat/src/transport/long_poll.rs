//! Long polling, as in lesson 2: the server answers a request when there is news.
//!
//! Between two polls the client has no connection. The messages of that time are in the log, after the cursor. Who
//! joined and left is not, so the cursor also names the roster that the client knows. If there is another one by now,
//! the next poll gets it as a whole.

use std::{sync::Arc, time::Duration};

use actix_web::HttpResponse;
use actix_web::http::header::{self, ContentType};
use shared::error::Error;
use tokio::{select, time::sleep};

use super::request::RoomRequest;
use crate::event::Event;
use crate::input::Cursor;
use crate::log::View;
use crate::state::HandlerResult;

/// For how many seconds a request is held if it does not say. Some proxies give up on a request after 30 s, and their
/// error would look like a server that is down.
const DEFAULT_WAIT: u64 = 25;

/// The most seconds that a request may ask for: few proxies wait longer.
const MAX_WAIT: u64 = 60;

/// `GET /rooms/{room}/messages`: `{"events":[…],"cursor":"17.4"}` as soon as there is something; an empty list if
/// that does not happen in time.
pub(crate) async fn poll(request: RoomRequest) -> HandlerResult {
    request.user.check_rate(request.chat.rate)?;
    let cut = request.cut.cancelled();
    if let Some(before) = &request.query.before {
        return history(&request, Cursor::parse(before)?).await;
    }
    let wait = request.query.wait.unwrap_or(DEFAULT_WAIT);
    if wait > MAX_WAIT {
        let message = format!("wait is a number of whole seconds from 0 to {MAX_WAIT}.");
        return Err(Error::bad_request(message));
    }
    let mut reader = request.open_reader().await?;
    let mut events = reader.drain_ready().await?;
    if events.is_empty() {
        select! {
            // In this order: with a wait of 0 the client still gets what is there already.
            biased;
            event = reader.next() => events.push(event),
            () = cut => {}
            () = sleep(Duration::from_secs(wait)) => {}
        }
        events.extend(reader.drain_ready().await?);
    }
    Ok(poll_response(&events, reader.cursor))
}

/// Returns the messages before `end`, for a client that scrolls back: at once, and without joining the room.
async fn history(request: &RoomRequest, end: Cursor) -> HandlerResult {
    let view = View {
        room: request.room.clone(),
        reader: request.user.id,
    };
    let id = end.id.unwrap_or_default();
    let read = request.chat.backend.page_before(view, id);
    let messages = request.user.read_in_turn(read).await?;
    let events: Vec<_> = messages.iter().map(Event::message).collect();
    Ok(poll_response(&events, end))
}

/// Returns the events and the cursor after them. No cache may keep the response: the same address has another one
/// next time.
fn poll_response(events: &[Arc<Event>], cursor: Cursor) -> HttpResponse {
    let events: Vec<_> = events.iter().map(|event| event.json()).collect();
    let events = events.join(",");
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(ContentType::json())
        .body(format!(r#"{{"events":[{events}],"cursor":"{cursor}"}}"#))
}
