//! Server-Sent Events, as in lesson 4: one response that never ends.

use std::{convert::Infallible, ops::RangeInclusive, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Bytes},
};
use futures_util::{Stream, StreamExt as _, future, stream};
use shared::{Settings, cut::Cut, error::Error};
use tokio::{
    select,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use super::{After, Request, RoomPath};
use crate::{Chat, event::Event, reader::Reader};

/// How long a browser waits before it comes back, in milliseconds. Each is told a time of its own,
/// so that after a restart of the server not all of them return at the same moment.
const RETRY: RangeInclusive<u32> = 1_500..=3_000;

/// `GET /rooms/{room}/events?after=17`
pub(crate) async fn stream(
    request: HttpRequest,
    chat: web::Data<Chat>,
    settings: web::Data<Settings>,
    cut: web::Data<Cut>,
    room: RoomPath,
    query: web::Query<After>,
) -> Result<HttpResponse, Error> {
    let cut = cut.wait();
    let reader = Request::parse(&chat, &request, &room, query.after.as_deref())?.begin(&chat)?;
    let retry = format!("retry: {}\n\n", rand::random_range(RETRY));
    let body = stream::once(future::ready(Bytes::from(retry)))
        .chain(events(reader, settings.heartbeat))
        .take_until(cut);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        // nginx would collect the events until its buffer is full.
        .insert_header(("X-Accel-Buffering", "no"))
        // A body of actix may fail, this one cannot.
        .streaming(body.map(Ok::<_, Infallible>)))
}

/// What `reader` gets, and a ping every `heartbeat`. It ends if the log cannot be read: the browser
/// comes back and goes on from the last id.
fn events(reader: Reader, heartbeat: Duration) -> impl Stream<Item = Bytes> {
    let mut pings = interval_at(Instant::now() + heartbeat, heartbeat);
    // After a stall, send one ping and not one for each period that was missed.
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold((reader, pings), next)
}

async fn next((mut reader, mut pings): (Reader, Interval)) -> Option<(Bytes, (Reader, Interval))> {
    let bytes = select! {
        event = reader.next() => event.ok()?.sse(),
        _ = pings.tick() => Event::ping().sse(),
    };
    Some((bytes, (reader, pings)))
}
