//! The page of lessons 1 to 5, from `shared/templates/lesson.html`, and the top of every page.

mod header_bytes;

use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::{Template, filters::HtmlSafe};

use crate::Settings;
use crate::catalog::{self, Entry, LESSONS};
use crate::error::Error;
use crate::serve::static_folder;
use header_bytes::HeaderBytes;

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
    /// From which the wire estimates the headers that a page cannot see: as JSON, and their sum.
    header_bytes: String,
    repeated_bytes: usize,
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
    let header_bytes = HeaderBytes::of(&request);
    let page = LessonPage {
        lesson: catalog::find(settings.lesson.name),
        header: Header::new(settings.lesson.name, &request),
        host: host_name(&request),
        port: request.app_config().local_addr().port(),
        local: settings.can_cut,
        heartbeat: settings.heartbeat.as_secs_f64(),
        header_bytes: serde_json::json!(header_bytes).to_string(),
        repeated_bytes: header_bytes.repeated(),
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
