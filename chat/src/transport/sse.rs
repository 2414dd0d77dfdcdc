//! Server-Sent Events, as in lesson 4: one response that never ends.

use std::{convert::Infallible, ops::RangeInclusive};

use actix_web::{HttpResponse, http::header, web::Bytes};
use futures_util::{StreamExt as _, future, stream};

use super::Asked;
use crate::Answer;

/// How long a browser waits before it comes back, in milliseconds: each is told another time, as in
/// lesson 4.
const RETRY: RangeInclusive<u32> = 1_500..=3_000;

/// `GET /rooms/{room}/events?after=17`. If it ends, the browser comes back and goes on from the last id.
pub(crate) async fn stream(asked: Asked) -> Answer {
    let cut = asked.cut.wait();
    let retry = format!("retry: {}\n\n", rand::random_range(RETRY));
    let events = asked.follow().await?;
    let body = stream::once(future::ready(Bytes::from(retry)))
        .chain(events.map(|event| event.sse.clone()))
        .take_until(cut);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        // nginx would collect the events until its buffer is full.
        .insert_header(("X-Accel-Buffering", "no"))
        // A body of actix may fail, this one cannot.
        .streaming(body.map(Ok::<_, Infallible>)))
}
