//! The bare hub: a server that sends the same responses as a lesson, with actix-web and `shared::broadcast` only.
//!
//! A lesson costs more than the baseline for two reasons: what actix-web does for each connection, and what the lesson
//! and the rest of `shared` do. The bare hub shows the first part. It has those settings of `shared::serve` that change
//! the cost of an update. It gives the bytes of each update to every client as they are.
//!
//! Do not copy it: it has no heartbeat and no limits, and it never reads the frames of a WebSocket.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer, rt};
use futures_util::{StreamExt as _, future, stream};
use shared::broadcast::Broadcast;

use super::comparison::{Responses, print_address};
use super::decoder::{find, number_in};
use super::technique::Pattern;

/// As in `shared::serve`, in bytes.
const WRITE_BUFFER: usize = 8 * 1024;

/// As in `shared::serve`.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How many updates a client may be behind. The clients of a benchmark read immediately.
const CAPACITY: usize = 16;

/// The headers that actix-web writes itself.
const HEADERS_OF_ACTIX: [HeaderName; 4] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    header::TRANSFER_ENCODING,
];

/// Runs the bare hub, and prints its address as a lesson does.
pub(super) fn serve(pattern: Pattern, responses: &Responses) -> io::Result<()> {
    let first = Response::parse(&responses.first).ok_or(io::ErrorKind::InvalidData)?;
    let hub = web::Data::new(Hub {
        pattern,
        response: Mutex::new(Arc::new(first)),
        unchanged: Response::parse(&responses.unchanged),
        updates: Broadcast::new(CAPACITY),
    });
    rt::System::new().block_on(async {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(hub.clone())
                .route("/{path:.*}", web::get().to(send))
                .route("/{path:.*}", web::post().to(publish))
        })
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        .h1_write_buffer_size(WRITE_BUFFER)
        .keep_alive(KEEP_ALIVE)
        .bind((Ipv4Addr::LOCALHOST, 0))?;
        if let [address, ..] = *server.addrs() {
            print_address(address)?;
        }
        server.run().await
    })
}

/// What all clients share.
struct Hub {
    pattern: Pattern,
    /// The response to the next GET: the latest list, or the start of a stream.
    response: Mutex<Arc<Response>>,
    /// The response to a client that polls and has the latest list.
    unchanged: Option<Response>,
    /// The bytes that are added to a stream. They also end each long poll.
    updates: Broadcast<Bytes>,
}

impl Hub {
    fn response(&self) -> Arc<Response> {
        let response = self.response.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&response)
    }
}

/// Handles the GET of a client.
async fn send(request: HttpRequest, hub: web::Data<Hub>) -> HttpResponse {
    match hub.pattern {
        Pattern::Stream(_) => {
            let updates = hub.updates.subscribe();
            let updates = updates.filter_map(|update| future::ready(update.ok()));
            let response = hub.response();
            let first = stream::once(future::ready(response.body.clone()));
            let body = first.chain(updates).map(Ok::<_, Infallible>);
            response.builder().streaming(body)
        }
        Pattern::Poll(_) => {
            let response = hub.response();
            let known = request.headers().get(header::IF_NONE_MATCH);
            match &hub.unchanged {
                Some(unchanged) if response.is_named_in(known.map(HeaderValue::as_bytes)) => {
                    unchanged.builder().finish()
                }
                _ => response.builder().body(response.body.clone()),
            }
        }
        Pattern::LongPoll => {
            let mut updates = hub.updates.subscribe();
            if hub
                .response()
                .is_named_in(Some(request.query_string().as_bytes()))
            {
                updates.recv().await.ok();
            }
            let response = hub.response();
            response.builder().body(response.body.clone())
        }
    }
}

/// Handles the POST of an update, in the form in which a lesson has sent it.
async fn publish(hub: web::Data<Hub>, update: Bytes) -> HttpResponse {
    let update = match hub.pattern {
        Pattern::Stream(_) if hub.response().is_chunked => join_chunks(&update).into(),
        Pattern::Stream(_) => update,
        Pattern::Poll(_) | Pattern::LongPoll => {
            let Some(response) = Response::parse(&update) else {
                return HttpResponse::BadRequest().finish();
            };
            let mut next = hub.response.lock().unwrap_or_else(PoisonError::into_inner);
            *next = Arc::new(response);
            Bytes::new()
        }
    };
    hub.updates.send(&update);
    HttpResponse::Created().body("{}")
}

/// A response that a lesson has sent, or the start of one.
struct Response {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    is_chunked: bool,
    body: Bytes,
    /// The version of the list in the body.
    version: String,
}

impl Response {
    /// Parses a response from its bytes on the wire. Returns `None` if they are not a response.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, body) = bytes.split_at(find(bytes, b"\r\n\r\n")?);
        let mut lines = std::str::from_utf8(head).ok()?.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.filter_map(|(name, value)| {
            Some((name.parse::<HeaderName>().ok()?, value.parse().ok()?))
        });
        let mut headers: Vec<(HeaderName, HeaderValue)> = headers.collect();
        let is_chunked = headers.contains(&(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        ));
        headers.retain(|(name, _)| !HEADERS_OF_ACTIX.contains(name));
        let body = if is_chunked {
            join_chunks(body)
        } else {
            body.to_vec()
        };
        Some(Self {
            status,
            headers,
            is_chunked,
            version: number_in(&body, "version").unwrap_or_default().to_string(),
            body: body.into(),
        })
    }

    /// Returns whether `text`, a header or a query, names the version of this response.
    fn is_named_in(&self, text: Option<&[u8]>) -> bool {
        text.is_some_and(|text| find(text, self.version.as_bytes()).is_some())
    }

    /// Returns a response with this status and these headers.
    fn builder(&self) -> HttpResponseBuilder {
        let mut builder = HttpResponse::build(self.status);
        for header in &self.headers {
            builder.append_header(header.clone());
        }
        if self.status == StatusCode::SWITCHING_PROTOCOLS {
            builder.upgrade("websocket");
        }
        builder
    }
}

/// Returns the content of `chunks`, which must be complete (RFC 9112 §7.1).
fn join_chunks(mut chunks: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(start) = find(chunks, b"\r\n") {
        let size = std::str::from_utf8(&chunks[..start - 2]).expect("the size of a chunk");
        let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
        content.extend_from_slice(&chunks[start..start + size]);
        chunks = &chunks[start + size + 2..];
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_response_is_parsed() {
        let response = Response::parse(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\netag: \"7\"\r\ndate: x\r\n\r\n\
              2\r\n{\"\r\n0b\r\nversion\":7}\r\n",
        );
        let response = response.unwrap();
        assert_eq!(response.status, StatusCode::OK);
        assert_eq!(response.headers.len(), 1, "actix writes the others");
        assert_eq!(response.body, r#"{"version":7}"#);
        assert!(response.is_chunked);
        assert!(response.is_named_in(Some(b"wait=25&version=7")));
        assert!(!response.is_named_in(Some(b"wait=25&version=6")));
        assert!(Response::parse(b"").is_none());
    }
}
