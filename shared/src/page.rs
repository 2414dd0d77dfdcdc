//! The page of lessons 1 to 5, from `shared/templates/lesson.html`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType, HeaderName, HeaderValue},
    web,
};
use askama::Template;

use crate::{
    Settings,
    catalog::{self, Entry, LESSONS},
    error::Error,
    serve::{middleware::security_header_lines, static_folder},
};

/// What the template shows. Askama escapes each value for HTML.
#[derive(Template)]
#[template(path = "lesson.html")]
struct LessonPage {
    lesson: Entry,
    lessons: &'static [Entry],
    /// The host name that the browser asked for, without the port: the other lessons have it too.
    host: String,
    /// Where this server listens.
    port: u16,
    /// Whether the page may cut the connections.
    local: bool,
    /// In seconds.
    heartbeat: f64,
    /// The headers of this request, for the wire.
    request_head: String,
    /// How long the head of this request was.
    request_head_bytes: usize,
    /// The headers that every answer has, for the wire.
    answer_head: String,
    /// The text of the lesson's `client.js`.
    client: String,
}

/// `GET /`
pub(crate) async fn show(
    request: HttpRequest,
    settings: web::Data<Settings>,
) -> Result<HttpResponse, Error> {
    let client_path = static_folder(settings.lesson.folder).join("client.js");
    // Read at each request: a student edits the file while the server runs.
    let client = tokio::task::spawn_blocking(move || std::fs::read_to_string(client_path)).await;
    let client = match client.map_err(std::io::Error::other).flatten() {
        Ok(client) => client,
        Err(error) => format!("// static/client.js could not be read: {error}"),
    };
    let request_head = header_lines(&request);
    let page = LessonPage {
        lesson: catalog::find(settings.lesson.name),
        lessons: LESSONS,
        host: host_name(&request),
        port: request.app_config().local_addr().port(),
        local: settings.loopback,
        heartbeat: settings.heartbeat.as_secs_f64(),
        request_head_bytes: head_bytes(&request, &request_head),
        request_head,
        answer_head: security_header_lines(),
        client,
    };
    let html = page.render().map_err(|error| {
        log::error!("cannot render the page: {error}");
        Error::Internal
    })?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::html())
        .body(html))
}

/// The headers of a request, a line `name: value` each. What may be a secret is there as stars: no
/// script of the page needs to know it, only how long it is.
fn header_lines(request: &HttpRequest) -> String {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = if name == header::COOKIE || name == header::AUTHORIZATION {
            "*".repeat(value.len())
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        format!("{name}: {value}\n")
    };
    request.headers().iter().map(line).collect()
}

/// How long the head was on the wire: its first line, then the lines, each ended by CR LF (RFC 9112 §2.1).
fn head_bytes(request: &HttpRequest, lines: &str) -> usize {
    let first = format!(
        "{} {} {:?}\r\n",
        request.method(),
        request.uri(),
        request.version()
    );
    first.len() + lines.len() + lines.lines().count() + "\r\n".len()
}

/// The `Host` that the browser asked for, without its port. Anything that does not look like a host
/// name or an address is left out, so that no link leads elsewhere.
#[must_use]
pub fn host_name(request: &HttpRequest) -> String {
    let host = request
        .headers()
        .get("Host")
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let bracket = host.rfind(']').unwrap_or(0);
    let name = match host.rfind(':').filter(|colon| *colon > bracket) {
        Some(colon) => host.split_at(colon).0,
        None => host,
    };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-.:[]".contains(letter);
    if name.is_empty() || !name.chars().all(plain) {
        "127.0.0.1".into()
    } else {
        name.into()
    }
}
