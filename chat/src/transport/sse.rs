//! Server-Sent Events, as in lesson 4: one response that never ends.

use std::{convert::Infallible, ops::RangeInclusive};

use actix_web::{HttpResponse, http::header, web::Bytes};
use futures_util::{StreamExt as _, future, stream};

use super::request::RoomRequest;
use crate::metrics::Transport;
use crate::state::HandlerResult;

/// How long a browser waits before it reconnects, in milliseconds. The server picks a random time for each client, as
/// in lesson 4, so that not all clients reconnect at the same moment after a restart.
const RETRY: RangeInclusive<u32> = 1_500..=3_000;

/// Handles `GET /rooms/{room}/events?after=17`: returns an endless stream. If the connection ends, the browser
/// reconnects and continues after the last id.
pub(crate) async fn stream(request: RoomRequest) -> HandlerResult {
    let cut = request.cut.cancelled();
    let retry = format!("retry: {}\n\n", rand::random_range(RETRY));
    let retry = stream::once(future::ready(Bytes::from(retry)));
    let events = request.event_stream(Transport::Sse).await?;
    let body = retry.chain(events.map(|event| event.sse())).take_until(cut);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        // Otherwise nginx would hold events back until its buffer is full.
        .insert_header(("X-Accel-Buffering", "no"))
        // actix expects items that may be errors, but these cannot be.
        .streaming(body.map(Ok::<_, Infallible>)))
}
