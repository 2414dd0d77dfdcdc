//! Server-Sent Events, as in lesson 4: one response that never ends.

use std::{convert::Infallible, ops::RangeInclusive};

use actix_web::{HttpResponse, http::header, web::Bytes};
use futures_util::{StreamExt as _, future, stream};

use super::request::RoomRequest;
use crate::state::HandlerResult;

/// How long a browser waits before it reconnects, in milliseconds. The server picks a random time for each client, as
/// in lesson 4, so that after a restart they do not all come back at the same moment.
const RETRY: RangeInclusive<u32> = 1_500..=3_000;

/// `GET /rooms/{room}/events?after=17`. When it ends, the browser reconnects and goes on after the last id.
pub(crate) async fn stream(request: RoomRequest) -> HandlerResult {
    let cut = request.cut.cancelled();
    let retry = format!("retry: {}\n\n", rand::random_range(RETRY));
    let retry = stream::once(future::ready(Bytes::from(retry)));
    let events = request.event_stream().await?;
    let body = retry.chain(events.map(|event| event.sse())).take_until(cut);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        // nginx would collect the events until its buffer is full.
        .insert_header(("X-Accel-Buffering", "no"))
        // actix wants a body that may fail; this one cannot.
        .streaming(body.map(Ok::<_, Infallible>)))
}
