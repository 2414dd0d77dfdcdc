//! Which lessons run on this machine, for the menu: a link to a server that does not run helps nobody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time;

use crate::catalog::{LESSONS, LessonInfo};

/// How long a server on this machine may take to accept a connection. It takes a hundredth of that; only Windows, which
/// asks a port that nobody listens on again and again, would take longer.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(200);

/// How long the result is used again, so that a thousand requests for the page do not cost five thousand connections.
const REUSE: Duration = Duration::from_millis(500);

/// When this server has looked last, and the lessons that ran then. It stays locked while the server looks, so that
/// requests that arrive meanwhile wait for the same result.
static LAST: Mutex<Option<(Instant, Vec<&'static str>)>> = Mutex::const_new(None);

/// Returns the names of the lessons whose default port accepts connections. Whether it is really that lesson is not
/// checked. `request` is any request to this server: the others are expected at the same address.
pub(crate) async fn running_lessons(request: &HttpRequest) -> Vec<&'static str> {
    let mut last = LAST.lock().await;
    if let Some((looked, running)) = &*last
        && looked.elapsed() < REUSE
    {
        return running.clone();
    }
    let address = loopback_if_any(request.app_config().local_addr().ip());
    let checks = LESSONS.iter().map(|lesson| is_running(lesson, address));
    let running: Vec<_> = join_all(checks).await.into_iter().flatten().collect();
    *last = Some((Instant::now(), running.clone()));
    running
}

/// `GET /shared/running.json`: `{"running":["polling","sse"]}`.
pub(super) async fn running(request: HttpRequest) -> HttpResponse {
    let running = running_lessons(&request).await;
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "running": running }))
}

async fn is_running(lesson: &LessonInfo, address: IpAddr) -> Option<&'static str> {
    let connecting = TcpStream::connect(SocketAddr::new(address, lesson.port));
    let connected = time::timeout(CONNECT_TIMEOUT, connecting).await;
    matches!(connected, Ok(Ok(_))).then_some(lesson.name)
}

/// A server that listens on all addresses listens on this one, too.
fn loopback_if_any(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}
