//! Long polling, as in lesson 2: ask, and the answer comes when there is news.
//!
//! Between two polls nobody listens. What was said meanwhile is in the log, after the cursor. Who came
//! and went is not, so the cursor also names the roster that the client knows: if there is another
//! one by now, the next poll gets it as a whole.

use std::{sync::Arc, time::Duration};

use actix_web::HttpResponse;
use actix_web::http::header::{self, ContentType};
use shared::error::Error;
use tokio::{select, time::sleep};

use super::Asked;
use crate::{Answer, event::Event, input::Cursor};

/// For how many seconds a request is held if it does not say. The least patient proxies give up on
/// a request after 30 s, and their error would look like a server that is gone.
const DEFAULT_WAIT: u64 = 25;

/// The most seconds that a request may ask for: few proxies have the patience for more.
const MAX_WAIT: u64 = 60;

/// `GET /rooms/{room}/messages`: `{"events":[…],"cursor":"17.4"}` as soon as there is something; an
/// empty list if that does not happen in time.
pub(crate) async fn poll(asked: Asked) -> Answer {
    let cut = asked.cut.wait();
    if let Some(before) = &asked.query.before {
        return history(&asked, Cursor::parse(before)?).await;
    }
    let wait = asked.query.wait.unwrap_or(DEFAULT_WAIT);
    if wait > MAX_WAIT {
        let sentence = format!("wait is a number of whole seconds from 0 to {MAX_WAIT}.");
        return Err(Error::BadRequest(sentence));
    }
    let mut reader = asked.begin().await?;
    let mut events = reader.ready().await?;
    if events.is_empty() {
        select! {
            // From top to bottom: news that is there already is told even if the wait is 0.
            biased;
            event = reader.next() => events.push(event?),
            () = cut => {}
            () = sleep(Duration::from_secs(wait)) => {}
        }
        events.extend(reader.ready().await?);
    }
    Ok(answer(&events, reader.cursor))
}

/// What was said before `end`, for whoever scrolls back: at once, and without a visit to the room.
async fn history(asked: &Asked, end: Cursor) -> Answer {
    let view = (asked.room.clone(), asked.user.id);
    let (log, before) = (&asked.chat.log, end.id.unwrap_or_default());
    let messages = log.before(view, before).await?;
    let events: Vec<_> = messages.iter().map(Event::message).collect();
    Ok(answer(&events, end))
}

/// The events, and the cursor after them. Nobody may keep it: the same address has another answer next time.
fn answer(events: &[Arc<Event>], cursor: Cursor) -> HttpResponse {
    let events: Vec<_> = events.iter().map(|event| event.json.as_str()).collect();
    let body = format!(r#"{{"events":[{}],"cursor":"{cursor}"}}"#, events.join(","));
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(ContentType::json())
        .body(body)
}
