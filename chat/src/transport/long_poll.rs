//! Long polling, as in lesson 2: the server holds a request until there is an event.
//!
//! Between two polls the client has no connection. The messages of that time are in the log, after the cursor. But
//! `joined` and `left` are not in the log. So the cursor also has the version of the roster that the client knows, and
//! if the roster has changed, the next poll gets the new one.

use std::{sync::Arc, time::Duration};

use actix_web::HttpResponse;
use actix_web::http::header::{self, ContentType};
use shared::error::Error;
use tokio::{select, time::sleep};

use super::request::RoomRequest;
use crate::event::Event;
use crate::input::Cursor;
use crate::log::View;
use crate::metrics::Transport;
use crate::state::HandlerResult;

/// For how many seconds a request without `wait` is held. Some proxies end a request after 30 s with an error, which
/// would look like a server that is down.
const DEFAULT_WAIT: u64 = 25;

/// The largest `wait`, in seconds. Few proxies hold a request for longer.
const MAX_WAIT: u64 = 60;

/// Handles `GET /rooms/{room}/messages`: returns `{"events":[…],"cursor":"17.4"}` as soon as there is an event, or
/// with an empty list after `wait` seconds or at a cut.
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
    let mut reader = request.open_reader(Transport::LongPoll).await?;
    let mut events = reader.drain_ready().await?;
    if events.is_empty() {
        select! {
            // In this order, so that a client with a `wait` of 0 still gets an event that is ready.
            biased;
            event = reader.next() => events.push(event),
            () = cut => {}
            () = sleep(Duration::from_secs(wait)) => {}
        }
        events.extend(reader.drain_ready().await?);
    }
    Ok(poll_response(&events, reader.cursor))
}

/// Returns the messages before `end` to a client that scrolls back. This does not wait, and does not join the room.
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

/// Returns the events and the cursor after them. No cache may store the response, because the same request gets
/// another response later.
fn poll_response(events: &[Arc<Event>], cursor: Cursor) -> HttpResponse {
    let events: Vec<_> = events.iter().map(|event| event.json()).collect();
    let events = events.join(",");
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(ContentType::json())
        .body(format!(r#"{{"events":[{events}],"cursor":"{cursor}"}}"#))
}
