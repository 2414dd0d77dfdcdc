//! The page of lessons 1 to 5, from `shared/templates/lesson.html`, and the top of every page.

use actix_web::http::header::{self, ContentType, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::{Template, filters::HtmlSafe};

use crate::Settings;
use crate::catalog::{self, Entry, LESSONS};
use crate::error::Error;
use crate::serve::middleware::security_header_lines;
use crate::serve::static_folder;

/// What the template shows. Askama escapes each value for HTML.
#[derive(Template)]
#[template(path = "lesson.html")]
struct LessonPage {
    lesson: Entry,
    header: Header,
    /// The host name that the browser asked for, without the port.
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

/// The top of every page, with the way to the other lessons, from `shared/templates/header.html`.
#[derive(Debug, Template)]
#[template(path = "header.html")]
pub struct Header {
    /// The lesson whose page it is.
    name: &'static str,
    lessons: &'static [Entry],
    /// Without the port: each lesson has one of its own.
    host: String,
}

impl Header {
    /// For the page of the lesson `name` that was asked for.
    #[must_use]
    pub fn new(name: &'static str, request: &HttpRequest) -> Self {
        Self {
            name,
            lessons: LESSONS,
            host: host_name(request),
        }
    }
}

/// It is HTML, in which everything is escaped that has to be.
impl HtmlSafe for Header {}

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
    let page = LessonPage {
        lesson: catalog::find(settings.lesson.name),
        header: Header::new(settings.lesson.name, &request),
        host: host_name(&request),
        port: request.app_config().local_addr().port(),
        local: settings.loopback,
        heartbeat: settings.heartbeat.as_secs_f64(),
        request_head_bytes: head_bytes(&request),
        request_head: browser_headers(&request),
        answer_head: security_header_lines(),
        client,
    };
    let html = page.render().map_err(|error| {
        log::error!("cannot render the page: {error}");
        Error::internal()
    })?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::html())
        .body(html))
}

/// What a browser may say of itself. Whatever else is there, a proxy has added, maybe a secret of its own.
const OF_THE_BROWSER: [&str; 14] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "cookie",
    "dnt",
    "host",
    "if-none-match",
    "pragma",
    "priority",
    "referer",
    "upgrade-insecure-requests",
    "user-agent",
];

/// The headers that the browser sent, a line `name: value` each. The cookies are there as stars: no script
/// of the page needs to know them, only how long they are.
fn browser_headers(request: &HttpRequest) -> String {
    let from_browser = |name: &HeaderName| {
        name.as_str().starts_with("sec-") || OF_THE_BROWSER.contains(&name.as_str())
    };
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = match value.to_str() {
            Ok(text) if name != header::COOKIE => text.to_owned(),
            _ => "*".repeat(value.len()),
        };
        format!("{name}: {value}\n")
    };
    let headers = request.headers().iter();
    let headers = headers.filter(|(name, _)| from_browser(name));
    let mut lines: Vec<_> = headers.map(line).collect();
    // actix does not keep their order; so that it is not another one after each start, `Host` comes first.
    lines.sort_unstable_by_key(|line| (!line.starts_with("host:"), line.clone()));
    lines.concat()
}

/// How long the head of the request was: its first line, then the headers, each line ended by CR LF
/// (RFC 9112 §2.1).
fn head_bytes(request: &HttpRequest) -> usize {
    let first = format!(
        "{} {} {:?}",
        request.method(),
        request.uri(),
        request.version()
    );
    let headers = request.headers().iter();
    let lines = headers.map(|(name, value)| name.as_str().len() + ": ".len() + value.len());
    lines
        .chain([first.len(), 0])
        .map(|line| line + "\r\n".len())
        .sum()
}

/// The `Host` that the browser asked for, without its port. Anything that does not look like a host
/// name or an address is left out, so that no link leads elsewhere.
fn host_name(request: &HttpRequest) -> String {
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
